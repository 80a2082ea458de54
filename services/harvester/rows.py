"""How a row is written, and in which file it belongs.

A price or size stands as the venue writes it (`109755.0`). `mid` is exact; `spread_bps` is touch to touch
relative to the mid, rounded to four decimals. Money is rounded to 1e-9 USD, and to the fifteen digits that a
float64 always keeps.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

from shared.clock import utc_day
from shared.data_files import ACCOUNT, DEPTH, DEPTH_LEVELS, FILLS, TICKS, TRADES, Family
from shared.messages import Book, CoinStatus, Fill, Level, Mode, Trade
from shared.units import exact, wire

_BPS = Decimal(10_000)
_SPREAD_STEP = Decimal("0.0001")
_USD_STEP = Decimal("1e-9")
_KEPT = Context(prec=15, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file, without its line end. (`time_ms`, `key`) is unique in the family and coin."""

    family: Family
    coin: str
    time_ms: int
    key: str
    line: str


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


def fill_row(fill: Fill, run_id: str) -> Row:
    fields = (
        fill.time_ms, fill.coin, run_id, fill.mode, fill.side, fill.level, wire(fill.px), wire(fill.sz),
        usd(fill.fee_usd), wire(fill.mid_px), usd(fill.realized_usd), wire(fill.position_sz), fill.seq,
        fill.fill_id,
    )  # fmt: skip
    return Row(FILLS, fill.coin, fill.time_ms, fill.fill_id, ",".join(map(str, fields)))


def account_row(
    minute_ms: int, run_id: str, mode: Mode, coin: CoinStatus, max_inv_usd: float, seconds: tuple[int, ...]
) -> Row:
    """`seconds`: seen, two-sided, at the limit, halted."""
    money = (coin.realized_usd, coin.unrealized_usd, coin.fees_usd, coin.funding_usd, coin.volume_usd)
    fields = (
        minute_ms, coin.coin, run_id, mode, wire(coin.position_sz), wire(coin.mark_px), *map(usd, money),
        coin.fills, coin.orders_placed, coin.orders_canceled, coin.orders_rejected, wire(exact(max_inv_usd)),
        *seconds,
    )  # fmt: skip
    return Row(ACCOUNT, coin.coin, minute_ms, "", ",".join(map(str, fields)))


def usd(value: Decimal) -> str:
    return wire(_KEPT.plus(value.quantize(_USD_STEP)))


def row_key(family: Family, line: str) -> str:
    """The key of a row that is read back."""
    if family.one_per_time:
        return ""
    return line.rsplit(",", 1)[1] if family.keyed_by_last_field else line


def day_path(data_dir: Path, row: Row) -> Path:
    """The file of a row."""
    return row.family.csv_path(data_dir, row.coin, utc_day(row.time_ms))
