"""The value of all positions together: above the limit only orders towards flat are left."""

from decimal import Decimal
from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import ZERO, AccountStatus, Reason

RELEASE_FRAC = Decimal("0.95")
"""Free again below this part of the limit: at the limit itself every tick would place and cancel."""


class PositionValue:
    """Sum of |position| x mid over all coins, long and short alike; strictly above the limit. One coin above it
    is caught as well."""

    rule = Rule(
        name="position_value",
        about="sum of |position| x mid over all coins",
        scope="all",
        level="reduce",
        reason=Reason.POSITION_VALUE,
        unit="USD",
        limit="max_position_value_usd",
    )
    remembers: ClassVar = {"_value_usd": Decimal | None, "_fired": bool}

    def __init__(self, config: GuardConfig) -> None:
        self._limit_usd = config.max_position_value_usd
        self._value_usd: Decimal | None = None
        self._fired = False

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, AccountStatus):
            self._value_usd = sum((abs(coin.position_sz) * coin.mark_px for coin in msg.coins), ZERO)
            release_usd = RELEASE_FRAC * self._limit_usd if self._fired else self._limit_usd
            self._fired = self._value_usd > release_usd

    def read(self, now_ms: int) -> Reading:
        value = None if self._value_usd is None else float(self._value_usd)
        return Reading(value, float(self._limit_usd), self._fired)
