"""Funding beyond any normal rate: the position would cost more than the spread earns.

The quoter stops at the same limit (`funding_halt_8h_frac`, one setting for both). This is the second pair of eyes:
what stops a loss must not depend on the code that wants to quote.
"""

from typing import Any, ClassVar

from services.guard.checks.streak import Streak
from services.guard.config import GuardConfig
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import AssetCtx, Reason

RULE = Rule(
    "funding_limit", "|funding| per 8 h is extreme", "coin", "pull", Reason.FUNDING_HALT, "frac per 8 h",
    "funding_halt_8h_frac",
)  # fmt: skip


class FundingLimit:
    """Eight times the hourly rate that the venue predicts now; its sign says who pays, the limit is for both."""

    rule = RULE
    remembers: ClassVar = {"_rate_8h_frac": float | None, "_streak": PARTS}

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit_frac = config.funding_halt_8h_frac
        self._streak = Streak(0.0, config.rule_hold_s)
        self._rate_8h_frac: float | None = None

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, AssetCtx):
            self._rate_8h_frac = 8 * msg.funding_1h_frac
            self._streak.note(msg.received_ms, abs(self._rate_8h_frac) > self._limit_frac)

    def read(self, now_ms: int) -> Reading:
        return Reading(self._rate_8h_frac, self._limit_frac, self._streak.on(now_ms))
