"""Prints the combined event log, looks at the memory of Redis and at what the last drills have proven."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from services.monitor.config import MonitorConfig
from services.monitor.core import RedisMemory, RuleProofs, Show
from shared.errors import BusError
from shared.log import LEVELS, Lines, render
from shared.messages import Event
from shared.rule_proofs import read_proofs
from shared.service import Port

_COLOURS = {"debug": "\033[2m", "info": "", "warning": "\033[33m", "error": "\033[31m"}
_PLAIN = "\033[0m"


class MonitorDoor:
    """Standard output is the outside: `docker logs -f mm_monitor` shows every service in one place."""

    def __init__(self, config: MonitorConfig, out: TextIO | None = None) -> None:
        self._config = config
        out = out or sys.stdout
        self._lines = Lines(out)
        self._coloured = config.log_format == "pretty" and out.isatty()

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
        lines = [
            self._line(effect.event)
            for effect in effects
            if isinstance(effect, Show) and LEVELS[effect.event.level] >= LEVELS[self._config.log_level]
        ]
        if lines:
            self._lines.write("\n".join(lines))
        return ()

    def _line(self, event: Event) -> str:
        text = render(event, self._config.log_format)
        colour = _COLOURS[event.level] if self._coloured else ""
        return f"{colour}{text}{_PLAIN}" if colour else text
