"""Orders that were refused, and orders of which nobody knows whether they rest."""

from decimal import Decimal

import pytest

from services.executor.orders import NewOrder
from services.executor.refusals import Repricing
from services.executor.reports import Accepted, Canceled, Lost, Rejected
from shared.messages import OrderUpdate, QuoteLevel, Reason
from tests.fixtures.executor_world import COIN, LATENCY_MS, World

D = Decimal
BID = (1, "99.98", "0.20")
ASK = (1, "100.02", "0.20")


def overtake(world, bid, ask):
    """The market moves; then long enough for what is on its way to arrive."""
    world.book(bids=[(bid, "5")], asks=[(ask, "5")])
    world.wait(LATENCY_MS)


def pending(world):
    return [(update.side, str(update.px)) for update in world.updates("pending")]


def test_an_overtaken_order_is_tried_again_one_tick_behind_the_newest_touch():
    world = World()
    world.book()
    world.lease()
    world.target([BID])
    overtake(world, "99.80", "99.90")
    world.wait(LATENCY_MS)
    assert pending(world) == [("bid", "99.98"), ("bid", "99.899")]
    assert [order.rests for order in world.orders] == [True]


def test_after_two_more_refusals_a_level_waits_for_the_next_target():
    world = World()
    world.book()
    world.lease(valid_ms=60_000)
    world.target([BID])
    for bid, ask in (("99.80", "99.90"), ("99.60", "99.70"), ("99.40", "99.50"), ("99.20", "99.30")):
        overtake(world, bid, ask)
    assert pending(world) == [("bid", "99.98"), ("bid", "99.899"), ("bid", "99.699")]
    assert world.orders == [] and world.desk.refused["bid"] is Reason.WOULD_CROSS
    world.target([(1, "99.20", "0.20")])
    assert pending(world)[3:] == [("bid", "99.20")]


@pytest.mark.parametrize(
    ("side", "px", "opposite", "expected"),
    [
        ("bid", "99.98", "99.90", "99.899"),
        ("ask", "100.02", "100.10", "100.11"),
        ("bid", "99.98", "99.99", "99.98"),
    ],
)
def test_a_level_stays_where_it_was_if_the_market_has_come_back(side, px, opposite, expected):
    repricing = Repricing(2)
    order = NewOrder("0x0", COIN, side, 1, D(px), D(1), 0.0)
    repricing.refused(order, D(opposite), 2)
    quotes = (QuoteLevel(1, D(px), D(1)), QuoteLevel(2, D(px), D(2)))
    assert [(quote.level, str(quote.px)) for quote in repricing.apply(side, quotes)] == [(1, expected), (2, px)]
    repricing.new_target()
    assert repricing.apply(side, quotes) == quotes


class Scripted:
    """An exchange that says what a test wants."""

    def __init__(self):
        self.placed, self.cancelled, self.reports = [], [], []

    def place(self, now_ms, approved):
        self.placed.append(approved.order)

    def cancel(self, now_ms, key, *, urgent=True):
        self.cancelled.append(key)

    def step(self, now_ms, msg):
        reports, self.reports = self.reports, []
        return reports

    def close(self, now_ms):
        return ()


@pytest.fixture
def world():
    world = World()
    world.exchange = world.core._exchange = world.core._trader.exchange = Scripted()
    world.book()
    world.lease(valid_ms=60_000)
    world.target([BID], [ASK])
    return world


def say(world, *reports):
    world.exchange.reports = list(reports)
    return world.wait(100)


def test_while_an_order_is_unknown_nothing_is_placed_on_its_side(world):
    bid, ask = world.exchange.placed
    say(world, Lost(bid.cloid), Accepted(ask.cloid))
    world.target([(1, "99.90", "0.20"), (2, "99.80", "0.20")], [ASK, (2, "100.20", "0.20")])
    assert [order.px for order in world.exchange.placed[2:]] == [D("100.20")]
    assert world.exchange.cancelled == [bid.cloid]
    world.target([(1, "99.90", "0.20")], [ASK, (2, "100.20", "0.20")])
    assert world.exchange.cancelled == [bid.cloid]
    say(world, Accepted(bid.cloid))
    assert [order.state for order in world.orders if order.new is bid] == ["cancelling"]
    say(world, Canceled(bid.cloid))
    assert D("99.90") in [order.px for order in world.exchange.placed]


def test_a_lost_order_that_never_arrived_is_placed_anew_under_another_name(world):
    bid, _ = world.exchange.placed
    say(world, Lost(bid.cloid))
    say(world, Rejected(bid.cloid, Reason.NEVER_ARRIVED))
    (again,) = world.exchange.placed[2:]
    assert (again.px, again.sz) == (bid.px, bid.sz) and again.cloid != bid.cloid


def test_the_price_that_the_venue_names_counts_when_our_book_is_older(world):
    bid, _ = world.exchange.placed
    say(world, Rejected(bid.cloid, Reason.WOULD_CROSS, D("99.95")))
    assert [order.px for order in world.exchange.placed[2:]] == [D("99.949")]


def test_why_the_venue_cancelled_stands_in_the_order_update(world):
    bid, _ = world.exchange.placed
    say(world, Accepted(bid.cloid), Canceled(bid.cloid, "marginCanceled"))
    (update,) = [each for each in world.said(OrderUpdate) if each.status == "canceled"]
    assert (update.cloid, update.reason) == (bid.cloid, "marginCanceled")


def test_a_refusal_that_no_price_cures_pauses_the_side_longer_each_time_until_an_order_rests(world):
    """Without margin every try is a request wasted."""
    placed_ms = []
    for _ in range(1_200):
        world.lease(valid_ms=60_000)
        bids = [order for order in world.exchange.placed if order.side == "bid"]
        if len(bids) > len(placed_ms):
            placed_ms.append(world.now_ms)
            world.exchange.reports = [Rejected(bids[-1].cloid, Reason.INSUFFICIENT_MARGIN)]
        world.book(ms=0)
        world.target([BID], [ASK])
        world.wait(100)
    pauses = [(later - before) // 1_000 for before, later in zip(placed_ms, placed_ms[1:], strict=False)]
    assert pauses == [1, 2, 4, 8, 16, 32]
    assert world.desk.refused["bid"] is Reason.INSUFFICIENT_MARGIN
    assert len([order for order in world.exchange.placed if order.side == "ask"]) == 1
