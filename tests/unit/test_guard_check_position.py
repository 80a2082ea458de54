"""Checks of a coin's position and what holding it costs."""

from typing import Any

import pytest

from services.guard.checks.funding import FundingLimit
from services.guard.checks.inventory import Inventory
from services.guard.config import GuardConfig
from shared.messages import AssetConfig
from tests.fixtures.guard_checks import COIN, T0, book, ctx, fill, heard, status

CONFIG = GuardConfig()


# ---- funding ----


@pytest.mark.parametrize(
    "hourly, fired",
    [(0.000374, False), (0.000375, False), (0.000376, True), (-0.000375, False), (-0.000376, True)],
)
def test_three_tenths_of_a_percent_in_eight_hours_is_the_limit_for_both_signs(hourly: float, fired: bool) -> None:
    reading = heard(FundingLimit(COIN, CONFIG), (T0, ctx(T0, funding_1h=hourly)))
    assert reading.fired is fired and reading.value == pytest.approx(8 * hourly)


def test_extreme_funding_counts_until_ten_seconds_after_it_ended_and_also_while_nothing_is_told() -> None:
    check = FundingLimit(COIN, CONFIG)
    assert check.read(T0).value is None
    check.hear(T0, ctx(T0, funding_1h=0.001))
    assert check.read(T0 + 3_600_000).fired
    check.hear(T0 + 5000, ctx(T0 + 5000, funding_1h=0.0001))
    assert check.read(T0 + 14_999).fired and not check.read(T0 + 15_000).fired


def test_quoter_and_guard_share_one_limit() -> None:
    reading = heard(FundingLimit(COIN, GuardConfig(funding_halt_8h_frac=0.01)), (T0, ctx(T0, funding_1h=0.001)))
    assert not reading.fired and reading.limit == 0.01


# ---- inventory ----


def value_of(*messages: tuple[int, Any]) -> tuple[float | None, bool, str | None]:
    reading = heard(Inventory(COIN, CONFIG), *messages)
    return reading.value, reading.fired, reading.side


def test_the_limit_itself_is_full() -> None:
    at_100 = T0, book(T0)
    assert value_of(at_100, (T0, status("1.9999"))) == (199.99, False, "bid")
    assert value_of(at_100, (T0, status("2"))) == (200, True, "bid")
    assert value_of(at_100, (T0, status("-2.0001"))) == (-200.01, True, "ask")


def test_the_coins_own_limit_counts() -> None:
    limit = T0, AssetConfig(coin=COIN, max_inv_usd=50.0)
    assert value_of((T0, book(T0)), (T0, status("0.49")), limit)[1] is False
    assert value_of((T0, book(T0)), (T0, status("0.5")), limit)[1] is True


def test_a_fill_counts_at_once_and_an_old_one_not_again() -> None:
    check = Inventory(COIN, CONFIG)
    assert heard(check, (T0, book(T0)), (T0, status("0")), (T0, fill(T0, seq=2, position="2"))).fired
    assert heard(check, (T0, fill(T0, seq=1, position="1"))).value == 200


def test_a_price_that_rises_fills_the_limit_too() -> None:
    assert not value_of((T0, book(T0)), (T0, status("1.9")))[1]
    assert value_of((T0, book(T0)), (T0, status("1.9")), (T0, book(T0, "106", "106.2")))[1]


def test_without_a_price_or_a_position_nothing_is_known() -> None:
    assert value_of((T0, book(T0)))[0] is None
    assert value_of((T0, fill(T0, position="5")))[0] is None


def test_a_value_that_swings_about_the_limit_does_not_move_orders_each_time() -> None:
    check = Inventory(COIN, CONFIG)
    check.hear(T0, status("2"))
    readings = []
    for step in range(20):
        now_ms = T0 + 500 * step
        check.hear(now_ms, book(now_ms, *(("99.9", "100.1"), ("99.8", "100"))[step % 2]))
        readings.append(check.read(now_ms).fired)
    assert all(readings)
    assert not check.read(T0 + 9500 + 10_000).fired
