"""The bundled venue in one thread, its frames through the ingestor to the trading path: the modelled market.

No sockets and no clocks: a block passes, the frames that a websocket would have carried are read by the ingestor,
what it says reaches guard, quoter and executor at once.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from market_maker.rules_drill.path import FEED_NAME, START_MS, TradingPath
from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import Connected, FrameReceived
from services.venue.api.client import Client
from services.venue.api.limits import IpLimits, switches
from services.venue.config import VenueConfig
from services.venue.exchange.facts import AnyFact
from services.venue.faults.kinds import AnyFault
from services.venue.market.modelled import ModelledMarket
from services.venue.market.universe import MARKET
from services.venue.venue import Venue
from shared.config import load as load_settings
from shared.messages import Message, Universe
from shared.service import Started, Tick

BLOCK_MS = 70
CHANNELS: tuple[dict[str, Any], ...] = (
    {"type": "bbo"}, {"type": "l2Book", "fast": True}, {"type": "l2Book"}, {"type": "trades"},
    {"type": "activeAssetCtx"},
)  # fmt: skip


class MarketPath:
    """A trading path on the modelled market; `run` lets time pass."""

    def __init__(self, coins: Sequence[str], seed: int, **settings: Any) -> None:
        self.facts: list[AnyFact] = []
        listed = [coin for coin in MARKET.coins if coin.name in coins]
        config = load_settings(
            VenueConfig, seed=seed, block_ms=BLOCK_MS, limits=False, fund=Decimal(0), default_leverage=50
        )
        market = ModelledMarket(listed, seed=seed, block_ms=BLOCK_MS)
        self.venue = Venue(config, market, self.facts.append)
        self.path = TradingPath(market.coins, **settings)
        self.path.feed.silent = True  # the ingestor says itself how it is
        self._client = Client(IpLimits(switches(False)), 0.0)
        self._ingestor = Ingestor(load_settings(IngestorConfig))
        self._next_tick_ms = START_MS
        self._block()
        self._subscribe()
        self._hear(Universe(coins=market.coins, time_ms=START_MS))
        self._hear(Started())
        self._hear(Connected())

    @property
    def now_ms(self) -> int:
        return START_MS + self.venue.block_ms

    def disturb(self, fault: AnyFault) -> None:
        self.venue.faults.start(self.venue.block_ms, fault)

    def run(self, seconds: float) -> "MarketPath":
        until_ms = self.now_ms + int(seconds * 1000)
        while self.now_ms < until_ms:
            self._block()
            self.path.wait(self.now_ms - self.path.now_ms)
            while self._client.queue:
                self._hear(FrameReceived(self._client.queue.popleft(), float(self.now_ms)))
            if self.now_ms >= self._next_tick_ms:
                self._next_tick_ms = self.now_ms + 1000
                self._hear(Tick())
        return self

    def _block(self) -> None:
        at_ms = self.venue.block_ms + BLOCK_MS
        self.venue.block(at_ms, START_MS + at_ms)

    def _subscribe(self) -> None:
        self.venue.joined(self._client)
        for meta in self.venue.market.coins:
            for channel in CHANNELS:
                raw = msgspec.json.encode({"method": "subscribe", "subscription": channel | {"coin": meta.coin}})
                self.venue.hub.receive(self._client, raw, 0.0, self.now_ms)

    def _hear(self, notice: Any) -> None:
        for message in self._ingestor.step(self.now_ms, notice):
            if isinstance(message, Message):
                self.path.pipeline.feed(self.path.now_ms, FEED_NAME, message)
