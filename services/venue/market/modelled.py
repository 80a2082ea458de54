"""The modelled market: 30 coins with the real names, grids, price and volume scales, one order book each.

Event-driven: a heap holds the next event of every coin, so a coin costs only when something happens to it.
Output is grouped into blocks; all of a block carries its time, trades first, then at most one bbo a coin, then
the books and contexts that are due. Same seed, same events.
"""

import heapq
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from random import Random

from services.venue.market.book import Ladder
from services.venue.market.calibration import models
from services.venue.market.feed import Raw
from services.venue.market.flow import FLOW_OWNERS, CoinFlow
from services.venue.market.reference import ReferencePrices
from services.venue.market.universe import MarketParameters
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, L2Book, WireLevel, WireTrade

BOOK_LEVELS = 20
CTX_MS = 1000
TID_BITS = 50
CACHED_PRICES = 8192


class _Coin:
    """A coin's flow and how it looks from outside."""

    def __init__(self, flow: CoinFlow, reference: ReferencePrices, phase_ms: int) -> None:
        self.flow = flow
        self.name = flow.model.coin.name
        self.reference = reference
        self.touch: tuple[int, int, int, int, int, int] | None = None
        self.touched = True
        self.book_due_ms = self.ctx_due_ms = phase_ms
        self._px_exponent = flow.sz_decimals - 6
        self._px: dict[int, Decimal] = {}

    def px(self, px: int) -> Decimal:
        known = self._px.get(px)
        if known is None:
            if len(self._px) >= CACHED_PRICES:
                self._px.clear()
            known = self._px[px] = Decimal(px).scaleb(self._px_exponent)
        return known

    def sz(self, lots: int) -> Decimal:
        return Decimal(lots).scaleb(-self.flow.sz_decimals)

    def levels(self, ladder: Ladder, depth: int) -> tuple[WireLevel, ...]:
        return tuple(
            WireLevel(self.px(px), self.sz(level.lots), len(level.orders)) for px, level in ladder.top(depth)
        )

    def moved_touch(self) -> bool:
        """Has the best level of a side changed since the last call?"""
        book = self.flow.book
        bid, ask = book.bids.level_at(0), book.asks.level_at(0)
        touch = (
            book.bids.px_at(0), bid.lots, len(bid.orders), book.asks.px_at(0), ask.lots, len(ask.orders),
        )  # fmt: skip
        if touch == self.touch:
            return False
        self.touch = touch
        return True


class ModelledMarket:
    """A `feed.Source` that never ends."""

    def __init__(
        self,
        market: MarketParameters,
        *,
        seed: int,
        start_ms: int = 0,
        block_ms: int = 70,
        book_ms: int = 500,
        names: tuple[str, ...] | None = None,
    ) -> None:
        chosen = [model for model in models(market) if names is None or model.coin.name in names]
        oids = count(1)
        self.start_ms = start_ms
        self.coins = tuple(model.coin.meta for model in chosen)
        self._block_ms, self._book_ms = block_ms, book_ms
        self._random = Random(f"{seed}/identities")
        self._owners = [f"0x{self._random.getrandbits(160):040x}" for _ in range(FLOW_OWNERS)]
        self._coins = [
            _Coin(
                CoinFlow(model, seed, lambda: next(oids)),
                ReferencePrices(model, seed),
                start_ms + book_ms * i // max(len(chosen), 1),
            )
            for i, model in enumerate(chosen)
        ]
        self._heap = [(coin.flow.next_s, i) for i, coin in enumerate(self._coins)]
        heapq.heapify(self._heap)

    def raw(self) -> Iterator[tuple[int, Raw]]:
        """Block after block; see `feed.Source`. One pass: the market lives on, it does not start again."""
        for coin in self._coins:
            yield from self._render(coin, self.start_ms, first=True)
        for block in count(1):
            block_ms = self.start_ms + block * self._block_ms
            self._run_until(block * self._block_ms / 1000)
            for coin in self._coins:
                yield from self._render(coin, block_ms)

    def _run_until(self, end_s: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= end_s:
            i = heap[0][1]
            coin = self._coins[i]
            coin.flow.advance()
            coin.touched = True
            heapq.heapreplace(heap, (coin.flow.next_s, i))

    def _render(self, coin: _Coin, now_ms: int, *, first: bool = False) -> Iterator[tuple[int, Raw]]:
        flow = coin.flow
        if flow.prints:
            yield now_ms, self._trades(coin, now_ms)
        if coin.touched:
            coin.touched = False
            if coin.moved_touch():
                bids, asks = coin.levels(flow.book.bids, 1), coin.levels(flow.book.asks, 1)
                yield now_ms, Bbo(coin.name, now_ms, (bids[0], asks[0]))
        if first or now_ms >= coin.book_due_ms:
            coin.book_due_ms += 0 if first else self._book_ms
            sides = coin.levels(flow.book.bids, BOOK_LEVELS), coin.levels(flow.book.asks, BOOK_LEVELS)
            yield now_ms, L2Book(coin.name, now_ms, sides)
        if first or now_ms >= coin.ctx_due_ms:
            coin.ctx_due_ms += 0 if first else CTX_MS
            yield now_ms, ActiveAssetCtx(coin.name, coin.reference.context(flow, now_ms - self.start_ms))

    def _trades(self, coin: _Coin, now_ms: int) -> tuple[WireTrade, ...]:
        trades = []
        for done in coin.flow.prints:
            taker, maker = self._owners[done.taker], self._owners[done.maker]
            px, sz = coin.px(done.px), coin.sz(done.lots)
            coin.reference.note(px, sz, now_ms - self.start_ms)
            trades.append(
                WireTrade(
                    coin.name,
                    "B" if done.sign == 1 else "A",
                    px,
                    sz,
                    now_ms,
                    self._random.getrandbits(TID_BITS),
                    f"0x{self._random.getrandbits(256):064x}",
                    (taker, maker) if done.sign == 1 else (maker, taker),
                )
            )
        coin.flow.prints.clear()
        return tuple(trades)
