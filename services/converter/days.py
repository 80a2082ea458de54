"""One day's CSV into one Parquet file, and the end of a CSV whose Parquet is proven.

    data/FAMILY/COIN/DAY.csv -> data/PARQUET_FAMILY/COIN/DAY.parquet
                             -> data/quarantine/FAMILY/COIN/DAY.tsv   what is no row: number, reason, line

Every step may be repeated: a run that dies leaves the CSV as it was and at most a temporary file.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.converter.parquet import (
    TEMPORARY,
    Manifest,
    Writer,
    check,
    make_durable,
    put_in_place,
    read_manifest,
)
from services.converter.source import DAY_MS, BadLine, DayCsv, Piece
from shared.clock import ms_of_day
from shared.errors import DataError

_BLOCK = 1024 * 1024
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Converted:
    """What became of one CSV."""

    rows: int
    bad_lines: int
    csv_bytes: int
    parquet_bytes: int


class _Disorder(Exception):
    """Rows go back in time."""


class Day:
    """A day file and its places under the data folder."""

    def __init__(self, data_dir: Path, csv: DayCsv) -> None:
        self.csv = csv
        place = Path(csv.path.parent.name) / csv.path.stem
        self.parquet = data_dir / csv.family.parquet / f"{place}.parquet"
        self.quarantine = data_dir / "quarantine" / csv.family.name / f"{place}.tsv"

    def convert(self, still_written: bool) -> Converted | None:
        """Make the Parquet file; None when it is there already. A torn last line of a file that is
        `still_written` is left for the next time; otherwise it counts as a bad line.

        Raises:
            DataError: the CSV is not ours, or there is a Parquet file that was made from something else.
            OSError: as the system says it.
        """
        size = self.csv.path.stat().st_size
        whole = end_of_lines(self.csv.path, size)
        end = whole if still_written else size
        if self._is_made_from(whole, end - whole):
            return None
        digest = sha256(self.csv.path, whole)
        try:
            writer, bad_lines = self._write(end, in_order=True)
        except _Disorder:
            writer, bad_lines = self._write(end, in_order=False)
        with writer:
            manifest = Manifest(
                rows=writer.sum.rows,
                checksum=writer.sum.checksum,
                bad_lines=bad_lines,
                csv_bytes=whole,
                torn_bytes=end - whole,
                csv_sha256=digest,
            )
            parquet_bytes = writer.finish(manifest)
        return Converted(manifest.rows, bad_lines, end, parquet_bytes)

    def remove_csv(self) -> None:
        """Delete the CSV after everything in it was found again in Parquet or quarantine.

        Raises:
            DataError: something was not; the CSV stays.
        """
        manifest = read_manifest(self.parquet)
        size = self.csv.path.stat().st_size
        if manifest is None or manifest.csv_bytes + manifest.torn_bytes != size:
            raise DataError(f"{self.csv.path}: not removed, {self.parquet} does not stand for all of it")
        if sha256(self.csv.path, manifest.csv_bytes) != manifest.csv_sha256:
            raise DataError(f"{self.csv.path}: not removed, it changed since it was converted")
        check(self.parquet, self.csv.family, manifest)
        kept = _count_lines(self.quarantine) if manifest.bad_lines else 0
        if kept != manifest.bad_lines:
            raise DataError(
                f"{self.csv.path}: not removed, {self.quarantine} has {kept} of {manifest.bad_lines} lines"
            )
        self.csv.path.unlink()
        make_durable(self.csv.path.parent)

    def _is_made_from(self, whole: int, torn: int) -> bool:
        """Is the Parquet file up to date? A CSV that has only grown may replace it, another one may not."""
        if not self.parquet.exists():
            return False
        manifest = read_manifest(self.parquet)
        if (
            manifest is None
            or manifest.csv_bytes > whole
            or sha256(self.csv.path, manifest.csv_bytes) != manifest.csv_sha256
        ):
            raise DataError(
                f"{self.parquet} was not made from {self.csv.path}; move one of them away, nothing was changed"
            )
        return manifest.csv_bytes == whole and manifest.torn_bytes >= torn

    def _write(self, end: int, in_order: bool) -> tuple[Writer, int]:
        """The unfinished Parquet file and the number of bad lines, which are in quarantine by then."""
        writer = Writer(self.parquet, self.csv.family)
        quarantine = _Quarantine(self.quarantine)
        try:
            with quarantine:
                rows = quarantine.strained(self.csv.pieces(end))
                writer.write(_ordered(rows) if in_order else self._by_hour(rows, end))
                quarantine.finish()
        except BaseException:
            writer.discard()
            raise
        return writer, quarantine.lines

    def _by_hour(self, rows: Iterable[Any], end: int) -> Iterator[Any]:
        """Sorted rows of a file that is not: one pass per hour, so that no more than an hour is in memory."""
        start_ms = ms_of_day(self.csv.day)
        for hour_ms in range(start_ms, start_ms + DAY_MS, _HOUR_MS):
            parts = []
            for table in rows:
                times = table["timestamp_ms"]
                inside = pc.and_(pc.greater_equal(times, hour_ms), pc.less(times, hour_ms + _HOUR_MS))
                parts.append(table.filter(inside))
            table = pa.concat_tables(parts).combine_chunks()
            yield table.take(pc.sort_indices(table, sort_keys=[("timestamp_ms", "ascending")]))
            rows = (piece.table for piece in self.csv.pieces(end))


class _Quarantine:
    """Bad lines on their way to the quarantine file; the file is made when there is something to keep."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.temporary = target.with_name(target.name + TEMPORARY)
        self.lines = 0

    def __enter__(self) -> "_Quarantine":
        return self

    def __exit__(self, *_: object) -> None:
        self.temporary.unlink(missing_ok=True)

    def strained(self, pieces: Iterable[Piece]) -> Iterator[Any]:
        """The good rows; the bad lines stay here."""
        for piece in pieces:
            if piece.bad:
                self._keep(piece.bad)
            yield piece.table

    def _keep(self, bad: Iterable[BadLine]) -> None:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with self.temporary.open("ab" if self.lines else "wb") as file:
            for line in bad:
                file.write(b"%d\t%s\t%s\n" % (line.number, line.reason.encode(), line.raw))
                self.lines += 1

    def finish(self) -> None:
        if self.lines:
            make_durable(self.temporary)
            put_in_place(self.temporary, self.target)


def _ordered(tables: Iterable[Any]) -> Iterator[Any]:
    """`tables` unchanged, as long as time never goes back."""
    last_ms = -1
    for table in tables:
        if table.num_rows:
            times = table["timestamp_ms"].combine_chunks()
            falls = pc.less(times[1:], times[:-1])
            if times[0].as_py() < last_ms or pc.any(falls, min_count=0).as_py():
                raise _Disorder
            last_ms = times[-1].as_py()
        yield table


def end_of_lines(path: Path, size: int) -> int:
    """Position after the last line end."""
    with path.open("rb") as file:
        end = size
        while end:
            start = max(0, end - _BLOCK)
            file.seek(start)
            cut = file.read(end - start).rfind(b"\n")
            if cut >= 0:
                return start + cut + 1
            end = start
    return 0


def sha256(path: Path, size: int) -> str:
    """Of the first `size` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(_BLOCK, size))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()


def _count_lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
