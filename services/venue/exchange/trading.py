"""Trades of accounts: who may trade with whom, both sides of every trade on the books, and what a changed position
means for reduce-only and TP/SL orders."""

from services.venue.exchange import fees, margin
from services.venue.exchange.account import Account
from services.venue.exchange.desk import Desk
from services.venue.exchange.facts import Filled, Matched
from services.venue.exchange.listing import Listing, usd
from services.venue.exchange.open_interest import at_cap, opens
from services.venue.exchange.orders import AccountOrder, Status
from services.venue.exchange.positions import book_trade
from services.venue.market.book import FIRST_ACCOUNT, Fill, Order, Sign, Taker


class AccountTaker(Taker):
    """An account's order on its way through a book."""

    __slots__ = ("order",)

    def __init__(self, order: AccountOrder) -> None:
        super().__init__(order.oid, order.owner)
        self.order = order


class Trading:
    """The host of every book (`market.book.Host`)."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._world = desk, desk.world

    # ---- the host's part: makers ----

    def may_fill(self, order: Order, taker: Taker) -> bool:
        return self._objection(_of_account(order), taker) is None

    def refused(self, order: Order, taker: Taker) -> None:
        maker = _of_account(order)
        self._desk.drop(maker, self._objection(maker, taker) or "marginCanceled")

    def filled(self, fill: Fill) -> None:
        maker = _of_account(fill.maker)
        maker.account.orders.traded(maker)
        if isinstance(fill.taker, AccountTaker):
            self._begin(fill.taker.order)
        self._book_side(maker, fill, crossed=False)
        if not isinstance(fill.taker, AccountTaker):
            self._book_market(maker.listing, fill, -maker.sign)
            self._note_match(maker.listing, fill)
        if maker.lots == 0:
            self.complete(maker)
        self.keep_reduce_only(maker.account, maker.listing)

    def _objection(self, order: AccountOrder, taker: Taker) -> Status | None:
        """Why a resting order leaves the book instead of trading."""
        if order.owner == taker.owner:
            return "selfTradeCanceled"
        if not order.reduce_only and opens(order) and at_cap(self._world, order.listing):
            return "openInterestCapCanceled"
        if not margin.may_fill(self._world, order.account, order):
            return "marginCanceled"
        return None

    # ---- takers ----

    def take(self, order: AccountOrder, limit_px: int) -> int:
        """Match an account's order up to a price. Returns the notional traded, in micro-dollars; `order.lots` is
        what is left. The caller then lets the order rest or end, and calls `keep_reduce_only`."""
        listing = order.listing
        book = self._desk.book(listing)
        fills = book.take(order.sign, order.lots, limit_px, AccountTaker(order))
        if not fills:
            return 0
        self._begin(order)
        for fill in fills:
            order.lots -= fill.lots
            self._book_side(order, fill, crossed=True)
            if fill.maker.owner < FIRST_ACCOUNT:
                self._book_market(listing, fill, fill.maker.sign)
            self._note_match(listing, fill)
        self._desk.market.took(listing.coin, order.sign, fills)
        return sum(fill.px * fill.lots for fill in fills)

    def complete(self, order: AccountOrder) -> None:
        """Nothing is left of an order: it is filled, and others of its TP/SL group have no purpose any more."""
        others = self._siblings(order)
        self._desk.drop(order, "filled")
        for other in others:
            self._desk.end(other, "siblingFilledCanceled")

    def _begin(self, order: AccountOrder) -> None:
        """A taker is `open` before its first fill."""
        if not self._desk.live(order):
            self._desk.open(order)

    def _siblings(self, order: AccountOrder) -> list[AccountOrder]:
        if order.parent is not None:
            group = order.parent.children
        elif order.is_position_tpsl:
            same_coin = order.account.orders.of(order.listing.coin).reducing.values()
            group = [other for other in same_coin if other.is_position_tpsl]
        else:
            return []
        return [other for other in group if other is not order]

    # ---- books ----

    def _book_side(self, order: AccountOrder, fill: Fill, *, crossed: bool) -> None:
        """Position, fee and volume of one account's part in a trade."""
        world, account, listing, lots = self._world, order.account, order.listing, fill.lots
        change = book_trade(world, account, listing, order.sign, fill.px, lots)
        fee = fees.charge(world, account, listing, fill.px, lots, crossed=crossed, builder=order.builder)
        fees.note_volume(account, listing, world.now_ms, fill.px * lots, crossed=crossed)
        liquidated = _liquidated(fill)
        world.note(
            Filled(
                time_ms=world.now_ms,
                user=account.address,
                coin=listing.coin,
                px=listing.px(fill.px),
                sz=listing.sz(lots),
                side="B" if order.sign == 1 else "A",
                start_position=listing.sz(change.start_lots),
                dir=change.dir,
                closed_pnl=usd(change.closed_pnl),
                hash=fill.taker.hash,
                oid=order.oid,
                crossed=crossed,
                fee=usd(fee.total),
                tid=fill.tid,
                cloid=order.cloid,
                builder_fee=usd(fee.builder_part) if order.builder is not None else None,
                liquidated_user=None if liquidated is None else liquidated.address,
                liquidation_mark_px=None if liquidated is None else listing.px(listing.mark_px),
                liquidation_method=None if liquidated is None else "market",
            )
        )

    def _book_market(self, listing: Listing, fill: Fill, sign: int) -> None:
        side: Sign = 1 if sign > 0 else -1
        book_trade(self._world, self._world.accounts.market, listing, side, fill.px, fill.lots)

    def _note_match(self, listing: Listing, fill: Fill) -> None:
        accounts = self._world.accounts
        self._world.note(
            Matched(
                time_ms=self._world.now_ms,
                coin=listing.coin,
                px=listing.px(fill.px),
                sz=listing.sz(fill.lots),
                tid=fill.tid,
                hash=fill.taker.hash,
                taker_side="A" if fill.maker.sign == 1 else "B",
                taker=accounts.of_owner(fill.taker.owner).address,
                maker=accounts.of_owner(fill.maker.owner).address,
                taker_oid=fill.taker.oid,
                maker_oid=fill.maker.oid,
            )
        )

    # ---- reduce-only ----

    def keep_reduce_only(self, account: Account, listing: Listing) -> None:
        """Reduce-only orders never add up to more than the position (§6.5): the newest shrinks to it, older ones
        that do not fit beside it go, and so do all that would open. TP/SL orders of a position have its size."""
        orders = account.orders.of(listing.coin).reducing.values()
        reducing = [order for order in orders if not order.waits_for_parent]
        if not reducing:
            return
        position = account.position(listing.dex.name, listing.coin)
        held = position.lots if position is not None else 0
        room = abs(held)
        for order in reversed(reducing):
            if order.sign * held >= 0:
                self._desk.end(order, "reduceOnlyCanceled")
            elif order.asleep:
                if order.is_position_tpsl:
                    order.lots = abs(held)
            elif order.lots <= room:
                room -= order.lots
            elif room == abs(held):
                self._desk.shrink(order, room)
                room = 0
            else:
                self._desk.end(order, "reduceOnlyCanceled")


def _of_account(order: Order) -> AccountOrder:
    assert isinstance(order, AccountOrder)
    return order


def _liquidated(fill: Fill) -> Account | None:
    """The account whose liquidation order took."""
    taker = fill.taker
    if isinstance(taker, AccountTaker) and taker.order.tif == "LiquidationMarket":
        return taker.order.account
    return None
