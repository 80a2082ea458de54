"""What only a person can answer: who is asked, what an answer is worth, how long."""

import os
import subprocess
import sys
from collections.abc import Mapping

import msgspec
import pytest

from market_maker.gates.statements import Asked, carried, items, questions
from market_maker.live.gates import VALID_MS, Evidence, Statement, Subject
from market_maker.options import Options, check
from shared.config import EngineConfig
from tests.fixtures.terminal import ROOT, at_a_terminal

NOW_MS = 1_790_000_000_000
ACCOUNT = "0xabc"
ASK = """
import sys
from market_maker.gates.statements import ask, questions
from market_maker.options import Options, check
from shared.errors import ConfigError
asked = questions(check(Options(venue="sim")).configs, "0xabc")
try:
    print([(said.name, said.given) for said in ask(asked, "0xabc", 1, on_stderr=False)])
except ConfigError as error:
    sys.exit(f"refused: {error}")
"""
WORDS = ("I UNDERSTAND THEM", "I CAN LOSE $50.00", "AGENT KEYS ONLY")


def configs(**variables: str) -> Mapping[str, EngineConfig]:
    os.environ |= variables
    return check(Options(venue="sim")).configs


@pytest.fixture
def asked() -> tuple[Asked, ...]:
    return questions(configs(), ACCOUNT)


def test_the_questions_name_the_dollars_of_the_settings() -> None:
    risk, loss, keys = questions(
        configs(MM_STARTING_BALANCE_USD="2500", MM_GLOBAL_HALT_DRAWDOWN_PCT="0.03"), ACCOUNT
    )
    assert "limit a coin" in risk.text and "$200.00" in risk.text and "daily loss, halts" in risk.text
    assert loss.words == "I CAN LOSE $75.00" and "3.0% of $2,500.00" in loss.text and "3%" in loss.about
    assert ACCOUNT in keys.text and "cannot withdraw" in keys.text


def test_a_person_answers_each_for_itself() -> None:
    with at_a_terminal(ASK) as person:
        for answer, words in zip((WORDS[0], "yes", WORDS[2]), WORDS, strict=True):
            person.reads(f"If that is so, type {words}: ")
            person.types(f"{answer}\n")
        code, shown = person.leaves()
    assert code == 0 and "[('risk parameters', True), ('loss', False), ('keys', True)]" in shown
    assert "limit a coin" in shown and "2 of 3. I am comfortable losing $50.00" in shown


def test_no_pipe_and_nothing_typed_before_answers() -> None:
    lines = "".join(f"{words}\n" for words in WORDS) * 10
    done = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, input=lines, capture_output=True, text=True)
    assert (
        done.returncode == 1 and "what only a person can say is confirmed by a person at a terminal" in done.stderr
    )
    with at_a_terminal(ASK, typed_before=lines) as person:
        for words in WORDS:
            person.reads(f"If that is so, type {words}: ")
            person.types("\n")
        code, shown = person.leaves()
    assert code == 0 and "True" not in shown


def said(asked: tuple[Asked, ...], **changes: object) -> Evidence:
    first = Statement(name=asked[1].name, text=asked[1].text, given=True, time_ms=NOW_MS, account=ACCOUNT)
    return Evidence(
        made_ms=NOW_MS,
        until_ms=NOW_MS + VALID_MS,
        configuration="c",
        code="d",
        venue="sim",
        account=ACCOUNT,
        gates={},
        statements=(msgspec.structs.replace(first, **changes),),
    )


SUBJECT = Subject(venue="sim", configuration="c", code="d", account=ACCOUNT)


def test_what_was_said_goes_on_for_a_week(asked: tuple[Asked, ...]) -> None:
    evidence = said(asked)
    assert carried(evidence, asked, SUBJECT, NOW_MS + VALID_MS - 1) == evidence.statements
    assert carried(evidence, asked, SUBJECT, NOW_MS + VALID_MS) == ()
    assert carried(evidence, asked, SUBJECT, NOW_MS - 1) == ()
    assert carried(None, asked, SUBJECT, NOW_MS) == ()


@pytest.mark.parametrize("field", Subject.__dataclass_fields__)
def test_nothing_is_carried_over_to_something_else(asked: tuple[Asked, ...], field: str) -> None:
    values = {name: getattr(SUBJECT, name) for name in Subject.__dataclass_fields__} | {field: "other"}
    assert carried(said(asked), asked, Subject(**values), NOW_MS) == ()


def test_other_dollars_are_another_question(asked: tuple[Asked, ...]) -> None:
    more = questions(configs(MM_STARTING_BALANCE_USD="1001"), ACCOUNT)
    assert carried(said(asked), more, SUBJECT, NOW_MS) == ()
    assert carried(said(asked, text="50 cents"), asked, SUBJECT, NOW_MS) == ()


@pytest.mark.parametrize(("given", "verdict"), [(True, "GO"), (False, "NO-GO")])
def test_a_no_is_a_no_and_silence_is_not_enough(asked: tuple[Asked, ...], given: bool, verdict: str) -> None:
    found = {item.name: item for item in items(asked, said(asked, given=given).statements)}
    assert found["loss"].verdict == verdict and "2026-09-21 14:13 UTC" in found["loss"].judgement.reason
    assert found["keys"].verdict == found["risk parameters"].verdict == "NOT ENOUGH DATA"
    assert found["keys"].judgement.needs == "market_maker gates --ask"
