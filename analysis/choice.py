"""Which half spread to quote, and what it is worth on data that did not choose it.

The best of many looks better than it is. So the data are cut into stretches of time, even and odd ones; the half
spread that earned most in the even ones is valued in the odd ones, and the other way round. Earnings count the
orders that passed the quote (`through`), captured half spread less adverse selection less fee.
"""

from typing import NamedTuple

import numpy as np

from analysis.edges import GRID_BPS, CoinEdges
from analysis.orders import Array

STRETCHES = 20
MIN_FILLS = 30
"""In each half, for a half spread to be a candidate."""
MIN_FILLS_PER_HOUR, MIN_SHARE = 10.0, 0.1
"""Nor one that is filled less often than this, unless the coin is so quiet that it is a tenth of the fills at the
tightest: what hardly ever happens earns nothing that matters, and takes for ever to judge."""
MIN_HALF_SPREAD_BPS, MAX_HALF_SPREAD_BPS = 1.0, 25.0
"""What `base_spread_bps` may be."""


class Choice(NamedTuple):
    """`best_bps` by all data; `fold_bps` those that each half would have chosen, valued in the other one. The sums
    by window are of the latter: fills, those with a known fate, and what these earned before the fee (bps)."""

    best_bps: float
    fold_bps: tuple[float, float]
    fills: Array
    known: Array
    earned: Array


def choose(edges: CoinEdges) -> Choice | None:
    """None while no half spread was passed often enough in both halves."""
    odd = _odd(edges)
    earned = edges.through.capture - edges.through.adverse
    enough = wide_enough(edges)
    if not enough.any():
        return None

    def best(half: Array) -> int:
        known, gain = edges.through.known[half].sum(axis=0), earned[half].sum(axis=0)
        with np.errstate(all="ignore"):
            edge = gain / known - edges.fee_bps
        income = edges.through.fills[half].sum(axis=0) * edge
        return int(np.argmax(np.where(enough, income, -np.inf)))

    chosen_odd, chosen_even = best(odd), best(~odd)
    column = np.where(odd, chosen_even, chosen_odd)
    rows = np.arange(len(column))
    return Choice(
        GRID_BPS[best(np.ones_like(odd))],
        (GRID_BPS[chosen_even], GRID_BPS[chosen_odd]),
        edges.through.fills[rows, column],
        edges.through.known[rows, column],
        earned[rows, column],
    )


def wide_enough(edges: CoinEdges) -> Array:
    """Which half spreads of the grid may be quoted, and were passed often enough in both halves."""
    enough, odd = candidates(), _odd(edges)
    tightest = int(np.flatnonzero(enough)[0])
    for half in (odd, ~odd):
        known = edges.through.known[half].sum(axis=0)
        often = MIN_FILLS_PER_HOUR * edges.seconds[half].sum() / 3600
        enough &= known >= max(MIN_FILLS, min(often, MIN_SHARE * known[tightest]))
    return enough


def plentiful(edges: CoinEdges) -> list[int]:
    """Numbers in the grid of the half spreads that are filled at least a tenth as often as the tightest."""
    known, allowed = edges.through.known.sum(axis=0), candidates()
    least = max(2 * MIN_FILLS, MIN_SHARE * known[int(np.flatnonzero(allowed)[0])])
    return [int(i) for i in np.flatnonzero(allowed & (known >= least))]


def _odd(edges: CoinEdges) -> Array:
    """Windows of the odd stretches of time."""
    windows = len(edges.seconds)
    return np.asarray(np.arange(windows) * STRETCHES // max(windows, 1) % 2 == 1)


def candidates() -> Array:
    """Which half spreads of the grid may be quoted at all."""
    return np.array([MIN_HALF_SPREAD_BPS <= bps <= MAX_HALF_SPREAD_BPS for bps in GRID_BPS])
