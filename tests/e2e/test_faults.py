"""Fault drills on the real local stack: every failure ends in fewer resting orders; nothing is lost or doubled.

One start serves all drills; they run in the order of this file and each begins with a stack that quotes.
"""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from market_maker.deployment import supervisor_pid
from shared.clock import wall_ms
from tests.conftest import server_binaries, wait_until
from tests.fixtures.command_line import MAIN, cli, own_place
from tests.fixtures.local_stack import COINS_BACK, WITHIN_S, Stack, running_stack
from tests.fixtures.terminal import at_a_terminal

CAN_REST_AFTER_LAPSE_MS = 1_000
"""A cancel is decided on a 100 ms tick and takes effect 400 ms later."""
TARGET_MAX_AGE_MS = 5_000
"""Default of the setting target_max_age_ms."""
DATA_MB = 64


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    """A data folder on a small disk of its own, where this user may mount one: (folder, is it a disk)."""
    folder = tmp_path_factory.mktemp("data")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DATA_MB}m", "tmpfs", str(folder)]
    mounted = sys.platform == "linux" and subprocess.run(mount, capture_output=True).returncode == 0
    yield folder, mounted
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, small_disk: tuple[Path, bool]) -> Iterator[Stack]:
    place = own_place(tmp_path_factory.mktemp("mm")) | {
        "MM_DATA_DIR": str(small_disk[0]),
        "MM_RULE_LEVELS": '{"disk": "off"}',  # the disk is small from the start, and full in one of the drills
        "MM_HARVEST_RETRY_S": "1",
        "MM_QUEUE_MODEL": "v6",  # fills more often, and the ledger is what is drilled here
    }
    with running_stack(place) as running:
        yield running


def test_background_services_die_and_come_back_while_quoting_goes_on(stack: Stack) -> None:
    since_ms = stack.begin()
    stack.kill("harvester", "screener", "monitor")
    stack.wait_for_quotes(wall_ms())
    assert stack.events("CANCEL ALL", since_ms) == []
    stack.eventually(
        lambda: (
            {beat["service"] for beat in stack.entries("mm:status", wall_ms() - 3000) if "service" in beat}
            >= {"harvester", "screener", "monitor"}
        )
    )
    stack.check_ledger()


def test_ingestor_killed_its_connection_counts_on_and_old_books_are_not_quoted(stack: Stack) -> None:
    since_ms = stack.begin()
    epoch = stack.entries("mm:feed")[-1]["epoch"]
    stack.kill("ingestor")
    stack.eventually(lambda: stack.entries("mm:feed")[-1]["epoch"] > epoch)
    reconnected = [entry for entry in stack.entries("mm:feed", since_ms) if entry["type"] == "reconnected.1"]
    assert [entry["epoch"] for entry in reconnected] == [epoch + 1]
    known_ms = reconnected[0]["time_ms"] + CAN_REST_AFTER_LAPSE_MS
    stack.eventually(lambda: len({order["coin"] for order in stack.placed(known_ms)}) >= COINS_BACK)
    assert all(order["source_ms"] >= reconnected[0]["time_ms"] for order in stack.placed(known_ms))
    stack.eventually(lambda: stack.alive_since_before(reconnected[0]["time_ms"]) == set())
    stack.wait_for_quotes(wall_ms())
    stack.check_ledger()


def test_silent_guard_leases_lapse_and_nothing_is_placed_until_it_is_back(stack: Stack) -> None:
    begin_ms = stack.begin()
    stack.send("guard", signal.SIGSTOP)
    stopped_ms = wall_ms()
    lapse_ms = max(lease["valid_until_ms"] for lease in stack.of_all_coins("risk"))
    empty_ms = stack.wait_for_nothing(stopped_ms)
    assert lapse_ms <= stopped_ms + 3_000
    stack.eventually(lambda: stack.rests_nothing(max(empty_ms, lapse_ms + CAN_REST_AFTER_LAPSE_MS)))
    assert stack.placed(lapse_ms) == []
    stack.kill("guard")
    stack.wait_for_quotes(wall_ms())
    stack.check_leases(begin_ms)
    stack.check_ledger()


def test_silent_quoter_targets_grow_old_and_orders_are_cancelled(stack: Stack) -> None:
    stack.begin()
    stack.send("quoter", signal.SIGSTOP)
    stopped_ms = wall_ms()
    lapse_ms = max(target["computed_ms"] for target in stack.of_all_coins("target")) + TARGET_MAX_AGE_MS
    empty_ms = stack.wait_for_nothing(stopped_ms)
    stack.eventually(lambda: stack.rests_nothing(max(empty_ms, lapse_ms + CAN_REST_AFTER_LAPSE_MS)))
    assert stack.placed(lapse_ms) == []
    reasons = {
        entry["reason"] for entry in stack.of_all_coins("orders", lapse_ms) if entry["status"] == "cancelling"
    }
    assert "no_target" in reasons
    stack.kill("quoter")
    stack.wait_for_quotes(wall_ms())
    stack.check_ledger()


def test_executor_killed_goes_on_from_its_own_fills(stack: Stack) -> None:
    since_ms = stack.begin()
    fills = {coin: len(stack.entries(f"mm:fills:{{{coin}}}")) for coin in stack.coins()}
    stack.kill("executor")
    stack.wait_for_quotes(wall_ms())
    assert "✅ Inventory matches. No dark fills detected." in stack.events("RECONCILE", since_ms)
    assert all(len(stack.entries(f"mm:fills:{{{coin}}}")) >= count for coin, count in fills.items())
    stack.check_ledger()


def test_redis_killed_nothing_that_counts_is_lost_or_doubled(stack: Stack) -> None:
    since_ms = stack.begin()
    fills = {coin: stack.entries(f"mm:fills:{{{coin}}}") for coin in stack.coins()}
    stack.kill("redis")
    stack.eventually(lambda: any("Redis is back" in text for text in stack.events("BUS", since_ms)))
    stack.wait_for_quotes(wall_ms())
    for coin, before in fills.items():
        assert stack.entries(f"mm:fills:{{{coin}}}")[: len(before)] == before
    assert any("bus lost" in text for text in stack.events("CANCEL ALL", since_ms))
    stack.check_ledger()
    stack.eventually(lambda: stack.prints_not_recorded() == set())


def test_redis_hangs_everything_is_cancelled_until_it_answers(stack: Stack) -> None:
    since_ms = stack.begin()
    log = Path(stack.place["MM_LOG_DIR"]) / "executor.log"
    lines = log.read_text().count("bus lost")
    stack.send("redis", signal.SIGSTOP)
    stopped_ms = wall_ms()
    wait_until(lambda: log.read_text().count("bus lost") > lines, WITHIN_S)
    wait_until(lambda: wall_ms() > stopped_ms + 4_000)
    stack.send("redis", signal.SIGCONT)
    resumed_ms = wall_ms()
    stack.eventually(lambda: any("bus lost" in text for text in stack.events("CANCEL ALL", since_ms)))
    stack.wait_for_quotes(wall_ms())
    lost_ms = min(
        entry["time_ms"]
        for entry in stack.of_all_coins("orders", since_ms)
        if entry["status"] == "cancelling" and entry["reason"] == "bus lost"
    )
    assert [order for order in stack.placed(lost_ms) if order["time_ms"] < resumed_ms] == []
    stack.check_ledger()


def test_venue_hangs_and_dies_stale_books_are_not_quoted_nor_those_of_before(stack: Stack) -> None:
    stack.begin()
    epoch = stack.entries("mm:feed")[-1]["epoch"]
    stack.send("venue", signal.SIGSTOP)
    stopped_ms = wall_ms()
    empty_ms = stack.wait_for_nothing(stopped_ms)
    stack.kill("venue")
    stack.eventually(lambda: stack.entries("mm:feed")[-1]["epoch"] > epoch)
    stack.wait_for_quotes(wall_ms())
    reconnected = [entry for entry in stack.entries("mm:feed", stopped_ms) if entry["type"] == "reconnected.1"]
    assert [order for order in stack.placed(empty_ms) if order["source_ms"] < reconnected[0]["time_ms"]] == []
    stack.check_ledger()


def test_halt_outlives_guard_and_executor_until_someone_types_its_reason(stack: Stack) -> None:
    stack.begin()
    halted = cli(stack.place, "halt", "a drill")
    assert (halted.returncode, halted.stdout) == (0, "halted: a drill; no order rests\n")
    halted_ms = wall_ms()
    stack.kill("guard", "executor")
    killed_ms = wall_ms()
    stack.eventually(
        lambda: (
            {
                beat["service"]
                for beat in stack.entries("mm:status", killed_ms)
                if beat["type"] == "heartbeat.1" and beat["started_ms"] > halted_ms
            }
            >= {"guard", "executor"}
        )
    )
    back_ms = wall_ms()
    stack.eventually(lambda: stack.rests_nothing(back_ms + 2_000))
    assert stack.placed(halted_ms) == []
    status = json.loads(cli(stack.place, "status", "--json").stdout)
    assert (status["halted"], status["halt_reason"], status["coins_quoting_both_sides"]) == (True, "a drill", 0)

    assert "resumed" in resume_on_a_terminal(stack.place, "a drill")
    stack.wait_for_quotes(wall_ms())
    stack.check_ledger()


def resume_on_a_terminal(place: dict[str, str], words: str) -> str:
    with at_a_terminal(MAIN, "resume", env=place) as person:
        person.reads(f"type {words}: ")
        person.types(f"{words}\n")
        return person.leaves()[1]


def test_cancel_all_is_one_event_and_quoting_goes_on(stack: Stack) -> None:
    since_ms = stack.begin()
    done = cli(stack.place, "cancel-all")
    assert done.returncode == 0 and done.stdout.startswith("cancelled "), done.stderr
    stack.wait_for_quotes(wall_ms())
    assert len(stack.events("CANCEL ALL", since_ms)) == 1


def test_a_full_disk_is_one_event_and_quoting_goes_on(stack: Stack, small_disk: tuple[Path, bool]) -> None:
    folder, mounted = small_disk
    if not mounted:
        pytest.skip("this user may not mount a small disk to fill")
    since_ms = stack.begin()
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(65_536))
    stack.eventually(lambda: stack.events("HARVEST", since_ms))
    stack.wait_for_quotes(wall_ms())
    assert stack.events("CANCEL ALL", since_ms) == []
    said = stack.events("HARVEST", since_ms)
    assert "No space left" in said[0] and "quoting goes on" in said[0]
    # others free a block now and then, so it may begin to work again: never is it said twice in one state
    assert all(("harvesting stopped" in text) == (n % 2 == 0) for n, text in enumerate(said)), said
    ballast.unlink()
    stack.eventually(lambda: any("works again" in text for text in stack.events("HARVEST", since_ms)))
    stack.check_ledger()


def test_stop_leaves_no_process_no_torn_file_and_data_that_loads(stack: Stack, tmp_path: Path) -> None:
    stack.begin()
    group = supervisor_pid(stack.run_dir)
    stack.eventually(lambda: stack.of_all_coins("fills"))
    stored = {coin: stack.entries(f"mm:fills:{{{coin}}}") for coin in stack.coins()}
    stopped = cli(stack.place, "launch", "--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert group is not None and not living_members(group)
    files = list(stack.data_dir.rglob("*.csv"))
    assert len(files) >= 3 * COINS_BACK
    for file in files:
        check_csv(file)
    (data,) = stack.run_dir.glob("redis-sim-*")
    loaded = fills_after_loading(data, list(stored), tmp_path / "s")
    assert all(loaded[coin][: len(fills)] == fills for coin, fills in stored.items())


def living_members(group: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=,args=", "-g", str(group)], capture_output=True, text=True
    ).stdout.splitlines()
    return [line for line in listed if line.split()[1][0] != "Z"]


def check_csv(file: Path) -> None:
    """Whole lines with all fields; in trades every print once."""
    text = file.read_text()
    assert text.endswith("\n"), f"{file} is torn"
    header, *rows = csv.reader(text.splitlines())
    assert all(len(row) == len(header) for row in rows), f"{file} has a torn line"
    if "tid" in header:
        prints = [(row[header.index("timestamp_ms")], row[header.index("tid")]) for row in rows]
        assert len(set(prints)) == len(prints), f"{file} holds a print twice"


def fills_after_loading(data: Path, coins: list[str], socket: Path) -> dict[str, list[dict[str, Any]]]:
    """What a server reads from the append-only file that the stopped one left."""
    command = [
        server_binaries()[0], "--port", "0", "--unixsocket", str(socket), "--dir", str(data), "--save", "",
        "--appendonly", "yes",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        with redis.Redis(unix_socket_path=str(socket)) as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except redis.ConnectionError:
                    return False

            wait_until(answers)
            fills = {
                coin: [msgspec.json.decode(fields[b"m"]) for _, fields in client.xrange(f"mm:fills:{{{coin}}}")]
                for coin in coins
            }
        server.terminate()
        server.wait(timeout=10)
    return fills
