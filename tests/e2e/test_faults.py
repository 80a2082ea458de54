"""Fault drills on the real local stack: every failure ends in fewer resting orders; nothing is lost or doubled.

One start serves all drills; they run in the order of this file and each begins with a stack that quotes.
"""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from market_maker.deployment import read_supervisor, supervisor_pid
from shared.clock import wall_ms
from tests.conftest import server_binaries, wait_until
from tests.e2e.test_launch_demo import ROOT, cli, free_metrics_base

COINS_BACK = 25
WITHIN_S = 40.0
"""For a machine that others use too; usually a few seconds."""
CAN_REST_AFTER_LAPSE_MS = 1_000
"""A cancel is decided on a 100 ms tick and takes effect 400 ms later."""
TARGET_MAX_AGE_MS = 5_000
"""Default of the setting target_max_age_ms."""
DATA_MB = 64


class Stack:
    """The running bot as an outsider sees it: processes, streams, files, command line."""

    def __init__(self, place: dict[str, str]) -> None:
        self.place = place
        self.run_dir, self.data_dir = Path(place["MM_RUN_DIR"]), Path(place["MM_DATA_DIR"])
        self.redis = redis.Redis(port=int(place["MM_REDIS_PORT"]), socket_timeout=2, socket_connect_timeout=2)

    # ---- processes ----

    def pid(self, name: str) -> int:
        state = read_supervisor(self.run_dir)
        assert state is not None
        return state.children[name].pid

    def send(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def kill(self, *names: str) -> None:
        """SIGKILL, and wait until others have taken their place."""
        before = {name: self.pid(name) for name in names}
        for name in names:
            self.send(name, signal.SIGKILL)
        wait_until(lambda: all(self.pid(name) != before[name] for name in names), WITHIN_S)

    # ---- the bus ----

    def eventually(self, condition: Callable[[], Any], within_s: float = WITHIN_S) -> None:
        """Wait for something on the bus, which may itself be away for a while."""

        def holds() -> bool:
            try:
                return bool(condition())
            except (redis.ConnectionError, redis.TimeoutError):  # includes "loading its data"
                return False

        wait_until(holds, within_s)

    def entries(self, key: str, since_ms: float = 0) -> list[dict[str, Any]]:
        """Everything written to a stream since then, oldest first."""
        found = self.redis.xrange(key, min=int(since_ms))
        return [msgspec.json.decode(fields[b"m"]) for _, fields in found]

    def coins(self) -> list[str]:
        return [meta["coin"] for meta in self.entries("mm:universe")[-1]["coins"]]

    def of_all_coins(self, stream: str, since_ms: float = 0) -> list[dict[str, Any]]:
        return [entry for coin in self.coins() for entry in self.entries(f"mm:{stream}:{{{coin}}}", since_ms)]

    def account(self, since_ms: float) -> dict[str, Any] | None:
        """The newest report of the executor, if one was made since then."""
        reports = [entry for entry in self.entries("mm:status", since_ms) if entry["type"] == "account.1"]
        return reports[-1] if reports and reports[-1]["time_ms"] > since_ms else None

    def quotes(self, since_ms: float) -> bool:
        account = self.account(since_ms)
        both = (
            [coin for coin in account["coins"] if coin["resting_bids"] and coin["resting_asks"]] if account else []
        )
        return len(both) >= COINS_BACK

    def rests_nothing(self, since_ms: float) -> bool:
        account = self.account(since_ms)
        return account is not None and not any(
            coin["resting_bids"] or coin["resting_asks"] for coin in account["coins"]
        )

    def wait_for_quotes(self, since_ms: float) -> None:
        self.eventually(lambda: self.quotes(since_ms))

    def begin(self) -> float:
        """A drill begins while we quote; returns when that is."""
        self.eventually(lambda: self.quotes(wall_ms() - 2_000))
        return wall_ms()

    def wait_for_nothing(self, since_ms: float) -> float:
        self.eventually(lambda: self.rests_nothing(since_ms))
        return wall_ms()

    def placed(self, since_ms: float) -> list[dict[str, Any]]:
        """Orders decided since then."""
        updates = self.of_all_coins("orders", since_ms)
        return [entry for entry in updates if entry["status"] == "pending" and entry["time_ms"] >= since_ms]

    def alive_since_before(self, time_ms: float) -> set[str]:
        """Orders decided before then that have not come to an end."""
        updates = self.of_all_coins("orders")
        before = {entry["cloid"] for entry in updates if entry["time_ms"] < time_ms}
        return before - {
            entry["cloid"] for entry in updates if entry["status"] in ("canceled", "filled", "rejected")
        }

    def prints_not_recorded(self) -> set[tuple[str, int]]:
        """What the bus holds of the market's trades and the CSV files do not, as (coin, tid)."""
        printed = {
            (news["coin"], trade["tid"]) for news in self.of_all_coins("trades") for trade in news["trades"]
        }
        recorded = {
            (row["coin"], int(row["tid"]))
            for file in self.data_dir.glob("trades/*/*.csv")
            for row in csv.DictReader(file.read_text().splitlines())
        }
        assert recorded
        return printed - recorded

    def events(self, tag: str, since_ms: float) -> list[str]:
        return [entry["text"] for entry in self.entries("mm:events", since_ms) if entry["tag"] == tag]

    # ---- what must be true after every drill ----

    def ledger_faults(self) -> list[str]:
        """Per coin: fills numbered 1 to n, each once, and the stored position is exactly their sum."""
        faults = []
        for coin in self.coins():
            stored = self.redis.hget(f"mm:position:{{{coin}}}", "m")
            fills = [entry for entry in self.entries(f"mm:fills:{{{coin}}}") if entry["type"] == "fill.1"]
            position = msgspec.json.decode(stored) if stored else {"seq": 0, "position_sz": "0"}
            sum_sz = sum(
                (Decimal(fill["sz"]) * (1 if fill["side"] == "bid" else -1) for fill in fills), Decimal(0)
            )
            if [fill["seq"] for fill in fills] != list(range(1, len(fills) + 1)):
                faults.append(f"{coin}: fills are numbered {[fill['seq'] for fill in fills]}")
            if len({fill["fill_id"] for fill in fills}) != len(fills):
                faults.append(f"{coin}: a fill is there twice")
            if (position["seq"], Decimal(position["position_sz"])) != (len(fills), sum_sz):
                faults.append(f"{coin}: position {position}, {len(fills)} fills sum to {sum_sz}")
        return faults

    def check_ledger(self) -> None:
        """A look between a fill and its position, written one after the other, may disagree; the next must not."""
        found: list[str] = ["never looked"]

        def agrees() -> bool:
            found[:] = self.ledger_faults()
            return not found

        try:
            self.eventually(agrees, 5.0)
        except pytest.fail.Exception:
            pytest.fail("; ".join(found))

    def check_leases(self, since_ms: float) -> None:
        """Every order since then was decided within a lease of its coin."""
        for coin in self.coins():
            leases = [
                (lease["issued_ms"], lease["valid_until_ms"]) for lease in self.entries(f"mm:risk:{{{coin}}}")
            ]
            for order in self.entries(f"mm:orders:{{{coin}}}", since_ms):
                at_ms = order["time_ms"]
                if order["status"] == "pending" and at_ms >= since_ms:
                    assert any(begin <= at_ms < end for begin, end in leases), f"{order} without a lease"


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
    if not server_binaries():
        pytest.skip("no Redis-compatible server on this machine")
    folder, base = tmp_path_factory.mktemp("mm"), free_metrics_base()
    place = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MM_", "REDIS_URL"))},
        "MM_RUN_DIR": str(folder / "run"),
        "MM_LOG_DIR": str(folder / "log"),
        "MM_SECRETS_DIR": str(folder / "secrets"),
        "MM_DATA_DIR": str(small_disk[0]),
        "MM_METRICS_PORT": str(base),
        "MM_REDIS_PORT": str(base + 30),
        "MM_VENUE_PORT": str(base + 31),
        "MM_HARVEST_RETRY_S": "1",
    }
    started = cli(place, "launch", "--demo", "--local")
    assert started.returncode == 0, started.stderr + started.stdout
    running = Stack(place)
    yield running
    running.redis.close()
    group = supervisor_pid(running.run_dir)
    if group is not None:
        os.killpg(group, signal.SIGKILL)


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
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{words}\n".encode())
        command = [sys.executable, "-m", "market_maker.cli", "resume"]
        done = subprocess.run(
            command, env=place, cwd=ROOT, stdin=theirs, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.stdout + done.stderr


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
    (said,) = stack.events("HARVEST", since_ms)
    assert "No space left" in said and "quoting goes on" in said
    ballast.unlink()
    stack.eventually(lambda: any("works again" in text for text in stack.events("HARVEST", since_ms)))
    stack.check_ledger()


def test_stop_leaves_no_process_no_torn_file_and_data_that_loads(stack: Stack, tmp_path: Path) -> None:
    stack.begin()
    group = supervisor_pid(stack.run_dir)
    stored = {coin: stack.entries(f"mm:fills:{{{coin}}}") for coin in stack.coins()}
    assert sum(map(len, stored.values())) > 0
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
