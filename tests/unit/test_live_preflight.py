"""What is judged before live trading, and what it could lose: pure parts."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from market_maker.findings import Finding
from market_maker.findings import line as doctor_line
from market_maker.live import gates
from market_maker.live.account import AccountFacts, Needs, budget, judge
from market_maker.live.gates import GATES, Evidence, GateResult
from market_maker.live.losses import losses, render
from market_maker.live.preflight import least_quoting
from services.executor.config import ExecutorConfig
from services.guard.config import GuardConfig
from shared.errors import ConfigError
from shared.hyperliquid import account as shapes
from shared.hyperliquid.cloids import own_prefix
from shared.messages import ZERO, AssetConfig

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
ADDRESS, AGENT, WATCHDOG = ("0x" + pair * 20 for pair in ("ab", "cd", "dd"))


class Keys:
    """The account and its agent."""

    address = ADDRESS
    agent = AGENT


NEEDS = Needs(
    balance_usd=Decimal(1000),
    daily_stop_usd=Decimal(50),
    margin_usd=Decimal(300),
    fee_tier=0,
    until_ms=NOW_MS + DAY_MS / 2,
    executor=ExecutorConfig(),
    quoting=least_quoting([AssetConfig(coin="BTC")]),
)
SUMMARY = shapes.MarginSummary(Decimal(1000), Decimal(0), Decimal(1000), Decimal(0))
OURS = shapes.UserRole("agent", shapes.RoleData(user=ADDRESS.upper().replace("X", "x")))
GUARDING = shapes.ExtraAgent("watchdog", WATCHDOG, NOW_MS + DAY_MS)
GOOD = AccountFacts(
    clock_ahead_ms=20,
    clock_error_ms=30,
    account_role=shapes.UserRole("user"),
    key_role=OURS,
    watchdog_role=OURS,
    agents=(shapes.ExtraAgent("desk", AGENT, NOW_MS + DAY_MS), GUARDING),
    mode="disabled",
    state=shapes.ClearinghouseState(SUMMARY, SUMMARY, Decimal(0), Decimal(1000), (), NOW_MS),
    orders=(),
    budget=shapes.RateLimit(Decimal(0), 0, 10_000),
    fees=shapes.UserFees(Decimal("0.00045"), Decimal("0.00015")),
)


def worst(findings: Iterable[Finding]) -> dict[str, tuple[str, str]]:
    """Everything that is not ok, by subject."""
    return {finding.subject: (finding.verdict, finding.text) for finding in findings if finding.verdict != "ok"}


def judged(**changes: object) -> dict[str, tuple[str, str]]:
    facts = AccountFacts(**{**GOOD.__dict__, **changes})  # type: ignore[arg-type]
    return worst(judge(facts, Keys(), WATCHDOG, NEEDS))


def test_a_good_account_has_nothing_to_say() -> None:
    assert judged() == {}


def role(name: str, user: str | None = None) -> shapes.UserRole:
    return shapes.UserRole(name, shapes.RoleData(user=user))  # type: ignore[arg-type]


def worth(usd: str) -> shapes.ClearinghouseState:
    summary = shapes.MarginSummary(Decimal(usd), Decimal(0), Decimal(usd), Decimal(0))
    return shapes.ClearinghouseState(summary, summary, Decimal(0), Decimal(usd), (), NOW_MS)


def order(cloid: str | None, oid: int = 7) -> shapes.OpenOrder:
    return shapes.OpenOrder("ETH", "B", Decimal("1999.5"), Decimal("0.1"), oid, NOW_MS, Decimal("0.1"), cloid)


@pytest.mark.parametrize(
    ("changes", "subject", "verdict", "words"),
    [
        ({"clock_ahead_ms": 1501}, "clock", "FAIL", "+1.50 s from ours (±0.03 s); synchronise"),
        ({"clock_ahead_ms": -1501}, "clock", "FAIL", "-1.50 s"),
        ({"account_role": role("missing")}, "account", "FAIL", "nothing was ever deposited"),
        ({"account_role": role("agent", "0xmaster")}, "account", "FAIL", "the account is 0xmaster"),
        ({"account_role": role("subAccount")}, "account", "FAIL", "is a subAccount"),
        ({"account_role": role("vault")}, "account", "FAIL", "is a vault"),
        ({"key_role": role("user")}, "key", "FAIL", "could withdraw"),
        ({"key_role": role("subAccount")}, "key", "FAIL", "could withdraw"),
        ({"key_role": role("missing")}, "key", "FAIL", f"{AGENT} is no agent, or no more"),
        ({"key_role": role("agent", "0xother")}, "key", "FAIL", "an agent of 0xother, not of HL_ADDRESS"),
        ({"key_role": role("agent")}, "key", "FAIL", "an agent of None"),
        ({"agents": (GUARDING,)}, "key", "FAIL", "does not list it, so when it expires is not known"),
        ({"agents": GOOD.agents[:1]}, "watchdog", "FAIL", "does not list it"),
        ({"watchdog_role": role("user")}, "watchdog", "FAIL", "could withdraw"),
        ({"watchdog_role": role("missing")}, "watchdog", "FAIL", f"{WATCHDOG} is no agent, or no more"),
        (
            {"watchdog_role": role("agent", "0xother")},
            "watchdog",
            "FAIL",
            "an agent of 0xother, not of HL_ADDRESS",
        ),
        (
            {"agents": (shapes.ExtraAgent("desk", AGENT, int(NEEDS.until_ms) - 1), GUARDING)},
            "key",
            "FAIL",
            "too soon: without it nothing can be cancelled",
        ),
        (
            {"agents": (GOOD.agents[0], shapes.ExtraAgent("watchdog", WATCHDOG, int(NEEDS.until_ms) - 1))},
            "watchdog",
            "FAIL",
            "too soon: without it nothing can be cancelled",
        ),
        ({"mode": "unifiedAccount"}, "mode", "FAIL", "its margin cannot be read"),
        ({"mode": "portfolioMargin"}, "mode", "FAIL", "its margin cannot be read"),
        ({"mode": "somethingNew"}, "mode", "FAIL", "its margin cannot be read"),
        ({"state": worth("50")}, "margin", "FAIL", "the daily stop alone is $50.00"),
        ({"state": worth("299")}, "margin", "FAIL", "need $300.00 at their highest leverage"),
        ({"state": worth("300")}, "balance", "warning", "set MM_STARTING_BALANCE_USD"),
        ({"state": worth("1101")}, "balance", "warning", "refers to $1,000"),
        ({"orders": (order(None),)}, "orders", "FAIL", "1 are not ours, cancel them first: ETH buy 0.1 @ 1999.5"),
        ({"orders": (order("0x" + "11" * 16),)}, "orders", "FAIL", "(oid 7)"),
        ({"orders": tuple(order(None, oid) for oid in range(8))}, "orders", "FAIL", "(oid 4) and 3 more"),
        ({"orders": (order(own_prefix(ADDRESS) + "0" * 24),)}, "orders", "warning", "the start cancels them"),
        (
            {"budget": shapes.RateLimit(Decimal(0), 9_001, 10_000)},
            "budget",
            "FAIL",
            "998 requests are left, and 1,000",
        ),
        ({"budget": shapes.RateLimit(Decimal(0), 8_342, 10_000)}, "budget", "FAIL", "1 coins x 6 orders x 4 repl"),
        ({"budget": shapes.RateLimit(Decimal(0), 7_501, 10_000)}, "budget", "warning", "begin 2.0 times as wide"),
        ({"fees": shapes.UserFees(Decimal("0.0009"), Decimal("0.0003"))}, "fees", "FAIL", "made for 1.50 bps"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], subject: str, verdict: str, words: str) -> None:
    found = judged(**changes)
    assert set(found) == {subject} | ({"balance"} if subject == "margin" else set())
    assert found[subject][0] == verdict and words in found[subject][1]


def test_limits_themselves_are_still_good() -> None:
    assert judged(clock_ahead_ms=1500, budget=shapes.RateLimit(Decimal(0), 7_498, 10_000)) == {}
    assert judged(state=worth("1100")) == {} == judged(state=worth("900"))
    assert judged(budget=shapes.RateLimit(Decimal(0), 8_341, 10_000))["budget"][0] == "warning"


def test_the_account_s_own_key_is_refused_whatever_the_venue_says() -> None:
    class Master(Keys):
        agent = ADDRESS

    found = worst(judge(GOOD, Master(), WATCHDOG, NEEDS))
    assert found["key"][0] == "FAIL" and "could withdraw" in found["key"][1]


def test_the_watchdog_with_the_executor_s_key_is_refused() -> None:
    found = worst(judge(GOOD, Keys(), AGENT, NEEDS))
    assert set(found) == {"watchdog"} and "approve an agent of its own" in found["watchdog"][1]


def test_a_watchdog_without_a_key_is_somebody_else_s_finding() -> None:
    assert worst(judge(replace(GOOD, watchdog_role=None), Keys(), None, NEEDS)) == {}


# ---- requests ------------------------------------------------------------------------------------------------


def test_a_fresh_address_affords_eight_coins_and_thirty_are_refused_with_what_helps() -> None:
    """Of 10,000 requests 9,999 get through and 500 are kept; a coin needs 6 to begin, and 6 x 4 x 2 an hour."""

    def asked(coins: int, **settings: float) -> Finding:
        quoting = least_quoting([AssetConfig(coin=str(number)) for number in range(coins)])
        config = ExecutorConfig(**settings)  # type: ignore[arg-type]
        return budget(GOOD.budget, replace(NEEDS, executor=config, quoting=quoting))

    assert [asked(coins).verdict for coins in (1, 8, 9, 30)] == ["ok", "ok", "FAIL", "FAIL"]
    refused = asked(30).text
    assert refused.startswith("With each order moved every 15 minutes: The request budget would last 6 h.")
    for part in (
        "30 coins x 6 orders x 4 replacements/h x 2 requests = 1,440 requests/h",
        "do     fewer coins: 8 instead of 30",
        "or     budget_horizon_h = 6 instead of 24",
        "or     buy requests: 25,241 ",
    ):
        assert part in refused
    assert "max_bps_diff" not in refused, "the least wanted does not depend on it"
    assert asked(30, budget_horizon_h=6).verdict == "ok"
    shown = doctor_line(asked(30)).splitlines()
    assert all(text.startswith(" " * 20) for text in shown[1:]) and shown[0].startswith("FAIL     budget ")


def test_only_enabled_coins_need_requests_and_the_longest_ladder_counts() -> None:
    found = least_quoting([AssetConfig(coin="A"), AssetConfig(coin="B", tier_multipliers=(1.0, 2.0, 3.0, 4.0))])
    assert (found.coins, found.orders_per_coin, found.orders) == (2, 8, 16)
    assert least_quoting([]).requests_per_hour == 0


# ---- what can be lost ----------------------------------------------------------------------------------------


def test_losses_in_dollars_by_hand() -> None:
    assets = [
        AssetConfig(coin="BTC", max_inv_usd=500.0),
        AssetConfig(coin="ETH", min_order_usd=20.0, tier_sizes=(1.0,), max_inv_usd=100.5),
        AssetConfig(coin="DOGE", enabled=False, max_inv_usd=9_999.0),
    ]
    config = GuardConfig(starting_balance_usd=Decimal(2000), global_halt_drawdown_pct=0.03)
    lost = losses(config, assets, Decimal("0.00015"), Decimal(1201))
    assert lost.daily_stop_usd == 60 and lost.coins == 2
    assert lost.most_held_usd == Decimal("600.5") and lost.gap_usd(Decimal("0.10")) == Decimal("60.05")
    assert lost.order_usd == (12 + 24 + 36 + 20) / 4 == 23
    assert lost.fees_per_hour_usd == Decimal("0.069")  # 2 coins, 10 fills of $23 at 1.5 bps
    shown = "\n".join(render(lost))
    for part in ("$60.00  daily stop: 3.0% of $2,000", "$6.00  a gap of 1%", "$18.02  a gap of 3%"):
        assert part in shown
    assert "$60.05  a gap of 10% against all inventory limits, 5% of the account" in shown
    assert "$0.07  fees an hour at 10 fills a coin of $23.00 on average, maker rate 1.50 bps" in shown


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"starting_balance_usd": Decimal(20_000)}, "$500.00  daily stop: 2.5% of $20,000; it"),
        ({"max_daily_loss_usd": Decimal(20)}, "$20.00  daily stop: 2.0% of $1,000; it"),
        ({"rule_levels": {"daily_loss": "off"}}, "$500.00  daily stop: 50.0% of $1,000; it"),
        ({"rule_levels": {"daily_loss": "pull", "daily_loss_usd": "off"}}, "NO  daily stop: rule_levels takes"),
    ],
)
def test_the_stop_that_is_told_is_the_one_that_halts(settings: dict[str, Any], shown: str) -> None:
    assert shown in "\n".join(render(losses(GuardConfig(**settings), [], ZERO, None)))


def test_nothing_quoted_loses_nothing_but_the_stop() -> None:
    lost = losses(GuardConfig(), [], Decimal("0.00015"), None)
    assert (lost.most_held_usd, lost.fees_per_hour_usd) == (0, 0)
    assert "of the account" not in "\n".join(render(lost))


# ---- gates ---------------------------------------------------------------------------------------------------

ALL_GREEN = Evidence(
    made_ms=NOW_MS - DAY_MS,
    until_ms=NOW_MS + 6 * DAY_MS,
    configuration="c",
    code="d",
    venue="hyperliquid",
    account=ADDRESS,
    gates={gate: GateResult("GO", "n=1000") for gate in GATES},
)
SUBJECT = gates.Subject(venue="hyperliquid", configuration="c", code="d", account=ADDRESS)


def check(evidence: Evidence | None, *accepted: str, now_ms: int = NOW_MS) -> gates.GateCheck:
    return gates.check(evidence, SUBJECT, now_ms, accepted)


def test_green_gates_need_nothing_and_accepting_them_changes_nothing() -> None:
    assert worst(check(ALL_GREEN).findings) == {} and check(ALL_GREEN, "gate2").without == ()


def test_no_evidence_is_five_refusals_each_accepted_by_itself() -> None:
    assert {verdict for verdict, _ in worst(check(None).findings).values()} == {"FAIL"}
    some = check(None, "gate5", "gate3")
    assert some.without == ("gate3", "gate5")
    verdicts = {gate: verdict for gate, (verdict, _) in worst(some.findings).items()}
    assert verdicts == {"gate1": "FAIL", "gate2": "FAIL", "gate3": "warning", "gate4": "FAIL", "gate5": "warning"}
    every = check(None, *GATES)
    assert every.without == tuple(GATES) and all(finding.verdict == "warning" for finding in every.findings)


@pytest.mark.parametrize(
    ("changes", "now_ms", "words"),
    [
        ({"configuration": "x"}, NOW_MS, "for another configuration"),
        ({"code": "x"}, NOW_MS, "for other code"),
        ({"venue": "sim"}, NOW_MS, "of venue sim, not of hyperliquid"),
        ({"venue": "replay"}, NOW_MS, "of venue replay, not of hyperliquid"),
        ({}, NOW_MS - DAY_MS - 1, "the clock has gone back"),
        ({}, NOW_MS + 6 * DAY_MS, "was valid until 2026-09-27 14:13 UTC"),
        ({"until_ms": NOW_MS}, NOW_MS, "was valid until 2026-09-21 14:13 UTC"),
        ({"until_ms": NOW_MS + 90 * DAY_MS}, NOW_MS + 6 * DAY_MS, "the evidence of 2026-09-20 was valid until"),
        ({"gates": {}}, NOW_MS, "not in the evidence"),
    ],
)
def test_evidence_for_something_else_is_none(changes: dict[str, object], now_ms: int, words: str) -> None:
    found = worst(check(msgspec.structs.replace(ALL_GREEN, **changes), now_ms=now_ms).findings)
    assert set(found) == set(GATES)
    assert all(verdict == "FAIL" and words in text for verdict, text in found.values())


def test_evidence_holds_to_its_last_millisecond() -> None:
    assert worst(check(ALL_GREEN, now_ms=NOW_MS + 6 * DAY_MS - 1).findings) == {}


@pytest.mark.parametrize("account", ["", "0x" + "ef" * 20])
def test_what_was_tested_and_said_for_another_account_is_nothing_for_this_one(account: str) -> None:
    found = worst(check(msgspec.structs.replace(ALL_GREEN, account=account)).findings)
    assert set(found) == {"gate5"} and f"not for {ADDRESS}" in found["gate5"][1]


@pytest.mark.parametrize("verdict", ["NO-GO", "NOT ENOUGH DATA"])
def test_any_other_verdict_than_go_refuses_and_gives_its_reason(verdict: str) -> None:
    results = {**ALL_GREEN.gates, "gate4": GateResult(verdict, "no Saturday yet")}  # type: ignore[arg-type]
    found = worst(check(msgspec.structs.replace(ALL_GREEN, gates=results)).findings)
    assert set(found) == {"gate4"} and f"{verdict}, no Saturday yet" in found["gate4"][1]


def test_a_gate_that_does_not_exist_cannot_be_accepted() -> None:
    gates.check_names(["gate1", "gate5"])
    with pytest.raises(ConfigError, match="--accept-missing all: unknown; there are gate1, gate2"):
        gates.check_names(["gate1", "all"])
