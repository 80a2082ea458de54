"""Live: what becomes of a post-only order when the market was quicker than our book."""

import msgspec
import pytest

from shared.messages import Level, OrderUpdate, QuoteLevel, Reason
from tests.fixtures.live_core import LiveWorld
from tests.fixtures.live_venue import COINS, LiveVenue

COIN = COINS[0]
TICKS = 40


def best_ask(world):
    return world.venue.venue.state.shown_book(COIN).levels[1][0].px


@pytest.fixture
def world():
    """Its book is older than the venue's: all prices were higher by some ticks. It wants to buy at its best bid,
    which the venue's best ask has passed meanwhile."""
    world = LiveWorld(LiveVenue()).until_ready()
    world.leasing = False
    world.show(COIN)
    book = world.core.live.desks[COIN].book
    shift_px = TICKS * (world._next_px(COIN, best_ask(world)) - best_ask(world))
    sides = ([Level(level.px + shift_px, level.sz) for level in side] for side in (book.bids, book.asks))
    bids, asks = map(tuple, sides)
    world.feed(msgspec.structs.replace(book, bids=bids, asks=asks))
    world.lease(COIN)
    ladder = world.target(COIN, 0)
    world.feed(msgspec.structs.replace(ladder, bids=(QuoteLevel(1, bids[0].px, ladder.bids[0].sz),), asks=()))
    return world


def test_it_is_tried_again_one_tick_behind_the_best_price_that_the_venue_names(world):
    asks = set()
    while not world.resting() and len(asks) < 30:
        world.wait(70)
        asks.add(best_ask(world))
    first, *again = [update.px for update in world.said(OrderUpdate) if update.status == "pending"]
    assert first > max(asks) and again
    assert {world._next_px(COIN, px) for px in again} <= asks
    assert world.status.live.rejects == {Reason.WOULD_CROSS: len(again)}
