"""Drawdown: how far the PnL has fallen from its best, as a share of the account.

    drawdown = (peak PnL - PnL) / account value        counted once peak PnL > max($1, 2 % of the position limit)

The denominator is what the account is worth, never the peak: a session that won two cents and lost four was once
"down 184 %" and killed. A session that never had a worthwhile peak has no drawdown; the daily stops protect it.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.guard.checks.forgiven import CountingStatus
from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import Reason
from shared.units import exact

LEAST_PEAK_USD = Decimal(1)
LEAST_PEAK_FRAC = Decimal("0.02")
"""Of the position limit."""


@dataclass(frozen=True, slots=True)
class Fall:
    """`drawdown_frac` None: the peak is not worth measuring from."""

    min_peak_usd: Decimal
    drawdown_frac: Decimal | None
    breached: bool


def fall(
    peak_pnl_usd: Decimal,
    pnl_usd: Decimal,
    account_value_usd: Decimal,
    max_position_value_usd: Decimal,
    max_drawdown_frac: Decimal,
) -> Fall:
    """Breached above the limit, strictly; an account worth nothing is down by all of it."""
    min_peak_usd = max(LEAST_PEAK_USD, LEAST_PEAK_FRAC * max_position_value_usd)
    if peak_pnl_usd <= min_peak_usd:
        return Fall(min_peak_usd, None, breached=False)
    if account_value_usd <= 0:
        return Fall(min_peak_usd, Decimal(1), breached=True)
    drawdown_frac = (peak_pnl_usd - pnl_usd) / account_value_usd
    return Fall(min_peak_usd, drawdown_frac, breached=drawdown_frac > max_drawdown_frac)


class Drawdown:
    """On the session's PnL, or on what came since a `resume` ended a halt. None until the account is known."""

    rule = Rule(
        name="drawdown",
        about="fall of the PnL from its peak / account value",
        scope="all",
        level="halt",
        reason=Reason.DRAWDOWN,
        unit="of equity",
        limit="max_drawdown_frac",
    )

    def __init__(self, config: GuardConfig) -> None:
        self._limit_frac = config.max_drawdown_frac
        self._max_position_usd = config.max_position_value_usd
        self._status = CountingStatus()

    def hear(self, now_ms: int, msg: Any) -> None:
        self._status.hear(msg)

    def read(self, now_ms: int) -> Reading:
        status = self._status.at(now_ms)
        if status is None or status.equity_usd is None:
            return Reading(None, self._limit_frac)
        peak_usd = status.drawdown_peak_usd
        fallen = fall(
            peak_usd,
            status.pnl_usd - status.drawdown_base_usd,
            status.equity_usd,
            self._max_position_usd,
            exact(self._limit_frac),
        )
        if fallen.drawdown_frac is None:
            detail = f"peak ${peak_usd:.2f}; counts above ${fallen.min_peak_usd:.2f}"
            return Reading(None, self._limit_frac, detail=detail)
        detail = f"{fallen.drawdown_frac:.2%} of the account below the peak of ${peak_usd:.2f}"
        return Reading(float(fallen.drawdown_frac), self._limit_frac, fallen.breached, detail=detail)
