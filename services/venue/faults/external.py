"""Orders and cancels on an account without its key, as the actions that the account would have signed."""

from services.venue.exchange.actions import AnyAction
from services.venue.exchange.world import World
from services.venue.faults.kinds import External


def action_of(world: World, external: External) -> AnyAction | None:
    """For `Exchange.act`; None when there is nothing to do (no such account, no order to cancel).

    Raises:
        Refused: no such coin, or no price to go by.
    """
    raise NotImplementedError
