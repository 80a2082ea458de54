"""Days of history beside the live window: when it counts, how much, and what people are told of it."""

import msgspec
import pytest

from services.screener.config import ScreenerConfig
from services.screener.door import ProfileDoor
from services.screener.estimates import Estimates, Window
from services.screener.history import HistoryRead, adverse_at, rung_at, widening
from shared.market_profile import FILE, Measured, write
from shared.messages import AssetConfig, Event
from shared.service import Tick
from tests.fixtures.screener_history import T0, measured, past, profile
from tests.unit.test_screener_core import Run, book
from tests.unit.test_screener_parts import markout

HOUR_MS = 3_600_000
LOSING = 40.0
"""Adverse selection (bps) that no spread worth quoting pays for."""


def spread_lines(said):
    return [out.text for out in said if isinstance(out, Event) and "half spread" in out.text]


# ---- when it counts ----


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (HistoryRead(None), "there is no state/market_profile.json yet"),
        (HistoryRead(None, "file: no market profile"), "file: no market profile"),
        (HistoryRead(profile(venue="sim")), "of venue sim, this is hyperliquid"),
        (HistoryRead(profile(last_ms=T0 - 8 * 24 * HOUR_MS)), "data end on 2023-11-06, more than 7 days ago"),
        (HistoryRead(profile(last_ms=T0 + HOUR_MS)), "knows the future"),
        (HistoryRead(profile(past(hours=(1.0,) * 23))), "damaged at BTC"),
        (HistoryRead(profile(past(spread_bps=Measured(1.0, 0.1, 5, -1.0)))), "damaged at BTC"),
    ],
)
def test_what_says_nothing_of_now_is_named_once_and_changes_nothing(read, told):
    alone, run = Run(), Run()
    run(read)
    for one in (alone, run):
        one.market(120)
    run(read)
    run.market(60)
    alone.market(60)
    assert run.configs() == alone.configs()
    lines = [line for line in run.lines() if "istory" in line]
    assert len(lines) == 1 and told in lines[0] and "live window alone" in lines[0]


def test_minutes_of_history_are_none():
    run = Run()
    run(HistoryRead(profile(past(hours_of_data=2.9))))
    run.market(31)
    assert run.configs()[-1].parts.history_h == 0.0 and run.configs()[-1].edge_bps is None
    assert run.lines()[0] == "No history, the live window alone: no coin has the 3 h that it takes."


def test_a_profile_grows_old_while_the_service_runs():
    run = Run()
    run(HistoryRead(profile(last_ms=T0 - 7 * 24 * HOUR_MS + 60_000)))
    run.market(100)
    lines = [line for line in run.lines() if "istory" in line]
    assert [line.split(" ")[0] for line in lines] == ["History", "No"]
    assert [config.parts.history_h for config in run.configs()] == [72.0, 72.0, 0.0, 0.0]


def test_history_knows_a_coin_from_the_first_word():
    run = Run()
    run(HistoryRead(profile()))
    run.market(2)
    config = run.configs()[-1]
    assert config.edge_bps > 0 and config.rank == 1 and config.reason == ""
    assert config.base_spread_bps == pytest.approx(1.5 + 0.5 + 1.0, abs=0.1)
    assert config.parts.fills_per_hour == pytest.approx((22 * 3) ** 0.5, rel=0.1)
    assert config.parts.adverse_n >= 5000 and config.parts.history_h == 72.0


def test_what_always_lost_is_left_out_from_the_first_word_and_says_why():
    run = Run()
    run(HistoryRead(profile(past(adverse=LOSING))))
    run.market(2)
    config = run.configs()[-1]
    assert not config.enabled and config.reason.startswith("edge -1")
    assert any(line.startswith("BTC not quoted: edge -1") for line in run.lines())


# ---- how much ----


def test_a_changed_market_wins_within_the_window():
    """History says the coin loses; what is seen now does not."""
    run = Run()
    run(HistoryRead(profile(past(adverse=8.0))))
    run.market(30)
    first = run.configs()[-1]
    run.market(1500)
    last = run.configs()[-1]
    assert first.base_spread_bps > 9 and last.base_spread_bps < 0.6 * first.base_spread_bps
    assert last.enabled and last.edge_bps > 0


def test_between_rungs_lines_outside_them_nothing():
    one = past(adverse=1.0, deeper=1.0)
    middle = rung_at(one, 3.0)
    assert middle.adverse_bps.value == pytest.approx(2.5)
    assert middle.fills_per_hour == pytest.approx((22 * 3) ** 0.5)
    assert rung_at(one, 0.5) == one.rungs[0] and rung_at(one, 4.0).adverse_bps.value == 3.0
    assert rung_at(one, 8.1) is None and rung_at(None, 1.0) is None


def test_a_rung_of_few_orders_takes_its_adverse_selection_from_inside():
    thin = past(adverse=1.0, deeper=2.0)
    rungs = [
        msgspec.structs.replace(rung, adverse_bps=measured(rung.adverse_bps.value, 20, windows))
        for rung, windows in zip(thin.rungs, (400.0, 80.0, 9.0, 2.0), strict=True)
    ]
    thin = msgspec.structs.replace(thin, rungs=tuple(rungs))
    assert adverse_at(thin, 8.0, 50).value == adverse_at(thin, 20.0, 50).value == 3.0
    assert adverse_at(thin, 8.0, 500).value == 1.0
    assert adverse_at(past(rungs=()), 8.0, 50) == past().adverse_bps


def test_history_tells_how_much_more_deep_orders_cost_not_how_much_all_do():
    """All orders cost 3 more than they used to: so do the deep ones, of which the window has none."""
    usual = past(adverse=1.0, deeper=2.0)
    live = [markout(reach=0.5, adverse=4.0, time_ms=T0 + 5000 * i) for i in range(240)]
    now = Estimates(Window(live, [1.0] * 1200, 1200.0, 1200.0, 0.0), usual, 1.0)
    level = now.all.adverse_bps
    assert 3.0 < level < 4.0
    assert now.through(4.0).prior_bps == pytest.approx(level + 4.0)


# ---- hour and weekend ----


def test_weekends_and_hours_are_utc():
    hours = tuple(1.0 + hour / 100 for hour in range(24))
    coin = past(hours=hours, weekend=1.5)
    monday = T0 - T0 % (24 * HOUR_MS) - 24 * HOUR_MS
    weekends = [widening(coin, monday + day * 24 * HOUR_MS).weekend for day in range(7)]
    assert weekends == [1.0] * 5 + [1.5] * 2
    assert widening(coin, T0).hour == 1.22 and widening(None, T0).total == 1.0


def test_the_time_of_the_week_widens_within_bounds():
    assert widening(past(hours=(0.5,) * 24), T0).total == 1.0
    saturday = T0 + 4 * 24 * HOUR_MS
    assert widening(past(hours=(3.0,) * 24, weekend=2.0), saturday).total == 4.0


def test_a_chaotic_hour_widens_by_bounded_steps_and_is_named():
    run = Run()
    hours = tuple(3.0 if hour == 23 else 1.0 for hour in range(24))
    run(HistoryRead(profile(past(hours=hours))))
    run.now_ms = T0 + 40 * 60_000  # six minutes before 23:00
    run.market(600)
    spreads = [config.base_spread_bps for config in run.configs()]
    calm = [config.base_spread_bps for config in run.configs() if config.parts.hour_multiplier == 1.0]
    assert spreads[-1] / calm[-1] == pytest.approx(3.0, rel=0.2) and len(calm) == 12
    assert max(new / old for old, new in zip(spreads, spreads[1:], strict=False)) <= 1.5 + 1e-3
    named = [line for line in spread_lines(run.said) if "hour 23 UTC ×3.00" in line]
    assert len(named) == 1 and "on the way to" in named[0]


def test_a_spread_written_by_hand_stays_in_a_chaotic_hour():
    run = Run(overrides={"BTC": {"base_spread_bps": 7.0}})
    run(HistoryRead(profile(past(hours=(3.0,) * 24))))
    run.market(60)
    assert {config.base_spread_bps for config in run.configs()} == {7.0}


# ---- changes of mind ----


COINS = ("A", "B", "C", "D", "E")


def quiet(run, seconds):
    """Books only: history decides."""
    for _ in range(seconds):
        for coin in COINS:
            run(book(run.now_ms, 100.0, coin))
        run.now_ms += 1000
        run(Tick())


def enabled(run):
    return sum(run.configs(coin)[-1].enabled for coin in COINS)


def all_at(adverse):
    return HistoryRead(profile(*(past(coin, adverse=adverse) for coin in COINS)))


def test_three_changes_of_mind_an_hour_over_all_coins():
    run = Run(*COINS)
    run(all_at(0.5))
    quiet(run, 2)
    assert enabled(run) == 5
    run(all_at(LOSING))
    quiet(run, 600)
    assert enabled(run) == 2
    held = [run.configs(coin)[-1] for coin in COINS if run.configs(coin)[-1].enabled]
    assert all("3 coins have changed within the hour" in config.reason and config.edge_bps < 0 for config in held)
    run.now_ms += HOUR_MS
    quiet(run, 40)
    assert enabled(run) == 0


def test_first_verdicts_are_no_changes():
    run = Run(*COINS)
    run(all_at(LOSING))
    quiet(run, 2)
    assert enabled(run) == 0


def test_a_restart_does_not_quote_what_had_been_found_losing():
    lost = AssetConfig(coin="BTC", enabled=False, edge_bps=-2.0, base_spread_bps=8.0, published_ms=T0 - 30_000)
    run = Run(restored=[lost])
    run.market(120, trade_every_s=900)
    assert not any(config.enabled for config in run.configs())
    run.market(1200, trade_every_s=900)
    assert run.configs()[-1].enabled, "but for a window only: nobody stays out for lack of data"


def test_a_profile_that_gets_lost_does_not_bring_back_what_it_had_shown_losing():
    run = Run()
    run(HistoryRead(profile(past(adverse=LOSING))))
    run.market(31, trade_every_s=900)
    run(HistoryRead(None, "file: no market profile"))
    run.market(600, trade_every_s=900)
    config = run.configs()[-1]
    assert not config.enabled and config.edge_bps is None and config.reason.startswith("was losing")
    run.market(900, trade_every_s=900)
    assert run.configs()[-1].enabled


# ---- what is told ----


def test_lines_about_spreads_are_few_and_none_is_lost():
    run = Run(*COINS)
    run(all_at(0.5))
    quiet(run, 2)
    run(all_at(2.0))
    quiet(run, 29)
    first = spread_lines(run.said)
    quiet(run, 60)
    every = spread_lines(run.said)
    assert len(first) == 0 or len(first) == 3
    assert {line.split(" ")[0] for line in every} == set(COINS)
    assert all("AS 0.5" in line for line in every)
    quiet(run, 300)
    assert spread_lines(run.said) == every, "a spread that stays is not told again"


# ---- the door ----


def test_the_door_brings_a_profile_when_it_changes(tmp_path):
    door = ProfileDoor(ScreenerConfig(data_dir=tmp_path), None)
    assert door.look() == HistoryRead(None) and door.look() is None
    write(tmp_path, profile())
    assert door.look() == HistoryRead(profile()) and door.look() is None
    (tmp_path / FILE).write_bytes(b"{")
    news = door.look()
    assert news.profile is None and "no market profile" in news.problem and str(tmp_path) in news.problem
    (tmp_path / FILE).unlink()
    assert door.look() == HistoryRead(None)
