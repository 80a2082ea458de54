"""Matching: who trades with whom, what is answered, and what is put on record."""

from decimal import Decimal

import pytest

from services.venue.exchange.facts import BalanceChanged, Filled, Matched, OrderChanged, QueueMoved
from services.venue.market.book import trade_hash, trade_id
from shared.hyperliquid.actions import BuilderWire
from tests.fixtures.venue_exchange import oid_of, order, stage
from tests.fixtures.venue_world import BTC, total_money

CLOID = "0x" + "c1" * 16


def fills_of(s, account):
    return [fact for fact in s.facts if isinstance(fact, Filled) and fact.user == account.address]


def test_a_post_only_order_rests_behind_the_queue_and_says_so():
    s = stage()
    s.quote(BTC, 1, "99990", "1.5")
    account = s.account()
    (status,) = s.place(account, order(True, "99990", "0.01", "Alo", cloid=CLOID))
    oid = oid_of(status)
    assert status == {"resting": {"oid": oid, "cloid": CLOID}}
    opened = account.known[oid]
    assert (opened.status, opened.queue_ahead_sz, opened.tif) == ("open", Decimal("1.5"), "Alo")
    s.hit(BTC, -1, "0.5")
    s.exchange.end()
    s.exchange.end()
    moved = [fact for fact in s.facts if isinstance(fact, QueueMoved)]
    assert [(fact.oid, fact.ahead_sz) for fact in moved] == [(oid, Decimal(1))]


def test_an_order_that_fills_at_once_is_open_and_filled_at_the_same_time():
    s = stage()
    s.quote(BTC, -1, "100000", "0.04")
    s.quote(BTC, -1, "100010", "0.06")
    account = s.account()
    (status,) = s.place(account, order(True, "100020", "0.05", "Gtc", cloid=CLOID))
    assert status == {"filled": {"totalSz": "0.05", "avgPx": "100002.0", "oid": oid_of(status), "cloid": CLOID}}
    orders = [fact for fact in s.facts if isinstance(fact, OrderChanged)]
    assert [(fact.status, fact.sz, fact.time_ms) for fact in orders] == [
        ("open", Decimal("0.05"), s.world.now_ms),
        ("filled", 0, s.world.now_ms),
    ]
    first, second = fills_of(s, account)
    assert (first.px, first.sz, first.dir, first.start_position) == (100_000, Decimal("0.04"), "Open Long", 0)
    assert (second.px, second.sz, second.start_position) == (100_010, Decimal("0.01"), Decimal("0.04"))
    assert first.hash == second.hash == trade_hash(oid_of(status)) and first.crossed
    assert s.facts.index(orders[0]) < s.facts.index(first) < s.facts.index(second) < s.facts.index(orders[1])
    ((coin, sign, fills),) = s.market.taken
    assert (coin, sign, [fill.lots for fill in fills]) == (BTC, 1, [4_000, 1_000])
    assert not account.orders and total_money(s.world) == s.world.deposited


def test_two_accounts_trade_at_the_makers_price():
    s = stage()
    maker, taker = s.account(), s.account()
    (rests,) = s.place(maker, order(False, "100000", "0.02", "Alo"))
    (takes,) = s.place(taker, order(True, "100500", "0.01", "Ioc"))
    (made,), (took,) = fills_of(s, maker), fills_of(s, taker)
    assert (made.px, made.crossed, made.side, made.fee) == (100_000, False, "A", Decimal("0.15"))
    assert (took.px, took.crossed, took.side, took.fee) == (100_000, True, "B", Decimal("0.45"))
    (match,) = [fact for fact in s.facts if isinstance(fact, Matched)]
    assert match.tid == made.tid == took.tid == trade_id(oid_of(takes), oid_of(rests))
    assert (match.taker, match.maker, match.taker_side) == (taker.address, maker.address, "B")
    assert s.world.accounts.market.pools == {}
    assert s.exchange.open_lots(BTC) == 1_000


def test_the_flow_trades_with_an_account_and_the_market_holds_the_other_side():
    s = stage()
    account = s.account()
    (status,) = s.place(account, order(True, "99000", "0.01"))
    s.hit(BTC, -1, "0.004")
    assert s.life(oid_of(status)) == ["open"] and s.position(account, BTC) == Decimal("0.004")
    s.hit(BTC, -1, "0.006")
    assert s.life(oid_of(status)) == ["open", "filled"] and not account.orders
    market = s.world.accounts.market.position("", BTC)
    assert market is not None and market.lots == -1_000
    assert not any(isinstance(fact, BalanceChanged) and fact.user == "market" for fact in s.facts)
    assert s.market.taken == []


def test_own_orders_are_cancelled_instead_of_traded_and_the_taker_goes_on():
    s = stage()
    account = s.account()
    own = [oid_of(s.place(account, order(False, px, "0.01"))[0]) for px in ("100000", "100010")]
    s.quote(BTC, -1, "100010", "1")
    (status,) = s.place(account, order(True, "100010", "0.02", "Ioc"))
    assert status["filled"]["avgPx"] == "100010.0"
    assert [s.life(oid) for oid in own] == [["open", "selfTradeCanceled"]] * 2
    assert s.position(account, BTC) == Decimal("0.02")
    assert len([fact for fact in s.facts if isinstance(fact, Matched)]) == 1


def test_a_gtc_that_meets_only_own_orders_rests():
    s = stage()
    account = s.account()
    (own,) = s.place(account, order(False, "100000", "0.01"))
    (status,) = s.place(account, order(True, "100000", "0.01"))
    assert "resting" in status and s.life(oid_of(own)) == ["open", "selfTradeCanceled"]


def test_the_rest_of_an_ioc_is_dropped():
    for setting in ("filled", "canceled"):
        s = stage(partly_filled_ioc=setting)
        s.quote(BTC, -1, "100000", "0.01")
        account = s.account()
        (status,) = s.place(account, order(True, "100000", "0.03", "Ioc"))
        assert status["filled"]["totalSz"] == "0.01"
        assert s.life(oid_of(status)) == ["open", setting] and not account.orders
        assert account.known[oid_of(status)].sz == Decimal("0.02")


@pytest.mark.parametrize("setting", ["resting", "filled"])
def test_the_rest_of_a_gtc_stays(setting):
    s = stage(partly_filled_gtc=setting)
    s.quote(BTC, -1, "100000", "0.01")
    account = s.account()
    (status,) = s.place(account, order(True, "100000", "0.03"))
    assert list(status) == [setting] and s.life(oid_of(status)) == ["open"]
    assert account.orders[oid_of(status)].lots == 2_000
    assert s.market.books[BTC].best_px(1) == 1_000_000
    s.exchange.end()
    assert [fact.ahead_sz for fact in s.facts if isinstance(fact, QueueMoved)] == [0]


def test_a_maker_without_margin_is_cancelled_at_the_match():
    s = stage()
    account = s.account(600)
    (first, second) = s.place(account, order(True, "99990", "0.05"), order(True, "99980", "0.05"))
    assert "resting" in first and "resting" in second
    s.mark(BTC, "94000")
    (fill,) = s.hit(BTC, -1, "0.1")
    assert (fill.maker.oid, fill.lots) == (oid_of(first), 5_000)
    assert s.life(oid_of(second)) == ["open", "marginCanceled"] and not account.orders


def test_the_builder_is_paid_on_top():
    s = stage()
    s.quote(BTC, -1, "100000", "1")
    account = s.account()
    builder = s.account(0)
    account.builders[builder.address] = 50
    s.place(account, order(True, "100000", "0.1", "Ioc"), builder=BuilderWire(builder.address, 50))
    (fill,) = fills_of(s, account)
    assert (fill.fee, fill.builder_fee) == (Decimal("9.5"), Decimal(5))
    assert total_money(s.world) == s.world.deposited


def test_cancels_answer_for_each_order():
    s = stage()
    account, other = s.account(), s.account()
    first, second = (
        oid_of(status)
        for status in s.place(account, *(order(True, "90000", "0.01", cloid=cloid) for cloid in (None, CLOID)))
    )
    gone = {"error": "Order was never placed, already canceled, or filled. asset=0"}
    assert s.cancel(other, 0, first) == gone
    assert s.cancel(account, 1, first) == {"error": gone["error"].replace("asset=0", "asset=1")}
    assert s.cancel(account, 0, first) == "success" and s.cancel(account, 0, first) == gone
    assert s.cancel_by_cloid(account, 0, CLOID) == "success"
    assert s.cancel_by_cloid(account, 0, CLOID) == gone
    assert s.life(second) == ["open", "canceled"]
    assert s.market.books[BTC].orders == {}


def test_a_client_id_finds_its_live_order_behind_a_refused_one():
    s = stage()
    account = s.account()
    s.place(account, order(True, "90000", "0.01", cloid=CLOID), order(True, "90000.5", "0.01", cloid=CLOID))
    assert s.cancel_by_cloid(account, 0, CLOID) == "success"


# ---- reduce-only ----


def holding_long(s, sz="0.1"):
    account = s.account()
    s.quote(BTC, -1, "100000", sz)
    s.place(account, order(True, "100000", sz, "Ioc"))
    return account


def test_a_reduce_only_order_is_cut_to_the_position_and_follows_it():
    s = stage()
    account = holding_long(s)
    (status,) = s.place(account, order(False, "101000", "0.5", reduce_only=True))
    live = account.orders[oid_of(status)]
    assert (live.lots, live.orig_lots) == (10_000, 50_000)
    s.quote(BTC, 1, "99000", "0.04")
    s.place(account, order(False, "99000", "0.04", "Ioc"))
    assert live.lots == 6_000 and s.market.books[BTC].asks.levels[1_010_000].lots == 6_000
    s.quote(BTC, 1, "99000", "0.06")
    s.place(account, order(False, "99000", "0.06", "Ioc"))
    assert s.life(oid_of(status)) == ["open", "open", "reduceOnlyCanceled"]


def test_of_two_reduce_only_orders_beyond_the_position_the_older_goes():
    s = stage()
    account = holding_long(s)
    old, new = (
        oid_of(s.place(account, order(False, px, "0.06", reduce_only=True))[0]) for px in ("101000", "102000")
    )
    assert s.life(old) == ["open", "reduceOnlyCanceled"] and s.life(new) == ["open"]


def test_a_reduce_only_ioc_fills_the_position_only():
    s = stage()
    account = holding_long(s)
    s.quote(BTC, 1, "99000", "1")
    (status,) = s.place(account, order(False, "99000", "0.5", "Ioc", reduce_only=True))
    assert status["filled"]["totalSz"] == "0.1" and s.position(account, BTC) == 0


def test_a_turned_position_ends_reduce_only_orders_of_the_old_side():
    s = stage()
    account = holding_long(s)
    (status,) = s.place(account, order(False, "101000", "0.1", reduce_only=True))
    s.quote(BTC, 1, "99000", "1")
    s.place(account, order(False, "99000", "0.2", "Ioc"))
    assert s.position(account, BTC) == Decimal("-0.1")
    assert s.life(oid_of(status)) == ["open", "reduceOnlyCanceled"]
