"""What gate 1 shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from analysis.edges import BEYOND_BPS
from analysis.orders import HEADLINE_S, HORIZONS_S
from analysis.tables import Cell, Chart, Column, Series, Table

if TYPE_CHECKING:
    from analysis.gate1 import Coin

MIN_SHOWN = 10
"""A half spread that fewer orders passed is left out of tables and charts."""
MOST_CURVES = 12
"""Charts of single coins, those with the most market orders."""
CLASSES = (
    "the touch", *(f"up to {bps:g} bps beyond" for bps in BEYOND_BPS[1:]), f"over {BEYOND_BPS[-1]:g} bps beyond",
)  # fmt: skip


def tables(coins: Mapping[str, Coin]) -> tuple[Table, ...]:
    return _verdicts(coins), _horizons(coins), _rules(coins), _classes(coins), _curves(coins)


def charts(coins: Mapping[str, Coin]) -> tuple[Chart, ...]:
    busiest = sorted(coins, key=lambda name: -coins[name].edges.orders)[:MOST_CURVES]
    curves = (_curve(name, coins[name]) for name in busiest)
    return (_against(coins), *(chart for chart in curves if chart.series[0].x))


def _verdicts(coins: Mapping[str, Coin]) -> Table:
    columns = (
        Column("coin"), Column("verdict"), Column("data", "h", 1), Column("market orders"),
        Column("best half spread", "bps", 1), Column("edge there", "bps"), Column("at least", "bps"),
        Column("fills", "/h", 1),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for name, coin in coins.items():
        choice, hours = coin.choice, coin.edges.hours
        rows.append(
            (
                name,
                coin.judgement,
                hours,
                coin.edges.orders,
                choice.best_bps if choice else None,
                coin.edge,
                coin.bound,
                float(choice.fills.sum()) / hours if choice and hours else None,
            )
        )
    about = (
        "Edge: what a fill keeps, in bps of its value: captured half spread - adverse selection at "
        f"{HEADLINE_S} s - maker fee. The half spread was chosen on one half of the data and valued on the other. "
        "Fills: market orders that traded beyond the quote, so whoever stood in its queue was filled. At least: "
        "lower bound that holds for all coins together with 95 %. Funding is not counted."
    )
    return Table("Edge by coin", columns, tuple(rows), about)


def _horizons(coins: Mapping[str, Coin]) -> Table:
    columns = (Column("coin"), *(Column(f"{horizon} s", "bps") for horizon in HORIZONS_S))
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, *coin.market.adverse) for name, coin in coins.items())
    about = (
        "Move of the mid against a maker after a market order, from the mid before it; all market orders alike. "
        "Long horizons measure the market's own wandering: their intervals are wide."
    )
    return Table("Adverse selection by horizon", columns, rows, about)


def _rules(coins: Mapping[str, Coin]) -> Table:
    columns = (
        Column("coin"), Column("spread", "bps"), Column(f"AS {HEADLINE_S} s", "bps"), Column("fee", "bps"),
        Column("spread > AS"), Column("spread/2 > AS + fee"), Column("spread/2 - AS - fee", "bps"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for name, coin in coins.items():
        adverse = coin.market.adverse[HORIZONS_S.index(HEADLINE_S)]
        found = coin.market.rules
        passed = ("yes" if found.seed_pass else "no", "yes" if found.strict_pass else "no")
        known = coin.market.strict.value is not None
        rows.append(
            (
                name,
                coin.market.spread,
                adverse,
                coin.edges.fee_bps,
                *(passed if known else (None, None)),
                coin.market.strict,
            )
        )
    about = (
        "Quoting at the touch. The first rule is the simple one; a fill earns only half of the spread and pays "
        "the maker fee, so the second one counts. Neither knows that those who trade through a quote know more: "
        "the verdict does. The spread's n counts seconds."
    )
    return Table("The spread rules", columns, tuple(rows), about)


def _classes(coins: Mapping[str, Coin]) -> Table:
    columns = (
        Column("coin"), Column("order went to"), Column("orders"), Column(f"AS {HEADLINE_S} s", "bps"),
        Column("displayed ahead", "USD", 0), Column("order", "USD", 0), Column("took it all", "%", 0),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for name, coin in coins.items():
        queues = coin.edges.queues
        for i, (label, found) in enumerate(zip(CLASSES, coin.market.classes, strict=True)):
            if found.n:
                sizes = (queues.ahead_usd[i], queues.order_usd[i], 100 * queues.cleared_frac[i]) if queues else ()
                rows.append((name, label, found.n, found, *(map(float, sizes) if sizes else (None,) * 3)))
    about = (
        "Who reaches deep knows more. Displayed ahead: median value shown in the book before the order, up to its "
        "deepest price, which trades before whoever stands last there; unknown beyond five levels. Took it all: "
        "share of the orders at least as large as that."
    )
    return Table("Adverse selection by reach", columns, tuple(rows), about)


def _curves(coins: Mapping[str, Coin]) -> Table:
    columns = (
        Column("coin"), Column("half spread", "bps", 1), Column("fills", "/h", 1),
        Column("if first in line", "/h", 1), Column("AS", "bps"), Column("edge", "bps"),
    )  # fmt: skip
    rows = [
        (name, at.half_spread_bps, at.through_per_hour, at.front_per_hour, at.adverse, at.edge)
        for name, coin in coins.items()
        for at in coin.curve
        if at.edge.n >= MIN_SHOWN
    ]
    about = (
        "Quotes on both sides, rounded outwards to the price step. Fills: orders beyond the quote; if first in "
        f"line: all that reached it. Only half spreads that at least {MIN_SHOWN} orders passed; intervals 95 %, "
        "each for itself."
    )
    return Table("Edge by half spread", columns, tuple(rows), about)


def _against(coins: Mapping[str, Coin]) -> Chart:
    index = HORIZONS_S.index(HEADLINE_S)
    names = [n for n, c in coins.items() if c.market.spread.value is not None and c.market.adverse[index].value]
    x = tuple(float(i) for i in range(len(names)))
    half = tuple((coins[name].market.spread.value or 0.0) / 2 for name in names)
    cost = tuple((coins[name].market.adverse[index].value or 0.0) + coins[name].edges.fee_bps for name in names)
    return Chart(
        "Half the spread against its cost",
        "coin",
        "bps",
        (Series("half the spread", x, half), Series(f"adverse selection at {HEADLINE_S} s + fee", x, cost)),
        kind="bar",
        labels=tuple(names),
        about="A quote at the touch pays where the first bar is the higher one.",
    )


def _curve(name: str, coin: Coin) -> Chart:
    shown = [at for at in coin.curve if at.edge.n >= MIN_SHOWN and at.edge.low is not None]
    line = Series(
        "edge",
        tuple(at.half_spread_bps for at in shown),
        tuple(at.edge.value or 0.0 for at in shown),
        tuple(at.edge.low or 0.0 for at in shown),
        tuple(at.edge.high or 0.0 for at in shown),
    )
    return Chart(f"{name}: edge by half spread", "half spread (bps)", "bps of a fill", (line,))
