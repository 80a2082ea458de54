"""A quoter whose skew is stuck halts everything, through the real runtime, before anything is quoted."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from services.quoter.config import QuoterConfig
from services.quoter.service import SERVICE
from services.quoter.strategies import STRATEGIES
from services.quoter.strategies.view import Ladder, MarketView
from shared.clock import wall_ms
from shared.errors import InvariantError
from shared.memory_bus import MemoryBus
from shared.messages import AssetConfig, Book, CoinMeta, Level, RiskLease, SidePermit, TargetQuotes, Universe
from shared.runtime import Runtime
from shared.streams import TARGET

WITHIN_S = 8.0
grid = STRATEGIES["grid"]


def _stuck(view: MarketView, config: AssetConfig) -> Ladder:
    return grid(view._replace(inventory_usd=0.0), config)


async def market() -> MemoryBus:
    now_ms = int(wall_ms())
    bus = MemoryBus()
    await bus.publish(
        [
            Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=now_ms),
            RiskLease(
                coin="BTC", issued_ms=now_ms, valid_until_ms=now_ms + 60_000, bid=SidePermit(), ask=SidePermit()
            ),
            Book(
                coin="BTC", time_ms=now_ms, received_ms=float(now_ms), epoch=1,
                bids=(Level(Decimal(68020), Decimal(1)),), asks=(Level(Decimal(68021), Decimal(1)),),
            ),
        ]
    )  # fmt: skip
    return bus


async def quoted(bus: MemoryBus) -> list[TargetQuotes]:
    return [msg for msg in await bus.stored(TARGET, ("BTC",)) if isinstance(msg, TargetQuotes) and msg.bids]


async def test_a_stuck_skew_halts_and_ends_the_quoter_with_nothing_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STRATEGIES, "grid", _stuck)
    bus = await market()
    runtime = Runtime(SERVICE, QuoterConfig(run_dir=tmp_path, metrics_port=0), bus)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(InvariantError, match="does not lean against its inventory"):
            await runtime.run()
    halt = await bus.halt_state()
    assert halt.halted and halt.who == "quoter" and "BTC: strategy 'grid'" in halt.reason
    assert not await quoted(bus)


async def test_the_same_market_is_quoted_by_the_strategy_as_it_is(tmp_path: Path) -> None:
    bus = await market()
    runtime = Runtime(SERVICE, QuoterConfig(run_dir=tmp_path, metrics_port=0), bus)
    task = asyncio.create_task(runtime.run())
    async with asyncio.timeout(WITHIN_S):
        while not await quoted(bus):
            await asyncio.sleep(0.005)
        runtime.stop()
        await task
    assert not (await bus.halt_state()).halted
