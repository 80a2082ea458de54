"""What a halt would do, from literal snapshots."""

import json
from decimal import Decimal

import msgspec

from market_maker import halt_preview, operate
from shared.messages import HaltState, Reason, RiskLease, SidePermit
from tests.unit.test_launch_status import NOW_MS, account, coin, live, snapshot
from tests.unit.test_risk_status import report

D = Decimal


def lease(name: str, allow: str, valid_until_ms: int = NOW_MS) -> RiskLease:
    permit = SidePermit(allow, None if allow == "quote" else Reason.STALE_BOOK)
    return RiskLease(coin=name, issued_ms=NOW_MS - 500, valid_until_ms=valid_until_ms, bid=permit, ask=permit)


def test_what_would_be_cancelled_kept_and_asked():
    told = msgspec.structs.replace(
        account(coin("BTC", 3, 2), coin("ETH", 0, 1, position_sz=D(0))), day_pnl_usd=D(-3),
        reduce_only={"ETH": "too wild"}, flattening=("BTC",),
    )  # fmt: skip
    leases = (lease("BTC", "quote"), lease("ETH", "none"), lease("SOL", "reduce", NOW_MS - 1))
    answer = operate.what_if_halted(snapshot(told, report(), *leases), "tea time")
    assert answer.code == 0 and answer.text.splitlines() == [
        "a halt would do this, and nothing was sent: tea time",
        "orders: 6 cancelled (bids+asks: BTC 3+2, ETH 0+1)",
        "positions: kept, BTC 0.5 ($50.00, open $-0.25)",
        "what can be lost: $41.50 until the daily stop; 1% gap $2.10, 3% gap $8.40, 10% gap $31.00;"
        " liquidated 43% away (held $200.00, resting $90.25)",
        "exits: BTC go on being worked off, also while halted",
        "leases: 1 coins that may quote now may no longer, until `resume`",
        halt_preview.PROCESSES,
        "`resume` would ask for: tea time; too wild",
        "The daily loss budget begins anew: today's $-3.00 will no longer count",
    ]
    facts = json.loads(json.dumps(answer.facts))
    assert facts["orders"] == {"BTC": {"bids": 3, "asks": 2}, "ETH": {"bids": 0, "asks": 1}}
    assert facts["positions"] == {"BTC": {"sz": "0.5", "usd": "50.00", "unrealized_usd": "-0.25"}}


def test_with_nothing_held_and_nothing_resting_it_says_so():
    text = operate.what_if_halted(snapshot(account(coin("BTC", 0, 0, position_sz=D(0)))), "why").text
    assert "orders: 0 cancelled\npositions: none\nleases: 0" in text and "lost" not in text


def test_orders_of_unknown_fate_are_said_to_be_looked_up():
    assert "; 2 of unknown fate are looked up first" in operate.what_if_halted(snapshot(live()), "why").text


def test_a_halt_that_stands_is_not_changed_by_another():
    now = snapshot(account(coin("BTC")), halt=HaltState(halted=True, reason="first", who="guard", since_ms=1))
    answer = operate.what_if_halted(now, "second")
    assert answer.text == "already halted by guard: first\nanother halt would change nothing; nothing was sent"
    assert answer.facts["resume_asks"] == ["first"]
