"""For all markets, targets and leases: fills need a cause, sizes stay within targets, restarts change nothing."""

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.executor.diff import Tolerance, plan_side
from services.executor.orders import LiveOrder, NewOrder
from shared.messages import (
    ZERO,
    AccountState,
    Fill,
    Funding,
    OrderUpdate,
    PositionState,
    QuoteLevel,
    Universe,
)
from shared.service import Started
from tests.fixtures.executor_world import COIN, META, World

TICKS = st.integers(-6, 6)
px = TICKS.map(lambda ticks: str(Decimal("100.00") + ticks * Decimal("0.01")))
lots = st.integers(1, 400).map(lambda count: str(Decimal(count) / 100))


@st.composite
def sides(draw):
    """A ladder around 100 as a target has it, sometimes with a side missing."""
    bids = [(level, f"{99.99 - 0.01 * offset:.2f}", size) for level, offset, size in draw(_levels())]
    asks = [(level, f"{100.01 + 0.01 * offset:.2f}", size) for level, offset, size in draw(_levels())]
    return bids, asks


def _levels():
    level = st.tuples(st.integers(0, 5), st.sampled_from(["0.12", "0.24", "0.36", "1.00"]))
    return st.lists(level, max_size=3).map(
        lambda rows: [(number, offset, size) for number, (offset, size) in enumerate(sorted(rows), start=1)]
    )


actions = st.one_of(
    st.tuples(st.just("book"), TICKS, st.integers(1, 4), lots, lots),
    st.tuples(st.just("trades"), st.lists(st.tuples(px, lots, st.sampled_from("AB")), min_size=1, max_size=4)),
    st.tuples(st.just("target"), sides()),
    st.tuples(st.just("lease"), *[st.sampled_from(["quote", "quote", "reduce", "none"])] * 2),
    st.tuples(st.just("wait"), st.integers(1, 900)),
    st.tuples(st.just("reconnect")),
    st.tuples(st.just("again")),
)
BEGIN = [
    ("book", 0, 1, "1.00", "1.00"),
    ("lease", "quote", "quote"),
    ("target", ([(1, "99.99", "0.24"), (2, "99.97", "1.00")], [(1, "100.01", "0.24"), (2, "100.03", "1.00")])),
    ("wait", 400),
]
"""Orders rest before anything random happens."""
scripts = st.lists(actions, min_size=3, max_size=60).map(lambda script: BEGIN + script)
models = st.sampled_from(["queue", "v6"])


def play(world, action, last):
    """One step of a script; `last` holds the newest trades, to deliver them again."""
    what = action[0]
    if what == "book":
        _, centre, half, bid_sz, ask_sz = action
        middle = Decimal("100.00") + centre * Decimal("0.01")
        step = Decimal("0.01")
        bids = [(str(middle - step * (half + n)), bid_sz) for n in range(5)]
        asks = [(str(middle + step * (half + n)), ask_sz) for n in range(5)]
        world.book(bids, asks)
    elif what == "trades":
        last[:] = [world.trades(*action[1])]
    elif what == "target":
        bids, asks = action[1]
        world.target(bids, asks, None if bids else "max_inventory", None if asks else "max_inventory")
    elif what == "lease":
        world.lease(action[1], action[2])
    elif what == "wait":
        world.wait(action[1])
        permits = world.desk.lease
        if permits is not None:
            world.lease(permits.bid.allow, permits.ask.allow)
    elif what == "reconnect":
        world.epoch += 1
    elif last:
        world.feed(last[0])


@settings(max_examples=150, deadline=None)
@given(scripts, models)
def test_every_fill_has_its_cause_and_no_print_fills_more_than_it_traded(script, model):
    world = World(queue_model=model)
    last, prints = [], {}
    for action in script:
        play(world, action, last)
        for trades in last:
            prints |= {trade.tid: trade for trade in trades.trades}
    opened = {update.cloid: update.time_ms for update in world.updates("open")[::-1]}
    used = defaultdict(lambda: ZERO)
    total = defaultdict(lambda: ZERO)
    ids = [fill.fill_id for fill in world.fills]
    assert len(ids) == len(set(ids))
    for fill in world.fills:
        total[fill.cloid] += fill.sz
        assert fill.cloid in opened or world_cancelled_first(world, fill.cloid)
        trade = prints[int(fill.fill_id.removeprefix(fill.cloid + "-"))]
        assert trade.side == ("A" if fill.side == "bid" else "B")
        assert trade.px <= fill.px if fill.side == "bid" else trade.px >= fill.px
        placed = next(u for u in world.updates("pending") if u.cloid == fill.cloid)
        assert trade.time_ms >= placed.time_ms + 400
        used[trade.tid] += fill.sz
    if model == "queue":
        assert all(sz <= prints[tid].sz for tid, sz in used.items())
    traded = sum((trade.sz for trade in prints.values()), ZERO)
    assert sum(used.values(), ZERO) <= traded
    sizes = {update.cloid: update.sz for update in world.updates("pending")}
    assert all(total[key] <= sizes[key] for key in total)
    signed = sum((fill.sz if fill.side == "bid" else -fill.sz for fill in world.fills), ZERO)
    assert world.desk.ledger.position_sz == signed


def world_cancelled_first(world, key):
    """An order whose cancel was sent before it arrived never shows as open."""
    return any(update.cloid == key for update in world.updates("cancelling"))


@settings(max_examples=150, deadline=None)
@given(scripts, models)
def test_whatever_fills_at_once_no_order_is_placed_that_could_pass_the_inventory_limit(script, model):
    world = World(queue_model=model)
    last = []
    live = defaultdict(dict)
    position, max_inv, seen = ZERO, ZERO, 0
    for action in script:
        play(world, action, last)
        if world.desk.target:
            max_inv = Decimal(repr(world.desk.target.max_inv_usd)) / world.desk.newest_mid
        for message in world.out[seen:]:
            if isinstance(message, Fill):
                position = message.position_sz
            if isinstance(message, OrderUpdate):
                side = live[message.side]
                if message.status in ("filled", "canceled", "rejected"):
                    side.pop(message.cloid, None)
                else:
                    side[message.cloid] = message
                if message.status == "pending":
                    held = position if message.side == "bid" else -position
                    assert held + sum((one.sz - one.filled_sz for one in side.values()), ZERO) <= max_inv
                    twins = [one for one in side.values() if one.level == message.level]
                    assert len(twins) <= 2
                    assert [one.cloid for one in twins if one.status != "cancelling"] == [message.cloid]
        seen = len(world.out)


@settings(max_examples=80, deadline=None)
@given(scripts, st.data())
def test_a_restart_at_any_step_continues_the_same_books(script, data):
    world = World()
    last = []
    for action in script:
        play(world, action, last)
    stored = data.draw(st.integers(0, len(world.out)))  # how much of the last states the bus has kept
    states = {type(one): one for one in world.out[:stored] if isinstance(one, (PositionState, AccountState))}
    again = World(start=False)
    for kind in (PositionState, AccountState):
        if kind in states:
            again.core.restore(world.now_ms, states[kind])
    for message in world.out:
        if isinstance(message, (Fill, Funding)):
            again.core.restore(world.now_ms, message)
    again.now_ms = world.now_ms
    again.feed(Universe(coins=(META,), time_ms=again.now_ms))
    again.feed(Started())
    assert again.lines("RECONCILE") == ["✅ Inventory matches. No dark fills detected."]
    before, after = world.core.desks[COIN].ledger, again.core.desks[COIN].ledger
    for name in ("seq", "position_sz", "cost_usd", "realized_usd", "fees_usd", "funding_usd", "volume_usd"):
        assert getattr(after, name) == getattr(before, name)


levels = st.builds(
    QuoteLevel,
    level=st.integers(1, 4),
    px=st.decimals("99.90", "99.99", places=2),
    sz=st.decimals("0.10", "2", places=2),
)


@st.composite
def live_orders(draw):
    numbers = draw(st.lists(st.integers(1, 5), unique=True, max_size=4))
    orders = []
    for number in numbers:
        new = NewOrder(
            str(number),
            COIN,
            "bid",
            number,
            draw(st.decimals("99.90", "99.99", places=2)),
            draw(st.decimals("0.10", "2", places=2)),
            0.0,
        )
        state = draw(st.sampled_from(["pending", "open", "cancelling"]))
        orders.append(LiveOrder(new, state=state, leaving=state == "cancelling"))
    return orders


@given(
    live_orders(),
    st.lists(levels, max_size=4, unique_by=lambda quote: quote.level),
    st.decimals("0", "6", places=2),
    st.booleans(),
)
def test_a_plan_stays_within_the_room_and_keeps_one_order_a_level(live, wanted, room, reduce_only):
    plan = plan_side(live, wanted, Tolerance(3.0, 100.0, Decimal("0.01")), room, reduce_only)
    cancels, places = plan.cancels, plan.places
    assert all(order.state != "cancelling" for order in cancels)
    if places:
        everything = sum((order.remaining_sz for order in live), ZERO) + sum((q.sz for q in places), ZERO)
        assert everything <= room
    kept = [order for order in live if order.state != "cancelling" and order not in cancels]
    assert not {quote.level for quote in places} & {order.new.level for order in kept}
    wanted_at = {quote.level: quote for quote in wanted}
    assert all(order.remaining_sz <= wanted_at[order.new.level].sz for order in kept)
    if reduce_only:
        assert sum((order.remaining_sz for order in kept), ZERO) <= room
