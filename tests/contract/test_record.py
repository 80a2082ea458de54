"""What `record` writes brings a replay exactly what the ingestor that ran in its place was brought."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import requests

from market_maker import record as record_module
from market_maker.record import record
from market_maker.replay import run_replay, socket_events
from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import Connected
from services.venue.market.frames import Frames
from services.venue.market.replay import open_recording
from shared.errors import ConfigError, VenueError
from shared.messages import AssetCtx, Book, Depth, Trades, Universe
from tests.conftest import wait_until
from tests.fixtures.venue_server import RunningVenue

ROOT = Path(__file__).resolve().parents[2]
MARKET = (Book, Depth, Trades, AssetCtx)


def config(venue: RunningVenue, coins: str = "BTC,SOL") -> IngestorConfig:
    return IngestorConfig(venue="sim", venue_url=venue.url, coins=coins)


async def test_replay_publishes_the_books_that_the_ingestor_published_across_a_lost_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: list[Any] = []

    class Watched(Ingestor):
        def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
            outputs = list(super().step(now_ms, msg))
            live.extend(output for output in outputs if isinstance(output, MARKET))
            return outputs

    monkeypatch.setattr(record_module, "Ingestor", Watched)
    with RunningVenue(block_ms=50) as venue:
        recording = asyncio.create_task(record(tmp_path / "r", config(venue), duration_s=5.0))
        while sum(isinstance(output, Book) for output in live) < 10:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(drop, venue)
        done = await recording
    assert done.connections == 2 and done.coins == ("BTC", "SOL")
    replayed, ingestor = [], Ingestor(IngestorConfig())
    frames = open_recording(tmp_path / "r")
    for message in (Universe(coins=frames.coins, time_ms=frames.start_ms), Connected()):
        list(ingestor.step(frames.start_ms, message))
    for now_ms, item in socket_events(frames):
        replayed += [output for output in ingestor.step(now_ms, item) if isinstance(output, MARKET)]
    assert replayed == live[2:], "but for the two contexts that came with the universe"
    assert {output.epoch for output in replayed if isinstance(output, Book)} == {1, 2}
    assert run_replay(tmp_path / "r", tmp_path / "out")["counts"]["books"] == sum(
        isinstance(output, Book) for output in replayed
    )


def drop(venue: RunningVenue) -> None:
    """Break every connection off, without a close frame."""
    answer = requests.post(f"{venue.url}/admin/faults", json={"fault": "drop"}, timeout=10)
    assert answer.status_code == 200, answer.text


async def test_what_cannot_be_recorded_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with RunningVenue() as venue:
        with pytest.raises(ConfigError, match="no coin BTT.*BTC"):
            await record(tmp_path / "r", config(venue, "BTT"))
        url = venue.url
    with pytest.raises(VenueError, match="unreachable"):
        await record(tmp_path / "r", IngestorConfig(venue="sim", venue_url=url))
    assert not (tmp_path / "r").exists()


def test_the_command_ends_cleanly_on_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "r"
    with RunningVenue(block_ms=50) as venue:
        monkeypatch.setenv("MM_VENUE_URL", venue.url)
        command = [
            sys.executable,
            "-m",
            "market_maker.cli",
            "record",
            "--venue",
            "sim",
            "--asset",
            "BTC",
            "--json",
        ]
        process = subprocess.Popen(
            [*command, "--out", str(out)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: any(out.glob("frames-*.gz")), 60)
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate(timeout=30)
    assert process.returncode == 0, complaints
    assert json.loads(printed)["coins"] == ["BTC"]
    frames = open_recording(out)
    assert isinstance(frames, Frames) and frames.warnings == []
    assert json.loads((out / "universe.json").read_text())[0]["universe"][0]["name"] == "BTC"
