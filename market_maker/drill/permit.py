"""Live trading with made-up money, confirmed by a program: on the bundled venue of this machine, nowhere else."""

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from services.executor.live.permit import subject_here
from shared.clock import wall_ms
from shared.confirmation import VALID_MS, Confirmation, write
from shared.errors import ConfigError
from shared.secrets import Credentials

VENUE = "sim"


def confirm_drill(
    folder: Path, credentials: Credentials, venue: str, url: str, run_id: str, valid_ms: int = VALID_MS
) -> None:
    """Leave a confirmation in `folder` without asking anybody. Settings are those in force in this process.

    Raises:
        ConfigError: this is not the bundled venue on this machine.
    """
    require_bundled(venue, url)
    subject = subject_here(credentials, venue, url, run_id)
    now_ms = int(wall_ms())
    write(folder, Confirmation(subject=subject, given_ms=now_ms, expires_ms=now_ms + valid_ms))


def require_bundled(venue: str, url: str) -> None:
    """
    Raises:
        ConfigError: money that is not made up could be traded there.
    """
    host = urlsplit(url).hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = False  # a name can be made to point anywhere
    if venue != VENUE or not here:
        raise ConfigError(
            f"a drill trades on the bundled venue of this machine only, not on {venue} {url}; unset MM_VENUE and"
            " MM_VENUE_URL"
        )
