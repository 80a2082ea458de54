"""What happens to the mid after a market order: the adverse selection a maker would have met, from public trades.

The mid before the order is the last book with an earlier block time (a book of the same block already shows the
order's own damage); the mid after is the last book at or before five seconds later. Both must be fresh, so a hole
in the data makes no label. Block times decide, so it does not matter in which order books and trades arrive.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from typing import Literal, NamedTuple

from shared.messages import Trade
from shared.recent import Recent

HORIZON_MS = 5000
FRESH_MS = 2000
GIVE_UP_MS = 20_000
HISTORY = 2048
REMEMBERED_TIDS = 4096
MAX_MARKOUTS = 2000
MAX_PENDING = 2000


class MarketOrder(NamedTuple):
    """All prints of one aggressor in one block, at the deepest price it reached."""

    time_ms: int
    side: Literal["B", "A"]
    px: float


class Markout(NamedTuple):
    """How far a market order reached from the mid and beyond the touch, and the move after it against the maker
    (+ is bad for us)."""

    time_ms: int
    reach_bps: float
    beyond_bps: float
    adverse_bps: float


class Mids:
    """The touch by block time, bounded."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._touch: list[tuple[float, float]] = []

    @property
    def newest_ms(self) -> int:
        return self._times[-1] if self._times else 0

    def add(self, time_ms: int, bid_px: float, ask_px: float) -> None:
        """The last book of a block stands for it; an older one than known is ignored."""
        if self._times and time_ms <= self._times[-1]:
            if time_ms == self._times[-1]:
                self._touch[-1] = (bid_px, ask_px)
            return
        self._times.append(time_ms)
        self._touch.append((bid_px, ask_px))
        if len(self._times) >= 2 * HISTORY:
            del self._times[:HISTORY], self._touch[:HISTORY]

    def before(self, time_ms: int) -> tuple[float, float] | None:
        """Bid and ask just before a block, if fresh."""
        return self._fresh(bisect_left(self._times, time_ms) - 1, time_ms)

    def at(self, time_ms: int) -> tuple[float, float] | None:
        """Bid and ask standing at a time, if fresh."""
        return self._fresh(bisect_right(self._times, time_ms) - 1, time_ms)

    def _fresh(self, index: int, time_ms: int) -> tuple[float, float] | None:
        return self._touch[index] if index >= 0 and time_ms - self._times[index] <= FRESH_MS else None


class Markouts:
    """Market orders waiting for their mid five seconds later, and those that have it."""

    def __init__(self) -> None:
        self.mids = Mids()
        self.done: deque[Markout] = deque(maxlen=MAX_MARKOUTS)
        self._pending: deque[MarketOrder] = deque(maxlen=MAX_PENDING)
        self._tids = Recent(REMEMBERED_TIDS)

    def take(self, trades: Iterable[Trade]) -> list[Trade]:
        """Add prints and return those not seen before (an entry may be delivered twice)."""
        fresh = [trade for trade in trades if self._tids.add(trade.tid)]
        for trade in fresh:
            px, last = float(trade.px), self._pending[-1] if self._pending else None
            if last is not None and (last.time_ms, last.side) == (trade.time_ms, trade.side):
                deepest = max(last.px, px) if trade.side == "B" else min(last.px, px)
                self._pending[-1] = MarketOrder(trade.time_ms, trade.side, deepest)
            else:
                self._pending.append(MarketOrder(trade.time_ms, trade.side, px))
        return fresh

    def resolve(self, now_ms: int) -> None:
        """Label the orders whose five seconds are over; without books for too long they are dropped."""
        while self._pending:
            order = self._pending[0]
            due_ms = order.time_ms + HORIZON_MS
            if self.mids.newest_ms >= due_ms:
                markout = self._label(order, due_ms)
                if markout is not None:
                    self.done.append(markout)
            elif now_ms - order.time_ms < GIVE_UP_MS:
                return
            self._pending.popleft()

    def forget_before(self, time_ms: int) -> None:
        while self.done and self.done[0].time_ms < time_ms:
            self.done.popleft()

    def _label(self, order: MarketOrder, due_ms: int) -> Markout | None:
        """None without fresh books, or for a print inside the touch (no maker of ours could have stood there)."""
        before, after = self.mids.before(order.time_ms), self.mids.at(due_ms)
        if before is None or after is None:
            return None
        bid_px, ask_px = before
        if (order.px < ask_px) if order.side == "B" else (order.px > bid_px):
            return None
        mid_px, later_px = (bid_px + ask_px) / 2, (after[0] + after[1]) / 2
        in_bps = (1e4 if order.side == "B" else -1e4) / mid_px
        touch_px = ask_px if order.side == "B" else bid_px
        return Markout(
            order.time_ms,
            reach_bps=in_bps * (order.px - mid_px),
            beyond_bps=in_bps * (order.px - touch_px),
            adverse_bps=in_bps * (later_px - mid_px),
        )
