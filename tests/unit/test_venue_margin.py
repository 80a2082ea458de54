"""Margin of an account: what clients see, what orders may do, and where a liquidation would be."""

from decimal import Decimal

import pytest

from services.venue.exchange import margin
from services.venue.exchange.account import Leverage
from services.venue.exchange.listing import MICRO, Listing, MarginTier
from services.venue.exchange.orders import Trigger
from services.venue.exchange.positions import book_trade
from services.venue.exchange.summary import summary
from tests.fixtures.venue_world import BTC, GOLD, KPEPE, open_account, rest, trade, world

MILLION = 1_000_000 * MICRO


def long_btc(usd=1_000, ntl_usd=2_000, leverage=20, is_cross=True, **config):
    """An account that bought BTC for `ntl_usd` at mark."""
    made = world(**config)
    account = open_account(made, usd)
    account.leverage[BTC] = Leverage(leverage, is_cross)
    trade(made, account, made.accounts.market, BTC, 1_000_000, ntl_usd)
    return made, account, made.listings[BTC]


# ---- what clients see ----


def test_the_reference_sample_of_the_clearinghouse_state():
    made = world()
    made.listings["AAA"] = listing = Listing("AAA", 7, 4, (MarginTier(0, 25),), 25, mark_px=10_000)
    account = open_account(made, 999)
    account.leverage["AAA"] = Leverage(20)
    trade(made, account, made.accounts.market, "AAA", 9_950, 20_000)
    seen = summary(made, account, "")
    assert seen.all == seen.cross
    assert (seen.all.account_value, seen.all.total_ntl, seen.all.raw_usd, seen.all.margin_used) == (
        1_000 * MICRO, 200 * MICRO, 800 * MICRO, 10 * MICRO,
    )  # fmt: skip
    assert (seen.cross_maintenance, seen.withdrawable) == (4 * MICRO, 980 * MICRO)
    (position,) = seen.positions
    assert position.listing is listing
    assert position.entry_px == Decimal("99.5")
    assert position.unrealized_pnl == MICRO
    assert position.return_on_equity == Decimal("0.1005025125")
    assert position.margin_used == 10 * MICRO
    assert position.liquidation_px is None, "its value stays above maintenance down to a price of zero"


def test_an_isolated_position_shows_its_equity_as_margin():
    made, account, listing = long_btc(leverage=10, is_cross=False)
    listing.mark_px = 1_050_000
    seen = summary(made, account, "")
    (position,) = seen.positions
    assert position.isolated_usd == -1_800 * MICRO
    assert position.margin_used == 300 * MICRO
    assert seen.cross.account_value == seen.cross.raw_usd == 800 * MICRO
    assert seen.all.account_value == 1_100 * MICRO
    assert seen.all.margin_used == 300 * MICRO
    assert seen.withdrawable == 800 * MICRO
    assert seen.cross_maintenance == 0


def test_positions_stand_in_the_order_of_their_asset_ids():
    made = world()
    account = open_account(made)
    for coin in (KPEPE, BTC):
        trade(made, account, made.accounts.market, coin, made.listings[coin].mark_px, 100)
    assert [position.listing.coin for position in summary(made, account, "").positions] == [BTC, KPEPE]


def test_an_unused_dex_is_all_zeros():
    made = world()
    account = open_account(made)
    seen = summary(made, account, "xyz")
    assert (seen.all, seen.withdrawable, seen.positions) == (margin_free(made), 0, ())
    assert "xyz" not in account.pools


def margin_free(made):
    return summary(made, made.accounts.open("0x" + "e" * 40, 0), "").all


def test_a_tenth_of_the_notional_stays():
    made, account, _ = long_btc(usd=1_000, ntl_usd=8_000, leverage=40)
    assert margin.available(made, account, "") == 800 * MICRO
    assert margin.withdrawable(made, account, "") == 200 * MICRO


@pytest.mark.parametrize(("setting", "highest", "default"), [(20, 40, 20), (20, 10, 10), (5, 40, 5)])
def test_leverage_before_it_is_set(setting, highest, default):
    made = world(default_leverage=setting)
    listing = Listing("AAA", 7, 4, (MarginTier(0, highest),), highest)
    assert margin.default_leverage(made, listing) == Leverage(default, is_cross=True)
    listing.margin_mode = "noCross"
    assert margin.default_leverage(made, listing) == Leverage(default, is_cross=False)


# ---- tiers ----


@pytest.mark.parametrize(
    ("ntl_usd", "maintenance_usd"),
    [(100_000, 1_250), (150_000_000, 1_875_000), (200_000_000, 1_875_000 + 1_250_000)],
)
def test_maintenance_is_half_the_initial_margin_of_each_tiers_part(ntl_usd, maintenance_usd):
    listing = world().listings[BTC]
    assert margin.maintenance_of(listing, ntl_usd * MICRO) == maintenance_usd * MICRO


def test_a_third_tier_builds_on_the_second():
    listing = Listing("AAA", 7, 4, (MarginTier(0, 20), MarginTier(MILLION, 10), MarginTier(3 * MILLION, 5)), 60)
    expected = (Decimal("0.025") * 1 + Decimal("0.05") * 2 + Decimal("0.1") * 1) * MILLION
    assert margin.maintenance_of(listing, 4 * MILLION) == expected


def test_the_tier_of_the_reachable_position_must_allow_the_leverage():
    made = world()
    account = open_account(made)
    listing = made.listings[BTC]
    account.leverage[BTC] = Leverage(25)
    most = 150_000_000 - 1
    assert margin.within_tier(made, account, listing, 1, most)
    assert not margin.within_tier(made, account, listing, 1, most + 1)
    rest(made, account, BTC, 1, 990_000, 1_000)
    rest(made, account, BTC, -1, 1_010_000, 1_000)
    assert not margin.within_tier(made, account, listing, 1, most)
    account.leverage[BTC] = Leverage(20)
    assert margin.within_tier(made, account, listing, 1, 2 * most)


def test_a_position_in_a_tier_too_high_may_still_shrink():
    made = world()
    account = open_account(made, 10_000_000)
    account.leverage[BTC] = Leverage(40)
    trade(made, account, made.accounts.market, BTC, 1_000_000, 149_000_000)
    made.listings[BTC].mark_px = 1_100_000
    assert margin.within_tier(made, account, made.listings[BTC], -1, 1_000)
    assert not margin.within_tier(made, account, made.listings[BTC], 1, 1_000)


# ---- orders ----


def test_an_order_is_measured_at_its_limit_price():
    made = world()
    account = open_account(made, 100)
    account.leverage[BTC] = Leverage(10)
    listing = made.listings[BTC]
    assert margin.may_place(made, account, listing, 1, 1_000_000, 1_000)
    assert not margin.may_place(made, account, listing, 1, 1_000_000, 1_001)
    assert margin.may_place(made, account, listing, 1, 500_000, 2_000)
    assert not margin.may_place(made, account, listing, -1, 1_100_000, 1_000)


def test_a_sell_far_below_the_mark_is_measured_at_mark():
    made = world()
    account = open_account(made, 100)
    account.leverage[BTC] = Leverage(10)
    assert not margin.may_place(made, account, made.listings[BTC], -1, 500_000, 1_001)


@pytest.mark.parametrize(("mode", "fits"), [("both_sides", False), ("larger_side", True)])
def test_resting_orders_of_both_sides_reserve(mode, fits):
    made = world(order_margin=mode)
    account = open_account(made, 100)
    account.leverage[BTC] = Leverage(10)
    rest(made, account, BTC, 1, 1_000_000, 600)
    assert margin.initial_margin_used(made, account, "") == 60 * MICRO
    assert margin.withdrawable(made, account, "") == 40 * MICRO
    assert margin.may_place(made, account, made.listings[BTC], -1, 1_000_000, 600) is fits
    assert not margin.may_place(made, account, made.listings[BTC], 1, 1_000_000, 401)


def test_reduce_only_orders_and_sleeping_triggers_reserve_nothing():
    made, account, _ = long_btc()
    used = margin.initial_margin_used(made, account, "")
    rest(made, account, BTC, -1, 1_010_000, 9_000, reduce_only=True)
    rest(made, account, BTC, -1, 900_000, 9_000, trigger=Trigger(900_000, False, "sl"))
    assert margin.initial_margin_used(made, account, "") == used


def test_closing_and_turning_a_position_needs_no_more_than_it_has():
    made, account, listing = long_btc(usd=100, ntl_usd=2_000, leverage=20)
    assert margin.available(made, account, "") == 0
    assert not margin.may_place(made, account, listing, 1, 1_000_000, 1)
    assert margin.may_place(made, account, listing, -1, 1_000_000, 4_000)
    assert not margin.may_place(made, account, listing, -1, 1_000_000, 4_001)


def test_the_best_priced_order_closes_first():
    made, account, listing = long_btc(usd=1_000, ntl_usd=2_000, leverage=20)
    rest(made, account, BTC, -1, 2_000_000, 2_000)
    assert margin.initial_margin_used(made, account, "") == 100 * MICRO
    rest(made, account, BTC, -1, 1_000_000, 1_500)
    # the dear order keeps 500 lots to close and opens 1500 at 2.0: 150, of which closing frees 100
    assert margin.initial_margin_used(made, account, "") == 150 * MICRO


def test_what_an_order_reserves_goes_with_it():
    made = world()
    account = open_account(made)
    order = rest(made, account, BTC, 1, 1_000_000, 1_000)
    assert margin.initial_margin_used(made, account, "") == 50 * MICRO
    order.lots = 400
    account.orders.traded(order)
    book_trade(made, account, made.listings[BTC], 1, 1_000_000, 600)
    assert margin.initial_margin_used(made, account, "") == (20 + 30) * MICRO
    del account.orders[order.oid]
    assert margin.initial_margin_used(made, account, "") == 30 * MICRO


def test_a_maker_is_asked_again_when_its_order_is_matched():
    made = world()
    account = open_account(made, 100)
    account.leverage[BTC] = account.leverage[KPEPE] = Leverage(10)
    order = rest(made, account, BTC, 1, 1_000_000, 1_000)
    rest(made, account, KPEPE, 1, 10_000, 1_000)
    assert margin.may_fill(made, account, order), "other resting orders do not count"
    trade(made, account, made.accounts.market, KPEPE, 10_000, 50_000)
    assert not margin.may_fill(made, account, order), "half the margin is gone to a position"
    order.reduce_only = True
    assert margin.may_fill(made, account, order)


def test_a_maker_far_behind_the_market_is_refused():
    made = world()
    account = open_account(made, 100)
    account.leverage[BTC] = Leverage(10)
    order = rest(made, account, BTC, 1, 1_000_000, 1_000)
    assert margin.may_fill(made, account, order)
    made.listings[BTC].mark_px = 990_000
    assert not margin.may_fill(made, account, order), "it would lose 10 at once"


@pytest.mark.parametrize("lots", [2_000, 3_900])
def test_a_maker_that_closes_or_turns_within_its_margin_is_filled(lots):
    made, account, _ = long_btc(usd=100, ntl_usd=2_000, leverage=20)
    assert margin.may_fill(made, account, rest(made, account, BTC, -1, 1_000_000, lots))


def test_an_isolated_maker_needs_its_margin_in_the_pool():
    made = world()
    account = open_account(made, 100)
    account.leverage[BTC] = Leverage(10, is_cross=False)
    assert margin.may_fill(made, account, rest(made, account, BTC, 1, 1_000_000, 1_000))
    assert not margin.may_fill(made, account, rest(made, account, BTC, 1, 1_000_000, 1_001))
    book_trade(made, account, made.listings[BTC], 1, 1_000_000, 1_000)
    assert margin.may_fill(made, account, rest(made, account, BTC, -1, 1_000_000, 2_000))
    assert not margin.may_fill(made, account, rest(made, account, BTC, -1, 1_000_000, 2_001))


def test_what_can_be_traded_as_recorded():
    """The venue's own relation: size = margin x leverage / mark, and closing adds twice the position's margin."""
    made, account, listing = long_btc(usd=1_000, ntl_usd=2_000, leverage=20)
    assert margin.available_to_trade(made, account, listing) == (900 * MICRO, 1_100 * MICRO)
    assert margin.max_trade_lots(made, account, listing) == (18_000, 22_000)


@pytest.mark.parametrize("resting_px", [999_900, 1_000_100])
def test_beside_a_resting_close_the_most_is_still_placeable(resting_px):
    made, account, listing = long_btc(usd=1_000, ntl_usd=2_000, leverage=20)
    rest(made, account, BTC, -1, resting_px, 2_000)
    _, most = margin.max_trade_lots(made, account, listing)
    assert 19_990 <= most <= 20_000
    assert margin.may_place(made, account, listing, -1, listing.mark_px, most)


# ---- settings and isolated margin ----


def test_lower_leverage_needs_margin_in_the_pool():
    made, account, listing = long_btc(usd=200, ntl_usd=2_000, leverage=20)
    assert margin.may_set_leverage(made, account, listing, 40)
    assert margin.may_set_leverage(made, account, listing, 10)
    assert not margin.may_set_leverage(made, account, listing, 9)


def test_lower_leverage_needs_margin_in_the_isolated_position():
    made, account, listing = long_btc(usd=1_000, ntl_usd=2_000, leverage=20, is_cross=False)
    assert not margin.may_set_leverage(made, account, listing, 19)
    listing.mark_px = 1_100_000
    assert margin.may_set_leverage(made, account, listing, 8)


def test_lower_leverage_makes_resting_orders_dearer():
    made = world()
    account = open_account(made, 100)
    rest(made, account, BTC, 1, 1_000_000, 1_000)
    assert margin.may_set_leverage(made, account, made.listings[BTC], 10)
    assert not margin.may_set_leverage(made, account, made.listings[BTC], 9)


def test_isolated_margin_in_and_out():
    made, account, listing = long_btc(usd=1_000, ntl_usd=2_000, leverage=5, is_cross=False)
    assert margin.may_move_isolated(made, account, listing, 600 * MICRO)
    assert not margin.may_move_isolated(made, account, listing, 600 * MICRO + 1)
    assert not margin.may_move_isolated(made, account, listing, -1)
    listing.mark_px = 1_100_000
    assert margin.may_move_isolated(made, account, listing, -160 * MICRO), "600 less a fifth of 2200"
    assert not margin.may_move_isolated(made, account, listing, -160 * MICRO - 1)


def test_a_tenth_of_the_notional_stays_in_an_isolated_position():
    made, account, listing = long_btc(usd=1_000, ntl_usd=2_000, leverage=40, is_cross=False)
    listing.mark_px = 1_100_000
    assert margin.may_move_isolated(made, account, listing, -30 * MICRO)
    assert not margin.may_move_isolated(made, account, listing, -30 * MICRO - 1)


def test_a_strictly_isolated_position_gives_nothing_back():
    made = world()
    account = open_account(made, 1_000, dex="xyz")
    listing = made.listings[GOLD]
    trade(made, account, made.accounts.market, GOLD, 400_000, 1_000)
    listing.mark_px = 800_000
    assert margin.may_move_isolated(made, account, listing, MICRO)
    assert not margin.may_move_isolated(made, account, listing, -1)


def test_a_cross_position_has_no_isolated_margin():
    made, account, listing = long_btc()
    assert not margin.may_move_isolated(made, account, listing, MICRO)
