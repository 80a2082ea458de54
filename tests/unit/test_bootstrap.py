"""Intervals: what they promise, and what they refuse to promise. Coverage itself: tests/bench/coverage.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.bootstrap import MIN_BLOCKS, intervals, resample
from analysis.multiple import holm, holm_levels

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def mean(sums: np.ndarray) -> np.ndarray:
    return sums[..., :1] / sums[..., 1:2]


def windows(n: int, seed: int, level: float = 1.0, persistence: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n)
    for i in range(1, n):
        noise[i] = persistence * noise[i - 1] + np.sqrt(1 - persistence**2) * noise[i]
    counts = rng.poisson(20, n) + 1.0
    return np.stack([counts * (level + noise), counts], axis=1)


def test_the_same_seed_gives_the_same_interval_and_scaling_the_sums_changes_nothing() -> None:
    sums = windows(200, seed=1)
    (first,) = intervals(sums, mean, [4000], seed=7)
    assert intervals(sums, mean, [4000], seed=7) == [first]
    (scaled,) = intervals(sums * 1e-6, mean, [4000], seed=7)
    assert scaled.value == pytest.approx(first.value) and scaled.low == pytest.approx(first.low, rel=1e-3)
    assert first.low is not None and first.low < first.value < first.high  # type: ignore[operator]


def test_the_interval_of_a_mean_is_about_students() -> None:
    sums = np.stack([np.random.default_rng(2).standard_normal(400) + 3, np.ones(400)], axis=1)
    (estimate,) = intervals(sums, mean, [400], seed=1)
    assert estimate.value == pytest.approx(3, abs=0.2)
    assert estimate.high - estimate.low == pytest.approx(2 * 2.2 / 20, rel=0.5)  # type: ignore[operator]


def test_neighbours_that_say_the_same_widen_the_interval_and_count_less() -> None:
    def typical(persistence: float) -> tuple[float, float]:
        found = [intervals(windows(600, seed, 1.0, persistence), mean, [12_000], seed=1)[0] for seed in range(9)]
        widths = [one.high - one.low for one in found]  # type: ignore[operator]
        return float(np.median(widths)), float(np.median([one.n_effective for one in found]))

    (calm, many), (sticky, few) = typical(0.0), typical(0.9)
    assert sticky > 2.5 * calm
    assert few < many / 5


def test_too_few_windows_give_a_value_without_an_interval_and_nothing_gives_nothing() -> None:
    (few,) = intervals(windows(MIN_BLOCKS - 1, seed=3), mean, [100], seed=1)
    assert few.value is not None and few.low is None and few.high is None and few.n_effective <= MIN_BLOCKS - 1
    (none,) = intervals(np.zeros((50, 2)), mean, [0], seed=1)
    assert none.value is None and none.low is None and none.n_effective == 0
    assert resample(windows(5, seed=3), mean, seed=1).p_above()[0] == 1.0


def test_holes_are_left_out() -> None:
    sums = windows(100, seed=4)
    with_hole = np.concatenate([sums[:40], np.zeros((300, 2)), sums[40:]])
    assert intervals(with_hole, mean, [2000], seed=1) == intervals(sums, mean, [2000], seed=1)


def test_a_statistic_that_most_draws_cannot_compute_has_no_interval() -> None:
    sums = np.zeros((60, 3))
    sums[:, 0] = np.random.default_rng(5).standard_normal(60)
    sums[:, 2] = 1.0
    sums[30, 1] = 1.0  # what is divided by happened in one window of sixty
    (estimate,) = intervals(sums, mean, [1], seed=1)
    assert estimate.value is not None and estimate.low is None


def test_what_never_varies_is_known() -> None:
    counts = np.random.default_rng(6).poisson(9, 50) + 1.0
    resampled = resample(np.stack([2 * counts, counts], axis=1), mean, seed=1)
    (estimate,) = resampled.estimates([int(counts.sum())])
    assert (estimate.low, estimate.value, estimate.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("windows", [1, MIN_BLOCKS - 1, MIN_BLOCKS])
def test_few_windows_that_agree_are_no_certainty(windows: int) -> None:
    """Seconds are in every window, fills only in some; all of these cost 4 bps."""
    fills = np.arange(40) < windows
    sums = np.stack([np.ones(40), fills, 4.0 * fills], axis=1)
    (found,) = intervals(sums, lambda x: x[..., [2]] / x[..., [1]], [windows], seed=1)
    assert found.value == 4 and (found.low is None) is (windows < MIN_BLOCKS)


def test_p_values_and_bounds_tell_the_same() -> None:
    told = []
    for level in (0.02, 0.08, 0.12, 0.16):
        resampled = resample(windows(300, seed=8, level=level), mean, seed=2)
        p = resampled.p_above()[0]
        told.append(p)
        if 0.005 < p < 0.4:
            assert resampled.low(1 - p + 0.003)[0] < 0 < resampled.low(1 - p - 0.003)[0]
    assert sorted(told, reverse=True) == told and told[0] > 0.05 > told[-1]


@given(P_VALUES)
def test_holm_rejects_no_more_than_alone_and_no_less_than_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, corrected in zip(p_values, adjusted, strict=True):
        assert p <= corrected <= min(1.0, len(p_values) * p) + 1e-12 or corrected == max(adjusted)
        assert corrected >= min(1.0, p)
    assert sorted(adjusted) == [c for _, c in sorted(zip(p_values, adjusted, strict=True))]


@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.2]))
def test_holms_levels_exclude_exactly_what_is_rejected(p_values: list[float], alpha: float) -> None:
    for p, adjusted, level in zip(p_values, holm(p_values), holm_levels(p_values, alpha), strict=True):
        if abs(adjusted - alpha) > 1e-9:  # a tie is decided by rounding
            assert (p <= 1 - level) == (adjusted <= alpha)


def test_holm_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
