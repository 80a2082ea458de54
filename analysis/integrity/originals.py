"""Files are replaced whole and at once, never while somebody writes them, and what they were is kept for good.

data/quarantine/originals/ticks/BTC/2026-02-22.csv.1     the first, .2 the next: none is ever overwritten
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from services.converter.parquet import TEMPORARY, make_durable, put_in_place

ORIGINALS = Path("quarantine") / "originals"
_MODES = 0o3
"""Of the flags of an open file: 0 is reading only."""
Writers = set[tuple[int, int]]


def keep(data_dir: Path, path: Path) -> Path:
    """A second name for a file among the originals, durable when this returns; the file is still in its place."""
    folder = data_dir / ORIGINALS / path.relative_to(data_dir).parent
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        kept = folder / f"{path.name}.{number}"
        try:
            _second_name(path, kept)
        except FileExistsError:
            continue
        make_durable(kept)
        make_durable(folder)
        return kept
    raise AssertionError("unreachable")


def _second_name(path: Path, kept: Path) -> None:
    try:
        os.link(path, kept)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with path.open("rb") as source, kept.open("xb") as target:
            shutil.copyfileobj(source, target)


def put_away(data_dir: Path, path: Path) -> Path:
    """Move a file to the originals."""
    kept = keep(data_dir, path)
    path.unlink()
    make_durable(path.parent)
    return kept


def replace(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file anew; whoever opens it finds the old one or the new one, whole."""
    temporary = path.with_name(path.name + TEMPORARY)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
        if path.exists():
            shutil.copymode(path, temporary)
        make_durable(temporary)
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def writers() -> Writers:
    """Device and inode of every file that a process of this machine, containers included, may write at the moment;
    empty where the system does not tell (it tells root about all processes, others about their own)."""
    found: Writers = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError, ValueError):
            flags = link.parents[1].joinpath("fdinfo", link.name).read_text().split("flags:")[1].split()[0]
            if int(flags, 8) & _MODES:
                status = link.stat()
                found.add((status.st_dev, status.st_ino))
    return found


def is_open(path: Path, open_files: Writers) -> bool:
    """Is the file among those?"""
    if not path.exists():
        return False
    status = path.stat()
    return (status.st_dev, status.st_ino) in open_files
