"""What is running, as the launcher left it in `launch.json`, and how the command line reaches its bus."""

import fcntl
import os
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from market_maker import access
from market_maker.plan import SupervisorState
from market_maker.supervisor import PID_FILE, STATE_FILE
from shared.environment import read_env_file
from shared.errors import ConfigError
from shared.messages import Mode

RECORD = "launch.json"
Deployment = Literal["local", "docker"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One start."""

    deployment: Deployment
    venue: str
    venue_url: str
    run_id: str
    started_ms: int
    redis_url: str
    """Without user and password."""
    redis_port: int
    metrics_url: str
    log_dir: str
    secrets_dir: str
    data_dir: str = ""
    live: "Live | None" = None
    """None in shadow mode."""

    @property
    def mode(self) -> Mode:
        return "shadow" if self.live is None else "live"


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What was confirmed for a live start."""

    account: str
    without: tuple[str, ...]
    """Gates without evidence."""
    expires_ms: int
    confirmation_dir: str


def run_dir() -> Path:
    return _folder("run_dir", "data/state")


def data_dir() -> Path:
    return _folder("data_dir", "data")


def confirmation_dir() -> Path:
    return _folder("confirmation_dir", ".secrets/live")


def _folder(setting: str, default: str) -> Path:
    """A folder of the settings, without loading the settings models: `status` must answer at once."""
    read_env_file()
    given = os.environ.get(f"MM_{setting.upper()}")
    file = Path(os.environ.get("MM_CONFIG") or "market_maker.toml")
    if not given and file.exists():
        try:
            given = tomllib.loads(file.read_text()).get("engine", {}).get(setting)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file}: cannot be read as TOML: {error}") from error
    return Path(given or default)


def write_record(run_dir: Path, record: Record) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    fresh = run_dir / f"{RECORD}.new"
    fresh.write_bytes(msgspec.json.encode(record))
    fresh.replace(run_dir / RECORD)


def read_record(run_dir: Path) -> Record | None:
    """The last start; None when there never was one."""
    file = run_dir / RECORD
    return msgspec.json.decode(file.read_bytes(), type=Record) if file.exists() else None


def running(run_dir: Path) -> Record | None:
    """The last start, if that still runs."""
    record = read_record(run_dir)
    if record is None or record.deployment == "local":
        return record if supervisor_pid(run_dir) is not None else None
    from market_maker import compose

    return record if compose.running(run_dir) else None


def read_supervisor(run_dir: Path) -> SupervisorState | None:
    file = run_dir / STATE_FILE
    return msgspec.json.decode(file.read_bytes(), type=SupervisorState) if file.exists() else None


def supervisor_pid(run_dir: Path) -> int | None:
    """The pid of the running supervisor. Its lock on the pid file counts, not the file: that outlives a crash."""
    file = run_dir / PID_FILE
    if not file.exists():
        return None
    with file.open() as pid_file:
        try:
            fcntl.flock(pid_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(pid_file.read() or 0) or None
    return None


def bus_url(run_dir: Path, user: str = access.OPERATOR) -> str:
    """`REDIS_URL` if set, else the bus of the last start, else the default port."""
    given = os.environ.get("REDIS_URL")
    if given:
        return given
    record = read_record(run_dir)
    if record is None:
        return "redis://127.0.0.1:6380"
    return with_user(record.redis_url, user, access.password_of(Path(record.secrets_dir), user))


def with_user(url: str, user: str, password: str | None) -> str:
    """`redis://host` as `redis://user:password@host`."""
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{user}:{password}@{rest}" if password else url
