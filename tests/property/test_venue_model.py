"""The modelled market, whatever the seed: never crossed, on the grid, the same again, and not the other one."""

from decimal import Decimal
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.market.book import Order, OrderBook, Taker, grid_step
from services.venue.market.feed import Raw
from services.venue.market.market import blocks
from services.venue.market.modelled import ModelledMarket
from services.venue.market.universe import MARKET
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, L2Book
from shared.units import floor_sz, is_valid_px, tick_size

NAMES = tuple(coin.name for coin in MARKET.coins)
SZ_DECIMALS = {coin.name: coin.sz_decimals for coin in MARKET.coins}
seeds = st.integers(0, 2**32)


def run(seed: int, seconds: int, names: tuple[str, ...] = NAMES) -> list[tuple[int, Raw]]:
    market = ModelledMarket([coin for coin in MARKET.coins if coin.name in names], seed=seed)
    within = takewhile(lambda block: block[0] <= seconds * 1000, blocks(market))
    return [(time_ms, event) for time_ms, news in within for event in news]


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_every_book_is_ordered_uncrossed_full_and_on_the_grid(seed: int) -> None:
    for time_ms, event in run(seed, 40):
        if not isinstance(event, L2Book):
            continue
        assert event.time == time_ms
        bids, asks = ([level.px for level in side] for side in event.levels)
        assert len(bids) >= 3
        assert len(asks) >= 3
        assert bids[0] < asks[0]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        for level in (*event.levels[0], *event.levels[1]):
            assert is_valid_px(level.px, SZ_DECIMALS[event.coin])
            assert level.sz > 0
            assert level.sz == floor_sz(level.sz, SZ_DECIMALS[event.coin])
            assert level.n >= 1


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_bbo_changes_every_time_once_a_block_after_its_trades(seed: int) -> None:
    last: dict[str, Bbo] = {}
    done: dict[str, tuple[int, str]] = {}
    tids = set()
    for time_ms, event in run(seed, 60, ("BTC", "SOL", "PUMP")):
        if isinstance(event, Bbo):
            bid, ask = event.bbo
            assert bid is not None and ask is not None
            assert bid.px < ask.px
            assert event.coin not in last or last[event.coin].bbo != event.bbo
            assert event.coin not in last or last[event.coin].time < time_ms
            last[event.coin] = event
            done[event.coin] = time_ms, "bbo"
        elif isinstance(event, tuple):
            coin = event[0].coin
            assert done.get(coin) != (time_ms, "bbo"), "trades stand before the bbo of their block"
            for trade in event:
                assert trade.time == time_ms
                assert trade.users is not None
                tids.add(trade.tid)
    assert tids


@settings(max_examples=4, deadline=None)
@given(seeds, seeds)
def test_same_seed_same_events_another_seed_others(seed: int, other: int) -> None:
    first = run(seed, 15)
    assert run(seed, 15) == first
    if other != seed:
        assert run(other, 15) != first


def test_reference_prices_follow_the_venues_rules() -> None:
    for _, event in run(3, 120):
        if isinstance(event, ActiveAssetCtx):
            ctx = event.ctx
            assert ctx.midPx is not None and ctx.impactPxs is not None
            assert abs(ctx.funding) <= 0.04
            assert ctx.impactPxs[0] < ctx.midPx < ctx.impactPxs[1]
            assert is_valid_px(ctx.markPx, SZ_DECIMALS[event.coin])


def test_btc_looks_like_the_recorded_btc() -> None:
    """Wide bounds around the measurements that `scripts/measure_market.py` stored."""
    measured = next(flow for flow in MARKET.flows if flow.coin == "BTC")
    seconds = 900
    spreads, minutes, changes, takers = [], {}, 0, set()
    for time_ms, event in run(5, seconds, ("BTC",)):
        if isinstance(event, Bbo):
            changes += 1
            bid, ask = event.bbo
            assert bid is not None and ask is not None
            minutes.setdefault(time_ms // 60_000, []).append(float(bid.px + ask.px) / 2)
        elif isinstance(event, L2Book):
            bid, ask = event.levels[0][0], event.levels[1][0]
            spreads.append(float((ask.px - bid.px) / tick_size(bid.px, 5)))
        elif isinstance(event, tuple):
            takers |= {(time_ms, trade.side) for trade in event}
    ranges = [(max(mids) - min(mids)) / mids[0] for mids in minutes.values() if len(mids) > 20]
    assert sum(spreads) / len(spreads) == pytest.approx(measured.spread_ticks, rel=0.3)
    assert changes / seconds == pytest.approx(measured.touch_changes_per_s, rel=0.4)
    assert len(takers) / seconds == pytest.approx(measured.takers_per_s, rel=0.6)
    assert sum(ranges) / len(ranges) == pytest.approx(measured.minute_atr_frac, rel=0.6)


@given(st.integers(1, 10**9), st.integers(0, 5))
def test_the_integer_grid_is_the_shared_one(px: int, sz_decimals: int) -> None:
    unit = Decimal(1).scaleb(sz_decimals - 6)
    assert grid_step(px, sz_decimals) * unit == tick_size(px * unit, sz_decimals)


orders = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(1, 30), st.integers(1, 50), st.booleans()), max_size=60
)


@given(orders)
def test_matching_keeps_price_time_priority_and_every_lot(flow: list[tuple[int, int, int, bool]]) -> None:
    book = OrderBook()
    rested = taken = 0
    for oid, (sign, px, lots, passive) in enumerate(flow):
        other = book.asks if sign == 1 else book.bids
        best = other.best_px()
        crosses = best is not None and sign * px >= sign * best
        if passive and not crosses:
            book.rest(Order(oid, 0, sign, px, lots))
            rested += lots
            continue
        fills = book.take(sign, lots, px, Taker(oid, 0))
        taken += sum(fill.lots for fill in fills)
        keys = [(sign * fill.maker.px, fill.maker.oid) for fill in fills]
        assert keys == sorted(keys)
        assert all(sign * fill.maker.px <= sign * px for fill in fills)
        left = other.best_px()
        if sum(fill.lots for fill in fills) < lots:
            assert left is None or sign * left > sign * px, "it stopped although more could be matched"
    standing = sum(order.lots for order in book.orders.values())
    assert rested == taken + standing
    assert all(order.lots > 0 for order in book.orders.values())
    bid, ask = book.bids.best_px(), book.asks.best_px()
    assert bid is None or ask is None or bid < ask
    for ladder in (book.bids, book.asks):
        for _, level in ladder.top(len(ladder)):
            assert level.lots == sum(order.lots for order in level.orders) > 0
