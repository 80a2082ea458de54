"""The files of a recording of raw frames (`services.venue.market.frames` says what is in them).

Lines wait in memory and go out as whole gzip members, at the latest after `FLUSH_S`: whenever the process or the
machine dies, everything up to the last member can be read. A new file begins with each UTC hour, and earlier where
one grows large.
"""

import gzip
import os
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec

from services.venue.market.frames import HEADER, UNIVERSE, Header, file_name
from shared.errors import DataError

FLUSH_S = 5.0
FLUSH_BYTES = 1 << 20
FILE_BYTES = 64 << 20
"""Compressed; about an hour of 30 busy coins."""
LEVEL = 6
_HOUR_MS = 3_600_000
_NS_PER_MS = 1_000_000


class Tape:
    """An open recording; `bytes_written` are on the disk, `frames` were noted."""

    def __init__(self, folder: Path, header: Header, universe: bytes) -> None:
        """
        Raises:
            DataError: the folder is not empty or cannot be written.
        """
        self.folder = folder
        self.frames = self.bytes_written = 0
        self._lines: list[bytes] = []
        self._waiting = 0
        self._fd: int | None = None
        self._file_bytes = 0
        self._hour = 0
        self._last_ms = 0.0
        self._flushed_ms = float(header.started_ms)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise DataError(f"{folder} is not empty; give --out a new folder, a recording is never continued")
            (folder / HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(header), indent=1) + b"\n")
            (folder / UNIVERSE).write_bytes(universe)
        except OSError as error:
            raise self._failure(error) from error

    def note(self, received_ms: float, frame: bytes) -> None:
        """One line. A frame with a line end in it is written without; JSON means the same.

        Raises:
            DataError: the disk is full or fails; what is there stays.
        """
        now_ms = self._last_ms = max(received_ms, self._last_ms)
        if self._fd is not None and (int(now_ms) // _HOUR_MS != self._hour or self._file_bytes > FILE_BYTES):
            self.close()
        if self._fd is None:
            self._begin(now_ms)
        stamp = int(Decimal(received_ms) * _NS_PER_MS)  # exact, so that reading it gives the same float again
        line = b"%d %s\n" % (stamp, frame.replace(b"\n", b" ").replace(b"\r", b" "))
        self._lines.append(line)
        self._waiting += len(line)
        self.frames += 1
        if self._waiting >= FLUSH_BYTES:
            self.flush(now_ms)

    def pass_time(self, now_ms: float) -> None:
        """Write what has waited long enough."""
        if now_ms - self._flushed_ms >= FLUSH_S * 1000:
            self.flush(now_ms)

    def flush(self, now_ms: float) -> None:
        """Everything noted so far is on the disk.

        Raises:
            DataError: the disk is full or fails; what is there stays.
        """
        self._flushed_ms = now_ms
        if not self._lines or self._fd is None:
            return
        member = gzip.compress(b"".join(self._lines), LEVEL, mtime=0)
        self._lines.clear()
        self._waiting = 0
        try:
            left = memoryview(member)
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, self._file_bytes)
            raise self._failure(error) from error
        self._file_bytes += len(member)
        self.bytes_written += len(member)

    def close(self) -> None:
        """Write the rest and close the file."""
        if self._fd is None:
            return
        try:
            self.flush(self._last_ms)
        finally:
            os.close(self._fd)
            self._fd = None

    def _begin(self, now_ms: float) -> None:
        path = self.folder / file_name(now_ms)
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._failure(error) from error
        self._file_bytes, self._hour = 0, int(now_ms) // _HOUR_MS

    def _failure(self, error: OSError) -> DataError:
        return DataError(
            f"{self.folder}: cannot be written: {error.strerror}; what is recorded stays and can be replayed."
            " Free space, or choose another --out"
        )
