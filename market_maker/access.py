"""Who may do what on the bus: one Redis user per service, made from the declared wiring.

A service may write what it declares to write and read what it declares to read, nothing else, so the lists in
`service.py` are not only documentation. Passwords are random, made once, and lie in files of the git-ignored
`.secrets/bus/<user>/password`; the ACL file of the server holds only their SHA-256.

The `default` user has no password and may only read: it is for `redis-cli` on the same machine.
"""

import secrets
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.private_files import write_private
from shared.streams import ALL, ASSET_CONFIG_LIST, COMMAND, EVENTS, FILLS, HALT, STATUS, UNIVERSE, Stream

if TYPE_CHECKING:  # the command line asks here for a password only, and should start at once
    from shared.service import Service

OPERATOR = "operator"
PEOPLE = "default"
"""Has no password and may only read."""
SUPERVISOR = "supervisor"
ACL_FILE = Path("redis") / "users.acl"
CHANNELS = {
    FILLS: ("mm:shadow_fills", "mm:live_fills"),
    STATUS: ("mm:engine_status",),
    ASSET_CONFIG_LIST: ("mm:asset_config",),
}
"""The channels on which a service that writes the stream publishes for people."""

_READ = "+ping +xread +xrange +xrevrange +xlen +get +hget +hgetall"
_GROUPS = "+xreadgroup +xack +xautoclaim +xgroup|create +xgroup|setid +xinfo|groups +xinfo|stream"
_SERVICE = f"{_READ} {_GROUPS} +xadd +set +del +hset +publish +info"
_OPERATOR = f"{_READ} +xadd +info +subscribe +psubscribe +unsubscribe +punsubscribe"
_PEOPLE = f"{_READ} +info +subscribe +psubscribe +unsubscribe +punsubscribe +keys +scan +type +exists +ttl"


def rules(services: "Iterable[Service[Any]]", hashes: Mapping[str, str]) -> str:
    """The ACL file; `hashes` holds the SHA-256 of each user's password in hex."""
    lines = [f"user default on nopass resetkeys resetchannels %R~mm:* &mm:* -@all {_PEOPLE}"]
    for service in services:
        lines.append(
            f"user {service.name} on #{hashes[service.name]} resetchannels resetkeys"
            f" {_keys(service)}{_channels(service)} -@all {_SERVICE}"
        )
    lines.append(
        f"user {OPERATOR} on #{hashes[OPERATOR]} resetchannels resetkeys"
        f" %R~mm:* %RW~{COMMAND.key()} &mm:* -@all {_OPERATOR}"
    )
    lines.append(
        f"user {SUPERVISOR} on #{hashes[SUPERVISOR]} resetchannels resetkeys %W~{EVENTS.key()} -@all +ping +xadd"
    )
    return "\n".join(lines) + "\n"


def _keys(service: "Service[Any]") -> str:
    """Every service also finds the universe, reports on status and events, and may halt when a promise breaks.

    Readers of `every` streams create groups and acknowledge; writers compare the tail of what they wrote after
    an interruption. Both need read and write.
    """
    write = {*service.writes, STATUS, EVENTS, HALT, *(s for s in service.reads if s.policy == "every")}
    read = {*service.reads, *service.restores, *service.looks_at, UNIVERSE} - write
    return " ".join(
        [f"%RW~{_pattern(stream)}" for stream in ALL if stream.name in {s.name for s in write}]
        + [f"%R~{_pattern(stream)}" for stream in ALL if stream.name in {s.name for s in read - write}]
    )


def _pattern(stream: Stream) -> str:
    return stream.key("*") if stream.per_coin else stream.key()


def _channels(service: "Service[Any]") -> str:
    return "".join(f" &{name}" for stream in service.writes for name in CHANNELS.get(stream, ()))


def users(services: "Iterable[Service[Any]]") -> list[str]:
    return [*(service.name for service in services), OPERATOR, SUPERVISOR]


def prepare(folder: Path, services: "Iterable[Service[Any]]") -> dict[str, str]:
    """Make missing passwords, write the ACL file; returns user -> password."""
    services = [service for service in services if service.uses_bus]
    passwords = {user: _password(folder / user / "password") for user in users(services)}
    hashes = {user: sha256(password.encode()).hexdigest() for user, password in passwords.items()}
    write_private(folder / ACL_FILE, rules(services, hashes).encode())
    return passwords


def password_of(folder: Path, user: str) -> str | None:
    """The password of a user; None before the first start."""
    file = folder / user / "password"
    return file.read_text().strip() if file.exists() else None


def _password(file: Path) -> str:
    if not file.exists():
        write_private(file, f"{secrets.token_urlsafe(24)}\n".encode())
    return file.read_text().strip()
