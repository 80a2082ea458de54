"""The watchdog with a real Redis that is not there yet, hangs or dies, at its default times."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.watchdog.config import WatchdogConfig
from shared.bus import RedisBus
from shared.messages import Command, Event
from tests.e2e.test_runtime import Server
from tests.fixtures.venue_sdk import Trader
from tests.fixtures.venue_server import RunningVenue
from tests.fixtures.watchdog_run import open_oids, rest, running, until, watched

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
