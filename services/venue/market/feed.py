"""What the venue is fed with, and how its feed is thinned for clients.

A market yields `(time_ms, Raw)` in time order: every change it knows, books in full. `Pacer` makes
of it what a client of the real venue receives: 5-level fast books about twice a second, 20-level slow ones
about every five seconds, `bbo` and `trades` in every block that has news.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from typing import Protocol

from shared.clock import ms_of_day
from shared.errors import DataError
from shared.hyperliquid.wire import L2Book, MarketEvent
from shared.messages import CoinMeta

BOOK_LEVELS = 20
"""Levels of a side in a full book."""
FAST_LEVELS = 5
JITTER_MS = 200
"""A book is sent this much before its interval is over: recorded fast books come every 0.3 to 0.7 s."""


@dataclass(frozen=True, slots=True)
class Hole:
    """The recording knows nothing of `coin` from `start_ms` to `end_ms`; nothing may be carried across."""

    coin: str
    start_ms: int
    end_ms: int


Raw = MarketEvent | Hole


@dataclass(frozen=True)
class Part:
    """What of a recording is read: UTC days, both included (None: no bound), and coins (none named: all)."""

    since: date | None = None
    until: date | None = None
    coins: tuple[str, ...] = ()

    @property
    def from_ms(self) -> float:
        return -inf if self.since is None else ms_of_day(self.since)

    @property
    def end_ms(self) -> float:
        """The first moment after it."""
        return inf if self.until is None else ms_of_day(self.until + timedelta(days=1))

    def has_day(self, day: date) -> bool:
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)

    def has_coin(self, coin: str) -> bool:
        return not self.coins or coin in self.coins


ALL = Part()


class NothingRecorded(DataError):
    """A recording holds nothing of the days asked for."""


class Source(Protocol):
    """A market that was recorded. Pure: time is data."""

    coins: tuple[CoinMeta, ...]
    start_ms: int

    def raw(self) -> Iterator[tuple[int, Raw]]:
        """Everything that happens, in time order; in one block trades stand before the book they led to."""
        ...


class Pacer:
    """Decides which books of a source a client gets to see."""

    def __init__(self, fast_ms: int = 500, slow_ms: int = 5000) -> None:
        self._fast_after = fast_ms - JITTER_MS
        self._slow_after = slow_ms - JITTER_MS
        self._sent: dict[str, tuple[float, float]] = {}

    def step(self, time_ms: int, raw: Raw) -> Iterator[MarketEvent]:
        """The frames that `raw` gives rise to, in the order in which they are sent."""
        if isinstance(raw, Hole):
            self._sent.pop(raw.coin, None)
        elif isinstance(raw, L2Book):
            fast_ms, slow_ms = self._sent.get(raw.coin, (float("-inf"), float("-inf")))
            if time_ms - slow_ms >= self._slow_after:
                slow_ms = time_ms
                yield raw
            if time_ms - fast_ms >= self._fast_after:
                fast_ms = time_ms
                yield top(raw)
            self._sent[raw.coin] = fast_ms, slow_ms
        else:
            yield raw


def top(book: L2Book) -> L2Book:
    """The fast variant of a full book."""
    bids, asks = book.levels
    return L2Book(book.coin, book.time, (bids[:FAST_LEVELS], asks[:FAST_LEVELS]), fast=True)
