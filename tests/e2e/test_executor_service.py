"""The declared service on a bus: from market data to published fills, and on after a restart."""

import asyncio
import contextlib
from decimal import Decimal

import pytest

from services.executor.config import ExecutorConfig
from services.executor.service import SERVICE
from shared.clock import wall_ms
from shared.errors import BusError
from shared.memory_bus import MemoryBus
from shared.messages import (
    AccountStatus,
    Book,
    CoinMeta,
    Event,
    Fill,
    HaltState,
    Level,
    OrderUpdate,
    PositionState,
    QuoteLevel,
    RiskLease,
    SidePermit,
    TargetQuotes,
    Trade,
    Trades,
    Universe,
)
from shared.runtime import Runtime
from shared.streams import ACCOUNT, EVENTS, FILLS, ORDERS, POSITION, STATUS, STREAM_OF
from tests.fixtures.executor_world import COIN, META


@contextlib.asynccontextmanager
async def running(bus, folder, run_id="one"):
    config = ExecutorConfig(
        run_id=run_id, run_dir=folder, metrics_port=0, sim_place_latency_ms=0, sim_cancel_latency_ms=0
    )
    runtime = Runtime(SERVICE, config, bus)
    task = asyncio.create_task(runtime.run())
    try:
        yield runtime
    finally:
        runtime.stop()
        await task


async def stored(bus, stream, kind):
    return [message for message in await bus.stored(stream, [COIN]) if isinstance(message, kind)]


async def until(condition, within_s=8.0):
    async with asyncio.timeout(within_s):
        while not (found := await condition()):
            await asyncio.sleep(0.005)
    return found


class Market:
    """Publishes what the other services would."""

    def __init__(self, bus):
        self.bus, self.tid = bus, 0

    async def quiet(self):
        now_ms = int(wall_ms())
        permit = SidePermit()
        levels = [(Level(Decimal(px), Decimal(5)),) for px in ("99.99", "100.01")]
        await self.bus.publish(
            [
                Book(
                    coin=COIN, time_ms=now_ms, received_ms=float(now_ms), epoch=1, bids=levels[0], asks=levels[1]
                ),
                RiskLease(coin=COIN, issued_ms=now_ms, valid_until_ms=now_ms + 3000, bid=permit, ask=permit),
                TargetQuotes(
                    coin=COIN,
                    source_ms=float(now_ms),
                    computed_ms=now_ms,
                    mid_px=100.0,
                    half_spread_bps=1.5,
                    shift_bps=0.0,
                    multiplier=1.0,
                    regime="calm",
                    bids=(QuoteLevel(1, Decimal("99.98"), Decimal("0.20")),),
                    asks=(QuoteLevel(1, Decimal("100.02"), Decimal("0.20")),),
                ),
            ]
        )

    async def sweep(self, px, side):
        now_ms = wall_ms()
        self.tid += 1
        trade = Trade(Decimal(px), Decimal(3), side, int(now_ms) + 1, self.tid)
        await self.bus.publish([Trades(coin=COIN, received_ms=now_ms, epoch=1, trades=(trade,))])


async def trade_once(bus, market, px, side):
    """Quote until both sides rest, then sweep one; returns all fills so far."""
    seen = len(await stored(bus, FILLS, Fill))
    begun = len(await stored(bus, ORDERS, OrderUpdate))

    async def both_rest():
        await market.quiet()
        updates = (await stored(bus, ORDERS, OrderUpdate))[begun:]
        return {update.side for update in updates if update.status == "open"} == {"bid", "ask"}

    await until(both_rest)
    await market.sweep(px, side)

    async def filled():
        fills = await stored(bus, FILLS, Fill)
        return fills if len(fills) > seen else None

    return await until(filled)


async def test_a_restart_continues_position_session_and_numbers(tmp_path):
    bus = MemoryBus()
    await bus.publish([Universe(coins=(META,), time_ms=1)])
    market = Market(bus)
    async with running(bus, tmp_path):
        await trade_once(bus, market, "99.97", "A")
    session = (await bus.stored(ACCOUNT, ()))[0]
    assert await stored(bus, ORDERS, OrderUpdate)
    assert {update.status for update in (await stored(bus, ORDERS, OrderUpdate))[-1:]} == {"canceled"}
    async with running(bus, tmp_path):
        fills = await trade_once(bus, market, "100.03", "B")
    assert [(fill.seq, fill.side, fill.position_sz) for fill in fills] == [
        (1, "bid", Decimal("0.20")),
        (2, "ask", Decimal("0.00")),
    ]
    assert len({update.cloid for update in await stored(bus, ORDERS, OrderUpdate)}) >= 4
    state = (await stored(bus, POSITION, PositionState))[0]
    assert (state.seq, state.realized_usd) == (2, Decimal("0.008"))
    status = (await stored(bus, STATUS, AccountStatus))[-1]
    assert status.session_start_ms == session.session_start_ms
    assert status.fills == 2
    assert status.pnl_usd == Decimal("0.008") - sum(fill.fee_usd for fill in fills)
    lines = [event.text for event in await stored(bus, EVENTS, Event) if event.tag == "RECONCILE"]
    assert lines == ["✅ Inventory matches. No dark fills detected."] * 2
    channels = [name for name, _ in bus.published]
    assert channels.count("mm:shadow_fills") == 2
    assert "mm:engine_status" in channels


async def test_a_coin_that_joins_later_brings_its_position_along(tmp_path):
    bus = MemoryBus()
    await bus.publish([Universe(coins=(META,), time_ms=1)])
    market = Market(bus)
    async with running(bus, tmp_path):
        await trade_once(bus, market, "99.97", "A")
    await bus.publish([Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=2)])
    async with running(bus, tmp_path, "two"):

        async def started():
            lines = [event.text for event in await stored(bus, EVENTS, Event)]
            return lines.count("executor started") == 2 and lines[-1].startswith("✅")

        await until(started)
        await bus.publish([Universe(coins=(META, CoinMeta("BTC", 5, 40)), time_ms=3)])
        fills = await trade_once(bus, market, "100.03", "B")
    assert [(fill.seq, fill.position_sz) for fill in fills] == [(1, Decimal("0.20")), (2, Decimal("0.00"))]
    status = (await stored(bus, STATUS, AccountStatus))[-1]
    assert status.fills == 1, "the fill of before belongs to the session of before"
    assert abs(status.pnl_usd) < Decimal("0.01")


class Failing(MemoryBus):
    """Does not answer the next `failures` times that the coin's position is asked for."""

    failures = 0

    async def stored(self, stream, coins, last=None):
        if stream is POSITION and tuple(coins) == (COIN,) and self.failures:
            self.failures -= 1
            raise BusError("no answer")
        return await super().stored(stream, coins, last)


@pytest.mark.parametrize("failures", [0, 1])
async def test_a_coin_that_left_the_universe_still_counts_after_a_restart(tmp_path, failures):
    bus = Failing()
    await bus.publish([Universe(coins=(META,), time_ms=1)])
    async with running(bus, tmp_path):
        await trade_once(bus, Market(bus), "99.97", "A")
    before = (await stored(bus, STATUS, AccountStatus))[-1]
    await bus.publish([Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=2)])
    bus.failures = failures
    async with running(bus, tmp_path):

        async def said():
            newest = (await stored(bus, STATUS, AccountStatus))[-1]
            return newest if newest.time_ms > before.time_ms else None

        after = await until(said)
    rows = {row.coin: row for row in after.coins}
    assert set(rows) == {"BTC", COIN}
    assert rows[COIN].position_sz == Decimal("0.20")
    assert (after.pnl_usd, after.day_pnl_usd, after.fills) == (before.pnl_usd, before.day_pnl_usd, 1)
    assert after.pnl_usd == sum(row.pnl_usd for row in after.coins)


async def test_a_stored_halt_survives_the_restart_and_nothing_is_placed(tmp_path):
    bus = MemoryBus()
    await bus.publish([Universe(coins=(META,), time_ms=1)])
    await bus.publish([HaltState(halted=True, reason="loss", who="guard", since_ms=1)])
    market = Market(bus)
    async with running(bus, tmp_path):

        async def told():
            await market.quiet()
            status = await stored(bus, STATUS, AccountStatus)
            return status and status[-1].coins[0].bid_reason == "halted"

        await until(told)
    assert await stored(bus, ORDERS, OrderUpdate) == []


def test_it_writes_only_what_it_declares():
    written = {stream.name for stream in SERVICE.writes}
    produced = {STREAM_OF[kind].name for kind in (OrderUpdate, Fill, PositionState, AccountStatus, Event)}
    assert produced <= written
