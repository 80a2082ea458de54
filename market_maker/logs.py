"""`market_maker logs`: which lines are wanted, what there was of them, and what comes."""

import os
import re
import sys
import time
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from market_maker import compose
from market_maker.config import LauncherConfig
from market_maker.deployment import Record, read_record
from market_maker.log_sources import BusEvents, Containers, Files, Source
from services import SERVICES
from shared.clock import utc, wall_ms
from shared.config import load
from shared.errors import ConfigError
from shared.log import LEVELS, Form, Lines, is_for_people, render
from shared.messages import Event, Severity

OK, NOT_RUNNING = 0, 3
SHOWN = 200
"""Lines of the past when nobody says since when."""
POLL_S = 0.2
WRITERS = frozenset({*SERVICES, "supervisor", "redis"})
_PERIOD = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Wanted:
    """Which lines. Nothing given: all of them."""

    coins: Collection[str] = ()
    services: Collection[str] = ()
    level: Severity = "debug"
    tag: str = ""
    since_ms: int | None = None

    def takes(self, event: Event) -> bool:
        """Coins: their own lines and what stops all coins. Tag: a part of it, or of a line that has none."""
        level = LEVELS[event.level]
        mine = event.coin in self.coins or (not event.coin and level >= LEVELS["error"])
        return (
            level >= LEVELS[self.level]
            and (not self.coins or mine)
            and (not self.services or event.service in self.services)
            and self.tag.upper() in (event.tag.upper() or event.text)
            and event.time_ms >= (self.since_ms or 0)
        )


def wanted(coins: str, services: str, level: str, tag: str, since: str) -> Wanted:
    """What a person has typed.

    Raises:
        ConfigError: a service or level that does not exist, a time that is none.
    """
    named = _listed(services)
    unknown = sorted(named - WRITERS)
    if unknown:
        raise ConfigError(f"--service {', '.join(unknown)}: there are {', '.join(sorted(WRITERS))}")
    if level not in LEVELS:
        raise ConfigError(f"--level {level}: there are {', '.join(LEVELS)}")
    return Wanted(_listed(coins), named, level, tag, _moment_ms(since) if since else None)


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _moment_ms(text: str) -> int:
    """Unix ms of `90s`, `10m`, `2h`, `7d` ago, or of a UTC time like 2026-11-21T20:00."""
    period = _PERIOD.fullmatch(text)
    if period:
        return int(wall_ms() - float(period[1]) * _SECONDS[period[2]] * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        remedy = "say how long ago (90s, 10m, 2h, 7d) or a UTC time (2026-11-21T20:00)"
        raise ConfigError(f"--since {text}: {remedy}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def show(wanted: Wanted, run_dir: Path, follow: bool, as_json: bool) -> int:
    """Print what there was, then what comes until Ctrl-C or until nobody reads any more."""
    record = read_record(run_dir)
    source = find_source(record, run_dir)
    if source is None:
        print("not running, and no log files; ./start_mm_bot.sh starts it", file=sys.stderr)
        return NOT_RUNNING
    printer = Printer(sys.stdout, as_json)
    if record is not None and is_for_people(sys.stderr):
        print(heading(record, source), file=sys.stderr)
    try:
        printer.print(_past(source, wanted))
        while follow and printer.open:
            printer.print(event for event in source.fresh() if wanted.takes(event))
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        pass
    finally:
        source.close()
        printer.close()
    return OK


def _past(source: Source, wanted: Wanted) -> Iterable[Event]:
    """All since then; without a beginning the last ones."""
    found = filter(wanted.takes, source.history(wanted.since_ms or 0))
    return found if wanted.since_ms is not None else deque(found, maxlen=SHOWN)


def find_source(record: Record | None, run_dir: Path) -> Source | None:
    """Of the last start; where it left nothing to read, of a bus that answers."""
    if record is not None and record.deployment == "docker":
        return Containers(run_dir) if compose.running(run_dir) else None
    files = Files(Path(record.log_dir) if record is not None else load(LauncherConfig).log_dir)
    return files if files.found() else BusEvents.of(run_dir)


def heading(record: Record, source: Source) -> str:
    """Whose money this is about, unmistakably."""
    begun = f"{utc(record.started_ms):%Y-%m-%d %H:%M} UTC"
    mode = "\033[1;97;41m LIVE: real money \033[0m" if record.live else "\033[1;36mSHADOW: simulated orders\033[0m"
    return f"{mode} · {record.venue} · started {begun} · {source.name}"


class Printer:
    """Lines on standard output until nobody reads them any more."""

    def __init__(self, out: TextIO, as_json: bool) -> None:
        self._out, self._lines = out, Lines(out)
        self._form: Form = "json" if as_json else "pretty"
        self._coloured = is_for_people(out)
        self.open = True

    def print(self, events: Iterable[Event]) -> None:
        for event in events:
            self.open = self.open and self._lines.write(render(event, self._form, self._coloured))
            if not self.open:
                return

    def close(self) -> None:
        """The interpreter flushes once more at its end; that must not fail on a pipe that is closed."""
        if not self.open:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
