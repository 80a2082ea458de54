"""A recorded book in which orders of accounts stand at a true queue position.

Each resting order knows the recorded lots ahead of it at its price:

    rest       everything displayed at the price is ahead, and so are earlier orders of accounts
    print      at the price: eats what is ahead, then fills accounts in time order with what is left of it;
               through the price: fills whole orders, best price first; never more than the print's size
    quote      a displayed size below what is ahead was reduced from behind; size that comes later stands behind
    out of sight   at a price behind the last displayed one the queue is unknown (only prints through it fill)
               until the price comes into view; then everything displayed is ahead
    hole       what is ahead of every order becomes unknown in the same way

Recorded prints never change. Recorded quotes at or through an account's order would have been refused as
post-only; they are not shown and fill nothing. Takers of accounts trade against displayed levels and orders of
accounts in price order; what they took of a displayed level is gone until a newer quote of it.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from itertools import islice

from services.venue.market.book import Fill, Host, Nobody, Order, Sign, Taker, trade_id
from services.venue.market.feed import Hole
from services.venue.market.scale import Scale
from shared.hyperliquid.wire import Bbo, L2Book, WireLevel, WireTrade

Quote = L2Book | Bbo | Hole
MOST_UNREAD = 512


class _Place:
    """An account's order and the recorded lots before it; None: unknown."""

    __slots__ = ("ahead", "order")

    def __init__(self, order: Order, ahead: int | None) -> None:
        self.order, self.ahead = order, ahead


class _Side:
    """Displayed levels and accounts' orders of one side. Keys are sign * px ascending: the best is the last."""

    def __init__(self, sign: Sign) -> None:
        self.sign: Sign = sign
        self.seen = False
        """Something is displayed, be it an empty side."""
        self.keys: list[int] = []
        self.displayed: dict[int, int] = {}
        self.sold: dict[int, int] = {}
        """Lots of displayed levels that accounts have taken."""
        self.queue_keys: list[int] = []
        self.queues: dict[int, list[_Place]] = {}

    def replace(self, levels: list[tuple[int, int]]) -> None:
        self.seen = True
        self.displayed = dict(levels)
        self.keys = sorted(self.sign * px for px in self.displayed)
        self.sold.clear()

    def best_is(self, px: int | None, lots: int) -> None:
        """A new touch: better levels are gone."""
        self.seen = True
        key = None if px is None else self.sign * px
        while self.keys and (key is None or self.keys[-1] >= key):
            better_px = self.sign * self.keys.pop()
            del self.displayed[better_px]
            self.sold.pop(better_px, None)
        if px is not None:
            self.keys.append(self.sign * px)
            self.displayed[px] = lots

    def lose(self) -> None:
        self.seen = False
        self.keys.clear()
        self.displayed.clear()
        self.sold.clear()
        for queue in self.queues.values():
            for place in queue:
                place.ahead = None

    def in_view(self, px: int) -> bool:
        return self.seen and (not self.keys or self.sign * px >= self.keys[0])

    def free(self, px: int) -> int:
        """Displayed lots that nobody has taken."""
        return self.displayed.get(px, 0) - self.sold.get(px, 0)

    def best_order_px(self) -> int | None:
        return self.sign * self.queue_keys[-1] if self.queue_keys else None

    def add(self, order: Order) -> None:
        queue = self.queues.get(order.px)
        if queue is None:
            queue = self.queues[order.px] = []
            insort(self.queue_keys, self.sign * order.px)
        queue.append(_Place(order, self.free(order.px) if self.in_view(order.px) else None))

    def remove(self, order: Order) -> None:
        queue = self.queues[order.px]
        queue.remove(next(place for place in queue if place.order is order))
        if not queue:
            del self.queues[order.px]
            del self.queue_keys[bisect_left(self.queue_keys, self.sign * order.px)]

    def settle(self) -> None:
        """Bring what is ahead into line with what is displayed."""
        for px, queue in self.queues.items():
            if self.in_view(px):
                free = self.free(px)
                for place in queue:
                    place.ahead = free if place.ahead is None else min(place.ahead, free)

    def eat(self, px: int, lots: int) -> None:
        """Recorded lots at the front of a price are gone."""
        for place in self.queues.get(px, ()):
            if place.ahead is not None:
                place.ahead = max(place.ahead - lots, 0)


class RecordedBook:
    """A `Book` over a recording. Quotes wait unread while no account stands in it, so that a book without accounts
    costs nothing; whoever shows it resets `changed`."""

    def __init__(self, scale: Scale, next_oid: Callable[[], int]) -> None:
        self.host: Host = Nobody()
        self.changed = False
        """An account has changed what is to be seen."""
        self._scale = scale
        self._next_oid = next_oid
        self._bids, self._asks = _Side(1), _Side(-1)
        self._unread: list[Quote] = []

    @property
    def touched(self) -> bool:
        """Accounts stand in it, or have taken what is displayed: it is not the recorded one."""
        sides = self._bids, self._asks
        return self.changed or any(side.queues or side.sold for side in sides)

    def _side(self, sign: Sign) -> _Side:
        return self._bids if sign == 1 else self._asks

    # ---- what was recorded -----------------------------------------------------------------------------------

    def quoted(self, quote: Quote) -> None:
        """A book or a touch, or that nothing is known any more."""
        if not isinstance(quote, Bbo):
            self._unread.clear()
        self._unread.append(quote)
        if self._bids.queues or self._asks.queues or len(self._unread) > MOST_UNREAD:
            self._read()

    def _read(self) -> None:
        for quote in self._unread:
            if isinstance(quote, Hole):
                self._bids.lose()
                self._asks.lose()
            elif isinstance(quote, L2Book):
                for side, levels in zip((self._bids, self._asks), quote.levels, strict=True):
                    side.replace([self._level(level) for level in levels])
            else:
                for side, best in zip((self._bids, self._asks), quote.bbo, strict=True):
                    side.best_is(*((None, 0) if best is None else self._level(best)))
            self._bids.settle()
            self._asks.settle()
        self._unread.clear()

    def _level(self, level: WireLevel) -> tuple[int, int]:
        return self._scale.units(level.px), self._scale.lots(level.sz)

    def printed(self, trade: WireTrade, taker: Taker) -> None:
        """A recorded trade reaches the accounts' orders that stand before it."""
        side = self._asks if trade.side == "B" else self._bids
        px, left = self._scale.units(trade.px), self._scale.lots(trade.sz)
        while left > 0:
            best = side.best_order_px()
            if best is None or side.sign * best < side.sign * px:
                return
            first = side.queues[best][0]
            if best != px or first.ahead == 0:
                fill = self._fill(first.order, left, taker, trade.tid)
                left -= fill.lots if fill is not None else 0
            elif first.ahead is None:
                return
            else:
                eaten = min(first.ahead, left)
                side.eat(px, eaten)
                left -= eaten

    # ---- the book of the exchange ----------------------------------------------------------------------------

    def best_px(self, sign: Sign) -> int | None:
        self._read()
        side = self._side(sign)
        keys = [*side.queue_keys[-1:], *islice(self._shown_keys(side), 1)]
        return sign * max(keys) if keys else None

    def depth(self, sign: Sign) -> Iterator[tuple[int, int]]:
        return ((px, lots) for px, lots, _ in self.levels(sign))

    def levels(self, sign: Sign) -> Iterator[tuple[int, int, int]]:
        """(price, lots, orders) of a side as it is shown, best first; a displayed level counts as one order."""
        self._read()
        side = self._side(sign)
        shown = set(self._shown_keys(side))
        for key in sorted(shown.union(side.queue_keys), reverse=True):
            px = sign * key
            queue = side.queues.get(px, ())
            free = side.free(px) if key in shown else 0
            yield px, free + sum(place.order.lots for place in queue), (free > 0) + len(queue)

    def _shown_keys(self, side: _Side) -> Iterator[int]:
        """Displayed levels that have something left and do not cross an order of an account, best first."""
        other = self._asks if side.sign == 1 else self._bids
        refused = -other.queue_keys[-1] if other.queue_keys else None
        for key in reversed(side.keys):
            if (refused is None or key < refused) and side.free(side.sign * key) > 0:
                yield key

    def rest(self, order: Order) -> None:
        self._read()
        self._side(order.sign).add(order)
        self.changed = True

    def cancel(self, order: Order) -> None:
        self._side(order.sign).remove(order)
        self.changed = True

    def reduce(self, order: Order, lots: int) -> None:
        order.lots = lots
        self.changed = True

    def take(self, sign: Sign, lots: int, limit_px: int | None, taker: Taker) -> list[Fill]:
        """See `Book.take`; at one price recorded lots and orders of accounts trade as they stand in the queue."""
        self._read()
        maker_sign: Sign = -1 if sign == 1 else 1
        side = self._side(maker_sign)
        fills: list[Fill] = []
        while lots > 0:
            px = self.best_px(maker_sign)
            if px is None or (limit_px is not None and sign * px > sign * limit_px):
                break
            queue = side.queues.get(px)
            before = side.free(px) if queue is None else min(queue[0].ahead or 0, side.free(px))
            if before == 0 and queue is not None:
                order = queue[0].order
                fill = self._fill(order, lots, taker, trade_id(taker.oid, order.oid))
            else:
                fill = self._sell(side, px, min(before, lots), taker)
            if fill is not None:
                lots -= fill.lots
                fills.append(fill)
        return fills

    def _sell(self, side: _Side, px: int, lots: int, taker: Taker) -> Fill:
        """Displayed lots to an account."""
        side.sold[px] = side.sold.get(px, 0) + lots
        side.eat(px, lots)
        self.changed = True
        maker = Order(self._next_oid(), 0, side.sign, px, 0)
        return Fill(maker, lots, taker, trade_id(taker.oid, maker.oid))

    def _fill(self, order: Order, lots: int, taker: Taker, tid: int) -> Fill | None:
        """An account's order trades, unless its account may not."""
        if not self.host.may_fill(order, taker):
            self.cancel(order)
            self.host.refused(order, taker)
            return None
        taken = min(order.lots, lots)
        if taken == order.lots:
            self.cancel(order)
            order.lots = 0
        else:
            self.reduce(order, order.lots - taken)
        fill = Fill(order, taken, taker, tid)
        self.host.filled(fill)
        return fill

    def ahead(self, order: Order) -> int | None:
        """Recorded lots and earlier orders of accounts."""
        self._read()
        earlier = 0
        for place in self._side(order.sign).queues[order.px]:
            if place.order is order:
                return None if place.ahead is None else place.ahead + earlier
            earlier += place.order.lots
        raise KeyError(order.oid)
