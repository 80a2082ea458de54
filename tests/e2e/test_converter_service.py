"""The converter as it runs: a conversion soon after the start, told on the bus."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.converter import core
from services.converter.config import ConverterConfig
from services.converter.service import SERVICE
from shared.clock import ms_of_day, utc_day, wall_ms
from shared.data_files import MARKET_FAMILIES
from shared.memory_bus import MemoryBus
from shared.messages import Event
from shared.runtime import Runtime
from shared.streams import EVENTS


async def test_yesterday_is_converted_after_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "START_DELAY_MS", 0)
    yesterday = utc_day(wall_ms()) - timedelta(days=1)
    path = tmp_path / f"ticks/BTC/{yesterday}.csv"
    path.parent.mkdir(parents=True)
    path.write_text(f"{MARKET_FAMILIES[0].header}\n{ms_of_day(yesterday)},BTC,1.0,2.0,1.5,6666.6667\n")
    bus, found = MemoryBus(), list[Event]()
    config = ConverterConfig(data_dir=tmp_path, run_dir=tmp_path / "run", metrics_port=0)
    runtime = Runtime(replace(SERVICE, tick_ms=20), config, bus)
    task = asyncio.create_task(runtime.run())
    try:
        async with asyncio.timeout(90):
            while not found:
                await asyncio.sleep(0.02)
                events = [EVENTS.decoder.decode(body) for _, body in bus.entries.get("mm:events", ())]
                found = [event for event in events if isinstance(event, Event) and event.tag == "CONVERTER"]
    finally:
        runtime.stop()
        await task
    assert found[0].service == "converter" and found[0].text == "CSV converted to Parquet and verified"
    assert found[0].fields["rows"] == 1
    assert (tmp_path / f"parquet/BTC/{yesterday}.parquet").exists() and path.exists()
