"""A quoter that leans against another position than ours is not believed for long."""

from decimal import Decimal

import pytest

from services.executor.desk import ASTRAY_MS, ASTRAY_TARGETS
from shared.errors import InvariantError
from shared.messages import ZERO, Trade, Trades
from shared.service import BusBack, BusLost
from tests.fixtures.executor_world import World
from tests.fixtures.live_core import LiveWorld
from tests.fixtures.live_venue import COINS, LiveVenue

STEP_MS = 1_000
STEPS = ASTRAY_MS // STEP_MS


def holding() -> World:
    """A bid was filled: the ledger holds 1."""
    world = World().rest(bids=[(1, "100.00", "1")], position_sz=ZERO)
    world.trades(("99.99", "50", "A"))
    assert world.desk.ledger.position_sz == 1
    return world


def lean(world: World, position_sz, times: int, every_ms: int = STEP_MS) -> None:
    for _ in range(times):
        world.book(ms=every_ms)
        world.lease()
        world.target(bids=[(1, "99.98", "1")], position_sz=position_sz)


def test_a_skew_that_no_fill_reaches_is_told_and_stops_the_process() -> None:
    world = holding()
    lean(world, ZERO, STEPS)
    with pytest.raises(
        InvariantError,
        match="for 10 s the quoter has leaned against a position of 0, the ledger holds 1.00: restart",
    ):
        lean(world, ZERO, 1)


def test_one_target_that_knows_better_begins_the_count_anew() -> None:
    world = holding()
    for _ in range(3):
        lean(world, ZERO, STEPS)
        lean(world, world.desk.ledger.position_sz, 1)


def test_few_targets_prove_nothing_however_long_they_take() -> None:
    """A process that stood still sees only the newest of them."""
    lean(holding(), ZERO, ASTRAY_TARGETS, every_ms=ASTRAY_MS)


def test_what_does_not_tell_its_position_and_what_came_before_a_lost_bus_do_not_count() -> None:
    world = holding()
    lean(world, None, 3 * STEPS)
    lean(world, ZERO, STEPS)
    world.feed(BusLost())
    world.feed(BusBack())
    lean(world, ZERO, STEPS)


def test_the_shadow_twin_is_not_asked_since_targets_lean_against_real_positions() -> None:
    coin = COINS[0]
    world = LiveWorld(LiveVenue()).want(coin, 100).until_ready().wait(2_000)
    twin = world.core.twin.desks[coin]
    order = next(order for order in twin.orders.values() if order.rests and order.new.side == "bid")
    now_ms = world.venue.now_ms
    through = Trade(order.new.px * Decimal("0.9"), Decimal(10**6), "A", now_ms, 1)
    world.feed(Trades(coin=coin, received_ms=float(now_ms), epoch=1, trades=(through,)))
    assert twin.ledger.position_sz != world.core.live.desks[coin].ledger.position_sz
    world.wait(2 * ASTRAY_MS)
    assert world.core.twin.stopped is None
