"""A live session on the bundled venue: what it must not tell anybody, and what becomes of it when things
change."""

import base64
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from market_maker.deployment import read_supervisor, supervisor_pid
from services import SERVICES, load
from shared.confirmation import read
from tests.conftest import wait_until
from tests.fixtures.live_place import ACCEPTED, KEYS, LAUNCH, Place, Session, joined, live_session, resting
from tests.fixtures.venue_server import RunningVenue


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(fund=0, limits=False, block_ms=70) as running:
        yield running


@pytest.fixture
def place(venue: RunningVenue, tmp_path: Path) -> Iterator[Place]:
    made = joined(venue, tmp_path)
    yield made
    pid = supervisor_pid(tmp_path / "run")
    if pid is not None:
        os.killpg(pid, signal.SIGKILL)


# ---- keys ----------------------------------------------------------------------------------------------------


def forms(key: str) -> list[bytes]:
    """Everything that would give a key away; hex digits in lower case."""
    digits = key.removeprefix("0x")
    raw = bytes.fromhex(digits)
    texts = [base64.b64encode(each) for each in (raw, digits.encode(), b"0x" + digits.encode())]
    return [digits.encode(), raw, str(int(digits, 16)).encode(), *(text.rstrip(b"=") for text in texts)]


def given_away(content: bytes, keys: list[str]) -> bool:
    url_safe = content.replace(b"-", b"+").replace(b"_", b"/")
    return any(
        form in text for key in keys for form in forms(key) for text in (content, content.lower(), url_safe)
    )


def everything(session: Session) -> Iterator[tuple[str, bytes]]:
    """What a session shows, writes and keeps, by where it is found; the files of the keys are left out."""
    yield "terminal", session.shown.encode()
    for service in (load(name) for name in SERVICES if name != "venue"):
        port = session.metrics_base + service.metrics_port - 9090
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            yield f"metrics of {service.name}", answer.read()
    yield from on_the_bus(f"unix://{session.place.folder}/run/redis.sock")
    yield from of_processes(session)
    for arguments in (
        ["status"], ["status", "--json"], ["doctor"], ["validate-config"], ["flatten", "--dry-run"],
        ["cancel-all"], ["halt", "a look at everything"], ["resume"], ["flatten"], ["launch", "--stop"],
    ):  # fmt: skip
        done = session.run(*arguments)
        yield " ".join(arguments), (done.stdout + done.stderr).encode()
    for file in session.place.folder.rglob("*"):
        if file.is_file() and file.name not in KEYS:
            yield str(file), file.read_bytes()


def on_the_bus(url: str) -> Iterator[tuple[str, bytes]]:
    with Redis.from_url(url) as bus:
        for key in bus.scan_iter(count=1000):
            kind = bus.type(key)
            reading = {b"stream": bus.xrange, b"hash": bus.hgetall, b"string": bus.get}[kind]
            yield f"Redis {key!r}", repr(reading(key)).encode()
        yield "Redis itself", repr(bus.info()).encode()


def of_processes(session: Session) -> Iterator[tuple[str, bytes]]:
    """Arguments can be read by every user; variables are for the process itself."""
    state = read_supervisor(session.place.folder / "run")
    assert state is not None
    for name, pid in {
        "supervisor": state.pid,
        **{name: child.pid for name, child in state.children.items()},
    }.items():
        yield f"arguments of {name}", Path(f"/proc/{pid}/cmdline").read_bytes()
        if name not in KEYS:
            yield f"variables of {name}", Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("given", ["in files", "in variables"])
def test_no_key_is_in_anything_that_a_session_says_writes_or_keeps(
    place: Place, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    texts = [(place.folder / name).read_text().strip() for name in KEYS]
    changes: dict[str, str | None] = {}
    if given == "in variables":
        executors, watchdogs = texts[0].removeprefix("0x"), "0x" + texts[1].removeprefix("0x").upper()
        changes = {
            "HL_PRIVATE_KEY": executors, "HL_WATCHDOG_KEY": watchdogs,
            "HL_PRIVATE_KEY_FILE": None, "HL_WATCHDOG_KEY_FILE": None,
        }  # fmt: skip
    for text in texts:
        hidden = base64.urlsafe_b64encode(bytes.fromhex(text.removeprefix("0x")))
        assert all(given_away(b"<" + form + b">", texts) for form in (text.upper().encode(), hidden))
    with live_session(place, monkeypatch, **changes) as session:
        found = dict(everything(session))
    assert {where for where, content in found.items() if given_away(content, texts)} == set()
    silent = {where for where, content in found.items() if not content and "/" not in where}
    assert not silent and len(found) > 80, silent


# ---- changes under it ----------------------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_another_start_is_refused_and_takes_nothing_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with live_session(place, monkeypatch) as session:
        before = read(place.confirmations)
        elsewhere = {"MM_RUN_DIR": str(place.folder / "run2"), "MM_REDIS_PORT": str(session.metrics_base + 31)}
        second = session.run(*LAUNCH, "--local", *ACCEPTED, **elsewhere)
        assert second.returncode == 4 and second.stdout == ""
        assert "another process trades under this confirmation already (MM_CONFIRMATION_DIR=" in second.stderr
        assert read(place.confirmations) == before and resting(place) > 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["executor", "guard", "quoter"])
def test_settings_changed_after_the_words_end_the_run_and_leave_no_order(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whoever decides and has to be started anew meets settings that nobody has confirmed."""
    file = place.folder / "settings.toml"
    file.write_text("[engine]\nstarting_balance_usd = 1000\n")
    with live_session(place, monkeypatch, MM_CONFIG=str(file)) as session:
        assert resting(place) > 0
        file.write_text("[engine]\nstarting_balance_usd = 100000\n")
        os.kill(session.pid(name), signal.SIGKILL)
        wait_until(lambda: supervisor_pid(place.folder / "run") is None, 60)
        assert resting(place) == 0
        state = read_supervisor(place.folder / "run")
    assert state is not None and state.exit_code == 4
    assert state.error.startswith(f"{name} refuses its settings: {name}: ") and "changed since" in state.error
