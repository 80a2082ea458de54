"""The daily stop in dollars: so much may be lost in a day, whatever was won before and whatever the balance is."""

from decimal import Decimal
from typing import Any

from services.guard.checks.resumed import Resumed
from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import ZERO, AccountStatus, Reason


class DailyLoss:
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
        self._resumed = Resumed()
        self._loss_usd: Decimal | None = None

    @property
    def _fired(self) -> bool:
        return self._loss_usd is not None and self._loss_usd > self._limit_usd

    def hear(self, now_ms: int, msg: Any) -> None:
        if self._resumed.hear(msg, fired=self._fired):
            self._loss_usd = None
        elif isinstance(msg, AccountStatus) and not self._resumed.forgives(now_ms, msg):
            self._loss_usd = max(-msg.day_pnl_usd, ZERO)

    def read(self, now_ms: int) -> Reading:
        if self._loss_usd is None:
            return Reading(None, float(self._limit_usd))
        detail = f"lost ${self._loss_usd:.2f} of ${self._limit_usd:.2f} a day"
        return Reading(float(self._loss_usd), float(self._limit_usd), self._fired, detail=detail)
