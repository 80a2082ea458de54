"""From markouts to a half spread that pays for itself, and what it should earn.

    half spread = max(1.0, half the quoted spread, fee + AS + 1/κ)          bps

With fills arriving like A·exp(−κδ), the expected income A·exp(−κδ)·(δ − AS − fee) is largest at
δ = 1/κ + AS + fee. 1/κ is how far beyond the touch market orders reach on average (maximum likelihood of an
exponential shifted to the touch, with a prior). AS is the 5 s adverse selection of the orders that reach δ: deep
fills come from sweeps, so it is measured again at the spread the first pass found. A negative AS never tightens.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from services.screener.markouts import HORIZON_MS, Markout

MIN_BASE_SPREAD_BPS = 1.0
REACH_PRIOR_BPS, REACH_PRIOR_ORDERS = 1.5, 20
"""1/κ before anything is known, as if measured on so many orders. Recorded BTC, ETH and SOL gave 1.0 to 1.9 bps;
at the 6.67 bps of an older prior (κ = 1500 per unit of price) the first minutes saw no fill at all."""
REACH_RANGE_BPS = (0.5, 50.0)
"""κ outside 200 … 20,000 per unit of price is a wrong unit or a broken sample, not a market."""
PRIOR_WEIGHT = 50
MAX_STEP_FRAC = 0.5


class Sample(NamedTuple):
    """Mean and spread of adverse selection. `n` counts orders; `n_effective` 5 s windows, as overlapping ones
    measure the same move."""

    n: int
    n_effective: int
    mean_bps: float
    sd_bps: float


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
    """The half spread wanted, and the one below which a fill costs money."""

    half_spread_bps: float
    break_even_bps: float
    as_bps: float
    """Adverse selection of all orders, the prior for those that reach us."""


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


def sample(markouts: Sequence[Markout]) -> Sample:
    values = [markout.adverse_bps for markout in markouts]
    if not values:
        return Sample(0, 0, 0.0, 0.0)
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1)
    windows = len({markout.time_ms // HORIZON_MS for markout in markouts})
    return Sample(len(values), windows, mean, math.sqrt(variance))


def reach_bps(markouts: Sequence[Markout]) -> float:
    """1/κ in bps: mean reach beyond the touch of the moment, drawn towards the prior while orders are few."""
    low, high = REACH_RANGE_BPS
    known = math.fsum(markout.beyond_bps for markout in markouts) + REACH_PRIOR_ORDERS * REACH_PRIOR_BPS
    return min(max(known / (len(markouts) + REACH_PRIOR_ORDERS), low), high)


def price(markouts: Sequence[Markout], mean_spread_bps: float, fee_bps: float, as_prior_bps: float) -> Price:
    """The formula above, its AS measured first over all orders, then over those that reach the first answer."""
    beyond_bps = reach_bps(markouts)
    as_all_bps = _adverse(sample(markouts), as_prior_bps)
    first = max(MIN_BASE_SPREAD_BPS, mean_spread_bps / 2, fee_bps + as_all_bps + beyond_bps)
    as_reaching_bps = _adverse(sample([m for m in markouts if m.reach_bps >= first]), as_all_bps)
    return Price(
        max(first, fee_bps + as_reaching_bps + beyond_bps), fee_bps + max(as_all_bps, as_reaching_bps), as_all_bps
    )


def step(previous_bps: float | None, wanted: Price, max_bps: float) -> float:
    """At most half of the previous spread per publication, but never left below break-even; at most `max_bps`."""
    spread = wanted.half_spread_bps
    if previous_bps is not None:
        spread = min(max(spread, previous_bps * (1 - MAX_STEP_FRAC)), previous_bps * (1 + MAX_STEP_FRAC))
    return min(max(spread, wanted.break_even_bps, MIN_BASE_SPREAD_BPS), max_bps)


def _adverse(measured: Sample, prior_bps: float) -> float:
    n = measured.n_effective
    return max(0.0, (PRIOR_WEIGHT * prior_bps + n * measured.mean_bps) / (PRIOR_WEIGHT + n))
