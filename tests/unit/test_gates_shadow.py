"""What the checklist reads of the files: account minutes, fills, ticks."""

from pathlib import Path

import pytest

from analysis.store import open_store
from market_maker.gates.runs import Run
from market_maker.gates.shadow import Shadow, read_shadow
from market_maker.live.gates import Subject
from tests.fixtures.gate_files import write_fills, write_minutes, write_ticks

BEGIN_MS = 1_790_553_600_000  # a Monday, 00:00 UTC
MINUTE_MS = 60_000
SUBJECT = Subject(venue="hyperliquid", configuration="c", code="d", account="")
RUNS = {"r1": Run("r1", BEGIN_MS, "hyperliquid", "shadow", "c", "d")}


def read(data: Path, since_ms: int = BEGIN_MS, runs: dict[str, Run] = RUNS) -> Shadow:
    with open_store(data) as store:
        return read_shadow(store, runs, SUBJECT, since_ms)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_ticks(tmp_path, "BTC", BEGIN_MS, 300)
    write_ticks(tmp_path, "xyz:TSLA", BEGIN_MS, 300)
    return tmp_path


def test_totals_become_what_each_minute_added_over_all_coins(data: Path) -> None:
    write_minutes(data, "BTC", "r1", BEGIN_MS, [(1.0, 10), (3.0, 15), (2.5, 15)])
    write_minutes(data, "xyz:TSLA", "r1", BEGIN_MS + MINUTE_MS, [(0.5, 3), (1.5, 4)], at_limit_s=7)
    found = read(data)
    assert [minute.time_ms for minute in found.minutes] == [BEGIN_MS + i * MINUTE_MS for i in range(3)]
    assert [minute.pnl_usd for minute in found.minutes] == pytest.approx([1.0, 2.5, 0.5])
    assert [minute.canceled for minute in found.minutes] == [10, 8, 1]
    assert [(minute.seen_s, minute.at_limit_s) for minute in found.minutes] == [(60, 0), (120, 7), (120, 7)]
    assert found.hours == 3 / 60 and found.codes == {"d": 3}


def test_minutes_in_which_every_coin_was_halted_count_for_money_only(data: Path) -> None:
    write_minutes(data, "BTC", "r1", BEGIN_MS, [(1.0, 10)], halted_s=60)
    write_minutes(data, "xyz:TSLA", "r1", BEGIN_MS, [(1.0, 10)], halted_s=29)
    write_minutes(data, "BTC", "r1", BEGIN_MS + MINUTE_MS, [(-3.0, 10)], halted_s=31)
    found = read(data)
    assert [minute.halted for minute in found.minutes] == [False, True]
    assert (found.hours, found.codes, found.left_out) == (1 / 60, {"d": 1}, {"halted": 1})
    assert sum(minute.pnl_usd for minute in found.minutes) == pytest.approx(-2.0)


def test_a_restarted_executor_counts_its_orders_anew_and_its_money_on(data: Path) -> None:
    write_minutes(data, "BTC", "r1", BEGIN_MS, [(1.0, 10), (1.5, 4)])
    assert [(minute.pnl_usd, minute.canceled) for minute in read(data).minutes] == [(1.0, 10), (0.5, 4)]


def test_a_run_cut_by_the_window_does_not_count_what_it_had_before(data: Path) -> None:
    write_minutes(data, "BTC", "r1", BEGIN_MS, [(100.0, 1000), (101.0, 1001), (101.5, 1003)])
    found = read(data, since_ms=BEGIN_MS + MINUTE_MS)
    assert [(minute.pnl_usd, minute.canceled) for minute in found.minutes] == [(0.0, 0), (0.5, 2)]


def test_runs_begin_at_zero_and_do_not_mix(data: Path) -> None:
    runs = RUNS | {"r2": Run("r2", BEGIN_MS + 2 * MINUTE_MS, "hyperliquid", "shadow", "c", "d")}
    write_minutes(data, "BTC", "r1", BEGIN_MS, [(5.0, 5)])
    write_minutes(data, "BTC", "r2", BEGIN_MS + 2 * MINUTE_MS, [(1.0, 2)])
    write_minutes(data, "BTC", "r1", BEGIN_MS + 4 * MINUTE_MS, [(9.0, 9)], mode="live")
    found = read(data, runs=runs)
    assert [(minute.run_id, minute.pnl_usd) for minute in found.minutes] == [("r1", 5.0), ("r2", 1.0)]
    assert found.left_out == {"of live trading": 1}


def test_edge_of_a_fill_is_against_the_mid_five_seconds_later_less_its_fee(data: Path) -> None:
    """Bought at 99.95 with the mid at 100 before and after: capture 5 bps of the mid, fee 1.0005 bps of 99.95."""
    write_fills(data, "BTC", "r1", [BEGIN_MS + 10_000])
    (fill,) = read(data).fills
    assert fill.edge_bps == pytest.approx(5.0 - 0.01 / 99.95 * 1e4) and fill.coin == "BTC"


def test_where_ticks_end_or_the_coin_has_none_the_edge_is_unknown(data: Path) -> None:
    write_fills(data, "BTC", "r1", [BEGIN_MS + 296_500, BEGIN_MS + 296_501])
    write_fills(data, "ETH", "r1", [BEGIN_MS + 10_000])
    edges = {(fill.coin, fill.time_ms - BEGIN_MS): fill.edge_bps is not None for fill in read(data).fills}
    assert edges == {("BTC", 296_500): True, ("BTC", 296_501): False, ("ETH", 10_000): False}


def test_fills_of_the_twin_and_of_live_trading_are_nobody_s_shadow(data: Path) -> None:
    runs = RUNS | {"l1": Run("l1", BEGIN_MS, "hyperliquid", "live", "c", "d")}
    write_fills(data, "BTC", "l1", [BEGIN_MS + 10_000, BEGIN_MS + 11_000])
    write_fills(data, "BTC", "l1", [BEGIN_MS + 10_000], mode="live")
    write_fills(data, "BTC", "r1", [BEGIN_MS + 12_000])
    assert [fill.time_ms for fill in read(data, runs=runs).fills] == [BEGIN_MS + 12_000]


def test_a_bot_that_never_ran_has_nothing(data: Path) -> None:
    assert read(data) == Shadow((), (), {}, {})
