"""Guard, quoter and executor in shadow, wired by the stream table as in production, with the market by hand.

One thread, no bus, no clock: time passes when `wait` says so. What the streams keep is kept here too, so a service
can be killed and another one takes over with what a restart would find.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import count
from operator import itemgetter
from typing import Any, Literal, TypeVar, cast

from services import load as load_service
from shared.config import EngineConfig
from shared.config import load as load_settings
from shared.messages import (
    AccountStatus,
    AssetCtx,
    Book,
    CoinMeta,
    Depth,
    Event,
    FeedHealth,
    HaltState,
    Level,
    Message,
    Trade,
    Trades,
    Universe,
)
from shared.pipeline import Pipeline
from shared.service import Core, Restorable, Service, Tick
from shared.streams import BOOK, CTX, DEPTH, FEED, HALT, STREAM_OF, TRADES, Stream
from shared.units import exact, round_px, tick_size

START_MS = 1_790_000_000_000
FEED_NAME = "ingestor"
RUN_ID = "path"
TRADING = ("guard", "quoter", "executor")
LEVELS = 5
BOOK_SZ_USD = 20_000
HOUR_FUNDING_FRAC = 0.0000125
_MARKET = (Book, Trades, AssetCtx, Depth)
Kind = TypeVar("Kind", bound=Message)


class Feed:
    """In place of the ingestor: says what it is told, and each second how it is itself, unless it is `silent`."""

    def __init__(self) -> None:
        self.silent = False
        self.epoch = 1
        self._heard_ms = 0.0

    def step(self, now_ms: int, msg: Any) -> Iterable[Message]:
        if isinstance(msg, Tick):
            return () if self.silent else (self._health(now_ms),)
        if isinstance(msg, _MARKET):
            self._heard_ms = max(self._heard_ms, msg.received_ms)
        return (msg,) if isinstance(msg, Message) and not isinstance(msg, Universe) else ()

    def _health(self, now_ms: int) -> FeedHealth:
        return FeedHealth(
            time_ms=now_ms, connected=True, epoch=self.epoch, last_frame_ms=self._heard_ms, frames_total=0,
            refused_total=0, reconnects_total=0, latency_p95_ms=1.0, latency_p99_ms=2.0, latency_samples=1000,
        )  # fmt: skip


class Dead:
    """A process that is no more."""

    def step(self, now_ms: int, msg: Any) -> Iterable[Message]:
        return ()


FEED_SERVICE = Service(
    name=FEED_NAME,
    config=EngineConfig,
    core=lambda config: Feed(),
    writes=(BOOK, TRADES, CTX, DEPTH, FEED),
    metrics_port=0,
)


class TradingPath:
    """`out` is everything said, in order, with its time. `settings` go to each service that has them."""

    def __init__(
        self,
        coins: Sequence[CoinMeta],
        *,
        services: Sequence[str] = TRADING,
        observe: Callable[[int, Message], None] | None = None,
        start_ms: int = START_MS,
        **settings: Any,
    ) -> None:
        self.metas = {meta.coin: meta for meta in coins}
        self.now_ms = start_ms
        self.out: list[tuple[int, Message]] = []
        self._observe = observe
        self._kept: dict[tuple[str, str], deque[tuple[int, Message]]] = {}
        self._written = count()
        self._halt = HaltState(halted=False)
        self._tids = count(1)
        self.services = {name: load_service(name) for name in services}
        self._configs = {name: self._config(service, settings) for name, service in self.services.items()}
        self.cores: dict[str, Any] = {
            name: service.core(self._configs[name]) for name, service in self.services.items()
        }
        self.feed = Feed()
        parts: list[tuple[Service[Any], Core]] = [(FEED_SERVICE, self.feed)]
        parts += [(self.services[name], core) for name, core in self.cores.items()]
        self.pipeline = Pipeline(parts, self._note, start_ms)
        self.universe = Universe(coins=tuple(coins), time_ms=start_ms)
        for name in self.services:
            self.pipeline.feed(start_ms, name, self.universe)

    @staticmethod
    def _config(service: Service[Any], settings: dict[str, Any]) -> EngineConfig:
        own = {key: value for key, value in settings.items() if key in service.config.model_fields}
        config: EngineConfig = load_settings(service.config, run_id=RUN_ID, **own)
        return config

    def _note(self, now_ms: int, message: Message) -> None:
        self.out.append((now_ms, message))
        stream = STREAM_OF[type(message)]
        if isinstance(message, HaltState):
            self._halt = message
        elif stream.policy in ("latest", "every", "hash"):
            key = stream.name, str(getattr(message, "coin", ""))
            kept = self._kept.setdefault(key, deque(maxlen=stream.maxlen or 1))
            kept.append((next(self._written), message))
        if self._observe is not None:
            self._observe(now_ms, message)

    # ---- time and the market ----

    def wait(self, ms: int) -> "TradingPath":
        self.now_ms += ms
        self.pipeline.reach(self.now_ms)
        return self

    def say(self, message: Message) -> "TradingPath":
        """On the bus, from whoever says such things."""
        self.pipeline.feed(self.now_ms, FEED_NAME, message)
        return self

    def tell(self, service: str, notice: Any) -> "TradingPath":
        """What a service hears by its own door."""
        self.pipeline.feed(self.now_ms, service, notice)
        return self

    def book(self, coin: str, mid_px: float, *, half_spread_ticks: int = 1, age_ms: int = 0) -> "TradingPath":
        """Five levels a side, a tick apart, around `mid_px`."""
        return self.say(self.book_of(coin, mid_px, half_spread_ticks=half_spread_ticks, age_ms=age_ms))

    def book_of(self, coin: str, mid_px: float, *, half_spread_ticks: int = 1, age_ms: int = 0) -> Book:
        decimals = self.metas[coin].sz_decimals
        mid = exact(mid_px)
        bid_px = round_px(mid, decimals, "bid") - (half_spread_ticks - 1) * tick_size(mid, decimals)
        tick = tick_size(bid_px, decimals)
        ask_px = bid_px + (2 * half_spread_ticks - 1) * tick
        sz = exact(round(BOOK_SZ_USD / mid_px, decimals)) or Decimal(1)
        at_ms = self.now_ms - age_ms
        return Book(
            coin=coin, time_ms=at_ms, received_ms=float(at_ms), epoch=self.feed.epoch,
            bids=tuple(Level(bid_px - n * tick, sz) for n in range(LEVELS)),
            asks=tuple(Level(ask_px + n * tick, sz) for n in range(LEVELS)),
        )  # fmt: skip

    def prints(self, coin: str, *prints: tuple[Decimal, Decimal, Literal["A", "B"]]) -> Trades:
        """Prints of now, each `(px, sz, aggressor)`; returned, so that they can be said again."""
        trades = tuple(Trade(px, sz, side, self.now_ms, next(self._tids)) for px, sz, side in prints)
        message = Trades(coin=coin, received_ms=float(self.now_ms), epoch=self.feed.epoch, trades=trades)
        self.say(message)
        return message

    def ctx(self, coin: str, px: float, funding_1h_frac: float = HOUR_FUNDING_FRAC) -> "TradingPath":
        """Mark and oracle at `px`."""
        return self.say(
            AssetCtx(
                coin=coin, received_ms=float(self.now_ms), funding_1h_frac=funding_1h_frac, oracle_px=exact(px),
                mark_px=exact(px), open_interest=1.0, day_ntl_usd=1.0,
            )
        )  # fmt: skip

    def run(self, ms: int, mids: dict[str, float], every_ms: int = 500) -> "TradingPath":
        """A market that stands still: a book of each coin, and each second its context."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            for coin, mid_px in mids.items():
                self.book(coin, mid_px)
                if self.now_ms % 1000 < every_ms:
                    self.ctx(coin, mid_px)
            self.wait(min(every_ms, end_ms - self.now_ms))
        return self

    # ---- processes ----

    def kill(self, name: str) -> None:
        self.pipeline.replace(self.now_ms, name, Dead())

    def restart(self, name: str) -> None:
        """A new process, with what the streams still hold."""
        core = self.cores[name] = self.restored(name)
        self.pipeline.replace(self.now_ms, name, core)
        for message in self.waiting(name):
            self.pipeline.feed(self.now_ms, name, message)

    def forget(self, *kinds: type[Message]) -> None:
        """What the bus holds of them."""
        for kind in kinds:
            for coin in ("", *self.metas):
                self._kept.pop((STREAM_OF[kind].name, coin), None)

    def restored(self, name: str, config: EngineConfig | None = None) -> Core:
        """As it is before `Started`; with settings of its own, if said."""
        service = self.services[name]
        core = service.core(config or self._configs[name])
        for message in self.restored_by(service):
            if isinstance(message, (Universe, HaltState)):
                list(core.step(self.now_ms, message))
            else:
                cast(Restorable, core).restore(self.now_ms, message)
        return core

    def waiting(self, name: str) -> list[Message]:
        """What a new reader of `latest` streams gets at once."""
        latest = (stream for stream in self.services[name].reads if stream.policy == "latest")
        return [message for stream in latest for message in self._newest(stream)]

    def restored_by(self, service: Service[Any]) -> Iterable[Message]:
        """In the order in which the runtime restores: the states of hashes before what streams hold."""
        yield self.universe
        for coin in (*self.metas, ""):
            streams = [stream for stream in service.restores if stream.per_coin == bool(coin)]
            kept = [
                (stream.policy != "hash", *entry)
                for stream in streams
                for entry in self._kept.get((stream.name, coin), ())
            ]
            yield from (message for _, _, message in sorted(kept, key=itemgetter(0, 1)))
        if HALT in service.reads:
            yield self._halt

    def _newest(self, stream: Stream) -> Iterable[Message]:
        for coin in self.metas if stream.per_coin else ("",):
            yield from (message for _, message in list(self._kept.get((stream.name, coin), ()))[-1:])

    # ---- what was said ----

    def said(self, kind: type[Kind], coin: str | None = None) -> list[Kind]:
        return [
            message
            for _, message in self.out
            if isinstance(message, kind) and coin in (None, getattr(message, "coin", None))
        ]

    def newest(self, kind: type[Kind], coin: str | None = None) -> Kind | None:
        for _, message in reversed(self.out):
            if isinstance(message, kind) and coin in (None, getattr(message, "coin", None)):
                return message
        return None

    def lines(self, tag: str) -> list[str]:
        return [event.text for event in self.said(Event) if event.tag == tag]

    @property
    def halted(self) -> HaltState:
        return self._halt

    @property
    def status(self) -> AccountStatus:
        status = self.newest(AccountStatus)
        assert status is not None, "the executor reports each second"
        return status
