"""The Sharpe ratio of a few days, and what may be said about it."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis import sharpe


def test_without_variation_there_is_no_ratio() -> None:
    assert sharpe.stats([]) is sharpe.stats([0.1]) is sharpe.stats([0.1] * 50) is None


def test_five_days_of_minutes_say_next_to_nothing() -> None:
    """The standard error of the annualised ratio is about 1/√years: eight and a half."""
    returns = np.random.default_rng(1).normal(1e-6, 1e-4, 5 * 1440)
    found = sharpe.stats(returns)
    assert found is not None and found.se_annual == pytest.approx(sqrt(365 / 5), rel=0.03)


def test_the_interval_covers_at_its_rate() -> None:
    rng = np.random.default_rng(2)
    truth = 0.02 * sqrt(sharpe.YEAR_S / 60)
    covered = 0
    for _ in range(400):
        skewed = rng.exponential(1.0, 2000)
        found = sharpe.stats(0.02 + (skewed - 1.0))
        assert found is not None
        covered += found.ci95_annual[0] <= truth <= found.ci95_annual[1]
    assert 0.92 <= covered / 400 <= 0.98


def test_returns_that_go_on_in_one_direction_earn_less_trust() -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(0, 1e-4, 7200)
    returns = 2e-6 + np.convolve(steps, 0.8 ** np.arange(20))[: len(steps)]
    plain, cautious = sharpe.stats(returns), sharpe.cautious(returns)
    assert plain is not None and cautious is not None
    expected = plain.sr_annual / sqrt((1 + 0.8) / (1 - 0.8))  # AR(1): variance of sums grows by (1+φ)/(1−φ)
    assert cautious.sr_annual == pytest.approx(expected, rel=0.25)
    assert 0.5 < cautious.psr < plain.psr


@settings(deadline=None)
@given(arrays(float, st.integers(2, 200), elements=st.floats(-0.01, 0.01)))
def test_caution_never_improves_the_ratio(returns: np.ndarray) -> None:
    plain, cautious = sharpe.stats(returns), sharpe.cautious(returns)
    if plain is not None and cautious is not None:
        assert abs(cautious.sr_annual) <= abs(plain.sr_annual) * (1 + 1e-9)
