"""What each coin is like: spread, volatility, and what is displayed near the mid."""

from collections.abc import Mapping
from zlib import crc32

import numpy as np

from analysis.bootstrap import Floats, resample
from analysis.estimates import Estimate
from analysis.minutes import CoinMinutes, sigma, spread_of
from analysis.orders import BPS, Array, read_ticks
from analysis.quantiles import quantiles
from analysis.store import Store
from analysis.tables import Cell, Chart, Column, Section, Series, Table
from shared.data_files import DEPTH_LEVELS

QUANTILES = (0.05, 0.5, 0.95)
NEAR_BPS = (5.0, 10.0)
MIN_MOVED = 0.8
"""Share of five-second returns that must not be zero; with fewer, bipower variation shows jumps that are none."""
YEAR_S = 31_536_000
DEPTH_EVERY_MS = 5000
MINUTE_MS = 60_000


def profiles(store: Store, minutes: Mapping[str, CoinMinutes]) -> tuple[Section, ...]:
    """Spread, volatility and depth of all coins."""
    return spread_section(store, minutes), volatility_section(minutes), depth_section(store, tuple(minutes))


# ---- spread --------------------------------------------------------------------------------------------------


def spread_section(store: Store, minutes: Mapping[str, CoinMinutes]) -> Section:
    columns = (
        Column("coin"), Column("data", "h", 1), Column("mean", "bps"), Column("5 %", "bps"),
        Column("median", "bps"), Column("95 %", "bps"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    bars = []
    for coin, one in minutes.items():
        mean = _ratio(one, "spread", "seconds", seed=_seed(coin))
        rows.append((coin, one.hours_of_data, mean, *_spread_quantiles(store, coin)))
        bars.append(mean)
    about = (
        "Touch to touch over the mid, weighted by time; holes not counted. n: minutes for the mean, ticks for the "
        "quantiles."
    )
    tables = (Table("Spread", columns, tuple(rows), about),)
    return Section("spread", "Spread", None, {}, tables, _bars("Spread", "mean spread (bps)", [*minutes], bars))


def _spread_quantiles(store: Store, coin: str) -> list[Estimate]:
    ticks = read_ticks(store, coin)
    standing = ticks.standing_ms()
    known = standing > 0
    window = ticks.time_ms[known] // _window_ms(ticks.time_ms)
    return quantiles(ticks.spread_bps[known], standing[known], window, QUANTILES, _seed(coin))


def _window_ms(time_ms: Array) -> int:
    """At most 300 windows of whole minutes."""
    span = int(time_ms[-1] - time_ms[0]) if len(time_ms) else 0
    return MINUTE_MS * max(1, -(-span // (300 * MINUTE_MS)))


# ---- volatility ----------------------------------------------------------------------------------------------


def volatility_section(minutes: Mapping[str, CoinMinutes]) -> Section:
    columns = (
        Column("coin"), Column("σ", "bps/√s"), Column("σ", "%/year", 0), Column("σ without jumps", "bps/√s"),
        Column("RV/BV"), Column("moved", "%", 0),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    bars = []
    for coin, one in minutes.items():
        found = resample(
            one.sums("square", "returns", "bipower", "pairs"), _volatility, seed=_seed(coin)
        ).estimates([int(one.returns.sum())] * 3)
        moved = float(one.moved.sum() / max(one.returns.sum(), 1.0))
        year = _times(found[0], YEAR_S**0.5 / 100)
        jumps: tuple[Cell, Cell] = (found[1], found[2]) if moved >= MIN_MOVED else (None, None)
        rows.append((coin, found[0], year, *jumps, 100 * moved))
        bars.append(found[0])
    about = (
        "From mids five seconds apart (n of them), holes not crossed. Without jumps: bipower variation; RV/BV is "
        f"1 in a market that never jumps. Both need {MIN_MOVED:.0%} of the returns to move."
    )
    tables = (Table("Volatility", columns, tuple(rows), about),)
    charts = _bars("Volatility", "σ (bps per √s)", [*minutes], bars)
    return Section("volatility", "Volatility", None, {}, tables, charts)


def _volatility(sums: Floats) -> Floats:
    """σ from squares, σ from bipower variation, and the ratio of the two variances."""
    square, returns, bipower, pairs = (sums[..., i] for i in range(4))
    total, smooth = sigma(square, returns), sigma(bipower, pairs)
    return np.stack([BPS * total, BPS * smooth, (total / smooth) ** 2], axis=-1)


# ---- depth ---------------------------------------------------------------------------------------------------


def depth_section(store: Store, coins: tuple[str, ...]) -> Section:
    columns = (
        Column("coin"), Column("n"), Column("touch", "USD", 0),
        *(Column(f"{level} levels", "USD", 0) for level in range(2, DEPTH_LEVELS + 1)),
        Column("reach", "bps", 1),
        *(Column(f"within {near:g} bps", "USD", 0) for near in NEAR_BPS),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    bars, named = [], []
    for coin in coins:
        sums = _depth_sums(store, coin)
        n = int(sums[:, 0].sum()) if len(sums) else 0
        if n:
            found = resample(sums, lambda total: total[..., 1:] / total[..., :1], seed=_seed(coin), reps=999)
            estimates = found.estimates([n] * (sums.shape[1] - 1))
            rows.append((coin, n, *estimates))
            bars.append(estimates[0])
            named.append(coin)
    about = (
        f"Displayed on one side, mean of bid and ask, from one book every {DEPTH_EVERY_MS // 1000} s (n). Reach: "
        f"how far level {DEPTH_LEVELS} stands from the mid; depth beyond is not recorded, so `within` is a lower "
        "bound where it is less."
    )
    tables = (Table("Displayed depth", columns, tuple(rows), about),)
    return Section("depth", "Depth", None, {}, tables, _bars("Depth", "displayed at the touch (USD)", named, bars))


def _depth_sums(store: Store, coin: str) -> Floats:
    """By minute: books, cumulated USD of 1 … 5 levels, distance of the last level, USD within `NEAR_BPS`."""
    levels = range(1, DEPTH_LEVELS + 1)
    mid = "((bid_px_1 + ask_px_1) / 2)"

    def usd(side: str, level: int, near: float | None = None) -> str:
        px, sz = f"{side}_px_{level}", f"{side}_sz_{level}"
        within = f" * (abs({px} - {mid}) <= {near / BPS} * {mid})::INT" if near else ""
        return f"coalesce({px} * {sz}{within}, 0)"

    def both(terms: list[str]) -> str:
        return f"sum({' + '.join(terms)}) / 2"

    columns = [
        *(both([usd(side, k) for side in ("bid", "ask") for k in range(1, level + 1)]) for level in levels),
        f"sum(coalesce({BPS} * (ask_px_{DEPTH_LEVELS} - bid_px_{DEPTH_LEVELS}) / {mid}, 0)) / 2",
        *(both([usd(side, k, near) for side in ("bid", "ask") for k in levels]) for near in NEAR_BPS),
    ]
    depth = store.of("depth", coin)
    found = store.arrays(f"""
        SELECT timestamp_ms // {MINUTE_MS} AS minute, count(*)::DOUBLE AS n,
            {", ".join(f"{column} AS c{i}" for i, column in enumerate(columns))}
        FROM {depth} WHERE timestamp_ms IN
            (SELECT max(timestamp_ms) FROM {depth} GROUP BY timestamp_ms // {DEPTH_EVERY_MS})
        GROUP BY minute ORDER BY minute
    """)
    return np.stack([found["n"], *(found[f"c{i}"] for i in range(len(columns)))], axis=1).astype(float)


# ---- all -----------------------------------------------------------------------------------------------------


def _ratio(minutes: CoinMinutes, over: str, under: str, seed: int) -> Estimate:
    found = resample(minutes.sums(over, under), lambda sums: spread_of(sums[..., :1], sums[..., 1:]), seed=seed)
    return found.estimates([int((minutes.seconds > 0).sum())])[0]


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (None if part is None else factor * part for part in estimate[:3])
    return estimate._replace(value=value, low=low, high=high)


def _bars(title: str, y_label: str, coins: list[str], found: list[Estimate]) -> tuple[Chart, ...]:
    if not found:
        return ()
    known = all(one.low is not None for one in found)
    series = Series(
        y_label,
        tuple(float(i) for i in range(len(found))),
        tuple(one.value or 0.0 for one in found),
        tuple(one.low or 0.0 for one in found) if known else (),
        tuple(one.high or 0.0 for one in found) if known else (),
    )
    return (Chart(f"{title} by coin", "coin", y_label, (series,), "bar", tuple(coins)),)


def _seed(coin: str) -> int:
    return crc32(coin.encode())
