"""The daily stop: a fixed share of the balance may be lost in a day, whatever was won before.

It looks at no peak. A drawdown measured against the peak PnL fired on a session whose peak was two cents, and
one that waits for a worthwhile peak protects nobody who only ever loses.
"""

from dataclasses import dataclass
from decimal import Decimal

from shared.units import exact


@dataclass(frozen=True, slots=True)
class DailyStop:
    """`drawdown_frac` is the day's loss as a share of the balance; negative on a good day."""

    drawdown_frac: Decimal
    breached: bool


def daily_stop(day_pnl_usd: Decimal, starting_balance_usd: Decimal, cap_frac: float) -> DailyStop:
    """Breached if the day's net PnL is below -cap of the balance, strictly."""
    return DailyStop(
        drawdown_frac=-day_pnl_usd / starting_balance_usd,
        breached=day_pnl_usd < -exact(cap_frac) * starting_balance_usd,
    )
