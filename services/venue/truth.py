"""The truth log: every fact of the venue as a line of JSON, `{"seq":1,"fact":"order",…}`.

The same facts give the same bytes. A long log goes on in a new file: `truth.jsonl` becomes `truth.jsonl.1`, then
`truth.jsonl.2`, and none is ever deleted; those of an earlier run move to a folder `truth.jsonl.run-N`.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.venue.exchange.facts import AnyFact
from shared.errors import ConfigError, DataError

PART_BYTES = 256 << 20
BUFFER_BYTES = 4 << 20
NEWEST = 10_000
"""Entries kept in memory for the operator's door."""
_ENCODER = msgspec.json.Encoder()


class Entry(NamedTuple):
    """`seq` counts from 1; a gap in a file are lines that the disk refused."""

    seq: int
    fact: AnyFact

    def line(self) -> bytes:
        return b'{"seq":%d,%b\n' % (self.seq, _ENCODER.encode(self.fact)[1:])


class TruthLog:
    """`note` every fact, `flush` after every block, `close` at the end. Without a path only the newest entries are
    kept, in memory."""

    def __init__(self, path: Path | None, warn: Callable[[str], None], part_bytes: int = PART_BYTES) -> None:
        """`warn` is told once when the disk refuses lines, and once when it takes them again.

        Raises:
            ConfigError: the file cannot be written.
        """
        self.lost = 0
        """Lines that the disk refused."""
        self.seq = 0
        self._path, self._warn, self._part_bytes = path, warn, part_bytes
        self._newest: deque[Entry] = deque(maxlen=NEWEST)
        self._buffer, self._waiting = bytearray(), 0
        self._parts, self._written = 0, 0
        self._refusing = False
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _set_aside(path)
                self._file = _create(path)
            except OSError as error:
                raise ConfigError(
                    f"truth_log (MM_TRUTH_LOG): {path} cannot be written: {error}; choose another file"
                ) from error

    def note(self, fact: AnyFact) -> None:
        self.seq += 1
        entry = Entry(self.seq, fact)
        self._newest.append(entry)
        if self._path is not None:
            self._buffer += entry.line()
            self._waiting += 1
            if len(self._buffer) >= BUFFER_BYTES:
                self.flush()

    def flush(self) -> None:
        """Never raises: lines that cannot be written are counted in `lost`."""
        if self._path is None or not self._buffer:
            return
        try:
            if self._written >= self._part_bytes:
                self._next_part(self._path)
            self._write()
        except OSError as error:
            self.lost += self._waiting
            if not self._refusing:
                self._warn(f"truth log {self._path}: {error}; lines are lost until it can be written again")
            self._refusing = True
        else:
            if self._refusing:
                self._warn(f"truth log {self._path}: written again; {self.lost} lines were lost")
            self._refusing = False
        self._buffer.clear()
        self._waiting = 0

    def close(self) -> None:
        self.flush()
        if self._path is not None:
            os.close(self._file)
            self._path = None

    def after(self, seq: int, limit: int) -> list[Entry]:
        """The oldest entries after `seq` of those still in memory; negative `seq`: so many of the newest."""
        begin = self.seq + seq if seq < 0 else seq
        skipped = max(begin - (self.seq - len(self._newest)), 0)
        return [self._newest[at] for at in range(skipped, min(skipped + limit, len(self._newest)))]

    def _write(self) -> None:
        """All of the buffer, or nothing: half a line must not be continued."""
        view = memoryview(self._buffer)
        done = 0
        try:
            while done < len(view):
                done += os.write(self._file, view[done:])
        except OSError:
            os.ftruncate(self._file, self._written)
            raise
        finally:
            view.release()
        self._written += done

    def _next_part(self, path: Path) -> None:
        """The old file keeps its lines under a number; should a step fail it simply goes on."""
        part = path.with_name(f"{path.name}.{self._parts + 1}")
        path.rename(part)
        try:
            file = _create(path)
        except OSError:
            part.rename(path)
            raise
        os.close(self._file)
        self._file, self._written = file, 0
        self._parts += 1


def read(path: Path) -> Iterator[Entry]:
    """All entries of a run, its older parts first. A last line that was torn off is left out.

    Raises:
        DataError: no such file, or a line in the middle is damaged.
    """
    parts = _parts(path)
    if not parts:
        raise DataError(f"truth log {path}: no such file")
    for part in parts:
        with part.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if part == parts[-1] and not line.endswith(b"\n"):
                    return
                yield _entry(line, part, number)


class _Numbered(msgspec.Struct):
    seq: int


_SEQ = msgspec.json.Decoder(_Numbered)
_FACT: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)


def _entry(line: bytes, part: Path, number: int) -> Entry:
    try:
        return Entry(_SEQ.decode(line).seq, _FACT.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"truth log {part} line {number}: damaged: {error}") from error


def _parts(path: Path) -> list[Path]:
    """The files of a run, oldest first."""
    numbered = re.compile(re.escape(path.name) + r"\.([0-9]+)")
    older = [(int(found[1]), each) for each in path.parent.glob("*") if (found := numbered.fullmatch(each.name))]
    return [each for _, each in sorted(older)] + ([path] if path.exists() else [])


def _set_aside(path: Path) -> None:
    """An earlier run's files move to a folder of their own."""
    parts = _parts(path)
    if parts:
        folder = next(each for n in count(1) if not (each := path.with_name(f"{path.name}.run-{n}")).exists())
        folder.mkdir()
        for part in parts:
            part.rename(folder / part.name)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
