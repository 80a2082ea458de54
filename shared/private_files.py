"""Small files that only their owner may read: keys, passwords, confirmations."""

import os
from pathlib import Path

from shared.errors import ConfigError

_OTHERS = 0o077


def read_private(file: Path) -> bytes | None:
    """What the file holds; None when there is none.

    Raises:
        ConfigError: others than the owner may read or change it, or it cannot be read; with the repairing command.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as source:
        mode = os.fstat(descriptor).st_mode
        if mode & _OTHERS:
            raise ConfigError(f"{file} is open to others (mode {mode & 0o777:o}): chmod 600 {file}")
        return source.read()


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
