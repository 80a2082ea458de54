"""Jumps in the price: whoever trades before one knows more than we do.

RV/BV over the last minutes of five-second returns of the mid. Up to the limit nothing happens, at twice the limit
quotes are twice as wide. A ratio alone is chance now and then, so the jump test has to agree (1 in 100).

A mid that seldom moves shows a large ratio without any jump, because BV multiplies neighbours: where fewer than
four returns in five are not zero, nothing is said.
"""

from typing import Any, ClassVar

from services.guard.checks.streak import widening
from services.guard.config import GuardConfig
from services.guard.estimators.jumps import Returns, Variation, variation
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import Book, Reason

RULE = Rule(
    "toxicity", "price moves by jumps (RV/BV)", "coin", "widen", Reason.TOXIC_FLOW, "ratio", "toxicity_ratio"
)
STEP_S = 5.0
RETURNS = 60
MIN_MOVED_FRAC = 0.8
JUMP_P_VALUE = 0.01


class Toxicity:
    """The jump test on the newest five minutes; it ends when the jump leaves them."""

    rule = RULE
    remembers: ClassVar = {"_returns": PARTS, "_variation": Variation | None}

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit = config.toxicity_ratio
        self._returns = Returns(STEP_S, RETURNS)
        self._variation: Variation | None = None

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Book) and msg.bids and msg.asks and self._returns.add(msg):
            values = self._returns.values
            if len(values) == RETURNS:
                moved = sum(value != 0 for value in values) >= MIN_MOVED_FRAC * RETURNS
                self._variation = variation(tuple(values)) if moved else None

    def read(self, now_ms: int) -> Reading:
        found = self._variation
        if found is None:
            return Reading(None, self._limit)
        fired = found.ratio > self._limit and found.p_value < JUMP_P_VALUE
        detail = f"p = {found.p_value:.1g}" if fired else ""
        return Reading(found.ratio, self._limit, fired, spread=widening(found.ratio, self._limit), detail=detail)
