"""Trader and live exchange together on the bundled venue: ladders that follow the market through mishaps."""

from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.live.exchange import LiveExchange
from services.executor.live.wiring import Reconnect, StreamDown
from services.executor.trader import Trader
from services.venue.market.book import grid_step
from shared.messages import Book, Level, OrderUpdate, QuoteLevel, RiskLease, SidePermit, TargetQuotes
from shared.service import Tick
from tests.fixtures.live_venue import ACCOUNT, CALM, COINS, WILD, LiveVenue

OVER = {"filled", "canceled", "rejected"}


class Desked:
    """A trader whose inputs are right: books of the venue, leases without end, targets at its touch."""

    def __init__(self, seed, network):
        self.venue = LiveVenue(seed, network)
        self.exchange = LiveExchange(ACCOUNT)
        config = ExecutorConfig(run_id="test", metrics_port=0)
        self.desks = Desks()
        bookkeeper = Bookkeeper(config, self.desks)
        self.trader = Trader(config, self.exchange, self.desks, bookkeeper, None, ACCOUNT)
        self.trader.epoch, self.trader.stopped = 1, None
        self.out = bookkeeper.begin(self.venue.now_ms)
        self.hear(self.venue.universe)
        for coin in COINS:
            self.desks[coin].meta = self.venue.meta(coin)
        self.venue.carry_out([Reconnect("start")])
        self.wait(1_000)

    def hear(self, msg):
        now_ms = self.venue.now_ms
        self.out += self.trader.take(now_ms, self.exchange.step(now_ms, msg))
        if isinstance(msg, StreamDown):
            self.out += self.trader.cancel_all(now_ms, "stream down")
            self.venue.carry_out([Reconnect("down")])
        self.venue.carry_out(self.exchange.effects())

    def wait(self, ms):
        until_ms = self.venue.now_ms + ms
        while self.venue.now_ms < until_ms:
            for msg in self.venue.block():
                self.hear(msg)
            self.look()
            self.align()
            self.hear(Tick())

    def look(self):
        """Newest books and leases."""
        now_ms = self.venue.now_ms
        for coin in COINS:
            shown = self.venue.venue.state.shown_book(coin)
            if shown is None or not all(shown.levels):
                continue
            bids, asks = (tuple(Level(level.px, level.sz) for level in side[:5]) for side in shown.levels)
            book = Book(coin=coin, time_ms=now_ms, received_ms=float(now_ms), epoch=1, bids=bids, asks=asks)
            self.desks[coin].take_book(book)
            self.desks[coin].granted = RiskLease(
                coin=coin, issued_ms=now_ms, valid_until_ms=now_ms + 3_000, bid=SidePermit(), ask=SidePermit()
            )

    def want(self, coin, ticks):
        """A ladder of two levels a side, the first so many ticks behind the touch."""
        desk, now_ms = self.desks[coin], self.venue.now_ms
        if desk.book is None:
            return
        lot = Decimal(1).scaleb(-self.venue.meta(coin).sz_decimals)
        ladders = []
        for side, levels in (("bid", desk.book.bids), ("ask", desk.book.asks)):
            tick = abs(levels[0].px - self.step(coin, levels[0].px))
            pxs = [levels[0].px - (ticks + n) * tick * (1 if side == "bid" else -1) for n in (0, 1)]
            szs = [(Decimal(40) / px // lot + 1) * lot for px in pxs]
            quotes = zip((1, 2), pxs, szs, strict=True)
            ladders.append(tuple(QuoteLevel(level, px, sz) for level, px, sz in quotes))
        desk.take_target(
            TargetQuotes(
                coin=coin, source_ms=float(now_ms), computed_ms=now_ms, mid_px=desk.book.mid_px,
                half_spread_bps=1.0, shift_bps=0.0, multiplier=1.0, regime="calm",
                bids=ladders[0], asks=ladders[1], max_inv_usd=2_000.0,
            )
        )  # fmt: skip

    def step(self, coin, px):
        listing = self.venue.world.listings[coin]
        units = listing.px_units(px)
        return listing.px(units + grid_step(units, listing.sz_decimals))

    def align(self):
        for coin in COINS:
            self.out += self.trader.align(self.venue.now_ms, self.desks[coin])
        self.venue.carry_out(self.exchange.effects())

    def stop(self):
        self.venue.calm()
        self.trader.stopped = "halted"
        self.out += self.trader.cancel_all(self.venue.now_ms, "stopping")
        self.venue.carry_out([*self.exchange.effects(), Reconnect("to compare")])
        self.wait(3_000)
        for _ in range(1_000):
            if self.exchange.quiet and self.venue.quiet:
                return
            self.wait(70)


steps = st.one_of(
    st.tuples(st.just("want"), st.sampled_from(COINS), st.integers(0, 4)),
    st.tuples(st.just("wait"), st.sampled_from([200, 1_000, 4_000])),
    st.tuples(st.just("cut"), st.just(0)),
    st.tuples(st.just("dark"), st.just(0)),
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([CALM, WILD, WILD]), st.lists(steps, min_size=8, max_size=30))
def test_after_stopping_nothing_rests_and_every_position_is_the_venues(seed, network, script):
    desked = Desked(seed, network)
    for what, *args in script:
        match what:
            case "want":
                desked.want(*args)
            case "wait":
                desked.wait(*args)
            case "cut":
                desked.venue.disconnect()
            case _:
                desked.venue.fault(fault="dark_fill", for_s=2.0)
        desked.align()
    desked.stop()
    assert not desked.venue.account.orders
    for coin, desk in desked.desks.items():
        held = desked.venue.account.position("", coin)
        listing = desked.venue.world.listings[coin]
        assert not desk.orders
        assert desk.ledger.position_sz == (listing.sz(held.lots) if held is not None else 0)
        assert not desk.chain.difference(desk.ledger)
    assert not desked.trader.take_unclaimed()
    ends = Counter(
        update.cloid for update in desked.out if isinstance(update, OrderUpdate) and update.status in OVER
    )
    begun = {update.cloid for update in desked.out if isinstance(update, OrderUpdate)}
    assert ends.keys() == begun and set(ends.values()) <= {1}
