"""Accounts in a recorded market, whatever was recorded and whatever they do."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.venue.market.book import FIRST_ACCOUNT, Sign
from services.venue.market.feed import Hole, Raw
from services.venue.market.replay_market import ReplayMarket
from shared.hyperliquid.wire import Bbo, L2Book, WireTrade
from shared.messages import CoinMeta
from tests.fixtures.venue_books import COIN, SZ_DECIMALS, Addresses, Desk, shown, snapshot, touch, trade

STEP_MS = 10
prices = st.integers(9_990, 10_010)
lots = st.integers(1, 40)
signs = st.sampled_from([1, -1])
accounts = st.integers(0, 2)
sides = st.lists(st.tuples(st.integers(1, 4), lots), min_size=1, max_size=5)
"""Gaps in ticks and sizes, from the touch outwards."""
recorded = st.one_of(
    st.tuples(st.just("book"), prices, sides, sides),
    st.tuples(st.just("touch"), prices, lots, st.integers(1, 3), lots),
    st.tuples(st.just("print"), st.lists(st.tuples(st.sampled_from("BA"), prices, lots), min_size=1, max_size=4)),
    st.tuples(st.just("hole")),
)
actions = st.one_of(
    st.tuples(st.just("limit"), signs, prices, lots, accounts),
    st.tuples(st.just("limit"), signs, prices, lots, accounts),
    st.tuples(st.just("market"), signs, lots, accounts),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("shrink"), st.integers(0, 20)),
    st.tuples(st.just("broke"), accounts),
)
scripts = st.lists(st.one_of(recorded, actions), max_size=60)


@dataclass
class Script:
    """A recording out of steps; a step's place is its time. `feed.Source`."""

    steps: list[tuple[Any, ...]]
    coins: tuple[CoinMeta, ...] = (CoinMeta(COIN, SZ_DECIMALS, 40),)
    start_ms: int = 0

    def raw(self) -> Iterator[tuple[int, Raw]]:
        tids = count(1)
        for i, (kind, *step) in enumerate(self.steps):
            time_ms = i * STEP_MS
            if kind == "book":
                bid, bids, asks = step
                yield time_ms, snapshot(outwards(bid, -1, bids), outwards(bid, 1, asks), time_ms)
            elif kind == "touch":
                bid, bid_lots, gap, ask_lots = step
                yield time_ms, touch((bid, bid_lots), (bid + gap, ask_lots), time_ms)
            elif kind == "print":
                yield time_ms, tuple(printed(*one, next(tids), time_ms) for one in step[0])
            elif kind == "hole":
                yield time_ms, Hole(COIN, time_ms, time_ms)


def printed(side: str, px: int, size: int, tid: int, time_ms: int) -> WireTrade:
    return msgspec.structs.replace(trade(side, px, size, tid, time_ms), hash=hash_of(tid))


def hash_of(tid: int) -> str:
    """Two prints a transaction."""
    return f"0x{tid // 2:064x}"


def outwards(bid: int, direction: int, side: list[tuple[int, int]]) -> list[tuple[int, int]]:
    px, levels = bid if direction == -1 else bid + 1, []
    for gap, size in side:
        levels.append((px, size))
        px += direction * gap
    return levels


@dataclass
class Run:
    """A script played with or without its accounts."""

    desk: Desk
    public: list[tuple[int, Raw]]


def play(steps: list[tuple[Any, ...]], *, with_accounts: bool) -> Run:
    market = ReplayMarket(Script(steps), loop=False, book_ms=50, oids=count(1 << 50))
    run = Run(Desk(), [])
    book = market.book(COIN)
    book.host = run.desk
    for i, step in enumerate(steps):
        market.advance(i * STEP_MS)
        if with_accounts:
            act(market, run.desk, step)
        run.public += [(i * STEP_MS, raw) for raw in market.news(i * STEP_MS, Addresses())]
        check(market, run)
    return run


def act(market: ReplayMarket, desk: Desk, step: tuple[Any, ...]) -> None:
    book = market.book(COIN)
    kind, *rest = step
    if kind in ("limit", "market"):
        sign: Sign = rest[0]
        px, size, account = (None, *rest[1:]) if kind == "market" else rest[1:]
        fills = desk.take(book, sign, size, px, account)
        market.took(COIN, sign, fills)
        left = size - sum(fill.lots for fill in fills)
        assert all(px is None or sign * fill.px <= sign * px for fill in fills)
        if px is not None and left:
            desk.rest(book, sign, px, left, account)
    elif kind == "broke":
        desk.broke.add(1_000 + rest[0])
    elif kind in ("cancel", "shrink") and desk.live:
        order = list(desk.live.values())[rest[0] % len(desk.live)]
        if kind == "cancel":
            desk.cancel(book, order)
        elif order.lots > 1:
            book.reduce(order, order.lots // 2)


def check(market: ReplayMarket, run: Run) -> None:
    """Never crossed, nothing lost, no queue below nothing."""
    book = market.book(COIN)
    bid, ask = book.best_px(1), book.best_px(-1)
    assert bid is None or ask is None or bid < ask
    assert all(size > 0 and n > 0 for sign in (1, -1) for _, size, n in book.levels(sign))  # type: ignore[arg-type]
    assert [next(iter(book.depth(sign)), (None,))[0] for sign in (1, -1)] == [bid, ask]  # type: ignore[arg-type]
    for fill in run.desk.fills:
        assert fill.taker.owner >= FIRST_ACCOUNT or fill.taker.hash == hash_of(fill.tid)
    for order in run.desk.live.values():
        assert order.lots > 0
        assert (book.ahead(order) or 0) >= 0


def prints(run: Run) -> list[tuple[int, WireTrade]]:
    """The recorded ones; trades of accounts name their users."""
    return [
        (time_ms, trade)
        for time_ms, raw in run.public
        if isinstance(raw, tuple)
        for trade in raw
        if trade.users is None
    ]


@settings(max_examples=300, deadline=None)
@given(scripts)
@example([("limit", -1, 10_000, 5, 0), ("book", 9_999, [(1, 5)], [(1, 5)]), ("market", 1, 8, 1), ("hole",)])
def test_accounts_get_no_more_than_was_printed_and_change_no_print(steps: list[tuple[Any, ...]]) -> None:
    run, quiet = play(steps, with_accounts=True), play(steps, with_accounts=False)
    assert prints(run) == prints(quiet)
    assert [raw for _, raw in quiet.public] == [raw for _, raw in Script(steps).raw()]
    by_tid = {trade.tid: trade for _, trade in prints(quiet)}
    given_away: Counter[int] = Counter()
    for fill in run.desk.fills:
        if fill.taker.owner == 0:
            given_away[fill.tid] += fill.lots
            (px, size) = shown([by_tid[fill.tid]])[0]
            sign = fill.maker.sign
            assert by_tid[fill.tid].side == ("A" if sign == 1 else "B")
            assert sign * px <= sign * fill.px, "a print at or through the price"
            assert given_away[fill.tid] <= size
    assert play(steps, with_accounts=True).public == run.public


@settings(max_examples=200, deadline=None)
@given(scripts)
def test_what_is_shown_is_never_crossed_and_holds_every_order(steps: list[tuple[Any, ...]]) -> None:
    run = play([*steps, ("wait",)], with_accounts=True)
    for _, raw in run.public:
        if isinstance(raw, L2Book):
            bids, asks = (shown(side) for side in raw.levels)
            assert not bids or not asks or bids[0][0] < asks[0][0]
            assert bids == sorted(bids, reverse=True)
            assert asks == sorted(asks)
        elif isinstance(raw, Bbo):
            bid, ask = raw.bbo
            assert bid is None or ask is None or bid.px < ask.px
    for order in run.desk.live.values():
        assert order.lots > 0
    last = next((raw for _, raw in reversed(run.public) if isinstance(raw, Bbo)), None)
    if last is not None and run.desk.live:
        for sign, level in zip((1, -1), last.bbo, strict=True):
            best = max((sign * order.px for order in run.desk.live.values() if order.sign == sign), default=None)
            assert best is None or (level is not None and sign * shown([level])[0][0] >= best)
