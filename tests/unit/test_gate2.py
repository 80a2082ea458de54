"""Minutes, hours of the day and weekends: verdicts on planted days, and honesty about what was not seen."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.estimates import Estimate
from analysis.gate2 import gate2, hours_until_seen
from analysis.gate4 import gate4
from analysis.hours import MIN_CELL_S, fit, pooled
from analysis.minutes import CoinMinutes, measure, sigma, weekend
from analysis.profiles import profiles
from analysis.quantiles import quantiles
from analysis.store import open_store
from services.screener.bars import Bar, atr
from shared.data_files import DEPTH, TICKS, TRADES
from shared.regime import HALT_ATR_FRAC
from tests.fixtures.planted import PlantedCoin, write_days

MONDAY, THURSDAY = date(2026, 1, 5), date(2026, 1, 8)
WILD = tuple(2.5 if hour == 14 else 1.0 for hour in range(24))


def minutes_of(folder: Path, coins: list[PlantedCoin], first: date, days: int) -> dict[str, CoinMinutes]:
    write_days(folder, coins, first, days, seed=7, families=(TICKS, TRADES), sample_ms=1250)
    with open_store(folder, threads=1) as store:
        return {coin: measure(store, coin) for coin in store.coins}


def invented(days: int, seen: Any = None, **changed: float) -> CoinMinutes:
    """A calm coin from a Monday on; `seen` chooses the minutes with data."""
    n = days * 1440
    rng = np.random.default_rng(3)
    kept = np.ones(n, bool) if seen is None else seen
    level = {"seconds": 60.0, "returns": 12.0, "moved": 12.0, "pairs": 12.0, "atr": 1e-3, "true_range": 1e-3}
    columns: dict[str, Any] = {name: np.where(kept, value, 0.0) for name, value in (level | changed).items()}
    columns["square"] = np.where(kept, 1e-8 * 60 * rng.chisquare(12, n) / 12, 0.0)
    columns |= {
        "bipower": columns["square"],
        "spread": 4 * columns["seconds"] * np.exp(0.1 * rng.standard_normal(n)),
    }
    zeros = np.zeros(n)
    first = (MONDAY - date(1970, 1, 1)).days * 1440
    return CoinMinutes(
        coin="AAA", minute=first + np.arange(n), orders=zeros, known=zeros, adverse=zeros, **columns
    )


# ---- minutes -------------------------------------------------------------------------------------------------


def test_minutes_hold_what_was_planted_and_nothing_of_the_hole(tmp_path: Path) -> None:
    coin = PlantedCoin(holes=((3.0, 4.5),), orders_per_s=0.1)
    (one,) = minutes_of(tmp_path, [coin], MONDAY, 1).values()
    assert one.hours_of_data == pytest.approx(22.5, abs=0.01)
    in_hole = (one.minute % 1440 >= 180) & (one.minute % 1440 < 270)
    assert not one.seconds[in_hole].any() and not one.returns[in_hole].any() and not one.orders[in_hole].any()
    assert np.isnan(one.true_range[in_hole]).all()
    assert one.spread.sum() / one.seconds.sum() == pytest.approx(4.0, rel=0.01)
    assert float(sigma(one.square.sum(), one.returns.sum())) == pytest.approx(coin.sigma_total, rel=0.03)
    assert one.orders.sum() == pytest.approx(0.2 * 22.5 * 3600, rel=0.05)


def test_the_range_is_the_screeners(tmp_path: Path) -> None:
    """Also across minutes: a gap between two closes is part of the true range."""
    (one,) = minutes_of(tmp_path, [PlantedCoin(sigma=5e-4)], MONDAY, 1).values()
    with open_store(tmp_path, threads=1) as store:
        rows = store.sql(
            "SELECT max(mid), min(mid), arg_max(mid, timestamp_ms) FROM ticks GROUP BY timestamp_ms // 60000 "
            "ORDER BY timestamp_ms // 60000"
        ).fetchall()
    found = atr([Bar(*row) for row in rows[:100]], 14)
    assert one.true_range[:100] == pytest.approx([r / row[2] for r, row in zip(found.tr, rows, strict=False)])
    assert one.atr[99] == pytest.approx(found.fraction_last)
    assert np.isnan(one.atr[:13]).all() and np.isfinite(one.atr[13])


def test_weekends_are_saturdays_and_sundays() -> None:
    days = [(date(2026, 1, day) - date(1970, 1, 1)).days for day in range(5, 12)]
    assert weekend(np.array(days)).tolist() == [False] * 5 + [True] * 2


# ---- hours ---------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_days_do_not_matter_and_missing_hours_are_no_reason_to_be_wrong(seed: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    hour, day = rng.standard_normal(24), 5 * rng.standard_normal((days, 1))
    table = hour + day
    table[0, rng.integers(0, 24, 10)] = np.nan
    found = fit(table)
    assert found.effect == pytest.approx(hour - np.median(hour), abs=1e-8)


def test_coins_that_move_together_are_one_observation() -> None:
    rng = np.random.default_rng(1)
    common, days = rng.standard_normal((3, 24)), np.arange(3)
    one, ten = fit(pooled([(days, common)])), fit(pooled([(days, common + level) for level in range(10)]))
    assert ten.se == pytest.approx(one.se)


@given(st.lists(st.integers(0, 2), min_size=24, max_size=24), st.integers(0, 23))
def test_hours_until_seen_is_enough_and_one_less_is_not(missing: list[int], next_hour: int) -> None:
    hours = hours_until_seen(np.array(missing), next_hour)
    seen = np.bincount((next_hour + np.arange(hours)) % 24, minlength=24)
    assert (seen >= missing).all()
    fewer = np.bincount((next_hour + np.arange(max(hours - 1, 0))) % 24, minlength=24)
    assert hours == 0 or (fewer < missing).any()


# ---- gate 2 --------------------------------------------------------------------------------------------------


def test_a_planted_hour_is_named_and_widened_and_an_even_coin_is_left_alone(tmp_path: Path) -> None:
    noise: dict[str, Any] = {"clustering": 0.3, "spread_noise": 0.2, "orders_per_s": 0.05}
    coins = [PlantedCoin("WILD", hours=WILD, **noise), PlantedCoin("EVEN", **noise)]
    found = gate2(minutes_of(tmp_path, coins, MONDAY, 3))
    assert found.section.judgement is not None and found.section.judgement.verdict == "GO"
    assert found.profiles["WILD"].chaotic == (14,) and found.profiles["EVEN"].chaotic == ()
    assert 1.5 < found.hours["WILD"][14] < 3.5
    assert sum(multiplier > 1 for multiplier in found.hours["EVEN"]) <= 3
    assert any(reason.startswith("14-15 UTC") for reason in found.reasons["WILD"])
    assert len(found.section.tables) == 5 and found.section.charts


@pytest.mark.parametrize(
    ("days", "seen", "reason", "needs"),
    [
        (1, slice(0, 20), "24 hours of the day were never seen for 30 min", "48 h"),
        (1, slice(0, 1440), "24 hours of the day were seen on one day only", "24 h"),
        (1, slice(0, 600), "14 hours of the day were never seen for 30 min, 10 seen on one day only", "38 h"),
    ],
)
def test_what_was_not_seen_is_told_with_how_long_it_takes(days: int, seen: slice, reason: str, needs: str) -> None:
    kept = np.zeros(1440 * days, bool)
    kept[seen] = True
    one = invented(days, kept)
    found = gate2({"AAA": one.where(np.arange(len(kept)) < seen.stop)})
    judgement = found.section.by_coin["AAA"]
    assert judgement.verdict == "NOT ENOUGH DATA" and judgement.reason == reason and needs in judgement.needs
    assert found.hours["AAA"] == (1.0,) * 24 and found.reasons["AAA"] == ()


def test_a_coin_that_never_leaves_the_halt_regime_is_no_go() -> None:
    assert gate2({"AAA": invented(3)}).section.by_coin["AAA"].verdict == "GO"
    judgement = gate2({"AAA": invented(3, atr=2 * HALT_ATR_FRAC)}).section.by_coin["AAA"]
    assert judgement.verdict == "NO-GO" and "halt" in judgement.reason


def test_days_that_vary_too_much_to_find_anything_are_not_enough() -> None:
    one = invented(2)
    wild = np.exp(1.5 * np.random.default_rng(4).standard_normal(48))[(one.minute - one.minute[0]) // 60]
    judgement = gate2({"AAA": one._replace(square=one.square * wild**2)}).section.by_coin["AAA"]
    assert judgement.verdict == "NOT ENOUGH DATA" and "days more" in judgement.needs


def test_an_hour_seen_for_less_than_half_of_it_does_not_count() -> None:
    kept = np.tile(np.arange(1440) % 60 < MIN_CELL_S // 60 - 1, 3)
    assert gate2({"AAA": invented(3, kept)}).section.by_coin["AAA"].verdict == "NOT ENOUGH DATA"


def test_an_event_of_one_day_widens_no_hour() -> None:
    one = invented(2).where(np.arange(2880) < 1440 + 12 * 60)
    event = np.where((one.hour == 18) & (one.day == one.day[0]), 5.0, 1.0)
    found = gate2({"AAA": one._replace(square=one.square * event**2)})
    assert found.hours["AAA"][18] == 1.0 and found.profiles["AAA"].chaotic == ()
    ratio = found.profiles["AAA"].sigma.ratio(18)
    assert ratio.value == pytest.approx(5.0, rel=0.2) and ratio.low is None and ratio.n == 1


# ---- gate 4 --------------------------------------------------------------------------------------------------


def test_a_loud_weekend_is_found_and_one_weekend_is_said_to_be_one(tmp_path: Path) -> None:
    noise: dict[str, Any] = {"clustering": 0.3, "spread_noise": 0.2, "orders_per_s": 0.05}
    coins = [PlantedCoin("LOUD", weekend=1.6, **noise), PlantedCoin("EVEN", **noise)]
    found = gate4(minutes_of(tmp_path, coins, THURSDAY, 5))
    assert found.section.judgement is not None and found.section.judgement.verdict == "GO"
    assert 1.3 < found.weekend["LOUD"] < 1.9 and found.reasons["LOUD"]
    assert found.weekend["EVEN"] == 1.0 and found.reasons["EVEN"] == ()
    assert "one weekend" in found.section.by_coin["LOUD"].reason


def test_gate_4_names_the_days_it_needs() -> None:
    judgement = gate4({"AAA": invented(3)}).section.by_coin["AAA"]
    assert judgement.verdict == "NOT ENOUGH DATA"
    assert "1 Saturday, 1 Sunday" in judgement.needs and "weekday" not in judgement.needs
    assert gate4({"AAA": invented(7)}).section.by_coin["AAA"].verdict == "GO"
    short = np.tile(np.arange(1440) < 19 * 60, 7)
    assert "2 weekdays" in gate4({"AAA": invented(7, short)}).section.by_coin["AAA"].needs
    assert gate4({"AAA": invented(7, atr=1.01 * HALT_ATR_FRAC)}).section.by_coin["AAA"].verdict == "NO-GO"


# ---- profiles ------------------------------------------------------------------------------------------------


def test_profiles_say_what_was_planted(tmp_path: Path) -> None:
    coin = PlantedCoin(impact_bps=0.0, orders_per_s=0.02, level_usd=3000.0, holes=((6, 24),))
    write_days(tmp_path, [coin], MONDAY, 1, seed=2, families=(TICKS, DEPTH), sample_ms=1250)
    with open_store(tmp_path, threads=1) as store:
        spread, volatility, depth = profiles(store, {"AAA": measure(store, "AAA")})
    assert _near(spread.tables[0].rows[0][2], 4.0)
    assert _near(spread.tables[0].rows[0][4], 4.0)
    assert _near(volatility.tables[0].rows[0][1], 1.0)
    assert _near(volatility.tables[0].rows[0][4], 1.0)
    touch, five, reach, *within = (depth.tables[0].rows[0][i] for i in (2, 6, 7, 8, 9))
    assert _near(touch, 3000.0) and _near(five, 15_000.0) and _near(reach, 2.0 + 4 * 0.4)
    assert all(_near(near, 15_000.0) for near in within)


def _near(found: object, truth: float) -> bool:
    assert isinstance(found, Estimate) and found.value is not None
    return abs(found.value - truth) < 0.03 * truth and found.n > 0


def test_profiles_of_a_coin_without_depth_or_trades(tmp_path: Path) -> None:
    write_days(tmp_path, [PlantedCoin(holes=((0.1, 24),))], MONDAY, 1, seed=2, families=(TICKS,))
    with open_store(tmp_path, threads=1) as store:
        minutes = {"AAA": measure(store, "AAA")}
        spread, _, depth = profiles(store, minutes)
    mean = spread.tables[0].rows[0][2]
    assert isinstance(mean, Estimate) and mean.value is not None and mean.low is None
    assert depth.tables[0].rows == () and not minutes["AAA"].orders.any()


def test_quantiles_weigh_and_stay_within_the_data() -> None:
    rng = np.random.default_rng(5)
    values, windows = rng.lognormal(0, 1, 3000), np.arange(3000) // 20
    (median,) = quantiles(values, np.ones(3000), windows, (0.5,), seed=1)
    assert median.low is not None and median.high is not None
    assert median.low < 1.0 < median.high and median.high - median.low < 0.2
    (weighted,) = quantiles(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 8.0]), np.arange(3), (0.5,), seed=1)
    assert weighted.value == 3.0 and weighted.low is None
