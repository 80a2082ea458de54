"""Market data, written by the ingestor."""

from decimal import Decimal
from typing import Literal

import msgspec

from shared.messages.base import Message


class Level(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One price level, `[px, sz]` on the wire; sz in coins."""

    px: Decimal
    sz: Decimal


class CoinMeta(msgspec.Struct, frozen=True, gc=False):
    """What must be known of a coin before any price of it is rounded."""

    coin: str
    sz_decimals: int
    max_leverage: int


class Universe(Message, tag="universe.1", frozen=True, kw_only=True):
    """The coins of this run; every service takes its per-coin streams from the newest one."""

    coins: tuple[CoinMeta, ...]
    time_ms: int


class Book(Message, tag="book.1", frozen=True, kw_only=True):
    """The best (up to five) levels of a coin: the newest `bbo` laid over the newest fast `l2Book`."""

    coin: str
    time_ms: int
    """Venue block time of the newest part."""
    received_ms: float
    """Wall time at which the ingestor read the frame."""
    epoch: int
    """Connection number; rises with every reconnect. A book of an older epoch is never used."""
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def mid_px(self) -> float:
        return float(self.bids[0].px + self.asks[0].px) / 2

    @property
    def spread_bps(self) -> float:
        """Touch-to-touch spread."""
        return float(self.asks[0].px - self.bids[0].px) / self.mid_px * 1e4


class Depth(Message, tag="depth.1", frozen=True, kw_only=True):
    """The slow 20-level book: tells the queue at prices that the fast book does not show."""

    coin: str
    time_ms: int
    received_ms: float
    epoch: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One print. `side` is the aggressor: "B" bought, "A" sold. `tid` is unique per coin and time."""

    px: Decimal
    sz: Decimal
    side: Literal["B", "A"]
    time_ms: int
    tid: int


class Trades(Message, tag="trades.1", frozen=True, kw_only=True):
    """New prints of one coin in venue order, none of them sent before."""

    coin: str
    received_ms: float
    epoch: int
    trades: tuple[Trade, ...]


class AssetCtx(Message, tag="ctx.1", frozen=True, kw_only=True):
    """Funding and reference prices of a coin. `funding_1h_frac` is the hourly rate the venue predicts now."""

    coin: str
    received_ms: float
    funding_1h_frac: float
    oracle_px: Decimal
    mark_px: Decimal
    open_interest: float
    day_ntl_usd: float


class Reconnected(Message, tag="reconnected.1", frozen=True, kw_only=True):
    """A new connection carries data from here on; what came before is history."""

    epoch: int
    time_ms: int


class FeedHealth(Message, tag="feed.1", frozen=True, kw_only=True):
    """Once a second: is the feed alive, and how long do we take from frame to bus?"""

    time_ms: int
    connected: bool
    epoch: int
    last_frame_ms: float
    frames_total: int
    refused_total: int
    """Frames refused because crossed, malformed or older than the last of their kind."""
    reconnects_total: int
    latency_p95_ms: float
    latency_p99_ms: float
    latency_samples: int
