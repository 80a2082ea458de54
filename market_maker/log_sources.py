"""Everybody's lines, once each and by time, from whatever there is: log files, containers, the bus.

A source gives what there was (`history`) and then, as often as it is asked, what has come since (`fresh`).
"""

import asyncio
import heapq
import queue
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Protocol

from market_maker import compose
from market_maker.deployment import bus_url
from market_maker.logfiles import Tail
from shared.clock import utc
from shared.errors import BusError, MarketMakerError
from shared.log import parse, unix_ms
from shared.messages import Event, Severity, Universe
from shared.recent import Recent
from shared.redis_bus import RedisBus
from shared.streams import EVENTS, UNIVERSE

BY_TIME = attrgetter("time_ms")
TAIL = 5000
"""Lines of each container that are looked at when nobody says since when; so many events the bus keeps."""
_REDIS = re.compile(r"\d+:[XCSM] (\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}) ([.\-*#]) (.*)")
_PREFIXED = re.compile(r"(?P<writer>\S+)\s+\| (?P<time>\d{4}-\S+Z) ?(?P<line>.*)")


class Source(Protocol):
    """Where lines come from."""

    @property
    def name(self) -> str: ...

    def history(self, since_ms: int) -> Iterator[Event]:
        """By time as far as each writer keeps to it, newest last; nothing that ended before `since_ms`."""

    def fresh(self) -> list[Event]:
        """What has come since `history` or the last call; empty when there is nothing."""

    def close(self) -> None: ...


class Files:
    """Local mode. The monitor repeats everybody's lines; they are taken where they were written."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.name = folder, str(folder)
        self._tails: dict[Path, Tail] = {}

    def found(self) -> bool:
        return any(self._paths())

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def history(self, since_ms: int) -> Iterator[Event]:
        writers = (_dated(path.stem, self._tail(path).past(since_ms)) for path in self._paths())
        return heapq.merge(*writers, key=BY_TIME)

    def fresh(self) -> list[Event]:
        """Also of services that have been started since."""
        found = (_dated(path.stem, self._tail(path).read()) for path in self._paths())
        return sorted(chain.from_iterable(found), key=BY_TIME)

    def close(self) -> None:
        pass

    def _tail(self, path: Path) -> "Tail":
        return self._tails.setdefault(path, Tail(path))


class Containers:
    """What the containers have written, as Docker Compose tells it; also of those that are started again."""

    name = "containers"

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._seen = ""
        """Docker's time of the newest line."""
        self._follower: subprocess.Popen[str] | None = None
        self._arrived: queue.SimpleQueue[str] = queue.SimpleQueue()

    def history(self, since_ms: int) -> Iterator[Event]:
        """
        Raises:
            MarketMakerError: Docker Compose refuses.
        """
        part = ("--since", f"{utc(since_ms):%Y-%m-%dT%H:%M:%SZ}") if since_ms else ("--tail", str(TAIL))
        done = subprocess.run(self._command(*part), capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise MarketMakerError(f"docker compose logs: {done.stderr.strip()}")
        return iter(self._events(done.stdout.splitlines()))

    def fresh(self) -> list[Event]:
        if self._follower is None:
            self._follow()
        lines = []
        while not self._arrived.empty():
            lines.append(self._arrived.get())
        return self._events(lines)

    def close(self) -> None:
        if self._follower is not None:
            self._follower.terminate()
            self._follower.wait()

    def _follow(self) -> None:
        command = self._command("--follow", *(("--since", self._seen) if self._seen else ("--tail", "0")))
        self._follower = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
            start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self._follower,), daemon=True).start()

    def _read(self, follower: "subprocess.Popen[str]") -> None:
        assert follower.stdout is not None
        with follower.stdout as lines:
            for line in lines:
                self._arrived.put(line.rstrip("\n"))

    def _command(self, *arguments: str) -> list[str]:
        return compose.command(None, self._run_dir, "logs", "--no-color", "--timestamps", *arguments)

    def _events(self, lines: Iterable[str]) -> list[Event]:
        """`mm_quoter  | 2026-11-21T20:51:00.123456789Z line`, those from before dropped."""
        found = []
        before = self._seen
        for line in lines:
            parts = _PREFIXED.fullmatch(line)
            if parts is None or parts["time"] <= before:
                continue
            self._seen = max(self._seen, parts["time"])
            writer = parts["writer"].removeprefix("mm_")
            event = parse(parts["line"]) or _foreign(writer, parts["line"], unix_ms(parts["time"][:23] + "Z"))
            if event.service == writer:
                found.append(event)
        return sorted(found, key=BY_TIME)


class BusEvents:
    """The newest events on the bus: what services say beyond it, a failed start for example, is not among them."""

    name = "mm:events on the bus"

    def __init__(self, runner: "asyncio.Runner", bus: RedisBus) -> None:
        self._runner, self._bus = runner, bus
        self._told = Recent(2 * TAIL)

    @classmethod
    def of(cls, run_dir: Path) -> "BusEvents | None":
        """None where no bus answers."""
        source = cls(asyncio.Runner(), RedisBus(bus_url(run_dir)))
        try:
            source._stored(last=1)
        except BusError:
            source.close()
            return None
        return source

    def history(self, since_ms: int) -> Iterator[Event]:
        return iter(self._new(self._stored()))

    def fresh(self) -> list[Event]:
        """Nothing while Redis is away; what was written meanwhile comes after it."""
        try:
            return self._new(self._stored(last=TAIL))
        except BusError:
            return []

    def close(self) -> None:
        self._runner.run(self._bus.close())
        self._runner.close()

    def _stored(self, last: int | None = None) -> list[Event]:
        found = self._runner.run(self._bus.stored(EVENTS, (), last=last))
        return [message for message in found if isinstance(message, Event)]

    def _new(self, events: Iterable[Event]) -> list[Event]:
        keyed = ((event, (event.service, event.time_ms, event.tag, event.coin, event.text)) for event in events)
        return sorted((event for event, key in keyed if self._told.add(key)), key=BY_TIME)


def coins_of_the_run(run_dir: Path) -> set[str]:
    """Those that are traded now, whether or not anybody has said anything of them; none where no bus answers."""

    async def ask() -> set[str]:
        bus = RedisBus(bus_url(run_dir))
        try:
            found = await bus.stored(UNIVERSE, (), last=1)
        except BusError:
            return set()
        finally:
            await bus.close()
        return {meta.coin for universe in found if isinstance(universe, Universe) for meta in universe.coins}

    return asyncio.run(ask())


def _dated(writer: str, lines: Iterable[str]) -> Iterator[Event]:
    """Lines as events. What is none of ours gets the time of the line before it: Redis, interpreter, shell."""
    time_ms = 0
    for line in lines:
        event = parse(line) or _foreign(writer, line, time_ms)
        time_ms = event.time_ms
        if event.service == writer:
            yield event


def _foreign(writer: str, line: str, time_ms: int) -> Event:
    redis = _REDIS.fullmatch(line)
    if redis is None:
        return Event(service=writer, tag="", text=line, time_ms=time_ms)
    moment = datetime.strptime(redis[1], "%d %b %Y %H:%M:%S.%f").astimezone()
    level: Severity = "warning" if redis[2] == "#" else "debug" if redis[2] in ".-" else "info"
    return Event(service=writer, level=level, tag="REDIS", text=redis[3], time_ms=round(moment.timestamp() * 1000))
