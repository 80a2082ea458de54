"""Prints the combined event log, looks at the memory of Redis and at what the last drills have proven."""

import asyncio
import sys
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, TextIO

from services.monitor.config import MonitorConfig
from services.monitor.core import RedisMemory, RuleProofs, Show
from shared.errors import BusError
from shared.log import LEVELS, Lines, is_for_people, render
from shared.rule_proofs import read_proofs
from shared.service import Port


class MonitorDoor:
    """Standard output is the outside: `docker logs -f mm_monitor` shows every service in one place."""

    def __init__(self, config: MonitorConfig, out: TextIO | None = None) -> None:
        self._config = config
        out = out or sys.stdout
        self._lines = Lines(out)
        self._coloured = is_for_people(out)

    async def run(self, port: Port) -> None:
        """Look now and then; while Redis does not answer, nothing is known of its memory."""
        assert port.bus is not None
        while True:
            try:
                ratio = await port.bus.memory_ratio()
            except BusError:
                ratio = 0.0
            proofs = read_proofs(self._config.data_dir)
            await port.handle(RedisMemory(ratio), RuleProofs(proofs))
            await asyncio.sleep(self._config.monitor_memory_interval_s)

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        threshold = LEVELS[self._config.log_level]
        events = [effect.event for effect in effects if isinstance(effect, Show)]
        lines = [
            render(event, self._config.log_format, self._coloured)
            for event in sorted(events, key=attrgetter("time_ms"))
            if LEVELS[event.level] >= threshold
        ]
        if lines:
            self._lines.write("\n".join(lines))
        return ()
