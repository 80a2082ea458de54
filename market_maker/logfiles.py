"""Bounded log files of child processes.

The child writes straight into the file; past the limit its content is copied to `.1` (`.1` to `.2` and so on)
and the file is emptied in place. So `tail -f` keeps following, and a supervisor that dies leaves its
children's standard output intact.
"""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 1024 * 1024
KEEP = 5


def open_log(path: Path) -> BinaryIO:
    """The file for appending; `O_APPEND` makes emptying in place safe while somebody writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def rotate(path: Path, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> bool:
    """Rotate when larger than `max_bytes`; at most `keep` old files remain. True when it was done."""
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    for number in range(keep - 1, 0, -1):
        older = _numbered(path, number)
        if older.exists():
            older.replace(_numbered(path, number + 1))
    with path.open("rb") as source, _numbered(path, 1).open("wb") as target:
        shutil.copyfileobj(source, target)
        os.truncate(path, 0)
    return True


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a log, for error messages."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        return file.read().decode(errors="replace").splitlines()[-count:]


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
