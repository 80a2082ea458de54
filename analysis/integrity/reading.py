"""One day file as it is: which line is a row, which is not, what is wrong with each.

Memory: 33 bytes for each row and 9 for each bad line, beside one piece of the converter's (4 MB of text): a coin's
day of a million ticks takes 50 MB while it is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from analysis.integrity.content import (
    FAULTS,
    NO_TOUCH,
    Flags,
    Floats,
    Integers,
    Touch,
    faults,
    floats,
    outliers,
)
from analysis.integrity.header import head_of
from analysis.integrity.lines import kind_of
from services.converter.days import end_of_lines
from services.converter.parquet import row_numbers
from services.converter.source import DayCsv, schema_of
from shared.data_files import TICKS, Family

BLOCK_ROWS = 3
"""So many rows in a row that are there already are a block."""
FUTURE_MS = 60_000
"""A venue's clock may be ahead of ours."""
Hashes = npt.NDArray[np.uint64]
_Number = TypeVar("_Number", np.int64, np.uint64, np.uint8, np.float64)


@dataclass
class Rows:
    """The rows of a day file, good or not, in the order of the file."""

    number: Integers
    """Line counted from the first one after the header, from 1; rows of a Parquet file count likewise."""
    time_ms: Integers
    key: Hashes
    full: Hashes
    fault: npt.NDArray[np.uint8]
    """Index in FAULTS."""
    outliers: int = 0
    touch: Touch = NO_TOUCH
    """Of a tick file: its good rows."""

    @property
    def good(self) -> Flags:
        return np.asarray(self.fault == 0, np.bool_)

    @property
    def times(self) -> Integers:
        """Of the good rows, sorted."""
        return np.sort(self.time_ms[self.good])

    def count(self, fault: str) -> tuple[int, int]:
        """How many rows have a fault, and the number of the first."""
        where = np.flatnonzero(self.fault == FAULTS.index(fault))
        return len(where), int(self.number[where[0]]) if len(where) else 0

    def steps_back(self) -> tuple[int, int]:
        """How often time goes back from one good row to the next, and where first."""
        good = np.flatnonzero(self.good)
        falls = np.flatnonzero(np.diff(self.time_ms[good]) < 0)
        return len(falls), int(self.number[good[falls[0] + 1]]) if len(falls) else 0

    def conflicts(self) -> tuple[int, int]:
        """How many good rows share their key with another good row that says something else."""
        good = np.flatnonzero(self.good)
        order = good[np.argsort(self.key[good], kind="stable")]
        same = np.flatnonzero(self.key[order][1:] == self.key[order][:-1]) + 1
        return len(same), int(self.number[order[same]].min()) if len(same) else 0


@dataclass
class Reading:
    """A CSV file, read to the end. `header` is empty when it is ours, else what is wrong with it; without a `body`
    (the byte where the rows begin) nothing in the file is known to be ours."""

    csv: DayCsv
    size: int
    header: str = ""
    body: int | None = None
    end: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    """Number (as in Rows) and kind of each line that is no row."""
    rows: Rows = field(default_factory=lambda: _Collector(TICKS, NO_TOUCH, 0).rows())

    @property
    def is_empty(self) -> bool:
        return self.body is not None and self.body >= self.end


def read_csv(csv: DayCsv, now_ms: int, touch: Touch = NO_TOUCH, still_written: bool = False) -> Reading:
    """Look at every line of a CSV; at whole lines only while it is `still_written`.

    Raises:
        OSError: as the system says it.
        DataError: it became shorter meanwhile.
    """
    size = csv.path.stat().st_size
    end = end_of_lines(csv.path, size) if still_written else size
    header, body = head_of(csv, end)
    reading = Reading(csv, size, header, body, end)
    if body is None or body >= end:
        return reading
    collector, first = _Collector(csv.family, touch, now_ms), 1
    for piece in csv.pieces(end, body):
        reading.bad += [(bad.number, kind_of(csv, bad, now_ms)) for bad in piece.bad]
        numbers = np.arange(first, first + piece.lines)
        collector.add(piece.table, np.delete(numbers, [bad.number - first for bad in piece.bad]))
        first += piece.lines
    reading.rows = collector.rows()
    return reading


def read_parquet(path: Path, family: Family, now_ms: int, touch: Touch = NO_TOUCH) -> Rows:
    """The rows of a Parquet file whose columns are the family's."""
    collector, first = _Collector(family, touch, now_ms), 1
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False).select(list(family.columns))
            table = table.cast(schema_of(family))
            collector.add(table, np.arange(first, first + table.num_rows))
            first += table.num_rows
    return collector.rows()


class _Collector:
    """Rows piece by piece."""

    def __init__(self, family: Family, touch: Touch, now_ms: int) -> None:
        self._family, self._touch, self._now_ms = family, touch, now_ms
        self._parts: list[Rows] = []
        self._mids: list[Floats] = []
        self._outliers = 0

    def add(self, table: Any, numbers: Integers) -> None:
        if not table.num_rows:
            return
        fault = faults(self._family, table, self._touch)
        time_ms = np.asarray(table["timestamp_ms"].to_numpy(), np.int64)
        fault[time_ms > self._now_ms + FUTURE_MS] = FAULTS.index("future_time")
        full = _numbers(table)
        key = full
        if self._family.keyed_by_last_field:
            key = _numbers(table.select(["timestamp_ms", table.column_names[-1]]))
        self._parts.append(Rows(numbers, time_ms, key, full, fault))
        self._outliers += int((outliers(self._family, table, self._touch) & (fault == 0)).sum())
        if self._family is TICKS:
            self._mids.append(floats(table, "mid"))

    def rows(self) -> Rows:
        fault = _joined([part.fault for part in self._parts], np.uint8)
        number = _joined([part.number for part in self._parts], np.int64)
        full = _joined([part.full for part in self._parts], np.uint64)
        _mark_duplicates(number, full, fault)
        time_ms = _joined([part.time_ms for part in self._parts], np.int64)
        key = _joined([part.key for part in self._parts], np.uint64)
        mids = _joined(self._mids, np.float64)
        touch = NO_TOUCH
        if self._family is TICKS:
            good = np.flatnonzero(fault == 0)
            order = good[np.argsort(time_ms[good], kind="stable")]
            touch = Touch(time_ms[order], mids[order])
        return Rows(number, time_ms, key, full, fault, self._outliers, touch)


def _joined(parts: Sequence[npt.NDArray[_Number]], kind: type[_Number]) -> npt.NDArray[_Number]:
    return np.concatenate([np.empty(0, kind), *parts])


def _numbers(table: Any) -> Hashes:
    return np.asarray(row_numbers(table).to_numpy(zero_copy_only=False), np.uint64)


def _mark_duplicates(number: Integers, full: Hashes, fault: npt.NDArray[np.uint8]) -> None:
    """The first of equal rows stays; `BLOCK_ROWS` repeated lines one after the other are a block."""
    good = np.flatnonzero(fault == 0)
    order = good[np.argsort(full[good], kind="stable")]
    again = np.sort(order[1:][full[order[1:]] == full[order[:-1]]])
    if not len(again):
        return
    runs = np.split(again, np.flatnonzero(np.diff(number[again]) != 1) + 1)
    for run in runs:
        fault[run] = FAULTS.index("duplicate_block" if len(run) >= BLOCK_ROWS else "duplicate_row")
