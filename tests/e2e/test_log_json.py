"""With MM_LOG_FORMAT=json each line of each service is JSON, from the first to the last, whatever happens."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services import SERVICES
from tests.conftest import wait_until

ROOT = Path(__file__).resolve().parents[2]
KEYS = ["time", "level", "service", "coin", "tag", "text"]
STARTED = '"text":"{} started"'
CRASHING = """
import asyncio, logging, sys, warnings
from services import __main__ as entry
async def serve(service, config, bus):
    from shared.log import Log
    Log(service.name, config.log_level, config.log_format)
    logging.getLogger("websockets").warning("a\\nb")
    warnings.warn("odd\\nthing")
    raise ZeroDivisionError("no\\nway")
entry.serve = serve
sys.exit(entry.main(["guard"]))
"""


@pytest.fixture
def place(tmp_path: Path, redis_url: str) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        **os.environ,
        "MM_LOG_FORMAT": "json", "MM_VENUE": "sim", "MM_VENUE_URL": f"http://127.0.0.1:{port}",
        "MM_VENUE_PORT": str(port), "MM_METRICS_PORT": "0", "REDIS_URL": redis_url,
        "MM_DATA_DIR": str(tmp_path / "data"), "MM_RUN_DIR": str(tmp_path / "run"), "MM_TOP_N": "2",
    }  # fmt: skip


def parsed(lines: list[str]) -> Iterator[dict[str, object]]:
    for line in lines:
        entry = json.loads(line)
        assert list(entry)[:6] == KEYS, line
        yield entry


def test_all_services_from_start_to_stop(place: dict[str, str], tmp_path: Path) -> None:
    running = [name for name in SERVICES if name != "watchdog"]  # of live trading only
    with ExitStack() as stack:
        processes = {}
        for name in running:
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            command = [sys.executable, "-m", "services", name]
            processes[name] = stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, env=place, stdout=log, stderr=log)
            )
            stack.callback(processes[name].kill)
        read = {name: (tmp_path / f"{name}.log").read_text for name in running}
        wait_until(lambda: all(STARTED.format(name) in read[name]() for name in running), 60)
        wait_until(
            lambda: all(STARTED.format(name) in read["monitor"]() for name in running if name != "venue"), 20
        )
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        assert {name: process.wait(30) for name, process in processes.items()} == dict.fromkeys(running, 0)
    for name in running:
        entries = list(parsed(read[name]().splitlines()))
        assert name == "monitor" or {entry["service"] for entry in entries} == {name}
        assert entries[-1]["text"] == f"{name} stopped"


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "tag", "words"),
    [
        (["-m", "services", "guard"], {"MM_TOP_N": "0"}, 4, "CONFIG", "top_n"),
        (["-m", "services", "executor"], {"MM_SHADOW_MODE": "false"}, 4, "CONFIG", "live"),
        (["-c", CRASHING], {}, 1, "CRASH", "ZeroDivisionError: no\nway"),
    ],
)
def test_a_process_that_fails(
    place: dict[str, str], arguments: list[str], settings: dict[str, str], code: int, tag: str, words: str
) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=place | settings, capture_output=True, text=True, timeout=60
    )
    entries = list(parsed(done.stdout.splitlines() + done.stderr.splitlines()))
    assert (done.returncode, entries[-1]["tag"]) == (code, tag) and words in str(entries[-1]["text"])
    if tag == "CRASH":
        assert [entry["tag"] for entry in entries[:-1]] == ["websockets", "py.warnings"]
        assert "Traceback" in str(entries[-1]["traceback"])
