"""One open CSV file of a coin and UTC day: repaired when opened, appended to, never doubled.

A killed process or a power cut leaves a torn last line. It is cut off when the file is opened again, and the
rows before it are remembered, so that what the bus delivers a second time is recognised.
"""

import os
from collections import deque
from pathlib import Path

from services.harvester.core import MovedAside, Repaired
from services.harvester.rows import Row, row_key
from shared.data_files import Family

TAIL_BYTES = 256 * 1024
"""Read back when a file is opened; holds more rows than any family remembers."""


class Recent:
    """The last rows of a file. Anything older than what is remembered counts as known."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._rows: deque[tuple[int, str]] = deque()
        self._known: set[tuple[int, str]] = set()
        self.before_ms = -1
        """Rows up to this time are known, whatever they say."""

    def is_new(self, time_ms: int, key: str) -> bool:
        if time_ms <= self.before_ms or (time_ms, key) in self._known:
            return False
        return not (self._family.ordered and self._rows and time_ms < self._rows[-1][0])

    def add(self, time_ms: int, key: str) -> None:
        self._rows.append((time_ms, key))
        self._known.add((time_ms, key))
        if len(self._rows) > self._family.remembered:
            oldest = self._rows.popleft()
            self._known.discard(oldest)
            self.before_ms = max(self.before_ms, oldest[0])


class DayFile:
    """An open file with its unwritten rows.

    Raises (every method): OSError as the system says it; the file must then be dropped and opened anew, which
    cuts off whatever was written in part.
    """

    def __init__(self, path: Path, family: Family) -> None:
        self.path, self.family = path, family
        self.notices: list[Repaired | MovedAside] = []
        self.recent = Recent(family)
        self._pending: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._move_aside_if_foreign()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._repair()
        except OSError:
            empty = os.fstat(self._fd).st_size == 0
            os.close(self._fd)
            if empty:  # not even the header fitted
                path.unlink()
            raise

    @property
    def pending_rows(self) -> int:
        return len(self._pending)

    def append(self, row: Row) -> None:
        """Take a row unless the file has it already."""
        if self.recent.is_new(row.time_ms, row.key):
            self.recent.add(row.time_ms, row.key)
            self._pending.append(row.line)

    def flush(self) -> int:
        """Hand the pending rows to the operating system; returns how many. On an error the rows that went out
        completely are no longer pending."""
        rows = len(self._pending)
        if rows:
            self._write("\n".join(self._pending) + "\n")
            self._pending.clear()
        return rows

    def sync(self) -> None:
        """Make everything written durable."""
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    def _write(self, text: str) -> None:
        data = memoryview(text.encode())
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            out = bytes(data[:written])
            del self._pending[: out.count(b"\n")]
            torn_bytes = written - (out.rfind(b"\n") + 1)
            if torn_bytes:  # perhaps nobody opens this file again to repair it
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - torn_bytes)
            raise

    def _move_aside_if_foreign(self) -> None:
        try:
            with self.path.open("rb") as file:
                found = file.read(len(self.family.header) + 1)
        except FileNotFoundError:
            return
        header = f"{self.family.header}\n".encode()
        if header.startswith(found):  # ours, or a header torn while it was written
            return
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.foreign-{number}")).exists():
            number += 1
        self.path.rename(aside)
        line = found.split(b"\n")[0].decode(errors="replace")
        self.notices.append(MovedAside(self.path, aside, line))

    def _repair(self) -> None:
        """Cut a torn end, remember the last rows, write the header of a new file."""
        size = os.fstat(self._fd).st_size
        body = len(self.family.header) + 1
        good = self._good_size(size, body) if size >= body else 0
        if good < size:
            os.ftruncate(self._fd, good)
            self.notices.append(Repaired(self.path, size - good))
        if good == 0:
            self._write(self.family.header + "\n")
            return
        start = max(body, good - TAIL_BYTES)
        lines = self._read(start, good).decode(errors="replace").split("\n")[:-1]
        if start > body:
            del lines[0]  # most likely cut in the middle
        for line in lines:
            time_ms = self._time_of(line)
            if time_ms is not None:
                if start > body and self.recent.before_ms < 0:
                    self.recent.before_ms = time_ms - 1
                self.recent.add(time_ms, row_key(self.family, line))

    def _good_size(self, size: int, body: int) -> int:
        """Size without the torn end: the last line must have its line end, all fields and a time."""
        end = size
        while end > body:
            start = max(body, end - TAIL_BYTES)
            data = self._read(start, end)
            torn = not data.endswith(b"\n")
            begin = data.rfind(b"\n", 0, len(data) if torn else len(data) - 1)
            if begin < 0 and start > body:  # a "line" longer than the tail: no row of ours
                end = start
                continue
            line = data[begin + 1 :]
            if not torn and self._time_of(line.decode(errors="replace").rstrip("\n")) is not None:
                return end
            end = start + begin + 1
        return end

    def _time_of(self, line: str) -> int | None:
        if line.count(",") != self.family.header.count(","):
            return None
        time = line.split(",", 1)[0]
        return int(time) if time.isascii() and time.isdigit() else None

    def _read(self, start: int, end: int) -> bytes:
        return os.pread(self._fd, end - start, start)
