"""Exits at the bundled venue: real positions, closed by orders that take and only reduce."""

from decimal import Decimal
from itertools import count

import pytest

from services.venue.exchange.facts import Filled, OrderChanged
from shared.hyperliquid.actions import PlaceOrders
from shared.messages import Command, Reason, Trade, Trades
from shared.units import MIN_NOTIONAL_USD
from tests.fixtures.live_core import LiveWorld
from tests.fixtures.live_venue import ACCOUNT, LiveVenue

COIN = "NIL"
_ids = count()


def order(world, action, now=False):
    world.feed(
        Command(
            id=f"exit {next(_ids)}", action=action, who="op", reason="out", time_ms=world.venue.now_ms, now=now
        )
    )


@pytest.fixture
def world():
    """Holds a position at the venue and quotes no more."""
    world = LiveWorld(LiveVenue(3)).until_ready().want(COIN, 0)
    while abs(value(world)) < 100:
        world.wait(500)
    world._ticks.clear()
    order(world, "cancel_all")
    world.wait(2_000)
    return world


def desk(world):
    return world.core.live.desks[COIN]


def value(world):
    return desk(world).ledger.position_sz * desk(world).newest_mid


def takes(world):
    """Orders sent that take, oldest first."""
    places = [send.action for send in world.venue.sent if isinstance(send.action, PlaceOrders)]
    return [wire for action in places for wire in action.orders if wire.t.limit.tif == "Ioc"]


def flat(world):
    return COIN not in world.true_positions() and not desk(world).ledger.position_sz


def test_slices_close_a_position_the_last_one_below_the_venues_minimum(world):
    held_usd = abs(value(world))
    desk(world).max_inv_usd = float(4 * (held_usd - 5))
    order(world, "flatten", now=True)
    world.wait(10_000)
    assert flat(world)
    sent = takes(world)
    assert all(wire.r for wire in sent)
    assert Decimal(sent[-1].p) * Decimal(sent[-1].s) < MIN_NOTIONAL_USD < Decimal(sent[0].p) * Decimal(sent[0].s)
    crossed = [
        fact for fact in world.venue.facts if isinstance(fact, Filled) and fact.user == ACCOUNT and fact.crossed
    ]
    booked = [fill for fill in world.fills("live") if fill.cloid in {wire.c for wire in sent}]
    assert sum(fill.fee for fill in crossed) == sum(fill.fee_usd for fill in booked)
    assert sum(fill.sz for fill in crossed) == sum(fill.sz for fill in booked)


def test_resting_at_the_touch_closes_it_as_a_maker(world):
    order(world, "flatten")
    for _ in range(600):
        world.wait(500)
        if flat(world):
            break
    assert flat(world) and not takes(world)
    assert not any(fact.crossed for fact in world.venue.facts if isinstance(fact, Filled) and fact.user == ACCOUNT)


def test_a_halt_keeps_quotes_away_and_lets_the_position_go(world):
    order(world, "halt")
    order(world, "flatten", now=True)
    world.want(COIN, 0).wait(5_000)
    assert flat(world) and world.stopped is Reason.HALTED and not world.resting()


def test_what_finds_nothing_to_take_is_tried_again_on_a_newer_book(world):
    world.venue.fault(
        fault="reject", share=1.0, count=2, text="Order could not immediately match against any resting orders."
    )
    order(world, "flatten", now=True)
    world.wait(10_000)
    assert flat(world)
    assert world.status.live.rejects[Reason.NO_MATCH] == 2


def test_what_was_taken_is_known_without_answer_and_stream(world):
    world.venue.fault(fault="lose_answer", for_s=3.0)
    world.venue.fault(fault="dark_fill", for_s=3.0)
    world.venue.fault(fault="stall", channel="orderUpdates", for_s=3.0)
    order(world, "flatten", now=True)
    world.wait(30_000)
    assert flat(world) and world.positions() == world.true_positions()
    orders = {fact.cloid for fact in world.venue.facts if isinstance(fact, OrderChanged) and fact.tif == "Ioc"}
    assert orders == {wire.c for wire in takes(world)}


def test_the_shadow_twin_leaves_its_own_position_too(world):
    twin = world.core.twin.desks[COIN]
    world.want(COIN, 0)
    while not (resting := [order for order in twin.orders.values() if order.rests]):
        world.wait(500)
    now_ms, new = world.venue.now_ms, resting[0].new
    px = new.px * (Decimal("0.9") if new.side == "bid" else Decimal("1.1"))
    through = Trade(px, Decimal(10**6), "A" if new.side == "bid" else "B", now_ms, 1)
    world.feed(Trades(coin=COIN, received_ms=float(now_ms), epoch=1, trades=(through,)))
    assert twin.ledger.position_sz
    order(world, "flatten", now=True)
    world.wait(15_000)
    assert not twin.ledger.position_sz and not twin.orders and flat(world)


@pytest.mark.parametrize("now", [True, False])
def test_taking_need_not_wait_for_the_coins_share_of_the_request_budget(world, now):
    planner = world.core.live._side.planner
    planner.note_sent(world.venue.now_ms, COIN, 100, 0)
    order(world, "flatten", now=now)
    world.wait(5_000)
    assert flat(world) == now
    if not now:
        assert set(desk(world).refused.values()) == {Reason.REQUEST_BUDGET, Reason.FLATTENING}
