"""`market_maker gates` as its user runs it: questions at a terminal, the checklist, the evidence it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from market_maker.data_folder import claim
from market_maker.live import gates
from market_maker.live.preflight import gate_subject
from market_maker.options import Options, check
from shared.clock import wall_ms
from tests.fixtures.command_line import MAIN
from tests.fixtures.gate_files import (
    MINUTE_MS,
    note_start,
    write_fills,
    write_minutes,
    write_ticks,
    write_trades,
)
from tests.fixtures.terminal import ROOT, at_a_terminal

OPTIONS = Options(venue="sim", coins="BTC")
FLAGS = ("gates", "--venue", "sim", "--coins", "BTC")
WORDS = ("I UNDERSTAND THEM", "I CAN LOSE $50.00", "AGENT KEYS ONLY")
ACCOUNT = "0x" + "ab" * 20


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    settings = {
        "MM_DATA_DIR": str(tmp_path / "data"), "MM_CONFIRMATION_DIR": str(tmp_path / "live"),
        "MM_RUN_DIR": str(tmp_path / "run"), "HL_ADDRESS": ACCOUNT, "COLUMNS": "100",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **settings}


@pytest.fixture
def data(environment: dict[str, str]) -> Path:
    """Five minutes of a shadow run under these settings that ended just now, and three under others."""
    subject = gate_subject(check(OPTIONS))
    folder = Path(environment["MM_DATA_DIR"])
    claim(folder, "sim")
    begin_ms = (int(wall_ms()) - 10 * MINUTE_MS) // MINUTE_MS * MINUTE_MS
    write_ticks(folder, "BTC", begin_ms, 500)
    write_trades(folder, "BTC", begin_ms, 500)
    fields = {"venue": "sim", "mode": "shadow", "code": subject.code}
    note_start(folder, "r1", begin_ms, configuration=subject.configuration, **fields)
    note_start(folder, "r2", begin_ms + 5 * MINUTE_MS, configuration="something else", **fields)
    write_minutes(folder, "BTC", "r1", begin_ms, [(0.5 * i, 2 * i) for i in range(1, 6)])
    write_minutes(folder, "BTC", "r2", begin_ms + 5 * MINUTE_MS, [(-100.0, 1), (-200.0, 2), (-300.0, 3)])
    write_fills(folder, "BTC", "r1", range(begin_ms + 1000, begin_ms + 5 * MINUTE_MS, 20_000))
    return folder


def kept(data: Path) -> tuple[gates.Evidence, str]:
    """The newest evidence and the text of its document."""
    evidence = gates.read_evidence(data, data.parent / "live")
    assert evidence is not None
    return evidence, (data / gates.DOCUMENTS / evidence.document).read_text()


def test_answers_are_kept_with_what_was_found_and_a_live_start_reads_it(
    data: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    with at_a_terminal(MAIN, *FLAGS, "--ask", "--report", str(tmp_path / "gates.html"), env=environment) as person:
        for words in WORDS:
            person.reads(f"type {words}: ")
            person.types(f"{words}\n")
        code, shown = person.leaves()
    assert (
        code == 2 and "0 of 5 gates are GO" in shown and "not counted: 3 min under another configuration" in shown
    )
    page = (tmp_path / "gates.html").read_text()
    assert "gate5: five days in shadow" in page

    evidence, text = kept(data)
    found: dict[str, Any] = json.loads(text)
    assert (found["venue"], found["account"], found["verdict"]) == ("sim", ACCOUNT, "NOT ENOUGH DATA")
    assert found["shadow"]["hours"] == pytest.approx(5 / 60)
    assert found["shadow"]["minutes_not_counted"] == {"under another configuration": 3}
    items = {item["name"]: item for item in found["gates"]["gate5"]["items"]}
    assert [items[name]["verdict"] for name in ("risk parameters", "loss", "keys")] == ["GO"] * 3
    assert "$2.50 net" in items["shadow PnL"]["reason"]
    assert items["edge per fill"]["measured"]["n"] == 15
    assert items["edge per fill"]["measured"]["value"] == pytest.approx(5.0 - 0.01 / 99.95 * 1e4)
    assert items["keys tested"]["reason"].startswith("not tested: no key for the executor")

    assert evidence.until_ms <= evidence.made_ms + gates.VALID_MS
    subject = gates.Subject("sim", evidence.configuration, evidence.code, ACCOUNT)
    check_ = gates.check(evidence, subject, wall_ms(), ())
    assert {finding.subject: finding.verdict for finding in check_.findings} == dict.fromkeys(gates.GATES, "FAIL")
    assert all("NOT ENOUGH DATA, " in finding.text for finding in check_.findings)


def test_where_nothing_was_recorded_every_gate_says_so_and_json_is_what_is_kept(
    environment: dict[str, str],
) -> None:
    folder = Path(environment["MM_DATA_DIR"])
    claim(folder, "sim")
    command = [sys.executable, "-c", MAIN, *FLAGS, "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert kept(folder)[1] == done.stdout
    found = json.loads(done.stdout)
    assert {gate["verdict"] for gate in found["gates"].values()} == {"NOT ENOUGH DATA"}
    assert "nothing was recorded there yet" in found["gates"]["gate1"]["reason"]


def test_nobody_at_a_terminal_is_asked_nothing_and_nothing_is_left(
    data: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *FLAGS, "--ask"], cwd=ROOT, env=environment, capture_output=True, text=True,
        input="".join(f"{words}\n" for words in WORDS),
    )  # fmt: skip
    assert done.returncode == 4 and "confirmed by a person at a terminal" in done.stderr
    assert not (data / gates.FILE).exists()


@pytest.mark.parametrize(
    ("flags", "coins"),
    [(("--coins", "BTC,ETH"), ["BTC"]), (("--coins", "ETH"), []), (("--dex", "xyz"), ["xyz:TSLA"])],
)
def test_markets_that_the_start_does_not_quote_prove_nothing(
    data: Path, environment: dict[str, str], flags: tuple[str, ...], coins: list[str]
) -> None:
    write_ticks(data, "xyz:TSLA", (int(wall_ms()) - MINUTE_MS) // MINUTE_MS * MINUTE_MS, 30)
    command = [sys.executable, "-c", MAIN, "gates", "--venue", "sim", *flags, "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    found = json.loads(done.stdout)
    assert found["data"]["coins"] == coins
    if not coins:
        assert "no ticks of ETH" in found["gates"]["gate1"]["reason"]
