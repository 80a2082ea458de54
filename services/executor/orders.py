"""Our orders: their identity and the table of their lives."""

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from shared.errors import InvariantError
from shared.messages import ZERO
from shared.units import Side

State = Literal["pending", "open", "cancelling", "filled", "canceled", "rejected"]
Happening = Literal["accepted", "rejected", "part_filled", "filled", "cancel_sent", "canceled"]

LIVES: dict[State, dict[Happening, State]] = {
    "pending": {"accepted": "open", "rejected": "rejected", "cancel_sent": "cancelling"},
    "open": {"part_filled": "open", "filled": "filled", "cancel_sent": "cancelling", "canceled": "canceled"},
    "cancelling": {
        "accepted": "cancelling",
        "rejected": "rejected",
        "part_filled": "cancelling",
        "filled": "filled",
        "canceled": "canceled",
    },
    "filled": {},
    "canceled": {},
    "rejected": {},
}
"""`pending` and `cancelling` end with the venue's answer; a fill may still come before it."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A post-only limit order as it would be sent."""

    cloid: str
    coin: str
    side: Side
    level: int
    px: Decimal
    sz: Decimal
    source_ms: float
    """`received_ms` of the book that led to it."""


@dataclass(slots=True)
class LiveOrder:
    """An order of ours that is not over."""

    new: NewOrder
    state: State = "pending"
    filled_sz: Decimal = field(default=ZERO)
    rests: bool = False
    """The exchange has confirmed it."""

    @property
    def remaining_sz(self) -> Decimal:
        return self.new.sz - self.filled_sz

    @property
    def over(self) -> bool:
        return not LIVES[self.state]

    def meet(self, happening: Happening) -> None:
        """Move on in life.

        Raises:
            InvariantError: this cannot happen to an order in this state.
        """
        following = LIVES[self.state].get(happening)
        if following is None:
            raise InvariantError(f"order {self.new.cloid}: {happening} while {self.state}")
        self.state = following


def cloid(run_id: str, coin: str, side: Side, level: int, sequence: int) -> str:
    """The venue's client order id (0x and 32 hex digits) as a pure function of what the order is.

    The same order sent again has the same id, so the venue refuses the repeat. `sequence` never repeats: it
    starts at 1000 times the time in ms at which this process began (later than anything restored), and counts.
    """
    text = f"{run_id}|{coin}|{side}|{level}|{sequence}"
    return "0x" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
