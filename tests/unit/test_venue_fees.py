"""Fees of the bundled venue: rates, discounts, builders, and the volume that decides the tier."""

from decimal import Decimal

import pytest

from services.venue.exchange import fees
from services.venue.exchange.account import Leverage
from services.venue.exchange.listing import MICRO, usd
from services.venue.exchange.orders import Builder
from tests.fixtures.venue_world import BTC, GOLD, START_MS, XYZ, open_account, total_money, trade, world

DAY_MS = 86_400_000
BUILDER = "0x" + "b" * 40
NTL = 1_000_123_000
"""1000.123 dollars, the notional of the reference page's table."""


@pytest.mark.parametrize(
    ("coin", "crossed", "referred", "builder_tenth_bps", "fee"),
    [
        (BTC, True, True, 0, "0.432053"),
        (BTC, False, False, 10, "0.250030"),
        (BTC, False, False, 0, "0.150018"),
        (GOLD, True, True, 0, "0.086410"),
        (GOLD, False, True, 0, "0.028803"),
    ],
)
def test_the_recorded_compositions_to_the_last_digit(coin, crossed, referred, builder_tenth_bps, fee):
    made = world()
    account = open_account(made, dex=made.listings[coin].dex.name)
    account.referrer = "SAMPLE" if referred else None
    builder = Builder(BUILDER, builder_tenth_bps) if builder_tenth_bps else None
    paid = fees.charge(made, account, made.listings[coin], NTL, 1, crossed=crossed, builder=builder)
    assert usd(paid.total) == Decimal(fee)
    assert total_money(made) == made.deposited


def test_the_fixture_dex_has_the_scale_of_that_table():
    assert XYZ.fee_scale == 1


def test_a_builder_with_an_account_is_paid_into_the_pool_of_the_dex():
    made = world()
    account, receiver = open_account(made), open_account(made, 0, address=BUILDER)
    paid = fees.charge(made, account, made.listings[BTC], NTL, 1, crossed=False, builder=Builder(BUILDER, 10))
    assert paid.builder_part == 100_012
    assert receiver.pool().raw_usd == 100_012
    assert made.fees == paid.total - paid.builder_part
    assert account.pool().raw_usd == 10_000 * MICRO - paid.total


def test_the_pool_that_holds_the_position_pays():
    made = world()
    account, other = open_account(made), open_account(made)
    account.leverage[BTC] = Leverage(10, is_cross=False)
    trade(made, account, other, BTC, 1_000_000, 1_000)
    cross_before, isolated_before = account.pool().raw_usd, account.position("", BTC).isolated_usd
    paid = fees.charge(made, account, made.listings[BTC], 1_000_000, 1_000, crossed=True, builder=None)
    assert account.pool().raw_usd == cross_before
    assert account.position("", BTC).isolated_usd == isolated_before - paid.total


def test_a_referred_account_loses_the_discount_with_its_volume():
    made = world()
    account = open_account(made)
    account.referrer = "SAMPLE"
    account.cum_ntl = 25_000_000 * MICRO - 1
    assert fees.rates(account, None, START_MS).taker == Decimal("0.000432")
    account.cum_ntl += 1
    assert fees.rates(account, None, START_MS).taker == Decimal("0.00045")


def test_todays_volume_counts_from_tomorrow_and_for_14_days():
    made = world()
    account = open_account(made)
    fees.note_volume(account, made.listings[BTC], START_MS, 4_000_000 * MICRO, crossed=True)
    fees.note_volume(account, made.listings[BTC], START_MS, 1_000_001 * MICRO, crossed=False)

    def tier(days_later):
        return fees.tier(account, START_MS + days_later * DAY_MS)

    assert [tier(day) for day in (0, 1, 14, 15)] == [0, 1, 1, 0]


def test_only_the_days_that_can_count_are_kept():
    made = world()
    account = open_account(made)
    for day in range(40):
        fees.note_volume(account, made.listings[BTC], START_MS + day * DAY_MS, MICRO, crossed=True)
    assert len(account.days) == 15
    assert fees.volume_14d(account, START_MS + 39 * DAY_MS) == 14 * MICRO


def test_growth_mode_volume_earns_a_tenth_of_the_request_budget():
    made = world()
    account = open_account(made)
    fees.note_volume(account, made.listings[GOLD], START_MS, 100 * MICRO, crossed=True)
    assert account.cum_ntl == 10 * MICRO
    assert fees.volume_14d(account, START_MS + DAY_MS) == 100 * MICRO
