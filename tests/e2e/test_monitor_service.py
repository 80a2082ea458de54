"""The monitor as it runs: runtime, bus and HTTP endpoint together."""

import asyncio
import re
import socket
from pathlib import Path

import aiohttp
import pytest

from services.monitor.config import MonitorConfig
from services.monitor.service import SERVICE
from shared.bus import RedisBus
from shared.messages import CoinMeta, Event, Heartbeat, Message, Universe
from shared.runtime import Runtime
from tests.fixtures.make import book, fill


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
        book("BTC", bid="99", ask="101"),
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
