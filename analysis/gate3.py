"""Gate 3: which `base_spread_bps` (a half spread) each coin should be quoted at, and what it would earn.

Recommended is the half spread of the grid with the highest income per hour: fills behind the queue × edge. What
it earns is valued on data that did not choose it (`analysis.choice`). The range beside it ends at the next half
spreads that earn less for sure. The formula max(1.0, spread/2, 1/κ + AS + fee) stands beside both.

GO for a coin when its income is above zero beyond doubt, corrected for the number of coins (Holm), within the
bounds of the setting, on a day and a half of data.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis import gate3_tables
from analysis.bootstrap import Floats, Resampled, resample
from analysis.choice import MIN_HALF_SPREAD_BPS, Choice, choose, wide_enough
from analysis.curves import from_log, seed_of
from analysis.edges import GRID_BPS, CoinEdges
from analysis.estimates import LEVEL, Estimate, Judgement
from analysis.gate1 import MIN_WINDOWS
from analysis.judging import in_words, overall
from analysis.multiple import holm_levels
from analysis.orders import HEADLINE_S, HORIZONS_S
from analysis.tables import Section

MIN_HOURS = 36.0
"""A day and a half: less sees no hour of the day twice."""


class Rate(NamedTuple):
    """One half spread of the grid: income in bps of an order's value per hour."""

    half_spread_bps: float
    fills_per_hour: Estimate
    income_bps: Estimate


class Coin(NamedTuple):
    """Gate 3 of one coin. Fills and income are of orders resting on both sides all the time."""

    edges: CoinEdges
    choice: Choice | None
    half_spread_bps: Estimate
    """Recommended; the range ends where the income is lower for sure."""
    formula_bps: Estimate
    fills_per_hour: Estimate
    income_bps: Estimate
    """Per hour, in bps of an order's value, where it was chosen elsewhere."""
    curve: tuple[Rate, ...]
    judgement: Judgement


class Gate3(NamedTuple):
    coins: dict[str, Coin]
    min_order_usd: float
    section: Section


def gate3(measured: Mapping[str, CoinEdges], min_order_usd: float = 12.0) -> Gate3:
    """All coins together, as their number decides how sure each has to be."""
    choices = {name: choose(edges) for name, edges in measured.items()}
    tests = {name: _test(edges, choices[name]) for name, edges in measured.items()}
    enough = [name for name, edges in measured.items() if not _missing(edges, choices[name], tests[name])]
    p = [tests[name].p_above() for name in enough]
    above, below = (holm_levels([float(one[sign]) for one in p]) for sign in (1, 2))
    levels = {name: pair for name, *pair in zip(enough, above, below, strict=True)}
    coins = {}
    for name, edges in measured.items():
        choice, test = choices[name], tests[name]
        n = 0 if choice is None else int(choice.fills.sum())
        fills, earned, _ = test.estimates([n, n, n])
        coins[name] = Coin(
            edges,
            choice,
            _recommended(edges, choice),
            _formula(edges),
            from_log(fills),
            earned,
            income(edges),
            _judge(edges, choice, test, levels.get(name)),
        )
    verdicts = {name: coin.judgement for name, coin in coins.items()}
    section = Section(
        "gate3",
        "Gate 3: calibrated spreads",
        overall(verdicts, "No half spread earns anything on any coin"),
        verdicts,
        gate3_tables.tables(coins, min_order_usd),
        gate3_tables.charts(coins, min_order_usd),
    )
    return Gate3(coins, min_order_usd, section)


def _test(edges: CoinEdges, choice: Choice | None) -> Resampled:
    """Logarithm of fills per hour; income per hour, and the same with the other sign."""
    sums = np.zeros((0, 4))
    if choice is not None:
        sums = np.stack([edges.seconds, choice.fills, choice.known, choice.earned], axis=1)

    def statistic(x: Floats) -> Floats:
        fills = 3600 * x[..., [1]] / x[..., [0]]
        income = fills * (x[..., [3]] / x[..., [2]] - edges.fee_bps)
        return np.concatenate([np.log(fills), income, -income], axis=-1)

    return resample(sums, statistic, seed=seed_of(edges.coin, "gate 3"))


def _rates(edges: CoinEdges, i: int) -> Floats:
    """Window sums of one half spread: seconds, fills, those with a known fate, what these earned."""
    fills = edges.through
    return np.stack(
        [edges.seconds, fills.fills[:, i], fills.known[:, i], fills.capture[:, i] - fills.adverse[:, i]], axis=1
    )


def income(edges: CoinEdges) -> tuple[Rate, ...]:
    """At every half spread of the grid."""

    def statistic(x: Floats) -> Floats:
        fills = 3600 * x[..., [1]] / x[..., [0]]
        return np.concatenate([np.log(fills), fills * (x[..., [3]] / x[..., [2]] - edges.fee_bps)], axis=-1)

    found = []
    for i, half_spread_bps in enumerate(GRID_BPS):
        sums = _rates(edges, i)
        seed = seed_of(edges.coin, f"income {i}")
        fills, earned = resample(sums, statistic, seed=seed).estimates([int(sums[:, 1].sum())] * 2)
        found.append(Rate(half_spread_bps, from_log(fills), earned))
    return tuple(found)


def _recommended(edges: CoinEdges, choice: Choice | None) -> Estimate:
    """The best half spread, between the next ones whose income is below the best one's with 95 %."""
    if choice is None:
        return Estimate(None, None, None, 0, 0.0)
    best = GRID_BPS.index(choice.best_bps)
    alike, worth = [best], float(len(edges.seconds))

    def less(x: Floats) -> Floats:
        income = [
            x[..., [at]] / x[..., [0]] * (x[..., [at + 2]] / x[..., [at + 1]] - edges.fee_bps) for at in (1, 4)
        ]
        return np.asarray(income[1] - income[0])

    for i in np.flatnonzero(wide_enough(edges)).tolist():
        sums = np.concatenate([_rates(edges, best), _rates(edges, i)[:, 1:]], axis=1)
        if i != best:
            found = resample(sums, less, seed=seed_of(edges.coin, f"against {i}"))
            worth = min(worth, float(found.n_effective[0]))
            alike += [] if found.high(LEVEL)[0] < 0 else [i]
    low, high = GRID_BPS[max(min(alike) - 1, 0)], GRID_BPS[min(max(alike) + 1, len(GRID_BPS) - 1)]
    n = int(edges.through.fills[:, best].sum())
    if worth < MIN_WINDOWS:
        return Estimate(choice.best_bps, None, None, n, worth)
    return Estimate(choice.best_bps, max(low, MIN_HALF_SPREAD_BPS), high, n, min(worth, float(n)))


def _formula(edges: CoinEdges) -> Estimate:
    """max(1.0, spread/2, 1/κ + AS + fee), with the adverse selection of all market orders, if positive."""
    headline = HORIZONS_S.index(HEADLINE_S)
    orders, beyond = edges.side_orders.sum(axis=1), edges.side_beyond.sum(axis=1)
    columns = (
        edges.seconds, edges.spread, orders, beyond, edges.known[:, headline], edges.adverse[:, headline],
    )  # fmt: skip

    def statistic(x: Floats) -> Floats:
        needed = x[..., [3]] / x[..., [2]] + np.maximum(x[..., [5]] / x[..., [4]], 0.0) + edges.fee_bps
        return np.maximum(np.maximum(needed, x[..., [1]] / x[..., [0]] / 2), MIN_HALF_SPREAD_BPS)

    sums = np.stack(columns, axis=1)
    return resample(sums, statistic, seed=seed_of(edges.coin, "formula")).estimates([int(orders.sum())])[0]


def _missing(edges: CoinEdges, choice: Choice | None, test: Resampled) -> list[str]:
    short = []
    if edges.hours < MIN_HOURS:
        short.append(f"{edges.hours:.1f} of {MIN_HOURS:.0f} h of data")
    if choice is None:
        short.append("no half spread was passed often enough")
    elif test.n_effective[1] < MIN_WINDOWS:
        short.append(f"{test.n_effective[1]:.0f} of {MIN_WINDOWS} effective windows")
    return short


def _judge(edges: CoinEdges, choice: Choice | None, test: Resampled, levels: list[float] | None) -> Judgement:
    if levels is None or choice is None:
        hours = max(edges.hours, 1e-3)
        factor = max(
            MIN_HOURS / hours,
            MIN_WINDOWS / max(float(test.n_effective[1]), 1e-9) if choice else 1.0,
        )
        missing = "; ".join(_missing(edges, choice, test))
        return Judgement("NOT ENOUGH DATA", f"Too little: {missing}.", in_words(hours * (factor - 1)))
    best, earned = choice.best_bps, float(test.values[1])
    low, high = float(test.low(levels[0])[1]), -float(test.low(levels[1])[2])
    bounds = f"{low:.1f} to {high:.1f}"
    if low > 0:
        reason = f"base_spread_bps = {best:g} earns {earned:.1f} bps of an order an hour, at least {low:.1f}."
        return Judgement("GO", reason)
    if high < 0:
        reason = f"Even at {best:g} bps it loses {-earned:.1f} bps of an order an hour, at least {-high:.1f}."
        return Judgement("NO-GO", reason)
    z = float(stats.t.ppf(max(levels), max(test.blocks - 1, 1)))
    wanted = edges.hours * (z * float(test.se[1]) / max(abs(earned), 1e-9)) ** 2
    reason = f"At {best:g} bps it earns {earned:.1f} bps of an order an hour, not to be told from zero ({bounds})."
    return Judgement("NOT ENOUGH DATA", reason, in_words(wanted - edges.hours))
