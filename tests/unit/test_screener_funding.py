"""Funding: exact payments, and forecasts that neither explode nor need history."""

from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.funding import AR1_MIN_HOURS, CAP_1H_FRAC, ar1, expected_rate_1h, hl_rate, payment

rates = st.floats(-0.04, 0.04)


def test_payments_are_exact_in_decimal():
    assert payment(D("10"), D("33.1"), D("0.0000125")) == D("-0.0041375")
    assert payment(D("-0.5"), D("68000"), D("0.0001")) == D("3.4")


def test_the_hourly_payment_is_capped():
    assert hl_rate(0.9).rate_1h_frac == CAP_1H_FRAC
    assert hl_rate(-0.9).rate_1h_frac == -CAP_1H_FRAC


def test_a_constant_rate_stays_what_it_is():
    fit = ar1([1e-5] * 50, (1, 24))
    assert fit.forecast == pytest.approx((1e-5, 1e-5)) and fit.cum_forecast[1] == pytest.approx(24e-5)


def test_one_sample_is_enough_to_expect_something():
    assert expected_rate_1h([3e-5]) == pytest.approx(3e-5)


def test_recent_hours_weigh_more_before_two_days_are_known():
    assert expected_rate_1h([0.0] * 8 + [1e-4] * 8) == pytest.approx(1e-4 * 2 / 3, rel=1e-6)


@settings(max_examples=200, deadline=None)
@given(st.lists(rates, min_size=1, max_size=3 * AR1_MIN_HOURS))
def test_a_forecast_stays_near_what_has_been_seen(history):
    spread = max(history) - min(history)
    assert min(history) - spread - 1e-12 <= expected_rate_1h(history) <= max(history) + spread + 1e-12


@settings(max_examples=200, deadline=None)
@given(st.lists(rates, min_size=3, max_size=100))
def test_cumulative_forecasts_are_sums_of_single_ones(history):
    horizons = tuple(range(1, 25))
    fit = ar1(history, horizons)
    total = 0.0
    for one, so_far in zip(fit.forecast, fit.cum_forecast, strict=True):
        total += one
        assert so_far == pytest.approx(total, abs=1e-9)
