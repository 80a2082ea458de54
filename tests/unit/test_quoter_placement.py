"""From dollars and floats to orders the venue takes."""

from decimal import Decimal as D

from services.quoter.placement import Limits, place_side, room_usd
from services.quoter.strategies.view import Wanted
from shared.messages import Reason
from shared.units import reducible_sz

L1 = Wanted(68010.3, 12.0)


def limits(max_inv=200, room=None, reduce_sz=None):
    return Limits(D(max_inv), D(max_inv if room is None else room), reduce_sz)


def place(side="bid", wanted=(L1,), opposite="68021", mid="68020.5", decimals=5, **rules):
    skip_bps = rules.pop("skip_bps", 1.0)
    return place_side(side, wanted, D(opposite), D(mid), decimals, limits(**rules), skip_bps)


def test_twelve_dollars_of_btc_are_17_lots():
    placed = place()
    assert [(level.level, level.px, level.sz) for level in placed.levels] == [(1, D(68010), D("0.00017"))]
    assert D("11.5") < placed.levels[0].px * placed.levels[0].sz < D("11.6")


def test_a_bid_at_the_newest_ask_moves_one_tick_behind():
    """The incident of a bid at 32.992 against an ask of 32.992: refused by the venue, one-sided exposure."""
    placed = place(wanted=[Wanted(32.992, 12.0)], opposite="32.992", mid="32.9845", decimals=2)
    assert placed.levels[0].px == D("32.991")


def test_a_far_clamp_skips_the_level():
    placed = place(wanted=[Wanted(33.1, 12.0)], opposite="32.992", mid="32.9845", decimals=2)
    assert placed == ((), Reason.WOULD_CROSS)


def test_levels_on_one_price_are_merged():
    wanted = [Wanted(0.12341, 12.0), Wanted(0.123409, 24.0), Wanted(0.1230, 36.0)]
    placed = place(wanted=wanted, opposite="0.1235", mid="0.12345", decimals=2)
    assert [(level.level, level.px) for level in placed.levels] == [(1, D("0.1234")), (3, D("0.1230"))]
    assert D(35) < placed.levels[0].px * placed.levels[0].sz <= D(36)


def test_merged_levels_are_capped_again():
    wanted = [Wanted(0.12341, 36.0), Wanted(0.123409, 36.0)]
    placed = place(wanted=wanted, opposite="0.1235", mid="0.12345", decimals=2)
    assert D(49) < placed.levels[0].sz * D("0.12345") <= D(50)


def test_no_single_order_takes_the_whole_limit():
    """One order of 100 % of the position limit killed a live session in 108 seconds: the cap is a quarter."""
    placed = place(wanted=[Wanted(32.99, 50.0)], opposite="33.0", mid="32.995", decimals=2, max_inv=50)
    assert placed.levels[0].sz * D("32.995") <= D("12.5")


def test_a_limit_too_small_for_the_venues_minimum_is_said():
    assert place(max_inv=39) == ((), Reason.ORDER_CAP)


def test_outer_levels_shrink_first():
    wanted = [Wanted(10.0, 12.0), Wanted(9.99, 24.0), Wanted(9.98, 36.0)]
    placed = place(wanted=wanted, opposite="10.02", mid="10.01", decimals=2, room=50)
    sizes = [level.sz * D("10.01") for level in placed.levels]
    assert sizes[0] > D("11.9") and sizes[1] > D("23.9") and sizes[2] < D("14.1") and sum(sizes) <= 50


def test_full_inventory_and_nearly_full_inventory():
    assert place(room=0) == ((), Reason.MAX_INVENTORY)
    assert place(room=9) == ((), Reason.MAX_INVENTORY)


def test_a_coarse_lot_may_leave_nothing():
    placed = place(wanted=[Wanted(8.0, 12.0)], opposite="8.1", mid="8.05", decimals=0)
    assert placed == ((), Reason.BELOW_MIN_NOTIONAL)


def test_reducing_stops_at_flat():
    wanted = [Wanted(10.0, 12.0), Wanted(9.99, 24.0), Wanted(9.98, 36.0)]
    placed = place(wanted=wanted, opposite="10.02", mid="10.01", decimals=2, reduce_sz=D("2.5"))
    assert sum(level.sz for level in placed.levels) <= D("2.5")


def test_room_and_what_may_be_reduced():
    assert room_usd("bid", D(200), D(5), D(10)) == 150
    assert room_usd("ask", D(200), D(5), D(10)) == 250
    assert (reducible_sz("bid", D(5)), reducible_sz("ask", D(5))) == (0, 5)
    assert (reducible_sz("bid", D(-5)), reducible_sz("ask", D(-5))) == (5, 0)
