"""The first half hour: every threshold from both sides, with the clock in our hands."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import messages as m
from shared.first30.checks import CHECKS, FLAGS
from shared.first30.look import CoinLook, Look, Money, look_at
from shared.first30.watch import First30, markdown
from tests.fixtures.first30 import COIN, at, coin, money
from tests.fixtures.make import account_status, book, coin_status, live_status, request_budget


def watched(*looks: Look, minutes: float = 30) -> First30:
    watch = First30(looks[0], minutes)
    for look in looks[1:]:
        watch.take(look)
    return watch


def verdict(name: str, *looks: Look) -> str:
    return watched(*looks).items[name].verdict


# ---- red flags: warned of, at the threshold, beyond it ---------------------------------------------------------


def budget(frac: float) -> dict[str, Any]:
    return {"live": live_status(budget=request_budget(headroom_frac=frac))}


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("position", {"coins": (coin(position_usd=-200.0),)}, "ok"),
        ("position", {"coins": (coin(position_usd=-400.0),)}, "WARN"),
        ("position", {"coins": (COIN, coin(coin="ETH", position_usd=-400.1))}, "RED"),
        ("API headroom", budget(0.10), "ok"),
        ("API headroom", budget(0.05), "WARN"),
        ("API headroom", budget(0.0499), "RED"),
        ("kill switch", {}, "ok"),
        ("kill switch", {"halted": "guard: drawdown"}, "RED"),
        ("drawdown", {"money": money(peak=5.0, pnl=-5.0)}, "ok"),
        ("drawdown", {"money": money(peak=5.0, pnl=-15.0)}, "WARN"),
        ("drawdown", {"money": money(peak=5.0, pnl=-15.01)}, "RED"),
        ("drawdown", {"money": money(peak=0.0, pnl=-1.0, equity=0.0)}, "RED"),
    ],
)
def test_flags_that_stand_at_once(name: str, changes: dict[str, Any], expected: str) -> None:
    found = watched(at(2, **changes))
    assert found.items[name].verdict == expected
    assert [flag.name for flag in found.stood] == ([name] if expected == "RED" else [])


def test_no_quote_is_red_after_five_minutes_and_forgets_nothing() -> None:
    none = (coin(resting=0, why_not="no_lease"),)
    watch = watched(at(1), at(6, *none))
    assert watch.items["no quote"].verdict == "WARN"
    watch.take(at(6.01, *none))
    assert watch.items["no quote"].verdict == "RED"
    watch.take(at(7))
    assert watch.items["no quote"].verdict == "ok" and watch.verdict == "RED"
    [stood] = watch.stood
    assert (stood.name, stood.since, stood.until) == ("no quote", 6.01, 7.0)


def test_of_a_stopped_bot_the_verdict_is_when_and_whether_a_red_flag_had_stood() -> None:
    calm, halted = watched(at(1), at(7)), watched(at(1), at(6, halted="guard: drawdown"), at(7))
    calm.stopped = halted.stopped = True
    assert calm.outcome == "stopped at minute 7.0" and halted.outcome == "RED, stopped at minute 7.0"
    for watch in (calm, halted):
        heading = next(markdown(watch.report()))
        assert heading.endswith(f": {watch.outcome}") and f" {watch.outcome} | " in watch.summary()


def test_what_was_quoted_before_the_first_look_is_not_called_unquoted_since_the_beginning() -> None:
    late = at(20, coin(resting=0, placed=9))
    assert verdict("no quote", late) == "ok" and verdict("every coin", late) == "ok"
    assert verdict("no quote", late, at(25.01, coin(resting=0, placed=9))) == "RED"
    assert verdict("no quote", at(20, coin(resting=0))) == "RED", "never an order in 20 minutes"


def test_a_silent_executor_quotes_nothing() -> None:
    assert verdict("no quote", at(1), at(6.01, silent=True)) == "RED"
    assert verdict("orders", at(1, silent=True)) == "WARN"


def test_a_wide_spread_must_last_two_minutes_on_the_same_coin() -> None:
    wide, eth = (coin(spread_bps=100.1), coin(coin="ETH")), (COIN, coin(coin="ETH", spread_bps=101.0))
    assert verdict("spread", at(1, coin(spread_bps=100.0)), at(9, coin(spread_bps=100.0))) == "ok"
    assert verdict("spread", at(1, *wide), at(3, *wide)) == "WARN"
    assert verdict("spread", at(1, *wide), at(3.01, *wide)) == "RED"
    assert verdict("spread", at(1, *wide), at(2, *eth), at(3.01, *eth)) == "WARN"
    gone = coin(spread_bps=None)
    assert verdict("spread", at(1, *wide), at(2, gone), at(3.01, *wide)) == "WARN"


def test_the_edge_counts_from_minute_fifteen_and_must_stay() -> None:
    def traded(bps: float) -> Money:
        return money(volume=10_000.0, pnl=bps)

    assert verdict("lost edge", at(14.9, money=traded(-9))) == "waiting"
    assert verdict("lost edge", at(15, money=traded(-5)), at(17, money=traded(-5))) == "ok"
    assert verdict("lost edge", at(15, money=traded(-5.1)), at(16, money=traded(-5.1))) == "WARN"
    assert verdict("lost edge", at(15, money=traded(-5.1)), at(16.01, money=traded(-5.1))) == "RED"
    before = [at(10, money=traded(-9)), at(14.99, money=traded(-9)), at(15, money=traded(-9))]
    assert verdict("lost edge", *before) == "WARN", "minutes before the fifteenth do not count"


def test_errors_of_the_exchange_count_over_five_minutes() -> None:
    def errors(minute: float, count: int) -> Look:
        return at(minute, live=live_status(errors={"throttled": count - 1, "unknown": 1}))

    assert verdict("exchange errors", errors(0, 100), errors(1, 103)) == "ok"
    assert verdict("exchange errors", errors(0, 100), errors(1, 110)) == "WARN"
    assert verdict("exchange errors", errors(0, 100), errors(1, 111)) == "RED"
    slow = [errors(minute, 100 + minute) for minute in range(30)]
    assert verdict("exchange errors", *slow) == "WARN"
    assert verdict("exchange errors", errors(0, 100), errors(1, 2), errors(2, 4)) == "ok", "a restart counts anew"


# ---- the checklist ---------------------------------------------------------------------------------------------


def test_orders_are_waited_for_and_then_missed() -> None:
    none = coin(resting=0, why_not="no_lease")
    assert verdict("orders", at(0.49, none)) == "waiting"
    assert verdict("orders", at(0.5, none)) == "WARN"
    late = watched(at(0.5, none), at(0.75))
    assert late.items["orders"].verdict == "ok" and late.items["orders"].ok_minute == 0.75


def test_fills_are_due_by_minute_five() -> None:
    assert verdict("fills", at(4.9)) == "waiting"
    assert verdict("fills", at(5)) == "WARN"
    assert verdict("fills", at(5, money=money(fills=1, volume=12.0))) == "ok"


def test_a_coin_switched_off_is_not_missed_and_one_without_a_quote_is() -> None:
    off = coin(coin="ETH", resting=0, wanted=False, why_not="coin_disabled")
    silent = coin(coin="ETH", resting=0, why_not="stale_book")
    assert verdict("every coin", at(1, COIN, off), at(9, COIN, off)) == "ok"
    assert verdict("every coin", at(0, COIN, silent), at(5, COIN, silent)) == "ok"
    watch = watched(at(0, COIN, silent), at(5.01, COIN, silent))
    item = watch.items["every coin"]
    assert item.verdict == "WARN" and "ETH" in item.value and "stale_book" in item.value
    assert watch.items["no quote"].verdict == "ok"


def test_learning_is_seen_when_estimates_move() -> None:
    first = coin(reach_bps=2.0, adverse_bps=1.0, adverse_n=3)
    assert verdict("measured", at(1)) == "waiting" and verdict("measured", at(15)) == "WARN"
    assert verdict("measured", at(1, first)) == "ok"
    for name, moved in (("kappa", coin(reach_bps=2.1)), ("adverse", coin(adverse_bps=0.9))):
        assert verdict(name, at(1, first), at(2, first)) == "waiting"
        assert verdict(name, at(1, first), at(15, first)) == "WARN"
        assert verdict(name, at(1, first), at(2, moved), at(15, moved)) == "ok"


def test_inventory_near_misses_and_the_budget() -> None:
    assert verdict("inventory", at(0, coin(position_usd=200.0))) == "ok"
    assert verdict("inventory", at(0, coin(position_usd=200.1))) == "WARN"
    assert verdict("near misses", at(15, near=("drawdown", 0.79))) == "ok"
    assert verdict("near misses", at(15, near=("drawdown", 0.8))) == "WARN"
    assert verdict("near misses", at(14.9, near=("drawdown", 0.8))) == "waiting"
    assert verdict("budget", at(15)) == "ok"
    assert verdict("budget", at(15, live=live_status(budget=request_budget(hours_to_empty=5.9)))) == "WARN"
    assert verdict("budget", at(15, live=live_status(budget=request_budget(headroom_frac=0.09)))) == "WARN"
    assert verdict("ledger", at(1, live=live_status(dark_fills=1))) == "WARN"
    assert verdict("ledger", at(1, live=live_status(untied={"BTC": "0.1"}))) == "WARN"
    assert verdict("recovery", at(1, live=live_status(phase="refused", refused=("why",)))) == "WARN"


@pytest.mark.parametrize(("cents", "expected"), [(-1.0, "WARN"), (0.0, "ok"), (1.0, "ok")])
def test_only_a_steady_fall_of_the_pnl_is_one(cents: float, expected: str) -> None:
    looks = [at(minute, money=money(pnl=cents * minute / 100)) for minute in range(16)]
    watch = watched(*looks)
    assert watch.items["trend"].verdict == expected
    assert watch.report()["pnl_slope_usd_per_hour"] == pytest.approx(cents * 0.6)


def test_a_pnl_that_jumps_about_has_no_trend() -> None:
    looks = [at(minute, money=money(pnl=-0.001 * minute + (-1) ** minute)) for minute in range(16)]
    assert verdict("trend", *looks) == "ok"


# ---- the session -----------------------------------------------------------------------------------------------


def test_a_young_session_is_watched_from_its_beginning_and_an_old_one_from_now() -> None:
    earned = money(pnl=3.0, volume=1000.0, fills=7)
    young, old = watched(at(29.9, money=earned)), watched(at(30, money=earned), at(31, money=earned))
    assert (young.history.minutes, young.history.point.fills) == (pytest.approx(29.9), 7)
    assert (old.history.minutes, old.history.point.fills) == (1, 0)
    assert not old.over and watched(at(1), at(30)).over


def test_shadow_has_no_items_of_the_exchange() -> None:
    shadow = watched(at(1, mode="shadow", live=None))
    both = (*CHECKS, *FLAGS)
    assert set(shadow.items) == {item.name for item in both if not item.live_only}
    assert set(watched(at(1)).items) == {item.name for item in both}
    assert len({item.name for item in both}) == len(both)


@given(st.lists(st.tuples(st.floats(0.01, 3), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_changes_told_add_up_to_the_verdicts_and_a_red_flag_stays_told(
    steps: list[tuple[float, bool, bool]],
) -> None:
    watch = First30(at(0))
    told = {name: item.verdict for name, item in watch.items.items()}
    minute, reds = 0.0, set()
    for step, quotes, halted in steps:
        minute += step
        look = at(minute, coin(resting=6 * quotes), halted="person: tea" if halted else "")
        for item in watch.take(look):
            assert told[item.name] != item.verdict
            told[item.name] = item.verdict
        reds |= {name for name, item in watch.items.items() if item.verdict == "RED"}
    assert told == {name: item.verdict for name, item in watch.items.items()}
    assert {flag.name for flag in watch.stood} == reds
    assert (watch.verdict == "RED") == bool(reds)
    assert len(watch.history.curve) <= minute + 2


def test_the_summary_names_every_item_with_its_command_and_each_flag_with_its_times() -> None:
    watch = watched(*(at(minute, halted="guard: drawdown" if 3 <= minute < 5 else "") for minute in range(31)))
    report = watch.report()
    text = "\n".join(markdown(report))
    for item in (*CHECKS, *FLAGS):
        assert f"| {item.name} |" in text and f"`{item.command}`" in text
    assert "- kill switch: from minute 3.0 to minute 5.0, halted by guard: drawdown" in text
    assert report["verdict"] == "RED" and "red flags: kill switch" in watch.summary()
    assert [point["minute"] for point in report["curve"][:3]] == [0, 1, 2]


# ---- from messages ---------------------------------------------------------------------------------------------


def seen(
    line: m.CoinStatus, target: m.TargetQuotes | None = None, config: m.AssetConfig | None = None
) -> CoinLook:
    account = account_status(time_ms=1_000, coins=(line,))
    targets = {} if target is None else {"BTC": target}
    configs = {} if config is None else {"BTC": config}
    return look_at(1_000, ("BTC",), account, None, None, {"BTC": book()}, targets, configs).coins[0]


def target(**changes: Any) -> m.TargetQuotes:
    plain: dict[str, Any] = {
        "coin": "BTC", "source_ms": 1.0, "computed_ms": 1, "mid_px": 100.0, "half_spread_bps": 5.0,
        "shift_bps": 0.0, "multiplier": 1.0, "regime": "calm", "max_inv_usd": 150.0,
    }  # fmt: skip
    return m.TargetQuotes(**plain | changes)


def test_a_look_takes_the_wider_spread_and_the_executors_word() -> None:
    resting = coin_status(
        position_sz="-2", resting_bids=1, resting_asks=1, best_bid_px=Decimal(99), best_ask_px=Decimal(101)
    )
    found = seen(resting, target())
    assert found.spread_bps == pytest.approx(200) and found.limit_usd == 150 and found.position_usd == -200
    assert seen(coin_status(), target()).spread_bps == pytest.approx(20)
    refused = coin_status(resting_bids=0, resting_asks=1, bid_reason=m.Reason.NO_LEASE)
    assert seen(refused, target(bid_reason=m.Reason.OFI_SELL_DOMINANCE)).why_not == "no_lease"


def test_a_coin_without_an_edge_is_not_meant_to_be_quoted() -> None:
    none = coin_status(resting_bids=0, resting_asks=0)
    edge = m.Reason.NEGATIVE_EDGE
    assert not seen(none, target(bid_reason=edge, ask_reason=edge)).wanted
    assert not seen(none, config=m.AssetConfig(coin="BTC", enabled=False)).wanted
    assert seen(none, target(bid_reason=m.Reason.NO_LEASE, ask_reason=m.Reason.NO_LEASE)).wanted


def test_the_halting_rule_that_is_closest_is_told() -> None:
    def rule(name: str, value: float | None, level: str) -> m.RuleStatus:
        return m.RuleStatus(rule=name, value=value, limit=2.0, unit="usd", level=level, fired=False)  # type: ignore[arg-type]

    rules = rule("a", 1.0, "halt"), rule("b", -1.5, "halt"), rule("c", 9.0, "pull"), rule("d", None, "halt")
    report = m.RiskReport(time_ms=1, rules=rules, loss=None)
    look = look_at(1_000, (), account_status(time_ms=1_000), None, report, {}, {}, {})
    assert look.near == ("b", 0.75)
