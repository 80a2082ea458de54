"""What the executor sees of an exchange: it hands over orders and is told what became of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from services.executor.approve import Approved
from shared.messages import Reason


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order rests."""

    cloid: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange refused the order."""

    cloid: str
    reason: Reason


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


@dataclass(frozen=True, slots=True)
class Canceled:
    """The rest of the order is gone."""

    cloid: str


Report = Accepted | Rejected | Filled | Canceled


class Exchange(Protocol):
    """Orders in, reports out. Calls only hand over a wish; what became of it comes out of `step`."""

    def place(self, now_ms: int, approved: Approved) -> None: ...

    def cancel(self, now_ms: int, cloid: str) -> None: ...

    def step(self, now_ms: int, msg: Any) -> Iterable[Report]:
        """Market data and time in. Books, depths, trades and the universe matter; anything else is time."""

    def close(self, now_ms: int) -> Iterable[Report]:
        """The end of this process: what happens to everything that still rests."""
