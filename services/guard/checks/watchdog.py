"""Live: is somebody there who can cancel our orders if the executor dies?"""

from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import Reason, WatchdogStatus

GRACE_MS = 30_000
"""After our start the watchdog may still be starting too."""
OLD_WORD_MS = 60_000
"""What it said so long ago it said in another run."""


class WatchdogLost:
    """Seconds since the watchdog could cancel, by its own word. In shadow nothing rests at the venue."""

    rule = Rule(
        name="watchdog_lost",
        about="time without a watchdog that can cancel (live)",
        scope="all",
        level="pull",
        reason=Reason.WATCHDOG_LOST,
        unit="s",
        limit="watchdog_lost_s",
    )
    remembers: ClassVar = {"_begun_ms": int | None}

    def __init__(self, config: GuardConfig) -> None:
        self._limit_s = config.watchdog_lost_s
        self._live = config.mode == "live"
        self._begun_ms: int | None = None
        self._word: WatchdogStatus | None = None

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, WatchdogStatus) and now_ms - msg.time_ms <= OLD_WORD_MS:
            self._word = msg

    def read(self, now_ms: int) -> Reading:
        if not self._live:
            return Reading(None, self._limit_s)
        if self._begun_ms is None:
            self._begun_ms = now_ms
        if self._word is None and now_ms - self._begun_ms < GRACE_MS:
            return Reading(None, self._limit_s, detail="not heard yet")
        able_ms, detail = (self._word.able_ms, self._word.fault) if self._word else (self._begun_ms, "never heard")
        unable_s = max(now_ms - able_ms, 0) / 1000
        return Reading(unable_s, self._limit_s, fired=unable_s > self._limit_s, detail=detail)
