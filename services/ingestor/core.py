"""The ingestor's decisions: which coins, which frames become messages, when to drop a connection and try again.

Life: `Started` -> LoadUniverse -> Connect -> (frames) -> Disconnected -> Connect -> … Every connection has a
number, the epoch. It goes on where the feed stream left it, so that a restarted ingestor never looks like the
past to those who refuse books of an older connection.

For replay the same core takes a `Universe`, then `Connected` (again at every hole of a recording), then
`EventReceived`: the coins are given and nothing has to be decoded.
"""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

import msgspec

from services.ingestor.book import CoinBook, Refusal
from services.ingestor.config import IngestorConfig
from services.ingestor.inputs import (
    Connect,
    Connected,
    Disconnected,
    Drop,
    EventReceived,
    FrameReceived,
    LoadUniverse,
    Published,
    Send,
    UniverseFailed,
    UniverseLoaded,
)
from services.ingestor.latency import LatencyAuditor
from services.ingestor.pace import STEADY_MS, Pace
from services.ingestor.prints import Prints
from services.ingestor.universe import choose
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, Ctx, L2Book, MarketEvent, decode_frame
from shared.hyperliquid.ws import subscription
from shared.messages import (
    AssetCtx,
    CoinMeta,
    Event,
    FeedHealth,
    Message,
    Reconnected,
    Trades,
    Universe,
)
from shared.service import BusBack, Started, Tick
from shared.words import counted

LATENCY_REPORT_MS = 30_000
NOTICE_MS = 10_000
"""The same complaint about the feed is written at most this often."""
_GREETING = b"Websocket connection established."
"""First frame of old servers, the only one that is not JSON."""
_UNDECODABLE = (msgspec.DecodeError, ArithmeticError, ValueError, RecursionError)
"""A number out of `Decimal`'s range or absurd nesting is refused by other exceptions than bad JSON is."""


class Ingestor:
    """See the module's text. Counters are public: they are what `FeedHealth` reports."""

    def __init__(self, config: IngestorConfig) -> None:
        self._config = config
        self._metas: tuple[CoinMeta, ...] = ()
        self._books: dict[str, CoinBook] = {}
        self._prints: dict[str, Prints] = {}
        self._contexts: dict[str, AssetCtx] = {}
        self._pace = Pace()
        self._auditor = LatencyAuditor()
        self._noticed_ms: dict[tuple[str, str], int] = {}
        self._last_report_ms = 0
        self.epoch = 0
        self.connected = False
        self.connected_ms = 0
        self.last_frame_ms = 0.0
        self.frames_total = 0
        self._connections = 0
        self.refused: dict[Refusal, int] = dict.fromkeys(Refusal, 0)
        self._inputs: dict[type, Callable[[int, Any], Iterable[Any]]] = {
            FrameReceived: self._on_frame,
            EventReceived: lambda now_ms, msg: self._on_event(now_ms, msg.event, msg.received_ms),
            Published: self._on_published,
            Tick: self._on_tick,
            Connected: self._on_connected,
            Disconnected: self._on_disconnected,
            Universe: self._on_universe,
            UniverseLoaded: self._on_universe_loaded,
            UniverseFailed: self._on_universe_failed,
            Started: self._on_started,
            BusBack: self._on_bus_back,
        }

    def restore(self, now_ms: int, msg: Message) -> None:
        """Go on counting connections, and know what was printed before."""
        if isinstance(msg, (FeedHealth, Reconnected)):
            self.epoch = max(self.epoch, msg.epoch)
        elif isinstance(msg, Trades):
            prints = self._prints.setdefault(msg.coin, Prints())
            for trade in msg.trades:
                prints.remember(trade.time_ms, trade.tid)

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        handler = self._inputs.get(type(msg))
        return handler(now_ms, msg) if handler is not None else ()

    # ---- universe ----

    def _on_started(self, now_ms: int, msg: Started) -> Iterable[Any]:
        self._last_report_ms = now_ms
        return (LoadUniverse(0.0),)

    def _on_universe_failed(self, now_ms: int, msg: UniverseFailed) -> Iterable[Any]:
        delay_s = self._pace.delay_s(now_ms, self._messages_per_connection)
        text = f"The venue does not tell its coins: {msg.reason}. Next try in {delay_s:.1f} s."
        return Event(level="warning", tag="FEED", text=text), LoadUniverse(delay_s)

    def _on_universe_loaded(self, now_ms: int, msg: UniverseLoaded) -> Iterable[Any]:
        chosen = choose(msg.assets, self._config.coins, self._config.top_n)
        if not chosen:
            return self._on_universe_failed(now_ms, UniverseFailed("it offers no coin that is not delisted"))
        self._pace.succeeded()
        universe = Universe(
            coins=tuple(CoinMeta(meta.name, meta.szDecimals, meta.maxLeverage) for meta, _ in chosen),
            time_ms=now_ms,
        )
        self._on_universe(now_ms, universe)
        names = " ".join(meta.name for meta, _ in chosen)
        how = "by name" if self._config.coins else "by 24 h volume"
        contexts = (_asset_ctx(meta.name, ctx, msg.received_ms) for meta, ctx in chosen)
        self._contexts = {context.coin: context for context in contexts if context is not None}
        return (
            universe,
            *self._contexts.values(),
            Event(tag="FEED", text=f"Universe: {counted(len(chosen), 'coin')} {how}: {names}"),
            Connect(0.0),
        )

    def _on_universe(self, now_ms: int, msg: Universe) -> Iterable[Any]:
        self._metas = msg.coins
        self._prints = {meta.coin: self._prints.get(meta.coin) or Prints() for meta in msg.coins}
        return ()

    def _on_bus_back(self, now_ms: int, msg: BusBack) -> Iterable[Any]:
        """Redis may have come back empty. Books, prints and health follow by themselves; the coins would not, and
        without them a restarted service reads nothing."""
        if not self._metas:
            return ()
        return Universe(coins=self._metas, time_ms=now_ms), *self._contexts.values()

    # ---- connection ----

    @property
    def _messages_per_connection(self) -> int:
        return 5 * len(self._metas)

    def _on_connected(self, now_ms: int, msg: Connected) -> Iterable[Any]:
        self.epoch += 1
        self._connections += 1
        self.connected, self.connected_ms = True, now_ms
        self._pace.opened(now_ms)
        self._books = {meta.coin: CoinBook(meta.coin, self.epoch) for meta in self._metas}
        for prints in self._prints.values():
            prints.reconnected()
        frames = tuple(frame for meta in self._metas for frame in _subscriptions(meta.coin))
        text = f"Connected, epoch {self.epoch}: {len(frames)} subscriptions for {len(self._metas)} coins"
        return (
            Reconnected(epoch=self.epoch, time_ms=now_ms),
            Event(tag="FEED", text=text),
            Send(frames),
        )

    def _on_disconnected(self, now_ms: int, msg: Disconnected) -> Iterable[Any]:
        if self.connected_ms and self.last_frame_ms - self.connected_ms > STEADY_MS:
            self._pace.succeeded()
        self.connected, self.connected_ms = False, 0
        delay_s = self._pace.delay_s(now_ms, self._messages_per_connection)
        text = f"No feed: {msg.reason}. Next try in {delay_s:.1f} s."
        return Event(level="warning", tag="FEED", text=text), Connect(delay_s)

    # ---- frames ----

    def _on_frame(self, now_ms: int, msg: FrameReceived) -> Iterable[Any]:
        if msg.raw == _GREETING:
            return ()
        try:
            channel, event = decode_frame(msg.raw)
        except _UNDECODABLE as error:
            self.frames_total += 1
            return self._refuse(now_ms, Refusal.MALFORMED, "", str(error))
        if event is not None:
            return self._on_event(now_ms, event, msg.received_ms)
        if channel == "error":
            return self._notice(now_ms, "error", "", f"The venue reports an error: {_shown(msg.raw)}")
        return ()

    def _on_event(self, now_ms: int, event: MarketEvent, received_ms: float) -> Iterable[Any]:
        """Market data; what still arrives from a connection that was given up is not used."""
        if not self.connected:
            return ()
        self.frames_total += 1
        self.last_frame_ms = received_ms
        if isinstance(event, tuple):
            return self._on_trades(now_ms, event, received_ms)
        if isinstance(event, ActiveAssetCtx):
            return self._on_ctx(now_ms, event, received_ms)
        book = self._books.get(event.coin)
        if book is None:
            return self._refuse(now_ms, Refusal.UNKNOWN_COIN, "", event.coin)
        result: tuple[Message, ...] | Refusal
        if isinstance(event, Bbo):
            result = book.on_bbo(event, received_ms)
        elif event.fast:
            result = book.on_fast(event, received_ms)
        else:
            result = book.on_slow(event, received_ms)
        return self._refuse(now_ms, result, event.coin, _kind(event)) if isinstance(result, Refusal) else result

    def _on_trades(self, now_ms: int, frame: tuple[Any, ...], received_ms: float) -> Iterable[Any]:
        if not frame:
            return ()
        coin = frame[0].coin
        prints = self._prints.get(coin)
        if prints is None:
            return self._refuse(now_ms, Refusal.UNKNOWN_COIN, "", coin)
        fresh = prints.fresh(frame, received_ms)
        if isinstance(fresh, Refusal):
            return self._refuse(now_ms, fresh, coin, "trades")
        if not fresh:
            return ()
        return (Trades(coin=coin, received_ms=received_ms, epoch=self.epoch, trades=fresh),)

    def _on_ctx(self, now_ms: int, event: ActiveAssetCtx, received_ms: float) -> Iterable[Any]:
        if event.coin not in self._books:
            return self._refuse(now_ms, Refusal.UNKNOWN_COIN, "", event.coin)
        ctx = _asset_ctx(event.coin, event.ctx, received_ms)
        if ctx is None:
            return self._refuse(now_ms, Refusal.MALFORMED, event.coin, "activeAssetCtx")
        self._contexts[event.coin] = ctx
        return (ctx,)

    def _refuse(self, now_ms: int, refusal: Refusal, coin: str, detail: str = "") -> Iterable[Any]:
        self.refused[refusal] += 1
        text = f"Frame refused: {refusal}{f' ({detail})' if detail else ''}, {self.refused[refusal]} so far"
        return self._notice(now_ms, refusal, coin, text)

    def _notice(self, now_ms: int, kind: str, coin: str, text: str) -> Iterable[Any]:
        """A line about the feed unless the same complaint stands in the log already."""
        if now_ms - self._noticed_ms.get((kind, coin), -NOTICE_MS) < NOTICE_MS:
            return ()
        self._noticed_ms[kind, coin] = now_ms
        return (Event(level="warning", tag="FEED", text=text, coin=coin),)

    # ---- time ----

    def _on_published(self, now_ms: int, msg: Published) -> Iterable[Any]:
        self._auditor.add(msg.latencies_ms)
        return ()

    def _on_tick(self, now_ms: int, msg: Tick) -> Iterable[Any]:
        outputs: list[Any] = []
        silent_ms = now_ms - max(self.last_frame_ms, self.connected_ms)
        if self.connected and silent_ms > self._config.stall_timeout_s * 1000:
            self.connected = False
            text = f"No market data for {silent_ms / 1000:.1f} s. Dropping the connection."
            outputs += [Event(level="warning", tag="STALL", text=text), Drop()]
        p95_ms, p99_ms, samples = self._auditor.report()
        outputs.append(self._health(now_ms, p95_ms, p99_ms, samples))
        if samples and now_ms - self._last_report_ms >= LATENCY_REPORT_MS:
            self._last_report_ms = now_ms
            text = f"P95: {p95_ms:.1f}ms | P99: {p99_ms:.1f}ms | samples: {samples}"
            outputs.append(Event(tag="LATENCY", text=text))
        return outputs

    def _health(self, now_ms: int, p95_ms: float, p99_ms: float, samples: int) -> FeedHealth:
        return FeedHealth(
            time_ms=now_ms,
            connected=self.connected,
            epoch=self.epoch,
            last_frame_ms=self.last_frame_ms,
            frames_total=self.frames_total,
            refused_total=sum(self.refused.values()) - self.refused[Refusal.ONE_SIDED],
            reconnects_total=max(self._connections - 1, 0),
            latency_p95_ms=p95_ms,
            latency_p99_ms=p99_ms,
            latency_samples=samples,
        )


def _subscriptions(coin: str) -> tuple[bytes, ...]:
    """What is needed of a coin: quotes, depth behind them, prints, funding."""
    return (
        subscription("bbo", coin),
        subscription("l2Book", coin, fast=True),
        subscription("trades", coin),
        subscription("activeAssetCtx", coin),
        subscription("l2Book", coin),
    )


def _asset_ctx(coin: str, ctx: Ctx, received_ms: float) -> AssetCtx | None:
    """The context as a message; None when a number in it is not one, or a price not above zero."""
    numbers = ctx.funding, ctx.openInterest, ctx.dayNtlVlm, ctx.oraclePx, ctx.markPx
    if not all(number.is_finite() and isfinite(float(number)) for number in numbers):
        return None
    if ctx.oraclePx <= 0 or ctx.markPx <= 0:
        return None
    return AssetCtx(
        coin=coin,
        received_ms=received_ms,
        funding_1h_frac=float(ctx.funding),
        oracle_px=ctx.oraclePx,
        mark_px=ctx.markPx,
        open_interest=float(ctx.openInterest),
        day_ntl_usd=float(ctx.dayNtlVlm),
    )


def _kind(event: Bbo | L2Book) -> str:
    return "bbo" if isinstance(event, Bbo) else "fast l2Book" if event.fast else "l2Book"


def _shown(raw: bytes) -> str:
    return " ".join(raw[:200].decode(errors="replace").split())
