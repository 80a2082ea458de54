"""Funding of Hyperliquid perpetuals: the venue's rule, its payments, and what to expect next.

Sign: a positive rate is paid by longs to shorts. The venue computes a rate per 8 hours and pays an eighth of it
every hour on the oracle price; its API shows the hourly rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

INTEREST_8H_FRAC = 0.0001
CLAMP_8H_FRAC = 0.0005
CAP_1H_FRAC = 0.04
HALT_8H_FRAC = 0.003
"""|rate| per 8 hours above which nobody should hold a position for a spread."""
HOURS_PER_YEAR = 8760
HOUR_MS = 3_600_000

AR1_MIN_HOURS = 48
"""Fewer hourly samples say nothing about persistence; an EWMA is used instead."""
EWMA_HALF_LIFE_H = 8.0
_MAX_PHI = 0.999

Number = TypeVar("Number", float, Decimal)


@dataclass(frozen=True, slots=True)
class FundingRate:
    """The venue's rate: per 8 hours as quoted, per hour as paid (capped at 4 %), and annualised."""

    rate_8h_frac: float
    rate_1h_frac: float
    annual_frac: float


@dataclass(frozen=True, slots=True)
class Ar1:
    """f_{t+1} = c + phi f_t + noise, fitted by least squares, and its forecasts for the asked horizons."""

    phi: float
    c: float
    phi_bias_corrected: float
    """Least squares finds phi too low by about (1 + 3 phi) / n (Marriott and Pope 1954); reported, not used."""
    mu: float
    half_life_steps: float
    forecast: tuple[float, ...]
    """E f_{t+h}."""
    cum_forecast: tuple[float, ...]
    """E of the sum f_{t+1} … f_{t+h}."""


def hl_rate(avg_premium_frac: float) -> FundingRate:
    """F8 = P + clamp(interest - P, ±0.05 %), an eighth of it paid each hour."""
    rate_8h = avg_premium_frac + _clip(INTEREST_8H_FRAC - avg_premium_frac, -CLAMP_8H_FRAC, CLAMP_8H_FRAC)
    rate_1h = _clip(rate_8h / 8, -CAP_1H_FRAC, CAP_1H_FRAC)
    return FundingRate(rate_8h, rate_1h, rate_1h * HOURS_PER_YEAR)


def payment(position_sz: Number, oracle_px: Number, rate_1h_frac: Number) -> Number:
    """USD received (+) or paid (-) for one hour by a signed position; exact for `Decimal` arguments."""
    return -position_sz * oracle_px * rate_1h_frac


def ar1(rates: Sequence[float], horizons: Sequence[int]) -> Ar1:
    """Fit to equally spaced rates (at least 3). Forecasts use phi held in [0, 0.999], so they never explode."""
    before, after = rates[:-1], rates[1:]
    n = len(before)
    mean_before, mean_after = math.fsum(before) / n, math.fsum(after) / n
    var = math.fsum((x - mean_before) ** 2 for x in before)
    cov = math.fsum((x - mean_before) * (y - mean_after) for x, y in zip(before, after, strict=True))
    phi = cov / var if var > 0 else 0.0
    c = mean_after - phi * mean_before
    mu = c / (1 - phi) if phi <= _MAX_PHI else math.fsum(rates) / len(rates)
    held = _clip(phi, 0.0, _MAX_PHI)
    away = rates[-1] - mu
    return Ar1(
        phi=phi,
        c=c,
        phi_bias_corrected=phi + (1 + 3 * phi) / n,
        mu=mu,
        half_life_steps=math.log(0.5) / math.log(held) if held > 0 else 0.0,
        forecast=tuple(mu + held**h * away for h in horizons),
        cum_forecast=tuple(h * mu + away * held * (1 - held**h) / (1 - held) for h in horizons),
    )


def expected_rate_1h(hourly_rates: Sequence[float], hours: int = 8) -> float:
    """Mean hourly rate to expect over the next `hours`: AR(1) from 48 samples on, else an 8 h EWMA.

    `hourly_rates` holds one rate per hour, oldest first, at least one.
    """
    if len(hourly_rates) >= AR1_MIN_HOURS:
        return ar1(hourly_rates, (hours,)).cum_forecast[0] / hours
    decay = 2 ** (-1 / EWMA_HALF_LIFE_H)
    numerator = denominator = 0.0
    for rate in hourly_rates:
        numerator, denominator = numerator * decay + rate, denominator * decay + 1
    return numerator / denominator


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
