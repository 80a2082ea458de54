"""A damaged CSV written anew: its good rows byte by byte as they were, each once, by time.

Memory: 16 bytes a line beside what reading takes; the file itself is mapped, and lines in the wrong file are held.
"""

import mmap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analysis.integrity.content import FAULTS, Integers
from analysis.integrity.lines import Stray, mend, stray
from analysis.integrity.originals import keep, put_away, replace
from analysis.integrity.reading import Reading
from services.converter.source import DayCsv

_BLOCK = 16 * 1024 * 1024
TIME_DIGITS = 13


@dataclass
class Plan:
    """What is to become of the lines of a file that are no good rows."""

    reading: Reading
    lines: int = 0
    mended: dict[int, bytes] = field(default_factory=dict)
    """By number: the row in a bad line."""
    strays: dict[int, Stray] = field(default_factory=dict)
    """By number: rows of other files."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Lines without a good row, by kind."""
    staying: set[int] = field(default_factory=set)
    """Strays that cannot go home now."""

    def drop_stray(self, number: int) -> None:
        """It is not moved: nothing speaks for its home."""
        self.dropped[f"{self.strays.pop(number).kind} (not moved, its price is not shown to fit there)"] += 1

    @property
    def sorts(self) -> bool:
        return self.reading.csv.family.ordered and bool(self.reading.rows.steps_back()[0])

    @property
    def changes(self) -> bool:
        """Is there anything to do?"""
        gone = len(self.strays) > len(self.staying)
        return bool(self.reading.header or self.mended or self.dropped or gone or self.sorts)


def plan(reading: Reading, data_dir: Path) -> Plan:
    """Look at every line that is no good row."""
    made = Plan(reading)
    for fault in FAULTS[1:]:
        if n := reading.rows.count(fault)[0]:
            made.dropped[fault] += n
    made.lines = len(reading.rows.number) + len(reading.bad)
    if not reading.bad:
        return made
    with _Lines(reading) as lines:
        for number, kind in reading.bad:
            raw = lines[number]
            whole = None if kind == "torn_row" else mend(reading.csv, raw)
            home = stray(reading.csv, data_dir, raw, kind) if kind in ("wrong_day", "wrong_coin") else None
            if whole is not None:
                made.mended[number] = whole
            elif home is not None:
                made.strays[number] = home
            else:
                made.dropped[kind] += 1
    return made


def rewrite(planned: Plan, data_dir: Path, incoming: Sequence[bytes] = (), keep_strays: bool = False) -> int:
    """Carry out a plan, with rows of other files added that are not there yet; with `keep_strays` those that leave
    stay for now, so that a crash loses none. Returns how many rows came in.

    A file that would have no row left is put away.
    """
    reading = planned.reading
    csv, rows = reading.csv, reading.rows
    exists = csv.path.exists()
    stay = set(planned.strays) if keep_strays else planned.staying
    with _Lines(reading) as lines:
        held = np.array(sorted([*rows.number[rows.good], *stay]), np.int64)
        known = dict(zip(rows.number.tolist(), rows.time_ms.tolist(), strict=True)) if stay else {}
        held_ms = (
            np.array([known.get(number) or _time_of(lines[number]) for number in held.tolist()], np.int64)
            if stay
            else rows.time_ms[rows.good]
        )
        extra, came = _new(planned, incoming, held, held_ms, lines)
        if incoming and not came:
            return 0
        if not len(held) and not extra:
            if exists:
                put_away(data_dir, csv.path)
            return 0
        where = np.concatenate([held, np.array([number for number, _ in extra], np.int64)])
        times = np.concatenate([held_ms, np.array([_time_of(line) for _, line in extra], np.int64)])
        by_time = csv.family.ordered or came
        order = np.lexsort((where, times)) if by_time else np.argsort(where, kind="stable")
        if exists:
            keep(data_dir, csv.path)
        replace(csv.path, _parts(csv, order, held, [line for _, line in extra], lines))
    return came


def _new(
    planned: Plan, incoming: Iterable[bytes], held: Integers, held_ms: Integers, lines: "_Lines"
) -> tuple[list[tuple[int, bytes]], int]:
    """Mended lines (with their number) and incoming ones (with one after the last) whose row is not held yet."""
    csv = planned.reading.csv
    wanted = list(planned.mended.items()) + [(planned.lines + 1, line) for line in incoming]
    if not wanted:
        return [], 0
    there: dict[int, list[list[object]]] = defaultdict(list)
    times = np.array([_time_of(line) for _, line in wanted], np.int64)
    for i in np.flatnonzero(np.isin(held_ms, times)).tolist():
        try:
            there[int(held_ms[i])].append(csv.values(lines[int(held[i])]))
        except ValueError:  # a stray that stays for now
            continue
    found, came = [], 0
    for number, line in wanted:
        values = csv.values(line)
        same = there[_time_of(line)]
        if values not in same:
            same.append(values)
            found.append((number, line))
            came += number > planned.lines
    return found, came


def _parts(csv: DayCsv, order: Integers, held: Integers, extra: list[bytes], lines: "_Lines") -> Iterator[bytes]:
    yield csv.family.header.encode() + b"\n"
    for i in order.tolist():
        yield (lines[int(held[i])] if i < len(held) else extra[i - len(held)]) + b"\n"


def _time_of(line: bytes) -> int:
    return int(line[:TIME_DIGITS])


class _Lines:
    """The lines of a CSV after its header, by number from 1, without their ends."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._map: mmap.mmap | bytes = b""
        self._ends: Integers = np.empty(0, np.int64)

    def __enter__(self) -> "_Lines":
        reading = self._reading
        if reading.body is None or reading.is_empty:
            return self
        with reading.csv.path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        parts = []
        for start in range(reading.body, reading.end, _BLOCK):
            block = np.frombuffer(self._map[start : min(start + _BLOCK, reading.end)], np.uint8)
            parts.append(np.flatnonzero(block == ord("\n")) + start)
        self._ends = np.concatenate([*parts, np.array([reading.end], np.int64)])
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._map, mmap.mmap):
            self._map.close()

    def __getitem__(self, number: int) -> bytes:
        start = self._reading.body or 0
        if number > 1:
            start = int(self._ends[number - 2]) + 1
        return self._map[start : int(self._ends[number - 1])]
