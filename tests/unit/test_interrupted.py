"""Ctrl+C ends every command with 130 and a line; programs name themselves."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from market_maker import check_data, cli
from services.converter import convert
from services.converter.days import Converted, Day
from shared.data_files import TICKS

ROOT = Path(__file__).resolve().parents[2]


def interrupted(*_: object, **__: object) -> int:
    raise KeyboardInterrupt


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["market_maker", *arguments])
    return cli.main()


def test_any_command_says_that_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("market_maker.status.show", interrupted)
    assert run(monkeypatch, "status") == 130
    assert capsys.readouterr() == ("", "interrupted\n")
    monkeypatch.setattr(check_data, "_run", interrupted)
    assert run(monkeypatch, "check-data", "--data", str(tmp_path)) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


def test_an_interrupted_order_says_that_it_may_be_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MM_RUN_DIR", str(tmp_path))
    monkeypatch.setattr("market_maker.operator_bus.within", interrupted)
    for command in ("halt", "reduce-only", "cancel-all"):
        assert run(monkeypatch, command, "why") == 130
        out, err = capsys.readouterr()
        assert out == "" and "is carried out all the same" in err and "status" in err
    for command in ("resume", "flatten"):
        assert run(monkeypatch, command, "--json") == 130
        assert "nothing was sent" in json.loads(capsys.readouterr().out)["text"]


def test_a_reader_who_leaves_ends_a_command_without_a_word() -> None:
    command = [sys.executable, "-m", "market_maker.cli", "validate-config"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()  # before a word of it
    with running:
        assert running.stderr.read() == "" and running.wait(30) == 1


def test_an_interrupted_conversion_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        path = TICKS.csv_path(tmp_path, "BTC", date(2026, 1, number))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{TICKS.header}\n")
    done: list[Day] = []

    def one(day: Day, still_written: bool) -> Converted:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(day)
        return Converted(0, 0, 1, 1)

    monkeypatch.setattr(Day, "convert", one)
    assert run(monkeypatch, "convert", "--data", str(tmp_path), "--keep-csv", "--json") == 130
    assert capsys.readouterr() == ("", "interrupted: 2 of 3 files done; the next run does the rest\n")


def test_a_folder_that_cannot_be_written_names_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".convert.lock").mkdir()
    assert convert.main(["--data", str(tmp_path)]) == 1
    assert f"make {tmp_path} writable" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["analyze_ticks.py", "csv_to_parquet.py"])
def test_a_script_names_itself(script: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / script), "--help"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.lower().startswith(f"usage: {script} ")
