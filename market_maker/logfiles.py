"""Bounded log files of child processes.

The child writes straight into the file; past the limit its content is copied to `.1` (`.1` to `.2` and so on)
and the file is emptied in place. So `tail -f` keeps following, and a supervisor that dies leaves its
children's standard output intact.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 1024 * 1024
KEEP = 5
GIVE_UP = 2
"""Times the limit: a file that still cannot be rotated is emptied then, and its lines are lost."""


def open_log(path: Path) -> BinaryIO:
    """The file for appending; `O_APPEND` makes emptying in place safe while somebody writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def rotate(path: Path, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> bool:
    """Rotate when larger than `max_bytes`; at most `keep` old files remain. True when it was done."""
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    fresh = path.with_name(f"{path.name}.new")
    try:
        with path.open("rb") as source, fresh.open("wb") as target:
            shutil.copyfileobj(source, target)
        for number in range(keep - 1, 0, -1):
            if numbered(path, number).exists():
                numbered(path, number).replace(numbered(path, number + 1))
        fresh.replace(numbered(path, 1))
    except OSError:  # a full disk: older lines are given up rather than that the file grows for ever
        fresh.unlink(missing_ok=True)
        if path.stat().st_size <= GIVE_UP * max_bytes:
            raise
    os.truncate(path, 0)
    return True


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a log, for error messages."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        return file.read().decode(errors="replace").splitlines()[-count:]


class Tail:
    """One log file with its older parts, read on where it was left, also when it has been rotated in between."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0
        self._rest = b""
        self._known = self._rotation()

    def past(self, since_ms: int) -> Iterator[str]:
        """Lines of the parts that were still written to after `since_ms`, oldest first."""
        for number in range(KEEP, 0, -1):
            older = numbered(self._path, number)
            if older.exists() and older.stat().st_mtime * 1000 >= since_ms:
                with older.open("rb") as file:
                    yield from (line.decode(errors="replace").rstrip("\r\n") for line in file)
        yield from self.read()

    def read(self) -> Iterator[str]:
        """Whole lines only; the rest waits until it is one."""
        older, rotation = numbered(self._path, 1), self._rotation()
        copied = rotation not in (None, self._known)
        if copied and _beginning(older) != _beginning(self._path):  # and emptied as well
            yield from self._lines(older)
            self._place, self._rest, self._known = 0, b"", rotation
        yield from self._lines(self._path)

    def _rotation(self) -> tuple[int, int] | None:
        """What tells one rotation from the next: each makes a new file."""
        try:
            newest = numbered(self._path, 1).stat()
        except FileNotFoundError:
            return None
        return newest.st_mtime_ns, newest.st_ino

    def _lines(self, path: Path) -> Iterator[str]:
        with path.open("rb") as file:
            file.seek(self._place)
            for line in file:
                self._place += len(line)
                line = self._rest + line
                self._rest = b"" if line.endswith(b"\n") else line
                if not self._rest:
                    yield line.decode(errors="replace").rstrip("\r\n")


def _beginning(path: Path) -> bytes:
    """Enough to tell two log files apart: the first line with its time."""
    with path.open("rb") as file:
        return file.read(256)


def numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
