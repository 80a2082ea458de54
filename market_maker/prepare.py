"""First container of a Compose start (`mm_prepare`), as root for a moment: folders, owners, bus passwords, and
who is told of alerts.

Everything else runs without root on a read-only system, so what it may write has to be there before.
A simulated market begins anew, unless the stack is up already (then this is a repeated `docker compose up`) or
somebody else runs the venue. A confirmation of live trading, written by who started the stack, gets the owner that
the executor runs as.
"""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from market_maker import access, data_folder, notify_config
from market_maker.config import LauncherConfig
from market_maker.options import BUNDLED
from services import SERVICES
from services import load as load_service
from shared.config import load
from shared.errors import MarketMakerError

IMAGE_UID = 10001
"""Owner of data and passwords when root starts the stack; otherwise the user who does."""
REDIS_DATA = Path("redis")
"""In the state folder; one directory per venue, as simulated and real positions must not meet."""

ALERTS = Path("alertmanager")
"""Beside the folder of the bus passwords: Alertmanager's configuration, which names files and holds no secret."""


def prepare(config: LauncherConfig, uid: int, gid: int) -> Iterator[str]:
    """Make everything ready for services that run as `uid:gid`; yields lines to show."""
    state = config.data_dir / "state"
    if not _stack_is_up():
        moved = data_folder.claim(config.data_dir, config.venue)
        if moved:
            yield moved
        bus = state / REDIS_DATA / config.venue
        if config.venue in BUNDLED and not config.venue_url and bus.exists():
            shutil.rmtree(bus)
        bus.mkdir(parents=True, exist_ok=True)
    access.prepare(config.secrets_dir, [load_service(name) for name in SERVICES])
    alerts = config.secrets_dir.parent / ALERTS
    alerts.mkdir(mode=0o700, parents=True, exist_ok=True)
    receivers = notify_config.inside(notify_config.receivers(config))
    (alerts / "alertmanager.yml").write_text(notify_config.alertmanager(receivers))
    for folder in (config.data_dir, config.secrets_dir, config.confirmation_dir, alerts):
        if folder.exists():
            _give(folder, uid, gid)
    yield f"prepared for user {uid}:{gid}, venue {config.venue}"


def _give(folder: Path, uid: int, gid: int) -> None:
    """Only what has another owner is touched: data folders grow large."""
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        if (status.st_uid, status.st_gid) != (uid, gid):
            os.chown(path, uid, gid, follow_symlinks=False)


def _stack_is_up() -> bool:
    """Names of containers resolve only while these run; either is enough, as the other may just have died."""
    for name in ("redis", "executor"):
        try:
            socket.gethostbyname(name)
        except OSError:
            continue
        return True
    return False


def main() -> int:
    try:
        config = load(LauncherConfig)
        uid = config.uid or IMAGE_UID
        for line in prepare(config, uid, config.gid or uid):
            print(line, flush=True)
    except (MarketMakerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
