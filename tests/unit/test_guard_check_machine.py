"""The machine's disk and Redis' memory: the checks, and the door that looks at real ones."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from services.guard.checks.machine import DiskFull, MachineHealth, RedisMemory
from services.guard.config import GuardConfig
from services.guard.core import Guard
from services.guard.door import MachineDoor
from services.guard.rules import Reading
from shared.memory_bus import MemoryBus
from shared.redis_bus import RedisBus

LIMIT_BYTES = 32 * 1024**2


def disk(check: DiskFull, free_mb: float | None, free_frac: float | None) -> Reading:
    check.hear(0, MachineHealth(free_mb, free_frac, 0.0))
    return check.read(0)


def memory(check: RedisMemory, used_frac: float | None) -> Reading:
    check.hear(0, MachineHealth(1.0, 1.0, used_frac))
    return check.read(0)


# ---- the checks ----


@pytest.mark.parametrize("free_frac, fired", [(0.0201, False), (0.0199, True)])
def test_a_large_disk_is_full_at_98_percent(free_frac, fired):
    reading = disk(DiskFull(GuardConfig()), 100_000 * free_frac, free_frac)
    assert reading.fired is fired and reading.limit == 0.98
    assert reading.value == pytest.approx(1 - free_frac)


@pytest.mark.parametrize("free_mb, fired", [(501, False), (500, False), (499, True)])
def test_a_small_disk_is_full_at_500_megabytes(free_mb, fired):
    reading = disk(DiskFull(GuardConfig()), free_mb, free_mb / 5_000)
    assert reading.fired is fired
    assert reading.limit == pytest.approx(0.9) and reading.detail == f"{free_mb} MB free"


def test_a_disk_without_a_free_byte_fires_with_any_limit():
    assert disk(DiskFull(GuardConfig(disk_max_used_frac=0.999, disk_min_free_mb=0)), 0.0, 0.0).fired


def test_a_disk_at_its_limit_does_not_flicker():
    check = DiskFull(GuardConfig())
    assert disk(check, 1_900, 0.019).fired
    assert disk(check, 3_900, 0.039).fired
    assert not disk(check, 4_100, 0.041).fired
    assert not disk(check, 2_100, 0.021).fired


@pytest.mark.parametrize("used_frac, fired", [(0.0, False), (0.8999, False), (0.9, False), (0.9001, True)])
def test_redis_is_full_above_90_percent(used_frac, fired):
    reading = memory(RedisMemory(GuardConfig()), used_frac)
    assert (reading.value, reading.fired) == (used_frac, fired)


def test_redis_at_its_limit_does_not_flicker():
    check = RedisMemory(GuardConfig())
    assert memory(check, 0.91).fired and memory(check, 0.883).fired
    assert not memory(check, 0.881).fired and not memory(check, 0.899).fired


def test_what_cannot_be_seen_never_fires():
    for reading in (DiskFull(GuardConfig()).read(0), RedisMemory(GuardConfig()).read(0)):
        assert reading.value is None and not reading.fired
    assert disk(DiskFull(GuardConfig()), None, None).value is None
    assert not memory(RedisMemory(GuardConfig()), None).fired


# ---- the door ----


class FirstLook:
    """A service that ends with the first thing it is told."""

    def __init__(self, bus: Any) -> None:
        self.bus = bus
        self.seen: list[Any] = []

    async def handle(self, *inputs: Any) -> None:
        self.seen += inputs
        raise asyncio.CancelledError

    def stop(self, error: Exception | None = None) -> None:
        raise AssertionError("nothing to stop for")


async def look(data_dir: Path, bus: Any) -> MachineHealth:
    config = GuardConfig(data_dir=data_dir)
    port = FirstLook(bus)
    with pytest.raises(asyncio.CancelledError):
        await MachineDoor(config, Guard(config)).run(port)
    (health,) = port.seen
    return health


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"may not mount a small disk here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_disk_that_fills_up_fires(small_disk):
    check = DiskFull(GuardConfig(disk_min_free_mb=1.0))
    check.hear(0, await look(small_disk, MemoryBus()))
    assert not check.read(0).fired and check.read(0).value == 0.0
    (small_disk / "ticks").write_bytes(bytes(3_300_000))
    check.hear(1, await look(small_disk, MemoryBus()))
    assert check.read(1).fired and check.read(1).value == pytest.approx(0.79, abs=0.01)
    (small_disk / "ticks").unlink()
    check.hear(2, await look(small_disk, MemoryBus()))
    assert not check.read(2).fired


async def test_a_folder_that_is_not_there_is_not_known(tmp_path):
    health = await look(tmp_path / "missing", MemoryBus())
    assert (health.disk_free_mb, health.disk_free_frac, health.redis_memory_frac) == (None, None, 0.0)


async def test_a_redis_that_fills_up_fires(redis_url, tmp_path):
    check = RedisMemory(GuardConfig())
    bus = RedisBus(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        try:
            client.config_set("maxmemory", LIMIT_BYTES)
            check.hear(0, await look(tmp_path, bus))
            assert check.read(0).value > 0 and not check.read(0).fired
            while client.info("memory")["used_memory"] < 0.92 * LIMIT_BYTES:
                client.rpush("filler", bytes(200_000))
            check.hear(1, await look(tmp_path, bus))
            assert check.read(1).fired
        finally:
            client.config_set("maxmemory", 0)
            client.flushall()
            await bus.close()


async def test_a_redis_that_does_not_answer_is_not_known(tmp_path):
    bus = RedisBus(f"unix://{tmp_path}/nobody.sock")
    assert (await look(tmp_path, bus)).redis_memory_frac is None
    await bus.close()
