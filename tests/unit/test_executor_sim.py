"""The simulated exchange, rule by rule (numbers as in `services.executor.sim`). The queue at 99.99 is 10."""

from decimal import Decimal

import pytest

from services.executor.approve import Approved, Surroundings, approve_exit
from services.executor.config import ExecutorConfig
from services.executor.orders import NewOrder
from services.executor.reports import Canceled, Rejected
from services.executor.sim import SimExchange
from shared.errors import InvariantError
from shared.messages import Reason, RiskLease, SidePermit, Trade, Trades, Universe
from shared.service import Tick
from tests.fixtures.executor_world import ASKS, BIDS, COIN, LATENCY_MS, META, World

TOUCH = (1, "99.99", "2.00")


def sizes(world):
    return [str(fill.sz) for fill in world.fills]


def show(world, sz, px="99.99"):
    """A book in which the touch at 99.99 shows `sz`."""
    return world.book(bids=[(px, sz), *BIDS[1:]], asks=ASKS)


def test_rule_1_the_queue_ahead_goes_first_and_partial_fills_are_exact():
    world = World().rest([TOUCH])
    world.trades(("99.99", "9.50", "A"))
    assert sizes(world) == []
    world.trades(("99.99", "1.25", "A"))
    assert sizes(world) == ["0.75"]
    world.trades(("99.99", "9", "A"))
    assert sizes(world) == ["0.75", "1.25"]
    assert world.updates("open")[-1].filled_sz == Decimal("0.75")


def test_rule_1_buyers_do_not_fill_bids():
    world = World().rest([TOUCH])
    world.trades(("99.99", "100", "B"), ("99.90", "100", "B"))
    assert sizes(world) == []


def test_rule_2_a_print_through_the_price_fills_but_not_for_more_than_itself():
    world = World().rest([TOUCH])
    world.trades(("99.98", "0.50", "A"))
    assert sizes(world) == ["0.50"]
    world.trades(("99.98", "7", "A"))
    assert sizes(world) == ["0.50", "1.50"]


def test_rule_3_an_ask_at_our_bid_does_not_fill_but_the_next_seller_does():
    world = World().rest([TOUCH])
    world.book(bids=[("99.97", "10"), ("99.96", "10")], asks=[("99.99", "0.1")])
    assert sizes(world) == []
    world.trades(("99.97", "0.50", "A"))
    assert sizes(world) == ["0.50"]


def test_rule_4_cancels_shorten_the_queue_and_the_display_bounds_it():
    world = World(sim_cancel_power=1.0).rest([TOUCH])
    show(world, "30")
    show(world, "15")  # 15 canceled: behind us 20 of 30, so ahead falls by a third of 15
    world.trades(("99.99", "5", "A"))
    assert sizes(world) == []
    world.trades(("99.99", "1", "A"))
    assert sizes(world) == ["1.00"]


def test_rule_4_risk_averse_sees_all_cancels_behind_us():
    world = World(sim_cancel_model="risk_averse").rest([TOUCH])
    show(world, "30")
    show(world, "15")
    world.trades(("99.99", "9", "A"))
    assert sizes(world) == []
    show(world, "1")
    world.trades(("99.99", "2", "A"))
    assert sizes(world) == ["1.00"]


@pytest.mark.parametrize("book_first", [True, False])
def test_rule_4_the_order_in_which_a_book_and_its_prints_arrive_makes_no_difference(book_first):
    world = World().rest([TOUCH])
    show(world, "30")
    world.now_ms += 50
    time_ms = world.now_ms
    trades = Trades(
        coin=COIN,
        received_ms=float(time_ms),
        epoch=1,
        trades=(Trade(Decimal("99.99"), Decimal(6), "A", time_ms, 900),),
    )
    if not book_first:
        world.feed(trades)
    world.book(bids=[("99.99", "24"), *BIDS[1:]], asks=ASKS, ms=0)
    if book_first:
        world.feed(trades)
    world.trades(("99.99", "5", "A"))
    assert sizes(world) == ["1.00"]


def test_rule_6_a_price_inside_the_spread_has_nothing_ahead():
    world = World().rest([(1, "100.00", "2.00")])
    world.trades(("100.00", "1.50", "A"))
    assert sizes(world) == ["1.50"]


def test_rule_7_post_only_is_checked_against_the_book_at_arrival():
    world = World()
    world.book()
    world.lease()
    world.target([(1, "100.00", "1.00")])
    world.book(bids=[("99.90", "5")], asks=[("100.00", "5")])
    world.book(bids=BIDS, asks=ASKS, ms=300)
    world.wait(90)  # it arrives while the ask is at 100.01 again
    assert [update.status for update in world.updates("open")] == ["open"]
    assert world.updates("rejected") == []


def test_rule_8_until_the_cancel_takes_effect_a_fill_still_happens():
    world = World().rest([TOUCH])
    world.target([], [], "no_book", "no_book")
    world.trades(("99.98", "1", "A"))
    assert sizes(world) == ["1.00"]
    world.wait(LATENCY_MS)
    world.trades(("99.98", "5", "A"))
    assert sizes(world) == ["1.00"]
    assert [update.filled_sz for update in world.updates("canceled")] == [Decimal("1.00")]


def test_rule_8_a_cancel_that_overtakes_its_order_waits_for_it():
    world = World(sim_cancel_latency_ms=0)
    world.book()
    world.lease()
    world.target([TOUCH])
    world.command("cancel_all")
    assert [order.state for order in world.orders] == ["cancelling"]
    world.wait(LATENCY_MS)
    assert world.orders == []
    assert len(world.updates("canceled")) == 1


def test_rule_9_no_print_from_before_the_order_was_active_counts():
    world = World()
    world.book()
    world.lease()
    world.target([TOUCH])
    world.trades(("99.90", "50", "A"), ms=LATENCY_MS - 1)
    world.wait(200)
    assert sizes(world) == []


def test_rule_9_a_late_delivery_of_an_old_print_does_not_count():
    """Received after the activation, but from a block that the book at arrival already contained."""
    world = World()
    world.book()
    world.lease()
    world.target([TOUCH])
    world.book(ms=LATENCY_MS - 5)
    time_ms = world.desk.book.time_ms
    world.wait(100)
    old = Trade(Decimal("99.90"), Decimal(50), "A", time_ms, 901)
    world.feed(Trades(coin=COIN, received_ms=float(world.now_ms), epoch=1, trades=(old,)))
    assert sizes(world) == []


def test_rule_9_one_print_is_shared_by_our_orders_in_price_time_order():
    world = World().rest([(1, "99.98", "2.00"), (2, "99.95", "3.00")])
    world.trades(("99.90", "2.50", "A"))
    assert [(fill.level, str(fill.sz)) for fill in world.fills] == [(1, "2.00"), (2, "0.50")]


def test_rule_9_shared_volume_holds_for_the_v6_model_too():
    world = World(queue_model="v6").rest([(1, "99.98", "2.00"), (2, "99.95", "3.00")])
    world.trades(("99.90", "2.80", "A"))
    assert [(fill.level, str(fill.sz)) for fill in world.fills] == [(1, "2.00")]
    world.trades(("99.90", "4.20", "A"))
    assert [(fill.level, str(fill.sz)) for fill in world.fills] == [(1, "2.00"), (2, "3.00")]


def test_a_price_outside_the_fast_view_takes_its_queue_from_the_depth():
    world = World()
    world.book()
    world.depth([*BIDS, ("99.90", "7")], ASKS)
    world.lease()
    world.target([(1, "99.90", "2.00")])
    world.wait(LATENCY_MS)
    world.trades(("99.90", "8", "A"))
    assert sizes(world) == ["1.00"]


def test_an_unknown_queue_never_fills_at_its_price_until_it_comes_into_view():
    world = World().rest([(1, "99.90", "2.00")])
    world.trades(("99.90", "1000", "A"))
    assert sizes(world) == []
    show(world, "5", px="99.90")
    world.trades(("99.90", "6", "A"))
    assert sizes(world) == ["1.00"]


def test_the_gap_behind_a_touch_that_may_be_newer_than_the_levels_says_nothing():
    world = World()
    world.book(bids=[("99.99", "10"), ("99.95", "10")], asks=ASKS)
    world.lease()
    world.target([(1, "99.97", "2.00")])
    world.wait(LATENCY_MS)
    world.trades(("99.97", "50", "A"))
    assert sizes(world) == []


def test_after_a_reconnect_the_old_queue_position_is_forgotten():
    world = World().rest([TOUCH])
    world.trades(("99.99", "9", "A"))
    world.epoch = 2
    show(world, "10")
    world.trades(("99.99", "9", "A"))
    assert sizes(world) == []


def exit_of(tif, px, held):
    """What becomes of an exit of 5 coins that meets an account which holds `held`."""
    world = World()
    world.book()
    now_ms, permit = world.now_ms, SidePermit()
    sim = SimExchange(ExecutorConfig(run_id="test", metrics_port=0), lambda coin: Decimal(held))
    sim.step(now_ms, Universe(coins=(META,), time_ms=now_ms))
    sim.step(now_ms, world.desk.book)
    lease = RiskLease(coin=COIN, issued_ms=now_ms, valid_until_ms=now_ms + 1, bid=permit, ask=permit)
    order = NewOrder("0x0", COIN, "ask", 1, Decimal(px), Decimal(5), 0.0, tif, True)
    around = Surroundings(META, world.desk.book, 1, lease, False, Decimal(5), Decimal(0), 1e6, slippage_bps=50.0)
    verdict = approve_exit(now_ms, order, around)
    assert isinstance(verdict, Approved), verdict
    sim.place(now_ms, verdict)
    at_ms = now_ms + LATENCY_MS
    reports = list(sim.step(at_ms, Tick()))
    late = Trade(Decimal("100.05"), Decimal(99), "B", at_ms + 10, 1)
    return reports + list(
        sim.step(at_ms + 10, Trades(coin=COIN, received_ms=at_ms + 10.0, epoch=1, trades=(late,)))
    )


@pytest.mark.parametrize(("tif", "px"), [("Ioc", "99.98"), ("Alo", "100.01")])
def test_rule_11_a_reduce_only_order_closes_no_more_than_the_position(tif, px):
    accepted, filled, rest = exit_of(tif, px, "3")
    assert (filled.sz, rest) == (3, Canceled("0x0", "reduce_only"))
    accepted, filled = exit_of(tif, px, "5")
    assert filled.sz == 5
    for held in ("0", "-5"):
        (refused,) = exit_of(tif, px, held)
        assert refused == Rejected("0x0", Reason.REDUCE_ONLY)


def test_nothing_but_an_approved_order_can_be_sent():
    new = NewOrder("0x0", COIN, "bid", 1, Decimal("99.99"), Decimal(1), 0.0)
    with pytest.raises(InvariantError, match="without approval"):
        Approved(new, object())
