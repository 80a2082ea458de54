"""A limit order book with price-time priority, in integers.

Prices count in units of 10^-(6 - szDecimals), sizes in lots of 10^-szDecimals.
It knows orders and matching only: who sends them, and why, is elsewhere. Orders of accounts and of the
modelled flow stand in the same queues; for those of accounts a `Host` is asked before each match.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from hashlib import blake2b
from typing import Literal, Protocol

Sign = Literal[1, -1]
"""+1 buys (bids), -1 sells (asks)."""
SIGNIFICANT_FIGURES = 5
MAX_DECIMALS = 6
FIRST_ACCOUNT = 1_000
"""`Order.owner` from here on is an account; lower numbers are the market's own flow."""
FIRST_FLOW_OID = 1 << 50
"""Orders of the market's own flow are numbered from here on, those of accounts from 1."""


def grid_step(px: int, sz_decimals: int) -> int:
    """Tick at `px` in price units: five significant figures, but an integer price is always allowed.

    The integer form of `shared.units.tick_size`.
    """
    whole = 10 ** (MAX_DECIMALS - sz_decimals)
    return int(min(max(10 ** (len(str(px)) - SIGNIFICANT_FIGURES), 1), whole)) if px >= 10_000 else 1


class Order:
    """A resting order; `lots` is what is left of it."""

    __slots__ = ("lots", "oid", "owner", "px", "sign")

    def __init__(self, oid: int, owner: int, sign: Sign, px: int, lots: int) -> None:
        self.oid, self.owner, self.sign, self.px, self.lots = oid, owner, sign, px, lots


class Level:
    """All orders at one price, oldest first; `flow` of them are the market's own."""

    __slots__ = ("flow", "lots", "orders")

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.lots = self.flow = 0


class Ladder:
    """One side. `keys` holds sign * px ascending, so that the best price is the last of either side; in
    `flow_levels` of them stand orders of the market's own."""

    __slots__ = ("flow_levels", "keys", "levels", "sign")

    def __init__(self, sign: Sign) -> None:
        self.sign: Sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.flow_levels = 0

    def __len__(self) -> int:
        return len(self.keys)

    def best_px(self) -> int | None:
        return self.sign * self.keys[-1] if self.keys else None

    def px_at(self, depth: int) -> int:
        """Price of the level `depth` places behind the best."""
        return self.sign * self.keys[-1 - depth]

    def level_at(self, depth: int) -> Level:
        return self.levels[self.sign * self.keys[-1 - depth]]

    def top(self, count: int) -> Iterator[tuple[int, Level]]:
        """The best `count` levels, best first."""
        for key in reversed(self.keys[-count:]):
            yield self.sign * key, self.levels[self.sign * key]

    def drop(self, px: int) -> None:
        del self.levels[px]
        del self.keys[bisect_left(self.keys, self.sign * px)]


class Taker:
    """Who takes. `oid` names the taking order in trade ids; `owner` is `Order.owner` of its orders."""

    __slots__ = ("_hash", "oid", "owner")

    def __init__(self, oid: int, owner: int, tx_hash: str | None = None) -> None:
        self.oid, self.owner, self._hash = oid, owner, tx_hash

    @property
    def hash(self) -> str:
        """The transaction of its trades: the recorded one, or one made from `oid`."""
        return self._hash or trade_hash(self.oid)


class Fill:
    """`lots` of resting order `maker` taken at `px`, its price; `maker.lots` is already reduced."""

    __slots__ = ("lots", "maker", "px", "taker", "tid")

    def __init__(self, maker: Order, lots: int, taker: Taker, tid: int) -> None:
        self.maker, self.px, self.lots, self.taker, self.tid = maker, maker.px, lots, taker, tid


class Host(Protocol):
    """Speaks for the orders of accounts while a taker walks through a book."""

    def may_fill(self, order: Order, taker: Taker) -> bool:
        """False takes the order out of the book unfilled: own order of the taker, or margin gone."""
        ...

    def refused(self, order: Order, taker: Taker) -> None:
        """`may_fill` said no; the order is no longer in the book."""
        ...

    def filled(self, fill: Fill) -> None:
        """An account's resting order was taken. Positions must be right when this returns: the next order may be
        the same account's. It may cancel other orders of the book."""
        ...


class Nobody:
    """The host of a book in which no account trades."""

    def may_fill(self, order: Order, taker: Taker) -> bool:
        return True

    def refused(self, order: Order, taker: Taker) -> None:
        raise AssertionError("a book without accounts refuses nobody")

    def filled(self, fill: Fill) -> None:
        raise AssertionError("a book without accounts holds none of their orders")


def trade_id(taker_oid: int, maker_oid: int) -> int:
    """50 bits out of the two order ids, as on the venue: unique only together with time and coin."""
    digest = blake2b(b"%d/%d" % (taker_oid, maker_oid), digest_size=7).digest()
    return int.from_bytes(digest) >> 6


def trade_hash(taker_oid: int) -> str:
    """The transaction that a trade belongs to: one for everything that a taking order does."""
    return "0x" + blake2b(b"%d" % taker_oid, digest_size=32).hexdigest()


class Book(Protocol):
    """One coin's market as the exchange sees it: modelled (`OrderBook`) or recorded (`RecordedBook`)."""

    host: Host

    def best_px(self, sign: Sign) -> int | None:
        """Best price of a side, everybody's orders counted; None when it is empty."""
        ...

    def depth(self, sign: Sign) -> Iterator[tuple[int, int]]:
        """(price, lots) of a side, best first."""
        ...

    def rest(self, order: Order) -> None:
        """Queue an order behind all others at its price. The caller has matched what crosses."""
        ...

    def cancel(self, order: Order) -> None:
        """Take a resting order out."""
        ...

    def reduce(self, order: Order, lots: int) -> None:
        """Make a resting order smaller (0 < lots < order.lots) where it stands."""
        ...

    def take(self, sign: Sign, lots: int, limit_px: int | None, taker: Taker) -> list[Fill]:
        """Match a taker against the other side, best price first, oldest first, up to its limit price."""
        ...

    def ahead(self, order: Order) -> int | None:
        """Lots that stand before a resting order at its price; None where nobody knows."""
        ...


class OrderBook:
    """Both sides and every resting order by id. Whoever shows the book resets `changed`."""

    def __init__(self) -> None:
        self.changed = True
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self.orders: dict[int, Order] = {}
        self.host: Host = Nobody()

    def side(self, sign: Sign) -> Ladder:
        return self.bids if sign == 1 else self.asks

    def best_px(self, sign: Sign) -> int | None:
        return self.side(sign).best_px()

    def depth(self, sign: Sign) -> Iterator[tuple[int, int]]:
        ladder = self.side(sign)
        return ((px, level.lots) for px, level in ladder.top(len(ladder)))

    def rest(self, order: Order) -> None:
        ladder = self.side(order.sign)
        level = ladder.levels.get(order.px)
        if level is None:
            level = ladder.levels[order.px] = Level()
            insort(ladder.keys, order.sign * order.px)
        level.orders.append(order)
        level.lots += order.lots
        if order.owner < FIRST_ACCOUNT:
            level.flow += 1
            ladder.flow_levels += level.flow == 1
        self.orders[order.oid] = order
        self.changed = True

    def cancel(self, order: Order) -> None:
        ladder = self.side(order.sign)
        level = ladder.levels[order.px]
        level.orders.remove(order)
        level.lots -= order.lots
        if order.owner < FIRST_ACCOUNT:
            level.flow -= 1
            ladder.flow_levels -= not level.flow
        del self.orders[order.oid]
        if not level.orders:
            ladder.drop(order.px)
        self.changed = True

    def reduce(self, order: Order, lots: int) -> None:
        self.changed = True
        self.side(order.sign).levels[order.px].lots -= order.lots - lots
        order.lots = lots

    def take(self, sign: Sign, lots: int, limit_px: int | None, taker: Taker) -> list[Fill]:
        """See `Book.take`. The host may take other orders out meanwhile, so every step starts at the top."""
        ladder = self.asks if sign == 1 else self.bids
        fills: list[Fill] = []
        while lots > 0 and ladder.keys:
            px = ladder.sign * ladder.keys[-1]
            if limit_px is not None and sign * px > sign * limit_px:
                break
            order = ladder.levels[px].orders[0]
            hosted = order.owner >= FIRST_ACCOUNT
            if hosted and not self.host.may_fill(order, taker):
                self.cancel(order)
                self.host.refused(order, taker)
                continue
            taken = min(order.lots, lots)
            lots -= taken
            if taken == order.lots:
                self.cancel(order)
                order.lots = 0
            else:
                self.reduce(order, order.lots - taken)
            fill = Fill(order, taken, taker, trade_id(taker.oid, order.oid))
            fills.append(fill)
            if hosted:
                self.host.filled(fill)
        return fills

    def ahead(self, order: Order) -> int:
        total = 0
        for other in self.side(order.sign).levels[order.px].orders:
            if other is order:
                break
            total += other.lots
        return total
