"""The monitor as it runs: runtime, bus and HTTP endpoint together."""

import asyncio
import re
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import aiohttp
import msgspec
import pytest

from services.monitor.config import MonitorConfig
from services.monitor.service import SERVICE
from shared.clock import wall_ms
from shared.messages import AccountStatus, CoinMeta, Event, Heartbeat, Message, Mode, Universe
from shared.redis_bus import RedisBus
from shared.runtime import Runtime
from tests.fixtures.make import book, fill, live_status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def scrape(session: aiohttp.ClientSession, port: int, wanted: str) -> str:
    """The answer of /metrics as soon as it has the wanted line."""
    async with asyncio.timeout(8):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    text = await answer.text()
                if re.search(wanted, text, re.M):
                    return text
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


async def test_grid_and_own_metrics_on_one_page_and_everyones_lines_on_stdout(
    redis_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    port = free_port()
    writer = RedisBus(redis_url)
    universe = Universe(coins=(CoinMeta(coin="BTC", sz_decimals=5, max_leverage=40),), time_ms=1)
    heartbeat = Heartbeat(
        service="quoter", time_ms=1, started_ms=0, pid=1, handled_total=0, skipped_total=0, lost_total=0, rss_mb=50
    )
    written: list[Message] = [
        universe,
        book("BTC", time_ms=now_ms(), bid="99", ask="101"),
        fill("BTC"),
        heartbeat,
        Event(service="executor", tag="SHADOW FILL", coin="BTC", text="BTC bid L1 @ 99", time_ms=5),
    ]
    await writer.publish(written)
    runtime = Runtime(SERVICE, MonitorConfig(run_dir=tmp_path, metrics_port=port), RedisBus(redis_url))
    running = asyncio.create_task(runtime.run())
    try:
        async with aiohttp.ClientSession() as session:
            text = await scrape(session, port, r'^mm_mid_price{asset="BTC"} 100\.0$')
            assert 'mm_kill_switch_triggered{asset="BTC"} 0.0' in text
            assert 'mm_service_memory_bytes{service="quoter"} 5.24288e+07' in text
            assert "mm_bus_up 1.0" in text and "_created" not in text
            assert "mm_quoting" not in text, "no executor has spoken"
            await writer.publish([Event(service="guard", tag="", text="🚨 STALL PANIC: cancel_all.", time_ms=6)])
            await writer.publish([fresh_guard()])
            await scrape(session, port, r'^mm_bus_pending{service="monitor",stream="events"} \d')
            await scrape(session, port, r"^mm_stall_panics_total 1\.0$")
    finally:
        runtime.stop()
        await running
        await writer.close()
    lines = capfd.readouterr().out.splitlines()
    assert sum("[SHADOW FILL] BTC bid L1 @ 99" in item for item in lines) == 1
    assert sum("🚨 STALL PANIC: cancel_all." in item for item in lines) == 1
    assert sum("monitor started" in item for item in lines) == 1


def fresh_guard() -> Heartbeat:
    return Heartbeat(
        service="guard", time_ms=2, started_ms=0, pid=1, handled_total=0, skipped_total=0, lost_total=0, rss_mb=50
    )


async def test_live_shows_the_live_account_and_only_compares_with_the_shadow(redis_url: str, tmp_path: Path):
    """Fills and statuses of both modes stand on the same streams, some of them from a session before."""
    port = free_port()
    writer = RedisBus(redis_url)
    await writer.publish([Universe(coins=(CoinMeta(coin="BTC", sz_decimals=5, max_leverage=40),), time_ms=1)])
    await writer.publish([fill("BTC", mode="shadow"), account("shadow", now_ms(), "-900")])
    config = MonitorConfig(run_dir=tmp_path, metrics_port=port, shadow_mode=False)
    runtime = Runtime(SERVICE, config, RedisBus(redis_url))
    running = asyncio.create_task(runtime.run())
    try:
        async with aiohttp.ClientSession() as session:
            await scrape(session, port, r"^mm_live 0\.0$")
            await writer.publish([account("live", now_ms(), "-2", without=("gate3",), unknown_orders=1)])
            made = [
                msgspec.structs.replace(fill(seq=2, mode=mode), time_ms=now_ms() + 1) for mode in get_args(Mode)
            ]
            await writer.publish(made)
            text = await scrape(session, port, r'^mm_twin_fills_total{asset="BTC",mode="live"} 1\.0$')
            assert 'mm_twin_fills_total{asset="BTC",mode="shadow"} 1.0' in text
            for line in ("mm_live 1.0", "mm_session_pnl_usd -2.0", 'mm_gate_missing{gate="gate3"} 1.0',
                         "mm_unknown_orders 1.0", 'mm_dark_fills_total{asset="BTC"} 0.0',
                         "mm_api_headroom_ratio 1.0", 'mm_reduce_only{asset="BTC"} 0.0'):  # fmt: skip
                assert line in text, line
    finally:
        runtime.stop()
        await running
        await writer.close()


def account(mode: Mode, time_ms: int, pnl: str, **live: Any) -> AccountStatus:
    zero = Decimal(0)
    return AccountStatus(
        time_ms=time_ms, mode=mode, session_start_ms=1, day_start_ms=1, starting_balance_usd=Decimal(1000),
        pnl_usd=Decimal(pnl), day_pnl_usd=zero, peak_pnl_usd=zero, fees_usd=zero, funding_usd=zero,
        volume_usd=zero, fills=0, coins=(), live=live_status(**live) if mode == "live" else None,
    )  # fmt: skip


def now_ms() -> int:
    return int(wall_ms())
