"""The daily stop in dollars: so much may be lost in a day, whatever was won before and whatever the balance is."""

from typing import Any

from services.guard.checks.forgiven import Forgiven
from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import ZERO, AccountStatus, Reason


class DailyLossUsd:
    """Fires while the day's net PnL is below -limit (strict); it looks at no peak and at no balance."""

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
        self._forgiven = Forgiven()
        self._status: AccountStatus | None = None

    def hear(self, now_ms: int, msg: Any) -> None:
        self._forgiven.hear(msg)
        if isinstance(msg, AccountStatus):
            self._status = msg

    def read(self, now_ms: int) -> Reading:
        if self._status is None or self._forgiven.covers(now_ms, self._status):
            return Reading(None, float(self._limit_usd))
        loss_usd = max(-self._status.day_pnl_usd, ZERO)
        detail = f"lost ${loss_usd:.2f} of ${self._limit_usd:.2f} a day"
        return Reading(float(loss_usd), float(self._limit_usd), loss_usd > self._limit_usd, detail=detail)
