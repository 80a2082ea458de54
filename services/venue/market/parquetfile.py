"""One converted day of our own, with the face of a `CsvFile`.

The library that reads Parquet is loaded when such a day is opened and not before: it takes 60 MB.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from services.venue.market.csvfile import Tail
from shared.errors import DataError

Row = TypeVar("Row")
BATCH_ROWS = 4096
REMEDY = "convert the day again or leave it out"
_MANIFEST_KEY = b"mm_manifest"


class _Manifest(msgspec.Struct, frozen=True):
    csv_bytes: int
    torn_bytes: int


@dataclass(frozen=True)
class ParquetFile:
    """A file and the columns needed of it, the time first."""

    path: Path
    columns: tuple[str, ...]

    def covers(self, csv: Path) -> bool:
        """Does it stand for every byte of the CSV as that is now?"""
        with self._opened() as file:
            written = (file.metadata.metadata or {}).get(_MANIFEST_KEY)
        if written is None:
            return False
        manifest = msgspec.json.decode(written, type=_Manifest)
        return manifest.csv_bytes + manifest.torn_bytes >= csv.stat().st_size

    def rows(self, parse: Callable[[list[str]], Row], tail: Tail) -> Iterator[Row]:
        """Each row as `parse` makes it from the needed fields, as text as in the CSV; `tail` stays as it is.

        Raises:
            DataError: unreadable, or a row that cannot be understood.
        """
        number = 0
        try:
            with self._opened() as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=list(self.columns), use_threads=False):
                    texts = [[_text(value) for value in batch[name].to_pylist()] for name in self.columns]
                    for fields in zip(*texts, strict=True):
                        number += 1
                        yield parse(list(fields))
        except (ValueError, ArithmeticError, KeyError, OSError) as error:  # Arrow's own are ValueErrors
            raise DataError(f"{self.path}: damaged after row {number}: {error}; {REMEDY}") from error

    def survey(self, time_column: int) -> tuple[int, int, str] | None:
        """(first time, last time, "") of a file; None when it holds no row."""
        with self._opened() as file:
            if not file.metadata.num_rows:
                return None
            last = file.num_row_groups - 1
            name = [self.columns[time_column]]
            first_ms = file.read_row_group(0, columns=name)[0][0].as_py()
            return first_ms, file.read_row_group(last, columns=name)[0][-1].as_py(), ""

    def _opened(self) -> Any:
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.path)
        except (ValueError, OSError) as error:
            raise DataError(f"{self.path}: no readable Parquet: {error}; {REMEDY}") from error


def _text(value: Any) -> str:
    """A float64 of the converter prints as the number that stood in the CSV."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
