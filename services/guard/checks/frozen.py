"""A book that goes on arriving but has stopped telling the truth.

Nothing at the touch changes, neither price nor size, while something else shows that the market is elsewhere: the
mark price moved beyond the touch, or trades print through it. Both are measured from the moment the touch took its
present form, in bps beyond it, and have to be seen twice, `frozen_book_s` apart:

- a quiet coin has a touch that stands for minutes, but nothing contradicts it;
- a mark price that stands beyond the touch but did not move there is a basis between venues;
- a mark price that moves towards the touch is late, not the book;
- one sweep through the touch is followed by another touch; a frozen one stands there still at the next print.
"""

from typing import Any, ClassVar

from services.guard.checks.streak import Streak
from services.guard.config import GuardConfig
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import AssetCtx, Book, Level, Reason, Trade, Trades

RULE = Rule(
    "frozen_book", "touch stands still while the market moves through it", "coin", "pull", Reason.FROZEN_BOOK,
    "bps", "frozen_book_bps",
)  # fmt: skip


class FrozenBook:
    """The touch, since when it stands, and how far mark price and prints are beyond it."""

    rule = RULE
    remembers: ClassVar = {
        "_touch": tuple[Level, Level] | None,
        "_bid_px": float,
        "_ask_px": float,
        "_stands_ms": int,
        "_mark_px": float | None,
        "_mark_before_px": float | None,
        "_beyond": list[float],
        "_streaks": PARTS,
    }

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit_bps = config.frozen_book_bps
        self._streaks = tuple(Streak(config.frozen_book_s, config.rule_hold_s) for _ in range(2))
        self._touch: tuple[Level, Level] | None = None
        self._bid_px = self._ask_px = 0.0
        self._stands_ms = 0
        """Venue time of the block that made the touch."""
        self._mark_px: float | None = None
        self._mark_before_px: float | None = None
        self._beyond = [0.0, 0.0]

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Book):
            self._hear_book(msg)
        elif isinstance(msg, AssetCtx):
            self._hear_mark(msg)
        elif isinstance(msg, Trades):
            for trade in msg.trades:
                self._hear_print(trade)

    def read(self, now_ms: int) -> Reading:
        if self._touch is None:
            return Reading(None, self._limit_bps)
        mark_bps, print_bps = self._beyond
        what = "mark price" if mark_bps >= print_bps else "prints"
        fired = any(streak.on(now_ms) for streak in self._streaks)
        detail = f"{what} beyond a touch that stands" if fired else ""
        return Reading(max(mark_bps, print_bps), self._limit_bps, fired, detail=detail)

    def _hear_book(self, book: Book) -> None:
        if not book.bids or not book.asks:
            return
        touch = book.bids[0], book.asks[0]
        if touch == self._touch:
            return
        self._touch, self._stands_ms = touch, book.time_ms
        self._bid_px, self._ask_px = float(touch[0].px), float(touch[1].px)
        self._mark_before_px = self._mark_px
        self._beyond = [0.0, 0.0]
        for streak, time_ms in zip(self._streaks, (book.received_ms, book.time_ms), strict=True):
            streak.note(time_ms, False)

    def _hear_mark(self, ctx: AssetCtx) -> None:
        mark_px = float(ctx.mark_px)
        if not mark_px > 0:
            return
        self._mark_px = mark_px
        if self._mark_before_px is None:
            self._mark_before_px = mark_px
        moved_bps = (mark_px / self._mark_before_px - 1) * 1e4
        beyond_bps = self._beyond_bps(mark_px)
        same_way = moved_bps * beyond_bps > 0
        self._note(0, ctx.received_ms, min(abs(moved_bps), abs(beyond_bps)) if same_way else 0.0)

    def _hear_print(self, trade: Trade) -> None:
        """A print of the block that made the touch, or of one before it, is about another touch."""
        if trade.time_ms > self._stands_ms:
            self._note(1, trade.time_ms, abs(self._beyond_bps(float(trade.px))))

    def _note(self, source: int, time_ms: float, beyond_bps: float) -> None:
        if self._touch is not None:
            self._beyond[source] = beyond_bps
            self._streaks[source].note(time_ms, beyond_bps > self._limit_bps)

    def _beyond_bps(self, px: float) -> float:
        """+ above the ask, - below the bid, 0 between them."""
        if self._touch is None or self._bid_px <= px <= self._ask_px:
            return 0.0
        touch_px = self._ask_px if px > self._ask_px else self._bid_px
        return (px / touch_px - 1) * 1e4
