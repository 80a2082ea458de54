"""Three Redis commands over a plain socket, for the supervisor: the full client would triple its memory."""

import socket
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Address:
    """Where the server listens (unix socket) and who we are there."""

    path: Path
    user: str = "default"
    password: str = ""


def command(address: Address, *arguments: str) -> str:
    """The first line of the reply, without its type mark.

    Raises:
        OSError: nobody answers, or the answer is an error.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT_S)
        link.connect(str(address.path))
        with link.makefile("rb") as replies:
            if address.password:
                link.sendall(_encode("AUTH", address.user, address.password))
                _reply(replies.readline())
            link.sendall(_encode(*arguments))
            return _reply(replies.readline())


def _encode(*arguments: str) -> bytes:
    parts = [argument.encode() for argument in arguments]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _reply(line: bytes) -> str:
    text = line.decode().strip()
    if not text:
        raise ConnectionError("Redis closed the connection")
    if text.startswith("-"):
        raise OSError(f"Redis refused: {text[1:]}")
    return text[1:]
