"""The files of the data folder: which families there are, what a row of each holds, where it lies.

    data/FAMILY/COIN/YYYY-MM-DD.csv               written as it happens (harvester), UTC days of the row's own time
    data/PARQUET_FAMILY/COIN/YYYY-MM-DD.parquet   the same rows, verified (converter)
    data/VENUE                                    whose prices these are
    data/IMPORTED                                 what imported recordings lack, a line each
    data/quarantine/FAMILY/COIN/YYYY-MM-DD.tsv    lines that are no rows: number, reason, line
    data/state/converted                          empty; as old as the last conversion of everything, see CONVERTED

Prices, sizes and money are decimal text in CSV and float64 in Parquet, for DuckDB's convenience: a value is
accepted only if its float64 prints as the same decimal number again, so nothing is lost.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

Kind = Literal["time", "coin", "decimal", "decimal or empty", "id", "side", "word", "text"]
"""`side` is an aggressor, "B" or "A"; a `word` is one of few, such as "bid"; a `text` is any without a comma."""

CONVERTED = Path("state") / "converted"
"""Touched when everything has been converted; before the first success it is as old as the first try."""


@dataclass(frozen=True)
class Family:
    """One kind of file. (`timestamp_ms`, key) is unique in a family and coin; the key is the whole row, or with
    `keyed_by_last_field` its last field."""

    name: str
    parquet: str
    columns: dict[str, Kind]
    ordered: bool = True
    """Rows never go back in time; a trade that a reconnect brought late may."""
    keyed_by_last_field: bool = False
    one_per_time: bool = False
    """The time alone is unique in a coin: of two rows the first counts."""
    remembered: int = 64
    """How many of a file's last rows the harvester knows, so that none enters twice."""
    written_at_once: bool = False
    """Written before the batch is acknowledged; the rest is still on the bus after a crash and may wait."""

    @property
    def header(self) -> str:
        return ",".join(self.columns)

    def csv_path(self, data_dir: Path, coin: str, day: date) -> Path:
        return data_dir / self.name / coin_folder(coin) / f"{day.isoformat()}.csv"

    def parquet_path(self, data_dir: Path, coin: str, day: date) -> Path:
        return data_dir / self.parquet / coin_folder(coin) / f"{day.isoformat()}.parquet"


DEPTH_LEVELS = 5
SIDES = ("B", "A")
_HEAD: dict[str, Kind] = {"timestamp_ms": "time", "coin": "coin"}
_LEVELS: dict[str, Kind] = {
    f"{side}_{field}_{i}": "decimal or empty"
    for side in ("bid", "ask")
    for i in range(1, DEPTH_LEVELS + 1)
    for field in ("px", "sz")
}
TICKS = Family(
    "ticks", "parquet", {**_HEAD, "bid": "decimal", "ask": "decimal", "mid": "decimal", "spread_bps": "decimal"}
)
"""The touch whenever its prices change, and unchanged every 500 ms as long as the feed lives."""
TRADES = Family(
    "trades",
    "parquet_trades",
    {**_HEAD, "px": "decimal", "sz": "decimal", "side": "side", "tid": "id"},
    ordered=False,
    keyed_by_last_field=True,
    remembered=2048,
    written_at_once=True,
)
DEPTH = Family("depth", "parquet_depth", {**_HEAD, **_LEVELS})
FILLS = Family(
    "fills",
    "parquet_fills",
    {
        **_HEAD, "run_id": "text", "mode": "word", "side": "word", "level": "id", "px": "decimal", "sz": "decimal",
        "fee_usd": "decimal", "mid_px": "decimal", "realized_usd": "decimal", "position_sz": "decimal",
        "seq": "id", "fill_id": "text",
    },
    ordered=False,
    keyed_by_last_field=True,
    remembered=2048,
    written_at_once=True,
)  # fmt: skip
"""Our own fills as `messages.Fill` has them (`side` is ours, "bid" or "ask"; `mid_px` stood before the fill; money
to 1e-9 USD)."""
ACCOUNT = Family(
    "account",
    "parquet_account",
    {
        **_HEAD, "run_id": "text", "mode": "word", "position_sz": "decimal", "mark_px": "decimal",
        "realized_usd": "decimal", "unrealized_usd": "decimal", "fees_usd": "decimal", "funding_usd": "decimal",
        "volume_usd": "decimal", "fills": "id", "orders_placed": "id", "orders_canceled": "id",
        "orders_rejected": "id", "max_inv_usd": "decimal", "seen_s": "id", "two_sided_s": "id", "at_limit_s": "id",
        "halted_s": "id",
    },
    one_per_time=True,
    written_at_once=True,
)  # fmt: skip
"""One row a minute and coin, of the last `messages.AccountStatus` of that minute: totals of the session `run_id`
(orders: of the executor's life), and of the minute's seconds how many were seen, had orders resting on both sides,
had a side blocked by the inventory limit, and were halted."""
FAMILIES = (TICKS, TRADES, DEPTH, FILLS, ACCOUNT)
MARKET_FAMILIES = (TICKS, TRADES, DEPTH)
JOURNAL_FAMILIES = (FILLS, ACCOUNT)
"""What the bot did itself, always recorded: a minute of a coin is about 120 bytes (0.17 MB a day), a fill 140."""

VENUE_MARKER = "VENUE"
UNMARKED = "hyperliquid"
"""A folder without the marker was filled by hand or by the predecessor of this bot."""


IMPORT_NOTES = "IMPORTED"


def import_notes(data_dir: Path) -> list[str]:
    """What recordings that were brought into the folder lack, or what was inferred."""
    file = data_dir / IMPORT_NOTES
    return file.read_text().splitlines() if file.exists() else []


def venue_of(data_dir: Path) -> str:
    """The venue whose prices lie in the folder."""
    marker = data_dir / VENUE_MARKER
    return marker.read_text().strip() if marker.exists() else UNMARKED


def coin_folder(coin: str) -> str:
    """A coin's folder name: percent-encoded, so `xyz:TSLA` is `xyz%3ATSLA`."""
    name = quote(coin, safe="")
    return "%2E" + name[1:] if name.startswith(".") else name


def coin_of(folder: str) -> str:
    """The coin of a folder name."""
    return unquote(folder)
