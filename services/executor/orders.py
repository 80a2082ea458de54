"""Our orders: their identity and the table of their lives."""

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from shared.errors import InvariantError
from shared.messages import ZERO
from shared.units import Side

State = Literal[
    "pending", "sent", "unknown", "open", "cancelling", "replacing", "filled", "canceled", "rejected"
]  # fmt: skip
Happening = Literal[
    "sent", "lost", "accepted", "rejected", "part_filled", "filled", "cancel_sent", "replace_sent", "canceled"
]  # fmt: skip

LIVES: dict[State, dict[Happening, State]] = {
    "pending": {
        "sent": "sent",
        "lost": "unknown",
        "accepted": "open",
        "rejected": "rejected",
        "cancel_sent": "cancelling",
    },
    "sent": {
        "lost": "unknown",
        "accepted": "open",
        "rejected": "rejected",
        "cancel_sent": "cancelling",
    },
    "unknown": {
        "accepted": "open",
        "rejected": "rejected",
        "cancel_sent": "unknown",
    },
    "open": {
        "part_filled": "open",
        "filled": "filled",
        "cancel_sent": "cancelling",
        "replace_sent": "replacing",
        "canceled": "canceled",
    },
    "cancelling": {
        "lost": "unknown",
        "accepted": "cancelling",
        "rejected": "rejected",
        "part_filled": "cancelling",
        "filled": "filled",
        "cancel_sent": "cancelling",
        "canceled": "canceled",
    },
    "replacing": {
        "lost": "unknown",
        "part_filled": "replacing",
        "filled": "filled",
        "cancel_sent": "cancelling",
        "canceled": "canceled",
    },
    "filled": {},
    "canceled": {},
    "rejected": {},
}
"""`pending`: decided, and on the bus before anything leaves. `sent`: a request that places it is under way.
`unknown`: the answer of a request about it was lost; only the venue's word, never a second request, ends that.
`replacing`: a modify is to cancel it and to place its successor. `cancelling`: a cancel was decided; a fill may
still come before it. An `Ioc` is `open` for the moment in which it takes, and `canceled` if something was left.
The simulated exchange neither sends nor loses: its orders go from `pending` to `open`."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A limit order as it would be sent; post-only unless it says otherwise."""

    cloid: str
    coin: str
    side: Side
    level: int
    px: Decimal
    sz: Decimal
    source_ms: float
    """`received_ms` of the book that led to it."""
    tif: Literal["Alo", "Ioc"] = "Alo"
    """`Ioc` takes what stands within its price at once; the rest of it is cancelled by the exchange."""
    reduce_only: bool = False
    """The exchange never lets it take the position beyond flat."""


@dataclass(slots=True, eq=False)
class LiveOrder:
    """An order of ours that is not over."""

    new: NewOrder
    state: State = "pending"
    filled_sz: Decimal = field(default=ZERO)
    rests: bool = False
    """The exchange has confirmed it."""
    leaving: bool = False
    """Its cancel was decided. Nothing takes that back."""

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

    def fill(self, sz: Decimal) -> None:
        """
        Raises:
            InvariantError: more than is left, or not in this state.
        """
        if sz > self.remaining_sz:
            raise InvariantError(f"order {self.new.cloid}: filled {sz}, only {self.remaining_sz} left")
        self.filled_sz += sz
        self.meet("part_filled" if self.remaining_sz else "filled")


def cloid(prefix: str, run_id: str, coin: str, side: Side, level: int, sequence: int) -> str:
    """The venue's client order id (0x and 32 hex digits) as a pure function of what the order is.

    `prefix` marks the engine's own (`shared.hyperliquid.cloids`). `sequence` never repeats: it starts at 1000
    times the time in ms at which this process began (later than anything restored), and counts.
    """
    text = f"{run_id}|{coin}|{side}|{level}|{sequence}"
    return prefix + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
