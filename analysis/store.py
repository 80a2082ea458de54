"""A recorded data folder as tables for DuckDB: `ticks`, `trades`, `depth`, `fills`, `account`.

Each coin and day is read once: from Parquet where it stands for all of the CSV, else from the CSV, by the
converter's own rules for what is a row. A CSV that is still written is read up to where it ends now. Left out and
counted: lines that are no rows, rows that go back in time, crossed books, prices ten times away from all around
them, trades with an id seen before.

Memory is bounded (`memory_mb`); what does not fit goes to `data/state/tmp`, which is emptied on closing.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.outliers import FACTOR, far_away
from services.converter.parquet import read_manifest
from services.converter.source import DayCsv, schema_of
from shared.data_files import FAMILIES, MARKET_FAMILIES, TICKS, Family, Kind, coin_folder, coin_of
from shared.errors import DataError

FRESH_MS = 2000
"""A tick stands for so long: an unchanged touch is written every 500 ms, so a longer silence is a hole."""
HOUR_MS = 3_600_000
TEMPORARY = Path("state") / "tmp"
"""In the data folder."""
_BY_NAME = {family.name: family for family in FAMILIES}
_NAMES = re.compile(rf"\b({'|'.join(_BY_NAME)})\b", re.IGNORECASE)
_TYPES: dict[Kind, str] = {"time": "BIGINT", "id": "BIGINT", "decimal": "DOUBLE", "decimal or empty": "DOUBLE"}
_KEEP = {"ticks": "bid > 0 AND bid < ask", "depth": "bid_px_1 < ask_px_1"}
"""Books whose sides do not cross; the venue never shows others."""


class Skipped(NamedTuple):
    """Something that was left out: where, why, and how many rows (None: a whole file)."""

    where: str
    reason: str
    rows: int | None


class _Source(NamedTuple):
    coin: str
    path: Path


class Store:
    """An open data folder; close it, or use it in a `with` block. Made by `open_store`."""

    def __init__(
        self,
        data_dir: Path,
        coins: Collection[str] | None,
        since: date | None,
        until: date | None,
        memory_mb: int,
        threads: int | None,
    ) -> None:
        self.data_dir = data_dir
        self._asked, self._since, self._until = coins and set(coins), since, until
        self._skipped: list[Skipped] = []
        self._sources: dict[str, list[_Source]] = {}
        self._views: set[str] = set()
        self._tmp, self._lock = _own_folder(data_dir)
        self._duckdb = duckdb.connect(
            config={
                "memory_limit": f"{memory_mb}MB",
                "threads": threads or os.cpu_count() or 1,
                "temp_directory": str(self._tmp / "spilled"),
                "preserve_insertion_order": True,
            }
        )
        named = sorted({source.coin for source in self._files(TICKS)})
        self.coins: tuple[str, ...] = tuple(coin for coin in named if self._any_ticks(coin))
        """Those with ticks in the days asked for."""
        for coin in self.coins:
            self._leave_out_far_prices(coin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._duckdb.close()
        shutil.rmtree(self._tmp, ignore_errors=True)
        os.close(self._lock)

    # ---- asking ----

    def sql(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """DuckDB's answer (`.fetchall()`, `.df()`, …); good until the next query. The five tables are views by
        their names, opened when a query first says them."""
        for name in _NAMES.findall(query):
            self._open_view(name.lower())
        return self._duckdb.execute(query, parameters)

    def arrays(self, query: str, parameters: object = None) -> dict[str, NDArray[Any]]:
        """The answer by columns; NULL in a number is NaN."""
        columns = self.sql(query, parameters).fetchnumpy()
        return {
            name: np.ma.filled(values.astype(float), np.nan) if np.ma.isMaskedArray(values) else values
            for name, values in columns.items()
        }

    def of(self, name: str, coin: str) -> str:
        """One coin's rows of a table, as a subquery that opens only its files; all but trades in order of time."""
        family = _BY_NAME[name]
        return f"({_select(family, [source.path for source in self._files(family) if source.coin == coin])})"

    @cached_property
    def span(self) -> tuple[int, int]:
        """Time of the first and last tick (ms)."""
        first, last = self.sql("SELECT min(timestamp_ms), max(timestamp_ms) FROM ticks").fetchall()[0]
        if first is None:
            raise DataError(f"{self.data_dir}: its ticks files hold no rows; let the bot record first")
        return int(first), int(last)

    @cached_property
    def hours(self) -> dict[str, float]:
        """Hours of data of each coin: time during which a tick not older than `FRESH_MS` stood."""
        return {coin: self._hours_of(coin) for coin in self.coins}

    def _hours_of(self, coin: str) -> float:
        times = self.arrays(f"SELECT timestamp_ms FROM {self.of('ticks', coin)}")["timestamp_ms"]
        gaps = np.diff(times)
        return float(gaps[(gaps > 0) & (gaps <= FRESH_MS)].sum() / HOUR_MS)

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """All that was left out of ticks and trades, and of what else was opened."""
        found = []
        for coin in self.coins:
            ticks, kept = self._raw("ticks", coin), _KEEP["ticks"]
            crossed = self._count(f"SELECT count(*) FROM ({ticks}) WHERE NOT ({kept})")
            twice = self._count(f"SELECT count(*) - count(DISTINCT tid) FROM ({self._raw('trades', coin)})")
            found += [Skipped(f"ticks of {coin}", "crossed book", crossed)] if crossed else []
            found += [Skipped(f"trades of {coin}", "a trade that is there already", twice)] if twice else []
        return (*self._skipped, *found)

    def _any_ticks(self, coin: str) -> bool:
        """A file may hold its header only, or books that are none."""
        return bool(self._duckdb.execute(f"SELECT 1 FROM {self.of(TICKS.name, coin)} LIMIT 1").fetchall())

    def _leave_out_far_prices(self, coin: str) -> None:
        """One price ten times away would be most of a volatility. Files that have such get a copy without."""
        least, most = self._duckdb.execute(
            f"SELECT min(mid), max(mid) FROM {self.of(TICKS.name, coin)}"
        ).fetchall()[0]
        if least > 0 and most < FACTOR * least:
            return
        sources = [source for source in self._files(TICKS) if source.coin == coin]
        queries = [f"SELECT mid FROM ({_select(TICKS, [source.path])})" for source in sources]
        mids = [np.asarray(self._duckdb.execute(query).fetchnumpy()["mid"]) for query in queries]
        far, first = far_away(np.concatenate(mids)), 0
        for source, of_file in zip(sources, mids, strict=True):
            inside = far[(far >= first) & (far < first + len(of_file))] - first
            if len(inside):
                clean = _Source(coin, self._without(source, inside))
                self._sources[TICKS.name][self._sources[TICKS.name].index(source)] = clean
            first += len(of_file)
        if len(far):
            reason = f"price {FACTOR:.0f} times away from those around it"
            self._skipped.append(Skipped(f"ticks of {coin}", reason, len(far)))

    def _without(self, source: _Source, places: NDArray[np.intp]) -> Path:
        """A copy of a file without these of its good rows."""
        table = pq.read_table(source.path, partitioning=None).combine_chunks()
        bid, ask = table["bid"].to_numpy(), table["ask"].to_numpy()
        good = np.flatnonzero((bid > 0) & (bid < ask))
        kept = np.ones(table.num_rows, np.bool_)
        kept[good[places]] = False
        target = self._tmp / "clean" / coin_folder(source.coin) / source.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.filter(pa.array(kept)), target, compression="lz4")
        return target

    def _count(self, query: str) -> int:
        return int(self._duckdb.execute(query).fetchall()[0][0])

    def _raw(self, name: str, coin: str) -> str:
        family = _BY_NAME[name]
        return _rows(family, [source.path for source in self._files(family) if source.coin == coin])

    # ---- files ----

    def _open_view(self, name: str) -> None:
        if name not in self._views:
            family = _BY_NAME[name]
            rows = _select(family, [source.path for source in self._files(family)])
            self._duckdb.execute(f"CREATE TEMP VIEW {name} AS {rows}")
            self._views.add(name)

    def _files(self, family: Family) -> list[_Source]:
        """Parquet files that hold the family's days, by coin and day; CSVs are copied into such on first use."""
        if family.name not in self._sources:
            found = [self._source(family, coin, day) for coin, day in self._days(family)]
            self._sources[family.name] = [source for source in found if source is not None]
        return self._sources[family.name]

    def _days(self, family: Family) -> list[tuple[str, date]]:
        found = set()
        for folder, suffix in ((family.parquet, ".parquet"), (family.name, ".csv")):
            for path in (self.data_dir / folder).glob(f"*/*{suffix}"):
                coin, day = coin_of(path.parent.name), _day_of(path)
                if day is None:
                    self._skip(path, "its name is not a day such as 2026-02-22")
                elif self._wants(coin, day):
                    found.add((coin, day))
        return sorted(found)

    def _wants(self, coin: str, day: date) -> bool:
        return (
            (not self._asked or coin in self._asked)
            and (self._since is None or day >= self._since)
            and (self._until is None or day <= self._until)
        )

    def _source(self, family: Family, coin: str, day: date) -> _Source | None:
        csv, parquet = family.csv_path(self.data_dir, coin, day), family.parquet_path(self.data_dir, coin, day)
        if parquet.exists() and self._stands_for(parquet, csv):
            return _Source(coin, parquet)
        if not csv.exists():
            return None
        try:
            return _Source(coin, self._copied(DayCsv(family, csv)))
        except (DataError, OSError) as error:
            self._skip(csv, str(error))
            return None

    def _stands_for(self, parquet: Path, csv: Path) -> bool:
        """Does a Parquet file hold all of what its CSV holds by now?"""
        try:
            manifest = read_manifest(parquet)
            if not csv.exists():
                return True
            return manifest is not None and manifest.csv_bytes + manifest.torn_bytes >= csv.stat().st_size
        except (DataError, OSError) as error:
            self._skip(parquet, str(error))
            return False

    def _copied(self, csv: DayCsv) -> Path:
        """A CSV's good rows as a Parquet file of ours; a last line without its end is not one."""
        target = self._tmp / csv.family.name / coin_folder(csv.coin) / f"{csv.day}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        latest_ms, back, bad = -1, 0, 0
        with pq.ParquetWriter(target, schema_of(csv.family), compression="lz4") as writer:
            for piece in csv.pieces(csv.path.stat().st_size):
                table, bad = piece.table, bad + sum(not line.reason.startswith("torn") for line in piece.bad)
                if csv.family.ordered and table.num_rows:
                    times = table["timestamp_ms"].to_numpy()
                    newest = np.maximum.accumulate(np.maximum(times, latest_ms))
                    table, latest_ms = table.filter(pa.array(times == newest)), int(newest[-1])
                    back += piece.table.num_rows - table.num_rows
                writer.write_table(table)
        for rows, reason in ((bad, "line that is no row"), (back, "row that goes back in time")):
            if rows:
                self._skip(csv.path, reason, rows)
        return target

    def _skip(self, path: Path, reason: str, rows: int | None = None) -> None:
        self._skipped.append(Skipped(str(path.relative_to(self.data_dir)), reason, rows))


def open_store(
    data_dir: Path,
    coins: Collection[str] | None = None,
    since: date | None = None,
    until: date | None = None,
    memory_mb: int = 512,
    threads: int | None = None,
    some: bool = False,
) -> Store:
    """Open a data folder: all its coins and days, or those asked for (UTC days, both ends included); with `some`
    one of the coins is enough.

    Raises:
        DataError: there is nothing to read; names the folder and the remedy.
    """
    record = "./start_mm_bot.sh records there, market_maker import-recording brings a recording in"
    if not data_dir.is_dir():
        raise DataError(f"{data_dir}: no such folder; {record}, or name another one with --data or MM_DATA_DIR")
    if not any(any((data_dir / name).glob("*/*")) for f in MARKET_FAMILIES for name in (f.name, f.parquet)):
        raise DataError(f"{data_dir}: nothing was recorded there yet; {record}")
    store = Store(data_dir, coins, since, until, memory_mb, threads)
    try:
        missing = sorted(set(coins or ()) - set(store.coins))
        if not store.coins or (missing and not some):
            what = f"no ticks of {', '.join(missing)}" if missing else "no ticks"
            days = " in the days asked for" if since or until else ""
            raise DataError(f"{data_dir}: {what}{days}; there are {_overview(data_dir)}")
    except BaseException:
        store.close()
        raise
    return store


def recorded_coins(data_dir: Path) -> list[str]:
    """All with files of ticks, whatever their days."""
    paths = [path for name in (TICKS.name, TICKS.parquet) for path in (data_dir / name).glob("*")]
    return sorted({coin_of(path.name) for path in paths})


def _overview(data_dir: Path) -> str:
    paths = [path for name in (TICKS.name, TICKS.parquet) for path in (data_dir / name).glob("*/*")]
    coins, days = sorted({coin_of(path.parent.name) for path in paths}), sorted({path.stem for path in paths})
    named = ", ".join(coins[:10]) + (f" and {len(coins) - 10} more" if len(coins) > 10 else "")
    return f"{named}, {days[0]} to {days[-1]}" if days else "none at all"


def _day_of(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        return None


def _select(family: Family, paths: list[Path]) -> str:
    """The family's good rows. A trade has one day, so a second one of its id stands in the same file."""
    rows = _rows(family, paths)
    if family.keyed_by_last_field:
        return f"SELECT DISTINCT ON (coin, timestamp_ms, {list(family.columns)[-1]}) * FROM ({rows})"
    return f"{rows} WHERE {_KEEP[family.name]}" if family.name in _KEEP else rows


def _rows(family: Family, paths: list[Path]) -> str:
    columns = [f"{name}::{_TYPES.get(kind, 'VARCHAR')} AS {name}" for name, kind in family.columns.items()]
    if not paths:
        empty = [f"NULL::{_TYPES.get(kind, 'VARCHAR')} AS {name}" for name, kind in family.columns.items()]
        return f"SELECT * FROM (SELECT {', '.join(empty)} WHERE false)"
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"SELECT * FROM (SELECT {', '.join(columns)} FROM read_parquet([{files}], hive_partitioning = false))"


def _own_folder(data_dir: Path) -> tuple[Path, int]:
    """A folder for this store alone and the lock that says it is in use; those of dead processes go."""
    place = data_dir / TEMPORARY
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path in place.iterdir():
            _remove_if_dead(path)
        folder = Path(tempfile.mkdtemp(prefix="store-", dir=place))
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataError(
            f"{place}: cannot be written ({error}); the analysis needs it for what exceeds its memory"
        ) from error
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _remove_if_dead(folder: Path) -> None:
    with suppress(OSError):  # in use, or somebody else was faster
        lock = os.open(folder / "lock", os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(lock)
