"""Looks at the machine now and then: the disk that holds the data, the memory of Redis."""

import asyncio
import shutil
from collections.abc import Sequence
from typing import Any

from services.guard.checks.machine import MachineHealth
from services.guard.config import GuardConfig
from services.guard.core import Guard
from shared.bus import Bus
from shared.errors import BusError
from shared.service import Port

_MB = 1e6


class MachineDoor:
    """Only brings in; nothing the guard decides leaves by it."""

    def __init__(self, config: GuardConfig, core: Guard) -> None:
        self._config = config

    async def run(self, port: Port) -> None:
        """A disk that hangs delays only the next look."""
        assert port.bus is not None
        while True:
            free_mb, free_frac = await asyncio.to_thread(self._disk)
            await port.handle(MachineHealth(free_mb, free_frac, await _redis_memory_frac(port.bus)))
            await asyncio.sleep(self._config.machine_look_s)

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        return ()

    def _disk(self) -> tuple[float | None, float | None]:
        """What is free for this user, in megabytes and as a part of the disk."""
        try:
            usage = shutil.disk_usage(self._config.data_dir)
        except OSError:
            return None, None
        return usage.free / _MB, usage.free / usage.total if usage.total else 0.0


async def _redis_memory_frac(bus: Bus) -> float | None:
    try:
        return await bus.memory_ratio()
    except BusError:
        return None
