"""The modelled market, whatever the seed: never crossed, on the grid, the same again, and not the other one."""

from decimal import Decimal
from itertools import pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.market.book import FIRST_ACCOUNT, Order, OrderBook, Taker, grid_step, trade_hash
from services.venue.market.feed import Raw
from services.venue.market.market import blocks
from services.venue.market.modelled import ModelledMarket
from services.venue.market.universe import MARKET
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, L2Book
from shared.units import floor_sz, is_valid_px, tick_size
from tests.fixtures.venue_books import Addresses, Desk

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


# ---- accounts in the modelled market -------------------------------------------------------------------------

signs = st.sampled_from([1, -1])
accounts = st.integers(0, 2)
sizes = st.sampled_from([1, 100, 10_000, 10**7])
actions = st.one_of(
    st.tuples(st.just("limit"), signs, st.integers(-3, 40), sizes, accounts),
    st.tuples(st.just("limit"), signs, st.integers(-3, 3), sizes, accounts),
    st.tuples(st.just("far"), signs, sizes, accounts),
    st.tuples(st.just("sweep"), signs, accounts),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("broke"), accounts),
    st.tuples(st.just("wait"), st.integers(1, 200)),
)
COIN = "SOL"


def act(market: ModelledMarket, desk: Desk, action: tuple[Any, ...]) -> None:
    book = market.book(COIN)
    kind, *rest = action
    if kind == "cancel" and desk.live:
        desk.cancel(book, list(desk.live.values())[rest[0] % len(desk.live)])
    elif kind == "broke":
        desk.broke.add(FIRST_ACCOUNT + rest[0])
    elif kind == "sweep":
        sign, account = rest
        market.took(COIN, sign, desk.take(book, sign, 10**12, None, account))
        assert book.best_px(-sign) is None
    elif kind in ("limit", "far"):
        sign, lots, account = rest[0], rest[-2], rest[-1]
        other = book.best_px(-sign) or 860_000
        step = grid_step(other, SZ_DECIMALS[COIN])
        px = other - sign * rest[1] * step if kind == "limit" else other - sign * other // 2
        fills = desk.take(book, sign, lots, px, account)
        if fills:
            market.took(COIN, sign, fills)
        left = lots - sum(fill.lots for fill in fills)
        if left:
            desk.rest(book, sign, px, left, account)


def traded(seed: int, script: list[tuple[Any, ...]]) -> tuple[list[Raw], Desk]:
    market = ModelledMarket([coin for coin in MARKET.coins if coin.name == COIN], seed=seed)
    book, desk, public = market.book(COIN), Desk(), []
    book.host = desk
    for action in [("wait", 1), *script, ("wait", 30)]:
        for _ in range(action[1] if action[0] == "wait" else 1):
            now_ms = market.next_ms()
            market.advance(now_ms)
            act(market, desk, action)
            bid, ask = book.best_px(1), book.best_px(-1)
            assert bid is None or ask is None or bid < ask
            standing = {oid: order for oid, order in book.orders.items() if order.owner >= FIRST_ACCOUNT}
            assert standing == desk.live, "they leave by a fill, a refusal or a cancel only"
            public += market.news(now_ms, Addresses())
    for ladder in (book.bids, book.asks):
        levels = [level for _, level in ladder.top(len(ladder))]
        assert ladder.flow_levels == sum(level.flow > 0 for level in levels)
        for level in levels:
            assert level.flow == sum(order.owner < FIRST_ACCOUNT for order in level.orders)
            assert level.lots == sum(order.lots for order in level.orders) > 0
    return public, desk


@settings(max_examples=100, deadline=None)
@given(seeds, st.lists(actions, max_size=25))
def test_accounts_may_do_what_they_like_and_lose_no_order(seed: int, script: list[tuple[Any, ...]]) -> None:
    public, desk = traded(seed, script)
    prints = {trade.tid: trade for raw in public if isinstance(raw, tuple) for trade in raw}
    for fill in desk.fills:
        trade = prints[fill.tid]
        assert trade.users is not None
        assert trade.users[0 if fill.maker.sign == 1 else 1] == Addresses().address(fill.maker.owner)
        assert trade.hash == trade_hash(fill.taker.oid)
        assert (trade.side == "A") == (fill.maker.sign == 1)
    for raw in public:
        if isinstance(raw, Bbo) and None not in raw.bbo:
            bid, ask = raw.bbo
            assert bid is not None and ask is not None
            assert bid.px < ask.px
        elif isinstance(raw, ActiveAssetCtx):
            assert raw.ctx.markPx > 0
            assert (raw.ctx.midPx is None) == (raw.ctx.impactPxs is None) == (raw.ctx.premium is None)


@settings(max_examples=15, deadline=None)
@given(seeds, st.lists(actions, max_size=15))
def test_same_seed_and_same_actions_same_events(seed: int, script: list[tuple[Any, ...]]) -> None:
    assert traded(seed, script)[0] == traded(seed, script)[0]


def test_a_swept_side_is_empty_to_see_and_the_flow_quotes_it_again() -> None:
    market = ModelledMarket([coin for coin in MARKET.coins if coin.name == COIN], seed=3)
    book, desk = market.book(COIN), Desk()
    book.host = desk
    list(market.news(0, Addresses()))
    market.took(COIN, 1, desk.take(book, 1, 10**12, None))
    trades, bbo = list(market.news(0, Addresses()))
    assert isinstance(trades, tuple)
    assert len({trade.hash for trade in trades}) == 1
    assert isinstance(bbo, Bbo)
    assert bbo.bbo[1] is None
    market.advance(5_000)
    assert book.asks.flow_levels >= 20


def test_a_quote_that_nobody_withdraws_is_picked_off_when_the_price_has_passed_it() -> None:
    """The fair value is moved by hand; the next requote takes the whole order, other makers' quotes are gone."""
    market = ModelledMarket([coin for coin in MARKET.coins if coin.name == COIN], seed=3)
    book, desk = market.book(COIN), Desk()
    book.host = desk
    bid = book.best_px(1)
    assert bid is not None
    order = desk.rest(book, 1, bid, 10**8)
    flow = market._coins[COIN].flow
    flow.fair *= 0.99
    market.advance(3_000)
    assert order.oid not in desk.live
    assert sum(fill.lots for fill in desk.fills) == 10**8
    assert {fill.px for fill in desk.fills} == {bid}
    best = book.best_px(1)
    assert best is not None
    assert best < bid


def test_thousands_of_orders_of_accounts_leave_the_flow_its_depth() -> None:
    market = ModelledMarket([coin for coin in MARKET.coins if coin.name == COIN], seed=3)
    book, desk = market.book(COIN), Desk()
    book.host = desk
    bid, ask = book.best_px(1), book.best_px(-1)
    assert bid is not None and ask is not None
    for i in range(1_500):
        desk.rest(book, 1, bid - 10 * i, 5, account=i % 3)
        desk.rest(book, -1, ask + 10 * i, 5, account=i % 3)
    market.advance(20_000)
    assert 20 <= book.bids.flow_levels <= 44
    assert 20 <= book.asks.flow_levels <= 44
    assert len(desk.live) > 2_900


def test_takers_of_accounts_move_the_price() -> None:
    def mid(sign: int) -> int:
        market = ModelledMarket([coin for coin in MARKET.coins if coin.name == COIN], seed=3)
        book, desk = market.book(COIN), Desk()
        book.host = desk
        for block in range(200):
            market.advance(block * 70)
            if sign:
                market.took(COIN, 1 if sign > 0 else -1, desk.take(book, 1 if sign > 0 else -1, 20_000, None))
        return (book.best_px(1) or 0) + (book.best_px(-1) or 0)

    assert all(low < high for low, high in pairwise(mid(sign) for sign in (-1, 0, 1)))


# ---- the book ------------------------------------------------------------------------------------------------


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
