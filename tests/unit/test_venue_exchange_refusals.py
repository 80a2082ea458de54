"""Which orders the venue refuses, in which words and on which record."""

from decimal import Decimal

import pytest

from services.venue.exchange.account import Leverage
from services.venue.exchange.listing import MICRO
from shared.hyperliquid.actions import BuilderWire, PriorityFee
from tests.fixtures.venue_exchange import oid_of, order, stage, trigger
from tests.fixtures.venue_world import BTC, GOLD

BUILDER = "0x" + "ab" * 20


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (order(True, "0", "1"), "Order has invalid price."),
        (order(True, "-100000", "1"), "Order has invalid price."),
        (order(True, "100000", "0.000001"), "Order has invalid size."),
        (order(True, "100000", "-1"), "Order has invalid size."),
        (order(True, "100000", "0"), "Order has zero size."),
        (order(True, "4999", "1"), "Order price cannot be more than 95% away from the reference price"),
        (order(True, "195001", "1"), "Order price cannot be more than 95% away from the reference price"),
        (order(True, "100000", "3001"), "Order value too large. Max is $300000000."),
        (order(True, "100000", "301", "FrontendMarket"), "Order value too large. Max is $30000000."),
        (order(True, "100000", "1", asset=77), "Order has invalid asset."),
        (trigger(True, "0", "1", "sl", px="100000"), "Order has invalid price."),
    ],
)
def test_what_cannot_be_meant_is_refused_for_the_whole_batch(wire, text):
    s = stage()
    account = s.account()
    assert s.place(account, order(True, "90000", "0.01"), wire) == [{"error": text}]
    assert not account.orders and not account.known


def test_an_empty_batch_is_refused():
    s = stage()
    assert s.place(s.account()) == [{"error": "Orders are empty."}]


@pytest.mark.parametrize(
    ("wire", "text", "status"),
    [
        (order(True, "100000.5", "1"), "Price must be divisible by tick size.", "tickRejected"),
        (order(True, "9999.999", "0.01"), "Price must be divisible by tick size.", "tickRejected"),
        (order(True, "99000", "0.0001"), "Order must have minimum value of $10.", "minTradeNtlRejected"),
        (order(True, "99000", "3"), "Insufficient margin to place order.", "perpMarginRejected"),
        (order(True, "120001", "0.01"), "Price too far from oracle", "oracleRejected"),
        (order(False, "79999", "0.01"), "Price too far from oracle", "oracleRejected"),
        (
            order(True, "100000", "0.01", reduce_only=True),
            "Reduce only order would increase position.",
            "reduceOnlyRejected",
        ),
        (
            order(True, "100010", "0.01", "Alo"),
            "Post only order would have immediately matched, bbo was 99990@100010.",
            "badAloPxRejected",
        ),
        (
            order(True, "100009", "0.01", "Ioc"),
            "Order could not immediately match against any resting orders.",
            "iocCancelRejected",
        ),
        (
            order(True, "100009", "0.01", "FrontendMarket"),
            "No liquidity available for market order.",
            "marketOrderNoLiquidityRejected",
        ),
        (
            trigger(True, "99000", "0.01", "sl", reduce_only=False),
            "Invalid TP/SL price.",
            "badTriggerPxRejected",
        ),
        (
            trigger(True, "101000", "0.01", "tp", reduce_only=False),
            "Invalid TP/SL price.",
            "badTriggerPxRejected",
        ),
    ],
)
def test_a_refused_order_gets_a_number_and_one_final_status(wire, text, status):
    s = stage()
    account = s.account()
    s.quote(BTC, 1, "99990", "1")
    s.quote(BTC, -1, "100010", "1")
    good, bad = s.place(account, order(True, "90000", "0.01"), wire)
    assert "resting" in good and bad == {"error": f"{text} asset=0"}
    (refused,) = [fact for fact in account.known.values() if fact.status != "open"]
    assert s.life(refused.oid) == [status]
    assert list(account.orders) == [oid_of(good)]


def test_prices_far_behind_the_oracle_are_fine():
    s = stage()
    (status,) = s.place(s.account(), order(True, "50000", "0.01"))
    assert "resting" in status


def test_the_bbo_of_an_empty_side_is_zero():
    s = stage()
    s.quote(BTC, -1, "100010", "1")
    (status,) = s.place(s.account(), order(True, "100010", "0.01", "Alo"))
    assert status["error"].startswith("Post only order would have immediately matched, bbo was 0@100010.")


def test_open_orders_are_limited_by_volume():
    s = stage(open_orders_base=2)
    account = s.account()
    results = s.place(account, *(order(True, "90000", "0.001") for _ in range(3)))
    assert results[2] == {"error": "Too many open orders asset=0"}
    account.cum_ntl = 5_000_000 * MICRO
    assert "resting" in s.place(account, order(True, "90000", "0.001"))[0]


def test_the_open_order_limit_can_stand_for_the_whole_request():
    s = stage(open_orders_base=2, too_many_orders="error")
    account = s.account()
    assert s.place(account, *(order(True, "90000", "0.001") for _ in range(3))) == "Too many open orders"
    assert not account.orders


def test_with_a_thousand_open_orders_only_plain_ones_are_taken():
    s = stage(open_orders_base=1_100)
    account = s.account(1_000_000)
    for _ in range(10):
        s.place(account, *(order(True, "90000", "0.001", "Alo") for _ in range(100)))
    stop = trigger(True, "110000", "0.01", "sl", reduce_only=False)
    assert s.place(account, stop) == [{"error": "Too many open orders asset=0"}]
    assert "resting" in s.place(account, order(True, "90000", "0.001"))[0]


def test_at_the_open_interest_cap_nothing_opens_but_positions_close():
    s = stage()
    holder, other = s.account(), s.account()
    s.quote(BTC, -1, "100000", "1")
    s.place(holder, order(True, "100000", "0.1", "Ioc"))
    s.world.listings[BTC].oi_cap_ntl = 10_000 * MICRO
    more = s.place(holder, order(True, "99000", "0.01"))[0]
    assert more["error"] == "Order would increase open interest while open interest is capped asset=0"
    flip = s.place(holder, order(False, "101000", "0.2"))[0]
    assert flip == more
    keen = s.place(other, order(True, "100001", "0.01"))[0]
    assert "more aggressive than oracle while at open interest cap" in keen["error"]
    assert [fact.status for fact in (*holder.known.values(), *other.known.values())] == [
        "filled",
        "positionIncreaseAtOpenInterestCapRejected",
        "positionFlipAtOpenInterestCapRejected",
        "tooAggressiveAtOpenInterestCapRejected",
    ]
    assert "resting" in s.place(holder, order(False, "101000", "0.1"))[0]


def test_a_resting_order_does_not_open_at_the_cap_either():
    s = stage()
    account = s.account()
    (status,) = s.place(account, order(True, "99000", "0.1"))
    s.world.listings[BTC].oi_cap_ntl = 0
    assert s.hit(BTC, -1, "0.1") == []
    assert s.life(oid_of(status)) == ["open", "openInterestCapCanceled"]


def test_leverage_bounds_the_position_by_tier():
    s = stage()
    account = s.account(20_000_000)
    account.leverage[BTC] = Leverage(40)
    (status,) = s.place(account, order(True, "90000", "1600"))
    assert status["error"].startswith(
        "Order would cause position to exceed margin tier limit at current leverage asset"
    )


def test_a_coin_does_not_trade_before_it_has_a_mark_price():
    """A position in it would be worth nothing, and its owner ruined at once."""
    s = stage()
    account = s.account()
    s.quote(BTC, -1, "100010", "1")
    s.world.listings[BTC].mark_px = s.world.listings[BTC].oracle_px = 0
    assert s.place(account, order(True, "100010", "0.1", "Ioc")) == [{"error": "Trading is halted. asset=0"}]
    s.mark(BTC, "100000")
    assert "filled" in s.place(account, order(True, "100010", "0.1", "Ioc"))[0]


def test_halted_coins_and_the_window_after_an_upgrade():
    s = stage()
    account = s.account()
    s.world.listings[BTC].halted = True
    assert s.place(account, order(True, "90000", "0.01", "Alo")) == [{"error": "Trading is halted. asset=0"}]
    s.world.listings[BTC].halted = False
    s.world.switches.post_only = True
    refused, taken = s.place(account, order(True, "90000", "0.01"), order(True, "90000", "0.01", "Alo"))
    assert refused["error"] == "Only post-only orders allowed immediately after network upgrade asset=0"
    assert "resting" in taken


def test_orders_can_be_disturbed():
    s = stage()
    s.world.switches.reject_order = lambda account, listing: "Out of order." if listing.coin == BTC else None
    account = s.account()
    btc, kpepe = s.place(account, order(True, "90000", "0.01"), order(True, "0.009", "10000", asset=1))
    assert btc == {"error": "Out of order. asset=0"} and "resting" in kpepe


def test_a_client_id_may_be_live_twice_unless_the_venue_is_set_otherwise():
    cloid = "0x" + "1" * 32
    for setting, answer in (("accept", "resting"), ("refuse", "error")):
        s = stage(duplicate_cloid=setting)
        twice = [order(True, "90000", "0.01", cloid=cloid)] * 2
        assert answer in s.place(s.account(), *twice)[1]


@pytest.mark.parametrize("fee", [11, 101])
def test_a_builder_needs_an_approval_that_covers_its_fee(fee):
    s = stage()
    account = s.account()
    account.builders[BUILDER] = 10 if fee == 11 else 1_000
    wire = order(True, "90000", "0.01")
    assert s.place(account, wire, builder=BuilderWire(BUILDER, fee)) == "Builder fee has not been approved."
    assert "resting" in s.place(account, wire, builder=BuilderWire(BUILDER, 10))[0]


@pytest.mark.parametrize(
    ("orders", "grouping"),
    [
        ([order(True, "90000", "0.01")], "normalTpsl"),
        ([order(True, "90000", "0.01")], "positionTpsl"),
        ([order(True, "90000", "0.01"), *[trigger(False, "80000", "0.01", "sl")] * 3], "normalTpsl"),
        ([order(True, "90000", "0.01"), trigger(True, "80000", "0.01", "sl")], "normalTpsl"),
        ([order(True, "90000", "0.01"), trigger(False, "80000", "0.01", "sl", reduce_only=False)], "normalTpsl"),
        ([order(True, "90000", "0.01")], PriorityFee(0)),
        ([order(True, "90000", "0.01", "Ioc"), order(True, "90000", "0.01", "Alo")], PriorityFee(0)),
        ([order(True, "90000", "0.01", "Ioc")], PriorityFee(10_000)),
    ],
)
def test_orders_that_do_not_fit_their_grouping_are_refused_together(orders, grouping):
    s = stage()
    account = s.account()
    (status,) = s.place(account, *orders, grouping=grouping)
    assert "asset=" not in status["error"] and not account.known


def test_a_coin_of_a_builder_deployed_dex_uses_the_margin_of_that_dex():
    s = stage()
    poor, rich = s.account(10_000), s.account(10_000, "xyz")
    wire = order(True, "3990", "1", asset=110_000)
    assert s.place(poor, wire) == [{"error": "Insufficient margin to place order. asset=110000"}]
    assert "resting" in s.place(rich, wire)[0]
    assert next(iter(rich.orders.values())).listing.coin == GOLD


def test_a_whole_position_may_be_closed_below_the_minimum_value():
    s = stage()
    account = s.account()
    s.quote(BTC, -1, "100000", "1")
    s.place(account, order(True, "100000", "0.0002", "Ioc"))
    s.hit(BTC, 1, "1")
    s.mark(BTC, "40000")
    part, whole = (order(False, "40000", sz, reduce_only=True) for sz in ("0.00015", "0.0005"))
    assert "minimum value" in s.place(account, order(False, "40000", "0.0002"))[0]["error"]
    assert "minimum value" in s.place(account, part)[0]["error"]
    assert "resting" in s.place(account, whole)[0]
    (live,) = account.orders.values()
    assert (live.lots, live.orig_lots) == (20, 50)
    assert s.position(account, BTC) == Decimal("0.0002")
