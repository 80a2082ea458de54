"""`market_maker first30`: the checklist and the red flags of the first half hour, live, with a summary file."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from market_maker.access import PEOPLE
from market_maker.deployment import Record, bus_url, read_record, running
from market_maker.first30.show import Screen, lines_to, screen_on
from market_maker.operator_bus import NOT_RUNNING, anything_alive
from market_maker.snapshot import Snapshot, look
from shared.bus import Bus
from shared.clock import monotonic_s, utc, wall_ms
from shared.errors import BusError, ConfigError
from shared.first30.look import Look, look_at
from shared.first30.watch import First30, markdown
from shared.messages import AssetConfig
from shared.redis_bus import RedisBus
from shared.streams import ASSET_CONFIG

FLAGGED = 2
LOOK_EVERY_S = 1.0
FIRST_WORD_S = 30.0
"""A bot that has just been started says within seconds what it holds."""


@dataclass(frozen=True)
class Wanted:
    """The flags of the command."""

    shadow: bool
    minutes: float
    as_json: bool


def run(run_dir: Path, wanted: Wanted) -> int:
    """Watch to the end, to Ctrl+C or until the bot is stopped; 0, 2 when a red flag stood, 3 when nothing runs or
    nothing does any more.

    Raises:
        ConfigError: it trades in shadow and that was not asked for, or the summary could not be written.
    """
    last, now = read_record(run_dir), running(run_dir)
    folder = _writable(Path(last.log_dir if last is not None else "logs"))
    try:
        watch = asyncio.run(_watch(bus_url(run_dir, PEOPLE), wanted, lambda: _has_ended(now, run_dir)))
    except BusError as error:
        print(f"not running ({error})", file=sys.stderr)
        return NOT_RUNNING
    report = watch.report()
    file = folder / f"first30-{utc(wall_ms()):%Y%m%d-%H%M%S}.md"
    file.write_text("\n".join(markdown(report)) + "\n")
    file.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    if wanted.as_json:
        print(json.dumps({**report, "file": str(file)}, indent=1))
    else:
        print(f"{watch.summary()}\nsummary: {file}")
    return FLAGGED if watch.stood else NOT_RUNNING if watch.stopped else 0


def _has_ended(start: Record | None, run_dir: Path) -> bool:
    """Is it over, and not only silent? Of a bus without a start here nobody knows."""
    if start is None:
        return False
    now = running(run_dir)
    return now is None or now.run_id != start.run_id


def _writable(folder: Path) -> Path:
    """Asked before half an hour is spent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".first30"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written ({error.strerror}): the summary goes there; set MM_LOG_DIR"
        ) from error
    return folder


async def _watch(url: str, wanted: Wanted, has_ended: Callable[[], bool]) -> First30:
    bus = RedisBus(url)
    try:
        first = await _first_look(bus)
        if first.mode != "live" and not wanted.shadow:
            raise ConfigError(
                "first30 is about the first half hour with real money, and this bot trades in shadow:"
                " `market_maker first30 --shadow` goes through the same list"
            )
        watch = First30(first, wanted.minutes)
        with lines_to(sys.stderr) if wanted.as_json else screen_on(sys.stdout) as screen:
            await _follow(bus, watch, screen, has_ended)
        return watch
    finally:
        await bus.close()


async def _first_look(bus: Bus) -> Look:
    """
    Raises:
        BusError: Redis does not answer, or nothing runs.
    """
    deadline_s = monotonic_s() + FIRST_WORD_S
    while True:
        snapshot = await look(bus, wall_ms())
        if not anything_alive(snapshot):
            raise BusError("no service has been heard of lately")
        if snapshot.account is not None:
            return await _look(bus, snapshot)
        if monotonic_s() > deadline_s:
            raise BusError("the executor has not told what it holds; `market_maker status` shows what runs")
        await asyncio.sleep(LOOK_EVERY_S)


async def _look(bus: Bus, snapshot: Snapshot) -> Look:
    assert snapshot.account is not None
    stored = await bus.stored(ASSET_CONFIG, snapshot.coins, last=1)
    configs = {config.coin: config for config in stored if isinstance(config, AssetConfig)}
    return look_at(
        snapshot.time_ms,
        snapshot.coins,
        snapshot.account,
        snapshot.halt,
        snapshot.risk,
        snapshot.books,
        snapshot.targets,
        configs,
    )


async def _follow(bus: Bus, watch: First30, screen: Screen, has_ended: Callable[[], bool]) -> None:
    """Ends early, with all that was seen, when interrupted or when the bot has been stopped."""
    screen.begin(watch)
    try:
        while not watch.over:
            await asyncio.sleep(LOOK_EVERY_S)
            current, silence = await _next(bus, watch.history.now)
            if current.silent and await asyncio.to_thread(has_ended):
                watch.stopped = True
                screen.show(watch, (), "")
                return
            screen.show(watch, watch.take(current), silence)
    except asyncio.CancelledError:
        pass


async def _next(bus: Bus, before: Look) -> tuple[Look, str]:
    """Without Redis nothing is known but the time; and why nothing was heard."""
    try:
        snapshot = await look(bus, wall_ms())
        if snapshot.account is not None:
            return await _look(bus, snapshot), ""
        silence = "the executor is silent"
    except BusError as error:
        silence = str(error)
    return replace(before, time_ms=wall_ms(), silent=True), silence
