"""Stops on money: what the account has lost, how far it fell, how much it holds."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.guard.checks.daily_loss import DailyLossUsd
from services.guard.checks.drawdown import Drawdown, fall
from services.guard.checks.forgiven import REBASE_MS
from services.guard.checks.position_value import PositionValue
from services.guard.config import GuardConfig
from services.guard.rules import Reading, Resumed
from tests.fixtures.make import account_status, coin_status

D = Decimal
CENTS = st.decimals(-10_000, 10_000, places=2)


def config(**settings) -> GuardConfig:
    return GuardConfig(**settings)


# ---- the day in dollars ----


def loss(check: DailyLossUsd, day_pnl: str, now_ms: int = 1, day_start_ms: int = 0) -> Reading:
    check.hear(now_ms, account_status(now_ms, day_pnl_usd=D(day_pnl), day_start_ms=day_start_ms))
    return check.read(now_ms)


@pytest.mark.parametrize(
    "day_pnl, value, fired",
    [
        ("600", 0.0, False),
        ("-499.999999", 499.999999, False),
        ("-500", 500.0, False),
        ("-500.000001", 500.000001, True),
    ],
)
def test_the_limit_in_dollars_itself_is_not_yet_a_breach(day_pnl, value, fired):
    reading = loss(DailyLossUsd(config()), day_pnl)
    assert (reading.value, reading.limit, reading.fired) == (value, 500.0, fired)


def test_nothing_is_known_before_the_executor_has_told():
    for check in (DailyLossUsd(config()), Drawdown(config()), PositionValue(config())):
        reading = check.read(1)
        assert reading.value is None and not reading.fired


def test_what_a_resume_has_forgiven_does_not_fire_again_until_the_executor_has_had_its_time():
    check = DailyLossUsd(config())
    assert loss(check, "-501", now_ms=1_000).fired
    check.hear(2_000, Resumed(2_000))
    assert check.read(2_000).value is None
    assert loss(check, "-501", now_ms=2_500).value is None
    assert loss(check, "-1", now_ms=3_000, day_start_ms=2_000).value == 1.0
    assert loss(check, "-501", now_ms=3_500, day_start_ms=2_000).fired
    still_old = DailyLossUsd(config())
    still_old.hear(2_000, Resumed(2_000))
    assert not loss(still_old, "-501", now_ms=2_000 + REBASE_MS - 1).fired
    assert loss(still_old, "-501", now_ms=2_000 + REBASE_MS).fired


# ---- drawdown ----


def drawdown(peak: str, pnl: str, equity: str | None = "1000", base: str = "0", limit: str = "2000") -> Reading:
    check = Drawdown(config(max_position_value_usd=D(limit)))
    check.hear(
        1,
        account_status(
            pnl_usd=D(pnl) + D(base),
            equity_usd=None if equity is None else D(equity),
            drawdown_base_usd=D(base),
            drawdown_peak_usd=D(peak),
        ),
    )
    return check.read(1)


@pytest.mark.parametrize(
    "peak, pnl, value, fired",
    [
        ("40", "-1000", None, False),
        ("40.01", "-9.99", 0.05, False),
        ("40.01", "-9.98", 0.04999, False),
        ("40.01", "-10", 0.05001, True),
    ],
)
def test_a_fall_from_a_worthwhile_peak_counts_against_the_account(peak, pnl, value, fired):
    reading = drawdown(peak, pnl)
    assert (reading.value, reading.fired) == (value, fired)


def test_two_cents_are_no_peak_however_small_the_position_limit():
    reading = drawdown("0.02", "-0.0168", limit="50")
    assert reading.value is None and not reading.fired
    assert reading.detail == "peak $0.02; counts above $1.00"


def test_the_denominator_is_what_the_account_is_worth_now():
    assert not drawdown("100", "60", equity="1000").fired
    assert drawdown("100", "60", equity="799").fired


def test_an_account_that_is_worth_nothing_is_down_by_all_of_it():
    for equity in ("0", "-5"):
        reading = drawdown("41", "40.99", equity=equity)
        assert reading.value == 1.0 and reading.fired


def test_an_account_that_is_not_known_says_nothing():
    reading = drawdown("100", "-500", equity=None)
    assert reading.value is None and not reading.fired


def test_after_a_halt_was_ended_the_fall_is_measured_from_there():
    assert not drawdown("0", "0", base="-300").fired
    assert drawdown("60", "0", base="-300").fired


@given(peak=CENTS, pnl=CENTS, value=CENTS, limit=st.decimals(0, 10_000, places=2))
def test_a_lower_pnl_or_a_smaller_account_never_ends_a_drawdown(peak, pnl, value, limit):
    before = fall(peak, pnl, value, limit, D("0.05"))
    lower = fall(peak, pnl - 1, value, limit, D("0.05"))
    smaller = fall(peak, pnl, value - 1, limit, D("0.05"))
    assert lower.breached >= before.breached
    if pnl <= peak:
        assert smaller.breached >= before.breached
    assert before.breached <= (peak > max(D(1), limit / 50))


# ---- position value ----


def held(check: PositionValue, *positions: tuple[str, str]) -> Reading:
    coins = tuple(coin_status(str(i), sz, px) for i, (sz, px) in enumerate(positions))
    check.hear(1, account_status(coins=coins))
    return check.read(1)


@pytest.mark.parametrize(
    "positions, value, fired",
    [
        ((("50", "100"), ("-50", "100")), 10_000.0, False),
        ((("50", "100"), ("-50", "99.99")), 9_999.5, False),
        ((("50", "100"), ("-50", "100.01")), 10_000.5, True),
        ((("-0.2", "50001"),), 10_000.2, True),
    ],
)
def test_long_and_short_add_up(positions, value, fired):
    reading = held(PositionValue(config()), *positions)
    assert (reading.value, reading.fired) == (value, fired)


def test_it_ends_below_95_percent_so_that_the_limit_does_not_flicker():
    check = PositionValue(config())
    assert not held(check, ("99", "100")).fired
    assert held(check, ("101", "100")).fired
    assert held(check, ("95.01", "100")).fired
    assert not held(check, ("95", "100")).fired
    assert not held(check, ("99", "100")).fired
