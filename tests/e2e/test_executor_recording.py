"""The executor on real recorded minutes of four coins, checked against the recording itself."""

from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from itertools import takewhile

import pytest

from services.executor.config import ExecutorConfig
from services.executor.mode import build_core
from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import Connected, EventReceived
from services.venue.market.formats import find_streams
from services.venue.market.replay import Recording
from shared.messages import (
    ZERO,
    AccountStatus,
    Book,
    Fill,
    Message,
    OrderUpdate,
    QuoteLevel,
    RiskLease,
    SidePermit,
    TargetQuotes,
    Trades,
    Universe,
)
from shared.service import Started, Stopping, Tick
from shared.units import floor_sz, tick_size

COINS = ("SOL", "WLFI")
MINUTES = 2
SIZES_USD = (12, 24, 36)


def ladder(book, meta):
    """Three levels a side from the touch outwards, so that real trades reach them."""

    def side(best, sign):
        tick = tick_size(best, meta.sz_decimals)
        prices = (best + sign * tick * step for step in (0, 1, 3))
        return tuple(
            QuoteLevel(level, px, floor_sz(Decimal(usd) / px, meta.sz_decimals))
            for level, (px, usd) in enumerate(zip(prices, SIZES_USD, strict=True), start=1)
        )

    return TargetQuotes(
        coin=book.coin,
        source_ms=book.received_ms,
        computed_ms=int(book.received_ms),
        mid_px=book.mid_px,
        half_spread_bps=1.5,
        shift_bps=0.0,
        multiplier=1.0,
        regime="calm",
        bids=side(book.bids[0].px, -1),
        asks=side(book.asks[0].px, 1),
    )


def lease(coin, now_ms):
    permit = SidePermit()
    return RiskLease(coin=coin, issued_ms=now_ms, valid_until_ms=now_ms + 3000, bid=permit, ask=permit)


class Session:
    """Recording -> ingestor -> executor, with a lease each second and a target per coin each half second."""

    def __init__(self, recording, model):
        self.metas = {meta.coin: meta for meta in recording.coins}
        self.market, self.out = [], []
        self.executor = build_core(ExecutorConfig(run_id="recorded", queue_model=model, metrics_port=0))
        ingestor = Ingestor(IngestorConfig(metrics_port=0))
        universe = Universe(coins=recording.coins, time_ms=recording.start_ms)
        begin_ms = recording.start_ms
        list(ingestor.step(begin_ms, universe))
        list(ingestor.step(begin_ms, Connected()))
        self.feed(begin_ms, universe)
        self.feed(begin_ms, Started())
        self.now_ms = self.next_tick_ms = begin_ms
        self.next_target_ms = defaultdict(int)
        events = recording.events()
        for time_ms, event in takewhile(lambda item: item[0] < begin_ms + MINUTES * 60_000, events):
            self.reach(time_ms)
            for message in ingestor.step(time_ms, EventReceived(event, float(time_ms))):
                if isinstance(message, Message):
                    self.market.append(message)
                    self.feed(time_ms, message)
                if isinstance(message, Book) and time_ms >= self.next_target_ms[message.coin]:
                    self.next_target_ms[message.coin] = time_ms + 500
                    self.feed(time_ms, ladder(message, self.metas[message.coin]))
        self.feed(self.now_ms, Stopping())

    def reach(self, time_ms):
        while self.next_tick_ms <= time_ms:
            self.now_ms = self.next_tick_ms
            self.feed(self.now_ms, Tick())
            if self.now_ms % 1000 < 100:
                for coin in self.metas:
                    self.feed(self.now_ms, lease(coin, self.now_ms))
            self.next_tick_ms += 100
        self.now_ms = time_ms

    def feed(self, now_ms, message):
        self.out += self.executor.step(now_ms, message)

    def said(self, kind):
        return [message for message in self.out if isinstance(message, kind)]


@pytest.fixture(scope="module")
def recording(recordings):
    folder = recordings / "hl-20250904-4coins-a"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} in ../shared/market-data")
    streams = find_streams(folder)
    return Recording(folder, {coin: streams[coin] for coin in COINS})


@pytest.mark.parametrize("model", ["queue", "v6"])
def test_recorded_minutes(recording, model):
    session = Session(recording, model)
    fills = session.said(Fill)
    assert len(fills) >= 5
    check_orders(session)
    check_causes(session, fills, model)
    check_books(session, fills)


def check_orders(session):
    """Every order that was sent came to exactly one end."""
    updates = session.said(OrderUpdate)
    ends = Counter(update.cloid for update in updates if update.status in ("filled", "canceled", "rejected"))
    begins = Counter(update.cloid for update in updates if update.status == "pending")
    assert begins == ends and set(begins.values()) == {1}


def check_causes(session, fills, model):
    """Every fill has a print at or through its price after its arrival."""
    prints = {(t.coin, one.tid): one for t in session.market if isinstance(t, Trades) for one in t.trades}
    books = {(book.coin, book.time_ms): book for book in session.market if isinstance(book, Book)}
    placed = {u.cloid: u.time_ms for u in session.said(OrderUpdate) if u.status == "pending"}
    used = defaultdict(lambda: ZERO)
    for fill in fills:
        assert fill.time_ms >= placed[fill.cloid] + 400
        trade = prints[fill.coin, int(fill.fill_id.removeprefix(fill.cloid + "-"))]
        assert trade.px <= fill.px if fill.side == "bid" else trade.px >= fill.px
        assert trade.side == ("A" if fill.side == "bid" else "B")
        used[fill.coin, trade.tid] += fill.sz
        earlier = [b.time_ms for b in books.values() if b.coin == fill.coin and b.time_ms < trade.time_ms]
        before = books[fill.coin, max(earlier)]
        assert fill.mid_px == (before.bids[0].px + before.asks[0].px) / 2
    assert used
    if model == "queue":
        assert all(sz <= prints[key].sz for key, sz in used.items())
    for coin in COINS:
        traded = sum((trade.sz for (name, _), trade in prints.items() if name == coin), ZERO)
        assert sum((sz for (name, _), sz in used.items() if name == coin), ZERO) <= traded


def check_books(session, fills):
    """Status equals a recomputation from fills and last books alone."""
    marks = {b.coin: (b.bids[0].px + b.asks[0].px) / 2 for b in session.market if isinstance(b, Book)}
    cash = defaultdict(Fraction)
    position = defaultdict(lambda: ZERO)
    for fill in fills:
        signed = fill.sz if fill.side == "bid" else -fill.sz
        position[fill.coin] += signed
        assert fill.position_sz == position[fill.coin]
        cash[fill.coin] -= Fraction(signed * fill.px) + Fraction(fill.fee_usd)
        assert fill.fee_usd <= fill.px * fill.sz * Decimal("0.00015")
    status = session.said(AccountStatus)[-1]
    total = sum(cash[coin] + Fraction(position[coin]) * Fraction(marks[coin]) for coin in cash)
    assert abs(Fraction(status.pnl_usd) - Fraction(status.funding_usd) - total) < Fraction(1, 10**9)
    assert {coin.coin: coin.position_sz for coin in status.coins if coin.fills} == dict(position)
