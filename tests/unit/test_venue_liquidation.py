"""Who is liquidated and what of theirs."""

import pytest

from services.venue.exchange import liquidation
from services.venue.exchange.account import Leverage
from services.venue.exchange.liquidation import WHOLE_MS, Sale
from services.venue.exchange.listing import MICRO
from tests.fixtures.venue_world import BTC, GOLD, KPEPE, open_account, total_money, trade, world


def long_btc(usd=100, ntl_usd=2_000, is_cross=True, **config):
    made = world(**config)
    account = open_account(made, usd)
    account.leverage[BTC] = Leverage(20, is_cross)
    trade(made, account, made.accounts.market, BTC, 1_000_000, ntl_usd)
    return made, account


@pytest.mark.parametrize(
    ("mark", "kind"),
    [(962_026, "none"), (962_025, "market"), (957_984, "market"), (957_983, "backstop"), (900_000, "backstop")],
)
def test_the_cross_pool_falls_under_maintenance_and_then_under_two_thirds_of_it(mark, kind):
    """Long 2000 at 1.0 with 100: value 2000 m - 1900, maintenance 25 m."""
    made, account = long_btc()
    made.listings[BTC].mark_px = mark
    found = liquidation.verdict(made, account, "")
    assert found.kind == kind
    assert (found.account_value, found.maintenance) == (2_000 * mark - 1_900 * MICRO, 25 * mark)
    assert found.coins == (BTC,)


def test_an_account_without_positions_is_left_alone_even_in_debt():
    made = world()
    account = open_account(made, 0)
    made.move(account, "", -MICRO, "fee")
    assert liquidation.verdict(made, account, "").kind == "none"


def test_isolated_and_cross_stand_apart():
    made, account = long_btc(is_cross=False)
    trade(made, account, made.accounts.market, KPEPE, 10_000, 1)
    made.move(account, "", 100 * MICRO, "deposit")
    made.listings[BTC].mark_px = 955_000
    assert liquidation.verdict(made, account, "").kind == "none"
    assert liquidation.verdict(made, account, "").coins == (KPEPE,)
    assert liquidation.isolated_verdict(made, account, made.listings[BTC]).kind == "backstop"


def test_a_large_position_is_first_sold_by_a_fifth_and_then_whole():
    made, account = long_btc(usd=10_000, ntl_usd=150_000)
    made.listings[BTC].mark_px = 940_000
    found = liquidation.verdict(made, account, "")
    assert liquidation.sales(made, account, found) == (Sale(BTC, -1, 30_000, True),)
    account.liquidate_whole_until_ms = made.now_ms + WHOLE_MS
    assert liquidation.sales(made, account, found) == (Sale(BTC, -1, 150_000, False),)
    made.now_ms += WHOLE_MS
    assert liquidation.sales(made, account, found) == (Sale(BTC, -1, 30_000, True),)


def test_the_largest_position_goes_first_and_small_ones_whole():
    made = world()
    account = open_account(made)
    trade(made, account, made.accounts.market, KPEPE, 10_000, 1_000)
    trade(made, made.accounts.market, account, BTC, 1_000_000, 2_000)
    found = liquidation.verdict(made, account, "")
    assert liquidation.sales(made, account, found) == (Sale(BTC, 1, 2_000, False), Sale(KPEPE, -1, 1_000, False))


@pytest.mark.parametrize("mark", [950_500, 940_000])
@pytest.mark.parametrize("is_cross", [True, False])
def test_the_backstop_takes_positions_and_what_margin_is_left(mark, is_cross):
    made, account = long_btc(is_cross=is_cross)
    made.accounts.open("0x" + "f" * 40, 0)
    backstop = open_account(made, 1_000_000)
    made.listings[BTC].mark_px = mark
    found = (
        liquidation.verdict(made, account, "")
        if is_cross
        else liquidation.isolated_verdict(made, account, made.listings[BTC])
    )
    assert found.kind == "backstop"
    (taken,) = liquidation.take_over(made, account, backstop, found)
    assert (taken.coin, taken.sign, taken.px, taken.lots) == (BTC, -1, mark, 2_000)
    assert taken.change.closed_pnl == 2_000 * (mark - 1_000_000)
    assert account.pool().raw_usd == 0
    assert not account.pool().positions
    assert backstop.position("", BTC).lots == 2_000
    assert backstop.pool().raw_usd == 1_000_000 * MICRO + found.account_value - 2_000 * mark
    assert total_money(made) == made.deposited


def test_the_backstop_takes_a_strictly_isolated_short():
    made = world()
    account = open_account(made, 20, dex="xyz")
    backstop = open_account(made, 1_000, dex="xyz")
    trade(made, made.accounts.market, account, GOLD, 400_000, 1_000)
    listing = made.listings[GOLD]
    listing.mark_px = 415_000
    found = liquidation.isolated_verdict(made, account, listing)
    assert found.kind == "backstop"
    liquidation.take_over(made, account, backstop, found)
    assert account.pool("xyz").raw_usd == 0
    assert backstop.position("xyz", GOLD).lots == -1_000
    assert total_money(made) == made.deposited
