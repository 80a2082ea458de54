"""Minutes joined to longer candles."""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from services.venue.api.state import Candle, CoinState
from shared.units import wire


def joined(minutes: Iterable[Candle], length_ms: int) -> Iterator[Candle]:
    """Candles of `length_ms` out of minutes in time order."""
    candle: Candle | None = None
    for minute in minutes:
        start_ms = minute.start_ms - minute.start_ms % length_ms
        if candle is not None and candle.start_ms == start_ms:
            candle.high, candle.low = max(candle.high, minute.high), min(candle.low, minute.low)
            candle.close = minute.close
            candle.volume += minute.volume
            candle.n += minute.n
            continue
        if candle is not None:
            yield candle
        candle = Candle(start_ms, minute.open, minute.high, minute.low, minute.close, minute.volume, minute.n)
    if candle is not None:
        yield candle


def newest(coin: CoinState, length_ms: int) -> Candle | None:
    """The candle that is still growing."""
    if not coin.candles:
        return None
    last_ms = coin.candles[-1].start_ms
    start_ms = last_ms - last_ms % length_ms
    minutes = list(takewhile(lambda minute: minute.start_ms >= start_ms, reversed(coin.candles)))
    return next(joined(reversed(minutes), length_ms))


def candle_data(candle: Candle, coin: str, interval: str, length_ms: int) -> dict[str, Any]:
    """As `candleSnapshot` and the channel `candle` show it."""
    return {
        "t": candle.start_ms,
        "T": candle.start_ms + length_ms - 1,
        "s": coin,
        "i": interval,
        "o": wire(candle.open),
        "c": wire(candle.close),
        "h": wire(candle.high),
        "l": wire(candle.low),
        "v": wire(candle.volume),
        "n": candle.n,
    }
