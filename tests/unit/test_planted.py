"""The modelled days are what they say: every later claim about estimates rests on them."""

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from shared.data_files import DEPTH, TICKS, TRADES
from tests.fixtures.planted import ALL, PlantedCoin, write_days

DAY = date(2026, 1, 5)
ORDERS = """
    WITH orders AS (
        SELECT timestamp_ms AS t, side, CASE side WHEN 'B' THEN max(px) ELSE min(px) END AS px, count(*) AS prints
        FROM read_parquet('{trades}') GROUP BY t, side),
    before AS (SELECT o.*, k.mid, k.bid, k.ask, k.timestamp_ms AS seen
        FROM orders o ASOF JOIN read_parquet('{ticks}') k ON o.t > k.timestamp_ms),
    after AS (SELECT b.*, k.mid AS later FROM before b ASOF JOIN read_parquet('{ticks}') k
        ON b.t + 5000 >= k.timestamp_ms)
    SELECT CASE WHEN side = 'B' THEN 1 ELSE -1 END * (px - mid) / mid * 1e4 AS reach,
        CASE WHEN side = 'B' THEN px - ask ELSE bid - px END / mid * 1e4 AS beyond,
        CASE WHEN side = 'B' THEN 1 ELSE -1 END * (later - mid) / mid * 1e4 AS adverse, t, seen, prints
    FROM after
"""


def orders_of(folder: Path, coin: PlantedCoin) -> dict[str, np.ndarray]:
    files = {
        "ticks": TICKS.parquet_path(folder, coin.coin, DAY),
        "trades": TRADES.parquet_path(folder, coin.coin, DAY),
    }
    return duckdb.sql(ORDERS.format(**files)).fetchnumpy()


def z_of(values: np.ndarray, truth: float) -> float:
    return float((values.mean() - truth) / (values.std() / np.sqrt(len(values))))


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_market_orders_have_the_planted_rate_reach_and_impact(tmp_path: Path, slope: float) -> None:
    coin = PlantedCoin(impact_bps=1.5, impact_slope=slope, orders_per_s=0.3, sigma=5e-5)
    write_days(tmp_path, [coin], DAY, days=1, seed=3)
    orders = orders_of(tmp_path, coin)
    n = len(orders["t"])
    assert n == pytest.approx(0.6 * 86_400, rel=4 / np.sqrt(n))
    assert orders["beyond"].min() == pytest.approx(0, abs=1e-9)
    assert abs(z_of(orders["beyond"], coin.beyond_bps)) < 4
    assert abs(z_of(orders["adverse"], coin.adverse_bps())) < 4
    assert (orders["t"] - orders["seen"]).max() <= 500
    assert orders["prints"].max() > 1
    for half_spread in (2.5, 4.0, 6.0):
        through = orders["reach"] > half_spread + 1e-9
        expected = 2 * 86_400 * coin.fills_per_s(half_spread)
        assert through.sum() == pytest.approx(expected, abs=4 * np.sqrt(expected) + 0.02 * expected)
        assert abs(z_of(orders["adverse"][through], coin.adverse_bps(half_spread))) < 4


def test_clustering_leaves_the_stated_values_true(tmp_path: Path) -> None:
    coin = PlantedCoin(clustering=0.5, clustering_s=60, orders_per_s=0.5)
    write_days(tmp_path, [coin], DAY, days=1, seed=4)
    adverse = orders_of(tmp_path, coin)["adverse"]
    mids = duckdb.sql(
        f"SELECT mid FROM read_parquet('{TICKS.parquet_path(tmp_path, 'AAA', DAY)}') WHERE timestamp_ms % 5000 = 0"
    ).fetchnumpy()["mid"]
    assert len(adverse) == pytest.approx(86_400, rel=0.05)
    assert adverse.mean() == pytest.approx(coin.adverse_bps(), abs=0.06)
    assert np.sqrt(np.mean(np.diff(np.log(mids)) ** 2) / 5) == pytest.approx(coin.sigma_total, rel=0.05)


def test_wild_hours_weekends_and_holes_are_where_they_were_planted(tmp_path: Path) -> None:
    hours = tuple(2.0 if hour == 14 else 1.0 for hour in range(24))
    coin = PlantedCoin("W:X", hours=hours, weekend=1.5, spread_noise=0.3, holes=((3, 4.5),))
    write_days(tmp_path, [coin], date(2026, 1, 9), days=2, seed=5, families=ALL)  # a Friday and a Saturday
    spreads = []
    for day in (date(2026, 1, 9), date(2026, 1, 10)):
        file = TICKS.parquet_path(tmp_path, "W:X", day)
        rows = duckdb.sql(
            f"SELECT timestamp_ms // 3600000 % 24 AS h, avg(spread_bps) AS s FROM '{file}' GROUP BY h"
        )
        spreads.append(dict(rows.fetchall()))
    friday, saturday = spreads
    assert 3 not in friday and 4 in friday
    assert friday[14] / friday[10] == pytest.approx(2, rel=0.1)
    assert saturday[10] / friday[10] == pytest.approx(1.5, rel=0.1)
    depth = duckdb.sql(f"SELECT * FROM '{DEPTH.parquet_path(tmp_path, 'W:X', date(2026, 1, 9))}'").fetchnumpy()
    assert (depth["bid_px_1"] > depth["bid_px_2"]).all() and (depth["ask_px_1"] < depth["ask_px_2"]).all()


def test_the_same_seed_is_the_same_day_and_decimals_print_as_written(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_days(tmp_path / name, [PlantedCoin()], DAY, days=1, seed=6)
    one, two = (TRADES.parquet_path(tmp_path / name, "AAA", DAY) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    ticks = duckdb.sql(f"SELECT * FROM '{TICKS.parquet_path(tmp_path / 'one', 'AAA', DAY)}'").fetchnumpy()
    assert all(len(repr(px).split(".")[1]) <= 3 for px in ticks["bid"][:1000].tolist())
    assert (np.diff(ticks["timestamp_ms"]) > 0).all()
    assert np.allclose(ticks["mid"], (ticks["bid"] + ticks["ask"]) / 2, atol=1e-9)
