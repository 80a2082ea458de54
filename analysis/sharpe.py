"""Sharpe ratio of returns at fixed intervals, and how little a few days say about it (models.md §13.2).

Returns are of account equity, sampled at fixed times; never of fills, which come irregularly and share inventory.
A year has 365 days. The standard error of an annualised Sharpe ratio is about 1/√years, whatever the sampling.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

YEAR_S = 31_536_000
PERIOD_S = 60
"""Sampling of equity: the account file's."""
MIN_RETURNS = 30
"""Fewer say nothing; whoever judges shows no number then."""
ROUNDING = 1e-12
"""Relative size of what differs by rounding only."""
LAGS = 60
"""Periods of autocorrelation that the scaling to a year heeds."""


class Sharpe(NamedTuple):
    """`skew` and `kurtosis` (not excess) are population moments. `psr`: probability that the true ratio is over
    the benchmark. `min_track_record_periods`: returns that would show it at 95 %; None while the ratio is not."""

    sr_period: float
    sr_annual: float
    skew: float
    kurtosis: float
    se_annual_iid: float
    se_annual: float
    ci95_annual: tuple[float, float]
    psr: float
    min_track_record_periods: float | None


def stats(returns: ArrayLike, period_s: float = PERIOD_S, sr_bench_annual: float = 0.0) -> Sharpe | None:
    """None without any variation. Errors by Mertens (2002), `se_annual_iid` by Lo (2002) for normal returns,
    `psr` by Bailey and López de Prado (2012)."""
    values = np.asarray(returns, float)
    n = len(values)
    if n < 2 or not (sd := float(values.std(ddof=1))) > ROUNDING * float(np.abs(values).max()):
        return None
    mean, spread = float(values.mean()), float(values.std())
    skew, kurtosis = (float((((values - mean) / spread) ** power).mean()) for power in (3, 4))
    sr, scale = mean / sd, sqrt(YEAR_S / period_s)
    variance = 1 - skew * sr + (kurtosis - 1) / 4 * sr * sr
    if not variance > ROUNDING:
        return None
    se = sqrt(variance / n)
    above = sr - sr_bench_annual / scale
    z = float(ndtri(0.975))
    return Sharpe(
        sr_period=sr,
        sr_annual=sr * scale,
        skew=skew,
        kurtosis=kurtosis,
        se_annual_iid=sqrt((1 + sr * sr / 2) / n) * scale,
        se_annual=se * scale,
        ci95_annual=((sr - z * se) * scale, (sr + z * se) * scale),
        psr=float(ndtr(above * sqrt((n - 1) / variance))),
        min_track_record_periods=1 + variance * (float(ndtri(0.95)) / above) ** 2 if above > 0 else None,
    )


def lo_scale(rho: Sequence[float], q: float) -> float | None:
    """η of Lo (2002): the ratio over `q` periods is η times that of one, with autocorrelations `rho` of lag 1, 2…
    (√q without any). None where they leave no positive variance."""
    total = q + 2 * sum((q - lag) * value for lag, value in enumerate(rho, 1) if lag < q)
    return q / sqrt(total) if total > 0 else None


def autocorrelation(returns: ArrayLike, lags: int = LAGS) -> list[float]:
    """Of lag 1 … `lags`; empty without variation."""
    values = np.asarray(returns, float)
    deviations = values - values.mean() if len(values) else values
    total = float(deviations @ deviations)
    if not total > 0:
        return []
    return [
        float(deviations[lag:] @ deviations[:-lag]) / total for lag in range(1, min(lags, len(values) - 1) + 1)
    ]


def cautious(returns: ArrayLike, period_s: float = PERIOD_S) -> Sharpe | None:
    """As `stats`; where returns go on in the same direction (positive autocorrelation), ratio, interval and `psr`
    shrink by what Lo's scaling leaves of √q. They never grow by it."""
    found = stats(returns, period_s)
    if found is None:
        return None
    q = YEAR_S / period_s
    eta = lo_scale(autocorrelation(returns), q)
    if eta is None or eta >= sqrt(q):
        return found
    values = np.asarray(returns, float)
    mean = float(values.mean())
    return stats(mean + (values - mean) * sqrt(q) / eta, period_s)
