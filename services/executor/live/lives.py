"""What is known of an order at the venue, as answers, stream and look-ups have told it in any order."""

import math
from dataclasses import dataclass
from decimal import Decimal

from services.executor.orders import LiveOrder, NewOrder

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 500, 10_000


@dataclass(frozen=True, slots=True)
class End:
    """How the venue says an order ended. `filled_sz` None: it does not say how much had traded."""

    status: str
    filled_sz: Decimal | None
    at_most: bool = False
    """Perhaps it was less than `filled_sz`."""

    @property
    def exact(self) -> bool:
        return self.filled_sz is not None and not self.at_most


@dataclass(slots=True, eq=False)
class Ticket(LiveOrder):
    """One order and everything that is under way or waited for. Times are on our clock; `inf` is never.

    An order is over when the venue has said how it ended *and* every fill up to there is booked.
    """

    asset: int = -1
    oid: int | None = None
    placed_ms: int = 0
    arrives_until_ms: float = math.inf
    """Once it is past, nothing that was sent can still bring the order into being."""
    rested_ms: float = math.inf
    """When it was first known to rest."""
    leaving_ms: int = 0
    """Since when it is to go."""
    patient: bool = False
    """Its cancel may wait for others to join it."""
    cancel_under_way: bool = False
    """A cancel or a modify has left, and its answer is awaited."""
    next_cancel_ms: float = 0.0
    cancels: int = 0
    """Cancels without success so far."""
    gone_ms: int | None = None
    """When the venue confirmed a cancel (or replaced it); how much had filled is still to be learned."""
    end: End | None = None
    ended_ms: int = 0
    """When `end` was first known."""
    ask_at_ms: float = math.inf
    asks: int = 0
    """Look-ups since something was last certain."""
    asking: bool = False
    orphan: bool = False
    """Nobody here placed it: it is only to be cancelled, and nobody is told."""

    @property
    def settled(self) -> bool:
        """Cancelled for good, with every fill before that booked. Those of an orphan may have been told before it
        was found, and are not counted."""
        if self.end is None or self.orphan:
            return self.end is not None
        return self.end.filled_sz is not None and self.filled_sz >= self.end.filled_sz

    @property
    def wants_cancel(self) -> bool:
        """To be cancelled as soon as `next_cancel_ms`; what never left needs no request."""
        over = self.state == "pending" or self.gone_ms is not None or self.end is not None
        return self.leaving and not self.cancel_under_way and not over

    @property
    def lingers(self) -> bool:
        """Does it rest, as far as we know, although it is to go?"""
        return self.leaving and self.rests and self.gone_ms is None and self.end is None

    @property
    def awaits_fills(self) -> bool:
        return self.end is not None and not self.settled

    def leave(self, now_ms: int) -> None:
        """From now on it is to go."""
        if not self.leaving:
            self.leaving, self.leaving_ms = True, now_ms

    def ask(self, at_ms: float) -> None:
        """Look it up at that time at the latest."""
        self.ask_at_ms = min(self.ask_at_ms, at_ms)

    def hurry(self, now_ms: int) -> None:
        """The venue can be reached again: what failed before does not wait for its turn."""
        if self.next_cancel_ms < math.inf:
            self.next_cancel_ms = 0.0
        if self.asks:
            self.ask(now_ms)

    def certain(self) -> None:
        """The venue has just told where it stands."""
        self.ask_at_ms, self.asks = math.inf, 0


def pause_ms(tries: int) -> float:
    """Before the next try, after so many in vain."""
    return float(min(_FIRST_PAUSE_MS << min(tries - 1, 10), _LONGEST_PAUSE_MS))


def never_rested(status: str) -> bool:
    """Is this the status of an order that was refused?"""
    return status.lower().endswith("rejected")


def end_of(new: NewOrder, status: str, left_sz: Decimal, orig_sz: Decimal) -> End:
    """What a final status with the size that was left says. A reduce-only order may have been cut to the position
    (reference page §6.5), and what is shown as left of an `Ioc` that traded in part is not known (§12)."""
    if new.tif == "Ioc":
        return End(status, None)
    if new.reduce_only:
        return End(status, orig_sz - left_sz, at_most=True)
    return End(status, orig_sz if status == "filled" else orig_sz - left_sz)
