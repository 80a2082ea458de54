"""Positions that the operator wants worked off go to zero and nowhere else, whatever happens on the way."""

from dataclasses import replace
from decimal import Decimal
from itertools import count

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.executor.approve import Approved, approve_exit, slippage_px
from services.executor.orders import NewOrder
from services.venue.exchange.facts import Filled
from shared.hyperliquid.actions import PlaceOrders
from shared.messages import Command, Universe
from shared.service import Started
from tests.fixtures.executor_world import COIN, LATENCY_MS, META, World
from tests.fixtures.live_core import LiveWorld
from tests.fixtures.live_venue import ACCOUNT, CALM, COINS, WILD, LiveVenue
from tests.property.test_executor_approve_never import GOOD, NOW_MS, anything, changes, sizes

D = Decimal
SLIPPAGE_BPS = 20.0
CAP_USD = D(50)

# ---- the gate -----------------------------------------------------------------------------------------------


@st.composite
def surroundings(draw):
    names = draw(st.lists(st.sampled_from([""] * 10 + sorted(changes)), max_size=3))
    around = replace(
        GOOD,
        position_sz=draw(st.decimals("-1", "1", places=2)),
        facing_sz=draw(st.sampled_from([D(0), D(0), D("0.1")])),
        slippage_bps=draw(st.sampled_from([1.0, SLIPPAGE_BPS])),
    )
    return replace(around, **{name: draw(changes[name]) for name in sorted(set(names) - {""})})


@st.composite
def exit_orders(draw):
    sizes_too = st.one_of(sizes, st.decimals("0.01", "0.40", places=2))
    prices = st.one_of(anything, st.decimals("99.70", "100.30", places=2))
    return NewOrder(
        cloid="0x" + "0" * 32,
        coin=draw(st.sampled_from([COIN] * 9 + ["BTC"])),
        side=draw(st.sampled_from(["bid", "ask"])),
        level=1,
        px=draw(prices),
        sz=draw(sizes_too),
        source_ms=float(NOW_MS),
        tif=draw(st.sampled_from(["Alo", "Ioc"])),
        reduce_only=draw(st.sampled_from([True, True, True, False])),
    )


@settings(max_examples=400)
@given(exit_orders(), surroundings())
def test_whatever_is_approved_as_an_exit_reduces_and_keeps_every_bound(order, around):
    verdict = approve_exit(NOW_MS, order, around)
    if not isinstance(verdict, Approved):
        return
    book, lease = around.book, around.lease
    assert order.reduce_only and around.position_sz * (1 if order.side == "bid" else -1) < 0
    assert order.sz + around.resting_sz <= abs(around.position_sz)
    assert lease.coin == order.coin and lease.valid_until_ms > NOW_MS
    assert book.epoch == around.newest_epoch and NOW_MS - book.received_ms <= 5000
    touch_px = (book.asks if order.side == "bid" else book.bids)[0].px
    assert max(order.px, touch_px) * order.sz <= D(repr(around.max_inv_usd)) / 4
    assert order.px * order.sz >= 10 or order.sz == abs(around.position_sz)
    assert order.sz == order.sz.quantize(D("0.01"))
    through = (order.px - touch_px) if order.side == "bid" else (touch_px - order.px)
    if order.tif == "Alo":
        assert through < 0
    else:
        assert not around.resting_sz and not around.facing_sz
        assert through <= touch_px * D(repr(around.slippage_bps)) / 10_000 + D("1e-9")


# ---- in shadow ----------------------------------------------------------------------------------------------

offsets = st.integers(-40, 40)
books = st.tuples(
    st.just("book"), offsets, st.integers(1, 30), st.lists(st.integers(1, 60), min_size=1, max_size=5)
)
shadow_steps = st.one_of(
    books,
    books,
    st.tuples(st.just("wait"), st.sampled_from([100, LATENCY_MS, 3_000])),
    st.tuples(st.just("lease"), st.sampled_from([500, 3_000]), st.sampled_from(["none", "reduce", "quote"])),
    st.tuples(st.just("print"), st.integers(-60, 60), st.integers(1, 200), st.sampled_from(["A", "B"])),
    st.tuples(st.just("target")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("halt")),
    st.tuples(st.just("flatten"), st.booleans()),
)


def show(world, offset, spread, sizes_shown):
    """A book around 100 plus so many hundredths; sizes in tenths of a coin."""
    mid, half = D(100) + D(offset) / 100, D(spread) / 200
    rows = [(D(n) / 100, D(sz) / 10) for n, sz in enumerate(sizes_shown)]
    tick = D("0.001")
    world.book(
        bids=[(((mid - half - away) // tick) * tick, sz) for away, sz in rows],
        asks=[(((mid + half + away) // tick + 1) * tick, sz) for away, sz in rows],
    )


def restarted(world):
    """The next process, with what the bus has kept; simulated orders die with theirs."""
    again = World(now_ms=world.now_ms, start=False, flatten_slippage_bps=SLIPPAGE_BPS)
    newest = {type(message): message for message in world.out}
    for kind, message in newest.items():
        if kind.__name__ in ("PositionState", "AccountState"):
            again.core.restore(again.now_ms, message)
    for fill in world.fills:
        again.core.restore(again.now_ms, fill)
    again.out = list(world.fills)
    again.feed(Universe(coins=(META,), time_ms=again.now_ms))
    again.feed(Started())
    return again


_ids = count()


def flatten(world, now, now_ms):
    key = f"flatten {next(_ids)}"
    world.feed(Command(id=key, action="flatten", who="op", reason="out", time_ms=now_ms, now=now))


def play(world, step):
    match step:
        case ("book", *shown):
            show(world, *shown)
        case ("wait", ms):
            world.wait(ms)
        case ("lease", ms, allow):
            world.lease(allow, allow, valid_ms=ms)
        case ("print", offset, lots, aggressor):
            world.trades((str(D(100) + D(offset) / 100), str(D(lots) / 100), aggressor))
        case ("target",):
            world.target([(1, "99.90", "0.30")], [(1, "100.10", "0.30")], max_inv_usd=200.0)
        case ("restart",):
            return restarted(world)
        case ("halt",):
            world.command("halt", f"halt {world.now_ms}")
        case ("flatten", now):
            flatten(world, now, world.now_ms)
    return world


def check_orders(world):
    """One order at a time, within every bound, and none that might go beyond flat."""
    desk = world.desk
    live = [order for order in world.orders if order.new.reduce_only]
    assert len(live) <= 1
    for order in live:
        held = desk.ledger.position_sz if order.new.side == "ask" else -desk.ledger.position_sz
        assert order.remaining_sz <= held
        assert order.state != "pending" or len(world.orders) == 1
    book = desk.book
    for order in (order for order in live if order.new.source_ms == book.received_ms):
        touch_px = (book.asks if order.new.side == "bid" else book.bids)[0].px
        assert max(touch_px, order.new.px) * order.new.sz <= CAP_USD
        if order.new.tif == "Ioc":
            limit_px = slippage_px(order.new.side, touch_px, SLIPPAGE_BPS, META.sz_decimals)
            assert order.new.px == limit_px


def start(bought):
    """`bought` hundredths of a coin; below zero: sold."""
    world = World(flatten_slippage_bps=SLIPPAGE_BPS)
    px, aggressor, through = ("99.99", "A", "99.98") if bought > 0 else ("100.01", "B", "100.02")
    level = [(1, px, str(D(abs(bought)) / 100))]
    world.rest(level, max_inv_usd=100_000.0) if bought > 0 else world.rest([], level, max_inv_usd=100_000.0)
    world.trades((through, "1000", aggressor))
    assert world.desk.ledger.position_sz * 100 == bought
    world.target(max_inv_usd=200.0)
    return world


@settings(max_examples=150, deadline=None)
@given(
    st.integers(12, 300),
    st.sampled_from([1, -1]),
    st.booleans(),
    st.lists(shadow_steps, max_size=40),
)
def test_in_shadow_it_goes_to_zero_and_never_beyond(lots, sign, now, script):
    world = start(sign * lots)
    flatten(world, now, world.now_ms)
    before = world.desk.ledger.position_sz
    for step in script:
        world = play(world, step)
        after = world.desk.ledger.position_sz
        assert abs(after) <= abs(before) and after * before >= 0
        before = after
        check_orders(world)
        assert after == sum((fill.sz if fill.side == "bid" else -fill.sz for fill in world.fills), D(0))
    flatten(world, True, world.now_ms)
    for _ in range(30):
        show(world, 0, 2, [50] * 5)
        world.lease("none", "none")
        world.wait(LATENCY_MS)
        check_orders(world)
    assert world.desk.ledger.position_sz == 0 and not world.orders


# ---- at the bundled venue -----------------------------------------------------------------------------------

live_steps = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([200, 1_000, 4_000])),
    st.tuples(st.just("wait"), st.sampled_from([200, 1_000, 4_000])),
    st.tuples(st.just("cut")),
    st.tuples(st.just("dark")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("no_lease")),
    st.tuples(st.just("flatten"), st.booleans()),
)


class Narrow(LiveWorld):
    """Orders of $50 at most."""

    def target(self, coin, ticks):
        return msgspec.structs.replace(super().target(coin, ticks), max_inv_usd=float(4 * CAP_USD))


def holding(seed):
    """A world that has traded for a while and quotes no more."""
    world = Narrow(LiveVenue(seed, CALM)).until_ready()
    for coin in COINS:
        world.want(coin, 0)
    for _ in range(120):
        world.wait(500)
        if len(world.positions()) == len(COINS):
            break
    world._ticks.clear()
    now_ms = world.venue.now_ms
    world.feed(Command(id="enough", action="cancel_all", who="op", reason="", time_ms=now_ms))
    world.wait(2_000)
    return world


def play_live(world, what, *args):
    world.leasing = what != "no_lease"
    match what:
        case "wait":
            world.wait(*args)
        case "cut":
            world.venue.disconnect()
        case "dark":
            world.venue.fault(fault="dark_fill", for_s=2.0)
        case "kill":
            world.venue.forget()
            world = Narrow(world.venue, world.store)
        case "no_lease":
            world.wait(5_000)
        case _:
            flatten(world, *args, world.venue.now_ms)
    return world


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([CALM, WILD, WILD]),
    st.booleans(),
    st.lists(live_steps, max_size=12),
)
def test_at_the_venue_it_goes_to_zero_and_never_beyond(seed, network, now, script):
    world = holding(seed)
    facts, before = len(world.venue.facts), world.true_positions()
    assume(before)
    world.venue.network = network
    flatten(world, now, world.venue.now_ms)
    for step in script:
        world = play_live(world, *step)
        check_live(world)
    world.venue.calm()
    world.leasing = True
    flatten(world, True, world.venue.now_ms)
    world.until_ready(120_000)
    for _ in range(60):
        world.wait(500)
        if not world.positions() and not world.true_positions():
            break
    assert not world.positions() and not world.true_positions()
    held = dict(before)
    for fill in (fact for fact in world.venue.facts[facts:] if isinstance(fact, Filled) and fact.user == ACCOUNT):
        earlier = held.get(fill.coin, D(0))
        held[fill.coin] = earlier + (fill.sz if fill.side == "B" else -fill.sz)
        assert abs(held[fill.coin]) < abs(earlier) and held[fill.coin] * earlier >= 0
    for wire in exits_sent(world.venue):
        assert wire.r and D(wire.p) * D(wire.s) <= CAP_USD


def exits_sent(venue):
    orders = [wire for send in venue.sent if isinstance(send.action, PlaceOrders) for wire in send.action.orders]
    return [wire for wire in orders if wire.r or wire.t.limit.tif == "Ioc"]


def check_live(world):
    """Of each coin one exit at a time, and nothing beside it."""
    for desk in world.core.live.desks.values():
        exits = [order for order in desk.orders.values() if order.new.reduce_only]
        assert len(exits) <= 1 and (not exits or len(desk.orders) == 1)
