"""The truth log: every fact of the venue as a line of JSON, `{"seq":1,"fact":"order",…}`.

The same facts give the same bytes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from services.venue.exchange.facts import AnyFact


class Entry(NamedTuple):
    """`seq` counts from 1; a gap in a file are lines that the disk refused."""

    seq: int
    fact: AnyFact


class TruthLog:
    """`note` every fact, `flush` after every block, `close` at the end. Without a path only the newest entries are
    kept, in memory."""

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        """`warn` is told once when the disk refuses lines, and once when it takes them again.

        Raises:
            ConfigError: the file cannot be written.
        """

    def note(self, fact: AnyFact) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        """Never raises: lines that cannot be written are counted in `lost`."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def read(path: Path) -> Iterator[Entry]:
    """All entries of a run, its older parts first. A last line that was torn off is left out.

    Raises:
        DataError: no such file, or a line in the middle is damaged.
    """
    raise NotImplementedError
