"""What must hold before the first process starts; each failure is one line that names the remedy."""

import json
import socket
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from shutil import which

from shared.clock import wall_ms
from shared.errors import ConfigError, VenueError

VENUE_TIMEOUT_S = 5.0
DOCKER_TIMEOUT_S = 10.0
LARGEST_CLOCK_ERROR_S = 1.5
"""Between the venue's clock and ours; the guard stops at `clock_skew_s`."""


@dataclass(frozen=True)
class VenueAnswer:
    """The venue answered: how long it took and how far its clock is ahead of ours (`Date` header, 1 s steps)."""

    round_trip_ms: float
    clock_ahead_s: float | None


def ask_venue(url: str, timeout_s: float = VENUE_TIMEOUT_S) -> VenueAnswer:
    """One small request.

    Raises:
        VenueError: not reachable or not a Hyperliquid API; one line with the cause.
    """
    begun_ms = wall_ms()
    request = urllib.request.Request(
        f"{url}/info", json.dumps({"type": "exchangeStatus"}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            answer.read()
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        raise VenueError(f"{url} answered HTTP {error.code}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise VenueError(f"{url} cannot be reached: {reason}") from error
    ended_ms = wall_ms()
    ahead_s = None
    if date:
        ahead_s = parsedate_to_datetime(date).timestamp() + 0.5 - (begun_ms + ended_ms) / 2000
    return VenueAnswer(ended_ms - begun_ms, ahead_s)


def require_free_port(port: int, what: str, setting: str) -> None:
    """
    Raises:
        ConfigError: somebody listens on 127.0.0.1:`port`; names the setting that moves it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} ({what}) is taken: {error.strerror}; free it, or set {setting} to another port"
            ) from error


def docker_problem() -> str | None:
    """Why Docker cannot be used here; None when an engine with Compose v2 answers."""
    if which("docker") is None:
        return "Docker is not installed"
    if not _succeeds("docker", "info"):
        return "Docker engine not answering"
    if not _succeeds("docker", "compose", "version"):
        return "Docker has no Compose v2"
    return None


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=DOCKER_TIMEOUT_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
