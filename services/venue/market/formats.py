"""The recording formats: which files make up a coin, and how a row becomes a venue struct.

FOLDER/prices_COIN.csv[.gz]      the bbo channel, two rows a message          (needed)
FOLDER/orderbooks_COIN.csv[.gz]  l2Book, 20 levels a row                      (without: books of one level)
FOLDER/trades_COIN.csv[.gz]      trades
FOLDER/{depth,trades}/COIN/DATE.csv   our own, or the Parquet that stands for such a day in
FOLDER/parquet_{depth,trades}/COIN/   `ticks` hold no sizes and are not needed
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Generic, Literal, TypeVar

from services.venue.market.csvfile import CsvFile, Tail
from services.venue.market.feed import ALL, NothingRecorded, Part
from services.venue.market.parquetfile import ParquetFile
from shared.data_files import DEPTH, TRADES, Family, coin_of
from shared.errors import DataError
from shared.hyperliquid.wire import L2Book, WireLevel, WireTrade

Row = TypeVar("Row")
Quote = tuple[int, str, WireLevel]
"""One row of `prices`: time, "bid" or "ask", level."""

HL_LEVELS = 20
OWN_LEVELS = 5
BBO_COLUMNS = ("exchange_timestamp", "side", "price", "size")
TRADE_COLUMNS = ("exchange_timestamp", "trade_id", "side", "price", "size")
OWN_TRADE_COLUMNS = ("timestamp_ms", "tid", "side", "px", "sz")
BOOK_COLUMNS = ("exchange_timestamp",) + tuple(
    f"{side}_{field}_{i}" for side in ("bid", "ask") for i in range(HL_LEVELS) for field in ("price", "size")
)
OWN_DEPTH_COLUMNS = ("timestamp_ms",) + tuple(
    f"{side}_{field}_{i}" for side in ("bid", "ask") for i in range(1, OWN_LEVELS + 1) for field in ("px", "sz")
)
AGGRESSORS: dict[str, Literal["B", "A"]] = {"buy": "B", "sell": "A", "B": "B", "A": "A"}


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """Files of one kind, one after the other in time. The first column of each is the time."""

    files: tuple[CsvFile | ParquetFile, ...]
    parse: Callable[[list[str]], Row]

    def __iter__(self) -> Iterator[Row]:
        for file in self.files:
            yield from file.rows(self.parse, Tail())


@dataclass(frozen=True)
class Streams:
    """What is recorded of one coin."""

    books: Rows[L2Book]
    bbos: Rows[Quote]
    trades: Rows[WireTrade]

    @property
    def files(self) -> tuple[CsvFile | ParquetFile, ...]:
        return self.books.files + self.bbos.files + self.trades.files


def find_streams(path: Path, part: Part = ALL) -> dict[str, Streams]:
    """The coins of a recording folder, headers checked; of our own only files of the days asked for.

    Raises:
        DataError: no known format, or a needed column is missing.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; give a folder with a recording")
    streams = _hyperliquid_folder(path) or _own_folder(path, part)
    if streams:
        return streams
    if _own_folder(path, ALL):
        raise NothingRecorded(f"{path}: no books are recorded {between(part)}")
    if any(path.glob("ticks/*/*.csv")):
        raise DataError(
            f"{path}: only ticks are recorded, and they hold no sizes; record with MM_HARVEST_DEPTH_LEVELS=5"
        )
    raise DataError(
        f"{path}: no recording found; expected prices_COIN.csv.gz (with orderbooks_ and trades_), "
        "frames-*.gz as market_maker record writes them, or depth/COIN/YYYY-MM-DD.csv as the harvester writes it"
    )


def _hyperliquid_folder(path: Path) -> dict[str, Streams]:
    def opened(stem: str, columns: tuple[str, ...]) -> tuple[CsvFile, ...]:
        names = (path / f"{stem}.csv.gz", path / f"{stem}.csv")
        return tuple(CsvFile.open(file, columns) for file in names if file.exists())

    prices = [*path.glob("prices_*.csv.gz"), *path.glob("prices_*.csv")]
    coins = sorted({file.name.removeprefix("prices_").split(".csv")[0] for file in prices})
    return {
        coin: Streams(
            Rows(opened(f"orderbooks_{coin}", BOOK_COLUMNS), _book_parser(coin, HL_LEVELS)),
            Rows(opened(f"prices_{coin}", BBO_COLUMNS), _parse_quote),
            Rows(opened(f"trades_{coin}", TRADE_COLUMNS), _trade_parser(coin)),
        )
        for coin in coins
    }


def _own_folder(path: Path, part: Part) -> dict[str, Streams]:
    coins = {coin_of(folder.name) for name in (DEPTH.name, DEPTH.parquet) for folder in path.glob(f"{name}/*")}
    streams = {
        coin: Streams(
            Rows(_days(path, DEPTH, coin, part, OWN_DEPTH_COLUMNS), _book_parser(coin, OWN_LEVELS)),
            Rows((), _parse_quote),
            Rows(_days(path, TRADES, coin, part, OWN_TRADE_COLUMNS), _trade_parser(coin)),
        )
        for coin in sorted(coins)
    }
    return {coin: files for coin, files in streams.items() if files.books.files}


def _days(
    path: Path, family: Family, coin: str, part: Part, columns: tuple[str, ...]
) -> tuple[CsvFile | ParquetFile, ...]:
    """A file a day: Parquet where it stands for all of the CSV, else the CSV."""
    folders = (family.parquet_path(path, coin, date.min).parent, family.csv_path(path, coin, date.min).parent)
    stems = {file.stem for folder in folders for file in (*folder.glob("*.parquet"), *folder.glob("*.csv"))}
    days = []
    for stem in sorted(stems):
        with suppress(ValueError):
            days.append(date.fromisoformat(stem))
    return tuple(_day(path, family, coin, day, columns) for day in days if part.has_day(day))


def _day(path: Path, family: Family, coin: str, day: date, columns: tuple[str, ...]) -> CsvFile | ParquetFile:
    csv, parquet = family.csv_path(path, coin, day), family.parquet_path(path, coin, day)
    stored = ParquetFile(parquet, columns)
    if parquet.exists() and (not csv.exists() or stored.covers(csv)):
        return stored
    return CsvFile.open(csv, columns)


def between(part: Part) -> str:
    """Its days, for people."""
    ends = (part.since and f"from {part.since}", part.until and f"to {part.until}")
    return f"on {part.since}" if part.since == part.until else " ".join(end for end in ends if end)


def _number(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{text!r} is no price or size")
    return value


def _levels(fields: list[str]) -> tuple[WireLevel, ...]:
    """Levels from px, sz, px, sz…; a short book leaves the rest empty."""
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return tuple(WireLevel(_number(px), _number(sz)) for px, sz in pairs if px)


def _book_parser(coin: str, levels: int) -> Callable[[list[str]], L2Book]:
    middle = 1 + 2 * levels

    def parse(fields: list[str]) -> L2Book:
        return L2Book(coin, int(fields[0]), (_levels(fields[1:middle]), _levels(fields[middle:])))

    return parse


def _parse_quote(fields: list[str]) -> Quote:
    time, side, px, sz = fields
    if side not in ("bid", "ask"):
        raise ValueError(f"side {side!r} is neither bid nor ask")
    return int(time), side, WireLevel(_number(px), _number(sz))


def _trade_parser(coin: str) -> Callable[[list[str]], WireTrade]:
    def parse(fields: list[str]) -> WireTrade:
        time, tid, side, px, sz = fields
        if side not in AGGRESSORS:
            raise ValueError(f"side {side!r} is no aggressor")
        return WireTrade(coin, AGGRESSORS[side], _number(px), _number(sz), int(time), int(tid))

    return parse
