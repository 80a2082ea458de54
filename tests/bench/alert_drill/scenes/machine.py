"""Redis and the bus, the disk, what should have been done lately, and quotes that are slow or missing."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from market_maker import access, redis_server
from market_maker.config import LauncherConfig
from market_maker.drill.stack import Setup, Stack
from services.guard.checks.table import rules
from services.guard.config import GuardConfig
from shared.clock import wall_ms
from shared.config import load
from shared.data_files import CONVERTED
from shared.rule_proofs import add_proofs
from shared.streams import POSITION, STATUS
from tests.bench.alert_drill.cause import Act, Cause, Scene
from tests.bench.alert_drill.watching import POLL_S, fires

DISK_MB, FULL_FRAC, FULL_WITHIN_S = 256, 0.95, 800.0
"""Of the disk under the data folder. At 98 % the bot itself would react."""
GROWS_EVERY_S = 5.0
REDIS_FRAC, PIECE_BYTES = 0.8, 4_000_000
"""At 90 % the bot itself would react."""
PAUSE_S, BREATH_S = 0.7, 0.1
"""A pause of Redis is below the second after which it counts as lost."""
HOUR_S, DAY_S = 3_600, 86_400


def _meanwhile(act: Act) -> tuple[Act, Act]:
    """Beginning and end of what goes on until the cause is mended."""
    tasks: list[asyncio.Future[None]] = []

    async def begin(stack: Stack) -> None:
        tasks.append(asyncio.ensure_future(act(stack)))

    async def end(stack: Stack) -> None:
        task = tasks.pop()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return begin, end


async def _market_maker(*arguments: str) -> None:
    """The command as a person gives it."""
    command = [sys.executable, "-m", "market_maker.cli", *arguments]
    child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    await child.wait()


# ---- the disk of the data folder ----


def _mount(folder: Path) -> str:
    """A small disk; what hinders, if it cannot be had."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, text=True).stderr.strip()
    except OSError as error:
        return f"mount: {error.strerror}"


@cache
def _no_disk() -> str:
    with tempfile.TemporaryDirectory() as folder:
        hindrance = _mount(Path(folder))
        if not hindrance:
            subprocess.run(["umount", folder], check=True)
    return hindrance and f"a small disk can be made by root only ({hindrance})"


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Under the data folder, where one can be had."""
    data = folder / "data"
    mounted = not _mount(data)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(data)], check=True)


def _ballast(stack: Stack) -> Path:
    return stack.folder / "data" / "ballast"


async def _grow(stack: Stack) -> None:
    """At a steady pace until the disk is nearly full."""
    disk = os.statvfs(stack.folder / "data")
    size = disk.f_blocks * disk.f_frsize
    with _ballast(stack).open("wb") as file:
        while True:
            now = os.fstatvfs(file.fileno())
            left = now.f_bavail * now.f_frsize - int((1 - FULL_FRAC) * size)
            file.write(bytes(max(0, min(left, int(size * GROWS_EVERY_S / FULL_WITHIN_S)))))
            file.flush()
            await asyncio.sleep(GROWS_EVERY_S)


_growing, _grown = _meanwhile(_grow)


async def _make_room(stack: Stack) -> None:
    await _grown(stack)
    _ballast(stack).unlink()


_DISK = Cause(
    "a file grows until the disk of the data folder is full",
    (fires("DiskFilling"), fires("DiskFullSoon")),
    _growing,
    _make_room,
    within_s=1_800.0,
    lacks=_no_disk,
)


# ---- Redis and the bus ----


def _as_executor() -> Redis:
    """It may write hashes of any size."""
    config = load(LauncherConfig)
    return Redis(
        unix_socket_path=str(redis_server.socket_path(config.run_dir)),
        username="executor",
        password=access.password_of(config.secrets_dir, "executor"),
    )


async def _fill_redis(stack: Stack) -> None:
    async with _as_executor() as redis:
        memory = await redis.info("memory")
        wanted = REDIS_FRAC * memory["maxmemory"] - memory["used_memory"]
        for number in range(int(wanted / PIECE_BYTES)):
            await redis.hset(POSITION.key("ballast"), str(number), bytes(PIECE_BYTES))


async def _empty_redis(stack: Stack) -> None:
    async with _as_executor() as redis:
        await redis.delete(POSITION.key("ballast"))


_REDIS = Cause("something else fills Redis", (fires("RedisMemory"),), _fill_redis, _empty_redis)


async def _pause_redis_often(stack: Stack) -> None:
    pid = stack.bot.pid("redis")
    try:
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(PAUSE_S)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(BREATH_S)
    finally:
        os.kill(pid, signal.SIGCONT)


_SLOW = Cause(
    f"Redis pauses for {PAUSE_S} s again and again",
    (fires("SlowQuotes"),),
    *_meanwhile(_pause_redis_often),
    within_s=900.0,
)


async def _freeze_guard(stack: Stack) -> None:
    os.kill(stack.bot.pid("guard"), signal.SIGSTOP)


async def _thaw_guard(stack: Stack) -> None:
    os.kill(stack.bot.pid("guard"), signal.SIGCONT)


_UNGUARDED = Cause(
    "the guard of a shadow bot stands still",
    (fires("NothingQuoted"), fires("BusLag", service="guard")),
    _freeze_guard,
    _thaw_guard,
)


async def _outlast_the_stream(stack: Stack) -> None:
    """The guard goes on when what it was to read next has been cut off."""
    async with stack.reader() as redis:
        newest: Any = await redis.xrevrange(STATUS.key(), count=1)
        await _freeze_guard(stack)
        while await redis.xrange(STATUS.key(), max=newest[0][0], count=1):
            await asyncio.sleep(POLL_S)
    await _thaw_guard(stack)


_LOST = Cause(
    "the guard stands still until the bus forgets what it has not read",
    (fires("BusLost", job="guard"),),
    _outlast_the_stream,
)


# ---- what was done too long ago ----


async def _prove_long_ago(stack: Stack) -> None:
    proven_ms = int(wall_ms()) - 31 * DAY_S * 1000
    add_proofs(stack.folder / "data", {rule.name: proven_ms for rule in rules(load(GuardConfig))})


async def _prove(stack: Stack) -> None:
    await _market_maker("drill", "--rules")


_UNPROVEN = Cause("the rules proved themselves 31 days ago", (fires("RuleUnproven"),), _prove_long_ago, _prove)


async def _convert_long_ago(stack: Stack) -> None:
    """When the service has done what it does a minute after its start."""
    mark = stack.folder / "data" / CONVERTED
    while not mark.exists():
        await asyncio.sleep(POLL_S)
    ended_s = wall_ms() / 1000 - 27 * HOUR_S
    os.utime(mark, (ended_s, ended_s))


async def _convert(stack: Stack) -> None:
    await _market_maker("convert", "--all")


_UNCONVERTED = Cause(
    "the last conversion was 27 hours ago", (fires("ConverterLate"),), _convert_long_ago, _convert
)


SCENE = Scene(
    "machine",
    "Redis, the bus and the disk; what was done too long ago",
    Setup(coins=4, seed=3, live=False, settings={"MM_DISK_MIN_FREE_MB": "0"}),
    (
        (_DISK, _REDIS, _UNPROVEN, _UNGUARDED),
        (_SLOW,),
        (_LOST, _UNCONVERTED),
    ),
    _small_disk,
)
