"""`first30` and `top` as a person uses them, on a real local stack in shadow. The tests run in the order of this
file; the last one stops what the others look at."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.command_line import MAIN, cli, own_place
from tests.fixtures.local_stack import Stack, running_stack
from tests.fixtures.terminal import at_a_terminal

CTRL_Q = "\x11"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    screen = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    place = own_place(tmp_path_factory.mktemp("mm")) | screen
    with running_stack(place, "--coins", "BTC,ETH,SOL", "--speed", "4") as running:
        yield running


def test_first30_refuses_shadow_unless_asked(stack: Stack) -> None:
    refused = cli(stack.place, "first30")
    assert refused.returncode == 4 and "first30 --shadow" in refused.stderr


def test_first30_watches_to_the_end_and_leaves_its_summary(stack: Stack) -> None:
    done = cli(stack.place, "first30", "--shadow", "--minutes", "0.04", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["mode"] == "shadow" and report["minutes"] >= 0.04 and report["red_flags"] == []
    verdicts = {item["name"]: item["verdict"] for item in report["items"]}
    assert verdicts["orders"] == verdicts["kill switch"] == "ok"
    file = Path(report["file"])
    assert file.parent == Path(stack.place["MM_LOG_DIR"])
    assert json.loads(file.with_suffix(".json").read_text())["items"] == report["items"]
    assert "| kill switch |" in file.read_text()


def test_top_shows_the_grid_and_halts_on_the_typed_word_alone(stack: Stack) -> None:
    with at_a_terminal(MAIN, "top", env=stack.place) as person:
        person.reads("TRADING")
        person.reads("ETH")
        person.types("h")
        person.reads("resume asks for it")
        person.types("tea time\r")
        person.reads("now type HALT")
        person.types("HALT\r")
        person.reads("no order rests")
        person.reads("HALTED by")
        person.types(CTRL_Q)
        code, _ = person.leaves()
    assert code == 0
    assert json.loads(cli(stack.place, "status", "--json").stdout)["halt_reason"] == "tea time"


def test_first30_calls_the_halt_a_red_flag(stack: Stack) -> None:
    done = cli(stack.place, "first30", "--shadow", "--minutes", "0.04", "--json")
    assert done.returncode == 2, done.stderr
    assert [flag["name"] for flag in json.loads(done.stdout)["red_flags"]] == ["kill switch"]
    assert "kill switch: RED" in done.stderr and "tea time" in done.stderr


def test_without_a_terminal_or_a_bot_both_say_so(stack: Stack) -> None:
    nowhere = cli(stack.place, "top")
    assert nowhere.returncode == 4 and "market_maker status" in nowhere.stderr
    with at_a_terminal(MAIN, "top", "--asset", "NOPE", env=stack.place) as person:
        assert person.leaves()[0] == 2
    assert cli(stack.place, "run", "--stop").returncode == 0
    assert cli(stack.place, "first30", "--shadow").returncode == 3
    with at_a_terminal(MAIN, "top", env=stack.place) as person:
        code, shown = person.leaves()
    assert code == 3 and "not running" in shown
