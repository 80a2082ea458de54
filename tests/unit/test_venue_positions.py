"""Trades booked on positions: words, realised profit, entry price, and isolated cash."""

import pytest

from services.venue.exchange.account import Leverage
from services.venue.exchange.listing import MICRO
from services.venue.exchange.positions import book_trade
from tests.fixtures.venue_world import BTC, GOLD, KPEPE, facts_of, open_account, total_money, trade, world


@pytest.mark.parametrize(
    ("held", "traded", "words"),
    [
        (0, 5, "Open Long"), (0, -5, "Open Short"), (3, 5, "Open Long"), (-3, -5, "Open Short"),
        (5, -3, "Close Long"), (5, -5, "Close Long"), (-5, 3, "Close Short"), (-5, 5, "Close Short"),
        (5, -8, "Long > Short"), (-5, 8, "Short > Long"),
    ],
)  # fmt: skip
def test_the_words_of_a_fill(held, traded, words):
    made = world()
    account = open_account(made)
    listing = made.listings[KPEPE]
    if held:
        book_trade(made, account, listing, 1 if held > 0 else -1, 10_000, abs(held))
    change = book_trade(made, account, listing, 1 if traded > 0 else -1, 10_000, abs(traded))
    assert (change.start_lots, change.dir) == (held, words)
    position = account.position("", KPEPE)
    assert (position.lots if position else 0) == held + traded


def test_a_close_takes_its_share_of_the_entry():
    made = world()
    account, other = open_account(made), open_account(made)
    trade(made, account, other, KPEPE, 10_000, 100)
    trade(made, account, other, KPEPE, 13_000, 50)
    sold, _ = reversed(trade(made, other, account, KPEPE, 12_000, 50))
    assert sold.closed_pnl == 50 * (12_000 - 11_000)
    position = account.position("", KPEPE)
    assert (position.lots, position.entry_ntl) == (100, 100 * 11_000)


def test_a_flip_closes_all_and_opens_the_rest_at_the_new_price():
    made = world()
    account, other = open_account(made), open_account(made)
    trade(made, account, other, KPEPE, 10_000, 100)
    account.position("", KPEPE).funding_open = 7
    _, sold = trade(made, other, account, KPEPE, 9_000, 130)
    assert sold.closed_pnl == -100 * 1_000
    position = account.position("", KPEPE)
    assert (position.lots, position.entry_ntl, position.funding_open) == (-30, 30 * 9_000, 0)


def test_isolated_margin_goes_in_with_the_opening_and_comes_back_in_proportion():
    made = world()
    account = open_account(made, 1_000)
    listing = made.listings[BTC]
    account.leverage[BTC] = Leverage(10, is_cross=False)
    book_trade(made, account, listing, 1, 1_000_000, 1_000)
    assert account.pool().raw_usd == 900 * MICRO
    assert account.position("", BTC).isolated_usd == 100 * MICRO - 1_000 * MICRO

    book_trade(made, account, listing, -1, 1_010_000, 500)
    assert account.pool().raw_usd == (900 + 55) * MICRO, "half the margin and the profit of that half"
    assert account.position("", BTC).isolated_usd + 500 * 1_010_000 == 55 * MICRO

    book_trade(made, account, listing, -1, 1_010_000, 500)
    assert account.pool().raw_usd == 1_010 * MICRO
    assert account.position("", BTC) is None


def test_an_isolated_position_under_water_takes_nothing_from_the_pool_until_it_ends():
    made = world()
    account = open_account(made, 1_000)
    listing = made.listings[BTC]
    account.leverage[BTC] = Leverage(10, is_cross=False)
    book_trade(made, account, listing, 1, 1_000_000, 1_000)
    book_trade(made, account, listing, -1, 800_000, 500)
    assert account.pool().raw_usd == 900 * MICRO
    book_trade(made, account, listing, -1, 800_000, 500)
    assert account.pool().raw_usd == 800 * MICRO


def test_an_isolated_position_keeps_its_mode_whatever_the_setting_becomes():
    made = world()
    account = open_account(made)
    account.leverage[BTC] = Leverage(10, is_cross=False)
    book_trade(made, account, made.listings[BTC], 1, 1_000_000, 100)
    account.leverage[BTC] = Leverage(10, is_cross=True)
    book_trade(made, account, made.listings[BTC], 1, 1_000_000, 100)
    assert account.pool().raw_usd == (10_000 - 20) * MICRO


def test_a_strictly_isolated_coin_is_isolated_without_a_setting():
    made = world()
    account = open_account(made, 100, dex="xyz")
    book_trade(made, account, made.listings[GOLD], -1, 400_000, 1_000)
    assert account.position("xyz", GOLD).isolated_usd == 20 * MICRO + 400 * MICRO
    assert account.pool("xyz").raw_usd == 80 * MICRO


def test_the_market_holds_no_isolated_margin():
    made = world()
    account = open_account(made, 100, dex="xyz")
    trade(made, account, made.accounts.market, GOLD, 400_000, 1_000)
    held = made.accounts.market.position("xyz", GOLD)
    assert (held.lots, held.isolated_usd) == (-1_000, None)
    assert total_money(made) == made.deposited
    assert "market" not in {fact.user for fact in facts_of(made)}
