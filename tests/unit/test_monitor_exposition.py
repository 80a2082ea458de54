"""What a scrape shows: nothing before it is true, nothing that is no longer known."""

import shutil
import subprocess
from decimal import Decimal

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.monitor.config import MonitorConfig
from services.monitor.core import Monitor
from services.monitor.exposition import GridCollector
from shared import messages as m
from shared.messages import SILENT_MS
from shared.metrics import GRID
from tests.fixtures.make import book, fill, request_budget
from tests.fixtures.monitor_session import COINS, QUIET, Session, spread_parts
from tests.unit.test_monitor_core import beat, event, line, live, monitor, status


def scrape(core: Monitor, now_ms: float = 0.0) -> dict[tuple, float]:
    registry = CollectorRegistry()
    registry.register(GridCollector(core, "sim", "1", lambda: now_ms))
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name != "mm_build_info"
    }


def test_nothing_is_shown_before_it_is_true():
    assert scrape(Monitor(MonitorConfig())) == {}
    assert scrape(monitor()) == {}


@pytest.fixture(scope="module")
def session() -> Session:
    """Long enough for coefficients to be learned."""
    made = Session(start_ms=1_800_000_000_000)
    for _ in range(650):
        made.second()
    return made


def test_every_grid_metric_appears_once_it_is_true_and_no_other(session: Session):
    families = {
        sample.name
        for family in GridCollector(session.core, "sim", "1", lambda: session.now_ms).collect()
        for sample in family.samples
    }
    assert families == {metric.name for metric in GRID}


def test_promtool_finds_only_the_name_that_the_seeds_fixed(session: Session):
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on this machine")
    session.second()
    text = generate_latest(session.registries["monitor"])
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=30)
    complaints = (checked.stdout + checked.stderr).decode().strip().splitlines()
    assert complaints == ["mm_quote_cycle_latency_ms metric names should not contain abbreviated units"]


def test_one_coin_by_hand():
    core = monitor()
    core.step(1_000, m.HaltState(halted=False))
    core.step(1_000, book(time_ms=1_000, bid="99", ask="101"))
    core.step(1_000, m.AssetConfig(coin="BTC", max_inv_usd=200.0))
    core.step(
        1_000,
        status(
            1_000,
            line(
                position_sz=Decimal("-0.5"), unrealized_usd=Decimal(3), fees_usd=Decimal(1), resting_asks=0,
                ask_reason=m.Reason.OFI_BUY_DOMINANCE, best_bid_px=Decimal("98.5"),
                peak_pnl_usd=Decimal(2),
            ),
        ),
    )  # fmt: skip
    shown = scrape(core, 1_500)
    expected = {
        ("mm_position", "BTC"): -0.5,
        ("mm_max_position", "BTC"): 2.0,
        ("mm_inventory_utilization", "BTC"): 0.25,
        ("mm_daily_pnl", "BTC"): 2.0,
        ("mm_drawdown_pct", "BTC"): 0.0,
        ("mm_mid_price", "BTC"): 100.0,
        ("mm_spread_bps", "BTC"): 200.0,
        ("mm_quoting", "BTC", "bid"): 1.0,
        ("mm_quoting", "BTC", "ask"): 0.0,
        ("mm_side_blocked", "BTC", "ask", "ofi_buy_dominance"): 1.0,
        ("mm_quote_price", "BTC", "bid"): 98.5,
        ("mm_kill_switch_triggered", "BTC"): 0.0,
        ("mm_halted", "none"): 0.0,
        ("mm_live",): 0.0,
        ("mm_data_staleness_secs", "BTC"): 0.5,
    }
    assert {key: shown.get(key) for key in expected} == pytest.approx(expected)


def test_drawdown_is_a_fraction_of_the_account():
    core = monitor()
    core.step(0, status(1_000, line(realized_usd=Decimal(10), peak_pnl_usd=Decimal(30))))
    shown = scrape(core)
    assert shown["mm_drawdown_pct", "BTC"] == pytest.approx(0.02)
    assert (shown["mm_daily_pnl", "BTC"], shown["mm_peak_pnl", "BTC"]) == (10, 30)


def test_pnl_of_the_day_says_from_when_it_counts():
    core = monitor()
    resumed = msgspec.structs.replace(status(90_000_000), day_start_ms=88_000_000, day_pnl_usd=Decimal("-1.5"))
    core.step(0, resumed)
    shown = scrape(core)
    assert (shown["mm_day_pnl_usd",], shown["mm_day_start_timestamp_seconds",]) == (-1.5, 88_000)


def test_the_value_of_the_account_is_what_the_venue_has_and_drawdown_is_of_what_was_put_at_stake():
    core = monitor(mode="live")
    told = live(1_000, line(realized_usd=Decimal(10), peak_pnl_usd=Decimal(30)))
    core.step(0, msgspec.structs.replace(told, equity_usd=Decimal(25_000)))
    shown = scrape(core)
    assert shown["mm_account_value_usd",] == 25_000 and shown["mm_drawdown_pct", "BTC"] == pytest.approx(0.02)


def test_a_halt_shows_on_every_coin_and_with_its_reason():
    core = monitor("BTC", "ETH")
    core.step(0, m.HaltState(halted=True, who="alice", reason="looks bad"))
    shown = scrape(core)
    assert shown["mm_halted", "operator"] == 1
    assert shown["mm_kill_switch_triggered", "BTC"] == shown["mm_kill_switch_triggered", "ETH"] == 1


def test_orders_are_unknown_while_the_executor_is_silent_but_the_position_stays():
    core = monitor()
    core.step(0, status(1_000, line()))
    assert ("mm_quoting", "BTC", "bid") in scrape(core, 1_000 + SILENT_MS)
    late = scrape(core, 1_001 + SILENT_MS)
    assert ("mm_quoting", "BTC", "bid") not in late and ("mm_open_orders", "BTC") not in late
    assert late["mm_position", "BTC"] == 1


def test_ofi_ends_with_its_lease():
    core = monitor()
    permit = m.SidePermit()
    core.step(0, m.RiskLease(coin="BTC", issued_ms=0, valid_until_ms=3_000, bid=permit, ask=permit, ofi=0.3))
    assert scrape(core, 3_000)["mm_ofi", "BTC"] == scrape(core, 3_000)["mm_flow_imbalance", "BTC"] == 0.3
    assert ("mm_ofi", "BTC") not in scrape(core, 3_001)


def test_staleness_is_the_greatest_of_ten_seconds_for_everyone_who_asks():
    core = monitor()
    for at_ms in (1_000, 5_000, 5_100, 14_000):
        core.step(at_ms, book(time_ms=at_ms))
    for _ in ("a person", "Prometheus"):
        assert scrape(core, 14_200)["mm_data_staleness_secs", "BTC"] == pytest.approx(8.9)
    for at_ms in range(14_500, 24_500, 500):
        core.step(at_ms, book(time_ms=at_ms))
    assert scrape(core, 24_000)["mm_data_staleness_secs", "BTC"] == pytest.approx(0.5)


def test_a_market_that_nobody_sees_any_more_is_not_shown_but_how_long_that_has_been_so():
    """And what is held is still shown in dollars, at the executor's last mark."""
    core = monitor("BTC", "ETH")
    context = m.AssetCtx(
        coin="BTC", received_ms=1_000, funding_1h_frac=1e-5, oracle_px=Decimal(100), mark_px=Decimal(100),
        open_interest=1, day_ntl_usd=1,
    )  # fmt: skip
    core.step(1_000, context)
    core.step(1_000, book(time_ms=1_000))
    core.step(1_000, book("ETH", time_ms=8_000))
    core.step(1_000, status(1_000, line(position_sz=Decimal(-2), mark_px=Decimal("99.5"))))
    market = {"mm_mid_price", "mm_touch_price", "mm_spread_bps", "mm_book_imbalance",
              "mm_microprice_deviation_bps", "mm_funding_rate"}  # fmt: skip

    def of_market(now_ms: float, coin: str) -> set[str]:
        return {name for name, *labels in scrape(core, now_ms) if coin in labels and name in market}

    assert of_market(1_000 + SILENT_MS, "BTC") == market
    assert of_market(1_001 + SILENT_MS, "BTC") == {"mm_funding_rate"} and of_market(1_001 + SILENT_MS, "ETH")
    late = scrape(core, 301_000)
    assert not of_market(301_000, "BTC") | of_market(301_000, "ETH")
    assert (late["mm_data_staleness_secs", "BTC"], late["mm_position_usd", "BTC"]) == (300, -199)


def test_the_volatility_of_a_market_that_nobody_sees_is_not_known(session: Session):
    learned = {("mm_sigma", "BTC"), ("mm_volatility_regime", "BTC")}
    assert learned <= scrape(session.core, session.now_ms).keys()
    assert not learned & scrape(session.core, session.now_ms + 2 * SILENT_MS).keys()


def test_cancels_per_fill_of_a_guard_that_is_silent_are_not_of_the_last_hour():
    core = monitor()
    permit = m.SidePermit()
    core.step(0, m.RiskLease(coin="BTC", issued_ms=1_000, valid_until_ms=4_000, bid=permit, ask=permit,
                             cancels_1h=30, fills_1h=3))  # fmt: skip
    assert scrape(core, 1_000 + SILENT_MS)["mm_cancel_fill_ratio",] == 10
    assert ("mm_cancel_fill_ratio",) not in scrape(core, 1_001 + SILENT_MS)


def test_cycle_latency_counts_book_driven_quotes_and_is_absent_without_any():
    core = monitor()

    def target(trigger: str, computed_ms: int) -> m.TargetQuotes:
        return m.TargetQuotes(
            coin="BTC", source_ms=100.0, computed_ms=computed_ms, trigger=trigger, mid_px=1, half_spread_bps=1,
            shift_bps=0, multiplier=2, regime="calm",
        )  # fmt: skip

    for item in (target("book", 104), target("book", 102), target("time", 900)):
        core.step(0, item)
    for _ in ("a person", "Prometheus"):
        assert scrape(core, 900)["mm_quote_cycle_latency_ms", "BTC"] == 4.0
    assert ("mm_quote_cycle_latency_ms", "BTC") not in scrape(core, 10_104)


def test_the_same_fill_twice_is_one_markout():
    core = monitor()
    bought = fill("BTC", px="100")
    for _ in range(2):
        core.step(10, bought)
    core.step(5_000, book(time_ms=5_000, bid="98.9", ask="99.1"))
    core.step(5_200, book(time_ms=5_200, bid="88.9", ask="89.1"))
    assert scrape(core)["mm_adverse_selection_bps", "BTC"] == pytest.approx(100.0)
    assert core.coins["BTC"].markouts._weight == 1


def test_a_disabled_coin_says_so_and_the_rest_quotes():
    session = Session(start_ms=1_800_000_000_000)
    for _ in range(3):
        session.second()
    shown = scrape(session.core, session.now_ms)
    assert shown["mm_side_blocked", QUIET, "bid", "coin_disabled"] == 1
    assert sum(shown.get(("mm_quoting", coin, "bid"), 0) for coin in COINS) >= 20


# ---- live ----


def shown_live(now_ms: float = 1_500, *lines: m.CoinStatus, **changes) -> dict[tuple, float]:
    core = monitor(mode="live")
    list(core.step(1_000, live(1_000, *lines, **changes)))
    return scrape(core, now_ms)


def test_shadow_shows_nothing_of_live():
    core = monitor()
    core.step(1_000, status(1_000, line()))
    names = {name for name, *_ in scrape(core, 1_000)}
    assert not {name for name in names if name.startswith(("mm_api", "mm_twin", "mm_dark", "mm_unknown"))}
    assert scrape(core, 1_000)["mm_live",] == 0


def test_the_mode_shown_is_what_the_executor_does_even_where_we_were_told_otherwise():
    core = monitor()
    list(core.step(1_000, live(1_000, line())))
    shown = scrape(core, 1_000)
    assert shown["mm_live",] == 1 and ("mm_position", "BTC") not in shown


def test_what_live_trading_tells_of_itself():
    shown = shown_live(
        1_500, line(orders_placed=40), line("ETH", orders_placed=10),
        confirmed_until_ms=61_500, without=("gate3", "gate5"), phase="waiting", unknown_orders=2, tied_out_ms=500,
        untied={"BTC": "0.1 more", "": "$3"}, rejects={"would_cross": 5, "Tick 7!": 1, "what?": 2},
        faults={"place": {"throttled": 4, "unknown": 0}, "ask": {"unanswered": 1}},
    )  # fmt: skip
    expected = {
        ("mm_live",): 1,
        ("mm_confirmation_left_seconds",): 60,
        ("mm_gate_missing", "gate3"): 1,
        ("mm_gate_missing", "gate5"): 1,
        ("mm_recovery_phase", "waiting"): 1,
        ("mm_unknown_orders",): 2,
        ("mm_tie_out_age_seconds",): 1,
        ("mm_untied_balances",): 2,
        ("mm_live_orders_rejected_total", "would_cross"): 5,
        ("mm_live_orders_rejected_total", "other"): 3,
        ("mm_exchange_errors_total", "place", "throttled"): 4,
        ("mm_exchange_errors_total", "place", "unknown"): 0,
        ("mm_exchange_errors_total", "ask", "unanswered"): 1,
        ("mm_post_only_reject_ratio",): 0.1,
        ("mm_dark_fills_total", "BTC"): 0,
    }
    assert {key: shown.get(key) for key in expected} == pytest.approx(expected)


def test_a_confirmation_that_was_not_taken_yet_has_no_end():
    assert ("mm_confirmation_left_seconds",) not in shown_live(confirmed_until_ms=0)


def test_the_request_budget():
    budget = request_budget(
        left=2_500, used=11_500, cap=14_001, headroom_frac=0.25, widening=2.0, hours_to_empty=2.5, forecasts=3,
        forecast_error_frac=0.07,
    )  # fmt: skip
    shown = shown_live(budget=budget)
    expected = {
        ("mm_api_mode", "quoting"): 1,
        ("mm_api_headroom_ratio",): 0.25,
        ("mm_api_requests_left",): 2_500,
        ("mm_api_requests_used",): 11_500,
        ("mm_api_requests_cap",): 14_001,
        ("mm_api_spread_multiplier",): 2,
        ("mm_api_empty_seconds",): 9_000,
        ("mm_api_forecast_error_ratio",): 0.07,
        ("mm_api_hourly_requests", "spent"): 900,
        ("mm_api_hourly_requests", "earned"): 400,
        ("mm_api_hourly_requests", "affordable"): 1_500,
    }
    assert {key: shown.get(key) for key in expected} == expected
    growing = shown_live(budget=request_budget(hours_to_empty=None))
    assert ("mm_api_empty_seconds",) not in growing and ("mm_api_forecast_error_ratio",) not in growing


def test_a_budget_that_the_venue_has_not_told_yet_is_not_an_empty_one():
    shown = shown_live(budget=request_budget(mode="unknown", left=0, headroom_frac=0.0, widening=4.0))
    assert shown["mm_api_mode", "unknown"] == 1
    assert [name for name, *_ in shown if name.startswith("mm_api")] == ["mm_api_mode"]


def test_a_silent_executor_leaves_its_sums_and_takes_the_present_along():
    late = shown_live(1_001 + SILENT_MS, tied_out_ms=1_000)
    assert {"mm_unknown_orders", "mm_recovery_phase", "mm_api_mode", "mm_reduce_only"} & {
        n for n, *_ in late
    } == set()
    assert late["mm_tie_out_age_seconds",] == pytest.approx(10.001)


def test_books_that_never_agreed_grow_old_from_the_beginning_of_the_session():
    core = monitor(mode="live")
    never = live(90_000, tied_out_ms=0)
    list(core.step(90_000, msgspec.structs.replace(never, session_start_ms=30_000)))
    assert scrape(core, 90_000)["mm_tie_out_age_seconds",] == 60


def test_dark_fills_count_by_coin_from_zero_so_that_the_first_is_an_increase():
    core = monitor("BTC", "ETH", mode="live")
    list(core.step(1_000, live(1_000)))
    list(core.step(1_000, event(service="executor", tag="DARK FILL", coin="BTC")))
    shown = scrape(core, 1_000)
    assert (shown["mm_dark_fills_total", "BTC"], shown["mm_dark_fills_total", "ETH"]) == (1, 0)


@pytest.mark.parametrize(("reduce_only", "shown"), [({"": "all"}, (1, 1)), ({"BTC": "x"}, (1, 0)), ({}, (0, 0))])
def test_coins_that_may_only_reduce(reduce_only, shown):
    core = monitor("BTC", "ETH")
    told = msgspec.structs.replace(status(1_000), reduce_only=reduce_only, flattening=("ETH",))
    core.step(1_000, told)
    values = scrape(core, 1_000)
    assert (values["mm_reduce_only", "BTC"], values["mm_reduce_only", "ETH"]) == shown
    assert (values["mm_flattening", "BTC"], values["mm_flattening", "ETH"]) == (0, 1)


def test_fills_live_and_of_the_twin_stand_side_by_side():
    core = monitor(mode="live")
    list(core.step(1_000, live(1_000, line())))
    above = {"mid_px": Decimal("100.05")}
    for mode, seq in (("live", 1), ("shadow", 1), ("shadow", 2), ("shadow", 2)):
        core.step(10, msgspec.structs.replace(fill(seq=seq, mode=mode), **above))
    shown = scrape(core, 1_000)
    assert [shown["mm_twin_fills_total", "BTC", mode] for mode in ("live", "shadow")] == [1, 2]
    assert [shown["mm_twin_fill_usd_total", "BTC", mode] for mode in ("live", "shadow")] == [20, 40]
    assert shown["mm_twin_edge_bps", "BTC", "live"] == pytest.approx(5.0)


def test_what_differs_between_live_and_shadow():
    core = monitor("BTC", "ETH", mode="live")
    list(core.step(1_000, live(1_000, line())))
    for mode, mid in (("live", "100.05"), ("shadow", "100.02")):
        core.step(10, msgspec.structs.replace(fill(mode=mode), mid_px=Decimal(mid)))
    core.step(10, fill("ETH", mode="shadow"))
    shown = scrape(core, 1_000)
    assert (shown["mm_twin_fill_difference", "BTC"], shown["mm_twin_fill_difference", "ETH"]) == (0, -1)
    assert shown["mm_twin_edge_difference_bps", "BTC"] == pytest.approx(3.0)
    assert ("mm_twin_edge_difference_bps", "ETH") not in shown, "nothing to compare with"


def test_a_service_that_begins_anew_in_the_same_run_is_a_restart():
    core = monitor()
    for started_ms, run_id, expected in ((1, "a", 0), (1, "a", 0), (5, "a", 1), (9, "b", 1), (12, "b", 2)):
        now_ms = 1_000 + started_ms
        later = msgspec.structs.replace(beat(time_ms=now_ms), started_ms=started_ms, run_id=run_id)
        core.step(now_ms, later)
        assert scrape(core, now_ms)["mm_service_restarts_total", "quoter"] == expected
    assert scrape(core, now_ms)["mm_service_start_timestamp_seconds", "quoter"] == 0.012


def test_the_feed_grows_old_while_its_reader_is_silent():
    core = monitor()
    told = m.FeedHealth(
        time_ms=5_000, connected=True, epoch=1, last_frame_ms=4_500.0, frames_total=9, refused_total=2,
        reconnects_total=1, latency_p95_ms=1, latency_p99_ms=1, latency_samples=1,
    )  # fmt: skip
    core.step(5_000, told)
    shown = scrape(core, 60_000)
    assert shown["mm_feed_age_seconds",] == 55.5
    assert (shown["mm_feed_frames_total",], shown["mm_feed_refused_total",]) == (9, 2)
    assert ("mm_feed_connected",) not in shown and scrape(core, 15_000)["mm_feed_connected",] == 1


def test_markouts_at_three_horizons_have_the_sign_of_money():
    core = monitor()
    core.step(10, fill(px="100"))
    for at_ms, mid in ((1_001, 100.1), (5_001, 99.8), (30_001, 101.0)):
        core.step(at_ms, book(time_ms=at_ms, bid=f"{mid - 0.1:.1f}", ask=f"{mid + 0.1:.1f}"))
        core.step(at_ms + 1, book(time_ms=at_ms + 1))
    shown = scrape(core)
    values = [shown["mm_markout_bps", horizon, "BTC"] for horizon in ("1s", "5s", "30s")]
    assert values == pytest.approx([10, -20, 100])
    assert shown["mm_adverse_selection_bps", "BTC"] == pytest.approx(20)


def test_a_lease_that_ended_has_less_than_nothing_left():
    core = monitor()
    permit = m.SidePermit()
    core.step(0, m.RiskLease(coin="BTC", issued_ms=0, valid_until_ms=3_000, bid=permit, ask=permit))
    assert scrape(core, 1_000)["mm_lease_left_seconds", "BTC"] == 2
    assert scrape(core, 8_000)["mm_lease_left_seconds", "BTC"] == -5


def test_kappa_is_what_the_screener_measured_and_absent_in_settings_that_were_not():
    core = monitor()
    core.step(0, m.AssetConfig(coin="BTC", parts=spread_parts(reach_bps=5.0)))
    assert scrape(core)["mm_kappa", "BTC"] == 2_000
    core.step(0, m.AssetConfig(coin="BTC"))
    assert ("mm_kappa", "BTC") not in scrape(core)


def test_markouts_are_those_of_our_own_fills():
    core = monitor(mode="live")
    core.step(10, fill(mode="shadow"))
    core.step(5_000, book(time_ms=5_000, bid="98.9", ask="99.1"))
    core.step(5_200, book(time_ms=5_200, bid="88.9", ask="89.1"))
    assert ("mm_adverse_selection_bps", "BTC") not in scrape(core)
