"""Stops, take-profits, brackets; modifies; the dead man's switch."""

from decimal import Decimal

import pytest

from services.venue.exchange.facts import OrderChanged
from services.venue.exchange.listing import MICRO
from shared.hyperliquid.actions import LimitType, Modify, OrderType, OrderWire, ScheduleCancel
from tests.fixtures.venue_exchange import oid_of, order, stage, trigger
from tests.fixtures.venue_world import BTC

CLOID = "0x" + "c1" * 16
DONE = {"status": "ok", "response": {"type": "default"}}


def holding(s, is_buy=True, sz="0.1"):
    account = s.account()
    sign = -1 if is_buy else 1
    s.quote(BTC, sign, "100000", sz)
    s.place(account, order(is_buy, "100000", sz, "Ioc"))
    return account


# ---- triggers ----


@pytest.mark.parametrize(
    ("long", "tpsl", "px", "before", "at"),
    [
        (True, "sl", "98000", "98001", "98000"),
        (True, "tp", "103000", "102999", "103000"),
        (False, "sl", "102000", "101999", "102000"),
        (False, "tp", "97000", "97001", "97000"),
    ],
)
def test_a_trigger_fires_when_the_mark_reaches_it(long, tpsl, px, before, at):
    s = stage()
    account = holding(s, long)
    s.quote(BTC, 1 if long else -1, px, "1")
    (status,) = s.place(account, trigger(not long, px, "0.1", tpsl))
    assert status == "waitingForTrigger"
    (oid,) = account.orders
    s.mark(BTC, before)
    s.block()
    assert s.life(oid) == ["open"]
    s.mark(BTC, at)
    s.block()
    assert s.life(oid) == ["open", "triggered", "filled"] and s.position(account, BTC) == 0
    s.block()
    assert s.life(oid) == ["open", "triggered", "filled"]


def test_a_trigger_with_a_limit_rests_at_it():
    s = stage()
    account = holding(s)
    s.place(account, trigger(False, "98000", "0.1", "sl", px="98500", is_market=False))
    (oid,) = account.orders
    s.mark(BTC, "97900")
    s.block()
    assert s.life(oid) == ["open", "triggered", "open"]
    assert s.market.books[BTC].best_px(-1) == 985_000
    assert s.cancel(account, 0, oid) == "success"
    assert s.market.books[BTC].orders == {}


def test_a_fired_trigger_keeps_its_type_on_record():
    s = stage()
    account = holding(s)
    s.place(account, trigger(False, "98000", "0.1", "sl", px="98500", is_market=False))
    (oid,) = account.orders
    s.mark(BTC, "97900")
    s.block()
    rested = account.known[oid]
    assert (rested.status, rested.trigger_px, rested.trigger_tpsl) == ("open", 98_000, "sl")
    assert not rested.trigger_is_market
    s.hit(BTC, 1, "0.1", "98500")
    s.block()
    done = account.known[oid]
    assert (done.status, done.trigger_px, done.trigger_tpsl) == ("filled", 98_000, "sl")


@pytest.mark.parametrize(("sz", "end"), [("2.5", "open"), ("3.5", "marginCanceled")])
def test_a_fired_trigger_asks_for_its_margin_once(sz, end):
    """10,000 at 20x carry a short of 1 turned into a long of 1.5, but not one of 2.5."""
    s = stage()
    account = holding(s, is_buy=False, sz="1")
    s.place(account, trigger(True, "100100", sz, "sl", px="100200", is_market=False, reduce_only=False))
    (oid,) = account.orders
    s.mark(BTC, "100100")
    s.block()
    assert s.life(oid) == ["open", "triggered", end]


def test_a_trigger_counts_in_the_reserves_only_after_it_has_fired():
    s = stage()
    account = holding(s, sz="0.01")
    s.place(account, trigger(True, "101000", "0.1", "sl", px="101500", is_market=False, reduce_only=False))
    orders = account.orders.of(BTC)
    assert orders.bids.ntl == 0
    s.mark(BTC, "101000")
    s.block()
    assert orders.bids.ntl == 1_015_000 * 10_000
    s.hit(BTC, -1, "0.04", "101500")
    assert orders.bids.ntl == 1_015_000 * 6_000
    s.cancel(account, 0, next(iter(account.orders)))
    assert orders.bids.ntl == 0


def test_a_market_trigger_takes_a_tenth_beyond_its_price_at_most():
    s = stage()
    account = holding(s)
    s.quote(BTC, 1, "88199", "1")
    s.place(account, trigger(False, "98000", "0.1", "sl"))
    (oid,) = account.orders
    s.mark(BTC, "97000")
    s.block()
    assert s.life(oid) == ["open", "triggered", "canceled"]
    assert s.position(account, BTC) == Decimal("0.1")


def test_a_stop_without_reduce_only_opens_if_there_is_margin():
    for usd, end in ((10_000, "filled"), (100, "marginCanceled")):
        s = stage()
        account = s.account(usd)
        s.quote(BTC, -1, "101000", "1")
        s.place(account, trigger(True, "101000", "0.1", "sl", reduce_only=False))
        (oid,) = account.orders
        s.mark(BTC, "101000")
        s.block()
        assert s.life(oid) == ["open", "triggered", end]


def test_a_fast_cancel_does_not_reach_triggers():
    s = stage()
    account = holding(s)
    s.place(account, trigger(False, "98000", "0.1", "sl"))
    (oid,) = account.orders
    assert "never placed" in s.cancel(account, 0, oid, f=True)["error"]
    assert s.cancel(account, 0, oid) == "success"


def test_a_closed_position_takes_its_triggers_along():
    s = stage()
    account = holding(s)
    s.place(account, trigger(False, "98000", "0.1", "sl"))
    (oid,) = account.orders
    s.quote(BTC, 1, "100000", "1")
    s.place(account, order(False, "100000", "0.1", "Ioc"))
    assert s.life(oid) == ["open", "reduceOnlyCanceled"]


# ---- brackets ----


def bracket(sz="0.1", tif="Gtc"):
    return (
        order(True, "100000", sz, tif),
        trigger(False, "105000", sz, "tp"),
        trigger(False, "95000", sz, "sl"),
    )


def test_children_wait_for_the_whole_parent():
    s = stage()
    account = s.account()
    parent, *children = s.place(account, *bracket(), grouping="normalTpsl")
    assert "resting" in parent and children == ["waitingForFill"] * 2
    oid, take_profit, stop = account.orders
    opened = account.known[oid]
    assert [child.oid for child in opened.children] == [take_profit, stop]
    s.hit(BTC, -1, "0.05")
    s.mark(BTC, "94000")
    s.block()
    assert s.life(stop) == ["open"]
    s.mark(BTC, "100000")
    s.hit(BTC, -1, "0.05")
    s.quote(BTC, 1, "105000", "1")
    s.mark(BTC, "105000")
    s.block()
    assert s.life(take_profit) == ["open", "triggered", "filled"]
    assert s.life(stop) == ["open", "siblingFilledCanceled"]
    assert s.position(account, BTC) == 0 and not account.orders


def test_children_of_a_filled_parent_wait_for_their_price():
    s = stage()
    account = s.account()
    s.quote(BTC, -1, "100000", "1")
    parent, *children = s.place(account, *bracket(), grouping="normalTpsl")
    assert "filled" in parent and children == ["waitingForTrigger"] * 2


def test_children_go_with_their_parent():
    s = stage()
    account = s.account()
    s.place(account, *bracket(), grouping="normalTpsl")
    oid, *children = account.orders
    s.cancel(account, 0, oid)
    assert [s.life(child) for child in children] == [["open", "canceled"]] * 2


def test_children_of_an_ioc_filled_in_part_go():
    s = stage()
    account = s.account()
    s.quote(BTC, -1, "100000", "0.05")
    parent, *_ = s.place(account, *bracket(tif="Ioc"), grouping="normalTpsl")
    assert parent["filled"]["totalSz"] == "0.05" and not account.orders
    assert s.life(oid_of(parent) + 1) == ["open", "canceled"]


def test_a_refused_parent_takes_its_children_along_and_a_refused_child_goes_alone():
    s = stage()
    account = s.account(100)
    results = s.place(account, *bracket(), grouping="normalTpsl")
    assert results == [{"error": "Insufficient margin to place order. asset=0"}] * 3 and not account.orders
    account = s.account()
    parent, wrong, good = bracket()
    low = trigger(False, "99000", "0.1", "tp")
    results = s.place(account, parent, low, good, grouping="normalTpsl")
    assert "resting" in results[0] and results[1:] == [{"error": "Invalid TP/SL price. asset=0"}, "waitingForFill"]


def test_tpsl_of_a_position_follow_its_size():
    s = stage()
    account = holding(s)
    levels = (trigger(False, "105000", "0.1", "tp"), trigger(False, "95000", "0.1", "sl"))
    assert s.place(account, *levels, grouping="positionTpsl") == ["waitingForTrigger"] * 2
    take_profit, stop = account.orders.values()
    s.quote(BTC, -1, "100000", "0.1")
    s.place(account, order(True, "100000", "0.1", "Ioc"))
    assert take_profit.lots == stop.lots == 20_000
    s.quote(BTC, 1, "95000", "1")
    s.mark(BTC, "95000")
    s.block()
    assert s.position(account, BTC) == 0
    assert s.life(take_profit.oid) == ["open", "siblingFilledCanceled"]


# ---- modify ----


def test_a_modify_is_a_cancel_and_a_new_order():
    s = stage()
    account = s.account()
    old = oid_of(s.place(account, order(True, "90000", "0.01", "Alo", cloid=CLOID))[0])
    status = s.modify(account, CLOID, order(True, "90010", "0.02", "Alo", cloid=CLOID))
    assert status == {"resting": {"oid": oid_of(status), "cloid": CLOID}}
    assert oid_of(status) > old and s.life(old) == ["open", "canceled"]
    (live,) = account.orders.values()
    assert (live.px, live.lots) == (900_100, 2_000)


def test_what_a_modify_may_not_become():
    s = stage()
    account = s.account()
    s.quote(BTC, -1, "100000", "1")
    oid = oid_of(s.place(account, order(True, "90000", "0.01"))[0])
    for new in (
        order(True, "100000", "0.01", "Ioc"),
        order(True, "100000", "0.01"),
        trigger(True, "101000", "0.01", "sl", reduce_only=False),
    ):
        assert s.modify(account, oid, new) == {"error": "Attempted to modify to invalid new order asset=0"}
    assert s.life(oid) == ["open"]
    assert "filled" in s.modify(account, oid, order(True, "100000", "0.01", "Ioc"), always=True)


def test_a_modify_that_fails_halfway_leaves_no_order():
    s = stage()
    account = s.account()
    s.quote(BTC, -1, "100000", "1")
    oid = oid_of(s.place(account, order(True, "90000", "0.01"))[0])
    status = s.modify(account, oid, order(True, "100000", "0.01", "Alo"))
    assert status["error"] == (
        "Error placing new order during modify: "
        "Post only order would have immediately matched, bbo was 0@100000. asset=0"
    )
    assert not account.orders
    again = s.modify(account, oid, order(True, "90000", "0.01"))
    assert again == {"error": "Cannot modify canceled or filled order asset=0"}
    assert "resting" in s.modify(account, oid, order(True, "90000", "0.01"), always=True)


def test_a_batch_is_looked_at_before_anything_is_cancelled():
    s = stage()
    account = s.account()
    oid = oid_of(s.place(account, order(True, "90000", "0.01"))[0])
    assert s.modify(account, oid, order(True, "90000", "0")) == {"error": "Order has zero size."}
    assert s.life(oid) == ["open"]


def test_one_modify_answers_for_the_whole_request():
    s = stage()
    account = s.account()
    oid = oid_of(s.place(account, order(True, "90000", "0.01"))[0])
    new = OrderWire(0, True, "90010", "0.01", False, OrderType(limit=LimitType("Alo")))
    assert s.exchange.act(account, Modify(oid, new)) == DONE
    again = s.exchange.act(account, Modify(oid, new))
    assert again == {"status": "err", "response": "Cannot modify canceled or filled order asset=0"}


# ---- scheduled cancels ----


def schedule(s, account, after_ms):
    time = None if after_ms is None else s.world.now_ms + after_ms
    reply = s.exchange.act(account, ScheduleCancel(time))
    return None if reply == DONE else reply["response"]


def test_the_switch_needs_volume_for_arming_and_for_clearing():
    s = stage()
    account = s.account()
    account.cum_ntl = 12_345_678
    text = "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $12.34."
    assert schedule(s, account, 10_000) == schedule(s, account, None) == text


def test_the_switch_cancels_everything_when_its_time_has_come():
    s = stage()
    account, other = s.account(), s.account()
    account.cum_ntl = 1_000_000 * MICRO
    s.place(account, order(True, "90000", "0.01"), order(True, "0.009", "10000", asset=1))
    s.place(other, order(True, "90000", "0.01"))
    too_early = "Scheduled cancel time too early, must be at least 5 seconds from now."
    assert schedule(s, account, 4_999) == too_early
    assert schedule(s, account, 5_000) is None
    s.block(4_999)
    s.block(1)
    assert len(account.orders) == 2
    s.exchange.end()
    assert not account.orders and len(other.orders) == 1
    ends = [fact.status for fact in s.facts if isinstance(fact, OrderChanged) and fact.user == account.address]
    assert ends == ["open", "open", "scheduledCancel", "scheduledCancel"]


def test_the_switch_works_ten_times_a_day():
    s = stage()
    account = s.account()
    account.cum_ntl = 1_000_000 * MICRO
    for _ in range(10):
        assert schedule(s, account, 5_000) is None
        s.block(5_000)
        s.exchange.end()
    assert schedule(s, account, 5_000) == "Too many scheduled cancels triggered for the day. Limit is 10."
    assert schedule(s, account, None) is None
    s.block(24 * 3_600_000)
    assert schedule(s, account, 5_000) is None
