"""Our mid against the venue's mark price: two feeds that must tell the same market.

The mark price is the median of the oracle with the basis of the last minutes, of the coin's own touch and last
trade, and of other venues' perpetuals. It leans on the book, but no book alone can carry it away. In a snapshot
of all perpetuals mid and mark were 1.5 bps apart in the median of the 30 largest and 6 at most, and 19 bps in 99
of 100 of all. A fast market runs ahead of the mark price for some seconds: it has to last.
"""

from typing import Any, ClassVar

from services.guard.checks.streak import Streak
from services.guard.config import GuardConfig
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import AssetCtx, Book, Reason

RULE = Rule(
    "prices_apart", "book mid and mark price disagree", "coin", "pull", Reason.PRICES_APART, "bps",
    "prices_apart_bps",
)  # fmt: skip
MARK_OLD_MS = 15_000
"""The venue sends a coin's context about once a second; an older mark price is no witness. What it has said before
stands until another one takes it back."""


class PricesApart:
    """Distance of the newest mid from the newest mark price, and since when it is too far."""

    rule = RULE
    remembers: ClassVar = {"_mid_px": float | None, "_mark_px": float | None, "_mark_ms": float, "_streak": PARTS}

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit_bps = config.prices_apart_bps
        self._streak = Streak(config.prices_apart_s, config.rule_hold_s)
        self._mid_px: float | None = None
        self._mark_px: float | None = None
        self._mark_ms = 0.0

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Book):
            if not msg.bids or not msg.asks:
                return
            self._mid_px = msg.mid_px
        elif isinstance(msg, AssetCtx):
            self._mark_px, self._mark_ms = float(msg.mark_px), msg.received_ms
        else:
            return
        apart_bps = self._apart_bps(msg.received_ms)
        if apart_bps is not None:
            self._streak.note(msg.received_ms, apart_bps > self._limit_bps)

    def read(self, now_ms: int) -> Reading:
        apart_bps, fired = self._apart_bps(now_ms), self._streak.on(now_ms)
        detail = "" if apart_bps is None else f"mid {self._mid_px:g}, mark {self._mark_px:g}"
        return Reading(apart_bps, self._limit_bps, fired, detail=detail)

    def _apart_bps(self, now_ms: float) -> float | None:
        if self._mid_px is None or not self._mark_px or now_ms - self._mark_ms > MARK_OLD_MS:
            return None
        return abs(self._mid_px / self._mark_px - 1) * 1e4
