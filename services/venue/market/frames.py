"""A recording of raw frames: what the venue's websocket said, as it was received.

FOLDER/header.json               venue, coins and start (`Header`); written by `market_maker record`
FOLDER/universe.json             the venue's answer to `metaAndAssetCtxs` at the start
FOLDER/frames-TIME.gz            `<receive ns> <frame>` a line, one file after the other, gzip members
FOLDER/*usd_*.gz                 the same lines without header, as other recorders leave them

A line whose channel is `RECORDER` is the recorder's own: a connection that began, or one that was lost. A client
that is given `lines()` lives through what the recorder lived through. As a market (`raw`) each book is the newest
fast one with the levels behind it of the newest full one, and no print is older than the first book of its
connection.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from services.venue.market.csvfile import Tail, lines
from services.venue.market.feed import ALL, Hole, NothingRecorded, Part, Raw
from services.venue.market.made_up import Contexts
from services.venue.market.universe import KNOWN_COINS
from shared.errors import DataError
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, L2Book, MarketEvent, WireLevel, decode_frame
from shared.messages import CoinMeta
from shared.recent import Recent

HEADER, UNIVERSE = "header.json", "universe.json"
RECORDER = "recorder"
CONNECTED = b'{"channel":"recorder","data":"connected"}'
SEEN_TRADES = 4096
LOWEST_LEVERAGE = 3
UNDECODABLE = (msgspec.DecodeError, ArithmeticError, ValueError, RecursionError)
_MARK = f'{{"channel":"{RECORDER}"'
_NAME = re.compile(r"frames-(\d{8}T\d{6}-\d{3})\.gz")
_TIME = "%Y%m%dT%H%M%S-%f"
Side = tuple[WireLevel, ...]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder of frames is."""

    format: Literal["frames.1"] = "frames.1"
    venue: str
    url: str
    dex: str = ""
    coins: tuple[CoinMeta, ...]
    started_ms: int


class Lost(msgspec.Struct, frozen=True):
    """`data` of the recorder's line where a connection ended."""

    lost: str


class Line(NamedTuple):
    """`mark` says that a connection began, or why one ended; then there is no frame."""

    received_ms: float
    frame: str
    mark: Literal["connected"] | Lost | None


class _Mark(msgspec.Struct, frozen=True):
    data: Literal["connected"] | Lost


def file_name(started_ms: float) -> str:
    """Of the file whose first line is of that time; names sort as times do."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(started_ms))
    return f"frames-{moment:%Y%m%dT%H%M%S}-{moment.microsecond // 1000:03d}.gz"


def lost(reason: str) -> bytes:
    """The recorder's line for the end of a connection."""
    return msgspec.json.encode({"channel": RECORDER, "data": Lost(reason)})


def find_frames(path: Path) -> tuple[Path, ...]:
    """The files of a folder of raw frames in order; none where it is something else."""
    own = sorted(file for file in path.glob("frames-*.gz") if _NAME.fullmatch(file.name))
    return tuple(own or sorted(path.glob("*usd_*.gz")))


class Frames:
    """An opened recording of frames. `warnings` names the file tails that are left out; reading is repeatable.

    Raises:
        DataError: nothing of `part` in it, or damaged.
    """

    def __init__(self, path: Path, files: tuple[Path, ...], part: Part = ALL) -> None:
        self.path, self._part = path, replace(part, coins=())
        self.header = _read_header(path)
        self._files = _of_part(files, part) if self.header else files
        self.warnings: list[str] = []
        metas = self.header.coins if self.header else self._coins_seen()
        absent = sorted(set(part.coins) - {meta.coin for meta in metas})
        if absent:
            there = ", ".join(meta.coin for meta in metas)
            raise DataError(f"{path}: no frames of {', '.join(absent)}; there are {there}")
        self.coins = tuple(meta for meta in metas if part.has_coin(meta.coin))
        self._part = part
        self.start_ms, self.end_ms = self._span()

    def lines(self) -> Iterator[Line]:
        """Everything that was received, in order.

        Raises:
            DataError: damaged in the middle.
        """
        for file in self._files:
            for received_ns, frame in _stamped(file, Tail()):
                received_ms = received_ns / 1_000_000
                if received_ms >= self._part.end_ms:
                    return
                if received_ms >= self._part.from_ms and self._is_wanted(frame):
                    yield Line(received_ms, frame, _mark(frame))

    def made_up(self) -> dict[str, Contexts]:
        """For coins of a recording without asset contexts."""
        return {} if self.header else {meta.coin: Contexts(meta.coin) for meta in self.coins}

    def raw(self) -> Iterator[tuple[int, Raw]]:
        """As a market (see `feed.Source`), in time of reception."""
        coins = {meta.coin: _Coin(meta.coin) for meta in self.coins}
        contexts = self.made_up()
        for received_ms, frame, mark in self.lines():
            now_ms = int(received_ms)
            if mark == "connected":
                for coin in coins.values():
                    yield from coin.cut(now_ms)
            event = None if mark else decoded(frame)
            state = coins.get(coin_of(event)) if event else None
            if state is None or event is None:
                continue
            for raw in state.step(now_ms, event):
                yield now_ms, raw
                yield from made_up(contexts, now_ms, raw)

    def events(self) -> Iterator[tuple[int, MarketEvent]]:
        """What the recorder received, decoded."""
        for received_ms, frame, mark in self.lines():
            event = None if mark else decoded(frame)
            if event:
                yield int(received_ms), event

    def _span(self) -> tuple[int, int]:
        first = next(iter(self.lines()), None)
        if first is None:
            raise NothingRecorded(f"{self.path}: no frames are recorded for these days")
        tail = Tail()
        last_ms = int(first.received_ms)
        for received_ns, _ in _stamped(self._files[-1], tail):
            last_ms = max(last_ms, received_ns // 1_000_000)
        if tail.text:
            self.warnings.append(tail.text)
        return int(first.received_ms), int(min(last_ms, self._part.end_ms - 1))

    def _coins_seen(self) -> tuple[CoinMeta, ...]:
        """Known coins by table; of others the finest size that is shown."""
        decimals: dict[str, int] = {}
        for _, event in self.events():
            if isinstance(event, ActiveAssetCtx):
                continue
            sizes = [trade.sz for trade in event] if isinstance(event, tuple) else _sizes(event)
            finest = max((-min(int(sz.normalize().as_tuple().exponent), 0) for sz in sizes), default=0)
            decimals[coin_of(event)] = max(finest, decimals.get(coin_of(event), 0))
        return tuple(
            KNOWN_COINS.get(coin) or CoinMeta(coin, found, LOWEST_LEVERAGE) for coin, found in decimals.items()
        )

    def _is_wanted(self, frame: str) -> bool:
        if not self._part.coins or frame.startswith(_MARK):
            return True
        event = decoded(frame)
        return event is not None and self._part.has_coin(coin_of(event))


class _Coin:
    """Makes one coin's frames a market."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen = Recent(SEEN_TRADES)
        self._behind: tuple[Side, Side] = (), ()
        self._last_ms: int | None = None
        self._begun_ms: int | None = None
        """Exchange time of the first book or touch of this connection."""

    def cut(self, now_ms: int) -> Iterator[tuple[int, Hole]]:
        """A connection began: nothing of the one before holds."""
        self._begun_ms, self._behind = None, ((), ())
        if self._last_ms is not None:
            yield now_ms, Hole(self._name, self._last_ms, now_ms)

    def step(self, now_ms: int, event: MarketEvent) -> Iterator[Raw]:
        if isinstance(event, tuple):
            begun_ms = self._begun_ms
            fresh = tuple(
                trade
                for trade in event
                if begun_ms is not None and trade.time >= begun_ms and self._seen.add(trade.tid)
            )
            if fresh:
                yield fresh
            return
        if isinstance(event, (Bbo, L2Book)):
            self._last_ms = now_ms
            self._begun_ms = self._begun_ms if self._begun_ms is not None else event.time
        yield self._whole(event) if isinstance(event, L2Book) else event

    def _whole(self, book: L2Book) -> L2Book:
        if not book.fast:
            self._behind = book.levels
            return book
        bids, asks = book.levels
        return L2Book(
            book.coin,
            book.time,
            (
                bids + tuple(level for level in self._behind[0] if bids and level.px < bids[-1].px),
                asks + tuple(level for level in self._behind[1] if asks and level.px > asks[-1].px),
            ),
        )


def made_up(contexts: dict[str, Contexts], now_ms: int, raw: Raw) -> Iterator[tuple[int, ActiveAssetCtx]]:
    """The context that is due with an event of a recording without any."""
    coin = coin_of(raw)
    if isinstance(raw, ActiveAssetCtx) or coin not in contexts:
        return
    if isinstance(raw, tuple):
        contexts[coin].note(raw)
    ctx = contexts[coin].due(now_ms, raw)
    if ctx is not None:
        yield now_ms, ctx


def decoded(frame: str) -> MarketEvent | None:
    """The market data in a frame; None where there is none, or none that can be read."""
    try:
        return decode_frame(frame)[1] or None
    except UNDECODABLE:
        return None


def coin_of(raw: Raw) -> str:
    return raw[0].coin if isinstance(raw, tuple) else raw.coin


def _sizes(book: Bbo | L2Book) -> list[Decimal]:
    sides = book.bbo if isinstance(book, Bbo) else (*book.levels[0], *book.levels[1])
    return [level.sz for level in sides if level is not None]


def _mark(frame: str) -> Literal["connected"] | Lost | None:
    return msgspec.json.decode(frame, type=_Mark).data if frame.startswith(_MARK) else None


def _stamped(file: Path, tail: Tail) -> Iterator[tuple[int, str]]:
    """Receive time and frame of each line; `tail` says what was left out."""
    for number, line in enumerate(lines(file, tail), 1):
        stamp, _, frame = line.partition(" ")
        if not stamp.isdecimal() or not frame:
            raise DataError(f"{file}: line {number} is no `<receive ns> <frame>`; leave the file out")
        yield int(stamp), frame


def _begun(file: Path) -> datetime:
    return datetime.strptime(file.name[len("frames-") : -len(".gz")], _TIME).replace(tzinfo=UTC)


def _of_part(files: tuple[Path, ...], part: Part) -> tuple[Path, ...]:
    """Those that may hold lines of it: a file ends where the next begins."""
    begun = [_begun(file).timestamp() * 1000 for file in files]
    ends = [*begun[1:], float("inf")]
    found = [
        file
        for file, first, last in zip(files, begun, ends, strict=True)
        if first < part.end_ms and last >= part.from_ms
    ]
    return tuple(found) or files[:1]


def _read_header(path: Path) -> Header | None:
    file = path / HEADER
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Header)
    except (msgspec.DecodeError, OSError) as error:
        raise DataError(
            f"{file}: cannot be read: {error}; restore it, or remove it to use the frames alone"
        ) from error
