"""Gate 1: does a fill earn more than the market takes back? Adverse selection against spread, coin by coin.

GO for a coin when the edge at its best half spread is above zero beyond doubt: chosen and valued on different data
(`analysis.choice`), counted at 5 s, after the fee, only with fills that a quote behind its queue would have had,
and corrected for the number of coins (Holm): with 95 % none of the coins called GO has an edge below zero. NO-GO
when the edge is below zero as surely at every half spread that is filled at least a tenth as often as the
tightest, and none that is filled less often looks better. Funding is left out.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis import gate1_tables
from analysis.bootstrap import Floats, Resampled, resample
from analysis.choice import MIN_FILLS, MIN_HALF_SPREAD_BPS, Choice, candidates, choose, plentiful
from analysis.curves import Market, Point, curve, market, seed_of
from analysis.edges import GRID_BPS, CoinEdges
from analysis.estimates import Estimate, Judgement
from analysis.judging import in_words, overall
from analysis.multiple import holm_levels
from analysis.orders import Array
from analysis.tables import Section

MIN_HOURS, MIN_ORDERS, MIN_WINDOWS = 3.0, 200, 30
"""Less than these is too little, whatever the numbers say."""


class Judged(NamedTuple):
    choice: Choice | None
    edge: Estimate
    """At the chosen half spread, on data that did not choose it."""
    bound: float | None
    """Its one-sided lower bound, corrected for the number of coins; None without enough data."""
    judgement: Judgement


class Coin(NamedTuple):
    """Gate 1 of one coin; the last four as in `Judged`."""

    edges: CoinEdges
    market: Market
    curve: tuple[Point, ...]
    choice: Choice | None
    edge: Estimate
    bound: float | None
    judgement: Judgement


class Gate1(NamedTuple):
    coins: dict[str, Coin]
    section: Section


def gate1(measured: Mapping[str, CoinEdges]) -> Gate1:
    """The verdicts, and what they rest on."""
    judged = judge(measured)
    coins = {name: Coin(edges, market(edges), curve(edges), *judged[name]) for name, edges in measured.items()}
    verdicts = {name: coin.judgement for name, coin in coins.items()}
    section = Section(
        "gate1",
        "Gate 1: adverse selection against spread",
        overall(verdicts, "No coin earns more than the market takes back"),
        verdicts,
        gate1_tables.tables(coins),
        gate1_tables.charts(coins),
    )
    return Gate1(coins, section)


def judge(measured: Mapping[str, CoinEdges]) -> dict[str, Judged]:
    """All coins together, as their number decides how sure each has to be."""
    tests = {name: _test(edges) for name, edges in measured.items()}
    enough = [name for name, edges in measured.items() if not _missing(edges, tests[name])]
    levels = dict(zip(enough, _levels([tests[name] for name in enough]), strict=True))
    return {
        name: Judged(
            tests[name].choice,
            tests[name].estimate,
            tests[name].bounds(levels[name])[0] if name in levels else None,
            _judge(edges, tests[name], levels.get(name)),
        )
        for name, edges in measured.items()
    }


class _Levels(NamedTuple):
    """Of the one-sided bounds, corrected for the number of coins."""

    below: float
    above: float


class _Test(NamedTuple):
    """The edge where it was chosen elsewhere, and the losses (edges with the other sign) at the plentiful half
    spreads."""

    choice: Choice | None
    resampled: Resampled
    estimate: Estimate
    losses: tuple[Resampled, ...]

    def p(self) -> tuple[float, float]:
        """Of "it earns" and of "it loses at each of them"."""
        loses = max((float(one.p_above()[0]) for one in self.losses), default=1.0)
        return float(self.resampled.p_above()[0]), loses

    def bounds(self, levels: _Levels) -> tuple[float, float]:
        """Of the chosen edge from below, of all the plentiful ones from above."""
        above = max((-float(one.low(levels.above)[0]) for one in self.losses), default=np.inf)
        return float(self.resampled.low(levels.below)[0]), above


def _test(edges: CoinEdges) -> _Test:
    choice = choose(edges)
    none = np.zeros(0)
    known, earned = (none, none) if choice is None else (choice.known, choice.earned)
    found = _edge(edges, known, earned, 1, "chosen")
    through = edges.through
    losses = tuple(
        _edge(edges, through.known[:, i], through.capture[:, i] - through.adverse[:, i], -1, f"loss {i}")
        for i in plentiful(edges)
    )
    return _Test(choice, found, found.estimates([int(known.sum())])[0], losses)


def _edge(edges: CoinEdges, known: Array, earned: Array, sign: int, what: str) -> Resampled:
    def statistic(x: Floats) -> Floats:
        return sign * (x[..., [1]] / x[..., [0]] - edges.fee_bps)

    return resample(np.stack([known, earned], axis=1), statistic, seed=seed_of(edges.coin, f"gate 1 {what}"))


def _levels(tests: Sequence[_Test]) -> list[_Levels]:
    p = [test.p() for test in tests]
    below, above = (holm_levels([one[side] for one in p]) for side in (0, 1))
    return [_Levels(*pair) for pair in zip(below, above, strict=True)]


def _missing(edges: CoinEdges, test: _Test) -> list[str]:
    """What is short of the least that a verdict needs."""
    short = []
    if edges.hours < MIN_HOURS:
        short.append(f"{edges.hours:.1f} of {MIN_HOURS:.0f} h of data")
    if edges.orders < MIN_ORDERS:
        short.append(f"{edges.orders} of {MIN_ORDERS} market orders")
    if test.choice is None:
        short.append(f"no half spread from {MIN_HALF_SPREAD_BPS:g} bps on was passed {2 * MIN_FILLS} times")
    elif test.estimate.n_effective < MIN_WINDOWS:
        short.append(f"{test.estimate.n_effective:.0f} of {MIN_WINDOWS} effective windows")
    return short


def _judge(edges: CoinEdges, test: _Test, levels: _Levels | None) -> Judgement:
    if levels is None or test.choice is None:
        missing = "; ".join(_missing(edges, test))
        return Judgement("NOT ENOUGH DATA", f"Too little: {missing}.", in_words(_least_hours(edges, test)))
    edge, (low, high) = float(test.resampled.values[0]), test.bounds(levels)
    at = f"A fill at {test.choice.best_bps:g} bps"
    if low > 0:
        return Judgement(
            "GO", f"{at} keeps {edge:.2f} bps on average after adverse selection and fee, at least {low:.2f}."
        )
    if high < 0 and edge < 0:
        often = [GRID_BPS[i] for i in plentiful(edges)]
        reason = f"From {often[0]:g} to {often[-1]:g} bps a fill loses at least {-high:.2f} bps on average"
        return Judgement("NO-GO", f"{reason}; at {test.choice.best_bps:g} bps, where it costs least, {-edge:.2f}.")
    reason = f"{at} keeps {edge:.2f} bps on average, which is not above zero for sure (at least {low:.2f})."
    z = float(stats.t.ppf(max(levels), max(test.resampled.blocks - 1, 1)))
    wanted = edges.hours * (z * float(test.resampled.se[0]) / max(abs(edge), 1e-9)) ** 2
    return Judgement("NOT ENOUGH DATA", reason, in_words(wanted - edges.hours))


def _least_hours(edges: CoinEdges, test: _Test) -> float:
    """Until the least is there, if the market goes on as it did; what never happened counts as seen once, as its
    rate is unknown."""
    hours = max(edges.hours, 1e-3)
    most_passed = float(edges.through.known.sum(axis=0)[candidates()].max())
    factors = [
        MIN_HOURS / hours,
        MIN_ORDERS / max(edges.orders, 1),
        2 * MIN_FILLS / max(most_passed, 1.0),
        MIN_WINDOWS / max(test.estimate.n_effective, 1.0) if test.choice else 1.0,
    ]
    return hours * (max(factors) - 1)
