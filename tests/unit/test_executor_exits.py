"""Reduce-only and flatten: what the operator's word does to the orders of a coin."""

from dataclasses import replace
from decimal import Decimal
from itertools import count

import pytest

from services.executor.approve import Approved, Refused, approve, approve_exit
from services.executor.exits import Exits, towards_flat
from services.executor.orders import NewOrder
from shared.fees import taker_rate
from shared.messages import (
    AccountState,
    AccountStatus,
    Command,
    Fill,
    PositionState,
    Reason,
    RiskLease,
    SidePermit,
    Universe,
)
from shared.service import Started
from tests.fixtures.executor_world import ASKS, BIDS, COIN, LATENCY_MS, META, START_MS, World, quote
from tests.property.test_executor_approve_never import GOOD

D = Decimal
_ids = count()


def command(action, *coins, now=False):
    key = f"exit {next(_ids)}"
    return Command(id=key, action=action, who="op", reason="wind down", time_ms=START_MS, coins=coins, now=now)


# ---- what is in force ---------------------------------------------------------------------------------------


def test_the_newest_word_on_a_coin_counts():
    exits = Exits().after(command("flatten", "BTC", now=True)).after(command("flatten"))
    assert [exits.way(coin) for coin in ("BTC", "SOL")] == ["maker", "maker"]
    exits = exits.after(command("flatten", "SOL", now=True)).after(command("reduce_only", "ETH"))
    assert [exits.way(coin) for coin in ("BTC", "SOL", "ETH")] == ["maker", "taker", "off"]
    assert all(exits.reduces(coin) for coin in ("BTC", "SOL", "ETH"))


def test_a_word_on_some_coins_leaves_the_others_alone():
    exits = Exits().after(command("reduce_only", "BTC")).after(command("flatten", "SOL"))
    assert (exits.reduces("ETH"), exits.way("ETH"), exits.way("BTC")) == (False, "off", "off")
    assert exits.reduces("SOL") and exits.reduce_only["BTC"] == "wind down"


@pytest.mark.parametrize("action", ["halt", "cancel_all"])
def test_only_resume_takes_it_back(action):
    exits = Exits().after(command("flatten", now=True))
    assert exits.after(command(action)) == exits
    assert exits.after(command("resume")) == Exits()


def test_quotes_are_cut_to_what_is_left_to_close():
    quotes = (quote(1, "100", "0.5"), quote(2, "100.1", "0.4"), quote(3, "100.2", "0.4"))
    assert [str(level.sz) for level in towards_flat(quotes, D("0.678"), 2)] == ["0.50", "0.17"]


# ---- the gate -----------------------------------------------------------------------------------------------

LONG = replace(GOOD, position_sz=D("0.40"), slippage_bps=50.0)
REST = NewOrder("0x0", COIN, "ask", 1, D("100.01"), D("0.40"), 0.0, "Alo", True)
TAKE = NewOrder("0x0", COIN, "ask", 1, D("99.50"), D("0.40"), 0.0, "Ioc", True)


@pytest.mark.parametrize("order", [REST, TAKE])
@pytest.mark.parametrize("allow", ["none", "reduce", "quote"])
def test_an_exit_needs_a_live_lease_but_no_permit(order, allow):
    permit = SidePermit(allow, Reason.HALTED)
    lease = RiskLease(coin=COIN, issued_ms=0, valid_until_ms=START_MS + 1, bid=permit, ask=permit)
    around = replace(LONG, lease=lease, halted=True)
    assert isinstance(approve_exit(START_MS, order, around), Approved)
    assert approve_exit(START_MS + 1, order, around) == Refused(Reason.LEASE_EXPIRED)
    assert approve_exit(START_MS, order, replace(around, lease=None)) == Refused(Reason.NO_LEASE)


@pytest.mark.parametrize(
    ("order", "around", "reason"),
    [
        (replace(TAKE, reduce_only=False), {}, Reason.REDUCE_ONLY),
        (replace(TAKE, sz=D("0.41")), {}, Reason.REDUCE_ONLY),
        (replace(TAKE, side="bid", px=D("100.5")), {}, Reason.REDUCE_ONLY),
        (REST, {"resting_sz": D("0.01")}, Reason.REDUCE_ONLY),
        (replace(TAKE, sz=D("0.30")), {"resting_sz": D("0.01")}, Reason.WOULD_CROSS),
        (TAKE, {"facing_sz": D("0.01")}, Reason.WOULD_CROSS),
        (TAKE, {"max_inv_usd": 150.0}, Reason.ORDER_CAP),
        (replace(TAKE, px=D("99.49")), {}, Reason.INVALID_PX),
        (replace(TAKE, px=D("99.5001")), {}, Reason.INVALID_PX),
        (replace(REST, px=D("99.99")), {}, Reason.WOULD_CROSS),
        (replace(TAKE, sz=D("0.05")), {}, Reason.BELOW_MIN_NOTIONAL),
        (TAKE, {"book": None}, Reason.NO_BOOK),
        (TAKE, {"newest_epoch": 3}, Reason.RECONNECTING),
        (TAKE, {"meta": None}, Reason.NO_UNIVERSE),
    ],
)
def test_an_exit_is_refused_that_does_more_than_it_must(order, around, reason):
    assert approve_exit(START_MS, order, replace(LONG, **around)) == Refused(reason)


def test_what_closes_the_whole_position_may_be_worth_less_than_the_minimum():
    around = replace(LONG, position_sz=D("0.05"))
    for order in (TAKE, REST):
        assert isinstance(approve_exit(START_MS, replace(order, sz=D("0.05")), around), Approved)


def test_nothing_that_takes_passes_as_a_quote():
    order = NewOrder("0x0", COIN, "bid", 1, D("99.99"), D("0.2"), 0.0, "Ioc")
    assert approve(START_MS, order, GOOD) == Refused(Reason.WOULD_CROSS)


# ---- the executor -------------------------------------------------------------------------------------------


def long(sz="2.00", max_inv_usd=400.0, **settings):
    """A world that has bought, with nothing resting."""
    world = World(**settings).rest([(1, "99.99", sz)], max_inv_usd=100_000.0)
    world.trades(("99.98", "50", "A"))
    world.lease(valid_ms=10**9)
    world.target(max_inv_usd=max_inv_usd)
    assert [str(fill.sz) for fill in world.fills] == [sz] and not world.orders
    return world


def order(world):
    """The one live order: side, price, size and kind."""
    (one,) = world.orders
    return one.new.side, str(one.new.px), str(one.new.sz), one.new.tif, one.new.reduce_only


def position(world):
    return world.desk.ledger.position_sz


def newest(world, kind):
    return world.said(kind)[-1]


def slices(world, until=10):
    """Books and time until it is flat; how much each order took."""
    done = []
    for _ in range(until):
        before = position(world)
        world.book()
        world.wait(LATENCY_MS)
        done.append(before - position(world))
    return [str(sz) for sz in done if sz]


def test_reduce_only_takes_away_what_would_increase_and_cuts_the_rest_to_the_position():
    world = long()
    world.target([(1, "99.95", "1.00")], [(1, "100.05", "1.50"), (2, "100.06", "1.50")])
    world.wait(LATENCY_MS)
    assert len(world.orders) == 3
    world.feed(command("reduce_only", COIN))
    world.wait(LATENCY_MS)
    assert {(one.new.side, one.new.level, str(one.new.sz)) for one in world.orders} == {
        ("ask", 1, "1.50"), ("ask", 2, "0.50")
    }  # fmt: skip
    world.wait(1_000)
    (status,) = newest(world, AccountStatus).coins
    assert (status.bid_reason, status.ask_reason) == (Reason.REDUCE_ONLY, None)
    assert newest(world, AccountStatus).reduce_only == {COIN: "wind down"}


def test_reduce_only_outlives_the_process_and_ends_with_resume():
    world = long()
    world.feed(command("reduce_only"))
    again = World(now_ms=world.now_ms, start=False, run_id="another")
    for kind in (PositionState, AccountState):
        again.core.restore(again.now_ms, newest(world, kind))
    for fill in world.said(Fill):
        again.core.restore(again.now_ms, fill)
    again.feed(Universe(coins=(META,), time_ms=again.now_ms))
    again.feed(Started())
    again.rest([(1, "99.95", "0.50")])
    assert not again.orders and again.desk.refused["bid"] is Reason.REDUCE_ONLY
    again.feed(command("resume"))
    again.rest([(1, "99.95", "0.50")])
    assert len(again.orders) == 1 and newest(again, AccountState).reduce_only == {}


def test_flatten_rests_one_order_at_the_touch_within_the_cap_until_flat():
    world = long("1.50")
    world.feed(command("flatten"))
    assert not world.orders  # a book of after the last order's end must come first
    world.book()
    assert order(world) == ("ask", "100.01", "0.99", "Alo", True)
    world.wait(LATENCY_MS)
    world.trades(("100.02", "50", "B"))
    assert str(position(world)) == "0.51"
    world.book()
    world.wait(LATENCY_MS)
    assert order(world)[2] == "0.51"
    world.trades(("100.02", "50", "B"))
    assert position(world) == 0 and not world.orders
    assert world.lines("FLATTEN")[-1] == f"✅ {COIN} is flat."
    world.wait(1_000)
    assert newest(world, AccountStatus).flattening == ()
    world.target([(1, "99.95", "0.50")], [(1, "100.05", "0.50")])
    assert not world.orders and set(world.desk.refused.values()) == {Reason.REDUCE_ONLY}


def test_an_exit_follows_a_touch_that_leaves_it_behind_and_no_other():
    world = long()
    world.feed(command("flatten"))
    world.book()
    world.wait(LATENCY_MS)
    (first,) = world.orders
    world.book(asks=[("100.014", "5"), *ASKS[1:]])
    world.book(asks=[("100.008", "5"), *ASKS])
    assert world.orders == [first] and not first.leaving
    world.book(bids=[("99.975", "5")], asks=[("99.995", "5"), *ASKS])
    assert first.leaving and world.orders == [first]
    world.wait(LATENCY_MS)
    world.book(bids=[("99.975", "5")], asks=[("99.995", "5"), *ASKS])
    assert order(world)[1] == "99.995"


def test_flatten_now_takes_slice_by_slice():
    world = long()
    world.feed(command("flatten", now=True))
    world.book()
    assert order(world) == ("ask", "99.491", "1.00", "Ioc", True)
    assert slices(world) == ["1.00", "1.00"]
    assert position(world) == 0 and not world.orders


def test_what_takes_fills_the_shown_levels_within_its_price_at_the_takers_fee():
    world = long("40.00", 100_000.0, flatten_slippage_bps=2.0)
    world.feed(command("flatten", now=True))
    world.book()
    assert order(world)[1:3] == ("99.971", "30.00")
    world.wait(LATENCY_MS)
    taken = world.fills[1:]
    assert [(str(fill.px), str(fill.sz)) for fill in taken] == [("99.99", "10.00"), ("99.98", "20.00")]
    assert taken[0].fee_usd == (D("999.9") * taker_rate(0, COIN)).quantize(D("1e-6"))
    assert taken[0].mid_px == 100


def test_what_is_gone_when_the_slice_arrives_is_not_taken():
    world = long("40.00", 100_000.0, flatten_slippage_bps=2.0)
    world.feed(command("flatten", now=True))
    world.book()
    world.book(bids=[("99.98", "3"), *BIDS[2:]])
    world.wait(LATENCY_MS)
    assert [str(fill.sz) for fill in world.fills[1:]] == ["3.00"] and not world.orders
    world.book()
    world.book(bids=[("99.90", "3")])
    world.wait(LATENCY_MS)
    assert world.updates("rejected")[-1].reason == Reason.NO_MATCH and not world.orders
    assert slices(world)[0] == "30.00"


def test_the_next_slice_waits_for_a_newer_book():
    world = long()
    world.feed(command("flatten", now=True))
    world.book()
    world.wait(1_000)
    assert str(position(world)) == "1.00" and not world.orders
    world.book()
    assert len(world.orders) == 1


def test_quotes_are_gone_before_anything_is_taken():
    world = long()
    world.target([(1, "99.95", "0.90")], [(1, "100.05", "0.90")], max_inv_usd=400.0)
    world.wait(LATENCY_MS)
    world.feed(command("flatten", now=True))
    world.book()
    assert {one.state for one in world.orders} == {"cancelling"}
    world.trades(("100.06", "0.7", "B"))
    assert str(position(world)) == "1.30"
    world.wait(LATENCY_MS)
    assert slices(world) == ["1.00", "0.30"] and position(world) == 0


def test_dust_goes_with_an_order_for_all_of_it():
    world = long("1.05")
    world.feed(command("flatten", now=True))
    assert slices(world) == ["1.00", "0.05"]


@pytest.mark.parametrize("now", [True, False])
def test_a_halt_does_not_stop_it_and_a_silent_guard_does(now):
    world = long()
    world.lease("none", "none", valid_ms=2_000, bid_reason=Reason.HALTED, ask_reason=Reason.HALTED)
    world.feed(command("halt"))
    world.feed(command("flatten", now=now))
    world.book()
    assert len(world.orders) == 1
    world.wait(2_000)
    world.book()
    world.wait(LATENCY_MS)
    assert not world.orders and set(world.desk.refused.values()) == {Reason.LEASE_EXPIRED}
    assert position(world) > 0


def test_reduce_only_ends_a_flatten():
    world = long()
    world.feed(command("flatten"))
    world.book()
    world.feed(command("reduce_only"))
    world.wait(LATENCY_MS)
    world.book()
    assert not world.orders
    world.wait(1_000)
    assert newest(world, AccountStatus).reduce_only == {"": "wind down"}


def test_flattening_goes_on_after_a_restart():
    world = long()
    world.feed(command("flatten", COIN, now=True))
    again = World(now_ms=world.now_ms, start=False)
    for kind in (PositionState, AccountState):
        again.core.restore(again.now_ms, newest(world, kind))
    for fill in world.said(Fill):
        again.core.restore(again.now_ms, fill)
    again.feed(Universe(coins=(META,), time_ms=again.now_ms))
    again.feed(Started())
    again.book()
    again.lease(valid_ms=10**6)
    assert slices(again) and position(again) == 0


def test_a_coin_that_left_the_universe_is_not_traded():
    world = long()
    world.feed(Universe(coins=(), time_ms=world.now_ms))
    world.feed(command("flatten", now=True))
    world.book()
    assert not world.orders and world.desk.refused["ask"] is Reason.NO_UNIVERSE


def test_a_position_that_is_not_the_sum_of_its_fills_is_not_traded():
    world = long()
    world.desk.unproven = "position 2 by the ledger, 3 by its fills"
    world.feed(command("flatten", now=True))
    world.book()
    assert not world.orders and world.desk.refused["ask"] is Reason.UNRECONCILED
