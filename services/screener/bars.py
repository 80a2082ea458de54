"""One-minute bars of the mid and their average true range.

The regime edges of 0.15 % and 0.5 % are meant for 1-minute bars and n = 14.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

MINUTE_MS = 60_000
ATR_BARS = 14
MIN_BARS = 5
"""Fewer full bars are an anecdote, not a measurement."""
MAX_FLAT_MINUTES = 10
"""A longer silence is a gap in the data: what came before says nothing about now."""


class Bar(NamedTuple):
    high: float
    low: float
    close: float


class Atr(NamedTuple):
    """True ranges, their running average (None before bar n), and the last average as fraction of the close."""

    tr: list[float]
    atr: list[float | None]
    fraction_last: float | None


def atr(bars: Sequence[Bar], n: int) -> Atr:
    """Wilder: TR = max(H−L, |H−C'|, |L−C'|); seeded with the mean of the first n, then ATR += (TR−ATR)/n."""
    ranges: list[float] = []
    average: list[float | None] = []
    current: float | None = None
    for i, (high, low, _) in enumerate(bars):
        before = bars[i - 1].close if i else None
        ranges.append(high - low if before is None else max(high - low, abs(high - before), abs(low - before)))
        if current is not None:
            current += (ranges[i] - current) / n
        elif i == n - 1:
            current = sum(ranges) / n
        average.append(current)
    return Atr(ranges, average, current / bars[-1].close if current is not None else None)


class MinuteBars:
    """Full minutes only: the first, cut-off one is dropped, a minute without a change is a flat bar."""

    def __init__(self) -> None:
        self.bars: deque[Bar] = deque(maxlen=60)
        self._minute: int | None = None
        self._whole = False
        self._high = self._low = self._close = 0.0

    def add(self, time_ms: float, mid_px: float) -> None:
        self.advance(time_ms)
        if self._minute is None:
            self._minute, self._whole = int(time_ms // MINUTE_MS), False
            self._high = self._low = mid_px
        self._high, self._low, self._close = max(self._high, mid_px), min(self._low, mid_px), mid_px

    def advance(self, time_ms: float) -> None:
        """Close every minute that has ended by `time_ms`."""
        minute = int(time_ms // MINUTE_MS)
        if self._minute is None or minute <= self._minute:
            return
        silent = minute - self._minute - 1
        if silent > MAX_FLAT_MINUTES:
            self.bars.clear()
            self._minute = None
            return
        close = self._close
        if self._whole:
            self.bars.append(Bar(self._high, self._low, close))
        self.bars.extend([Bar(close, close, close)] * silent)
        self._minute, self._whole = minute, True
        self._high = self._low = close

    def atr_fraction(self) -> float | None:
        """Of up to 14 bars at the start; None until five full minutes are known."""
        bars = list(self.bars)
        return atr(bars, min(ATR_BARS, len(bars))).fraction_last if len(bars) >= MIN_BARS else None
