"""What the executor sees of an exchange: it hands over orders and is told what became of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from services.executor.approve import Approved
from shared.hyperliquid import account
from shared.messages import Reason


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order rests; also when that was unknown for a while."""

    cloid: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows at present whether the order rests. It is being asked for."""

    cloid: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange refused the order, or it never got there."""

    cloid: str
    reason: Reason
    opposite_px: Decimal | None = None
    """Best price of the other side that a post-only order met, where the venue names it."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A fill; `fill_id` is unique and names its cause."""

    cloid: str
    fill_id: str
    px: Decimal
    sz: Decimal
    fee_usd: Decimal
    time_ms: int
    """Venue time of what filled us."""
    record: account.Fill | None = None
    """The venue's own, live."""
    dark: bool = False
    """The venue did not tell; it was found by asking."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """The rest of the order is gone. `reason` is the venue's, where it was not our wish."""

    cloid: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A fill on the account that belongs to no live order of this process: of an earlier one, of another hand, or
    told again after its order was over. Whoever keeps the books knows which."""

    fill: account.Fill


@dataclass(frozen=True, slots=True)
class EndProcess:
    """An effect: everything is in order for the end that the guard's halt asks for."""

    reason: str


Report = Accepted | Lost | Rejected | Filled | Canceled | Unclaimed


class Exchange(Protocol):
    """Orders in, reports out. Calls only hand over a wish; what became of it comes out of `step`."""

    def place(self, now_ms: int, approved: Approved) -> None: ...

    def cancel(self, now_ms: int, cloid: str, *, urgent: bool = True) -> None:
        """What is not urgent may wait a moment for other requests to join it."""

    def step(self, now_ms: int, msg: Any) -> Iterable[Report]:
        """Market data and time in. Books, depths, trades and the universe matter; anything else is time."""

    def close(self, now_ms: int) -> Iterable[Report]:
        """The end of this process: what happens to everything that still rests."""
