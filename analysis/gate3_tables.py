"""What gate 3 shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from analysis.choice import MAX_HALF_SPREAD_BPS, MIN_HALF_SPREAD_BPS
from analysis.estimates import Estimate
from analysis.tables import Cell, Chart, Column, Series, Table

if TYPE_CHECKING:
    from analysis.gate3 import Coin

MIN_SHOWN = 10
"""A half spread with fewer fills is left out of tables and charts."""
MOST_CURVES = 12
"""Charts of single coins, those with the most market orders."""


def tables(coins: Mapping[str, Coin], min_order_usd: float) -> tuple[Table, ...]:
    return _recommended(coins, min_order_usd), _curves(coins, min_order_usd)


def charts(coins: Mapping[str, Coin], min_order_usd: float) -> tuple[Chart, ...]:
    busiest = sorted(coins, key=lambda name: -coins[name].edges.orders)[:MOST_CURVES]
    curves = (_chart(name, coins[name], min_order_usd) for name in busiest)
    return tuple(chart for chart in curves if chart.series[0].x)


def in_usd(income_bps: Estimate, order_usd: float) -> Estimate:
    """Income of orders of that value."""
    value, low, high = (
        None if bps is None else bps * 1e-4 * order_usd
        for bps in (income_bps.value, income_bps.low, income_bps.high)
    )
    return income_bps._replace(value=value, low=low, high=high)


def _recommended(coins: Mapping[str, Coin], min_order_usd: float) -> Table:
    columns = (
        Column("coin"), Column("verdict"), Column("base_spread_bps", "bps", 1), Column("formula", "bps"),
        Column("fills", "/h", 1), Column("income", "USD/h", 4),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            coin.judgement,
            coin.half_spread_bps,
            coin.formula_bps,
            coin.fills_per_hour,
            in_usd(coin.income_bps, min_order_usd),
        )
        for name, coin in coins.items()
    ]
    about = (
        f"base_spread_bps is a half spread, {MIN_HALF_SPREAD_BPS:g} to {MAX_HALF_SPREAD_BPS:g}; in brackets the "
        "next ones that earn less for sure. Formula: max(1.0, spread/2, 1/κ + AS + fee). Income: fills an hour x "
        f"edge, of ${min_order_usd:g} resting on both sides all the time, behind the queue, without funding, "
        "position limits or our own delay; chosen on one half of the data and valued on the other."
    )
    return Table("Recommended half spread", columns, tuple(rows), about)


def _curves(coins: Mapping[str, Coin], min_order_usd: float) -> Table:
    columns = (
        Column("coin"), Column("half spread", "bps", 1), Column("fills", "/h", 1), Column("income", "USD/h", 4),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (name, at.half_spread_bps, at.fills_per_hour, in_usd(at.income_bps, min_order_usd))
        for name, coin in coins.items()
        for at in coin.curve
        if at.income_bps.n >= MIN_SHOWN
    ]
    about = f"Only half spreads that at least {MIN_SHOWN} orders passed; intervals 95 %, each for itself."
    return Table("Income by half spread", columns, tuple(rows), about)


def _chart(name: str, coin: Coin, min_order_usd: float) -> Chart:
    shown = [
        (at.half_spread_bps, in_usd(at.income_bps, min_order_usd))
        for at in coin.curve
        if at.income_bps.n >= MIN_SHOWN and at.income_bps.low is not None
    ]
    line = Series(
        "income",
        tuple(bps for bps, _ in shown),
        tuple(usd.value or 0.0 for _, usd in shown),
        tuple(usd.low or 0.0 for _, usd in shown),
        tuple(usd.high or 0.0 for _, usd in shown),
    )
    about = f"Of ${min_order_usd:g} resting on both sides, behind the queue."
    return Chart(f"{name}: income by half spread", "half spread (bps)", "USD an hour", (line,), about=about)
