"""Aster perps: books of ten levels and trades as CSV.

Books carry the recorder's clock and trades the exchange's; the skew between them is not known, so what stood
before a trade is known only roughly.
"""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

from analysis.recordings.foreign import Foreign, Item, Side, book, coin_of, in_memory, level, trade

LEVELS = 10
SKEW = "books carry the recorder's clock, trades the exchange's: moves within a fraction of a second are rough"


def open_folder(folder: Path) -> Foreign:
    files = sorted(folder.glob("orderbook_*USDT.csv.gz"))
    return in_memory(folder.name, {_coin(file): _items(file) for file in files}, (SKEW,))


def _coin(file: Path) -> str:
    return coin_of(file.name.removeprefix("orderbook_"))


def _items(file: Path) -> list[Item]:
    """In time order; at one time trades stand before the book, as a book shows the state after them."""
    trades = file.with_name(file.name.replace("orderbook_", "trades_"))
    both = [*(_trades(trades, _coin(file)) if trades.exists() else ()), *_books(file)]
    return sorted(both, key=lambda item: item[0])


def _books(file: Path) -> Iterator[Item]:
    with gzip.open(file, "rt") as opened:
        for row in csv.DictReader(opened):
            stamp = row.get("unix_timestamp_ms") or str(float(row["unix_timestamp"]) * 1000)
            yield from book(_coin(file), int(float(stamp)), _side(row, "bid"), _side(row, "ask"))


def _side(row: dict[str, str], side: str) -> Side:
    return tuple(
        level(row[f"{side}_price_{n}"], row[f"{side}_qty_{n}"]) for n in range(LEVELS) if row[f"{side}_price_{n}"]
    )


def _trades(file: Path, coin: str) -> Iterator[Item]:
    with gzip.open(file, "rt") as opened:
        for row in csv.DictReader(opened):
            time_ms = int(row["unix_timestamp_ms"])
            yield trade(coin, row["side"] == "buy", row["price"], row["quantity"], time_ms, int(row["id"]))
