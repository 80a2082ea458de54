"""Reading one recorded CSV file, plain or gzipped, without trusting its end.

A recorder that is killed leaves a last line without its newline, or a gzip stream without its trailer. That
tail is left out and reported; the rows before it are good. Damage anywhere else is refused with file, row and
remedy, because nobody can say what is missing.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import IO, TypeVar, cast

from shared.errors import DataError

Row = TypeVar("Row")
TAIL_BYTES = 1 << 16
REMEDY = "cut the file before that row or leave the file out"


@dataclass
class Tail:
    """What was wrong with the end of a file while it was read; empty when nothing."""

    text: str = ""


@dataclass(frozen=True)
class CsvFile:
    """One file and where its needed columns stand."""

    path: Path
    index: tuple[int, ...]
    """Position of each needed column, in the order asked for."""
    width: int

    @classmethod
    def open(cls, path: Path, columns: tuple[str, ...]) -> "CsvFile":
        """Check the header.

        Raises:
            DataError: unreadable, no header line, or a needed column is missing.
        """
        header = next(lines(path, Tail()), None)
        if header is None:
            raise DataError(f"{path}: no complete header line; leave the file out")
        names = header.split(",")
        missing = [name for name in columns if name not in names]
        if missing:
            raise DataError(
                f"{path}: row 1: column {missing[0]!r} is missing (found {header[:80]!r}); "
                "this is not a recording of the known formats"
            )
        return cls(path, tuple(names.index(name) for name in columns), len(names))

    def rows(self, parse: Callable[[list[str]], Row], tail: Tail) -> Iterator[Row]:
        """Each complete row as `parse` makes it from the needed fields; `tail` says what was left out.

        Raises:
            DataError: a row that cannot be understood and is not the torn last one.
        """
        damage = ""
        for number, line in enumerate(lines(self.path, tail), 1):
            if damage:
                raise DataError(f"{self.path}: {damage}; {REMEDY}")
            if number == 1:
                continue
            fields = line.split(",")
            if len(fields) != self.width:
                damage = f"row {number}: {len(fields)} fields instead of {self.width}"
                continue
            try:
                row = parse([fields[i] for i in self.index])
            except (ValueError, ArithmeticError) as error:
                damage = f"row {number}: {str(error) or type(error).__name__} in {line[:60]!r}"
                continue
            yield row
        if damage:
            tail.text = f"{self.path}: last {damage}; left out"

    def survey(self, time_column: int) -> tuple[int, int, str] | None:
        """(first time, last time, what is wrong with the tail) of a file; None when it holds no row.

        A gzip stream must be read to its end for that; of a plain file both ends are enough.
        """
        tail = Tail()

        def time_of(fields: list[str]) -> int:
            return int(fields[time_column])

        times = self.rows(time_of, tail)
        first = next(times, None)
        if first is None:
            return None
        if self.path.suffix == ".gz":
            last = max(times, default=first)
            return first, last, tail.text
        return first, *self._last_time(time_column, first)

    def _last_time(self, time_column: int, first: int) -> tuple[int, str]:
        """Time of the last complete row of a plain file, and what is wrong after it."""
        with self.path.open("rb") as file:
            size = file.seek(0, SEEK_END)
            file.seek(max(size - TAIL_BYTES, 0))
            *rows, rest = file.read().split(b"\n")
        text = f"{self.path}: the last row is torn (no line end); left out" if rest else ""
        for line in reversed(rows[1:]):
            fields = line.decode(errors="replace").rstrip("\r").split(",")
            field = fields[self.index[time_column]] if len(fields) == self.width else ""
            if field.isdecimal():
                return int(field), text
            text = f"{self.path}: the last row is damaged; left out"
        return first, text


def lines(path: Path, tail: Tail) -> Iterator[str]:
    """Complete lines without their line ends."""
    number = 0
    try:
        with _open(path) as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    tail.text = f"{path}: row {number} is torn (no line end); left out"
                    return
                yield raw.rstrip(b"\r\n").decode()
    except EOFError:
        tail.text = f"{path}: the gzip stream is truncated after row {number}; the rows before it are used"
    except (OSError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: damaged after row {number}: {error}; {REMEDY}") from error


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
