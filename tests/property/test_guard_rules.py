"""Whatever fires together: the tightest of all follows, and no rule loosens another."""

from random import Random
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from services.guard.rules import FREE, LEVELS, MAX_SPREAD, Level, Reading, Rule, Verdict, combine
from shared.messages import Reason, SidePermit
from shared.units import Side

TIGHTNESS = {"quote": 0, "reduce": 1, "none": 2}
factors = st.floats(-1, 10, allow_nan=False)


@st.composite
def fired(draw: st.DrawFn) -> tuple[Rule, Level, Reading]:
    name = draw(st.sampled_from("abcdef"))
    level = draw(st.sampled_from(LEVELS))
    rule = Rule(name, name, "coin", level, draw(st.sampled_from(Reason)), "", "")
    side = draw(st.sampled_from((None, *get_args(Side))))
    own = draw(st.sampled_from((None, Reason.CASCADE)))
    return rule, level, Reading(1.0, 1.0, True, side, draw(factors), draw(factors), reason=own)


def tightness(verdict: Verdict) -> tuple[float, ...]:
    """Each of them grows with what is forbidden."""
    return TIGHTNESS[verdict.bid.allow], TIGHTNESS[verdict.ask.allow], verdict.spread, -verdict.size


def no_looser(one: Verdict, other: Verdict) -> bool:
    return all(a >= b - 1e-12 for a, b in zip(tightness(one), tightness(other), strict=True))


@given(st.lists(fired(), max_size=8), st.lists(fired(), max_size=4))
def test_more_that_fires_never_loosens(
    some: list[tuple[Rule, Level, Reading]], more: list[tuple[Rule, Level, Reading]]
) -> None:
    assert no_looser(combine([*some, *more]), combine(some))


@given(st.lists(fired(), max_size=8), st.integers(0, 99))
def test_the_order_decides_nothing_but_the_reason(some: list[tuple[Rule, Level, Reading]], seed: int) -> None:
    mixed = list(some)
    Random(seed).shuffle(mixed)
    there, here = combine(mixed), combine(some)
    assert no_looser(there, here) and no_looser(here, there)


@given(st.lists(fired(), max_size=8))
def test_each_rule_is_obeyed(some: list[tuple[Rule, Level, Reading]]) -> None:
    verdict = combine(some)
    for _, level, reading in some:
        for side, permit in (("bid", verdict.bid), ("ask", verdict.ask)):
            if reading.side in (None, side):
                assert level not in ("pull", "halt") or permit.allow == "none"
                assert level != "reduce" or permit.allow in ("reduce", "none")
        if level == "widen":
            assert verdict.spread >= min(reading.spread, MAX_SPREAD) - 1e-9
            assert verdict.size <= max(min(reading.size, 1.0), 0.0) + 1e-9


@given(st.lists(fired(), max_size=8))
def test_a_verdict_is_one_that_a_lease_can_carry(some: list[tuple[Rule, Level, Reading]]) -> None:
    verdict = combine(some)
    reasons = {reading.reason or rule.reason for rule, _, reading in some}
    for permit in (verdict.bid, verdict.ask):
        assert (permit.reason is None) == (permit == FREE) and permit.reason in {None, *reasons}
    assert 1.0 <= verdict.spread <= MAX_SPREAD and 0.0 <= verdict.size <= 1.0


def test_nothing_fired_is_free() -> None:
    assert combine([]) == Verdict(SidePermit(), SidePermit(), 1.0, 1.0)
