"""`market_maker logs`: which lines are wanted, what there was of them, and what comes."""

import os
import re
import sys
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import TextIO

from market_maker import compose
from market_maker.config import LauncherConfig
from market_maker.deployment import Record, read_record
from market_maker.log_sources import BusEvents, Containers, Files, Source, coins_of_the_run
from services import SERVICES
from shared.clock import utc, wall_ms
from shared.config import load
from shared.errors import ConfigError
from shared.log import LEVELS, Form, Lines, is_for_people, render
from shared.messages import Event, Severity

OK, NOT_FOUND, NOT_RUNNING = 0, 2, 3
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
    """Print what there was, then what comes until Ctrl-C or until nobody reads any more; 2 when no line is about
    a coin that is asked for."""
    record = read_record(run_dir)
    source = find_source(record, run_dir)
    if source is None:
        print("not running, and no log files; ./start_mm_bot.sh starts it", file=sys.stderr)
        return NOT_RUNNING
    printer, passed = Printer(sys.stdout, as_json), Passed()
    code = OK
    if record is not None and is_for_people(sys.stderr):
        print(heading(record, source), file=sys.stderr)
    try:
        printer.print(_past(passed.by(source.history(wanted.since_ms or 0)), wanted))
        strangers = _strangers(passed, wanted, record, run_dir)
        if strangers and printer.open:
            print(_unheard_of(strangers, passed), file=sys.stderr)
            code = OK if follow else NOT_FOUND
        elif not printer.printed and printer.open and not follow:
            print(f"no line matches ({passed.lines:,} were looked at)", file=sys.stderr)
        while follow and printer.open:
            printer.print(event for event in source.fresh() if wanted.takes(event))
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        pass
    finally:
        source.close()
        printer.close()
    return code


class Passed:
    """What has been looked at, wanted or not."""

    def __init__(self) -> None:
        self.lines = 0
        self.coins: set[str] = set()

    def by(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            self.lines += 1
            self.coins.add(event.coin)
            yield event


def _past(events: Iterable[Event], wanted: Wanted) -> Iterable[Event]:
    """All; without a beginning the last ones."""
    found = filter(wanted.takes, events)
    return found if wanted.since_ms is not None else deque(found, maxlen=SHOWN)


def _strangers(passed: Passed, wanted: Wanted, record: Record | None, run_dir: Path) -> list[str]:
    """Coins asked for that are not traded now and that no line is about, of whatever time."""
    wanted_coins = set(wanted.coins)
    if not wanted_coins <= passed.coins:
        passed.coins |= coins_of_the_run(run_dir)
    if wanted.since_ms is not None and not wanted_coins <= passed.coins:
        source = find_source(record, run_dir)
        if source is not None:
            deque(passed.by(source.history(0)), maxlen=0)
            source.close()
    return sorted(wanted_coins - passed.coins)


def _unheard_of(strangers: Collection[str], passed: Passed) -> str:
    known = ", ".join(sorted(passed.coins - {""}))
    return fill(f"no line is about {', '.join(strangers)}; there are {known or 'no coins yet'}", 80)


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
        self.printed = 0

    def print(self, events: Iterable[Event]) -> None:
        for event in events:
            self.open = self.open and self._lines.write(render(event, self._form, self._coloured))
            if not self.open:
                return
            self.printed += 1

    def close(self) -> None:
        """The interpreter flushes once more at its end; that must not fail on a pipe that is closed."""
        if not self.open:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
