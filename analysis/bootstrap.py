"""Intervals for statistics of data whose neighbours say the same: the studentised circular block bootstrap.

A statistic is a smooth function of sums over time windows (mean = Σx/Σn, σ = √(Σr²/Σdt)), unchanged when all sums
are multiplied. Blocks of consecutive windows are drawn with replacement; each draw is measured in standard errors
estimated from its own blocks. Windows without anything in them are left out: a hole does not make a block.

Blocks are few and long: as long as `arch.optimal_block_length` asks for, but at most max(10, 1.6·W^(1/3)) of them
in W windows. Each side of an interval is the wider of the bootstrap's and of Student's t with blocks − 1 degrees
of freedom. Both were chosen by coverage on modelled series (`python -m tests.bench.coverage`): many short blocks
undercover when calm and wild times take turns. No method covers when the data span only a few such turns, so a
verdict asks for a number of effective windows as well.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from arch.bootstrap import optimal_block_length
from numpy.typing import NDArray
from scipy import stats

from analysis.estimates import LEVEL, Estimate

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Sums (…, k) to values (…, m); NaN where there is nothing to divide by."""
MIN_BLOCKS = 8
"""Fewer give no interval."""
REPS = 1999
MIN_VALID = 0.95
"""Share of draws that must have a value."""
_CHUNK = 4_000_000
_STEP = 1e-6


class Resampled(NamedTuple):
    """What resampling says about each of m statistics. `t` holds the draws' studentised deviations, NaN where a
    draw had no value; without an interval it has no rows."""

    values: Floats
    se: Floats
    t: Floats
    blocks: int
    n_effective: Floats
    """Windows, worth as much as independent ones."""

    def low(self, level: float) -> Floats:
        """One-sided lower bounds; NaN where there are none."""
        return self.values - self._quantile(level, 1) * self.se

    def high(self, level: float) -> Floats:
        """One-sided upper bounds."""
        return self.values + self._quantile(level, -1) * self.se

    def p_above(self) -> Floats:
        """One-sided p-values of "the truth is above zero"; 1 where nothing can be said."""
        with np.errstate(all="ignore"):
            observed = self.values / self.se
        drawn = (1 + (self.t >= observed).sum(axis=0)) / (1 + len(self.t))
        p = np.maximum(drawn, stats.t.sf(observed, max(self.blocks - 1, 1)))
        return np.where(self._valid() & np.isfinite(observed), p, 1.0)

    def estimates(self, n: Sequence[int] | NDArray[Any], level: float = LEVEL) -> list[Estimate]:
        """Two-sided, in the order of the statistics; `n` are the observations of each."""
        low, high = self.low((1 + level) / 2), self.high((1 + level) / 2)
        return [
            Estimate(
                _known(value), _known(below), _known(above), int(count), min(float(count), float(worth)), level
            )
            for value, below, above, count, worth in zip(self.values, low, high, n, self.n_effective, strict=True)
        ]

    def _quantile(self, level: float, sign: int) -> Floats:
        """Of the deviations to one side: the bootstrap's or Student's, whichever is farther out."""
        student = stats.t.ppf(level, max(self.blocks - 1, 1))
        found = np.full(len(self.values), np.nan)
        for i in np.flatnonzero(self._valid()):
            drawn = sign * self.t[np.isfinite(self.t[:, i]), i]
            found[i] = max(student, float(np.quantile(drawn, level))) if len(drawn) else 0.0
        return found

    def _valid(self) -> NDArray[np.bool_]:
        """Enough draws with a value, or nothing that varies at all."""
        if not len(self.t):
            return np.zeros(len(self.values), bool)
        share = np.isfinite(self.t).mean(axis=0)
        return np.asarray(np.isfinite(self.values) & ((share >= MIN_VALID) | (self.se == 0)))


def intervals(
    window_sums: Floats,
    statistic: Statistic,
    n: Sequence[int],
    *,
    seed: int,
    level: float = LEVEL,
    reps: int = REPS,
) -> list[Estimate]:
    """Estimates of the m statistics of (W, k) window sums in order of time; `n` are the observations of each."""
    return resample(window_sums, statistic, seed=seed, reps=reps).estimates(n, level)


def resample(window_sums: Floats, statistic: Statistic, *, seed: int, reps: int = REPS) -> Resampled:
    """Draw blocks of windows; the same seed draws the same."""
    sums = window_sums[(window_sums != 0).any(axis=1)]
    windows, total = len(sums), sums.sum(axis=0)
    with np.errstate(all="ignore"):
        values = np.asarray(statistic(total[None]))[0]
        if windows < MIN_BLOCKS:
            nothing = np.full(len(values), np.nan)
            return Resampled(values, nothing, np.empty((0, len(values))), 0, np.full(len(values), float(windows)))
        gradient = _gradient(statistic, total[None])[0]
        influence = sums @ gradient.T
        length = _block_length(influence)
        blocks = -(-windows // length)
        pieces = _block_sums(sums, length)
        scale = windows / (blocks * length)
        tilt = scale * np.sqrt(blocks / (blocks - 1))
        block_influence = _block_sums(influence - influence.mean(axis=0), length)
        se = tilt * np.sqrt(blocks * (block_influence**2).mean(axis=0))
        flat = se <= 1e-9 * np.abs(values)
        se = np.where(flat, np.where(_rarely(sums, gradient), np.nan, 0.0), se)
        rng = np.random.default_rng(seed)
        chunk = max(1, _CHUNK // (blocks * sums.shape[1] + len(values) * sums.shape[1]))
        t = np.concatenate(
            [
                _draw(
                    pieces[rng.integers(0, windows, (min(chunk, reps - begun), blocks))], statistic, values, scale
                )
                for begun in range(0, reps, chunk)
            ]
        ) / np.sqrt(blocks / (blocks - 1))
    t[:, flat] = np.nan
    return Resampled(values, se, t, blocks, _effective(influence, se))


def _rarely(sums: Floats, gradient: Floats) -> NDArray[np.bool_]:
    """Which statistics rest on fewer windows than an interval asks for: that these agree says nothing."""
    used = gradient != 0
    windows = ((sums != 0).astype(float) @ used.T.astype(float) > 0).sum(axis=0)
    return np.asarray(used.any(axis=1) & (windows < MIN_BLOCKS))


def _draw(picked: Floats, statistic: Statistic, values: Floats, scale: float) -> Floats:
    """Studentised deviations of draws (reps, blocks, k), but for the factor of small samples."""
    total = picked.sum(axis=1) * scale
    gradient = _gradient(statistic, total)
    influence = np.matmul(picked - picked.mean(axis=1, keepdims=True), gradient.transpose(0, 2, 1))
    se = scale * np.sqrt((influence**2).sum(axis=1))
    t = (statistic(total) - values) / se
    return np.asarray(np.where(np.isfinite(t), t, np.nan))


def _gradient(statistic: Statistic, total: Floats) -> Floats:
    """(reps, m, k) by central differences; a column of zeros has none."""
    steps = _STEP * np.abs(total)
    columns = []
    for i in range(total.shape[1]):
        step = np.zeros_like(total)
        step[:, i] = steps[:, i]
        slope = (statistic(total + step) - statistic(total - step)) / (2 * steps[:, i, None])
        columns.append(np.where(steps[:, i, None] > 0, slope, 0.0))
    return np.stack(columns, axis=2)


def _block_length(influence: Floats) -> int:
    """The longest that any statistic asks for, bounded so that there are at least `MIN_BLOCKS`."""
    windows = len(influence)
    wanted = windows / max(10.0, 1.6 * windows ** (1 / 3))
    varying = influence[:, np.isfinite(influence).all(axis=0) & (influence.std(axis=0) > 0)]
    if windows >= 2 * MIN_BLOCKS and varying.shape[1]:
        optimal = optimal_block_length(varying / varying.std(axis=0))["circular"].to_numpy()
        wanted = max(wanted, *optimal[np.isfinite(optimal)].tolist(), 1.0)
    return max(1, min(int(np.ceil(wanted)), windows // MIN_BLOCKS))


def _block_sums(sums: Floats, length: int) -> Floats:
    """Of the block that begins at each window, going on at the first after the last."""
    running = np.concatenate(
        [np.zeros((1, sums.shape[1])), np.cumsum(np.concatenate([sums, sums[: length - 1]]), 0)]
    )
    return np.asarray(running[length:] - running[:-length])


def _effective(influence: Floats, se: Floats) -> Floats:
    """Windows that say something, less what blocks vary more than independent windows would."""
    active = (influence != 0).sum(axis=0).astype(float)
    independent = len(influence) * influence.var(axis=0, ddof=1)
    share = np.divide(independent, se**2, out=np.ones_like(se), where=se > 0)
    return np.asarray(np.where(np.isfinite(share), active * np.minimum(share, 1.0), active))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
