"""One coin's market at one moment: its window of live data, with history where there is some.

A number of history weighs like as many live observations as it has itself (`n_effective`: an inverse variance in
units of one observation's), but at most like `history.SHARE` of the window. It fills the place of the built-in
priors, which only make up what it lacks. Of a quote at some distance history tells how much more the orders that
get there cost than all orders do; the level is that of now, so a market that turns bad does so at every distance.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from services.screener.history import SHARE, adverse_at, rung_at
from services.screener.markouts import HORIZON_MS, Markout
from shared.market_profile import CoinProfile, Measured

REACH_PRIOR_BPS, REACH_PRIOR_ORDERS = 1.5, 20
"""1/κ before anything is known, as if measured on so many orders. Recorded BTC, ETH and SOL gave 1.0 to 1.9 bps;
at the 6.67 bps of an older prior (κ = 1500 per unit of price) the first minutes saw no fill at all."""
REACH_RANGE_BPS = (0.5, 50.0)
"""κ outside 200 … 20,000 per unit of price is a wrong unit or a broken sample, not a market."""
PRIOR_WEIGHT = 50
"""5 s windows that a prior counts for."""


class Sample(NamedTuple):
    """Mean and spread of adverse selection. `n` counts orders; `n_effective` 5 s windows, as overlapping ones
    measure the same move."""

    n: int
    n_effective: int
    mean_bps: float
    sd_bps: float


class Fills(NamedTuple):
    """Market orders that fill a quote at some distance: their adverse selection, and how often they come.

    `prior` is what was to be expected of them before the window, worth `prior_windows`. `through` counts the
    fills, `orders` the orders whose adverse selection was measured for them, live and from history.
    """

    seen: Sample
    prior_bps: float
    prior_windows: float
    sd_bps: float
    per_hour: float
    through: int
    orders: int

    @property
    def adverse_bps(self) -> float:
        n = self.seen.n_effective
        return (self.prior_windows * self.prior_bps + n * self.seen.mean_bps) / (self.prior_windows + n)

    @property
    def cost_bps(self) -> float:
        """Adverse selection to price in: a market that moves in our favour is no reason to quote tighter."""
        return max(0.0, self.adverse_bps)


class Window(NamedTuple):
    """Live data of a coin. `tick_bps` is its price step."""

    markouts: Sequence[Markout]
    spreads_bps: Sequence[float]
    """Touch to touch, one a second."""
    seen_s: float
    length_s: float
    tick_bps: float


class Estimates:
    """`others_bps` is the adverse selection of other coins: what to expect of one without a past."""

    def __init__(self, window: Window, history: CoinProfile | None, others_bps: float) -> None:
        self._window, self._history = window, history
        self._by_reach = sorted(window.markouts, key=lambda markout: markout.reach_bps)
        self._reaches = [markout.reach_bps for markout in self._by_reach]
        self._deepest = _deepest(self._by_reach)
        self._most_s = SHARE * window.length_s
        self._past_s = min(history.hours_of_data * 3600, self._most_s) if history else 0.0
        self.touch_bps = self._spread_bps() / 2
        self.beyond_bps = self._beyond_bps()
        self.all = self._all(others_bps)

    def through(self, half_spread_bps: float) -> Fills:
        """Orders that trade beyond a quote at this distance, and so take everybody who stood at its price, those
        before us in the queue too. A quote rests at the first price outside its distance; beyond it is one step
        more. Where they are few, their adverse selection is that of the deepest orders there were: a handful says
        nothing, and all orders say too little, as most of them stop at the touch."""
        first = bisect_left(self._reaches, half_spread_bps + self._window.tick_bps)
        live, seen = len(self._reaches) - first, sample(self._by_reach[min(first, self._deepest) :])
        history, rung, through = self._history, rung_at(self._history, half_spread_bps), live
        prior_bps, prior_windows = self.all.cost_bps, float(PRIOR_WEIGHT)
        orders, fills, seen_s = seen.n, float(live), self._window.seen_s
        if history is not None:
            adverse = adverse_at(history, half_spread_bps, PRIOR_WEIGHT)
            more_bps = adverse.value - history.adverse_bps.value
            prior_bps, prior_windows = _prior(self.all.adverse_bps + more_bps, self._windows(adverse), prior_bps)
            orders += adverse.n
        if history is not None and rung is not None:
            fills += rung.fills_per_hour * self._past_s / 3600
            seen_s += self._past_s
            through += round(rung.fills_per_hour * history.hours_of_data)
        sd_bps = _pooled_sd((seen.n_effective, seen.sd_bps), (PRIOR_WEIGHT, self.all.sd_bps))
        per_hour = fills / seen_s * 3600 if seen_s else 0.0
        return Fills(seen, prior_bps, prior_windows, sd_bps, per_hour, through, orders)

    def _all(self, others_bps: float) -> Fills:
        seen, history = sample(self._by_reach), self._history
        if history is None:
            return Fills(seen, others_bps, PRIOR_WEIGHT, seen.sd_bps, 0.0, seen.n, seen.n)
        past = history.adverse_bps
        weight = self._windows(past)
        sd_bps = _pooled_sd((seen.n_effective, seen.sd_bps), (weight, past.se * math.sqrt(past.n_effective)))
        orders = seen.n + history.market_orders
        return Fills(seen, *_prior(past.value, weight, others_bps), sd_bps, 0.0, orders, orders)

    def _windows(self, past: Measured) -> float:
        return min(past.n_effective, self._most_s * 1000 / HORIZON_MS)

    def _spread_bps(self) -> float:
        """Weighted by time."""
        total = math.fsum(self._window.spreads_bps)
        past_s = self._past_s
        known_s = len(self._window.spreads_bps) + past_s
        past_bps = self._history.spread_bps.value if self._history else 0.0
        return (total + past_s * past_bps) / known_s if known_s else 0.0

    def _beyond_bps(self) -> float:
        """1/κ: mean reach beyond the touch of the moment, drawn towards what was known before."""
        known, orders = math.fsum(markout.beyond_bps for markout in self._by_reach), len(self._by_reach)
        past_orders, past_bps, history = 0.0, 0.0, self._history
        if history is not None and history.hours_of_data > 0:
            in_share = history.market_orders * self._past_s / (history.hours_of_data * 3600)
            past_orders = max(in_share, min(history.market_orders, REACH_PRIOR_ORDERS))
            past_bps = history.beyond_bps.value
        built_in = max(0.0, REACH_PRIOR_ORDERS - past_orders)
        known += past_orders * past_bps + built_in * REACH_PRIOR_BPS
        low, high = REACH_RANGE_BPS
        return min(max(known / (orders + past_orders + built_in), low), high)


def sample(markouts: Sequence[Markout]) -> Sample:
    values = [markout.adverse_bps for markout in markouts]
    if not values:
        return Sample(0, 0, 0.0, 0.0)
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1)
    windows = len({markout.time_ms // HORIZON_MS for markout in markouts})
    return Sample(len(values), windows, mean, math.sqrt(variance))


def _deepest(by_reach: Sequence[Markout]) -> int:
    """Where the orders begin that reach deepest, worth as much as a prior."""
    windows: set[int] = set()
    for index in range(len(by_reach) - 1, -1, -1):
        windows.add(by_reach[index].time_ms // HORIZON_MS)
        if len(windows) == PRIOR_WEIGHT:
            return index
    return 0


def _prior(past_bps: float, past_windows: float, otherwise_bps: float) -> tuple[float, float]:
    """History, made up to `PRIOR_WEIGHT` by what would be expected without it."""
    missing = max(0.0, PRIOR_WEIGHT - past_windows)
    weight = past_windows + missing
    return (past_windows * past_bps + missing * otherwise_bps) / weight, weight


def _pooled_sd(*parts: tuple[float, float]) -> float:
    """Of (weight, standard deviation); 0 while nothing is known."""
    weight = sum(weight for weight, _ in parts)
    return math.sqrt(sum(weight * sd**2 for weight, sd in parts) / weight) if weight else 0.0
