"""Live orders of one account, and per coin what its resting orders would open.

Prices in price units, sizes in lots, notionals in micro-dollars (see `listing`).
"""

from bisect import bisect_left, insort
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView

from services.venue.exchange.orders import AccountOrder
from services.venue.market.book import Sign


class RestingSide:
    """What rests on one side of a coin and can open a position, by price."""

    __slots__ = ("_keys", "_lots_at", "_sign", "lots", "ntl")

    def __init__(self, sign: Sign) -> None:
        self._sign = sign
        self._keys: list[int] = []
        """sign * px ascending: the best price is the last."""
        self._lots_at: dict[int, int] = {}
        self.lots = self.ntl = 0
        """All of them, at their limit prices."""

    def add(self, px: int, lots: int) -> None:
        """Negative lots leave."""
        self.lots += lots
        self.ntl += px * lots
        here = self._lots_at.get(px, 0) + lots
        if here == lots:
            insort(self._keys, self._sign * px)
        if here:
            self._lots_at[px] = here
        else:
            del self._lots_at[px], self._keys[bisect_left(self._keys, self._sign * px)]

    def ntl_from(self, least_px: int) -> int:
        """Notional with every lot at `least_px` or more."""
        return sum(max(px, least_px) * lots for px, lots in self._lots_at.items()) if least_px else self.ntl

    def opening_ntl(self, closable: int, px: int = 0, lots: int = 0) -> int:
        """Notional beyond the `closable` lots, which the best priced close first; with one more order if given."""
        total = self.ntl + px * lots
        if closable >= self.lots + lots:
            return 0
        for key in reversed(self._keys) if closable else ():
            if lots and self._sign * px >= key:
                closing, lots = min(lots, closable), 0
                total -= px * closing
                closable -= closing
            at_px = self._sign * key
            closing = min(self._lots_at[at_px], closable)
            total -= at_px * closing
            closable -= closing
            if not closable:
                return total
        return total - px * min(lots, closable)


class CoinOrders:
    """The live orders of one coin."""

    __slots__ = ("_held", "_opening", "asks", "bids", "reducing")

    def __init__(self) -> None:
        self.bids, self.asks = RestingSide(1), RestingSide(-1)
        self.reducing: dict[int, AccountOrder] = {}
        """The reduce-only ones by oid, in the order of placement."""
        self._held = 0
        self._opening: tuple[int, int] | None = (0, 0)

    def side(self, sign: Sign) -> RestingSide:
        return self.bids if sign == 1 else self.asks

    def count(self, order: AccountOrder, lots: int) -> None:
        """Let `lots` of an order count as resting, in place of those that did."""
        if lots != order.counted_lots:
            self.side(order.sign).add(order.px, lots - order.counted_lots)
            order.counted_lots = lots
            self._opening = None

    def opening(self, held: int) -> tuple[int, int]:
        """Notional that the resting (buys, sells) would open beside a position of `held` lots."""
        if self._opening is None or self._held != held:
            self._held = held
            self._opening = self.bids.opening_ntl(max(-held, 0)), self.asks.opening_ntl(max(held, 0))
        return self._opening


class LiveOrders(MutableMapping[int, AccountOrder]):
    """Orders by oid in the order of placement, and their sums by coin.

    An order counts in the sums as it is put in here. Whoever changes it (wakes a trigger) puts it in again; of
    its fills `traded` wants to know.
    """

    def __init__(self) -> None:
        self._all: dict[int, AccountOrder] = {}
        self._by_coin: dict[str, CoinOrders] = {}

    def __getitem__(self, oid: int) -> AccountOrder:
        return self._all[oid]

    def __setitem__(self, oid: int, order: AccountOrder) -> None:
        self._all[oid] = order
        orders = self._by_coin.get(order.listing.coin)
        if orders is None:
            orders = self._by_coin[order.listing.coin] = CoinOrders()
        if order.reduce_only:
            orders.reducing[oid] = order
        elif not order.asleep:
            orders.count(order, order.lots)

    def __delitem__(self, oid: int) -> None:
        order = self._all.pop(oid)
        orders = self._by_coin[order.listing.coin]
        orders.reducing.pop(oid, None)
        orders.count(order, 0)

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, oid: object) -> bool:
        return oid in self._all

    def values(self) -> ValuesView[AccountOrder]:
        return self._all.values()

    def traded(self, order: AccountOrder) -> None:
        """A resting order has become smaller."""
        if order.counted_lots:
            self._by_coin[order.listing.coin].count(order, order.lots)

    def of(self, coin: str) -> CoinOrders:
        return self._by_coin.get(coin) or NO_ORDERS

    def by_coin(self) -> ItemsView[str, CoinOrders]:
        """Coins that have had orders."""
        return self._by_coin.items()


NO_ORDERS = CoinOrders()
"""Of a coin without orders; nobody puts any in."""
