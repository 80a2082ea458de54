"""Recordings of other shapes than the venue's, as sources of the market: raw frames, and three other exchanges.

Prices and sizes are taken as they stand; the coins get the grids of their namesakes at the venue. None of them
tells mark, oracle or funding. Where a book stands in a row, its touch is also the `bbo`.
"""

import csv
import gzip
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import dropwhile
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from services.venue.market.feed import Raw
from services.venue.market.replay import Recording, open_recording
from services.venue.market.universe import KNOWN_COINS
from shared.hyperliquid.wire import Bbo, L2Book, WireLevel, WireTrade, decode_frame
from shared.messages import CoinMeta

ASTER_LEVELS = 10
Item = tuple[int, Raw]


@dataclass(frozen=True)
class Foreign:
    """A `feed.Source` over a whole folder, in memory."""

    name: str
    coins: tuple[CoinMeta, ...]
    items: list[Item]

    @property
    def start_ms(self) -> int:
        return self.items[0][0]

    @property
    def end_ms(self) -> int:
        return self.items[-1][0]

    def raw(self) -> Iterator[Item]:
        return iter(self.items)


def read(folder: Path) -> Recording | Foreign | None:
    """The recording in a folder; None where there are no books and trades in it."""
    for pattern, reader in READERS.items():
        files = sorted(folder.glob(pattern))
        if files:
            by_coin = reader(files)
            items = list(heapq.merge(*map(_from_first_book, by_coin.values()), key=lambda item: item[0]))
            return Foreign(folder.name, tuple(_meta(coin) for coin in by_coin), items)
    return open_recording(folder) if any(folder.glob("prices_*.csv.gz")) else None


def _from_first_book(items: list[Item]) -> Iterator[Item]:
    """Prints of before are those that an exchange repeats at the beginning."""
    return dropwhile(lambda item: isinstance(item[1], tuple), items)


def _meta(coin: str) -> CoinMeta:
    return KNOWN_COINS.get(coin) or CoinMeta(coin, 0, 3)


def _frames(files: list[Path]) -> dict[str, list[Item]]:
    """`<receive ns> <frame>` of the venue itself."""
    items: list[Item] = []
    for line in gzip.open(files[0], "rt"):
        received_ns, frame = line.split(" ", 1)
        _, event = decode_frame(frame.encode())
        if event is not None:
            items.append((int(received_ns) // 1_000_000, event))
    return {"BTC": items}


def _aster(files: list[Path]) -> dict[str, list[Item]]:
    return {
        _coin(file.name.removeprefix("orderbook_")): sorted(
            [*_aster_books(file), *_aster_trades(file)], key=lambda item: (item[0], isinstance(item[1], L2Book))
        )
        for file in files
    }


def _aster_books(file: Path) -> Iterator[Item]:
    coin = _coin(file.name.removeprefix("orderbook_"))
    with gzip.open(file, "rt") as opened:
        for row in csv.DictReader(opened):
            stamp = row.get("unix_timestamp_ms") or str(float(row["unix_timestamp"]) * 1000)
            bids, asks = (
                tuple(
                    WireLevel(Decimal(row[f"{side}_price_{n}"]), Decimal(row[f"{side}_qty_{n}"]), 1)
                    for n in range(ASTER_LEVELS)
                    if row[f"{side}_price_{n}"]
                )
                for side in ("bid", "ask")
            )
            yield from _book(coin, int(float(stamp)), bids, asks)


def _aster_trades(file: Path) -> Iterator[Item]:
    coin = _coin(file.name.removeprefix("orderbook_"))
    with gzip.open(file.with_name(file.name.replace("orderbook_", "trades_")), "rt") as opened:
        rows = sorted(csv.DictReader(opened), key=lambda row: int(row["unix_timestamp_ms"]))
        for row in rows:
            side, time_ms = "B" if row["side"] == "buy" else "A", int(row["unix_timestamp_ms"])
            yield time_ms, (_trade(coin, side, row["price"], row["quantity"], time_ms, int(row["id"])),)


def _binance(files: list[Path]) -> dict[str, list[Item]]:
    return {_coin(file.name.split("_")[0].upper()): list(_binance_items(file)) for file in files}


def _binance_items(file: Path) -> Iterator[Item]:
    coin = _coin(file.name.split("_")[0].upper())
    last_ms = 0
    for line in gzip.open(file, "rt"):
        frame: dict[str, Any] = msgspec.json.decode(line.split(" ", 1)[1])
        stream, data = frame.get("stream", ""), frame.get("data", {})
        if stream.endswith("@bookTicker"):
            last_ms = max(last_ms, data["T"])
            touch = (_level(data["b"], data["B"]), _level(data["a"], data["A"]))
            yield last_ms, Bbo(coin, last_ms, touch)
        elif stream.endswith("@trade"):
            last_ms = max(last_ms, data["T"])
            side = "A" if data["m"] else "B"
            yield last_ms, (_trade(coin, side, data["p"], data["q"], last_ms, data["t"]),)


def _standx(files: list[Path]) -> dict[str, list[Item]]:
    """Locked books are left out; the aggressor is told by the mid (the recorded side is always the same)."""
    books: list[Item] = []
    for file in files:
        table = pq.read_table(file).to_pylist()
        for row in table[::2]:
            if row["best_bid"] < row["best_ask"]:
                sides = (("bid_prices", "bid_quantities"), ("ask_prices", "ask_quantities"))
                bids, asks = (
                    tuple(_level(px, sz) for px, sz in zip(row[pxs], row[szs], strict=True)) for pxs, szs in sides
                )
                books += _book("BTC", int(row["timestamp"].timestamp() * 1000), bids, asks)
    rows = [
        (int(row["timestamp"].timestamp() * 1000), row["price"], row["quantity"])
        for file in sorted(files[0].parent.glob("trades_*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]
    return {"BTC": list(heapq.merge(books, _by_mid(rows, books), key=lambda item: item[0]))}


def _by_mid(rows: list[tuple[int, float, float]], books: list[Item]) -> Iterator[Item]:
    mids = iter([(time_ms, book) for time_ms, book in books if isinstance(book, L2Book)])
    mid, coming = 0.0, next(mids, None)
    for number, (time_ms, px, sz) in enumerate(sorted(rows)):
        while coming is not None and coming[0] <= time_ms:
            bids, asks = coming[1].levels
            mid, coming = float(bids[0].px + asks[0].px) / 2, next(mids, None)
        yield time_ms, (_trade("BTC", "B" if px >= mid else "A", px, sz, time_ms, number),)


READERS = {
    "btcusd_*.gz": _frames,
    "orderbook_*USDT.csv.gz": _aster,
    "*usdt_*.gz": _binance,
    "orderbook_*.parquet": _standx,
}


def _coin(name: str) -> str:
    return name.split(".")[0].removesuffix("USDT")


def _level(px: Any, sz: Any) -> WireLevel:
    return WireLevel(Decimal(str(px)), Decimal(str(sz)), 1)


def _book(coin: str, time_ms: int, bids: tuple[WireLevel, ...], asks: tuple[WireLevel, ...]) -> Iterator[Item]:
    if bids and asks:
        yield time_ms, Bbo(coin, time_ms, (bids[0], asks[0]))
        yield time_ms, L2Book(coin, time_ms, (bids, asks))


def _trade(coin: str, side: str, px: Any, sz: Any, time_ms: int, tid: int) -> WireTrade:
    return WireTrade(coin, "B" if side == "B" else "A", Decimal(str(px)), Decimal(str(sz)), time_ms, tid)
