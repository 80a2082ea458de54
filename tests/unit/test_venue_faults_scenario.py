"""Scenario files: what they give, and how each mistake is named with its line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue.faults.kinds import KINDS, Drop, Stall
from services.venue.faults.scenario import BadFault, BadStep, Step, fault_of, load, steps_of
from shared.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "scenarios"
ALICE = "0x" + "aB" * 20


def test_steps_come_in_the_order_of_their_times() -> None:
    steps = steps_of(
        {"at": [{"s": 7, "fault": "stall", "for_s": 2.5}, {"s": 0.5, "fault": "drop", "user": ALICE}]}
    )
    assert steps == (Step(0.5, Drop(user=ALICE.lower())), Step(7.0, Stall(for_s=2.5)))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_load(path: Path) -> None:
    assert load(path)


def test_the_examples_show_most_kinds() -> None:
    shown = {str(step.fault.__struct_config__.tag) for path in EXAMPLES.glob("*.toml") for step in load(path)}
    assert shown == KINDS.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[[at]]\ns = 1\nfault = 'dropp'",
            "line 3: step 1: unknown fault 'dropp' (did you mean drop?); there are",
        ),
        ("[[at]]\ns = 1", "line 1: step 1: no fault named; there are"),
        ("[[at]]\nfault = 'drop'", "line 1: step 1: s is missing"),
        ("[[at]]\nfault = 'drop'\ns = -1", "line 3: step 1: s is -1"),
        ("[[at]]\nfault = 'drop'\ns = nan", "line 3: step 1: s is nan"),
        ("[[at]]\nfault = 'drop'\ns = true", "line 3: step 1: s is True"),
        (
            "[[at]]\ns = 1\nfault = 'drop'\n\n[[ at ]]\ns = 2\nfault = 'stall'\nfor = 5",
            "line 8: step 2: stall has no field for (did you mean for_s?); it has for_s, count, share",
        ),
        ("[[at]]\ns = 1\nfault = 'halt'", "line 1: step 1: halt: Object missing required field `coin`"),
        ("[[at]]\ns = 1\nfault = 'reject'\nshare = 30", "line 4: step 1: reject share: Expected `float` <= 1.0"),
        ("[[at]]\ns = 1\nfault = 'drop'\nuser = 'me'", "line 4: step 1: drop user: Expected `str` matching regex"),
        ("[[at]]\ns = 1\nfault = 'stall'\nfor_s = inf", "line 4: step 1: stall for_s: Expected `float` <= 86400"),
        ("at = [{s = 1, fault = 'x'}]", ": step 1: unknown fault 'x'"),
        ("[at]\ns = 1", "a scenario is a list of steps [[at]] and nothing else"),
        ("[[at]]\ns = 1\nfault = 'drop'\n[[when]]", "a scenario is a list of steps [[at]] and nothing else"),
        ("[[at]\n", "not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).startswith(f"scenario {path}") and said in str(raised.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"px": "1", "bps": 1.0}, "px and bps exclude each other"),
        ({"sz": "0"}, "sz must be above 0"),
        ({"sz": "NaN"}, "sz must be above 0"),
        ({"px": "-1"}, "px must be above 0"),
    ],
)
def test_orders_that_make_no_sense(fields: dict[str, Any], said: str) -> None:
    order = {"fault": "external_order", "user": ALICE, "coin": "BTC", "side": "buy", "sz": "1"}
    with pytest.raises(BadFault, match=said):
        fault_of(order | fields)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["s", "for_s", "count", "share", "user", "coin", "ms", "px", "sz", "side", "cloid", "status"]
)


@given(st.dictionaries(FIELDS, ANYTHING), st.sampled_from([*KINDS, "x"]))
def test_any_step_is_taken_or_refused(fields: dict[str, Any], kind: str) -> None:
    try:
        (step,) = steps_of({"at": [fields | {"fault": kind}]})
    except BadStep as error:
        assert error.position == 1
    else:
        assert step.s == fields["s"]
