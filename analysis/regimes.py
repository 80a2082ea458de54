"""The 1-minute ATR a coin really has, against the edges that tell calm from uncertain from halt.

Recommended edges are shares of the coin's own minutes: calm ends where `CALM_SHARE` of the minutes of its usual
hours lie below, halt begins where `HALT_SHARE` of all its minutes do.
"""

from typing import NamedTuple

import numpy as np

from analysis.estimates import Estimate
from analysis.hours import HOURS
from analysis.minutes import CoinMinutes
from analysis.orders import Array
from analysis.quantiles import quantiles
from shared.regime import CALM_ATR_FRAC, HALT_ATR_FRAC

CALM_SHARE, HALT_SHARE = 0.90, 0.99
MIN_MINUTES = 600
"""With an ATR, for an interval: the last hundredth of fewer is a handful of minutes, one event."""


class Regimes(NamedTuple):
    """`calm` … `halt`: shares of the minutes as the configured edges sort them. Edges are fractions of price."""

    minutes: int
    calm: float
    uncertain: float
    halt: float
    calm_edge: Estimate
    halt_edge: Estimate
    hourly_atr: Array
    """Mean by hour of the day."""


def regimes(minutes: CoinMinutes, usual: Array, seed: int) -> Regimes:
    """`usual`: by hour of the day, is it none of the chaotic ones?"""
    known = np.isfinite(minutes.atr)
    atr, hour, at = minutes.atr[known], minutes.hour[known], minutes.minute[known] // 60
    count = len(atr)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_hour = np.bincount(hour, atr, minlength=HOURS) / np.bincount(hour, minlength=HOURS)
    calm, uncertain, halt = (
        np.histogram(atr, [0.0, CALM_ATR_FRAC, HALT_ATR_FRAC, np.inf])[0] / max(count, 1)
    ).tolist()
    return Regimes(
        minutes=count,
        calm=calm,
        uncertain=uncertain,
        halt=halt,
        calm_edge=_edge(atr[usual[hour]], at[usual[hour]], CALM_SHARE, seed),
        halt_edge=_edge(atr, at, HALT_SHARE, seed),
        hourly_atr=by_hour,
    )


def _edge(atr: Array, hour: Array, share: float, seed: int) -> Estimate:
    """Hour by hour, as neighbouring minutes share their bars."""
    (edge,) = quantiles(atr, np.ones(len(atr)), hour, (share,), seed)
    return edge if len(atr) >= MIN_MINUTES else edge._replace(low=None, high=None)
