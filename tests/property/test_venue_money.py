"""Whatever accounts trade, pay, move and lose: nothing is created, and the numbers clients see fit together."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.exchange import fees, funding, liquidation, margin
from services.venue.exchange.account import Account, Leverage
from services.venue.exchange.listing import MICRO, Listing
from services.venue.exchange.orders import Builder
from services.venue.exchange.positions import book_trade
from services.venue.exchange.summary import liquidation_px, summary
from services.venue.exchange.world import SPOT, World
from services.venue.market.book import Sign
from tests.fixtures.venue_world import BTC, GOLD, KPEPE, open_account, rest, total_money, world

COINS = (BTC, KPEPE, GOLD)
LOTS = {BTC: 40_000, KPEPE: 4_000_000, GOLD: 20_000}
"""Most lots in a trade: some thousand dollars."""
ACCOUNTS = 4
who = st.integers(0, ACCOUNTS)
coin = st.sampled_from(COINS)
share = st.floats(0.001, 1)
move = st.integers(-3_000, 3_000)
"""Of a price, in hundredths of a percent."""

steps = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), who, who, coin, share, move),
        st.tuples(st.just("mark"), coin, move),
        st.tuples(st.just("funding"), coin, st.integers(-400, 400)),
        st.tuples(st.just("leverage"), who, coin, st.integers(1, 40), st.booleans()),
        st.tuples(st.just("to spot"), who, st.integers(-MICRO, 1_000 * MICRO)),
        st.tuples(st.just("isolated"), who, coin, st.integers(-100 * MICRO, 100 * MICRO)),
        st.tuples(st.just("liquidate"), who),
    ),
    max_size=40,
)


class Session:
    """Drives a world through steps, the way the exchange would; `cash` is what each account's trades brought."""

    def __init__(self) -> None:
        self.world = world()
        for _ in range(ACCOUNTS):
            account = open_account(self.world)
            self.world.move(account, "xyz", 10_000 * MICRO, "deposit")
            self.world.deposited += 10_000 * MICRO
        self.backstop = open_account(self.world, 0, address="0x" + "f" * 40)
        self.traders = [*list(self.world.accounts)[:ACCOUNTS], self.world.accounts.market]
        self.closed_pnl: dict[tuple[int, str], int] = {}

    def run(self, todo: list[tuple]) -> None:
        for name, *values in todo:
            getattr(self, "_" + name.replace(" ", "_"))(*values)

    def trade(self, buyer: Account, seller: Account, name: str, px: int, lots: int) -> None:
        listing = self.world.listings[name]
        for account, sign, crossed in ((buyer, 1, True), (seller, -1, False)):
            change = book_trade(self.world, account, listing, sign, px, lots)
            if account is not self.world.accounts.market:
                builder = Builder(self.traders[0].address, 15) if account is self.traders[1] else None
                fees.charge(self.world, account, listing, px, lots, crossed=crossed, builder=builder)
            key = account.owner, name
            self.closed_pnl[key] = self.closed_pnl.get(key, 0) + change.closed_pnl

    def _trade(self, buyer: int, seller: int, name: str, part: float, away: int) -> None:
        if buyer != seller:
            px = max(1, self.world.listings[name].mark_px * (10_000 + away) // 10_000)
            self.trade(self.traders[buyer], self.traders[seller], name, px, max(1, int(LOTS[name] * part)))

    def _mark(self, name: str, by: int) -> None:
        listing = self.world.listings[name]
        listing.mark_px = max(1, listing.mark_px * (10_000 + by) // 10_000)
        listing.oracle_px = max(1, listing.mark_px * 10_007 // 10_000)

    def _funding(self, name: str, rate: int) -> None:
        self.world.listings[name].rate_1h = Decimal(rate).scaleb(-7)
        funding.settle(self.world)

    def _leverage(self, number: int, name: str, value: int, cross: bool) -> None:
        account, listing = self.traders[number], self.world.listings[name]
        if account.position(listing.dex.name, name) is None:
            mode = cross and listing.margin_mode == "normal"
            account.leverage[name] = Leverage(min(value, listing.max_leverage), mode)

    def _to_spot(self, number: int, amount: int) -> None:
        account = self.traders[number]
        if number < ACCOUNTS and -account.spot_usd <= amount <= margin.withdrawable(self.world, account, ""):
            self.world.move(account, "", -amount, "transfer")
            self.world.move(account, SPOT, amount, "transfer")

    def _isolated(self, number: int, name: str, amount: int) -> None:
        account, listing = self.traders[number], self.world.listings[name]
        if margin.may_move_isolated(self.world, account, listing, amount):
            self.world.move(account, listing.dex.name, -amount, "isolatedMargin")
            self.world.move(account, "isolated:" + name, amount, "isolatedMargin")

    def _liquidate(self, number: int) -> None:
        account = self.traders[number]
        if number == ACCOUNTS:
            return
        for dex in list(account.pools):
            verdicts = [liquidation.verdict(self.world, account, dex)]
            for name, position in account.pool(dex).positions.items():
                if position.isolated_usd is not None:
                    listing = self.world.listings[name]
                    verdicts.append(liquidation.isolated_verdict(self.world, account, listing))
            for found in verdicts:
                if found.kind == "backstop":
                    liquidation.take_over(self.world, account, self.backstop, found)
                elif found.kind == "market":
                    for sale in liquidation.sales(self.world, account, found):
                        market, px = self.world.accounts.market, self.world.listings[sale.coin].mark_px
                        pair = (account, market) if sale.sign == 1 else (market, account)
                        self.trade(*pair, sale.coin, px, sale.lots)


def everybody(made: World) -> list[Account]:
    return [made.accounts.market, *made.accounts]


@given(steps)
def test_positions_add_up_to_nothing_and_money_to_what_was_deposited(todo):
    session = Session()
    session.run(todo)
    made = session.world
    for name, listing in made.listings.items():
        held = [account.position(listing.dex.name, name) for account in everybody(made)]
        assert sum(position.lots for position in held if position) == 0
        assert all(position.lots and position.entry_ntl > 0 for position in held if position)
    assert total_money(made) == made.deposited


@given(steps)
def test_the_numbers_of_the_clearinghouse_state_fit_together(todo):
    session = Session()
    session.run(todo)
    made = session.world
    for account in made.accounts:
        for dex in ("", "xyz"):
            seen = summary(made, account, dex)
            signed = {item.listing.coin: item.lots * item.listing.mark_px for item in seen.positions}
            cross = [item for item in seen.positions if item.isolated_usd is None]
            isolated = [item for item in seen.positions if item.isolated_usd is not None]
            assert seen.all.account_value == seen.all.raw_usd + sum(signed.values())
            assert seen.all.account_value == margin.account_value(made, account, dex)
            assert seen.all.total_ntl == sum(abs(ntl) for ntl in signed.values())
            assert seen.cross.account_value == seen.cross.raw_usd + sum(
                signed[item.listing.coin] for item in cross
            )
            assert seen.all.account_value - seen.cross.account_value == sum(item.margin_used for item in isolated)
            assert seen.cross.margin_used == sum(item.ntl // item.leverage.value for item in cross)
            assert seen.cross_maintenance == sum(item.ntl // (2 * item.listing.max_leverage) for item in cross)
            reserved = margin.initial_margin_used(made, account, dex)
            least = max(reserved, seen.cross.total_ntl // 10)
            assert seen.withdrawable == max(0, seen.cross.account_value - least)
            for item in isolated:
                assert item.margin_used == item.isolated_usd + signed[item.listing.coin]


@given(steps, coin)
def test_realised_profit_of_a_round_trip_is_its_cash(todo, name):
    """Closing everything at last, the sum of `closedPnl` is what the account's trades in the coin paid out."""
    session = Session()
    made, listing = session.world, session.world.listings[name]
    session.run([step for step in todo if step[0] in ("trade", "mark") and name in step])
    account = session.traders[2]
    position = account.position(listing.dex.name, name)
    if position is not None:
        pair = [made.accounts.market, account] if position.lots > 0 else [account, made.accounts.market]
        session.trade(*pair, name, listing.mark_px, abs(position.lots))
    pool = account.pool(listing.dex.name)
    assert pool.raw_usd - 10_000 * MICRO == session.closed_pnl.get((account.owner, name), 0) - paid(
        session, account
    )


def paid(session: Session, account: Account) -> int:
    """Fees of an account, from the facts."""
    made = session.world
    changes = [fact for fact in made.emit.facts if type(fact).__name__ == "BalanceChanged"]
    return -sum(
        int(fact.usd.scaleb(6)) for fact in changes if fact.user == account.address and fact.reason == "fee"
    )


orders = st.lists(
    st.tuples(coin, st.sampled_from((1, -1)), share, st.integers(-500, 500), st.booleans()), max_size=12
)


@settings(max_examples=60)
@given(steps, orders, st.sampled_from(("both_sides", "larger_side")), coin)
def test_the_most_that_can_be_traded_may_be_placed_and_hardly_more(todo, resting, mode, name):
    session = Session()
    session.run(todo)
    made, account, listing = session.world, session.traders[0], session.world.listings[name]
    made.config = made.config.model_copy(update={"order_margin": mode})
    for placed, sign, part, away, reduce_only in resting:
        other = made.listings[placed]
        px, lots = max(1, other.mark_px * (10_000 + away) // 10_000), max(1, int(LOTS[placed] * part))
        if reduce_only or margin.may_place(made, account, other, sign, px, lots):
            rest(made, account, placed, sign, px, lots, reduce_only=reduce_only)
    free_of_orders = not any(order.listing is listing for order in account.orders.values())
    for sign, lots in zip((1, -1), margin.max_trade_lots(made, account, listing), strict=True):
        assert lots == 0 or margin.may_place(made, account, listing, sign, listing.mark_px, lots)
        if free_of_orders:
            leverage = margin.leverage_of(made, account, listing).value
            more = lots + 1 + 3 * leverage // listing.mark_px
            assert not margin.may_place(made, account, listing, sign, listing.mark_px, more)


def opening(account: Account, listing: Listing, sign: Sign) -> tuple[int, int]:
    """(lots, notional) that the resting orders of one side would open, order by order from the best price on."""
    position = account.position(listing.dex.name, listing.coin)
    closable = max(-sign * position.lots, 0) if position is not None else 0
    lots = ntl = 0
    counted = [each for each in account.orders.values() if each.listing is listing and each.sign == sign]
    for each in sorted(counted, key=lambda each: -sign * each.px):
        if not each.reduce_only:
            closing = min(closable, each.lots)
            closable -= closing
            lots, ntl = lots + each.lots, ntl + each.px * (each.lots - closing)
    return lots, ntl


@given(steps, orders)
def test_sums_of_resting_orders_are_what_counting_them_finds(todo, resting):
    """Trades, orders and fills of orders in turn: the sums kept between them are never stale."""
    session = Session()
    made, account = session.world, session.traders[0]
    for number, (placed, sign, part, away, reduce_only) in enumerate(resting):
        session.run(todo[number :: len(resting)])
        px = max(1, made.listings[placed].mark_px * (10_000 + away) // 10_000)
        rest(made, account, placed, sign, px, max(1, int(LOTS[placed] * part)), reduce_only=reduce_only)
        if number % 3 == 2:
            del account.orders[next(iter(account.orders))]
        elif account.orders:
            older = next(iter(account.orders.values()))
            older.lots -= older.lots // 2
            account.orders.traded(older)
        for listing in made.listings.values():
            held = margin.lots_of(account.position(listing.dex.name, listing.coin))
            kept = account.orders.of(listing.coin)
            bought, sold = (opening(account, listing, side) for side in (1, -1))
            assert (kept.bids.lots, kept.asks.lots) == (bought[0], sold[0])
            assert kept.opening(held) == (bought[1], sold[1])


@given(steps)
def test_at_the_liquidation_price_the_value_is_the_maintenance_margin(todo):
    session = Session()
    session.run(todo)
    made = session.world
    for account in made.accounts:
        for item in summary(made, account, "").positions:
            listing, mark = item.listing, item.listing.mark_px
            position = account.position("", listing.coin)
            if item.liquidation_px is None or item.liquidation_px > 10**9:
                continue
            listing.mark_px = listing.px_units(item.liquidation_px)
            state = (
                margin.cross_state(made, account, "")
                if item.isolated_usd is None
                else margin.isolated_state(listing, position)
            )
            one_price_unit = 2 * abs(item.lots)
            assert abs(state.value - state.maintenance) <= one_price_unit + len(account.pool().positions)
            assert liquidation_px(listing, position, 0) == listing.px(listing.mark_px)
            listing.mark_px = mark
