"""Many accounts and a lively market for as long as hypothesis likes: nothing is lost, invented, crossed or left
hanging, and the same session is the same record to the byte."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.venue.exchange.account import Account
from services.venue.exchange.facts import BalanceChanged, Filled, OrderChanged, QueueMoved
from services.venue.market.book import FIRST_ACCOUNT, Order, Sign, Taker, grid_step
from shared.hyperliquid.actions import (
    BatchModify,
    Cancel,
    CancelByCloid,
    CancelByCloidWire,
    CancelWire,
    LimitType,
    Modify,
    ModifyWire,
    OrderType,
    OrderWire,
    PlaceOrders,
    ScheduleCancel,
    TriggerType,
    UpdateIsolatedMargin,
    UpdateLeverage,
)
from tests.fixtures.venue_exchange import Stage, stage
from tests.fixtures.venue_world import BTC, GOLD, KPEPE, facts_of, total_money

ACCOUNTS = 5
ASSETS = {BTC: 0, KPEPE: 1, GOLD: 110_000}
SETTINGS = {
    "scheduled_cancel_volume": Decimal(0),
    "open_orders_base": 16,
    "partial_liquidation_usd": Decimal(20_000),
}
LIVING = {"open", "triggered"}

who = st.integers(0, ACCOUNTS - 1)
coins = st.sampled_from(list(ASSETS))
sides = st.sampled_from([1, -1])
ticks = st.integers(-25, 25)
garbage = st.sampled_from(
    ["0", "-1", "-0.5", "0.000000001", "1" * 24, "0." + "9" * 24, "99999.5", "100000.00001", "000", "0.1"]
)
cloids = st.one_of(st.none(), st.integers(1, 3).map(lambda number: f"0x{number:032x}"))
tifs = st.sampled_from(["Alo", "Ioc", "Gtc", "FrontendMarket"])


def sizes(coin: str) -> tuple[str, ...]:
    """From too small to too much for the margin of an account."""
    if coin == KPEPE:
        return ("100", "1500", "40000", "3000000", "9000000")
    return ("0.00005", "0.0004", "0.01", "0.25", "1.9") if coin == BTC else ("0.0005", "0.004", "0.3", "6", "45")


class Session:
    """What is done, one step after the other, from plain values only, so that it can be done again."""

    def __init__(self) -> None:
        self.s: Stage = stage(**SETTINGS)
        self.accounts = [self.s.account(10_000) for _ in range(ACCOUNTS - 1)]
        self.accounts.append(self.s.account(500))
        for account in self.accounts[::2]:
            amount = 3_000_000_000
            self.s.world.move(account, "xyz", amount, "deposit")
            self.s.world.deposited += amount
        self.flow: list[tuple[str, Order]] = []
        for coin in ASSETS:
            for away in (3, 9, 20, 50):
                for sign in (1, -1):
                    self.quote(coin, sign, -sign * away, 3)

    def px(self, coin: str, away: int) -> int:
        """The grid price so many ticks over the mark."""
        listing = self.s.world.listings[coin]
        step = grid_step(listing.mark_px, listing.sz_decimals)
        px = listing.mark_px // step * step + away * step
        return max(px - px % grid_step(max(px, 1), listing.sz_decimals), step)

    def px_text(self, coin: str, away: int) -> str:
        return format(self.s.world.listings[coin].px(self.px(coin, away)).normalize(), "f")

    def quote(self, coin: str, sign: Sign, away: int, size: int) -> None:
        """A maker of the flow takes what it would cross, then rests."""
        listing, book = self.s.world.listings[coin], self.s.market.books[coin]
        px, lots = self.px(coin, away), listing.lots(Decimal(sizes(coin)[size]))
        taken = book.take(sign, lots, px, Taker(next(self.s.oids), 1))
        lots -= sum(fill.lots for fill in taken)
        if lots:
            order = Order(next(self.s.oids), 1, sign, px, lots)
            book.rest(order)
            self.flow.append((coin, order))

    def hit(self, coin: str, sign: Sign, size: int) -> None:
        self.s.hit(coin, sign, sizes(coin)[size])

    def withdraw(self, number: int) -> None:
        """The flow takes one of its orders back."""
        self.flow = [(coin, order) for coin, order in self.flow if order.oid in self.s.market.books[coin].orders]
        if self.flow:
            coin, order = self.flow.pop(number % len(self.flow))
            self.s.market.books[coin].cancel(order)

    def act(self, account: int, action: Any) -> None:
        reply = self.s.exchange.act(self.accounts[account], action)
        assert reply["status"] in ("ok", "err")

    def wire(
        self, coin: str, sign: Sign, away: int, size: int, tif: str, reduce: bool, cloid: str | None
    ) -> OrderWire:
        kind = OrderType(limit=LimitType(tif))  # type: ignore[arg-type]
        return OrderWire(ASSETS[coin], sign == 1, self.px_text(coin, away), sizes(coin)[size], reduce, kind, cloid)

    def place(self, account: int, *order: Any) -> None:
        self.act(account, PlaceOrders((self.wire(*order),), "na"))

    def odd(self, account: int, coin: str, px: str, sz: str, tif: str) -> None:
        kind = OrderType(limit=LimitType(tif))  # type: ignore[arg-type]
        self.act(account, PlaceOrders((OrderWire(ASSETS[coin], True, px, sz, False, kind),), "na"))

    def tpsl(
        self, account: int, coin: str, sign: Sign, away: int, size: int, market: bool, grouping: str, tif: str
    ) -> None:
        def child(tpsl: Any, ticks_away: int) -> OrderWire:
            px = self.px_text(coin, ticks_away)
            kind = OrderType(trigger=TriggerType(market, px, tpsl))
            return OrderWire(ASSETS[coin], sign == -1, px, sizes(coin)[size], grouping != "na", kind)

        children = (child("tp", away + sign * 15), child("sl", away - sign * 15))
        parent = (self.wire(coin, sign, away, size, tif, False, None),) if grouping == "normalTpsl" else ()
        self.act(account, PlaceOrders((*parent, *children), grouping))  # type: ignore[arg-type]

    def key(self, account: int, number: int) -> tuple[int, int]:
        """(asset, oid) of one of the account's orders, sometimes of one long gone or of nobody's."""
        known = list(self.accounts[account].orders) if number % 4 else list(self.accounts[account].known)
        if not known:
            return 0, number
        fact = self.accounts[account].known[known[number % len(known)]]
        return ASSETS[fact.coin], fact.oid

    def cancel(self, account: int, number: int, fast: bool) -> None:
        self.act(account, Cancel((CancelWire(*self.key(account, number)), CancelWire(7, number)), fast))

    def cancel_cloid(self, account: int, coin: str, cloid: str) -> None:
        self.act(account, CancelByCloid((CancelByCloidWire(ASSETS[coin], cloid),)))

    def modify(self, account: int, number: int, always: bool, alone: bool, *order: Any) -> None:
        (_, oid), wire = self.key(account, number), self.wire(*order)
        self.act(account, Modify(oid, wire, always) if alone else BatchModify((ModifyWire(oid, wire, always),)))

    def leverage(self, account: int, coin: str, cross: bool, value: int) -> None:
        self.act(account, UpdateLeverage(ASSETS[coin], cross, value))

    def isolated(self, account: int, coin: str, amount: int) -> None:
        self.act(account, UpdateIsolatedMargin(ASSETS[coin], True, amount))

    def schedule(self, account: int, after_ms: int | None) -> None:
        self.act(account, ScheduleCancel(None if after_ms is None else self.s.world.now_ms + after_ms))

    def mark(self, coin: str, away: int, rate: int) -> None:
        listing = self.s.world.listings[coin]
        listing.mark_px = listing.oracle_px = self.px(coin, away)
        listing.rate_1h = Decimal(rate).scaleb(-5)

    def block(self, after_ms: int) -> None:
        self.s.block(after_ms)

    def record(self) -> bytes:
        return b"\n".join(msgspec.json.encode(fact) for fact in facts_of(self.s.world))


class Exchanges(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.program: list[tuple[str, tuple[Any, ...]]] = []
        self.checked = 0
        self.status: dict[int, str] = {}
        self.held: Counter[tuple[str, str]] = Counter()
        self.balances: dict[tuple[str, str], Decimal] = {}
        self.traded: Counter[int] = Counter()

    def do(self, name: str, *arguments: Any) -> None:
        self.program.append((name, arguments))
        getattr(self.session, name)(*arguments)

    order = st.tuples(
        coins, sides, ticks, st.integers(0, 4), tifs, st.sampled_from([False, False, False, True]), cloids
    )

    @rule(account=who, order=order)
    def place(self, account: int, order: tuple[Any, ...]) -> None:
        self.do("place", account, *order)

    @rule(account=who, coin=coins, px=garbage, sz=garbage, tif=tifs)
    def place_odd(self, account: int, coin: str, px: str, sz: str, tif: str) -> None:
        self.do("odd", account, coin, px, sz, tif)

    @rule(
        account=who,
        group=st.tuples(
            coins,
            sides,
            st.integers(-12, 12),
            st.integers(1, 4),
            st.booleans(),
            st.sampled_from(["na", "normalTpsl", "positionTpsl"]),
            tifs,
        ),
    )
    def place_tpsl(self, account: int, group: tuple[Any, ...]) -> None:
        self.do("tpsl", account, *group)

    @rule(account=who, number=st.integers(0, 40), fast=st.booleans())
    def cancel(self, account: int, number: int, fast: bool) -> None:
        self.do("cancel", account, number, fast)

    @rule(account=who, coin=coins, cloid=cloids.filter(bool))
    def cancel_cloid(self, account: int, coin: str, cloid: str) -> None:
        self.do("cancel_cloid", account, coin, cloid)

    @rule(account=who, number=st.integers(0, 40), always=st.booleans(), alone=st.booleans(), order=order)
    def modify(self, account: int, number: int, always: bool, alone: bool, order: tuple[Any, ...]) -> None:
        self.do("modify", account, number, always, alone, *order)

    @rule(account=who, coin=coins, cross=st.booleans(), value=st.integers(0, 41))
    def leverage(self, account: int, coin: str, cross: bool, value: int) -> None:
        self.do("leverage", account, coin, cross, value)

    @rule(account=who, coin=coins, amount=st.integers(-(10**9), 10**9))
    def isolated(self, account: int, coin: str, amount: int) -> None:
        self.do("isolated", account, coin, amount)

    @rule(account=who, after_ms=st.one_of(st.none(), st.integers(0, 20_000)))
    def schedule(self, account: int, after_ms: int | None) -> None:
        self.do("schedule", account, after_ms)

    @rule(coin=coins, sign=sides, away=st.integers(1, 40), size=st.integers(0, 4))
    def quote(self, coin: str, sign: Sign, away: int, size: int) -> None:
        self.do("quote", coin, sign, -sign * away, size)

    @rule(coin=coins, sign=sides, size=st.integers(0, 4))
    def hit(self, coin: str, sign: Sign, size: int) -> None:
        self.do("hit", coin, sign, size)

    @rule(number=st.integers(0, 40))
    def withdraw(self, number: int) -> None:
        self.do("withdraw", number)

    @rule(
        coin=coins,
        away=st.one_of(st.integers(-30, 30), st.integers(-3_000, 3_000)),
        rate=st.integers(-20, 20),
        after_ms=st.sampled_from([70, 70, 70, 31_000, 3_600_000]),
    )
    def move(self, coin: str, away: int, rate: int, after_ms: int) -> None:
        self.do("mark", coin, away, rate)
        self.do("block", after_ms)

    # ---- what always holds ----

    def everybody(self) -> Iterable[Account]:
        accounts = self.session.s.world.accounts
        return (accounts.market, *accounts)

    @invariant()
    def contracts_and_money_are_conserved(self) -> None:
        world = self.session.s.world
        for coin, listing in world.listings.items():
            held = [account.position(listing.dex.name, coin) for account in self.everybody()]
            assert sum(position.lots for position in held if position) == 0
        assert total_money(world) == world.deposited

    @invariant()
    def books_are_in_order(self) -> None:
        for book in self.session.s.market.books.values():
            bid, ask = book.best_px(1), book.best_px(-1)
            assert bid is None or ask is None or bid < ask
            for ladder in (book.bids, book.asks):
                for level in ladder.levels.values():
                    assert level.orders and all(order.lots > 0 for order in level.orders)
                    assert level.lots == sum(order.lots for order in level.orders)

    @invariant()
    def every_live_order_stands_in_one_place(self) -> None:
        world, desk = self.session.s.world, self.session.s.exchange.desk
        live = Counter(oid for account in world.accounts for oid in account.orders)
        books = self.session.s.market.books.values()
        standing = Counter(
            order.oid for book in books for order in book.orders.values() if order.owner >= FIRST_ACCOUNT
        )
        assert standing == Counter(desk.resting.keys())
        standing.update(oid for asleep in desk.asleep.values() for oid in asleep)
        assert live == standing

    @invariant()
    def reduce_only_orders_can_only_reduce(self) -> None:
        world, desk = self.session.s.world, self.session.s.exchange.desk
        reducing: Counter[tuple[int, str, int]] = Counter()
        for order in desk.resting.values():
            if order.reduce_only:
                reducing[order.owner, order.listing.coin, order.sign] += order.lots
        for (owner, coin, sign), lots in reducing.items():
            position = world.accounts.of_owner(owner).position(world.listings[coin].dex.name, coin)
            assert position is not None and -sign * position.lots >= lots

    @invariant()
    def the_record_tells_the_same(self) -> None:
        facts = facts_of(self.session.s.world)
        for fact in facts[self.checked :]:
            if isinstance(fact, OrderChanged):
                self.follow_order(fact)
            elif isinstance(fact, Filled):
                self.follow_fill(fact)
            elif isinstance(fact, BalanceChanged):
                before = self.balances.get((fact.user, fact.pool), Decimal(0))
                assert fact.after_usd == before + fact.usd
                self.balances[fact.user, fact.pool] = fact.after_usd
            elif isinstance(fact, QueueMoved):
                assert (fact.ahead_sz is None or fact.ahead_sz >= 0) and self.status[fact.oid] == "open"
        self.checked = len(facts)
        world = self.session.s.world
        for account in world.accounts:
            assert all(self.status[oid] in LIVING for oid in account.orders)
            for listing in world.listings.values():
                position = account.position(listing.dex.name, listing.coin)
                assert self.held[account.address, listing.coin] == (position.lots if position else 0)

    def follow_order(self, fact: OrderChanged) -> None:
        before = self.status.get(fact.oid)
        if before is None:
            assert fact.status == "open" or fact.status.endswith(("Rejected", "rejected"))
        else:
            assert (
                before in LIVING and fact.status != "triggered" or (before, fact.status) == ("open", "triggered")
            )
            assert not fact.status.endswith(("Rejected", "rejected"))
        assert 0 <= fact.sz and fact.queue_ahead_sz in (None, abs(fact.queue_ahead_sz or 0))
        if fact.status == "filled" and fact.sz == 0 and not fact.reduce_only:
            assert self.traded[fact.oid] == self.lots(fact.coin, fact.orig_sz)
        self.status[fact.oid] = fact.status

    def follow_fill(self, fact: Filled) -> None:
        key = fact.user, fact.coin
        lots = self.lots(fact.coin, fact.sz)
        assert fact.liquidation_method == "backstop" or self.status[fact.oid] in LIVING
        assert self.lots(fact.coin, fact.start_position) == self.held[key]
        self.held[key] += lots if fact.side == "B" else -lots
        self.traded[fact.oid] += lots

    def lots(self, coin: str, sz: Decimal) -> int:
        return self.session.s.world.listings[coin].lots(sz)

    def teardown(self) -> None:
        again = Session()
        for name, arguments in self.program:
            getattr(again, name)(*arguments)
        assert again.record() == self.session.record()


TestExchanges = Exchanges.TestCase
TestExchanges.settings = settings(
    max_examples=40, stateful_step_count=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
