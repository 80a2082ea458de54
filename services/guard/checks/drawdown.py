"""The daily stop: a fixed share of the balance may be lost in a day, whatever was won before.

It looks at no peak. A drawdown measured against the peak PnL fired on a session whose peak was two cents, and
one that waits for a worthwhile peak protects nobody who only ever loses.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Resumed, Rule
from shared.messages import AccountStatus, Reason
from shared.units import exact

REBASE_MS = 60_000
"""Time for the executor to begin a new daily budget after `resume`; then its old one counts again."""


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


class DailyLoss:
    """Of the starting balance. A status whose day began before the last halt was ended still counts what is
    forgiven."""

    rule = Rule(
        "daily_loss", "loss of the day", "all", "halt", Reason.DAILY_LOSS, "of the balance",
        "global_halt_drawdown_pct",
    )  # fmt: skip

    def __init__(self, config: GuardConfig) -> None:
        self._cap_frac = config.global_halt_drawdown_pct
        self._account: AccountStatus | None = None
        self._forgiven_ms = 0

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, AccountStatus):
            self._account = msg
        elif isinstance(msg, Resumed):
            self._forgiven_ms = max(self._forgiven_ms, msg.time_ms)

    def read(self, now_ms: int) -> Reading:
        account, cap_frac = self._account, self._cap_frac
        if account is None or self._not_rebased(now_ms, account):
            return Reading(None, cap_frac)
        stop = daily_stop(account.day_pnl_usd, account.starting_balance_usd, cap_frac)
        text = f"Daily drawdown {stop.drawdown_frac:.2%} >= cap {cap_frac:.2%}" if stop.breached else ""
        return Reading(max(float(stop.drawdown_frac), 0.0), cap_frac, stop.breached, detail=text)

    def _not_rebased(self, now_ms: int, account: AccountStatus) -> bool:
        return account.day_start_ms < self._forgiven_ms and now_ms - self._forgiven_ms < REBASE_MS
