"""Asking a running venue through its operator's door."""

import json
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import typer

from shared.errors import ConfigError, VenueError

TIMEOUT_S = 30.0
NOT_FOUND, NOT_RUNNING = 2, 3
IN_DOCKER = "docker exec mm_venue python -m market_maker.cli venue COMMAND"
"""Seen from the container, whoever asks through its published port is another machine."""


def ask(port: int | None, method: str, path: str, body: Any = None) -> Any:
    """The answer of `/admin/PATH`. What is not there ends with exit code 2, a venue that is not with 3.

    Raises:
        ConfigError: the venue says what is wrong with the request.
        VenueError: it answers something else.
    """
    url = f"http://127.0.0.1:{port or _configured_port()}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/admin/{quote(path, safe='/?&=:')}", data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise _refusal(url, error) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        print(f"no venue answers on {url} ({reason}); `market_maker venue` runs one, --port names another",
              file=sys.stderr)  # fmt: skip
        raise typer.Exit(NOT_RUNNING) from error


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    try:
        text = json.load(error)["error"]
    except (ValueError, LookupError, TypeError):
        return VenueError(f"{url} answers {error.code}: not the door of a bundled venue; --port names another")
    if error.code == 404:
        print(f"error: {text}", file=sys.stderr)
        return typer.Exit(NOT_FOUND)
    if error.code == 403:
        return VenueError(f"{text}; in Docker: {IN_DOCKER}")
    return ConfigError(text) if error.code == 400 else VenueError(text)


def _configured_port() -> int:
    from services.venue.config import VenueConfig
    from shared.config import load

    port = load(VenueConfig).venue_port
    if not port:
        raise ConfigError("venue_port (MM_VENUE_PORT) is 0, any free one; say --port")
    return port
