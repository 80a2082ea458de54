"""A recording as a market source.

Streams are merged on the exchange's time. In one block trades come before the book, because the recorded book
is the state after the block. A trade id is taken once. A trade needs a living book before it: the venue's
replay of old prints at every (re)connect and prints inside a hole are left out. Where neither book nor bbo of
a coin says anything for more than `HOLE_MS`, a `Hole` is yielded and nothing is carried over it.

Funding, mark, oracle and open interest are in no such recording; asset contexts are made up (`made_up`).
"""

import heapq
import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from services.venue.market.feed import ALL, Hole, NothingRecorded, Pacer, Part, Raw
from services.venue.market.formats import Quote, Streams, between, find_streams
from services.venue.market.frames import Frames, find_frames
from services.venue.market.made_up import Contexts, best
from services.venue.market.universe import KNOWN_COINS
from shared.clock import utc_day
from shared.errors import DataError
from shared.hyperliquid.wire import Bbo, L2Book, MarketEvent, WireLevel, WireTrade
from shared.messages import CoinMeta
from shared.recent import Recent

HOLE_MS = 5000
SEEN_TRADES = 4096
SAMPLE_ROWS = 500
LOWEST_LEVERAGE = 3
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Item = tuple[int, int, Raw]
"""Time, order inside the block (trades, bbo, book), event."""


class Recording:
    """An opened recording. `warnings` names the file tails that are left out; reading is repeatable."""

    def __init__(self, path: Path, streams: dict[str, Streams], part: Part = ALL) -> None:
        self.path = path
        self._streams, self._part = streams, part
        self.warnings: list[str] = []
        spans: list[tuple[int, int]] = []
        for files in streams.values():
            for file in files.files:
                found = file.survey(0)
                if found is None:
                    self.warnings.append(f"{file.path}: no complete row")
                    continue
                first, last, tail = found
                if tail:
                    self.warnings.append(tail)
                if file not in files.trades.files:
                    spans.append((first, last))
        if not spans:
            raise DataError(f"{path}: the recording holds no book; nothing can be replayed")
        self.start_ms = int(max(min(first for first, _ in spans), part.from_ms))
        self.end_ms = int(min(max(last for _, last in spans), part.end_ms - 1))
        if part.from_ms > self.end_ms or self.start_ms >= part.end_ms:
            raise NothingRecorded(f"{path}: nothing is recorded {between(part)}")
        self.coins = tuple(_meta(coin, files) for coin, files in streams.items())

    @property
    def own_days(self) -> list[date]:
        """Days of files of one's own data folder, which holds one for each."""
        stems = {file.path.stem for files in self._streams.values() for file in files.books.files}
        return sorted(date.fromisoformat(stem) for stem in stems if _DAY.fullmatch(stem))

    def raw(self) -> Iterator[tuple[int, Raw]]:
        """Everything recorded, holes marked (see `feed.Source`)."""
        coins = (_coin_events(coin, files) for coin, files in self._streams.items())
        for item in heapq.merge(*coins, key=lambda item: item[0]):
            if item[0] >= self._part.end_ms:
                return
            if item[0] >= self._part.from_ms:
                yield item

    def events(self, fast_ms: int = 500, slow_ms: int = 5000) -> Iterator[tuple[int, MarketEvent]]:
        """What a client of all channels would have received, with the exchange's time."""
        pacer = Pacer(fast_ms, slow_ms)
        for time_ms, raw in self.raw():
            for event in pacer.step(time_ms, raw):
                yield time_ms, event


def open_recording(path: Path, part: Part = ALL) -> Recording | Frames:
    """Recognise a recording folder, check every header and read every file once for its span and tail.

    Raises:
        DataError: not a recording, damaged in a way that cannot be left out, or nothing of `part` in it.
    """
    files = find_frames(path)
    if files:
        return Frames(path, files, part)
    streams = find_streams(path, part)
    absent = sorted(set(part.coins) - streams.keys())
    if absent:
        raise DataError(f"{path}: no books of {', '.join(absent)}; there are {', '.join(streams)}")
    return Recording(path, {coin: files for coin, files in streams.items() if part.has_coin(coin)}, part)


def days_of(recording: Recording | Frames) -> list[date]:
    """UTC days in order: those that have a file where there is one for each, else all from first to last."""
    if isinstance(recording, Recording) and recording.own_days:
        return recording.own_days
    first, last = utc_day(recording.start_ms), utc_day(recording.end_ms)
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def _meta(coin: str, streams: Streams) -> CoinMeta:
    """Known coins by table; others by the finest size among the first rows, at the venue's lowest leverage."""
    known = KNOWN_COINS.get(coin)
    if known is not None:
        return known
    sizes = [trade.sz for trade, _ in zip(streams.trades, range(SAMPLE_ROWS), strict=False)]
    for book, _ in zip(streams.books, range(SAMPLE_ROWS), strict=False):
        sizes += [level.sz for side in book.levels for level in side]
    sizes += [level.sz for (_, _, level), _ in zip(streams.bbos, range(SAMPLE_ROWS), strict=False)]
    return CoinMeta(coin, max((_decimals(sz) for sz in sizes), default=0), LOWEST_LEVERAGE)


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


# ---- one coin ------------------------------------------------------------------------------------------------


def _coin_events(coin: str, streams: Streams) -> Iterator[tuple[int, Raw]]:
    quotes = heapq.merge(_bbos(coin, streams.bbos), _books(coin, streams), key=lambda item: item[:2])
    merged = heapq.merge(_trades(streams.trades), _with_holes(coin, quotes), key=lambda item: item[:2])
    contexts = Contexts(coin)
    alive = False
    held: list[tuple[WireTrade, ...]] = []
    for time_ms, _, raw in merged:
        if isinstance(raw, tuple):
            if alive:
                held.append(raw)
            continue
        if isinstance(raw, Hole):
            held = [trades for trades in held if trades[0].time <= raw.start_ms]
        for trades in held:
            contexts.note(trades)
            yield trades[0].time, trades
        held.clear()
        yield time_ms, raw
        alive = not isinstance(raw, Hole)
        ctx = contexts.due(time_ms, raw)
        if ctx is not None:
            yield time_ms, ctx


def _with_holes(coin: str, quotes: Iterable[Item]) -> Iterator[Item]:
    """The quotes, and before the first one after a silence the `Hole` it ends, one place before the block."""
    last_ms: int | None = None
    for item in quotes:
        if last_ms is not None and item[0] - last_ms > HOLE_MS:
            yield item[0], -1, Hole(coin, last_ms, item[0])
        last_ms = item[0]
        yield item


def _books(coin: str, streams: Streams) -> Iterator[Item]:
    """Recorded books; without any, the bbo as a book of one level; without bbo, its changes of touch too."""
    if not streams.books.files:
        for time_ms, bid, ask in _touches(coin, streams.bbos):
            yield time_ms, 2, L2Book(coin, time_ms, ((bid,), (ask,)))
        return
    touch: tuple[WireLevel | None, WireLevel | None] | None = None
    last_ms = 0
    for book in streams.books:
        if book.time < last_ms:
            raise DataError(f"{coin}: book at {book.time} ms after one at {last_ms} ms; time may not go back")
        last_ms = book.time
        if not streams.bbos.files:
            shown = best(book.levels[0]), best(book.levels[1])
            if shown != touch:
                touch = shown
                yield book.time, 1, Bbo(coin, book.time, shown)
        yield book.time, 2, book


def _bbos(coin: str, rows: Iterable[Quote]) -> Iterator[Item]:
    for time_ms, bid, ask in _touches(coin, rows):
        yield time_ms, 1, Bbo(coin, time_ms, (bid, ask))


def _touches(coin: str, rows: Iterable[Quote]) -> Iterator[tuple[int, WireLevel, WireLevel]]:
    """Messages from pairs of rows of one time, in either order.

    A lone row is half of a message that the recorder cut at the edge of a window; it is left out.
    """
    last: Quote | None = None
    for row in rows:
        time_ms, side, level = row
        if last is not None and time_ms < last[0]:
            raise DataError(f"{coin}: bbo at {time_ms} ms after one at {last[0]} ms; time may not go back")
        if last is None or last[0] != time_ms or last[1] == side:
            last = row
            continue
        yield (time_ms, level, last[2]) if side == "bid" else (time_ms, last[2], level)
        last = None


def _trades(rows: Iterable[WireTrade]) -> Iterator[Item]:
    """Frames of trades of one block, each trade once, none older than what was already printed."""
    seen = Recent(SEEN_TRADES)
    frame: list[WireTrade] = []
    for trade in rows:
        if (frame and trade.time < frame[-1].time) or not seen.add(trade.tid):
            continue
        if frame and trade.time != frame[-1].time:
            yield frame[-1].time, 0, tuple(frame)
            frame = []
        frame.append(trade)
    if frame:
        yield frame[-1].time, 0, tuple(frame)
