"""The question before live trading: who can answer it, and who cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.executor.live.permit import subject_here
from shared.clock import wall_ms
from shared.confirmation import VALID_MS, require
from shared.errors import ConfigError
from shared.secrets import Credentials, Secret
from tests.fixtures.terminal import ROOT, at_a_terminal

ASK = """
import sys
from market_maker.live.terminal import require_typed
from shared.errors import ConfigError
try:
    require_typed(sys.argv[1])
except ConfigError as error:
    sys.exit(f"refused: {error}")
print("confirmed")
"""
CONFIRM = """
import sys
from pathlib import Path
from market_maker.live.consent import confirm
from services.executor.live.permit import subject_here
from shared.errors import ConfigError
from shared.secrets import Credentials, Secret
subject = subject_here(Credentials("0xabc", Secret("11" * 32)), "sim", "http://127.0.0.1:3001", "run-1")
try:
    confirm(Path(sys.argv[1]), subject, ["gate3", "gate5"])
except ConfigError as error:
    sys.exit(f"refused: {error}")
"""
QUESTION = "To trade with real money type CONFIRM LIVE: "


def test_a_person_at_a_terminal_can() -> None:
    with at_a_terminal(ASK, "CONFIRM LIVE") as person:
        person.reads(QUESTION)
        person.types("CONFIRM LIVE\n")
        code, shown = person.leaves()
    assert (code, shown) == (0, f"{QUESTION}CONFIRM LIVE\nconfirmed\n")


@pytest.mark.parametrize("answer", ["confirm live\n", "CONFIRM\n", "y\n", "\n", "\x04", "CONFIRM LIVE please\n"])
def test_other_words_are_no_answer(answer: str) -> None:
    with at_a_terminal(ASK, "CONFIRM LIVE") as person:
        person.reads(QUESTION)
        person.types(answer)
        code, shown = person.leaves()
    assert code == 1 and "refused: those are not the words: nothing was started" in shown


def test_what_was_typed_before_the_question_is_no_answer() -> None:
    with at_a_terminal(ASK, "CONFIRM LIVE", typed_before="CONFIRM LIVE\n") as person:
        person.reads(QUESTION)
        person.types("\n")
        code, shown = person.leaves()
    assert code == 1 and "those are not the words" in shown


def test_a_pipe_into_it_is_no_answer() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"CONFIRM LIVE\n" * 100)
    with at_a_terminal(ASK, "CONFIRM LIVE", stdin=reading) as person:
        os.close(reading)
        code, shown = person.leaves()
    os.close(writing)
    assert code == 1 and "standard input is not one" in shown and QUESTION not in shown


def test_output_that_nobody_sees_is_no_question() -> None:
    with at_a_terminal(ASK, "CONFIRM LIVE", stdout=subprocess.DEVNULL) as person:
        code, shown = person.leaves()
    assert code == 1 and "standard output is not one" in shown and QUESTION not in shown


def test_a_terminal_that_is_not_its_own_is_no_answer() -> None:
    """A daemon that was given a pseudo-terminal for its streams."""
    with at_a_terminal(ASK, "CONFIRM LIVE", controlling=False) as person:
        code, shown = person.leaves()
    assert code == 1 and "this process has none" in shown and QUESTION not in shown


def test_no_flag_and_no_variable_answers() -> None:
    names = ("MM_CONFIRM", "MM_CONFIRM_LIVE", "CONFIRM_LIVE", "MM_YES", "CI", "DEBIAN_FRONTEND")
    environment = {**os.environ, **dict.fromkeys(names, "CONFIRM LIVE")}
    command = [sys.executable, "-c", ASK, "CONFIRM LIVE"]
    done = subprocess.run(command, env=environment, cwd=ROOT, input=b"CONFIRM LIVE\n", capture_output=True)
    assert done.returncode == 1 and b"confirmed\n" not in done.stdout
    for flag in ("--yes", "-y", "--confirm", "--confirm-live", "--force"):
        refused = subprocess.run(
            [sys.executable, "-m", "market_maker.cli", "launch", "--demo", flag], cwd=ROOT, capture_output=True
        )
        assert refused.returncode == 4 and b"No such option" in refused.stderr


# ---- what the answer leaves ----------------------------------------------------------------------------------


def test_typed_words_leave_a_confirmation_that_the_executor_takes(tmp_path: Path) -> None:
    begun_ms = wall_ms()
    with at_a_terminal(CONFIRM, str(tmp_path / "live")) as person:
        person.reads("type CONFIRM LIVE WITHOUT gate3, gate5: ")
        person.types("CONFIRM LIVE WITHOUT gate3, gate5\n")
        code, shown = person.leaves()
    assert code == 0, shown
    credentials = Credentials("0xabc", Secret("11" * 32))
    subject = subject_here(credentials, "sim", "http://127.0.0.1:3001", "run-1")
    permit = require(tmp_path / "live", subject, wall_ms())
    permit.lock.close()
    assert permit.confirmation.without == ("gate3", "gate5")
    assert begun_ms - 1 <= permit.confirmation.given_ms <= wall_ms()
    assert permit.confirmation.expires_ms - permit.confirmation.given_ms == VALID_MS
    with pytest.raises(ConfigError, match="another start"):
        require(tmp_path / "live", subject_here(credentials, "sim", "http://127.0.0.1:3001", "run-2"), wall_ms())


def test_missing_gates_have_to_be_named(tmp_path: Path) -> None:
    with at_a_terminal(CONFIRM, str(tmp_path / "live")) as person:
        person.reads("WITHOUT gate3, gate5: ")
        person.types("CONFIRM LIVE\n")
        code, _ = person.leaves()
    assert code == 1 and not (tmp_path / "live").exists()
