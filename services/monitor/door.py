"""Prints the combined event log; looks at Redis and at the data folder."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TextIO

from services.monitor.alerts import NotListening, inbox
from services.monitor.config import MonitorConfig
from services.monitor.core import Backlogs, RedisMemory, RuleProofs, Show
from services.monitor.files import look
from shared.errors import BusError
from shared.log import LEVELS, Lines, is_for_people, render
from shared.rule_proofs import read_proofs
from shared.service import Port
from shared.streams import ALL

COUNTED = tuple(stream for stream in ALL if stream.policy == "every")
"""Streams that are read in groups, by whomever."""


class MonitorDoor:
    """Standard output is the outside: `docker logs -f mm_monitor` shows every service in one place."""

    def __init__(
        self, config: MonitorConfig, out: TextIO | None = None, coins: Callable[[], Sequence[str]] = tuple
    ) -> None:
        """`coins`: whose streams there are."""
        self._config, self._coins = config, coins
        out = out or sys.stdout
        self._lines = Lines(out)
        self._coloured = is_for_people(out)

    async def run(self, port: Port) -> None:
        """Gathered, not in a task group: that cancels its tasks once, and the Redis client may lose a cancellation
        (see `shared.runtime`)."""
        await asyncio.gather(self._look_at_redis(port), self._look_at_files(port), self._take_alerts(port))

    async def _look_at_redis(self, port: Port) -> None:
        """While it does not answer, nothing is known of its memory and of what waits there."""
        assert port.bus is not None
        while True:
            try:
                ratio = await port.bus.memory_ratio()
                backlogs = await port.bus.backlogs(COUNTED, self._coins())
            except BusError:
                ratio, backlogs = 0.0, []
            await port.handle(RedisMemory(ratio), Backlogs(tuple(backlogs)))
            await asyncio.sleep(self._config.monitor_memory_interval_s)

    async def _look_at_files(self, port: Port) -> None:
        """In a thread: a disk may keep us waiting."""
        folder = self._config.data_dir
        while True:
            seen, proofs = await asyncio.to_thread(lambda: (look(folder), read_proofs(folder)))
            await port.handle(seen, RuleProofs(proofs))
            await asyncio.sleep(self._config.monitor_files_interval_s)

    async def _take_alerts(self, port: Port) -> None:
        """Without the port we still watch: a service that is needed to see trouble does not end for want of it."""
        config = self._config
        if not config.alert_port:
            return
        try:
            async with inbox(config.metrics_host, config.alert_port, port.handle):
                await asyncio.Event().wait()
        except OSError as error:
            why = f"port {config.alert_port} cannot be had ({error.strerror}); set MM_MONITOR_ALERT_PORT"
            await port.handle(NotListening(why))

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
