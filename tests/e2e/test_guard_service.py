"""The guard as a running service: leases on the bus, a halt that outlives it, flow that comes back."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from services.guard.config import GuardConfig
from services.guard.service import SERVICE
from shared.clock import wall_ms
from shared.memory_bus import MemoryBus
from shared.messages import (
    Book,
    CoinMeta,
    Command,
    Level,
    Reason,
    RiskLease,
    RiskReport,
    SidePermit,
    Trade,
    Trades,
    Universe,
)
from shared.runtime import Runtime
from shared.streams import BOOK, RISK, RISK_MEMORY, RISK_REPORT

ONE = Decimal(1)


async def until(condition: Callable[[], Any], seconds: float = 8.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Running:
    """A guard on a bus, from entering to leaving."""

    def __init__(self, bus: MemoryBus) -> None:
        self._runtime = Runtime(SERVICE, GuardConfig(metrics_port=0), bus)

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._runtime.run())

    async def __aexit__(self, *_: object) -> None:
        self._runtime.stop()
        await self._task


def lease(bus: MemoryBus) -> RiskLease | None:
    entries = bus.entries.get(RISK.key("BTC"))
    newest = RISK.decoder.decode(entries[-1][1]) if entries else None
    return newest if isinstance(newest, RiskLease) else None


def permits(bus: MemoryBus) -> tuple[SidePermit, SidePermit] | None:
    newest = lease(bus)
    return (newest.bid, newest.ask) if newest else None


FREE = (SidePermit(), SidePermit())
HALTED = (SidePermit("none", Reason.HALTED), SidePermit("none", Reason.HALTED))


def universe() -> Universe:
    return Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=int(wall_ms()))


def book() -> Book:
    now_ms = wall_ms()
    bids, asks = (Level(Decimal(99), ONE),), (Level(Decimal(101), ONE),)
    return Book(coin="BTC", time_ms=int(now_ms), received_ms=now_ms, epoch=1, bids=bids, asks=asks)


def command(action: Any) -> Command:
    return Command(id=f"{action}-1", action=action, who="me", reason="tea", time_ms=int(wall_ms()))


async def test_a_halt_outlives_the_guard_and_only_resume_ends_it() -> None:
    bus = MemoryBus()
    await bus.publish([universe(), book()])
    async with Running(bus):
        await until(lambda: permits(bus) == FREE)
        await bus.publish([command("halt")])
        await until(lambda: permits(bus) == HALTED)
    assert (await bus.halt_state()).reason == "tea"
    bus.entries.pop(RISK.key("BTC"))
    async with Running(bus):
        await bus.publish([book()])
        await until(lambda: permits(bus) == HALTED)
        await bus.publish([command("resume")])
        await until(lambda: permits(bus) == FREE)
    assert not (await bus.halt_state()).halted


async def test_a_guard_killed_in_between_still_sees_the_flow() -> None:
    bus = MemoryBus()
    now_ms = int(wall_ms())
    prints = tuple(Trade(px=ONE, sz=ONE, side="A", time_ms=now_ms, tid=tid) for tid in range(60))
    await bus.publish([universe(), book(), Trades(coin="BTC", received_ms=float(now_ms), epoch=1, trades=prints)])
    suppressed = (SidePermit("none", Reason.OFI_SELL_DOMINANCE), SidePermit())
    async with Running(bus):
        await until(lambda: permits(bus) == suppressed)
    bus.entries.pop(RISK.key("BTC"))
    async with Running(bus):
        await bus.publish([book()])
        await until(lambda: permits(bus) == suppressed)
        newest = lease(bus)
        assert newest is not None and newest.ofi == -1.0


async def test_a_guard_knows_what_the_streams_have_lost() -> None:
    bus = MemoryBus()
    await bus.publish([universe(), book()])
    async with Running(bus):
        await until(lambda: book_age_s(bus) is not None and RISK_MEMORY.key("BTC") in bus.hashes)
    bus.entries.pop(BOOK.key("BTC"))
    bus.entries.pop(RISK_REPORT.key())
    async with Running(bus):
        await until(lambda: RISK_REPORT.key() in bus.entries)
        assert book_age_s(bus) is not None
    bus.hashes.pop(RISK_MEMORY.key("BTC"))
    bus.entries.pop(RISK_REPORT.key())
    async with Running(bus):
        await until(lambda: RISK_REPORT.key() in bus.entries)
        assert book_age_s(bus) is None


def book_age_s(bus: MemoryBus) -> float | None:
    """As `quiet_book` knows it."""
    entries = bus.entries.get(RISK_REPORT.key())
    report = RISK_REPORT.decoder.decode(entries[-1][1]) if entries else None
    assert report is None or isinstance(report, RiskReport)
    return next((line.value for line in report.rules if line.rule == "quiet_book"), None) if report else None
