"""From estimates to a half spread that pays for itself, and what it should earn.

    floor = max(1.0, half the quoted spread, fee + AS + 1/κ)          bps

With fills arriving like A·exp(−κδ), the expected income A·exp(−κδ)·(δ − AS − fee) is largest at
δ = 1/κ + AS + fee. 1/κ is how far beyond the touch market orders reach on average (maximum likelihood of an
exponential shifted to the touch, with a prior). AS is the 5 s adverse selection of the orders that go through δ:
deep fills come from sweeps, so it is measured again at the spread the first pass found. A negative AS never
tightens.

The formula knows no deep liquidity and no toxic one, so some wider spreads are held against it with the fills and
the adverse selection that were really measured there; the best lower bound of income per hour is quoted.
"""

import math
from typing import NamedTuple

from services.screener.estimates import PRIOR_WEIGHT, Estimates, Fills

MIN_BASE_SPREAD_BPS = 1.0
MAX_STEP_FRAC = 0.5
RUNGS = (1.0, 1.25, 1.5, 2.0, 3.0)
"""Spreads that are compared, in floors."""
MIN_RUNG_ORDERS = 10
"""A spread through which fewer orders have gone is an anecdote, not an alternative."""
BETTER = 1.2
"""How much more another rung must promise: changing costs the place in the queue."""


class Score(NamedTuple):
    """Expected result per fill and per hour; `lcb` is one (z) standard error below the expectation."""

    as_shrunk_bps: float
    edge_bps: float
    se_bps: float
    edge_lcb_bps: float
    usd_per_hour: float
    score_usd_per_hour: float
    keep: bool


class Price(NamedTuple):
    """The half spread of the formula, and the one below which a fill costs money."""

    floor_bps: float
    break_even_bps: float


class Terms(NamedTuple):
    """What a fill costs or brings whatever its distance."""

    fee_bps: float
    funding_bps: float
    """A cost is negative."""
    fill_usd: float


class Bound(NamedTuple):
    """Comparable: what pays even in the worse case comes before what may not."""

    pays: bool
    value: float
    """USD per hour if it pays, else bps per fill."""


def score(
    capture_bps: float,
    as_mean_bps: float,
    as_sd_bps: float,
    n_markouts: int,
    fee_bps: float,
    funding_bps: float,
    fills_per_hour: float,
    avg_fill_usd: float,
    prior_as_bps: float,
    prior_n: float = PRIOR_WEIGHT,
    z: float = 1.0,
) -> Score:
    """edge = capture − AS − fee + funding, with AS shrunk to its prior; `keep` when even the lower bound pays."""
    weight = prior_n + n_markouts
    as_shrunk = (prior_n * prior_as_bps + n_markouts * as_mean_bps) / weight
    edge = capture_bps - as_shrunk - fee_bps + funding_bps
    se = as_sd_bps / math.sqrt(weight)
    usd_per_bps_hour = 1e-4 * fills_per_hour * avg_fill_usd
    lower = edge - z * se
    return Score(as_shrunk, edge, se, lower, edge * usd_per_bps_hour, lower * usd_per_bps_hour, lower > 0)


def score_at(half_spread_bps: float, fills: Fills, terms: Terms) -> Score:
    """Of a quote at this distance from the mid, which a fill captures."""
    return score(
        capture_bps=half_spread_bps,
        as_mean_bps=fills.seen.mean_bps,
        as_sd_bps=fills.sd_bps,
        n_markouts=fills.seen.n_effective,
        fee_bps=terms.fee_bps,
        funding_bps=terms.funding_bps,
        fills_per_hour=fills.per_hour,
        avg_fill_usd=terms.fill_usd,
        prior_as_bps=fills.prior_bps,
        prior_n=fills.prior_windows,
    )


def price(market: Estimates, fee_bps: float) -> Price:
    """The formula above, its AS measured first over all orders, then over those that go through the answer."""
    all_bps = market.all.cost_bps
    first = max(MIN_BASE_SPREAD_BPS, market.touch_bps, fee_bps + all_bps + market.beyond_bps)
    through_bps = market.through(first).cost_bps
    return Price(max(first, fee_bps + through_bps + market.beyond_bps), fee_bps + max(all_bps, through_bps))


def best_rung(market: Estimates, floor_bps: float, max_bps: float, terms: Terms, current: float | None) -> float:
    """The rung with the best lower bound of income; if none has one over zero, that with the best bound of a fill.
    The floor always takes part, the others if they have been measured; `current` stays unless clearly beaten."""
    bounds = {}
    for rung in RUNGS:
        spread_bps = min(floor_bps * rung, max_bps)
        fills = market.through(spread_bps)
        if rung == RUNGS[0] or fills.through >= MIN_RUNG_ORDERS:
            bounds[rung] = _bound(score_at(spread_bps, fills, terms))
    best = max(bounds, key=lambda rung: bounds[rung])
    if current is None or current not in bounds:
        return best
    now = bounds[current]
    return current if now.pays and bounds[best].value <= BETTER * now.value else best


def step(previous_bps: float | None, wanted_bps: float, break_even_bps: float, max_bps: float) -> float:
    """At most half of the previous spread per publication, but never left below break-even; at most `max_bps`."""
    spread = wanted_bps
    if previous_bps is not None:
        spread = min(max(spread, previous_bps * (1 - MAX_STEP_FRAC)), previous_bps * (1 + MAX_STEP_FRAC))
    return min(max(spread, break_even_bps, MIN_BASE_SPREAD_BPS), max_bps)


def _bound(result: Score) -> Bound:
    return Bound(result.keep, result.score_usd_per_hour if result.keep else result.edge_lcb_bps)
