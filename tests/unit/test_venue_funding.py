"""Hourly funding: who pays, what is kept about it, and where cut-off fractions go."""

from decimal import Decimal

import pytest

from services.venue.exchange import funding
from services.venue.exchange.account import Leverage
from services.venue.exchange.facts import FundingPaid
from services.venue.exchange.listing import MICRO
from services.venue.exchange.summary import summary
from services.venue.market.reference import premium_of
from tests.fixtures.venue_world import BTC, GOLD, facts_of, open_account, total_money, trade, world

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("before", "now", "due"),
    [
        (HOUR_MS - 1, HOUR_MS, True),
        (HOUR_MS, HOUR_MS + 70, False),
        (10, HOUR_MS - 1, False),
        (5, 3 * HOUR_MS, True),
    ],
)
def test_an_hour_falls_due_once(before, now, due):
    assert funding.due(before, now) is due


def test_longs_pay_shorts_on_the_oracle_price():
    made = world()
    long, short = open_account(made), open_account(made)
    trade(made, long, short, BTC, 1_000_000, 10_000)
    listing = made.listings[BTC]
    listing.mark_px, listing.oracle_px, listing.rate_1h = 1_100_000, 1_050_000, Decimal("0.0000125")
    cash = long.pool().raw_usd
    funding.settle(made)
    paid = 10_000 * 1_050_000 // 80_000
    assert long.pool().raw_usd == cash - paid
    facts = [fact for fact in facts_of(made) if isinstance(fact, FundingPaid)]
    assert [(fact.user, fact.usd, fact.szi) for fact in facts] == [
        (long.address, Decimal(-paid).scaleb(-6), Decimal("0.1")),
        (short.address, Decimal(paid).scaleb(-6), Decimal("-0.1")),
    ]
    assert list(long.fundings) == facts[:1]


def test_an_isolated_position_pays_from_its_own_cash():
    made = world()
    account, other = open_account(made), open_account(made)
    account.leverage[BTC] = Leverage(5, is_cross=False)
    trade(made, account, other, BTC, 1_000_000, 1_000)
    made.listings[BTC].rate_1h = Decimal("0.0001")
    cash, isolated = account.pool().raw_usd, account.position("", BTC).isolated_usd
    funding.settle(made)
    assert account.pool().raw_usd == cash
    assert account.position("", BTC).isolated_usd == isolated - MICRO // 10


def test_a_multiplier_scales_the_rate_and_fractions_go_to_the_pool():
    made = world()
    account = open_account(made, 100, dex="xyz")
    other = open_account(made, 100, dex="xyz")
    trade(made, account, made.accounts.market, GOLD, 400_000, 3)
    trade(made, other, made.accounts.market, GOLD, 400_000, 5)
    listing = made.listings[GOLD]
    listing.rate_1h, listing.funding_multiplier = Decimal("0.00000123"), Decimal(2)
    funding.settle(made)
    assert [fact.usd for fact in (account.fundings[0], other.fundings[0])] == [
        Decimal("-0.000002"),
        Decimal("-0.000004"),
    ]
    assert made.accounts.market.pool("xyz").raw_usd == 8 * 400_000 + 7
    assert made.funding_pool == -1
    assert total_money(made) == made.deposited


@pytest.mark.parametrize(("positive", "sign"), [("paid", 1), ("received", -1)])
def test_cumulative_funding_starts_again_with_a_change_of_size(positive, sign):
    made = world(cum_funding_positive=positive)
    account = open_account(made)
    market = made.accounts.market
    made.listings[BTC].rate_1h = Decimal("0.0001")
    trade(made, account, market, BTC, 1_000_000, 1_000)
    funding.settle(made)
    trade(made, account, market, BTC, 1_000_000, 1_000)
    funding.settle(made)
    first, second = sign * MICRO // 10, sign * MICRO // 5
    position = summary(made, account, "").positions[0]
    assert (position.funding_all, position.funding_open, position.funding_change) == (
        first + second, first + second, second,
    )  # fmt: skip
    trade(made, market, account, BTC, 1_000_000, 2_000)
    trade(made, account, market, BTC, 1_000_000, 1_000)
    position = summary(made, account, "").positions[0]
    assert (position.funding_all, position.funding_open) == (first + second, 0)


@pytest.mark.parametrize(
    ("bid", "ask", "first_dex", "builder_dex"),
    [
        (100.2, 100.4, 0.002, 0.003),
        (99.6, 99.8, -0.002, -0.003),
        (99.9, 100.3, 0.0, 0.001),
    ],
)
def test_the_premium_of_a_builder_deployed_coin_is_that_of_its_mean_impact_price(bid, ask, first_dex, builder_dex):
    assert premium_of(bid, ask, 100.0, builder_dex=False) == pytest.approx(first_dex)
    assert premium_of(bid, ask, 100.0, builder_dex=True) == pytest.approx(builder_dex)
