"""The three CSV families: their headers, how a row is written, and in which file it belongs.

A price or size stands as the venue writes it (`109755.0`). `mid` is exact; `spread_bps` is touch to touch
relative to the mid, rounded to four decimals. Files are UTC days of the row's own (venue) time.
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from shared.clock import utc_day
from shared.messages import Book, Level, Trade
from shared.units import wire

DEPTH_LEVELS = 5
_BPS = Decimal(10_000)
_SPREAD_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of file. `remembered` is how many of its last rows are known, so that none enters twice."""

    name: str
    header: str
    remembered: int
    ordered: bool
    """Rows never go back in time; a trade that a reconnect brought late may."""
    keyed_by_last_field: bool = False
    """The row's identity at its time is the last field (a trade's `tid`) and not the whole row."""
    written_at_once: bool = False
    """Written before the batch is acknowledged; the rest is still on the bus after a crash and may wait."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file, without its line end. (`time_ms`, `key`) is unique in the family and coin."""

    family: Family
    coin: str
    time_ms: int
    key: str
    line: str


_SIDES = ",".join(
    f"{side}_{field}_{i}" for side in ("bid", "ask") for i in range(1, DEPTH_LEVELS + 1) for field in ("px", "sz")
)
TICKS = Family("ticks", "timestamp_ms,coin,bid,ask,mid,spread_bps", remembered=64, ordered=True)
TRADES = Family(
    "trades",
    "timestamp_ms,coin,px,sz,side,tid",
    remembered=2048,
    ordered=False,
    keyed_by_last_field=True,
    written_at_once=True,
)
DEPTH = Family("depth", f"timestamp_ms,coin,{_SIDES}", remembered=64, ordered=True)
FAMILIES = (TICKS, TRADES, DEPTH)


def tick_row(book: Book) -> Row:
    """The touch of a book that has both sides."""
    bid, ask = book.bids[0].px, book.asks[0].px
    mid = (bid + ask) / 2
    spread_bps = ((ask - bid) / mid * _BPS).quantize(_SPREAD_STEP)
    line = f"{book.time_ms},{book.coin},{wire(bid)},{wire(ask)},{wire(mid)},{wire(spread_bps)}"
    return Row(TICKS, book.coin, book.time_ms, line, line)


def depth_row(book: Book, levels: int) -> Row:
    """The best `levels` of both sides; what a side does not have stays empty."""
    line = f"{book.time_ms},{book.coin},{_side(book.bids[:levels])},{_side(book.asks[:levels])}"
    return Row(DEPTH, book.coin, book.time_ms, line, line)


def _side(levels: tuple[Level, ...]) -> str:
    fields = [text for level in levels for text in (wire(level.px), wire(level.sz))]
    return ",".join(fields + [""] * (2 * DEPTH_LEVELS - len(fields)))


def trade_row(coin: str, trade: Trade) -> Row:
    key = str(trade.tid)
    line = f"{trade.time_ms},{coin},{wire(trade.px)},{wire(trade.sz)},{trade.side},{key}"
    return Row(TRADES, coin, trade.time_ms, key, line)


def row_key(family: Family, line: str) -> str:
    """The key of a row that is read back."""
    return line.rsplit(",", 1)[1] if family.keyed_by_last_field else line


def coin_folder(coin: str) -> str:
    """A coin's folder name: percent-encoded, so `xyz:TSLA` is `xyz%3ATSLA`; `urllib.parse.unquote` undoes it."""
    name = quote(coin, safe="")
    return "%2E" + name[1:] if name.startswith(".") else name


def day_path(data_dir: Path, row: Row) -> Path:
    """`data_dir/FAMILY/COIN/YYYY-MM-DD.csv`."""
    return data_dir / row.family.name / coin_folder(row.coin) / f"{utc_day(row.time_ms).isoformat()}.csv"
