"""What the venue knows of its markets at this moment: enough to answer /info and to greet a subscriber."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from services.venue.market.feed import Hole, Raw
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, Ctx, L2Book, WireTrade
from shared.messages import CoinMeta

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
RECENT_TRADES = 30
CANDLES_KEPT = 5000
FUNDINGS_KEPT = 500


@dataclass(slots=True)
class Candle:
    """One minute. `n` trades; a minute without any is flat at the mid."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)
    n: int = 0

    def extend(self, px: Decimal, sz: Decimal, n: int) -> None:
        self.high, self.low, self.close = max(self.high, px), min(self.low, px), px
        self.volume += sz
        self.n += n


@dataclass(slots=True)
class CoinState:
    """One market."""

    meta: CoinMeta
    book: L2Book | None = None
    bbo: Bbo | None = None
    ctx: Ctx | None = None
    trades: deque[WireTrade] = field(default_factory=lambda: deque(maxlen=RECENT_TRADES))
    candles: deque[Candle] = field(default_factory=lambda: deque(maxlen=CANDLES_KEPT))
    fundings: deque[tuple[int, Ctx]] = field(default_factory=lambda: deque(maxlen=FUNDINGS_KEPT))
    hour_ms: int = 0

    def mid(self) -> Decimal | None:
        """Between the best prices; the last trade where a side is empty."""
        if self.bbo is not None:
            bid, ask = self.bbo.bbo
            if bid is not None and ask is not None:
                return (bid.px + ask.px) / 2
        return self.trades[-1].px if self.trades else None

    def note_px(self, time_ms: int, px: Decimal, sz: Decimal, n: int) -> None:
        start_ms = time_ms - time_ms % MINUTE_MS
        if not self.candles or self.candles[-1].start_ms < start_ms:
            self.candles.append(Candle(start_ms, px, px, px, px))
        self.candles[-1].extend(px, sz, n)


class MarketState:
    """All markets, in the order of their asset ids."""

    def __init__(self, coins: tuple[CoinMeta, ...]) -> None:
        self.coins = {meta.coin: CoinState(meta) for meta in coins}
        self.time_ms = 0
        self.full_book: Callable[[str], L2Book | None] = self.shown_book
        """A coin's book as it stands; None: there is none."""

    def shown_book(self, coin: str) -> L2Book | None:
        """As it was last shown."""
        found = self.coins.get(coin)
        return None if found is None else found.book

    def apply(self, event: Raw) -> None:
        """Take in one event, already dated with the venue's time."""
        if isinstance(event, L2Book):
            coin = self.coins[event.coin]
            coin.book = event
            bids, asks = event.levels
            self._touch(coin, Bbo(event.coin, event.time, (bids[0] if bids else None, asks[0] if asks else None)))
        elif isinstance(event, Bbo):
            self._touch(self.coins[event.coin], event)
        elif isinstance(event, ActiveAssetCtx):
            coin = self.coins[event.coin]
            hour_ms = self.time_ms - self.time_ms % HOUR_MS
            if coin.ctx is not None and coin.hour_ms and hour_ms > coin.hour_ms:
                coin.fundings.append((hour_ms, coin.ctx))
            coin.hour_ms = hour_ms
            coin.ctx = event.ctx
        elif not isinstance(event, Hole):
            coin = self.coins[event[0].coin]
            for trade in event:
                coin.trades.append(trade)
                coin.note_px(trade.time, trade.px, trade.sz, 1)

    def _touch(self, coin: CoinState, bbo: Bbo) -> None:
        self.time_ms = max(self.time_ms, bbo.time)
        coin.bbo = bbo
        mid = coin.mid()
        if mid is not None and (not coin.candles or bbo.time - coin.candles[-1].start_ms >= MINUTE_MS):
            coin.note_px(bbo.time, mid, Decimal(0), 0)

    def of_dex(self, dex: str) -> Iterator[tuple[str, CoinState]]:
        """The coins of one dex; names of builder-deployed ones begin with the dex's."""
        return ((name, coin) for name, coin in self.coins.items() if name.rpartition(":")[0] == dex)

    def mids(self, dex: str = "") -> Iterator[tuple[str, Decimal]]:
        for name, coin in self.of_dex(dex):
            mid = coin.mid()
            if mid is not None:
                yield name, mid


def dated(event: Raw, time_ms: int) -> Raw:
    """The event as it happens now."""
    if isinstance(event, (L2Book, Bbo)):
        return msgspec.structs.replace(event, time=time_ms)
    if isinstance(event, tuple):
        return tuple(msgspec.structs.replace(trade, time=time_ms) for trade in event)
    return event
