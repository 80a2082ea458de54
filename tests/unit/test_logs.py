"""`market_maker logs`: each line once, by time, whatever the source, also while files are rotated."""

import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker import logfiles
from market_maker.deployment import Record, write_record
from market_maker.log_sources import BusEvents, Containers, Files
from market_maker.logfiles import Tail
from market_maker.logs import SHOWN, Printer, Wanted, wanted
from shared.errors import ConfigError
from shared.log import render
from shared.messages import Event
from tests.conftest import wait_until
from tests.fixtures.terminal import at_a_terminal

ROOT = Path(__file__).resolve().parents[2]
T0 = 1_790_000_000_000


def event(service: str, ms: int, text: str = "x", tag: str = "T", coin: str = "", level: str = "info") -> Event:
    return Event(service=service, tag=tag, text=text, coin=coin, level=level, time_ms=T0 + ms)


def write(folder: Path, name: str, *lines: Event | str) -> None:
    with (folder / f"{name}.log").open("a") as log:
        log.writelines((render(line) if isinstance(line, Event) else line) + "\n" for line in lines)


def texts(events: object) -> list[str]:
    return [item.text for item in events]  # type: ignore[attr-defined]


# ---- files ----


def test_everybodys_lines_once_and_by_time(tmp_path: Path) -> None:
    write(tmp_path, "guard", event("guard", 1, "a"), event("guard", 4, "d"))
    write(tmp_path, "quoter", event("quoter", 2, "b"), "Traceback (most recent call last):")
    copies = (event("guard", 1, "a"), event("quoter", 2, "b"), event("guard", 4, "d"))
    write(tmp_path, "monitor", *copies, event("monitor", 3, "c"))
    assert texts(Files(tmp_path).history(0)) == ["a", "b", "Traceback (most recent call last):", "c", "d"]


def test_what_comes_after_also_of_a_service_that_is_started_later(tmp_path: Path) -> None:
    write(tmp_path, "guard", event("guard", 1, "a"))
    files = Files(tmp_path)
    assert texts(files.history(0)) == ["a"] and files.fresh() == []
    write(tmp_path, "quoter", event("quoter", 3, "c"))
    write(tmp_path, "guard", event("guard", 2, "b"))
    assert texts(files.fresh()) == ["b", "c"] and files.fresh() == []


def test_the_words_of_redis_have_its_time_and_level(tmp_path: Path) -> None:
    write(tmp_path, "redis", "7:M 21 Nov 2026 20:51:00.123 # Out of memory")
    (line,) = Files(tmp_path).history(0)
    assert (line.service, line.level, line.text, line.time_ms % 1000) == ("redis", "warning", "Out of memory", 123)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.booleans()), max_size=12), st.randoms())
def test_no_line_is_lost_or_doubled_by_rotation(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, bool]], rng: random.Random
) -> None:
    """Lines come in pieces, the file is rotated between any two looks, but not twice."""
    path = tmp_path_factory.mktemp("logs") / "x.log"
    path.touch()
    tail, written, seen, rotated = Tail(path), [], [], False
    for count, rotates, looks in steps:
        lines = [f"line {len(written) + n} {'x' * rng.randrange(40)}" for n in range(count)]
        written += lines
        with path.open("a") as log:
            log.write("".join(f"{line}\n" for line in lines))
        if rotates and not rotated:
            rotated = logfiles.rotate(path, max_bytes=30)
        if looks:
            seen, rotated = [*seen, *tail.read()], False
    assert [*seen, *tail.read()] == written


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("one\ntw")
    tail = Tail(path)
    assert list(tail.read()) == ["one"]
    with path.open("a") as log:
        log.write("o\n")
    assert list(tail.read()) == ["two"]


def test_the_past_reaches_into_rotated_parts(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    for number in range(4):
        path.write_text(f"{number}\n" * 3)
        logfiles.rotate(path, max_bytes=1)
    os.utime(tmp_path / "x.log.3", (T0 / 1000, T0 / 1000))
    os.utime(tmp_path / "x.log.4", (T0 / 1000, T0 / 1000))
    assert list(Tail(path).past(0)) == [f"{number}" for number in range(4) for _ in range(3)]
    assert list(Tail(path).past(T0 + 1)) == ["2"] * 3 + ["3"] * 3


def test_a_disk_that_forbids_copies_costs_lines_and_not_more_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "x.log"

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logfiles.shutil, "copyfileobj", full)
    log.write_text("x" * 150)
    with pytest.raises(OSError, match="No space"):
        logfiles.rotate(log, max_bytes=100)
    assert log.stat().st_size == 150 and [file.name for file in tmp_path.iterdir()] == ["x.log"]
    log.write_text("x" * 201)
    assert logfiles.rotate(log, max_bytes=100) and log.stat().st_size == 0


# ---- which lines ----


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "abcd"),
        ({"coins": "BTC"}, "ad"),
        ({"tag": "fill"}, "ab"),
        ({"level": "warning"}, "cd"),
        ({"services": "executor", "coins": "ETH"}, "b"),
        ({"since": "2026-09-21T14:13:20.003"}, "cd"),
        ({"tag": "GLOBAL STOP"}, "d"),
    ],
)
def test_the_wanted_ones(asked: dict[str, str], found: str) -> None:
    lines = [
        ("a", event("executor", 1, "", "SHADOW FILL", "BTC")),
        ("b", event("executor", 2, "", "LIVE FILL", "ETH")),
        ("c", event("quoter", 3, "", "NO QUOTE", "ETH", "warning")),
        ("d", event("guard", 4, "🛑 [GLOBAL STOP] x", "", "", "error")),
    ]
    given = {"coins": "", "services": "", "level": "debug", "tag": "", "since": ""} | asked
    assert "".join(name for name, line in lines if wanted(**given).takes(line)) == found


@pytest.mark.parametrize(
    "asked", [{"services": "quotre"}, {"level": "warn"}, {"since": "yesterday"}, {"since": "5"}]
)
def test_a_mistake_is_named_with_what_there_is(asked: dict[str, str]) -> None:
    given = {"coins": "", "services": "", "level": "debug", "tag": "", "since": ""} | asked
    with pytest.raises(ConfigError, match=f"--{next(iter(asked)).removesuffix('s')}.*(there are|say how)"):
        wanted(**given)


def test_a_period_is_counted_back_from_now() -> None:
    assert wanted("", "", "debug", "", "2h").since_ms == pytest.approx(
        (wanted("", "", "debug", "", "90s").since_ms or 0) - 7_110_000, abs=2_000
    )
    assert Wanted().since_ms is None


# ---- containers and bus ----

DOCKER = """#!/bin/sh
case "$*" in
  *--follow*) printf 'mm_guard  | 2026-09-21T14:13:20.005000000Z %s\\n' "$LATER"; sleep 60 ;;
  *) cat "$LINES" ;;
esac
"""


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Containers]:
    def given(*lines: str, later: str = "") -> Containers:
        (tmp_path / "docker").write_text(DOCKER)
        (tmp_path / "docker").chmod(0o755)
        (tmp_path / "lines").write_text("".join(f"{line}\n" for line in lines))
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setenv("LINES", str(tmp_path / "lines"))
        monkeypatch.setenv("LATER", later)
        return Containers(tmp_path)

    return given


def test_containers_tell_by_time_and_go_on(containers: Callable[..., Containers]) -> None:
    said = [render(event("guard", 3, "b")), render(event("executor", 1, "a"))]
    source = containers(
        f"mm_guard     | 2026-09-21T14:13:20.003000000Z {said[0]}",
        f"mm_executor  | 2026-09-21T14:13:20.001000000Z {said[1]}",
        f"mm_monitor   | 2026-09-21T14:13:20.004000000Z {said[0]}",
        "mm_redis     | 2026-09-21T14:13:20.002000000Z oops",
        later=render(event("guard", 5, "c")),
    )
    try:
        assert texts(source.history(0)) == ["a", "oops", "b"]
        arrived: list[Event] = []

        def came() -> bool:
            arrived.extend(source.fresh())
            return bool(arrived)

        wait_until(came)
        assert texts(arrived) == ["c"]
    finally:
        source.close()


def test_the_bus_tells_each_event_once(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    source = BusEvents.of(tmp_path)
    assert source is not None
    try:
        source._runner.run(source._bus.publish([event("guard", 1, "a")]))
        assert texts(source.history(0)) == ["a"] and source.fresh() == []
        source._runner.run(source._bus.publish([event("guard", 2, "b")]))
        assert texts(source.fresh()) == ["b"]
    finally:
        source.close()


def test_no_bus_is_no_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/none.sock")
    assert BusEvents.of(tmp_path) is None


# ---- the command ----


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "logs").mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MM_", "REDIS"))}
    return clean | {
        "MM_LOG_DIR": str(tmp_path / "logs"),
        "MM_RUN_DIR": str(tmp_path / "run"),
        "REDIS_URL": f"unix://{tmp_path}/none.sock",
    }


def logs(place: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "market_maker.cli", "logs", *arguments]
    return subprocess.Popen(
        command, env=place, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_nothing_runs_and_nothing_is_there(place: dict[str, str]) -> None:
    running = logs(place)
    _, complaint = running.communicate(timeout=30)
    assert running.returncode == 3 and "not running" in complaint and "Traceback" not in complaint


def test_a_coin_that_no_line_is_about_is_told_with_those_there_are(place: dict[str, str]) -> None:
    folder = Path(place["MM_LOG_DIR"])
    write(folder, "guard", event("guard", 1, "a", coin="BTC"), event("guard", 2, "b", coin="ETH"))
    running = logs(place, "--coin", "BTC,NOPE")
    shown, complaint = running.communicate(timeout=30)
    assert running.returncode == 2 and shown.endswith(" BTC [T] a\n")
    assert complaint == "no line is about NOPE; there are BTC, ETH\n"


def test_no_matching_line_is_said_and_a_quiet_coin_is_no_unknown_one(place: dict[str, str]) -> None:
    write(Path(place["MM_LOG_DIR"]), "guard", event("guard", 1, "a", coin="BTC"))
    running = logs(place, "--coin", "BTC", "--since", "1s")
    shown, complaint = running.communicate(timeout=30)
    assert (running.returncode, shown) == (0, "") and complaint.startswith("no line matches (")


def test_it_shows_the_last_lines_follows_and_ends_cleanly_with_ctrl_c(place: dict[str, str]) -> None:
    folder = Path(place["MM_LOG_DIR"])
    write(folder, "guard", *(event("guard", n, f"line {n}") for n in range(SHOWN + 50)))
    running = logs(place, "--follow", "--json")
    assert running.stdout is not None
    past = [running.stdout.readline() for _ in range(SHOWN)]
    assert '"text":"line 50"' in past[0] and f'"text":"line {SHOWN + 49}"' in past[-1]
    write(folder, "guard", event("guard", 999, "after"))
    assert '"text":"after"' in running.stdout.readline()
    running.send_signal(signal.SIGINT)
    rest, complaint = running.communicate(timeout=30)
    assert (running.returncode, rest, complaint) == (0, "", "")


def test_a_reader_who_leaves_ends_it_without_a_word(place: dict[str, str]) -> None:
    write(Path(place["MM_LOG_DIR"]), "guard", *(event("guard", n, "x" * 2000) for n in range(SHOWN)))
    running = logs(place)
    assert running.stdout is not None and running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    with running:
        assert running.stderr.read() == "" and running.wait(30) == 0


def test_machines_get_no_colours_and_a_closed_pipe_stops_printing() -> None:
    out = io.StringIO()
    Printer(out, as_json=False).print([event("guard", 1, level="error")])
    assert out.getvalue() == render(event("guard", 1, level="error")) + "\n"


def test_at_a_terminal_the_mode_comes_first_and_ctrl_c_is_no_error(place: dict[str, str]) -> None:
    folder = Path(place["MM_LOG_DIR"])
    write(folder, "guard", event("guard", 1, "a", level="error"))
    record = Record(
        deployment="local", venue="sim", venue_url="", run_id="r", started_ms=T0, redis_url="", redis_port=1,
        metrics_url="", log_dir=str(folder), secrets_dir="",
    )  # fmt: skip
    write_record(Path(place["MM_RUN_DIR"]), record)
    code = "import sys\nfrom market_maker.cli import main\nsys.exit(main())"
    with at_a_terminal(code, "logs", "--follow", env=place | {"TERM": "xterm"}) as person:
        person.reads("[T]", 60)
        person.types("\x03")
        ended, text = person.leaves()
    assert ended == 0 and "Traceback" not in text
    assert text.startswith("\x1b[1;36mSHADOW: simulated orders\x1b[0m · sim · started 2026-09-21 14:13 UTC")
    assert render(event("guard", 1, "a", level="error"), coloured=True) in text
