"""For all histories of fills, marks, funding, restarts, runs and universes: the rows add up to the account."""

from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.executor.config import ExecutorConfig
from services.executor.mode import build_core
from services.executor.orders import LiveOrder, NewOrder
from services.executor.reports import Filled
from shared.messages import (
    ZERO,
    AccountState,
    AccountStatus,
    AssetCtx,
    Book,
    CoinMeta,
    Event,
    Fill,
    Funding,
    Level,
    PositionState,
    Universe,
)
from shared.service import Started, Stopping, Tick

HOUR_MS = 3_600_000
COINS = ("BTC", "ETH", "SOL")
MID = Decimal(100)


class Expected:
    """What one coin must show, by cash and inventory alone."""

    def __init__(self):
        self.position_sz = self.life_cash_usd = ZERO
        self.mid_px = MID
        self.begin(ZERO)

    def begin(self, mark_px):
        self.cash_usd = self.fees_usd = self.funding_usd = self.volume_usd = ZERO
        self.fills = 0
        self.base_usd = self.position_sz * mark_px
        self.peak_usd = ZERO

    def row(self):
        pnl_usd = self.cash_usd + self.position_sz * self.mid_px - self.base_usd
        return (pnl_usd, self.fees_usd, self.funding_usd, self.volume_usd, self.fills, self.position_sz)

    @property
    def life_usd(self):
        return self.life_cash_usd + self.position_sz * self.mid_px

    def see(self, pnl_usd):
        self.peak_usd = max(self.peak_usd, pnl_usd)

    def receive(self, usd):
        self.cash_usd += usd
        self.life_cash_usd += usd


class Deployment:
    """Executors one after another on one store; each output is stored before the next input, as on the bus."""

    def __init__(self):
        self.now_ms = 1_700_000_000_000
        self.run = self.fill_number = 0
        self.universe = COINS[:2]
        self.states, self.streams, self.account = {}, {coin: [] for coin in COINS}, None
        self.expected = {coin: Expected() for coin in COINS}
        self.peak_usd = ZERO
        self.status = None
        self.start(new_run=True)

    def keep(self, outputs):
        for output in outputs:
            if isinstance(output, PositionState):
                self.states[output.coin] = output
            elif isinstance(output, AccountState):
                before, self.account = self.account, output
                if before is not None and before.day_start_ms == output.day_start_ms:
                    assert before.day_start_pnl_usd == output.day_start_pnl_usd
            elif isinstance(output, (Fill, Funding)):
                self.streams[output.coin].append(output)
            elif isinstance(output, AccountStatus):
                self.status = output
                self.peak_usd = max(self.peak_usd, output.pnl_usd)
                for row in output.coins:
                    self.expected[row.coin].see(row.pnl_usd)
            elif isinstance(output, Event) and output.tag == "RECONCILE":
                assert output.text.startswith("✅")
            if isinstance(output, Funding):
                self.expected[output.coin].receive(output.usd)
                self.expected[output.coin].funding_usd += output.usd

    def feed(self, msg):
        self.keep(self.core.step(self.now_ms, msg))

    # ---- what may happen ----

    def start(self, new_run):
        self.run += new_run
        self.now_ms += 1_000
        self.core = build_core(ExecutorConfig(run_id=f"run {self.run}", metrics_port=0))
        self.feed_universe()
        named = self.account.coins if self.account else ()
        if self.account:
            self.core.restore(self.now_ms, self.account)
        self.restore([coin for coin in named if coin not in self.universe])
        self.feed(Started())
        if new_run:
            self.peak_usd = ZERO
            for coin, expected in self.expected.items():
                desk = self.core.desks.get(coin)
                expected.begin(desk.ledger.mark_px if desk else ZERO)
        self.books()

    def restore(self, coins):
        for coin in coins:
            for message in [*([self.states[coin]] if coin in self.states else []), *self.streams[coin]]:
                self.core.restore(self.now_ms, message)

    def feed_universe(self):
        joining = [coin for coin in self.universe if coin not in self.core.desks]
        self.feed(Universe(coins=tuple(CoinMeta(coin, 2, 20) for coin in self.universe), time_ms=self.now_ms))
        self.restore(joining)

    def restart(self, tidy, new_run):
        if tidy:
            self.feed(Stopping())
        self.start(new_run)

    def change_universe(self, coins):
        self.universe = coins
        self.feed_universe()
        self.books()

    def book(self, coin, mid_px):
        if coin not in self.universe:
            return
        self.now_ms += 1
        self.expected[coin].mid_px = mid_px
        bid, ask = (Level(mid_px + step, Decimal(5)) for step in (Decimal("-0.01"), Decimal("0.01")))
        self.feed(Book(coin=coin, time_ms=self.now_ms, received_ms=self.now_ms, epoch=1, bids=(bid,), asks=(ask,)))

    def books(self):
        for coin in self.universe:
            self.book(coin, self.expected[coin].mid_px)

    def fill(self, coin, side, px, sz, fee_usd):
        if coin not in self.universe:
            return
        self.fill_number += 1
        order = LiveOrder(NewOrder(str(self.fill_number), coin, side, 1, px, sz, 0.0))
        filled = Filled(order.new.cloid, str(self.fill_number), px, sz, fee_usd, self.now_ms)
        self.keep(self.core._bookkeeper.book_fill(self.now_ms, self.core.desks[coin], order, filled))
        expected = self.expected[coin]
        signed_sz = sz if side == "bid" else -sz
        expected.position_sz += signed_sz
        expected.receive(-signed_sz * px - fee_usd)
        expected.fees_usd += fee_usd
        expected.volume_usd += px * sz
        expected.fills += 1

    def hour(self):
        """The next full hour strikes; an hour without a context (a coin outside the universe) is passed over."""
        self.now_ms += HOUR_MS - self.now_ms % HOUR_MS + 1_000
        for coin in self.universe:
            self.feed(
                AssetCtx(
                    coin=coin,
                    received_ms=self.now_ms,
                    funding_1h_frac=0.001,
                    oracle_px=MID,
                    mark_px=MID,
                    open_interest=1.0,
                    day_ntl_usd=1.0,
                )
            )
        self.feed(Tick())

    # ---- what must hold ----

    def check(self):
        self.now_ms += 1_000
        self.feed(Tick())
        status, rows = self.status, {row.coin: row for row in self.status.coins}
        assert status.time_ms == self.now_ms and len(rows) == len(status.coins)
        assert status.session_start_ms == self.account.session_start_ms
        for name in ("pnl_usd", "fees_usd", "funding_usd", "volume_usd", "fills"):
            assert getattr(status, name) == sum(getattr(row, name) for row in status.coins), name
        for coin, expected in self.expected.items():
            if coin not in rows:
                assert coin not in self.universe and not any(expected.row())
                continue
            row = rows[coin]
            shown = (row.pnl_usd, row.fees_usd, row.funding_usd, row.volume_usd, row.fills, row.position_sz)
            assert shown == expected.row(), coin
            assert row.peak_pnl_usd == expected.peak_usd, coin
        assert status.peak_pnl_usd == self.peak_usd
        life_usd = sum((expected.life_usd for expected in self.expected.values()), ZERO)
        assert status.day_pnl_usd == life_usd - self.account.day_start_pnl_usd


coins = st.sampled_from(COINS)
actions = st.one_of(
    st.tuples(
        st.just("fill"),
        coins,
        st.sampled_from(["bid", "ask"]),
        st.decimals("98", "102", places=2),
        st.decimals("0.01", "3", places=2),
        st.decimals("-0.1", "0.1", places=6),
    ),
    st.tuples(st.just("book"), coins, st.decimals("90", "110", places=2)),
    st.tuples(st.just("hour")),
    st.tuples(st.just("restart"), st.booleans(), st.booleans()),
    st.tuples(st.just("change_universe"), st.sampled_from([COINS[:2], COINS[1:], COINS, COINS[2:]])),
    st.tuples(st.just("check")),
)
# Each of these came out wrong while one line of the bookkeeping was missing.
BUY = ("fill", "BTC", "bid", Decimal("99"), Decimal("1.5"), Decimal("0.02"))
SELL = ("fill", "BTC", "ask", Decimal("99.5"), Decimal("1.5"), Decimal("0.02"))
RISE, FALL = ("book", "BTC", Decimal(103)), ("book", "BTC", Decimal(97))
CRASH = ("restart", False, False)
GONE = ("change_universe", COINS[1:])
BACK = ("change_universe", COINS)


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, min_size=1, max_size=25))
@example([BUY, GONE, CRASH])
@example([BUY, RISE, GONE, CRASH])
@example([BUY, RISE, ("check",), FALL, CRASH])
@example([BUY, SELL, GONE])
@example([BUY, RISE, ("restart", True, True), GONE, ("restart", False, True), BACK])
@example([BACK, ("fill", "SOL", "ask", MID, Decimal(1), ZERO)])
def test_the_rows_of_a_session_are_right_and_add_up_to_the_account(script):
    deployment = Deployment()
    deployment.check()
    for name, *arguments in script:
        getattr(deployment, name)(*arguments)
    deployment.check()
