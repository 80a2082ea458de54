"""The whole venue, its market included, under everything that accounts, operators and faults can do to it.

`make soak` plays the same sessions for as long as one likes.
"""

import hashlib
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.fixtures.venue_audit import Auditor, played
from tests.fixtures.venue_session import MARKETS, OPERATIONS, Session, Step

numbers = st.lists(st.integers(0, 9_999), max_size=24).map(tuple)
STEPS, SHORT = 400, 120


class Sessions(RuleBasedStateMachine):
    """Whatever is done, the auditor is content after every block; and once more, it is the same to the byte."""

    market: str

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.session = Session(self.market)
        self.auditor = Auditor(self.session)

    def do(self, name: str, numbers: tuple[int, ...]) -> None:
        self.steps.append((name, numbers))
        self.session.do((name, numbers))

    @rule(name=st.sampled_from(sorted(OPERATIONS)), numbers=numbers)
    def anything(self, name: str, numbers: tuple[int, ...]) -> None:
        self.do(name, numbers)

    @rule(numbers=numbers)
    def place(self, numbers: tuple[int, ...]) -> None:
        self.do("place", numbers)

    @rule(many=st.integers(0, 11))
    def blocks(self, many: int) -> None:
        self.do("blocks", (many,))

    def teardown(self) -> None:
        self.session.drain()
        self.auditor.finish()
        again = Session(self.market)
        for step in self.steps:
            again.do(step)
        again.drain()
        assert again.record() == self.session.record()


class Modelled(Sessions):
    market = "modelled"


class Replayed(Sessions):
    market = "replayed"


sessions = settings(
    max_examples=12, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestModelled: Any = Modelled.TestCase
TestReplayed: Any = Replayed.TestCase
TestModelled.settings = TestReplayed.settings = sessions


@pytest.mark.parametrize("market", MARKETS)
def test_a_long_random_session_is_in_order(market: str) -> None:
    session = played(market, 1, STEPS)
    assert {"Filled", "Liquidated", "FundingPaid", "QueueMoved"} <= {type(fact).__name__ for fact in session.facts}


SCRIPT = """
import hashlib
from tests.fixtures.venue_audit import played
print(hashlib.sha256(played({market!r}, 2, {steps}).record()).hexdigest())
"""


@pytest.mark.parametrize("market", MARKETS)
def test_another_process_with_other_hashes_writes_the_same_log(market: str) -> None:
    expected = hashlib.sha256(played(market, 2, SHORT).record()).hexdigest()
    for hash_seed in ("1", "77"):
        found = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(market=market, steps=SHORT)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert found.stdout.strip() == expected
