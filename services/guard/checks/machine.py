"""What the machine has left: a full disk or a full Redis loses what is known of orders and positions."""

from dataclasses import dataclass
from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import Reason

RELEASE_FRAC = 0.98
"""Free again below this part of the limit."""


@dataclass(frozen=True, slots=True)
class MachineHealth:
    """A look at the machine; None: it could not be seen."""

    disk_free_mb: float | None
    disk_free_frac: float | None
    redis_memory_frac: float | None
    """Of its limit; 0 where none is set."""


class DiskFull:
    """Used part of the disk of `data_dir`. The limit is the tighter one of fraction and free megabytes."""

    rule = Rule(
        name="disk",
        about="used part of the disk that data_dir is on",
        scope="all",
        level="reduce",
        reason=Reason.DISK_FULL,
        unit="of the disk",
        limit="disk_max_used_frac",
    )
    remembers: ClassVar = {"_reading": Reading}

    def __init__(self, config: GuardConfig) -> None:
        self._max_used_frac, self._min_free_mb = config.disk_max_used_frac, config.disk_min_free_mb
        self._reading = Reading(None, self._max_used_frac)

    def hear(self, now_ms: int, msg: Any) -> None:
        if not isinstance(msg, MachineHealth):
            return
        if msg.disk_free_mb is None or msg.disk_free_frac is None:
            self._reading = Reading(None, self._max_used_frac)
            return
        limit_frac = min(self._max_used_frac, 1 - self._least_free_frac(msg.disk_free_mb, msg.disk_free_frac))
        used_frac = 1 - msg.disk_free_frac
        fired = used_frac > limit_frac * (RELEASE_FRAC if self._reading.fired else 1)
        self._reading = Reading(used_frac, limit_frac, fired, detail=f"{msg.disk_free_mb:,.0f} MB free")

    def _least_free_frac(self, free_mb: float, free_frac: float) -> float:
        """The megabytes that must stay free as a part of this disk."""
        size_mb = free_mb / free_frac if free_frac else 0
        return min(self._min_free_mb / size_mb, 1.0) if size_mb else 1.0

    def read(self, now_ms: int) -> Reading:
        return self._reading


class RedisMemory:
    """Used part of Redis' memory limit: at the limit it takes no entry any more."""

    rule = Rule(
        name="redis_memory",
        about="used part of Redis' memory limit",
        scope="all",
        level="reduce",
        reason=Reason.REDIS_MEMORY,
        unit="of the limit",
        limit="redis_max_memory_frac",
    )
    remembers: ClassVar = {"_reading": Reading}

    def __init__(self, config: GuardConfig) -> None:
        self._limit_frac = config.redis_max_memory_frac
        self._reading = Reading(None, self._limit_frac)

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, MachineHealth):
            used_frac = msg.redis_memory_frac
            limit_frac = self._limit_frac * (RELEASE_FRAC if self._reading.fired else 1)
            self._reading = Reading(
                used_frac, self._limit_frac, fired=used_frac is not None and used_frac > limit_frac
            )

    def read(self, now_ms: int) -> Reading:
        return self._reading
