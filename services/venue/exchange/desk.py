"""Every live order of accounts: where it stands, what is on record about it, and how it ends.

An order is live from its `open` until one final status. While live it is in its account's `orders`, and either
rests in its coin's book or, as a trigger, sleeps here.
"""

import msgspec

from services.venue.exchange.account import Account
from services.venue.exchange.facts import OrderChanged, QueueMoved
from services.venue.exchange.listing import Listing
from services.venue.exchange.orders import AccountOrder, Status
from services.venue.exchange.world import World
from services.venue.market.book import Book
from services.venue.market.market import Market


def changed(order: AccountOrder, status: Status, now_ms: int, ahead_lots: int | None = None) -> OrderChanged:
    """The order as it is now, on record."""
    listing, trigger = order.listing, order.trigger
    return OrderChanged(
        time_ms=now_ms,
        user=order.account.address,
        coin=listing.coin,
        oid=order.oid,
        side="B" if order.sign == 1 else "A",
        limit_px=listing.px(order.px),
        sz=listing.sz(order.lots),
        orig_sz=listing.sz(order.orig_lots),
        tif=order.tif if trigger is None else None,
        status=status,
        placed_ms=order.placed_ms,
        cloid=order.cloid,
        reduce_only=order.reduce_only,
        trigger_px=None if trigger is None else listing.px(trigger.px),
        trigger_tpsl=None if trigger is None else trigger.tpsl,
        trigger_is_market=trigger is not None and trigger.is_market,
        is_position_tpsl=order.is_position_tpsl,
        children=tuple(changed(child, "open", now_ms) for child in order.children),
        queue_ahead_sz=None if ahead_lots is None else listing.sz(ahead_lots),
    )


class Desk:
    """The orders of all accounts in all coins of one world."""

    def __init__(self, world: World, market: Market) -> None:
        self.world, self.market = world, market
        self.books: dict[str, Book] = {coin: market.book(coin) for coin in world.listings}
        self.resting: dict[int, AccountOrder] = {}
        self.asleep: dict[str, dict[int, AccountOrder]] = {coin: {} for coin in world.listings}
        """Triggers by coin and oid."""
        self.judged_at: dict[str, int] = {}
        """The mark prices of the last judgement, by coin (see `liquidating`)."""

    def book(self, listing: Listing) -> Book:
        return self.books[listing.coin]

    def note(self, order: AccountOrder, status: Status, ahead_lots: int | None = None) -> None:
        self.world.note(changed(order, status, self.world.now_ms, ahead_lots))

    def live(self, order: AccountOrder) -> bool:
        return order.oid in order.account.orders

    def find(self, account: Account, asset: int, key: int | str) -> AccountOrder | None:
        """A live order of a coin, by oid or client id. Of several with one client id the newest."""
        oid = account.by_cloid.get(key, -1) if isinstance(key, str) else key
        order = account.orders.get(oid)
        if order is None and isinstance(key, str):
            same = [order for order in account.orders.values() if order.cloid == key]
            order = same[-1] if same else None
        return order if order is not None and order.listing.asset == asset else None

    def open(self, order: AccountOrder) -> None:
        """The order is live, and has not come to rest yet."""
        order.account.orders[order.oid] = order
        self.note(order, "open")

    def rest(self, order: AccountOrder, *, opened: bool) -> None:
        """Put it into the book; note its opening unless that was before it traded."""
        book = self.book(order.listing)
        book.rest(order)
        order.account.orders[order.oid] = order
        self.resting[order.oid] = order
        if not opened:
            order.ahead_lots = book.ahead(order)
            self.note(order, "open", order.ahead_lots)

    def sleep(self, order: AccountOrder) -> None:
        self.asleep[order.listing.coin][order.oid] = order
        self.open(order)

    def wake(self, order: AccountOrder) -> None:
        """The trigger has fired: from now on an order like any other."""
        del self.asleep[order.listing.coin][order.oid]
        self.note(order, "triggered")
        order.asleep = False

    def shrink(self, order: AccountOrder, lots: int) -> None:
        """Make a resting order smaller where it stands."""
        self.book(order.listing).reduce(order, lots)
        self.world.note(msgspec.structs.replace(changed(order, "open", self.world.now_ms), resized=True))

    def end(self, order: AccountOrder, status: Status) -> None:
        """Take a live order out, and those that wait for it to fill."""
        if order.oid in self.resting:
            self.book(order.listing).cancel(order)
        self.drop(order, status)

    def drop(self, order: AccountOrder, status: Status) -> None:
        """The same for an order that its book has let go."""
        self.resting.pop(order.oid, None)
        self.asleep[order.listing.coin].pop(order.oid, None)
        del order.account.orders[order.oid]
        if order.parent is not None:
            order.parent.children.remove(order)
        self.note(order, status)
        for child in tuple(order.children):
            if order.lots and self.live(child):
                self.end(child, "canceled")

    def end_all(self, account: Account, status: Status, coins: tuple[str, ...] | None = None) -> None:
        """Take all of an account's orders out, oldest first, or those of some coins."""
        for order in tuple(account.orders.values()):
            if self.live(order) and (coins is None or order.listing.coin in coins):
                self.end(order, status)

    def note_queues(self) -> None:
        """Put on record where resting orders stand now, if that has changed."""
        for order in self.resting.values():
            ahead = self.books[order.listing.coin].ahead(order)
            if ahead != order.ahead_lots:
                order.ahead_lots = ahead
                self.world.note(
                    QueueMoved(
                        time_ms=self.world.now_ms,
                        user=order.account.address,
                        coin=order.listing.coin,
                        oid=order.oid,
                        ahead_sz=None if ahead is None else order.listing.sz(ahead),
                    )
                )
