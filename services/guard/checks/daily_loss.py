"""The daily stops: so much may be lost in a day, as a share of the balance and in dollars, whatever was won.

They look at no peak. A drawdown measured against the peak PnL fired on a session whose peak was two cents, and
one that waits for a worthwhile peak protects nobody who only ever loses.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.guard.checks.forgiven import CountingStatus
from services.guard.config import GuardConfig
from services.guard.rules import Level, Reading, Rule
from shared.messages import ZERO, Reason
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


class DailyLoss:
    """Of the starting balance."""

    rule = Rule(
        "daily_loss", "loss of the day", "all", "halt", Reason.DAILY_LOSS, "of the balance",
        "global_halt_drawdown_pct",
    )  # fmt: skip

    def __init__(self, config: GuardConfig) -> None:
        self._cap_frac = config.global_halt_drawdown_pct
        self._status = CountingStatus()

    def hear(self, now_ms: int, msg: Any) -> None:
        self._status.hear(msg)

    def read(self, now_ms: int) -> Reading:
        status, cap_frac = self._status.at(now_ms), self._cap_frac
        if status is None:
            return Reading(None, cap_frac)
        stop = daily_stop(status.day_pnl_usd, status.starting_balance_usd, cap_frac)
        text = f"Daily drawdown {stop.drawdown_frac:.2%} >= cap {cap_frac:.2%}" if stop.breached else ""
        return Reading(max(float(stop.drawdown_frac), 0.0), cap_frac, stop.breached, detail=text)


class DailyLossUsd:
    """In dollars; fires while the day's net PnL is below -limit (strict)."""

    rule = Rule(
        name="daily_loss_usd",
        about="net loss of the UTC day, or since `resume`",
        scope="all",
        level="halt",
        reason=Reason.DAILY_LOSS,
        unit="USD",
        limit="max_daily_loss_usd",
    )

    def __init__(self, config: GuardConfig) -> None:
        self._limit_usd = config.max_daily_loss_usd
        self._status = CountingStatus()

    def hear(self, now_ms: int, msg: Any) -> None:
        self._status.hear(msg)

    def read(self, now_ms: int) -> Reading:
        status = self._status.at(now_ms)
        if status is None:
            return Reading(None, float(self._limit_usd))
        loss_usd = max(-status.day_pnl_usd, ZERO)
        detail = f"lost ${loss_usd:.2f} of ${self._limit_usd:.2f} a day"
        return Reading(float(loss_usd), float(self._limit_usd), loss_usd > self._limit_usd, detail=detail)


def nearest_stop_usd(
    config: GuardConfig,
    levels: Mapping[str, Level],
    balance_usd: Decimal,
    ending: Container[str] = ("pull", "halt"),
) -> Decimal | None:
    """The closest of the daily stops whose level is among `ending`, by default what ends quoting; None: there is
    none."""
    limits_usd = {
        DailyLoss.rule.name: exact(config.global_halt_drawdown_pct) * balance_usd,
        DailyLossUsd.rule.name: config.max_daily_loss_usd,
    }
    return min((usd for name, usd in limits_usd.items() if levels[name] in ending), default=None)
