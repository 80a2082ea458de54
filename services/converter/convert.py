"""`python -m services.converter.convert`: the recorded CSV days into Parquet.

Converts every day before today (UTC) that is not converted yet; with `--all` today's files too. Then removes
the CSV of days older than the retention whose Parquet is proven to hold everything, and the market's Parquet that
is older than its own retention, if it has one. Exit code 0: done, 1: an error, 2: there was nothing to do. A
process of its own, because pyarrow is larger than all services together.
"""

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from services.converter.config import ConverterConfig
from services.converter.days import Converted, Day
from services.converter.parquet import TEMPORARY, read_manifest
from services.converter.source import DayCsv
from shared.clock import monotonic_s, utc_day, wall_ms
from shared.config import load
from shared.data_files import CONVERTED, FAMILIES, MARKET_FAMILIES, coin_folder
from shared.errors import ConfigError, DataError, MarketMakerError

OK, ERROR, NOTHING = 0, 1, 2
CONFIGURATION, INTERRUPTED = 4, 130
EXAMPLES = """
examples:
  {prog}                       every finished day that is not converted yet
  {prog} --all --coin BTC      one coin, today too
  {prog} --keep-csv --json     remove nothing; numbers for a script

exit codes: 0 done, 1 an error, 2 there was nothing to do, 4 settings
"""


@dataclass
class Summary:
    """What a run did; printed, or given as JSON."""

    files: int = 0
    rows: int = 0
    bad_lines: int = 0
    csv_bytes: int = 0
    parquet_bytes: int = 0
    up_to_date: int = 0
    removed: int = 0
    expired: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return self.csv_bytes / self.parquet_bytes if self.parquet_bytes else 0.0

    @property
    def mb_per_s(self) -> float:
        return self.csv_bytes / 1e6 / self.seconds if self.seconds else 0.0

    @property
    def exit_code(self) -> int:
        if self.errors:
            return ERROR
        return OK if self.files or self.removed or self.expired else NOTHING

    def add(self, done: Converted) -> None:
        self.files += 1
        self.rows += done.rows
        self.bad_lines += done.bad_lines
        self.csv_bytes += done.csv_bytes
        self.parquet_bytes += done.parquet_bytes

    def text(self) -> str:
        if self.exit_code == NOTHING:
            return f"nothing to convert ({self.up_to_date} files are up to date)"
        parts = [
            f"{self.files} files, {self.rows} rows, {self.csv_bytes / 1e6:.1f} MB CSV -> "
            f"{self.parquet_bytes / 1e6:.1f} MB Parquet (ratio {self.ratio:.1f}), "
            f"{self.seconds:.1f} s, {self.mb_per_s:.0f} MB/s"
        ]
        if self.bad_lines:
            parts.append(f"{self.bad_lines} bad lines kept in quarantine/")
        if self.removed:
            parts.append(f"{self.removed} old CSV files removed")
        if self.expired:
            parts.append(f"{self.expired} old Parquet files removed")
        if self.errors:
            parts.append(f"{len(self.errors)} files failed")
        return "; ".join(parts)

    def json(self) -> str:
        values = {**vars(self), "ratio": round(self.ratio, 2), "mb_per_s": round(self.mb_per_s, 1)}
        return msgspec.json.encode({**values, "seconds": round(self.seconds, 3)}).decode()


def run(config: ConverterConfig, everything: bool, coin: str, keep_csv: bool, show: "Show") -> Summary:
    """Convert and clean up.

    Raises:
        DataError: another conversion is running, or the data folder cannot be written.
        OSError: the data folder cannot be used.
    """
    begun_s, summary, data_dir = monotonic_s(), Summary(), config.data_dir
    today = utc_day(wall_ms())
    with only_one(data_dir):
        converted = _mark(data_dir)
        _sweep(data_dir)
        days = list(_days(data_dir, coin, summary))
        pending = [day for day in days if everything or day.csv.day < today]
        show.begin(sum(day.csv.path.stat().st_size for day in pending))
        for day in pending:
            size = day.csv.path.stat().st_size
            show.at = f"{summary.files + summary.up_to_date} of {len(pending)} files done"
            try:
                done = day.convert(still_written=day.csv.day >= today)
                if done is None:
                    summary.up_to_date += 1
                else:
                    summary.add(done)
                if not keep_csv and today - day.csv.day >= timedelta(days=config.csv_retention_days):
                    day.remove_csv()
                    summary.removed += 1
                show.file(day.csv.path, size, done)
            except (DataError, OSError, pa.ArrowInvalid) as error:
                summary.errors.append(str(error))
                show.problem(str(error))
        if config.parquet_retention_days:
            oldest = today - timedelta(days=config.parquet_retention_days - 1)
            summary.expired = _expire(data_dir, oldest, coin)
        if not (coin or summary.errors):
            converted.touch()
    summary.seconds = monotonic_s() - begun_s
    return summary


def _mark(data_dir: Path) -> Path:
    """The file whose age tells how long ago everything was converted; there from the first try on."""
    mark = data_dir / CONVERTED
    mark.parent.mkdir(exist_ok=True)
    if not mark.exists():
        mark.touch()
    return mark


def _days(data_dir: Path, coin: str, summary: Summary) -> Iterator[Day]:
    for family in FAMILIES:
        for path in sorted((data_dir / family.name).glob("*/*.csv")):
            csv = DayCsv(family, path)
            if coin and unquote(path.parent.name) != coin:
                continue
            try:
                csv.day  # noqa: B018 (the name must be a day)
            except ValueError:
                summary.errors.append(f"{path}: the name is not a day such as 2026-02-22.csv; move it away")
                continue
            yield Day(data_dir, csv)


def _expire(data_dir: Path, oldest: date, coin: str) -> int:
    """Remove the market's Parquet files of days before `oldest`; our own fills and account stay. A file is left
    alone when it is not ours, or while its CSV is there and would bring it back."""
    expired = 0
    for family in MARKET_FAMILIES:
        for path in (data_dir / family.parquet).glob(f"{coin_folder(coin) if coin else '*'}/????-??-??.parquet"):
            csv = data_dir / family.name / path.parent.name / f"{path.stem}.csv"
            with suppress(ValueError, DataError):
                if date.fromisoformat(path.stem) < oldest and not csv.exists() and read_manifest(path):
                    path.unlink()
                    expired += 1
    return expired


def _sweep(data_dir: Path) -> None:
    """Remove the temporary files of a run that was killed."""
    folders = [data_dir / family.parquet for family in FAMILIES]
    folders += [data_dir / "quarantine" / family.name for family in FAMILIES]
    for folder in folders:
        for path in folder.glob(f"*/*{TEMPORARY}"):
            path.unlink()


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """While this lasts nobody else converts or repairs files of the folder.

    Raises:
        DataError: somebody does, or the folder cannot be written.
    """
    lock = data_dir / ".convert.lock"
    try:
        opened = lock.open("w")
    except OSError as error:
        raise DataError(f"{lock}: {error.strerror}; make {data_dir} writable for this user") from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"another conversion of {data_dir} is running; wait until it ends") from error
        yield


class Show:
    """Progress for people: a bar on a terminal, a line per file elsewhere, nothing but problems when quiet."""

    def __init__(self, quiet: bool) -> None:
        console = Console(stderr=True)
        self.at = "nothing was done"
        """How far the work is, should it be interrupted."""
        self._quiet = quiet
        self._bar: Progress | None = None
        if console.is_terminal and not quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, console=console)

    def __enter__(self) -> "Show":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, total_bytes: int) -> None:
        if self._bar:
            self._task = self._bar.add_task("converting", total=total_bytes)

    def file(self, path: Path, size: int, done: Converted | None) -> None:
        if self._bar:
            self._bar.update(self._task, advance=size, description="/".join(path.parts[-3:]))
        elif done and not self._quiet:
            print(f"{path}: {done.rows} rows, {done.csv_bytes} -> {done.parquet_bytes} bytes", flush=True)

    def problem(self, text: str) -> None:
        print(f"error: {text}", file=sys.stderr, flush=True)


def parser(prog: str) -> argparse.ArgumentParser:
    about = argparse.ArgumentParser(
        prog=prog,
        description="Convert recorded CSV days to zstd Parquet, verify, clean up.",
        epilog=EXAMPLES.format(prog=prog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    about.add_argument("--all", action="store_true", help="today's files too (their CSV is kept)")
    about.add_argument("--coin", default="", help="only this coin")
    about.add_argument("--data", type=Path, metavar="DIR", help="the data folder (default: MM_DATA_DIR)")
    about.add_argument("--keep-csv", action="store_true", help="remove no CSV, however old")
    about.add_argument(
        "--retention-days", type=int, metavar="N", help="UTC days of CSV kept (default: MM_CSV_RETENTION_DAYS)"
    )
    about.add_argument(
        "--parquet-retention-days", type=int, metavar="N",
        help="UTC days of market data kept as Parquet, 0: for ever (default: MM_PARQUET_RETENTION_DAYS)",
    )  # fmt: skip
    about.add_argument("--json", action="store_true", help="print only the summary, as JSON")
    about.add_argument("--background", action="store_true", help="one thread at the lowest priority, least memory")
    return about


def main(argv: Sequence[str] | None = None, prog: str = "python -m services.converter.convert") -> int:
    """The command line; returns the exit code."""
    given = parser(prog).parse_args(argv)
    if given.background:
        os.nice(19)
        pa.set_cpu_count(1)
        pa.set_memory_pool(pa.system_memory_pool())  # gives memory back sooner
    try:
        flags: dict[str, Any] = {"data_dir": given.data, "csv_retention_days": given.retention_days}
        flags["parquet_retention_days"] = given.parquet_retention_days
        config = load(ConverterConfig, **flags)
        if not config.data_dir.is_dir():
            raise DataError(f"{config.data_dir}: no such folder; nothing was recorded there yet")
        show = Show(quiet=given.json)
        with show:
            summary = run(config, given.all, given.coin, given.keep_csv, show)
    except KeyboardInterrupt:
        print(f"interrupted: {show.at}; the next run does the rest", file=sys.stderr)
        return INTERRUPTED
    except (MarketMakerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return CONFIGURATION if isinstance(error, ConfigError) else ERROR
    print(summary.json() if given.json else summary.text())
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main())
