"""What is judged before live trading, and what it could lose: pure parts."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from market_maker.doctor import Finding
from market_maker.live import gates
from market_maker.live.account import AccountFacts, Needs, judge
from market_maker.live.gates import GATES, Evidence, GateResult
from market_maker.live.losses import losses, render
from shared.config import EngineConfig
from shared.errors import ConfigError
from shared.hyperliquid import account as shapes
from shared.hyperliquid.cloids import own_prefix
from shared.messages import AssetConfig

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
ADDRESS, AGENT = "0x" + "ab" * 20, "0x" + "cd" * 20


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
)
SUMMARY = shapes.MarginSummary(Decimal(1000), Decimal(0), Decimal(1000), Decimal(0))
GOOD = AccountFacts(
    clock_ahead_ms=20,
    clock_error_ms=30,
    account_role=shapes.UserRole("user"),
    key_role=shapes.UserRole("agent", shapes.RoleData(user=ADDRESS.upper().replace("X", "x"))),
    agents=(shapes.ExtraAgent("desk", AGENT, NOW_MS + DAY_MS),),
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
    return worst(judge(facts, Keys(), NEEDS))


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
        ({"agents": ()}, "key", "FAIL", "does not list it, so when it expires is not known"),
        (
            {"agents": (shapes.ExtraAgent("desk", AGENT, int(NEEDS.until_ms) - 1),)},
            "key",
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
        ({"budget": shapes.RateLimit(Decimal(0), 9_001, 10_000)}, "budget", "FAIL", "999 of 10,000 requests left"),
        ({"budget": shapes.RateLimit(Decimal(0), 7_501, 10_000)}, "budget", "warning", "2,499 of 10,000"),
        ({"fees": shapes.UserFees(Decimal("0.0009"), Decimal("0.0003"))}, "fees", "FAIL", "made for 1.50 bps"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], subject: str, verdict: str, words: str) -> None:
    found = judged(**changes)
    assert set(found) == {subject} | ({"balance"} if subject == "margin" else set())
    assert found[subject][0] == verdict and words in found[subject][1]


def test_limits_themselves_are_still_good() -> None:
    assert judged(clock_ahead_ms=1500, budget=shapes.RateLimit(Decimal(0), 7_500, 10_000)) == {}
    assert judged(state=worth("1100")) == {} == judged(state=worth("900"))
    assert judged(budget=shapes.RateLimit(Decimal(0), 9_000, 10_000))["budget"][0] == "warning"


def test_the_account_s_own_key_is_refused_whatever_the_venue_says() -> None:
    class Master(Keys):
        agent = ADDRESS

    found = worst(judge(GOOD, Master(), NEEDS))
    assert found["key"][0] == "FAIL" and "could withdraw" in found["key"][1]


# ---- what can be lost ----------------------------------------------------------------------------------------


def test_losses_in_dollars_by_hand() -> None:
    assets = [
        AssetConfig(coin="BTC", max_inv_usd=500.0),
        AssetConfig(coin="ETH", min_order_usd=20.0, tier_sizes=(1.0,), max_inv_usd=100.5),
        AssetConfig(coin="DOGE", enabled=False, max_inv_usd=9_999.0),
    ]
    config = EngineConfig(starting_balance_usd=Decimal(2000), global_halt_drawdown_pct=0.03)
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


def test_nothing_quoted_loses_nothing_but_the_stop() -> None:
    lost = losses(EngineConfig(), [], Decimal("0.00015"), None)
    assert (lost.most_held_usd, lost.fees_per_hour_usd) == (0, 0)
    assert "of the account" not in "\n".join(render(lost))


# ---- gates ---------------------------------------------------------------------------------------------------

ALL_GREEN = Evidence(
    made_ms=NOW_MS - DAY_MS,
    configuration="c",
    code="d",
    gates={gate: GateResult("GO", "n=1000") for gate in GATES},
)


def check(evidence: Evidence | None, *accepted: str, now_ms: int = NOW_MS) -> gates.GateCheck:
    return gates.check(evidence, "c", "d", now_ms, accepted)


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
        ({}, NOW_MS - DAY_MS - 1, "not of the last 7 days"),
        ({}, NOW_MS + 6 * DAY_MS + 1, "not of the last 7 days"),
        ({"gates": {}}, NOW_MS, "not in the evidence"),
    ],
)
def test_evidence_for_something_else_is_none(changes: dict[str, object], now_ms: int, words: str) -> None:
    found = worst(check(msgspec.structs.replace(ALL_GREEN, **changes), now_ms=now_ms).findings)
    assert set(found) == set(GATES)
    assert all(verdict == "FAIL" and words in text for verdict, text in found.values())


@pytest.mark.parametrize("verdict", ["NO-GO", "NOT ENOUGH DATA"])
def test_any_other_verdict_than_go_refuses_and_gives_its_reason(verdict: str) -> None:
    results = {**ALL_GREEN.gates, "gate4": GateResult(verdict, "no Saturday yet")}  # type: ignore[arg-type]
    found = worst(check(msgspec.structs.replace(ALL_GREEN, gates=results)).findings)
    assert set(found) == {"gate4"} and f"{verdict}, no Saturday yet" in found["gate4"][1]


def test_evidence_is_read_as_written_and_anything_else_is_refused(tmp_path: Path) -> None:
    assert gates.read_evidence(tmp_path) is None
    file = tmp_path / gates.FILE
    file.parent.mkdir()
    file.write_bytes(msgspec.json.encode(ALL_GREEN))
    assert gates.read_evidence(tmp_path) == ALL_GREEN
    for damaged in (b"", b"{}", b'{"gates": {"gate1": true}}', b"\xff"):
        file.write_bytes(damaged)
        with pytest.raises(ConfigError, match="is no evidence of gates"):
            gates.read_evidence(tmp_path)


def test_a_gate_that_does_not_exist_cannot_be_accepted() -> None:
    gates.check_names(["gate1", "gate5"])
    with pytest.raises(ConfigError, match="--accept-missing all: unknown; there are gate1, gate2"):
        gates.check_names(["gate1", "all"])
