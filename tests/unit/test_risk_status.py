"""The risk section of `status`, from literal reports."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker import risk_status, status
from services.guard.rules import LEVELS
from shared.messages import PossibleLoss, RiskReport, RuleStatus
from tests.unit.test_launch_status import NOW_MS, beat, snapshot

D = Decimal
LOSS = PossibleLoss(
    day_left_usd=D("41.5"), exposure_usd=D(200), resting_usd=D("90.25"),
    gaps_usd={"0.01": D("2.1"), "0.03": D("8.4"), "0.10": D(31)}, liquidation_frac=0.4321,
)  # fmt: skip


def rule(name: str, value: float | None = 0.5, limit: float = 1.0, **changed: Any) -> RuleStatus:
    plain = RuleStatus(rule=name, value=value, limit=limit, unit="bps", level="pull", fired=False)
    return msgspec.structs.replace(plain, **changed)


def report(*rules: RuleStatus, loss: PossibleLoss | None = LOSS, time_ms: int = NOW_MS - 400) -> RiskReport:
    return RiskReport(time_ms=time_ms, rules=rules, loss=loss)


def told(*rules: RuleStatus, proofs_ms: dict[str, int] | None = None, **changed: Any) -> dict[str, Any]:
    facts = risk_status.facts(report(*rules, **changed), proofs_ms or {}, NOW_MS)
    assert facts is not None
    return facts


def test_what_stops_the_bot_stands_above_everything_the_tightest_first():
    risk = report(
        rule("toxicity", 3.2, 2.0, coin="SOL", fired=True, level="widen"),
        rule("calm", 0.1),
        rule("frozen_book", 9.0, 3.0, coin="BTC", fired=True, detail="mark moved 12 bps"),
        rule("daily_loss", 51.0, 50.0, unit="USD", fired=True, level="halt"),
    )
    lines = status.headline(status.describe(snapshot(beat("guard", NOW_MS), risk), None, {}))
    assert lines[1:4] == [
        "HALTED BY daily_loss: 51 against 50 USD",
        "QUOTES PULLED BY frozen_book on BTC: 9 against 3 bps, mark moved 12 bps",
        "WIDENED BY toxicity on SOL: 3.2 against 2 bps",
    ]


def test_without_a_daily_stop_none_is_named():
    line = risk_status.loss_lines(told(loss=msgspec.structs.replace(LOSS, day_left_usd=None)))[0]
    assert line.startswith("what can be lost: NO DAILY STOP; 1% gap $2.10, 3% gap $8.40")


def test_a_rule_that_fires_on_many_coins_is_one_line_with_the_worst():
    coins = [rule("ofi", 0.7 + n / 100, 0.7, coin=f"C{n}", fired=True) for n in range(1, 7)]
    assert risk_status.stops(told(*coins)) == [
        "QUOTES PULLED BY ofi on C6, C5, C4, C3 and 2 more: 0.76 against 0.7 bps"
    ]


def test_a_rule_that_is_switched_off_stops_nothing():
    facts = told(rule("ofi", 2.0, fired=True, level="off"))
    assert risk_status.stops(facts) == [] and risk_status.rows(facts)[0][3] == "off"


def test_a_guard_that_fell_silent_is_said_instead_of_what_it_last_saw():
    facts = told(rule("ofi", 2.0, fired=True), time_ms=NOW_MS - 90_000)
    assert risk_status.stops(facts) == ["NO WORD OF THE GUARD for 2 min: its leases have ended, nothing is quoted"]


def test_one_line_says_what_can_be_lost():
    assert risk_status.loss_lines(told()) == [
        "what can be lost: $41.50 until the daily stop; 1% gap $2.10, 3% gap $8.40, 10% gap $31.00;"
        " liquidated 43% away (held $200.00, resting $90.25)"
    ]
    flat = msgspec.structs.replace(LOSS, liquidation_frac=None)
    assert "; nothing held (" in risk_status.loss_lines(told(loss=flat))[0]
    assert "not known" in risk_status.loss_lines(told(loss=None))[0]


def test_each_rule_with_all_that_is_known_of_it():
    known = rule("ofi", 0.35, 0.7, coin="BTC", fired_total=3, fired_ms=NOW_MS - 7_200_000)
    facts = told(known, rule("hawkes", None), proofs_ms={"ofi": NOW_MS - 3 * 86_400_000})
    assert risk_status.rows(facts) == [
        ("ofi", "BTC", "pull", "well", "0.35", "0.7", "bps", "50%", "3", "2 h ago", "3 d ago"),
        ("hawkes", "all", "pull", "not known", "-", "1", "bps", "-", "0", "-", "never"),
    ]
    assert json.loads(json.dumps(facts))["rules"][0]["proven_ago_s"] == 259_200.0


RULES = st.builds(
    RuleStatus,
    rule=st.sampled_from("abcdef"),
    value=st.none() | st.floats(-5, 5),
    limit=st.floats(0, 2),
    unit=st.just("bps"),
    level=st.sampled_from(LEVELS),
    fired=st.booleans(),
)


@given(st.lists(RULES, max_size=12))
def test_what_fires_comes_first_then_what_is_closest_then_what_is_off(rules: list[RuleStatus]):
    def place(shown: dict[str, Any]) -> int:
        return 2 if shown["level"] == "off" else 0 if shown["fired"] else 1

    shown = told(*rules)["rules"]
    assert len(shown) == len(rules) and [place(one) for one in shown] == sorted(place(one) for one in shown)
    waiting = [one["closeness_frac"] for one in shown if place(one) == 1]
    known = [close for close in waiting if close is not None]
    assert known == sorted(known, reverse=True) and waiting[len(known) :] == [None] * (len(waiting) - len(known))
    levels = [LEVELS.index(one["level"]) for one in shown if place(one) == 0]
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize(("width", "proven_shown"), [(80, False), (140, True)])
def test_the_table_of_rules_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, proven_shown: bool
):
    monkeypatch.setenv("COLUMNS", str(width))
    risk = report(rule("adverse_selection", 1.5, coin="FARTCOIN", fired=True, fired_total=120, fired_ms=NOW_MS))
    status._print_rich(status.describe(snapshot(beat("guard", NOW_MS), risk), None, {}))
    text = capsys.readouterr().out
    assert ("proven" in text) == proven_shown
    assert "adverse_selection" in text and "FIRED" in text and "150%" in text and "…" not in text


def test_without_a_report_there_is_no_section():
    facts = status.describe(snapshot(beat("guard", NOW_MS)), None, {})
    assert facts["risk"] is None and "lost" not in "\n".join(status.headline(facts))
