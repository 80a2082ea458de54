"""A number is only as good as what it rests on: every estimate carries its sample size and an interval."""

from typing import Literal, NamedTuple

Verdict = Literal["GO", "NO-GO", "NOT ENOUGH DATA"]
LEVEL = 0.95
"""Of two-sided intervals, where nothing else is said."""


class Estimate(NamedTuple):
    """`low` and `high` are None while there are too few observations for an interval; `value` without any.

    `n` counts observations, `n_effective` what they are worth when neighbours say the same (blocks, windows).
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float
    level: float = LEVEL


class Judgement(NamedTuple):
    """A verdict with its reason in one sentence; `needs` says how much more data would decide, empty with the
    other two verdicts."""

    verdict: Verdict
    reason: str
    needs: str = ""

    @property
    def said(self) -> str:
        """Reason and needs as one text."""
        return f"{self.reason.rstrip('.')}. Needs: {self.needs}" if self.needs else self.reason
