"""The watchdog with a real Redis that is not there yet, hangs or dies, at its default times; and as a process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.watchdog.config import WatchdogConfig
from shared.messages import Command, Event
from shared.redis_bus import RedisBus
from tests.conftest import wait_until
from tests.e2e.test_runtime import Server
from tests.fixtures.venue_sdk import Trader
from tests.fixtures.venue_server import RunningVenue
from tests.fixtures.watchdog_run import open_oids, rest, running, until, watched

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = {
    name: WatchdogConfig.model_fields[name].default
    for name in ("watchdog_silence_s", "watchdog_look_s", "watchdog_timeout_s")
}


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trader:
    return watched(venue, monkeypatch, tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    if made.process is not None:
        made.kill()


async def test_it_begins_without_redis_and_tells_when_there_is_one(
    venue: RunningVenue, trader: Trader, server: Server, tmp_path: Path
) -> None:
    rest(trader)
    async with running(venue, RedisBus(server.url), tmp_path) as run:
        await until(lambda: not open_oids(venue, trader))
        await until(lambda: run.core.alarms and run.core.alarm_since_ms is None)
        server.start()
        await until(lambda: not run.core.silent)
        assert (await run.published(Command, "watchdog")).action == "cancel_all"
        assert (await run.published(Event, "🛑 [WATCHDOG]")).level == "error"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
async def test_redis_gone_while_orders_rest(
    venue: RunningVenue, trader: Trader, server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    server.start()
    assert server.process is not None
    rest(trader, 30)
    async with running(venue, RedisBus(server.url), tmp_path, **DEFAULTS) as run:
        await until(lambda: run.core.own and not run.core.silent)
        os.kill(server.process.pid, number)
        await until(lambda: not open_oids(venue, trader))
        if number == signal.SIGSTOP:
            os.kill(server.process.pid, signal.SIGCONT)
        else:
            server.process.communicate()
            server.start()
        await until(lambda: not run.core.silent)
        await run.published(Command, "Redis does not answer")
        assert len(await run.stored(Command)) == 1


def process(venue: RunningVenue, trader: Trader, folder: Path, mode: int) -> "subprocess.Popen[str]":
    """`python -m services watchdog` with its key in a file, and no Redis anywhere."""
    file = folder / "key"
    file.write_text(os.environ["HL_WATCHDOG_KEY"])
    file.chmod(mode)
    settings = {
        "MM_SHADOW_MODE": "false", "MM_VENUE": "sim", "MM_VENUE_URL": venue.url, "MM_RUN_DIR": str(folder),
        "MM_METRICS_PORT": "0", "REDIS_URL": f"unix://{folder}/s", "HL_ADDRESS": trader.address,
        "HL_WATCHDOG_KEY_FILE": str(file), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HL_", "MM_"))}
    command = [sys.executable, "-m", "services", "watchdog"]
    return subprocess.Popen(
        command,
        env=environment | settings,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_process_with_a_key_file_cleans_up_and_ends_in_order(
    venue: RunningVenue, trader: Trader, tmp_path: Path
) -> None:
    rest(trader)
    running = process(venue, trader, tmp_path, 0o600)
    wait_until(lambda: not open_oids(venue, trader), 30)
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=20)
    assert running.returncode == 0 and "🛑 [WATCHDOG]" in said
    assert os.environ["HL_WATCHDOG_KEY"].removeprefix("0x") not in said


def test_the_process_refuses_a_key_file_that_others_may_read(
    venue: RunningVenue, trader: Trader, tmp_path: Path
) -> None:
    refused = process(venue, trader, tmp_path, 0o640)
    said, _ = refused.communicate(timeout=20)
    assert refused.returncode == 4 and "chmod 600" in said
    assert os.environ["HL_WATCHDOG_KEY"].removeprefix("0x") not in said
