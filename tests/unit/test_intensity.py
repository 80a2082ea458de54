"""A and κ: estimators on data whose parameters are known. Known answers: tests/contract/test_vectors.py."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.intensity import bin_fit, fill_prob, interval, section, shifted, sides
from tests.bench.coverage import _measured
from tests.fixtures.planted import PlantedCoin

KAPPA = st.floats(0.05, 5.0)


@given(KAPPA, st.floats(0.0, 5.0), st.floats(0.01, 10.0))
def test_an_exponential_is_found_again(kappa: float, d_min: float, a_per_s: float) -> None:
    n = 2000
    distances = d_min - np.log(1 - (np.arange(n) + 0.5) / n) / kappa
    exposure_s = n / (a_per_s * math.exp(-kappa * d_min))
    found = shifted(distances, d_min, exposure_s)
    assert found.kappa == pytest.approx(kappa, rel=0.01) and found.n == n
    assert found.a_per_s == pytest.approx(a_per_s, rel=0.01 + 0.02 * kappa * d_min)
    assert found.exact[0] < found.kappa < found.exact[1]
    high = d_min + 1.5 / kappa
    count, cut = interval(distances, d_min, high)
    assert count < n and cut == pytest.approx(kappa, rel=0.02)


def test_an_interval_without_decay_says_so() -> None:
    assert interval(np.linspace(0, 10, 101), 0.0, 10.0) == (101, 0.0)
    assert interval(np.array([]), 0.0, 10.0) == (0, 0.0)


@given(KAPPA, st.floats(0.1, 10.0))
def test_the_bins_of_an_exponential_give_its_parameters(kappa: float, a_per_s: float) -> None:
    edges = (np.arange(7) / kappa / 2).tolist()
    share = [math.exp(-kappa * a) - math.exp(-kappa * b) for a, b in zip(edges, edges[1:], strict=False)]
    counts = [1e6 * one for one in share]
    found = bin_fit(edges, counts, 1e6 / a_per_s)  # type: ignore[arg-type]
    for fitted in (found.kappa_ols, found.kappa_wls, found.kappa_poisson):
        assert fitted == pytest.approx(kappa, rel=1e-6)
    assert found.a_poisson == pytest.approx(a_per_s, rel=1e-6)


@given(st.floats(0.01, 5), KAPPA, st.floats(0, 10), st.floats(0.1, 600))
def test_a_farther_order_is_filled_less(a_per_s: float, kappa: float, depth: float, horizon_s: float) -> None:
    near, far = fill_prob(a_per_s, kappa, depth, horizon_s), fill_prob(a_per_s, kappa, depth + 1, horizon_s)
    assert 0 <= far.fill_frac <= near.fill_frac <= 1 and far.mean_wait_s > near.mean_wait_s


def test_each_side_of_a_planted_market_has_its_own_fit() -> None:
    coin = PlantedCoin(sigma=2e-5, impact_bps=0.2, tick_px=0.01, holes=((6, 24),))
    measured = _measured([coin, replace(coin, coin="IDLE", orders_per_s=1e-4)], 1, seed=4)
    for side in sides(measured["AAA"]):
        kappa, a_per_s = side.kappa_per_bps, side.a_per_s
        assert kappa.value == pytest.approx(coin.kappa_per_bps, rel=0.1)  # although a step is half of 1/κ
        assert a_per_s.value == pytest.approx(coin.a_per_s, rel=0.1)
        assert 0 < kappa.low < kappa.value < kappa.high  # type: ignore[operator]
        assert side.poisson is not None and side.poisson.value == pytest.approx(coin.kappa_per_bps, rel=0.2)
        assert side.fill_frac is not None and 0.5 < side.fill_frac < 1
    assert all(side.kappa_per_bps.value is None for side in sides(measured["IDLE"]))
    assert len(section(measured).tables[0].rows) == 4
