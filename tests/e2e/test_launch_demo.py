"""The front door itself: one command brings the simulated market maker up, sums up, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from market_maker.deployment import supervisor_pid
from shared import incidents
from shared.confirmation import code_version
from tests.conftest import server_binaries, wait_until
from tests.fixtures.command_line import ROOT, cli, is_free, own_place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Folders and ports of our own; whatever a failed test leaves running is killed."""
    if not server_binaries():
        pytest.skip("no Redis-compatible server on this machine")
    yield own_place(tmp_path)
    pid = supervisor_pid(tmp_path / "run")
    if pid is not None:
        os.killpg(pid, signal.SIGKILL)


def test_a_short_session_quotes_sums_up_and_leaves_nothing(place: dict[str, str]) -> None:
    done = cli(place, "launch", "--demo", "--local", "--coins", "BTC,ETH,SOL", "--duration", "12", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["venue"] == "sim" and summary["mode"] == "shadow"
    assert summary["coins"] == summary["coins_with_fresh_book"] == summary["coins_quoting_both_sides_max"] == 3
    assert 0 <= summary["first_quote_after_first_book_s"] <= 5
    assert summary["restarts"] == {} and not summary["halted"]
    assert 0 < summary["memory_total_mb"] <= 600
    assert summary["orders_placed"] >= 6 * 3
    assert all(is_free(int(place[name])) for name in ("MM_REDIS_PORT", "MM_METRICS_PORT", "MM_VENUE_PORT"))
    data = Path(place["MM_DATA_DIR"])
    for file in data.rglob("*.csv"):
        assert file.read_bytes().endswith(b"\n"), f"{file} is torn"
    fills = sum(file.read_text().count("\n") - 1 for file in data.glob("fills/*/*.csv"))
    assert fills >= summary["fills"], "the summary's last look is a moment before the end"
    assert {coin.name for coin in data.glob("account/*")} == {"BTC", "ETH", "SOL"}
    started, stopped = incidents.read(data)
    assert (started.kind, stopped.kind) == ("start", "stop")
    assert started.run_id == stopped.run_id == summary["run_id"]
    assert started.fields.keys() == {"venue", "mode", "configuration", "code", "coins"}
    assert (started.fields["venue"], started.fields["mode"]) == ("sim", "shadow")
    assert started.fields["code"] == code_version() and started.fields["coins"] == ["BTC", "ETH", "SOL"]


def test_in_the_background_with_halt_status_and_stop(place: dict[str, str]) -> None:
    started = cli(place, "launch", "--demo", "--local", "--coins", "BTC,ETH")
    assert started.returncode == 0, started.stderr + started.stdout
    assert "coins quoting both sides" in started.stdout and "--stop" in started.stdout

    data = Path(place["MM_DATA_DIR"])
    again = cli(place, "launch", "--demo", "--local")
    assert again.returncode == 1 and "already running" in again.stderr and "--stop" in again.stderr

    halted = cli(place, "halt", "a test")
    assert (halted.returncode, halted.stdout) == (0, "halted: a test; no order rests\n")
    wait_until(lambda: any(i.kind == "halt" and i.text.endswith(": a test") for i in incidents.read(data)))
    state = json.loads(cli(place, "status", "--json").stdout)
    assert state["halted"] and state["halt_reason"] == "a test" and state["running"]
    assert state["coins_quoting_both_sides"] == 0
    refused = cli(place, "resume")
    assert refused.returncode == 1 and "terminal" in refused.stderr

    stopped = cli(place, "launch", "--stop")
    assert stopped.returncode == 0 and "Stopped: 10 processes, 0 restarts" in stopped.stdout
    assert cli(place, "launch", "--stop").returncode == 3
    assert cli(place, "status").returncode == 3


def test_ctrl_c_stops_everything(place: dict[str, str]) -> None:
    command = [sys.executable, "-m", "market_maker.cli", "launch", "--demo", "--local", "--coins", "BTC"]
    with subprocess.Popen(
        [*command, "--duration", "60"],
        env=place,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        run_dir = Path(place["MM_RUN_DIR"])
        wait_until(lambda: supervisor_pid(run_dir) is not None)
        assert process.stdout is not None
        for line in process.stdout:
            if "Redis up" in line:
                break
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert "Interrupted: stopping everything." in output and "Session of" in output
    assert supervisor_pid(run_dir) is None


def test_a_taken_port_is_named_with_its_setting_and_nothing_starts(place: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(place["MM_VENUE_PORT"])))
        taken.listen()
        refused = cli(place, "launch", "--demo", "--local")
    assert refused.returncode == 4
    assert "(the bundled venue) is taken" in refused.stderr and "MM_VENUE_PORT" in refused.stderr
    assert not (Path(place["MM_RUN_DIR"]) / "mm.pid").exists()


def test_a_service_that_refuses_its_settings_ends_the_start(place: dict[str, str]) -> None:
    refused = cli(place, "launch", "--demo", "--local", "--coins", "NOPE")
    assert refused.returncode == 4 and "no coin NOPE" in refused.stderr
    assert supervisor_pid(Path(place["MM_RUN_DIR"])) is None


def test_an_unreachable_venue_is_one_line_that_names_the_demo(place: dict[str, str]) -> None:
    place["MM_VENUE_URL"] = f"http://127.0.0.1:{place['MM_VENUE_PORT']}"
    refused = cli(place, "launch", "--local")
    assert refused.returncode == 1 and refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert place["MM_VENUE_URL"] in refused.stderr and "--demo" in refused.stderr
    assert not Path(place["MM_RUN_DIR"]).exists()


@pytest.mark.parametrize(
    "arguments", [("launch", "--nope"), ("frobnicate",), ("launch", "--demo", "--venue", "testnet")]
)
def test_a_wrong_command_line_is_one_line_and_exit_4(place: dict[str, str], arguments: tuple[str, ...]) -> None:
    refused = cli(place, *arguments)
    assert refused.returncode == 4 and refused.stderr.count("\n") == 1 and refused.stderr.startswith("error: ")
