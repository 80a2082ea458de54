"""The operator's door, `/admin/*`, open to this machine only: faults, limits, accounts, coins, the truth log."""

from collections.abc import Iterable
from typing import Any, Protocol

from aiohttp import web

from services.venue.api.limits import Limits
from services.venue.exchange.account import Account
from services.venue.exchange.actions import AnyAction
from services.venue.exchange.world import World
from services.venue.faults.faults import Connection, Faults
from services.venue.truth import TruthLog


class VenueControl(Protocol):
    """The venue as its operator holds it."""

    world: World
    faults: Faults
    limits: Limits
    truth: TruthLog

    def fault_ms(self) -> float:
        """The time that `faults` goes by."""
        ...

    def connections(self) -> Iterable[Connection]: ...

    async def act(self, account: Account, action: AnyAction) -> dict[str, Any]:
        """Execute an action without a signature in the next block, and return its reply."""
        ...

    def block(self) -> dict[str, Any]:
        """State of the block loop: whatever an operator may want to see."""
        ...


def admin_routes(control: VenueControl) -> list[web.RouteDef]:
    """To be added to the venue's application."""
    raise NotImplementedError
