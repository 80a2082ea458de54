"""The modelled market: coins with the real names, grids, price and volume scales, one order book each.

Event-driven: a heap holds the next event of every coin, so a coin costs only when something happens to it.
Output is grouped into blocks; all of a block carries its time, trades first, then at most one bbo a coin, then
the books and contexts that are due. Same seed and same actions of accounts, same events.
"""

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from random import Random

from services.venue.market.book import FIRST_ACCOUNT, FIRST_FLOW_OID, Fill, Ladder, OrderBook, Sign
from services.venue.market.calibration import model_of
from services.venue.market.feed import BOOK_LEVELS, Raw
from services.venue.market.flow import FLOW_OWNERS, CoinFlow
from services.venue.market.market import Owners, public_trade
from services.venue.market.reference import ReferencePrices
from services.venue.market.scale import Scale
from services.venue.market.universe import MARKET, ListedCoin
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, L2Book, WireLevel, WireTrade

CTX_MS = 1000
Touch = tuple[int, int, int]
"""Price, lots and orders of a best level."""


class _Coin:
    """A coin's flow and how it looks from outside."""

    def __init__(self, flow: CoinFlow, reference: ReferencePrices, phase_ms: int) -> None:
        self.flow = flow
        self.name = flow.model.coin.name
        self.reference = reference
        self.scale = Scale(flow.sz_decimals)
        self.touch: tuple[Touch | None, Touch | None] | None = None
        self.book_due_ms = self.ctx_due_ms = phase_ms

    def levels(self, ladder: Ladder, depth: int) -> tuple[WireLevel, ...]:
        scale = self.scale
        return tuple(
            WireLevel(scale.px(px), scale.sz(level.lots), len(level.orders)) for px, level in ladder.top(depth)
        )

    def bbo(self, now_ms: int) -> Bbo | None:
        """The best levels, when one of them is not as it was at the last call."""
        book = self.flow.book
        touch = _touch(book.bids), _touch(book.asks)
        if touch == self.touch:
            return None
        self.touch = touch
        bids, asks = self.levels(book.bids, 1), self.levels(book.asks, 1)
        return Bbo(self.name, now_ms, (bids[0] if bids else None, asks[0] if asks else None))

    def book(self, now_ms: int) -> L2Book:
        book = self.flow.book
        return L2Book(
            self.name, now_ms, (self.levels(book.bids, BOOK_LEVELS), self.levels(book.asks, BOOK_LEVELS))
        )


def _touch(ladder: Ladder) -> Touch | None:
    if not ladder.keys:
        return None
    level = ladder.level_at(0)
    return ladder.px_at(0), level.lots, len(level.orders)


class ModelledMarket:
    """A `market.Market` that never ends."""

    def __init__(
        self,
        coins: Sequence[ListedCoin] = MARKET.coins,
        *,
        seed: int,
        block_ms: int = 70,
        book_ms: int = 500,
        oids: Iterator[int] | None = None,
    ) -> None:
        """`oids` numbers the flow's orders; markets that are shown together share it."""
        numbers = oids if oids is not None else count(FIRST_FLOW_OID)
        self.coins = tuple(coin.meta for coin in coins)
        self._block_ms, self._book_ms = block_ms, book_ms
        identities = Random(f"{seed}/identities")
        self._addresses = [f"0x{identities.getrandbits(160):040x}" for _ in range(FLOW_OWNERS)]
        self._coins: dict[str, _Coin] = {}
        for i, coin in enumerate(coins):
            model = model_of(coin, MARKET)
            flow = CoinFlow(model, seed, lambda: next(numbers))
            self._coins[coin.name] = _Coin(flow, ReferencePrices(model, seed), book_ms * i // len(coins))
        self._order = tuple(self._coins.values())
        self._heap = [(coin.flow.next_s, i) for i, coin in enumerate(self._order)]
        heapq.heapify(self._heap)
        self._next_ms = 0
        self._shown = False
        self._stepped = False
        """A block of the market's own has passed since the last `news`."""

    def book(self, coin: str) -> OrderBook:
        return self._coins[coin].flow.book

    def full_book(self, coin: str, now_ms: int) -> L2Book:
        return self._coins[coin].book(now_ms)

    def next_ms(self) -> int:
        return self._next_ms

    def advance(self, to_ms: int) -> None:
        if to_ms < self._next_ms:
            return
        last_ms = to_ms - to_ms % self._block_ms
        self._next_ms = last_ms + self._block_ms
        self._stepped = True
        end_s = last_ms / 1000
        heap = self._heap
        while heap and heap[0][0] <= end_s:
            i = heap[0][1]
            flow = self._order[i].flow
            flow.advance()
            heapq.heapreplace(heap, (flow.next_s, i))

    def took(self, coin: str, sign: Sign, fills: Sequence[Fill]) -> None:
        self._coins[coin].flow.took(sign, fills)

    def push(self, coin: str, log_move: float, takers: int) -> None:
        self._coins[coin].flow.pushed(log_move, takers)

    def news(self, now_ms: int, owners: Owners) -> Iterator[Raw]:
        first, stepped = not self._shown, self._stepped
        self._shown, self._stepped = True, False
        for coin in self._order:
            flow = coin.flow
            if flow.prints:
                yield self._trades(coin, now_ms, owners)
            if flow.book.changed:
                flow.book.changed = False
                bbo = coin.bbo(now_ms)
                if bbo is not None:
                    yield bbo
            if first or (stepped and now_ms >= coin.book_due_ms):
                coin.book_due_ms += 0 if first else self._book_ms
                yield coin.book(now_ms)
            if first or (stepped and now_ms >= coin.ctx_due_ms):
                coin.ctx_due_ms += 0 if first else CTX_MS
                yield ActiveAssetCtx(coin.name, coin.reference.context(flow, now_ms))

    def _trades(self, coin: _Coin, now_ms: int, owners: Owners) -> tuple[WireTrade, ...]:
        def address(owner: int) -> str:
            return self._addresses[owner] if owner < FIRST_ACCOUNT else owners.address(owner)

        prints = coin.flow.prints
        trades = tuple(public_trade(coin.name, coin.scale, fill, now_ms, address) for fill in prints)
        for trade in trades:
            coin.reference.note(trade.px, trade.sz, now_ms)
        prints.clear()
        return trades
