"""Live: is somebody there who cancels our orders if the executor dies?"""

from typing import Any

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import Heartbeat, Reason

GRACE_MS = 30_000
"""After our start the watchdog may still be starting too."""


class WatchdogLost:
    """Seconds since the watchdog's last heartbeat. In shadow nothing rests at the venue and nothing is missed."""

    rule = Rule(
        name="watchdog_lost",
        about="silence of the watchdog (live)",
        scope="all",
        level="pull",
        reason=Reason.WATCHDOG_LOST,
        unit="s",
        limit="watchdog_lost_s",
    )

    def __init__(self, config: GuardConfig) -> None:
        self._limit_s = config.watchdog_lost_s
        self._live = config.mode == "live"
        self._begun_ms: int | None = None
        self._heard_ms: int | None = None

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Heartbeat) and msg.service == "watchdog":
            self._heard_ms = msg.time_ms

    def read(self, now_ms: int) -> Reading:
        if not self._live:
            return Reading(None, self._limit_s)
        if self._begun_ms is None:
            self._begun_ms = now_ms
        began = now_ms - self._begun_ms >= GRACE_MS
        if self._heard_ms is None and not began:
            return Reading(None, self._limit_s, detail="not heard yet")
        silent_s = max(now_ms - (self._begun_ms if self._heard_ms is None else self._heard_ms), 0) / 1000
        return Reading(silent_s, self._limit_s, fired=began and silent_s > self._limit_s)
