"""From measured order flow to the parameters of every modelled coin.

Recorded coins bring their own numbers. For the others:

- taker rate by the power law fitted over all perps of a recorded stretch of fills; mean size from their volume;
- spread from their own impact prices in the snapshot;
- depth, touch changes and impact by log-log interpolation over day volume between the recorded coins, outside
  their range by the square root of the volume;
- volatility of the nearest established coin by volume; WLFI was recorded in its first days and is left out.
"""

from bisect import bisect
from dataclasses import dataclass
from math import exp, log

from services.venue.market.universe import FlowParameters, ListedCoin, MarketParameters
from shared.units import exact, tick_size

SECONDS_A_DAY = 86_400
RANGE_OF_MINUTE = 1.596 * 60**0.5
"""E[max - min] of a Brownian motion over 60 s with unit variance a second: 2 sqrt(2/pi) sqrt(60)."""
UNSETTLED = {"WLFI"}
GAP_PER_SPREAD = 0.09
"""WLFI, the one recorded coin with a wide spread: gap 1.45 ticks at a spread of 5.9."""
TOUCH_SHARE = 0.6
"""Of the spread between impact prices: the spread at the touch. The rest is the walk into the book (assumed)."""
MIN_TOUCH_USD = 400.0
MIN_LEVEL_USD = 800.0
SMALLEST_LOG_SD = 1.4


@dataclass(frozen=True)
class CoinModel:
    """What drives one modelled coin. Rates a second, sizes in dollars, distances in ticks."""

    coin: ListedCoin
    vol_frac: float
    """Standard deviation of the fair value's log return over a second."""
    spread_ticks: float
    touch_usd: float
    level_usd: float
    level_gap_ticks: float
    touch_changes_per_s: float
    takers_per_s: float
    taker_usd_median: float
    taker_usd_log_sd: float
    hawkes_branching: float
    hawkes_decay_per_s: float
    sign_persistence: float
    impact_ticks: float


def model_of(coin: ListedCoin, market: MarketParameters) -> CoinModel:
    """What drives a coin, its own measurements first."""
    flows = sorted(market.flows, key=lambda flow: flow.day_ntl_usd)
    volume = coin.day_ntl_usd
    own = next((flow for flow in flows if flow.coin == coin.name), None)
    nearest = min(flows, key=lambda flow: abs(log(flow.day_ntl_usd / volume)))
    settled = min(
        (flow for flow in flows if flow.coin not in UNSETTLED),
        key=lambda flow: abs(log(flow.day_ntl_usd / volume)),
    )
    shape = own or nearest
    tick = float(tick_size(exact(coin.mid_px), coin.sz_decimals))
    spread_ticks = own.spread_ticks if own else max(TOUCH_SHARE * coin.spread_bps * 1e-4 * coin.mid_px / tick, 1.1)
    takers = own.takers_per_s if own else market.taker_rate.at(volume)
    log_sd = (
        own.taker_usd_log_sd if own else max(_between(flows, "taker_usd_log_sd", volume, 0.0), SMALLEST_LOG_SD)
    )
    mean_usd = volume / SECONDS_A_DAY / takers
    changes = own.touch_changes_per_s if own else _between(flows, "touch_changes_per_s", volume, 0.2)
    return CoinModel(
        coin=coin,
        vol_frac=(own or settled).minute_atr_frac / RANGE_OF_MINUTE,
        spread_ticks=spread_ticks,
        touch_usd=own.touch_usd if own else max(_between(flows, "touch_usd", volume, 0.5), MIN_TOUCH_USD),
        level_usd=own.level_usd if own else max(_between(flows, "level_usd", volume, 0.5), MIN_LEVEL_USD),
        level_gap_ticks=own.level_gap_ticks if own else 1 + GAP_PER_SPREAD * (spread_ticks - 1),
        touch_changes_per_s=changes,
        takers_per_s=takers,
        taker_usd_median=own.taker_usd_median if own else mean_usd / exp(log_sd**2 / 2),
        taker_usd_log_sd=log_sd,
        hawkes_branching=shape.hawkes_branching,
        hawkes_decay_per_s=shape.hawkes_decay_per_s,
        sign_persistence=shape.sign_persistence,
        impact_ticks=(own.impact_spreads if own else _between(flows, "impact_spreads", volume, 0.0))
        * spread_ticks,
    )


def _between(flows: list[FlowParameters], name: str, volume: float, outside: float) -> float:
    """Log-log interpolation over volume; beyond the measured range the end value times ratio ** outside."""
    volumes = [flow.day_ntl_usd for flow in flows]
    values = [float(getattr(flow, name)) for flow in flows]
    right = bisect(volumes, volume)
    if right in (0, len(volumes)):
        end = -1 if right else 0
        return float(values[end] * (volume / volumes[end]) ** outside)
    share = log(volume / volumes[right - 1]) / log(volumes[right] / volumes[right - 1])
    return values[right - 1] * exp(share * log(values[right] / values[right - 1]))
