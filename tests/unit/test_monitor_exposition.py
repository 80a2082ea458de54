"""What a scrape shows: nothing before it is true, nothing that is no longer known."""

import shutil
import subprocess
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.monitor.config import MonitorConfig
from services.monitor.core import Monitor
from services.monitor.exposition import FRESH_MS, GridCollector
from shared import messages as m
from shared.metrics import GRID
from tests.fixtures.make import book, fill
from tests.fixtures.monitor_session import COINS, QUIET, Session
from tests.unit.test_monitor_core import line, monitor, status


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


def test_every_grid_metric_appears_once_it_is_true_and_no_other():
    session = Session(start_ms=1_800_000_000_000)
    for _ in range(400):
        session.second()
    families = {
        sample.name
        for family in GridCollector(session.core, "sim", "1", lambda: session.now_ms).collect()
        for sample in family.samples
    }
    assert families == {metric.name for metric in GRID}


def test_promtool_finds_only_the_name_that_the_seeds_fixed():
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on this machine")
    session = Session(start_ms=1_800_000_000_000)
    for _ in range(400):
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


def test_a_halt_shows_on_every_coin_and_with_its_reason():
    core = monitor("BTC", "ETH")
    core.step(0, m.HaltState(halted=True, who="guard", reason="Daily drawdown 6.00% >= cap 5.00%"))
    shown = scrape(core)
    assert shown["mm_halted", "daily_drawdown"] == 1
    assert shown["mm_kill_switch_triggered", "BTC"] == shown["mm_kill_switch_triggered", "ETH"] == 1


def test_orders_are_unknown_while_the_executor_is_silent_but_the_position_stays():
    core = monitor()
    core.step(0, status(1_000, line()))
    assert ("mm_quoting", "BTC", "bid") in scrape(core, 1_000 + FRESH_MS)
    late = scrape(core, 1_001 + FRESH_MS)
    assert ("mm_quoting", "BTC", "bid") not in late and ("mm_open_orders", "BTC") not in late
    assert late["mm_position", "BTC"] == 1


def test_ofi_ends_with_its_lease():
    core = monitor()
    permit = m.SidePermit()
    core.step(0, m.RiskLease(coin="BTC", issued_ms=0, valid_until_ms=3_000, bid=permit, ask=permit, ofi=0.3))
    assert scrape(core, 3_000)["mm_ofi", "BTC"] == scrape(core, 3_000)["mm_flow_imbalance", "BTC"] == 0.3
    assert ("mm_ofi", "BTC") not in scrape(core, 3_001)


def test_staleness_is_the_greatest_since_the_last_scrape():
    core = monitor()
    for at_ms in (1_000, 5_000, 5_100):
        core.step(at_ms, book(time_ms=at_ms))
    assert scrape(core, 5_200)["mm_data_staleness_secs", "BTC"] == 4.0
    assert scrape(core, 5_300)["mm_data_staleness_secs", "BTC"] == pytest.approx(0.2)


def test_cycle_latency_counts_book_driven_quotes_and_is_absent_without_any():
    core = monitor()

    def target(trigger: str, computed_ms: int) -> m.TargetQuotes:
        return m.TargetQuotes(
            coin="BTC", source_ms=100.0, computed_ms=computed_ms, trigger=trigger, mid_px=1, half_spread_bps=1,
            shift_bps=0, multiplier=2, regime="calm",
        )  # fmt: skip

    for item in (target("book", 104), target("book", 102), target("time", 900)):
        core.step(0, item)
    assert scrape(core, 900)["mm_quote_cycle_latency_ms", "BTC"] == 4.0
    assert ("mm_quote_cycle_latency_ms", "BTC") not in scrape(core, 900)


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
