"""The guard's rules as metrics: what is told, what is remembered, what is no longer known."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.monitor.config import MonitorConfig
from services.monitor.core import Monitor, RuleProofs
from services.monitor.door import MonitorDoor
from services.monitor.risk import halt_code
from shared import messages as m
from shared.messages import SILENT_MS
from shared.rule_proofs import add_proofs
from tests.fixtures.one_look import OneLook
from tests.unit.test_monitor_core import line, monitor, status
from tests.unit.test_monitor_exposition import scrape

NOW_MS = 1_700_000_000_000
D = Decimal


def rule(name: str = "ofi", coin: str = "BTC", **changed: Any) -> m.RuleStatus:
    plain = m.RuleStatus(rule=name, coin=coin, value=-0.35, limit=0.7, unit="-1..1", level="pull", fired=False)
    return msgspec.structs.replace(plain, **changed)


def report(*rules: m.RuleStatus, time_ms: int = NOW_MS, loss: m.PossibleLoss | None = None) -> m.RiskReport:
    return m.RiskReport(time_ms=time_ms, rules=rules, loss=loss)


def told(*reports: m.RiskReport, core: Monitor | None = None) -> Monitor:
    core = core or monitor()
    for message in reports:
        list(core.step(message.time_ms, message))
    return core


def of_rules(core: Monitor, now_ms: float = NOW_MS) -> dict[tuple, float]:
    return {key: value for key, value in scrape(core, now_ms).items() if key[0].startswith("mm_rule")}


def test_a_rule_is_told_with_value_limit_closeness_and_what_it_does():
    told_rule = rule(fired=True, fired_total=2, fired_ms=NOW_MS - 500)
    assert of_rules(told(report(told_rule))) == {
        ("mm_rule_value", "-1..1", "BTC", "ofi"): -0.35,
        ("mm_rule_limit", "-1..1", "BTC", "ofi"): 0.7,
        ("mm_rule_closeness", "BTC", "ofi"): 0.5,
        ("mm_rule_fired", "BTC", "ofi", "pull"): 1.0,
        ("mm_rule_fired_total", "BTC", "ofi"): 2.0,
        ("mm_rule_last_fired_timestamp_seconds", "ofi"): NOW_MS / 1000 - 0.5,
    }


def test_what_is_not_known_has_no_value_and_what_is_off_never_fires():
    shown = of_rules(told(report(rule("stall", "", value=None), rule(level="off", fired=True))))
    assert ("mm_rule_fired", "all", "pull", "stall") in shown
    assert not {key for key in shown if key[0] in ("mm_rule_value", "mm_rule_closeness") and "stall" in key}
    assert shown["mm_rule_fired", "BTC", "off", "ofi"] == 0


def test_counts_of_a_coin_that_the_next_report_leaves_out_stay_and_the_present_does_not():
    core = told(
        report(rule(fired_total=3, fired_ms=9)), report(rule(coin="ETH", fired_total=1), time_ms=NOW_MS + 1)
    )
    shown = of_rules(core)
    assert shown["mm_rule_fired_total", "BTC", "ofi"] == 3 and shown["mm_rule_fired_total", "ETH", "ofi"] == 1
    assert shown["mm_rule_last_fired_timestamp_seconds", "ofi"] == 0.009
    assert {key[1] for key in shown if key[0] == "mm_rule_fired"} == {"ETH"}


def test_while_the_guard_is_silent_only_what_was_counted_is_shown():
    core = told(report(rule()))
    assert ("mm_rule_limit", "-1..1", "BTC", "ofi") in of_rules(core, NOW_MS + SILENT_MS)
    assert set(of_rules(core, NOW_MS + SILENT_MS + 1)) == {("mm_rule_fired_total", "BTC", "ofi")}


def test_a_report_that_comes_late_again_changes_nothing():
    core = told(report(rule(coin="ETH"), time_ms=NOW_MS + 1), report(rule()))
    assert ("mm_rule_limit", "-1..1", "ETH", "ofi") in of_rules(core)


def test_what_can_be_lost_in_dollars():
    loss = m.PossibleLoss(
        day_left_usd=D("41.5"), exposure_usd=D(200), resting_usd=D(90), gaps_usd={"0.01": D(2), "0.10": D(31)},
        liquidation_frac=None,
    )  # fmt: skip
    shown = scrape(told(report(loss=loss)), NOW_MS)
    assert (shown["mm_possible_loss_usd", "0.01"], shown["mm_possible_loss_usd", "0.10"]) == (2, 31)
    assert (shown["mm_day_budget_left_usd",], shown["mm_exposure_usd",], shown["mm_resting_usd",]) == (
        41.5,
        200,
        90,
    )
    assert ("mm_liquidation_distance",) not in shown
    near = scrape(told(report(loss=msgspec.structs.replace(loss, liquidation_frac=0.25))), NOW_MS)
    assert near["mm_liquidation_distance",] == 0.25


def test_names_that_people_knew_before_and_factors_of_the_lease():
    core = told(report(rule("cascade", value=0.6, limit=0.3), rule("toxicity", value=3.5, limit=2.0)))
    permit = m.SidePermit()
    lease = m.RiskLease(
        coin="BTC", issued_ms=NOW_MS, valid_until_ms=NOW_MS + 3000, bid=permit, ask=permit, spread_multiplier=2.5,
        size_multiplier=0.5,
    )  # fmt: skip
    list(core.step(NOW_MS, lease))
    shown = scrape(core, NOW_MS)
    assert (shown["mm_cascade_severity", "BTC"], shown["mm_jump_ratio", "BTC"]) == (0.6, 3.5)
    assert (shown["mm_tail_risk_multiplier", "BTC"], shown["mm_size_multiplier", "BTC"]) == (2.5, 0.5)
    assert ("mm_tail_risk_multiplier", "BTC") not in scrape(core, NOW_MS + 3001)


async def test_the_door_brings_what_drills_have_proven(tmp_path: Path):
    add_proofs(tmp_path, {"ofi": NOW_MS})
    inputs = await OneLook().through(MonitorDoor(MonitorConfig(data_dir=tmp_path, metrics_port=0)), 2)
    assert RuleProofs({"ofi": NOW_MS}) in inputs
    core = monitor()
    for message in inputs:
        list(core.step(NOW_MS, message))
    assert scrape(core)["mm_rule_proven_timestamp_seconds", "ofi"] == NOW_MS / 1000


# ---- why it is halted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "statuses", "code"),
    [
        ("guard", [rule("daily_loss", "", level="halt", fired_ms=NOW_MS)], "daily_loss"),
        ("guard", [rule("daily_loss", "", level="halt", fired_ms=NOW_MS - 5_000)], "guard"),
        (
            "guard",
            [rule("ofi", fired_ms=NOW_MS), rule("cascade_kill", level="halt", fired_ms=NOW_MS)],
            "cascade_kill",
        ),
        ("guard", [], "guard"),
        ("executor", [rule("daily_loss", "", level="halt", fired_ms=NOW_MS)], "invariant"),
        ("alice", [rule("daily_loss", "", level="halt", fired_ms=NOW_MS)], "operator"),
    ],
)
def test_a_halt_is_labelled_with_the_rule_behind_it_or_one_of_a_few_words(who, statuses, code):
    core = told(report(*statuses))
    halt = m.HaltState(halted=True, who=who, reason="any words", since_ms=NOW_MS)
    assert halt_code(halt, core.rules) == code
    assert halt_code(m.HaltState(halted=False), core.rules) == "none"


# ---- the final state at a halt ---------------------------------------------------------------------------------


def finals(core: Monitor, *messages: Any) -> list[str]:
    out = [event for message in messages for event in core.step(NOW_MS, message)]
    return [event.text for event in out if event.tag == "FINAL STATE"]


def quiet(time_ms: int, **changed: Any) -> m.AccountStatus:
    told_line = line(resting_bids=0, resting_asks=0, volume_usd=D(100))
    return msgspec.structs.replace(status(time_ms, told_line), **changed)


HALT = m.HaltState(halted=True, who="guard", reason="loss", since_ms=NOW_MS)
FREE = m.HaltState(halted=False)


def test_the_final_state_is_told_once_when_nothing_rests_any_more():
    core = monitor()
    core.coins["BTC"].markouts.mean_bps = 2.5
    still = status(NOW_MS + 1_000, line())
    assert finals(core, FREE, HALT, quiet(NOW_MS), still) == []
    done = quiet(NOW_MS + 2_000, pnl_usd=D(-51), day_pnl_usd=D("-50.5"), fees_usd=D("1.25"), fills=7)
    assert finals(core, done, done, HALT) == [
        "PnL $-51.00, today $-50.50, fees $1.25, 7 fills | positions kept: BTC 1 ($100.00)"
        " | adverse selection 2.5 bps after 5 s, worst BTC 2.5 | a 3% gap costs $3.00"
    ]


def test_what_will_not_go_is_told_after_ten_seconds():
    core = monitor()
    assert finals(core, FREE, HALT, status(NOW_MS + 10_000, line())) == []
    [text] = finals(core, status(NOW_MS + 10_001, line()))
    assert text.endswith("a 3% gap costs $3.00 | 2 ORDERS STILL REST")


def test_a_halt_of_before_and_one_that_is_over_have_no_final_state():
    assert finals(monitor(), HALT, quiet(NOW_MS + 1)) == []
    assert finals(monitor(), FREE, HALT, FREE, quiet(NOW_MS + 1)) == []
