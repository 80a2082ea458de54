"""`first30` beside a bot that trades live on the bundled venue: to its end, and when the bot is stopped."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from market_maker.deployment import supervisor_pid
from tests.conftest import wait_until
from tests.fixtures.command_line import MAIN, ROOT
from tests.fixtures.live_place import Session, joined, live_session
from tests.fixtures.venue_server import RunningVenue

WITHIN_S = 60


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("live")
    try:
        with (
            RunningVenue(fund=0, limits=False, block_ms=70) as venue,
            pytest.MonkeyPatch.context() as patch,
            live_session(joined(venue, folder), patch) as running,
        ):
            yield running
    finally:
        pid = supervisor_pid(folder / "run")
        if pid is not None:
            os.killpg(pid, signal.SIGKILL)


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["verdict"] for item in report["items"]}


def summary(report: dict[str, Any]) -> str:
    """The page; the numbers beside it are what was printed."""
    file = Path(report["file"])
    assert json.loads(file.with_suffix(".json").read_text())["items"] == report["items"]
    return file.read_text()


def test_it_watches_real_orders_to_its_end(session: Session) -> None:
    done = session.run("first30", "--minutes", "0.05", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert (report["mode"], report["red_flags"]) == ("live", []) and report["minutes"] >= 0.05
    found = verdicts(report)
    assert found["recovery"] == found["orders"] == found["kill switch"] == found["API headroom"] == "ok"
    assert "# First 0.05 minutes, LIVE: " in summary(report)


def test_a_bot_that_is_stopped_ends_it_and_the_summary_says_when(session: Session) -> None:
    """Half an hour is asked for; it leaves when the bot does."""
    environment = session.place.environment(**session.settings)
    command = [sys.executable, "-c", MAIN, "first30", "--json"]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stderr is not None and watcher.stderr.readline().startswith("LIVE, minute ")
        assert session.run("launch", "--stop").returncode == 0
        wait_until(lambda: watcher.poll() is not None, WITHIN_S)
        shown, told = watcher.communicate()
    assert watcher.returncode == 3, told
    report = json.loads(shown)
    assert report["verdict"].startswith("stopped at minute ") and report["planned_minutes"] == 30
    assert abs(float(report["verdict"].split()[-1]) - report["minutes"]) < 0.1
    assert "# First 30 minutes, LIVE: stopped at minute " in summary(report)
    assert session.run("first30").returncode == 3, "and nobody begins to wait for it again"
