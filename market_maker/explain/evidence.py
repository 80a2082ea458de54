"""What is still known around a fill: its flight from the file or from the bus, the mids, and what is gone."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from analysis.store import Store, open_store
from services.harvester.recorder import Heard, Recorder
from shared import flights, incidents
from shared.clock import utc_day
from shared.errors import BusError, DataError
from shared.flights import Flight, key_of
from shared.messages import (
    AssetConfig,
    Book,
    Fill,
    Level,
    Message,
    OrderUpdate,
    RiskLease,
    TargetQuotes,
    Trade,
    Trades,
)
from shared.redis_bus import RedisBus
from shared.streams import ASSET_CONFIG, BOOK, FILLS, ORDERS, RISK, TARGET, TRADES
from shared.units import exact

BEFORE_MS, AFTER_MS = 5_000, 62_000
"""The stretch of mids looked at."""
FRESH_MS = 2_000
_STREAMS = (ASSET_CONFIG, TARGET, RISK, ORDERS, BOOK, TRADES, FILLS)


class Mid(NamedTuple):
    """A touch by venue time."""

    time_ms: int
    bid_px: float
    ask_px: float

    @property
    def px(self) -> float:
        return (self.bid_px + self.ask_px) / 2


class Evidence(NamedTuple):
    """All that the story is told from."""

    flight: Flight
    mids: tuple[Mid, ...]
    sources: tuple[str, ...]
    """Where it was found."""
    running: bool = False
    """Somebody still records."""
    twin: bool = False
    """A fill of the shadow that runs beside live trading."""


def gather(url: str, data_dir: Path, fill: Fill) -> Evidence:
    """The flight file first, else the bus, else the recorded market; mids from both."""
    told = asyncio.run(_told(url, fill.coin))
    kept = _kept(data_dir, fill)
    flight = kept or flown(told, fill) or Flight(fill=fill)
    sources = ["flight"] if kept else ["bus"] if flight.steps or flight.book_before else []
    mids = {book.time_ms: _mid(book) for book in told if isinstance(book, Book) and book.bids and book.asks}
    flight, recorded = _recorded(data_dir, flight)
    for mid in recorded:
        mids.setdefault(mid.time_ms, mid)
    sources += ["recorded market"] if recorded else []
    near = [mids[at_ms] for at_ms in sorted(mids) if -BEFORE_MS <= at_ms - fill.time_ms <= AFTER_MS]
    return Evidence(flight, tuple(near), tuple(sources), bool(told), _is_twin(data_dir, fill))


def _is_twin(data_dir: Path, fill: Fill) -> bool:
    """Was it a live run in which a simulated fill happened?"""
    starts = (known for known in incidents.newest(data_dir) if known.kind == "start")
    before = [start for start in starts if start.time_ms <= fill.time_ms]
    newest = max(before, key=lambda start: start.time_ms, default=None)
    return fill.mode == "shadow" and newest is not None and newest.fields.get("mode") == "live"


def _kept(data_dir: Path, fill: Fill) -> Flight | None:
    found = flights.read(flights.file_of(data_dir, fill), fill.fill_id)
    return next((flight for flight in found if key_of(flight.fill) == key_of(fill)), None)


def _mid(book: Book) -> Mid:
    return Mid(book.time_ms, float(book.bids[0].px), float(book.asks[0].px))


# ---- the bus ---------------------------------------------------------------------------------------------------


async def _told(url: str, coin: str) -> list[Message]:
    """All that the bus still holds of a coin, in the order in which it was written; nothing when nothing runs."""
    bus = RedisBus(url)
    try:
        return await bus.history(_STREAMS, coin)
    except BusError:
        return []
    finally:
        await bus.close()


def flown(told: list[Message], fill: Fill) -> Flight | None:
    """What the recorder would have written of a fill."""
    recorder, now_ms = Recorder(), 0
    found: list[Flight] = []
    for message in told:
        if isinstance(message, Heard):
            now_ms = max(now_ms, _said_ms(message))
            recorder.take(now_ms, message)
            found += recorder.due(now_ms)
    found += recorder.rest()
    return next((flight for flight in found if key_of(flight.fill) == key_of(fill)), None)


def _said_ms(message: Heard) -> int:
    match message:
        case Book() | Trades():
            return int(message.received_ms)
        case TargetQuotes():
            return message.computed_ms
        case RiskLease():
            return message.issued_ms
        case AssetConfig():
            return message.published_ms
        case OrderUpdate() | Fill():
            return message.time_ms


# ---- the recorded market ---------------------------------------------------------------------------------------


def _recorded(data_dir: Path, flight: Flight) -> tuple[Flight, list[Mid]]:
    """The flight with the book and the prints that it lacks, and the mids of that time."""
    fill = flight.fill
    days: tuple[date, date] = utc_day(fill.time_ms - BEFORE_MS), utc_day(fill.time_ms + AFTER_MS)
    try:
        with open_store(data_dir, [fill.coin], *days) as store:
            mids = [Mid(*row) for row in _around(store, "ticks", "timestamp_ms, bid, ask", fill)]
            if flight.book_before is None:
                rows = _around(store, "depth", "*", fill, until_ms=fill.time_ms - 1)
                if rows and fill.time_ms - rows[-1][0] <= FRESH_MS:
                    flight = msgspec.structs.replace(flight, book_before=_book(rows[-1]))
            if not flight.prints:
                rows = _around(store, "trades", "*", fill, fill.time_ms, fill.time_ms)
                flight = msgspec.structs.replace(flight, prints=tuple(_trade(row) for row in rows))
            return flight, mids
    except DataError:
        return flight, []


def _around(
    store: Store, family: str, columns: str, fill: Fill, since_ms: int | None = None, until_ms: int | None = None
) -> list[tuple[Any, ...]]:
    since_ms = fill.time_ms - BEFORE_MS if since_ms is None else since_ms
    until_ms = fill.time_ms + AFTER_MS if until_ms is None else until_ms
    table = store.of(family, fill.coin)
    where = "WHERE timestamp_ms BETWEEN ? AND ?"
    return store.sql(f"SELECT {columns} FROM {table} {where}", [since_ms, until_ms]).fetchall()


def _book(row: tuple[Any, ...]) -> Book:
    time_ms, coin, *fields = row
    pairs = [(px, sz) for px, sz in zip(fields[::2], fields[1::2], strict=True)]
    half = len(pairs) // 2
    bids, asks = (
        tuple(Level(exact(px), exact(sz)) for px, sz in side if px is not None)
        for side in (pairs[:half], pairs[half:])
    )
    return Book(coin=coin, time_ms=time_ms, received_ms=time_ms, epoch=0, bids=bids, asks=asks)


def _trade(row: tuple[Any, ...]) -> Trade:
    time_ms, _, px, sz, side, tid = row
    return Trade(exact(px), exact(sz), side, time_ms, tid)
