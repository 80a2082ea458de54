"""The doctor asks the venue of the bot that runs, whatever the settings of this shell say."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from market_maker import machine
from market_maker.config import LauncherConfig
from market_maker.deployment import Record, write_record
from market_maker.deployment import running as what_runs
from market_maker.findings import Finding
from market_maker.supervisor import PID_FILE
from shared.config import load
from tests.fixtures.venue_server import RunningVenue

NOBODY = "http://127.0.0.1:9"


@contextmanager
def running(folder: Path, venue_url: str) -> Iterator[None]:
    """What the launcher and a supervisor leave."""
    write_record(
        folder,
        Record(
            deployment="local", venue="sim", venue_url=venue_url, run_id="r", started_ms=0,
            redis_url="unix:///nowhere", redis_port=9, metrics_url="http://127.0.0.1:11/metrics",
            log_dir="logs", secrets_dir="secrets", data_dir=str(folder),
        ),
    )  # fmt: skip
    with (folder / PID_FILE).open("w") as pid_file:
        print(os.getpid(), file=pid_file, flush=True)
        fcntl.flock(pid_file, fcntl.LOCK_EX)
        yield


def findings(folder: Path) -> dict[str, Finding]:
    """The last one of each subject."""
    found = machine.look(load(LauncherConfig, run_dir=folder), what_runs(folder))
    return {finding.subject: finding for finding in found}


@pytest.fixture(autouse=True)
def _another_venue_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_VENUE_URL", NOBODY)


def test_the_venue_of_the_running_bot_is_asked_and_named(tmp_path: Path) -> None:
    with RunningVenue() as venue, running(tmp_path, venue.url):
        found = findings(tmp_path)
    assert found["venue"].verdict == "ok"
    assert found["venue"].text.startswith(f"sim of the running bot, {venue.url}\n")
    assert found["port"].text.startswith("11 (metrics)")


def test_a_running_bot_whose_venue_is_away_is_a_failure(tmp_path: Path) -> None:
    with running(tmp_path, "http://127.0.0.1:13"):
        found = findings(tmp_path)["venue"]
    assert found.verdict == "FAIL"
    assert found.text.startswith("sim of the running bot:\nhttp://127.0.0.1:13 cannot be reached")


def test_when_it_has_stopped_the_one_of_the_settings_is_asked(tmp_path: Path) -> None:
    with running(tmp_path, "http://127.0.0.1:13"):
        pass
    found = findings(tmp_path)["venue"]
    assert found.verdict == "FAIL" and found.text.startswith(f"hyperliquid: {NOBODY} cannot be reached")
