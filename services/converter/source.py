"""Reading a day's CSV in pieces of bounded size, keeping what is wrong with it apart.

A piece without a fault is converted by Arrow at once: every field must match what its float64 or int64 prints
as. Where Arrow objects, the piece is read line by line with the same rules, and the bad lines come out with
their reason. Both ways accept the same lines (a property test holds them to it).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from shared.clock import ms_of_day
from shared.data_files import SIDES, Family, Kind
from shared.errors import DataError

PIECE_BYTES = 4 * 1024 * 1024
"""About 80,000 tick rows or 30,000 depth rows; each piece becomes one row group."""
DAY_MS = 86_400_000
MAX_LINE_BYTES = 64 * 1024
_DECIMAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_INTEGER = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
_WORD = r"^[A-Za-z_]+$"
_TEXT = r"^[^\x00-\x1f\x7f]*$"
_DICTIONARY = pa.dictionary(pa.int8(), pa.string())
_TYPES: dict[Kind, Any] = {
    "time": pa.int64(),
    "coin": _DICTIONARY,
    "decimal": pa.float64(),
    "decimal or empty": pa.float64(),
    "id": pa.int64(),
    "side": _DICTIONARY,
    "word": _DICTIONARY,
    "text": pa.string(),
}


def schema_of(family: Family) -> Any:
    """One schema for all files of a family."""
    return pa.schema([(name, _TYPES[kind]) for name, kind in family.columns.items()])


@dataclass(frozen=True)
class BadLine:
    """A line that is kept aside. `number` counts from 1, the header included."""

    number: int
    reason: str
    raw: bytes


@dataclass(frozen=True)
class Piece:
    """Good rows of a stretch of the file, and the bad lines between them."""

    table: Any
    bad: tuple[BadLine, ...]
    lines: int


@dataclass(frozen=True)
class DayCsv:
    """One file of a family, coin and UTC day."""

    family: Family
    path: Path

    @property
    def coin(self) -> str:
        return unquote(self.path.parent.name)

    @property
    def day(self) -> date:
        return date.fromisoformat(self.path.stem)

    def pieces(self, end: int, start: int | None = None) -> Iterator[Piece]:
        """The file up to byte `end`. A last line without its line end is a bad line. With `start`, where a line
        begins, what stands before it is not looked at, the header neither, and lines count from there.

        Raises:
            DataError: the header is not the family's.
        """
        header = f"{self.family.header}\n".encode()
        with self.path.open("rb") as file:
            found = file.read(min(len(header), end))
            if start is not None:
                file.seek(start)
            elif found != header:
                raise DataError(
                    f"{self.path}: unknown header {found[:60]!r}; expected {self.family.header[:60]!r}…; "
                    "move the file out of the data folder"
                )
            number, left, rest = (2, end - len(header), b"") if start is None else (1, end - start, b"")
            while left or rest:
                block = file.read(min(PIECE_BYTES, left))
                if left and not block:
                    raise DataError(f"{self.path}: became shorter while it was read; convert it again")
                left -= len(block)
                data, rest = rest + block, b""
                if left:
                    cut = data.rfind(b"\n") + 1
                    if not cut and len(data) < PIECE_BYTES + MAX_LINE_BYTES:
                        rest = data
                        continue
                    data, rest = (data[:cut], data[cut:]) if cut else (data, b"")
                piece = self._fast(data) or self._slow(data, number)
                number += piece.lines
                yield piece

    # ---- a piece at once ----

    def _fast(self, data: bytes) -> Piece | None:
        """The whole piece by Arrow, or None when anything in it is not exactly as it should be."""
        if b"\r" in data or b"\0" in data or data.startswith(b"\xef\xbb\xbf") or not data.endswith(b"\n"):
            return None
        names = list(self.family.columns)
        try:
            text = pyarrow.csv.read_csv(
                pa.BufferReader(data),
                pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(data) + 1),
                pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
            columns = [self._column(kind, text[name]) for name, kind in self.family.columns.items()]
        except pa.ArrowInvalid:  # a wrong number of fields, no number, no UTF-8
            return None
        lines = data.count(b"\n")
        if text.num_rows != lines or any(column is None for column in columns):
            return None
        return Piece(pa.table(columns, schema=schema_of(self.family)), (), lines)

    def _column(self, kind: Kind, text: Any) -> Any:
        """A column's values if each prints as its text again, else None."""
        if kind == "coin":
            return _constant(self.coin, len(text)) if pc.all(pc.equal(text, self.coin)).as_py() else None
        if kind == "side":
            indices = pc.index_in(text, pa.array(SIDES))
            return None if indices.null_count else _sides(indices)
        if kind in ("word", "text"):
            good = pc.all(pc.match_substring_regex(text, _WORD if kind == "word" else _TEXT), min_count=0).as_py()
            return self._array(kind, text.to_pylist()) if good else None
        if kind == "decimal or empty":
            text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
        if kind.startswith("decimal"):
            values = pc.cast(text, pa.float64())
            same = pc.and_(
                pc.is_finite(values),
                pc.equal(pc.cast(values, pa.string()), pc.replace_substring_regex(text, r"\.0$", "")),
            )
        else:
            values = pc.cast(text, pa.int64())
            same = pc.and_(pc.equal(pc.cast(values, pa.string()), text), pc.greater_equal(values, 0))
            same = pc.and_(same, pc.less(values, 10**18))
            if kind == "time":
                start_ms = ms_of_day(self.day)
                same = pc.and_(same, pc.greater_equal(values, start_ms))
                same = pc.and_(same, pc.less(values, start_ms + DAY_MS))
        return values if pc.all(same, min_count=0).as_py() else None

    # ---- line by line ----

    def _slow(self, data: bytes, number: int) -> Piece:
        columns: list[list[Any]] = [[] for _ in self.family.columns]
        bad = []
        lines = data.split(b"\n")
        torn = lines.pop()
        for i, raw in enumerate(lines):
            try:
                values = self.values(raw)
            except ValueError as error:
                bad.append(BadLine(number + i, str(error), raw))
                continue
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        if torn:
            bad.append(BadLine(number + len(lines), "torn: no line end", torn))
        arrays = [
            self._array(kind, values) for kind, values in zip(self.family.columns.values(), columns, strict=True)
        ]
        table = pa.table(arrays, schema=schema_of(self.family))
        return Piece(table, tuple(bad), len(lines) + bool(torn))

    def values(self, raw: bytes) -> list[Any]:
        """The fields of a good line.

        Raises:
            ValueError: what is wrong with it.
        """
        try:
            fields = raw.decode().split(",")
        except UnicodeDecodeError as error:
            raise ValueError("not UTF-8") from error
        if len(fields) != len(self.family.columns):
            raise ValueError(f"{len(fields)} fields instead of {len(self.family.columns)}")
        return [
            self._value(name, kind, text)
            for (name, kind), text in zip(self.family.columns.items(), fields, strict=True)
        ]

    def _value(self, name: str, kind: Kind, text: str) -> Any:
        if kind == "decimal or empty" and not text:
            return None
        if kind.startswith("decimal"):
            if not _DECIMAL.fullmatch(text):
                raise ValueError(f"{name} is no number")
            value = float(text)
            if value in (float("inf"), float("-inf")) or Decimal(repr(value)) != Decimal(text):
                raise ValueError(f"{name} has more digits than a float64 keeps")
            return value
        if kind == "coin":
            if text != self.coin:
                raise ValueError(f"{name} is not {self.coin}")
            return text
        if kind == "side":
            if text not in SIDES:
                raise ValueError(f"{name} is neither B nor A")
            return text
        if kind == "word":
            if not re.fullmatch(_WORD, text):
                raise ValueError(f"{name} is no word")
            return text
        if kind == "text":
            if not re.fullmatch(_TEXT, text):
                raise ValueError(f"{name} has control characters")
            return text
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"{name} is no whole number")
        if kind == "time" and not 0 <= int(text) - ms_of_day(self.day) < DAY_MS:
            raise ValueError(f"{name} is outside the day of the file")
        return int(text)

    def _array(self, kind: Kind, values: list[Any]) -> Any:
        if kind == "coin":
            return _constant(self.coin, len(values))
        if kind == "side":
            return _sides(pa.array([SIDES.index(value) for value in values], pa.int32()))
        if kind == "word":
            words = sorted(set(values))
            return pa.DictionaryArray.from_arrays(
                pa.array(map(words.index, values), pa.int8()), pa.array(words, pa.string())
            )
        return pa.array(values, _TYPES[kind])


def _constant(text: str, rows: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), rows), pa.array([text]))


def _sides(indices: Any) -> Any:
    if isinstance(indices, pa.ChunkedArray):
        indices = indices.combine_chunks()
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int8()), pa.array(SIDES))
