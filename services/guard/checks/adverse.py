"""Our own fills lose money: the market moves against them by more than the spread they earned.

Mean edge of a side's fills after five seconds and after the fee. A loss of `adverse_loss_bps` a fill is allowed;
at twice that quotes are twice as wide. Fewer than `adverse_min_fills` of a side say nothing, and what is known
fades with time, so that a coin which was quoted too wide to be filled is tried again.
"""

from typing import Any, ClassVar

from services.guard.checks.streak import widening
from services.guard.config import GuardConfig
from services.guard.estimators.edges import Edges
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import Book, Fill, Reason

RULE = Rule(
    "adverse_selection", "own fills lose after 5 s, net of fees", "coin", "widen", Reason.ADVERSE_SELECTION,
    "bps lost per fill", "adverse_loss_bps",
)  # fmt: skip
PRIOR_EDGE_BPS = 0.0
PRIOR_FILLS = 10.0


class AdverseSelection:
    """The worse side's mean loss; never negative, so that good fills tighten nothing."""

    rule = RULE
    remembers: ClassVar = {"_edges": PARTS}

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit_bps, self._min_fills = config.adverse_loss_bps, config.adverse_min_fills
        self._edges = Edges(PRIOR_EDGE_BPS, PRIOR_FILLS)

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Fill):
            self._edges.add_fill(msg)
        elif isinstance(msg, Book) and msg.bids and msg.asks:
            self._edges.add_book(msg)

    def read(self, now_ms: int) -> Reading:
        known = [
            (max(-mean.estimate_bps(now_ms), 0.0), side)
            for side, mean in self._edges.sides.items()
            if mean.weight(now_ms) >= self._min_fills
        ]
        if not known:
            return Reading(None, self._limit_bps)
        loss_bps, side = max(known)
        fired = loss_bps > self._limit_bps
        spread = widening(loss_bps, self._limit_bps)
        return Reading(loss_bps, self._limit_bps, fired, spread=spread, detail=f"{side}s" if fired else "")
