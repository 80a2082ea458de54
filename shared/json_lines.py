"""Files of JSON, one value a line, that several processes append to and a crash may tear."""

import errno
import fcntl
import os
from pathlib import Path

TAIL_BYTES = 512 * 1024


def append(file: Path, lines: bytes) -> None:
    """Durable when this returns; a torn end that a crash has left goes. `lines` ends with its line end.

    Raises:
        OSError: as the system says it; nothing is written then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = _without_torn_end(descriptor)
        if os.write(descriptor, lines) < len(lines):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_torn_end(descriptor: int) -> int:
    size = begin = os.fstat(descriptor).st_size
    whole = 0
    while begin and not whole:
        end, begin = begin, max(0, begin - TAIL_BYTES)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        whole = begin + found + 1 if found >= 0 else 0
    if whole < size:
        os.ftruncate(descriptor, whole)
    return whole
