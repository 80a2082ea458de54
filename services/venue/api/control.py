"""What the operator's door needs of the venue, and how its handlers read and refuse."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar, get_args

import msgspec
from aiohttp import web

from services.venue.api import subscriptions as subs
from services.venue.api.limits import Limits
from services.venue.exchange.account import Account
from services.venue.exchange.world import World
from services.venue.faults.faults import Faults
from services.venue.faults.running import Connection
from services.venue.faults.scenario import Names
from services.venue.truth import TruthLog
from shared.hyperliquid.actions import AnyAction

T = TypeVar("T")


def _tags(union: Any) -> Iterator[str]:
    return (str(each.__struct_config__.tag) for each in get_args(union))


CHANNELS = (
    *("user" if tag == "userEvents" else tag for tag in _tags(subs.AnySubscription)),
    "subscriptionResponse", "post", "pong", "error",
)  # fmt: skip
ACTIONS = tuple(_tags(AnyAction))


def names(world: World) -> Names:
    """What a fault may name."""
    return {"coin": world.listings, "channel": CHANNELS, "action": ACTIONS}


class VenueControl(Protocol):
    """The venue as its operator holds it."""

    limits: Limits
    truth: TruthLog

    @property
    def world(self) -> World: ...

    @property
    def faults(self) -> Faults: ...

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


class CannotDo(Exception):
    """The operator asked for something that is wrong or not there."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


async def body_of(request: web.Request, model: type[T]) -> T:
    """
    Raises:
        CannotDo: the body is not what is expected.
    """
    try:
        return msgspec.json.decode(await request.read(), type=model)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CannotDo(f"the body is wrong: {error}") from error
