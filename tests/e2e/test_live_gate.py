"""Ways around the gate of live trading, each tried on real processes: every one ends in a refusal, and no request
reaches the venue. And the way through it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hyperliquid.utils.types import Cloid
from redis import Redis

from market_maker.deployment import supervisor_pid
from market_maker.live.gates import GATES
from shared.clock import wall_ms
from shared.confirmation import VALID_MS, Confirmation, Subject, boot_id, read, seal, write
from shared.hyperliquid.cloids import own_prefix
from tests.conftest import server_binaries, wait_until
from tests.fixtures.command_line import MAIN, free_metrics_base
from tests.fixtures.live_place import (
    ACCEPTED,
    KEYS,
    LAUNCH,
    ROOT,
    RUN,
    WORDS,
    Place,
    checked_out,
    command,
    end,
    holds_the_lock,
    joined,
    process,
    resting,
    said,
    started,
    trading,
)
from tests.fixtures.venue_server import RunningVenue

ACCOUNT = "0x" + "ab" * 20


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(fund=0, limits=False, block_ms=70) as running:
        yield running


@pytest.fixture
def place(venue: RunningVenue, tmp_path: Path) -> Iterator[Place]:
    made = joined(venue, tmp_path)
    before = made.requests()
    yield made
    pid = supervisor_pid(tmp_path / "run")
    if pid is not None:
        os.killpg(pid, 9)
    assert made.may_trade or made.requests() == before, "something reached the venue"


@pytest.fixture
def confirmed(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """With a confirmation under which the executor would trade."""
    place.confirm(monkeypatch)
    return place


# ---- seven ways around it, and one more ----------------------------------------------------------------------


def test_the_gate_lets_the_executor_of_a_confirmed_start_through(confirmed: Place) -> None:
    """What the tests below take away is all that it takes: this one trades. And what it knows is not dumped."""
    running = trading(confirmed)
    limits = Path(f"/proc/{running.pid}/limits")
    assert not limits.exists() or re.search(r"^Max core file size +0 +0 ", limits.read_text(), re.M)
    end(running)


def test_1_environment_variables_alone(place: Place) -> None:
    for boot in (None, boot_id()):
        shown = said(place.executor(MM_CONFIRMED_BOOT=boot))
        assert (
            shown.endswith(
                " ERROR   executor - [CONFIG] MM_SHADOW_MODE=false, but nobody has confirmed live trading;"
                " MM_SHADOW_MODE=false ./start_mm_bot.sh asks for it at a terminal\n"
            )
            and shown.count("\n") == 1
        )
    assert not place.confirmations.exists()


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_2_compose_up_alone(checkout: Path) -> None:
    """With keys in the shell, and even a confirmation of somebody's in its folder."""
    (checkout / ".secrets" / "keys").mkdir(parents=True)
    (checkout / ".secrets" / "keys" / "watchdog").write_text("0x" + "d" * 64)
    somebodys = Subject(
        account=ACCOUNT, key="0x1", venue="hyperliquid", configuration="c", code="d", boot=boot_id(), run=RUN
    )  # fmt: skip
    write(checkout / ".secrets" / "live", Confirmation(subject=somebodys, given_ms=0, expires_ms=2**52))
    base = free_metrics_base()
    environment = {
        **os.environ, "MM_SHADOW_MODE": "false", "HL_ADDRESS": ACCOUNT, "HL_PRIVATE_KEY": "0x" + "e" * 64,
        "MM_REDIS_PORT": str(base + 30), "MM_METRICS_PORT": str(base), "MM_RUN_ID": RUN,
    }  # fmt: skip

    def compose(*arguments: str) -> str:
        command = ["docker", "compose", "-p", "mm-gate", *arguments]
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        compose("build", "--quiet", "prepare")
        compose("up", "--detach", "executor")
        refusal = "executor - [CONFIG] MM_SHADOW_MODE=false, but nobody has confirmed live trading; "
        wait_until(lambda: refusal in compose("logs", "--no-log-prefix", "executor"), 60)
        wait_until(lambda: state("mm_executor")["ExitCode"] == 4, 30)
    finally:
        compose("down", "--volumes", "--timeout", "2")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    with checked_out(tmp_path / "checkout") as folder:
        yield folder


def state(container: str) -> dict[str, int]:
    found = subprocess.run(
        ["docker", "inspect", "-f", "{{json .State}}", container], capture_output=True, text=True, check=True
    )
    shown: dict[str, int] = json.loads(found.stdout)
    return shown


IS_NOT_ONE = "live trading is confirmed by a person at a terminal, and standard input is not one"


@pytest.mark.parametrize(
    ("way", "refusal"),
    [
        ("pipe", IS_NOT_ONE),
        ("file", IS_NOT_ONE),
        ("nothing", IS_NOT_ONE),
        ("flag", "No such option: --yes"),
        ("variable", "unknown environment variable MM_CONFIRM"),
    ],
)
def test_3_words_that_nobody_types(place: Place, way: str, refusal: str) -> None:
    environment = place.environment(MM_CONFIRM=WORDS if way == "variable" else None)
    command = [sys.executable, "-c", MAIN, *LAUNCH, "--local", *ACCEPTED, *(["--yes"] if way == "flag" else [])]
    words = place.folder / "words"
    words.write_text("" if way == "nothing" else f"{WORDS}\n" * 10)
    with words.open() as file:
        given: dict[str, Any] = {"input": words.read_text()} if way == "pipe" else {"stdin": file}
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, **given
        )
    assert done.returncode == 4 and refusal in done.stderr, done.stderr
    nothing_began(place)


def test_3_words_typed_before_the_question_and_other_words(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with started(place, monkeypatch, typed_before=f"{WORDS}\n") as person:
        person.reads(f"type {WORDS}: ")
        person.types("CONFIRM LIVE\n")
        code, shown = person.leaves()
    assert code == 4 and "those are not the words: nothing was started" in shown
    nothing_began(place)


def test_3_ctrl_c_at_the_question(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with started(place, monkeypatch) as person:
        person.reads(f"type {WORDS}: ")
        person.types("\x03")
        code, shown = person.leaves()
    assert code == 1 and "error: interrupted: nothing was started" in shown
    nothing_began(place)


def test_with_green_evidence_the_words_are_plain_and_others_do_not_count(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.give_evidence(monkeypatch)
    with started(place, monkeypatch) as person:
        person.reads("type CONFIRM LIVE: ")
        person.types(f"{WORDS}\n")
        code, shown = person.leaves()
    assert code == 4 and "those are not the words: nothing was started" in shown
    assert "five days in shadow: GO, n=1000" in shown and not (place.folder / "run").exists()


def nothing_began(place: Place) -> None:
    assert not place.confirmations.exists() and not (place.folder / "run").exists()


def test_4_a_confirmation_of_another_start(confirmed: Place) -> None:
    shown = said(confirmed.executor(MM_RUN_ID="run-2"))
    assert "it was given for another start (run-1, this is run-2)" in shown
    assert "has no run to compare with" in said(confirmed.executor(MM_RUN_ID=None))
    assert "it is for account" in said(confirmed.executor(HL_ADDRESS="0x" + "cd" * 20))
    other_url = confirmed.venue.url.replace("127.0.0.1", "localhost")
    assert "it is for sim http://127.0.0.1" in said(confirmed.executor(MM_VENUE_URL=other_url))
    other_key = str(confirmed.folder / "watchdog")
    assert "it is for the key with the address 0x" in said(confirmed.executor(HL_PRIVATE_KEY_FILE=other_key))


def edited(file: Path, change: Callable[[Confirmation], Confirmation]) -> None:
    """The content is changed as text, as an editor would; the seal stays."""
    given = read(file.parent)
    content = file.read_bytes()
    old, new = msgspec.json.encode(given), msgspec.json.encode(change(given))
    assert content.count(old) == 1 and old != new
    file.write_bytes(content.replace(old, new))


def longer(given: Confirmation) -> Confirmation:
    return msgspec.structs.replace(given, expires_ms=given.expires_ms + VALID_MS)


def for_run_2(given: Confirmation) -> Confirmation:
    return msgspec.structs.replace(given, subject=msgspec.structs.replace(given.subject, run="run-2"))


def by_hand(given: Confirmation) -> bytes:
    return seal(given, b"a key that I thought of myself.."[:32])


def test_5_a_confirmation_edited_or_written_by_hand(confirmed: Place) -> None:
    file = confirmed.confirmations / "confirmation.json"
    genuine = file.read_bytes()
    forgeries: dict[str, bytes] = {
        "by hand": by_hand(read(confirmed.confirmations)),
        "empty": b"",
        "words": b"yes",
    }
    for name, change in (("longer", longer), ("run-2", for_run_2)):
        edited(file, change)
        forgeries[name] = file.read_bytes()
        file.write_bytes(genuine)
    for name, content in forgeries.items():
        file.write_bytes(content)
        shown = said(confirmed.executor(MM_RUN_ID="run-2" if name == "run-2" else RUN))
        assert "not written by this installation" in shown or "damaged" in shown, name
    file.write_bytes(genuine)
    file.chmod(0o644)
    assert "open to others (mode 644)" in said(confirmed.executor())
    file.chmod(0o600)
    end(trading(confirmed))


@pytest.mark.parametrize(
    "change",
    [
        {"MM_COINS": "BTC"},
        {"MM_GLOBAL_HALT_DRAWDOWN_PCT": "0.5"},
        {"MM_BUDGET_HORIZON_H": "2"},
        {"MM_FEE_TIER": "1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_6_another_configuration_than_was_confirmed(confirmed: Place, change: dict[str, str]) -> None:
    assert "the configuration has changed since" in said(confirmed.executor(**change))


def test_6_another_settings_file_than_was_confirmed(confirmed: Place) -> None:
    file = confirmed.folder / "other.toml"
    file.write_text("[assets.BTC]\nmax_inv_usd = 100000.0\n")
    assert "the configuration has changed since" in said(confirmed.executor(MM_CONFIG=str(file)))


def test_6_other_code_than_was_confirmed(confirmed: Place) -> None:
    copy = confirmed.folder / "copy"
    for name in ("shared", "services"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    same = confirmed.environment(PYTHONPATH=str(copy))
    running = process(same, "-m", "services", "executor", cwd=copy)
    wait_until(lambda: running.poll() is not None or holds_the_lock(confirmed), 20)
    assert running.poll() is None, "the same code elsewhere is the same"
    end(running)
    with (copy / "services" / "quoter" / "placement.py").open("a") as source:
        source.write("\nEDGE = 0\n")
    assert "the code has changed since" in said(process(same, "-m", "services", "executor", cwd=copy))


def test_7_expired(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.confirm(monkeypatch, given_ms=wall_ms() - VALID_MS)
    assert "it expired at " in said(place.executor())


def test_7_the_clock_set_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.confirm(monkeypatch, given_ms=wall_ms() + 3_600_000)
    assert "the clock has gone back" in said(place.executor())


def test_7_rebooted_without_saying_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    given = place.confirm(monkeypatch)
    before = msgspec.structs.replace(given.subject, boot="the-boot-before")
    write(place.confirmations, msgspec.structs.replace(given, subject=before))
    assert "live trading was confirmed before the machine rebooted" in said(place.executor())


@pytest.mark.parametrize("name", ["executor", "guard", "quoter", "monitor"])
def test_7_rebooted_and_everything_is_in_shadow(confirmed: Place, name: str, redis_url: str) -> None:
    """As containers that the engine has brought back: with the same variables, in another boot."""
    environment = confirmed.environment(MM_CONFIRMED_BOOT="the-boot-before", REDIS_URL=redis_url)
    with process(environment, "-m", "services", name) as running, Redis.from_url(redis_url) as bus:
        assert running.stdout is not None
        line = running.stdout.readline()
        said = "in shadow mode, as live trading was confirmed before the machine rebooted;"
        assert f"WARNING {name} - [CONFIRM LIVE] {said}" in line
        assert "--stop, then MM_SHADOW_MODE=false ./start_mm_bot.sh asks for it" in line
        wait_until(lambda: f'"service":"{name}"' in status(bus), 20)
        assert '"mode":"live"' not in status(bus) and not holds_the_lock(confirmed)
        running.terminate()
        told = running.communicate(timeout=30)
    assert running.returncode == 0, told


def test_7_rebooted_and_what_was_left_at_the_venue_is_cancelled(place: Place) -> None:
    place.may_trade = True
    with place.venue.still():
        place.trader.rest("ETH", usd=50, cloid=Cloid.from_str(own_prefix(place.trader.address) + "0" * 24))
        watchdog = process(place.environment(MM_CONFIRMED_BOOT="the-boot-before"), "-m", "services", "watchdog")
        try:
            wait_until(lambda: not resting(place), 30)
        finally:
            watchdog.terminate()
            watchdog.communicate(timeout=30)


def status(bus: Redis) -> str:
    return repr(bus.xrange("mm:status"))


def test_8_a_second_executor_under_the_same_confirmation(confirmed: Place) -> None:
    first = trading(confirmed)
    try:
        assert "another process trades under this confirmation already" in said(confirmed.executor())
    finally:
        end(first)
    end(trading(confirmed))


# ---- the way through it --------------------------------------------------------------------------------------


def test_a_person_at_a_terminal_starts_it_and_the_stop_ends_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not server_binaries():
        pytest.skip("no Redis-compatible server on this machine")
    place.may_trade = True
    base = free_metrics_base()
    ports = {"MM_METRICS_PORT": str(base), "MM_REDIS_PORT": str(base + 30), "REDIS_URL": None, "MM_RUN_ID": None}
    with started(place, monkeypatch, **ports) as person:
        person.reads(f"type {WORDS}: ")
        assert not place.confirmations.exists()
        person.types(f"{WORDS}\n")
        code, shown = person.leaves()
    assert code == 0, shown
    for part in (
        "Ready for live trading, for 12 h: ",
        f"Starting LIVE on venue sim (local): real orders on account {place.trader.address}.",
        "quoting both sides",
        f"LIVE        real orders on account {place.trader.address} ",
        f"WITHOUT {', '.join(GATES)} ",
    ):
        assert part in shown, shown
    assert resting(place) > 0 and holds_the_lock(place)
    given = read(place.confirmations)
    assert "another process trades" in said(place.executor(MM_RUN_ID=given.subject.run))

    state = json.loads(command(place, ports, "status", "--json").stdout)
    assert state["running"] and state["mode"] == "live"
    again = command(place, ports, *LAUNCH, "--local", *ACCEPTED)
    assert again.returncode == 1 and "already running" in again.stderr

    stopped = command(place, ports, "launch", "--stop")
    assert stopped.returncode == 0 and stopped.stdout.startswith(
        "The confirmation of live trading is taken back.\n"
    )
    assert resting(place) == 0
    assert "nobody has confirmed live trading" in said(place.executor(MM_RUN_ID=given.subject.run))
    keys = [(place.folder / name).read_text().removeprefix("0x") for name in KEYS]
    written = "".join(file.read_text(errors="replace") for file in place.folder.rglob("*.log")) + shown
    assert len(written) > 1000 and not any(key in written for key in keys)


def test_a_session_of_given_length_sums_up_as_live(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its JSON goes elsewhere; what the words are about is still seen at the terminal."""
    if not server_binaries():
        pytest.skip("no Redis-compatible server on this machine")
    place.may_trade = True
    base = free_metrics_base()
    ports = {"MM_METRICS_PORT": str(base), "MM_REDIS_PORT": str(base + 30), "REDIS_URL": None, "MM_RUN_ID": None}
    flags = ("--duration", "25", "--json")
    with (place.folder / "summary.json").open("wb") as file:
        with started(place, monkeypatch, *flags, stdout=file.fileno(), **ports) as person:
            person.reads(f"type {WORDS}: ")
            person.types(f"{WORDS}\n")
            person.reads("Stopped: 10 processes", within_s=60)
            code, shown = person.leaves()
    summary = json.loads((place.folder / "summary.json").read_text())
    assert code == 0 and (summary["mode"], summary["coins"]) == ("live", 3), shown
    assert summary["orders_placed"] > 0 and resting(place) == 0
    assert [file.name for file in place.confirmations.iterdir()] == ["seal.key"]


def test_a_start_that_fails_takes_the_confirmation_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with started(place, monkeypatch, MM_REDIS_PORT=str(taken.getsockname()[1])) as person:
            person.reads(f"type {WORDS}: ")
            person.types(f"{WORDS}\n")
            code, shown = person.leaves()
    assert code == 4 and "(Redis) is taken" in shown
    assert [file.name for file in place.confirmations.iterdir()] == ["seal.key"]
