"""A person who follows a runbook types what it says: every command in them runs as it stands, on a running demo.

What changes something is parsed whole and not carried out: as a dry run where there is one, else up to its help.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from click.testing import CliRunner

from market_maker.cli import app
from shared.errors import MarketMakerError
from tests.conftest import server_binaries, wait_until
from tests.fixtures.command_line import cli, own_place

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "docs" / "alerts.md", *sorted((ROOT / "docs" / "runbooks").glob("*.md")))
CHANGES = {"halt", "resume", "reduce-only", "cancel-all", "flatten", "run", "notify-config"}
LONG = {("gates", "--ask"), ("drill", "--rules"), ("convert", "--all")}
"""They ask at a terminal or take long; their own tests run them."""
DRY = {"halt", "flatten"}
SAYS_NO = {"gates": {2}, "screen": {2, 3}, "notify-test": {2}}
"""Exit codes that are answers: evidence is missing, no history, nobody configured."""


def commands() -> list[str]:
    blocks = [
        block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    ]
    return sorted({line for block in blocks for line in block.splitlines() if line.strip()})


def words(command: str) -> list[str]:
    """The words after `market_maker`; of the starter those of `run`; empty for other programs."""
    first, *rest = shlex.split(command)
    return {"market_maker": rest, "./start_mm_bot.sh": ["run", *rest]}.get(first, [])


def changes(command: str) -> bool:
    told = words(command)
    return bool(told) and (tuple(told[:2]) in LONG or (told[0] in CHANGES and "--dry-run" not in told))


LOOKS = [command for command in commands() if not changes(command)]
ACTS = [command for command in commands() if changes(command)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A demo of three coins that quotes, and the environment of whoever looks at it."""
    if not server_binaries():
        pytest.skip("no Redis-compatible server on this machine")
    made = own_place(tmp_path_factory.mktemp("runbooks")) | {"MM_TOP_N": "3"}
    started = cli(made, "run", "--demo", "--local")
    assert started.returncode == 0, started.stderr
    try:
        wait_until(lambda: "BTC" in cli(made, "status").stdout, 30)
        yield made
    finally:
        cli(made, "run", "--stop")


def said(place: dict[str, str], told: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and everything shown; in this process, as starting one for each command takes longer than all."""
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(typer.main.get_command(app), told, standalone_mode=False)
    if isinstance(done.exception, MarketMakerError):
        return 1, str(done.exception)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value or 0), done.output


@pytest.mark.parametrize("command", [command for command in LOOKS if words(command)])
def test_what_looks_is_run_as_it_stands(
    place: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = words(command)
    code, shown = said(place, told, monkeypatch)
    assert code in {0} | SAYS_NO.get(told[0], set()), shown
    assert shown.strip(), "a person would see nothing"


@pytest.mark.parametrize("command", [command for command in LOOKS if not words(command)])
def test_other_programs_are_those_of_every_machine(command: str) -> None:
    assert subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, timeout=30).stdout


@pytest.mark.parametrize("command", [command for command in ACTS if words(command)[0] in DRY])
def test_what_stops_or_closes_is_previewed_on_the_running_bot(
    place: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown = said(place, [*words(command), "--dry-run"], monkeypatch)
    assert code == 0 and shown.strip(), shown


@pytest.mark.parametrize("command", ACTS)
def test_what_acts_is_a_command_with_such_words(command: str) -> None:
    done = CliRunner().invoke(typer.main.get_command(app), [*words(command), "--help"])
    assert done.exit_code == 0 and "usage" in done.output.lower(), done.output


def test_a_misspelt_option_would_be_noticed() -> None:
    assert CliRunner().invoke(typer.main.get_command(app), ["flatten", "--nw", "--help"]).exit_code != 0
