"""The whole watchdog at the bundled venue: an account with orders, an executor that falls silent, faults."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.venue.faults.scenario import fault_of
from services.watchdog.client import CancelClient
from services.watchdog.config import WatchdogConfig
from services.watchdog.exposition import WatchdogCollector
from shared.errors import ConfigError, InvariantError
from shared.hyperliquid import actions
from shared.hyperliquid.limits import IpLimits
from shared.memory_bus import MemoryBus
from shared.messages import Command, Event
from shared.metrics import WATCHDOG
from shared.secrets import Credentials, Secret
from tests.fixtures.venue_sdk import Trader
from tests.fixtures.venue_server import RunningVenue
from tests.fixtures.watchdog_run import Run, open_oids, rest, running, until, watched


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trader:
    return watched(venue, monkeypatch, tmp_path)


async def test_it_watches_and_takes_nothing_while_the_executor_lives(
    venue: RunningVenue, trader: Trader, tmp_path: Path
) -> None:
    oids = rest(trader)
    async with running(venue, MemoryBus(), tmp_path) as run:
        await until(lambda: len(run.core.own) == 6 and run.core.key_holds)
        looked_ms = run.core.looked_ms
        await until(lambda: run.core.looked_ms != looked_ms)
        assert not await run.stored(Command)
    assert open_oids(venue, trader) == sorted(oids)


async def test_a_silent_executor_leaves_no_order_behind(
    venue: RunningVenue, trader: Trader, tmp_path: Path
) -> None:
    rest(trader)
    foreign = trader.rest("ETH", -0.4)
    async with running(venue, MemoryBus(), tmp_path) as run:
        await until(lambda: run.core.own)
        run.alive = False
        await until(lambda: open_oids(venue, trader) == [foreign])
        await until(lambda: run.core.alarms and run.core.alarm_since_ms is None)
        (command,) = await run.stored(Command)
        texts = [event.text for event in await run.stored(Event)]
        assert (command.action, command.who) == ("cancel_all", "watchdog")
        assert any(text.startswith("🛑 [WATCHDOG]") for text in texts)
        assert any(f"oid {foreign}" in text for text in texts)
        assert run.core.cancelled == 6


FAULTS = {
    "429": [{"fault": "http_429", "count": 4}],
    "5xx": [{"fault": "http_5xx", "path": "/exchange", "count": 3}],
    "every answer lost": [{"fault": "lose_answer", "count": 3}],
    "answers after the timeout": [{"fault": "delay_answer", "ms": 1500, "count": 2}],
    "slow blocks": [{"fault": "slow_block", "ms": 400, "share": 0.5}],
    "all at once": [
        {"fault": "http_429", "share": 0.3},
        {"fault": "http_5xx", "share": 0.3, "status": 503},
        {"fault": "lose_answer", "share": 0.5},
        {"fault": "slow_block", "ms": 200, "share": 0.3},
    ],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_faults_delay_it_and_do_not_stop_it(
    venue: RunningVenue, trader: Trader, tmp_path: Path, faults: list[dict[str, Any]]
) -> None:
    rest(trader, 12)
    async with running(venue, MemoryBus(), tmp_path) as run:
        await until(lambda: run.core.own)
        for fault in faults:
            venue.do(lambda server, fault=fault: server.faults.start(server.fault_ms(), fault_of(fault)))
        run.alive = False
        await until(lambda: not open_oids(venue, trader), 60)
        await until(lambda: run.core.alarm_since_ms is None, 60)
        venue.do(lambda server: server.faults.end_all(server.fault_ms()))
    statuses = {order["status"] for order in trader.info.historical_orders(trader.address)[:12]}
    assert statuses == {"canceled"}


async def test_a_venue_that_comes_back_is_cleaned(venue: RunningVenue, trader: Trader, tmp_path: Path) -> None:
    rest(trader)
    venue.do(lambda server: server.faults.start(server.fault_ms(), fault_of({"fault": "http_5xx"})))
    async with running(venue, MemoryBus(), tmp_path, alive=False) as run:
        await until(lambda: run.core.silent)
        assert run.core.looked_ms is None
        venue.do(lambda server: server.faults.end_all(server.fault_ms()))
        await until(lambda: not open_oids(venue, trader))


async def test_the_venues_switch_is_armed_as_soon_as_the_account_may_and_cleared_at_the_end(
    venue: RunningVenue, trader: Trader, tmp_path: Path
) -> None:
    trader.count_as_traded(1_000_001)
    async with running(venue, MemoryBus(), tmp_path) as run:
        await until(lambda: run.core.armed_until_ms)
        assert venue.do(lambda server: trader.account(server).scheduled_cancel_ms) == run.core.armed_until_ms
    assert venue.do(lambda server: trader.account(server).scheduled_cancel_ms) is None


async def test_too_little_volume_for_the_switch_is_a_line_and_no_trouble(
    venue: RunningVenue, trader: Trader, tmp_path: Path
) -> None:
    async with running(venue, MemoryBus(), tmp_path) as run:
        await run.published(Event, "not for this account yet")
        assert not any(event.level == "error" for event in await run.stored(Event))


async def test_a_key_that_is_no_agent_of_the_account_ends_it_with_the_reason(
    venue: RunningVenue, trader: Trader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HL_WATCHDOG_KEY", "0x" + "5" * 64)
    run = Run(venue, MemoryBus(), tmp_path)
    with pytest.raises(ConfigError, match="HL_ADDRESS has to approve it"):
        await run.runtime.run()


async def test_its_client_signs_nothing_but_cancels(venue: RunningVenue, trader: Trader) -> None:
    """Whatever a maker could say with a key, from orders to withdrawals."""
    config = WatchdogConfig(shadow_mode=False, venue_url=venue.url)
    order = actions.OrderWire(0, True, "10", "1", False, actions.OrderType(limit=actions.LimitType("Alo")))
    zero = "0x" + "0" * 40
    others: list[Any] = [
        actions.PlaceOrders((order,), "na"),
        actions.Modify(1, order),
        actions.BatchModify((actions.ModifyWire(1, order),)),
        actions.UpdateLeverage(0, True, 5),
        actions.UpdateIsolatedMargin(0, True, 5),
        actions.UsdSend("0x66eee", "Testnet", zero, "1", 1),
        actions.Withdraw("0x66eee", "Testnet", zero, "1", 1),
        {"type": "cancelByCloid", "cancels": []},
    ]
    before = venue.do(lambda server: trader.account(server).requests_used)
    async with CancelClient(config, Credentials(trader.address, Secret("5" * 64)), IpLimits()) as client:
        for action in others:
            with pytest.raises(InvariantError, match="cancels and does nothing else"):
                await client.send(action)
    assert venue.do(lambda server: trader.account(server).requests_used) == before


async def test_its_metrics_are_the_declared_ones(venue: RunningVenue, trader: Trader, tmp_path: Path) -> None:
    rest(trader)
    async with running(venue, MemoryBus(), tmp_path) as run:
        await until(lambda: run.core.own and run.core.key_holds)
        families = {family.name: family.samples[0].value for family in WatchdogCollector(run.core).collect()}
    assert set(families) == {metric.name.removesuffix("_total") for metric in WATCHDOG}
    assert (families["mm_watchdog_own_orders"], families["mm_watchdog_key_holds"]) == (6, 1)
    assert families["mm_watchdog_look_age_seconds"] < 60


async def test_the_key_is_in_no_line_and_no_message(
    venue: RunningVenue, trader: Trader, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    key = os.environ["HL_WATCHDOG_KEY"].removeprefix("0x")
    rest(trader)
    bus = MemoryBus()
    async with running(venue, bus, tmp_path) as run:
        await until(lambda: run.core.own)
        run.alive = False
        await until(lambda: not open_oids(venue, trader))
    said = "".join(capfd.readouterr()) + str(bus.entries) + repr(vars(run.runtime.door))
    assert "WATCHDOG" in said and key not in said.lower()
