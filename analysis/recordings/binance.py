"""Binance USD-M futures: raw frames of bookTicker, trade and depth differences, `<receive ns> <frame>` a line.

The book behind the touch is the one REST snapshot in the file with every later difference applied (a difference
sets the size at a price, 0 removes it); it is given twice a second.
"""

import gzip
from collections.abc import Iterator
from heapq import nlargest, nsmallest
from pathlib import Path
from typing import Any

import msgspec

from analysis.recordings.foreign import Foreign, Item, Side, coin_of, in_memory, level, trade
from services.venue.market.feed import BOOK_LEVELS
from shared.hyperliquid.wire import Bbo, L2Book

SNAPSHOT_MS = 500


def open_folder(folder: Path) -> Foreign:
    files = sorted(folder.glob("*usdt_*.gz"))
    return in_memory(folder.name, {_coin(file): list(_items(file)) for file in files})


def _coin(file: Path) -> str:
    return coin_of(file.name.split("_")[0].upper())


def _items(file: Path) -> Iterator[Item]:
    """Times never go back: a frame that comes late counts as of the newest time."""
    coin, book, last_ms, shown_ms = _coin(file), _Book(), 0, 0
    with gzip.open(file, "rt") as opened:
        for line in opened:
            frame: dict[str, Any] = msgspec.json.decode(line.split(" ", 1)[1])
            data = frame.get("data", frame)
            last_ms = max(last_ms, data["T"])
            if "lastUpdateId" in data:
                book.begin(data)
            elif data["e"] == "bookTicker":
                yield last_ms, Bbo(coin, last_ms, (level(data["b"], data["B"]), level(data["a"], data["A"])))
            elif data["e"] == "trade":
                yield trade(coin, not data["m"], data["p"], data["q"], last_ms, data["t"])
            elif book.change(data) and last_ms - shown_ms >= SNAPSHOT_MS:
                shown_ms = last_ms
                yield last_ms, L2Book(coin, last_ms, book.levels())


class _Book:
    """A snapshot kept up to date."""

    def __init__(self) -> None:
        self._bids: dict[float, tuple[str, str]] = {}
        self._asks: dict[float, tuple[str, str]] = {}
        self._update: int | None = None

    def begin(self, snapshot: dict[str, Any]) -> None:
        self._update = snapshot["lastUpdateId"]
        self._set(snapshot["bids"], snapshot["asks"])

    def change(self, difference: dict[str, Any]) -> bool:
        """False for one that is older than the snapshot, or before there is any."""
        if self._update is None or difference["u"] < self._update:
            return False
        self._set(difference["b"], difference["a"])
        return True

    def _set(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        for side, changes in ((self._bids, bids), (self._asks, asks)):
            for px, sz in changes:
                if float(sz):
                    side[float(px)] = px, sz
                else:
                    side.pop(float(px), None)

    def levels(self) -> tuple[Side, Side]:
        bids, asks = nlargest(BOOK_LEVELS, self._bids), nsmallest(BOOK_LEVELS, self._asks)
        return tuple(level(*self._bids[px]) for px in bids), tuple(level(*self._asks[px]) for px in asks)
