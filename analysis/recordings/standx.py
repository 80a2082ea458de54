"""StandX perps: books of twenty levels and trades as Parquet, an hour a file.

Known defects: the books' prices are rounded to 0.1 while trades are in 0.01, so that about 40 % of the books are
locked (bid = ask) and left out; every snapshot stands there twice; the recorded aggressor is the same in every
row, so it is inferred from the mid before (Lee and Ready 1991 without the tick test).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.recordings.foreign import Foreign, Item, Side, book, level, meta, trade
from shared.hyperliquid.wire import L2Book

COIN = "BTC"
BATCH_ROWS = 4096


def open_folder(folder: Path) -> Foreign:
    files, times, rows, locked = sorted(folder.glob("orderbook_*.parquet")), [], 0, 0
    for file in files:
        table = pq.read_table(file, columns=["timestamp", "best_bid", "best_ask"])
        rows += table.num_rows
        locked += pc.sum(pc.greater_equal(table["best_bid"], table["best_ask"])).as_py() or 0
        times += [_ms(table["timestamp"][0].as_py()), _ms(table["timestamp"][-1].as_py())]
    warnings = (
        f"{locked / rows:.0%} of {rows:,} book rows are locked (bid = ask, rounded prices) and left out",
        "the aggressor of trades is inferred from the mid before: the recorded side is always the same",
    )
    return Foreign(
        folder.name, (meta(COIN),), min(times), max(times), (lambda: _items(folder),), warnings
    )  # fmt: skip


def _ms(time: Any) -> int:
    return int(time.timestamp() * 1000)


def _rows(folder: Path, pattern: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob(pattern)):
        for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS, columns=columns):
            yield from batch.to_pylist()


def _books(folder: Path) -> Iterator[Item]:
    columns = ["bid_prices", "bid_quantities", "ask_prices", "ask_quantities"]
    rows = _rows(folder, "orderbook_*.parquet", ["timestamp", "best_bid", "best_ask", *columns])
    last = None
    for row in rows:
        if row["best_bid"] < row["best_ask"] and row != last:
            yield from book(
                COIN, _ms(row["timestamp"]), _side(row, *columns[:2]), _side(row, *columns[2:])
            )  # fmt: skip
        last = row


def _side(row: dict[str, Any], px: str, sz: str) -> Side:
    return tuple(level(*pair) for pair in zip(row[px], row[sz], strict=True))


def _items(folder: Path) -> Iterator[Item]:
    """Trades before the book of the same time, each on the side of the mid that stood before it."""
    rows = enumerate(_rows(folder, "trades_*.parquet", ["timestamp", "price", "quantity"]))
    prints = sorted((_ms(row["timestamp"]), number, row["price"], row["quantity"]) for number, row in rows)
    books, mid = _books(folder), 0.0
    coming = next(books, None)
    for time_ms, number, px, sz in prints:
        while coming is not None and coming[0] < time_ms:
            if isinstance(coming[1], L2Book):
                bids, asks = coming[1].levels
                mid = float(bids[0].px + asks[0].px) / 2
            yield coming
            coming = next(books, None)
        yield trade(COIN, px >= mid, px, sz, time_ms, number)
    if coming is not None:
        yield coming
        yield from books
