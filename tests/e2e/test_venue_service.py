"""The venue as the service that `python -m services venue` runs: it says where it listens and when it is over."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.venue.config import VenueConfig
from services.venue.core import Listening, RecordingOver
from services.venue.service import SERVICE
from shared.errors import ConfigError, DataError
from shared.runtime import Runtime
from tests.unit.test_venue_replay import OWN_HEADER, T0, own_row, write


class Port:
    """What the door sees of its service."""

    def __init__(self) -> None:
        self.inputs: asyncio.Queue[Any] = asyncio.Queue()

    async def handle(self, *inputs: Any) -> None:
        for item in inputs:
            await self.inputs.put(item)

    def stop(self, error: Exception | None = None) -> None:
        raise AssertionError("the venue does not stop by itself")


def door(config: VenueConfig) -> Any:
    assert SERVICE.door is not None
    return SERVICE.door(config, SERVICE.core(config))


async def test_it_announces_itself_warns_plays_and_says_when_it_is_over(tmp_path: Path) -> None:
    path = write(tmp_path / "depth/BTC/2023-11-14.csv", OWN_HEADER, [own_row(T0), own_row(T0 + 300)])
    path.write_text(path.read_text() + "1700000000500,BTC,100")
    port = Port()
    config = VenueConfig(venue_port=0, source=str(tmp_path), speed="10")
    running = asyncio.create_task(door(config).run(port))
    try:
        listening = await asyncio.wait_for(port.inputs.get(), 5)
        assert isinstance(listening, Listening)
        assert listening.coins == 1
        assert "torn" in listening.warnings[0]
        assert await asyncio.wait_for(port.inputs.get(), 5) == RecordingOver(str(tmp_path))
        async with aiohttp.ClientSession() as http, http.get(listening.url + "/health") as answer:
            assert (await answer.json())["finished"] is True
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    events = [event for item in (listening, RecordingOver("x")) for event in SERVICE.core(config).step(0, item)]
    assert [event.level for event in events] == ["info", "warning", "info"]


async def test_damage_in_the_middle_ends_the_service_with_its_reason(tmp_path: Path) -> None:
    rows = [own_row(T0), own_row(T0 + 100), own_row(T0 + 50), own_row(T0 + 200)]
    write(tmp_path / "depth/BTC/2023-11-14.csv", OWN_HEADER, rows)
    config = VenueConfig(venue_port=0, source=str(tmp_path), speed="10", run_dir=tmp_path / "run", metrics_port=0)
    with pytest.raises(DataError, match="time may not go back"):
        await asyncio.wait_for(Runtime(SERVICE, config, None).run(), 10)


def test_a_scenario_about_a_coin_that_is_not_listed_ends_the_start(tmp_path: Path) -> None:
    script = tmp_path / "halt.toml"
    script.write_text('[[at]]\ns = 1\nfault = "halt"\ncoin = "btc"\n')
    with pytest.raises(ConfigError, match=r"halt.toml line 4: step 1: no coin 'btc'; there are BTC"):
        door(VenueConfig(venue_port=0, fault_script=script))
