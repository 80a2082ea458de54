"""The executor's live core on the bundled venue: ladders through mishaps and kills, to the end of the process."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import Command, OrderUpdate
from tests.fixtures.live_core import LiveWorld
from tests.fixtures.live_venue import CALM, COINS, WILD, LiveVenue

ARRIVED_AFTER_BLOCKS = 150
"""Ten seconds: twice the life of an action."""
OVER = {"filled", "canceled", "rejected"}

steps = st.one_of(
    st.tuples(st.just("want"), st.sampled_from(COINS), st.integers(0, 4)),
    st.tuples(st.just("wait"), st.sampled_from([200, 1_000, 4_000])),
    st.tuples(st.just("cut")),
    st.tuples(st.just("dark")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("cancel_all")),
    st.tuples(st.just("no_lease")),
)


def play(world, script):
    for what, *args in script:
        world.leasing = what != "no_lease"
        match what:
            case "want":
                world.want(*args)
            case "wait":
                world.wait(*args)
            case "cut":
                world.venue.disconnect()
            case "dark":
                world.venue.fault(fault="dark_fill", for_s=2.0)
            case "kill":
                world = world.kill()
            case "no_lease":
                world.wait(5_000)
            case _:
                now_ms = world.venue.now_ms
                order = Command(id=f"{now_ms}", action="cancel_all", who="test", reason="", time_ms=now_ms)
                world.feed(order)
        check_now(world)
    return world


def check_now(world):
    for desk in world.core.live.desks.values():
        for order in desk.orders.values():
            assert order.new.sz >= order.filled_sz
    if not world.leasing:
        unwanted = {order.new.cloid for desk in world.core.live.desks.values() for order in desk.orders.values()
                    if not order.leaving}  # fmt: skip
        assert not unwanted, "a lapsed lease takes every order away"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([CALM, WILD, WILD]), st.lists(steps, min_size=8, max_size=30))
def test_at_the_end_nothing_rests_and_the_books_are_the_venues(seed, network, script):
    world = play(LiveWorld(LiveVenue(seed, network)).until_ready(), script)
    world.venue.calm()
    world.wait(20_000)
    world.until_ready(120_000)
    world.wait(1_000)
    assert world.stopped is None
    assert world.resting() <= world.known()
    world.stop()
    assert not world.resting() and not world.given_up
    assert world.positions() == world.true_positions()
    assert any("our books are equal to the venue's" in line for line in world.lines("TIE OUT"))
    for desk in world.core.live.desks.values():
        assert not desk.orders
        assert not desk.chain.difference(desk.ledger)
    ends = Counter(update.cloid for update in world.said(OrderUpdate) if update.status in OVER)
    begun = {update.cloid for update in world.said(OrderUpdate)}
    assert ends.keys() == begun and set(ends.values()) <= {1}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([CALM, WILD, WILD]), st.lists(steps, min_size=2, max_size=12))
def test_whatever_is_on_its_way_an_end_without_an_error_leaves_nothing(seed, network, script):
    """Also what arrives after it."""
    world = play(LiveWorld(LiveVenue(seed, network)).until_ready(), script)
    world.stop()
    for _ in range(ARRIVED_AFTER_BLOCKS):
        world.venue.block()
    if not world.given_up:
        assert not world.resting()
        assert not world.venue.venue.waiting


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.lists(steps, min_size=8, max_size=30))
def test_no_intent_reaches_the_venue_twice(seed, script):
    """Whatever is lost, an order that was sent is looked up and never sent again; only the network repeats."""
    venue = LiveVenue(seed, WILD)
    play(LiveWorld(venue).until_ready(), script)
    sent = Counter(cloid for send in venue.sent for cloid in placed_by(send.action))
    assert set(sent.values()) <= {1}


def placed_by(action):
    orders = getattr(action, "orders", ()) or [modify.order for modify in getattr(action, "modifies", ())]
    return [order.c for order in orders]
