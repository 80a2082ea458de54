"""Small files that only their owner may read: keys, passwords, confirmations. And a memory that nobody reads."""

import ctypes
import os
import resource
import stat
import sys
from errno import ENAMETOOLONG
from pathlib import Path

from shared.errors import ConfigError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PR_SET_DUMPABLE = 4


def read_private(file: Path) -> bytes | None:
    """What the file holds; None when there is none.

    Raises:
        ConfigError: others than the owner may read or change it, with the repairing command; or no readable file.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{file} is not a file")
            if mode & _OTHERS:
                raise ConfigError(f"{file} is open to others (mode {stat.S_IMODE(mode):o}): chmod 600 {file}")
            return source.read()
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise ConfigError(f"{file} is not a file") from error
    except OSError as error:
        if error.errno == ENAMETOOLONG:  # no file has it: somebody gave the content in place of the name
            return None
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error


def write_private(file: Path, content: bytes) -> None:
    """Readable by the owner only from the first moment; replaced in one step, and on disk when this returns."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(descriptor)
    fresh.replace(file)


def keep_memory_private() -> None:
    """A crash of this process leaves no image of its memory. On Linux other processes of the same user cannot read
    that, or the variables it was started with, either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
