"""A limit order book with price-time priority, in integers.

Prices count in units of 10^-(6 - szDecimals), sizes in lots of 10^-szDecimals.
It knows orders and matching only: who sends them, and why, is elsewhere. Orders of accounts and of the
modelled flow are the same thing in it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Literal

Sign = Literal[1, -1]
"""+1 buys (bids), -1 sells (asks)."""
SIGNIFICANT_FIGURES = 5
MAX_DECIMALS = 6


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
    """All orders at one price, oldest first."""

    __slots__ = ("lots", "orders")

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.lots = 0


class Ladder:
    """One side. `keys` holds sign * px ascending, so that the best price is the last of either side."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: Sign) -> None:
        self.sign: Sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

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


class Fill:
    """`lots` of resting order `maker` taken at its price; `maker.lots` is already reduced."""

    __slots__ = ("lots", "maker")

    def __init__(self, maker: Order, lots: int) -> None:
        self.maker, self.lots = maker, lots


class OrderBook:
    """Both sides and every resting order by id."""

    def __init__(self) -> None:
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self.orders: dict[int, Order] = {}

    def side(self, sign: Sign) -> Ladder:
        return self.bids if sign == 1 else self.asks

    def rest(self, order: Order) -> None:
        """Queue an order behind all others at its price. The caller has matched what crosses."""
        ladder = self.side(order.sign)
        level = ladder.levels.get(order.px)
        if level is None:
            level = ladder.levels[order.px] = Level()
            insort(ladder.keys, order.sign * order.px)
        level.orders.append(order)
        level.lots += order.lots
        self.orders[order.oid] = order

    def cancel(self, order: Order) -> None:
        ladder = self.side(order.sign)
        level = ladder.levels[order.px]
        level.orders.remove(order)
        level.lots -= order.lots
        del self.orders[order.oid]
        if not level.orders:
            ladder.drop(order.px)

    def take(self, sign: Sign, lots: int, limit_px: int | None = None) -> list[Fill]:
        """Match a taker against the other side, best price first, oldest first, up to its limit price."""
        ladder = self.asks if sign == 1 else self.bids
        fills: list[Fill] = []
        while lots > 0 and ladder.keys:
            px = ladder.sign * ladder.keys[-1]
            if limit_px is not None and sign * px > sign * limit_px:
                break
            level = ladder.levels[px]
            done = 0
            for order in level.orders:
                taken = min(order.lots, lots)
                order.lots -= taken
                level.lots -= taken
                lots -= taken
                fills.append(Fill(order, taken))
                if order.lots:
                    break
                done += 1
                del self.orders[order.oid]
                if not lots:
                    break
            del level.orders[:done]
            if not level.orders:
                ladder.drop(px)
        return fills
