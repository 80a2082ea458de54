"""Docker mode: the same services by Docker Compose, with the settings of this start.

`docker compose up` alone works too. What the launcher adds is one generated override file: the environment of
this start for every service, and the TOML file where there is one.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from market_maker.config import LauncherConfig
from market_maker.options import Checked
from market_maker.prepare import IMAGE_UID
from market_maker.redis_server import PROJECT
from shared.config import config_file
from shared.errors import ConfigError, MarketMakerError
from shared.secrets import ADDRESS, EXECUTOR_KEY, KEY_SOURCES, SECRET_VARIABLES, key_file, read_address

OVERRIDE = "compose.launch.json"
_OF_THE_FILE = {
    "MM_DATA_DIR", "MM_RUN_DIR", "MM_LOG_DIR", "MM_SECRETS_DIR", "MM_CONFIRMATION_DIR", "MM_METRICS_HOST",
    "MM_METRICS_PORT", "MM_CONFIG", "MM_UID", "MM_GID", "MM_REDIS_PORT", "MM_VENUE_PORT",
}  # fmt: skip
"""Paths and addresses inside the containers are the compose file's business."""
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
RECORDING_INSIDE = "/recording"
CONFIG_INSIDE = "/app/market_maker.toml"
CONFIRMATION_INSIDE = "/app/.secrets/live"


def override(checked: Checked, run_id: str) -> dict[str, Any]:
    """The generated part; everything in it can be read back from `docker compose config`."""
    environment = {
        name: value for name, value in os.environ.items() if name.startswith("MM_") and name not in _OF_THE_FILE
    }
    environment |= _settings_of_the_file(checked) | {"MM_RUN_ID": run_id}
    volumes: list[str] = []
    if config_file().exists():
        volumes.append(f"{config_file().resolve()}:{CONFIG_INSIDE}:ro")
    services: dict[str, Any] = {
        service.name: {"environment": dict(environment), "volumes": list(volumes)} for service in checked.services
    }
    recording = checked.venue.recording
    if recording is not None:
        services["venue"]["environment"]["MM_SOURCE"] = RECORDING_INSIDE
        services["venue"]["volumes"].append(f"{recording.resolve()}:{RECORDING_INSIDE}:ro")
    services["prepare"] = {"environment": dict(environment)}
    generated: dict[str, Any] = {"services": services}
    if not checked.launcher.shadow_mode:
        generated["secrets"] = _give_keys(services)
        confirmation = f"{checked.launcher.confirmation_dir.resolve()}:{CONFIRMATION_INSIDE}"
        services["executor"]["volumes"].append(f"{confirmation}:ro")
        services["prepare"]["volumes"] = [confirmation]
    return generated


def obstacle(checked: Checked) -> str | None:
    """Why this start cannot be one of containers; None when it can."""
    host = urlsplit(checked.launcher.venue_url).hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return f"no container reaches the venue on this machine ({checked.launcher.venue_url})"
    return None


def require_readable_keys(checked: Checked) -> None:
    """
    Raises:
        ConfigError: a key is not in a file, or in one that its container could not read.
    """
    uid, _ = owner(checked)
    for source in KEY_SOURCES.values():
        try:
            file = key_file(source)
        except ConfigError as error:
            raise ConfigError(f"{error}: containers read keys from files, --local takes variables too") from error
        try:
            owned_by = file.stat().st_uid
        except OSError as error:
            raise ConfigError(f"the file of {source.file} cannot be read: {error.strerror}") from error
        if owned_by != uid:
            raise ConfigError(
                f"{file} belongs to user {owned_by}, and the containers run as {uid}, who cannot read it:"
                f" chown {uid} {file}"
            )


def _give_keys(services: dict[str, Any]) -> dict[str, Any]:
    """Each key to its one container, as a file: whoever may use Docker can read the variables of a container. The
    watchdog, which only runs live, has its place in the compose file. Who runs that file alone gives the executor
    neither key nor confirmation.

    Raises:
        ConfigError: a key is not in a file.
    """
    executor = {ADDRESS: read_address(), EXECUTOR_KEY.file: f"/run/secrets/{EXECUTOR_KEY.secret}"}
    services["executor"]["environment"] |= executor
    services["executor"]["secrets"] = [EXECUTOR_KEY.secret]
    services["watchdog"]["environment"][ADDRESS] = executor[ADDRESS]
    return {source.secret: {"file": str(key_file(source).resolve())} for source in KEY_SOURCES.values()}


def _settings_of_the_file(checked: Checked) -> dict[str, str]:
    """The settings that the compose file gives a default: it must not win over market_maker.toml."""
    config = checked.launcher
    return {
        "MM_SHADOW_MODE": str(config.shadow_mode).lower(),
        "MM_VENUE": config.venue,
        "MM_VENUE_URL": config.venue_url,
        "MM_COINS": ",".join(config.coins),
        "MM_TOP_N": str(config.top_n),
        "MM_DEX": config.dex,
        "MM_LOG_LEVEL": config.log_level,
        "MM_LOG_FORMAT": config.log_format,
        "MM_LIMITS": str(checked.venue.limits).lower(),
        "MM_SEED": str(checked.venue.seed),
        "MM_SPEED": checked.venue.speed,
        **_alert_settings(config),
    }


def _alert_settings(config: LauncherConfig) -> dict[str, str]:
    """Who is told of alerts: names of files and a chat, no secrets."""
    fields = [name for name in LauncherConfig.model_fields if name.startswith("alert_")]
    given = {f"MM_{name.upper()}": getattr(config, name) for name in fields}
    return {name: "" if value is None else str(value) for name, value in given.items()}


def command(checked: Checked | None, run_dir: Path, *arguments: str) -> list[str]:
    """`docker compose …` on this project; with the override while there is one."""
    files = ["-f", str(PROJECT / "docker-compose.yml")]
    if (run_dir / OVERRIDE).exists():
        files += ["-f", str(run_dir / OVERRIDE)]
    profiles = _profiles(checked) if checked else ["demo", "live", "monitoring"]
    flags = [flag for profile in profiles for flag in ("--profile", profile)]
    return [
        "docker",
        "compose",
        "--ansi",
        "never",
        "--project-directory",
        str(PROJECT),
        *files,
        *flags,
        *arguments,
    ]


def _profiles(checked: Checked) -> list[str]:
    demo = ["demo"] if checked.bundled_venue else []
    return demo if checked.launcher.shadow_mode else [*demo, "live"]


def owner(checked: Checked) -> tuple[int, int]:
    """User and group of the containers and of the files that they share with us."""
    config = checked.launcher
    uid = config.uid or os.getuid() or IMAGE_UID
    return uid, config.gid or (uid if os.getuid() == 0 else os.getgid())


def environment(checked: Checked | None = None) -> dict[str, str]:
    """What the compose file itself asks for: ports, venue, owner of the files; no key in a shadow run."""
    clean = {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}
    if checked is None:
        return clean
    config = checked.launcher
    uid, gid = owner(checked)
    ports = {
        "MM_REDIS_PORT": config.redis_port,
        "MM_METRICS_PORT": config.grid_metrics_port,
        "MM_VENUE_PORT": checked.venue.venue_port,
    }
    return (
        clean
        | {name: str(value) for name, value in {**ports, "MM_UID": uid, "MM_GID": gid}.items()}
        | {name: value for name, value in _alert_settings(config).items() if value}
        | {"MM_VENUE": config.venue}
    )


def start(checked: Checked, run_id: str) -> Iterator[str]:
    """Build what is missing and bring everything up, detached; yields lines to show.

    Raises:
        MarketMakerError: compose refused; with its last lines.
    """
    run_dir = checked.launcher.run_dir
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / OVERRIDE).write_text(json.dumps(override(checked, run_id), indent=1))
    yield "Building the image where it is missing or outdated (minutes on the first start) …"
    _run(command(checked, run_dir, "build"), checked)
    yield "Starting the containers …"
    try:
        _run(command(checked, run_dir, "up", "--detach", "--remove-orphans"), checked)
    except MarketMakerError:
        yield from _words_of_prepare(checked, run_dir)
        yield from stop(run_dir)
        raise
    yield from _words_of_prepare(checked, run_dir)


def _words_of_prepare(checked: Checked, run_dir: Path) -> list[str]:
    prepared = _run(command(checked, run_dir, "logs", "--no-log-prefix", "--tail", "3", "prepare"))
    return [line for line in _TERMINAL_CODES.sub("", prepared).splitlines() if line.strip()]


def running(run_dir: Path) -> list[str]:
    """Names of the running services of this project; empty where no engine answers."""
    try:
        answer = subprocess.run(
            command(None, run_dir, "ps", "--services", "--status", "running"),
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.split() if answer.returncode == 0 else []


def stop(run_dir: Path) -> Iterator[str]:
    """Executor first, given its grace; then the rest, Redis last (everything depends on it)."""
    names = running(run_dir)
    if "executor" in names:
        _run(command(None, run_dir, "stop", "executor"))
    _run(command(None, run_dir, "down", "--remove-orphans"))
    (run_dir / OVERRIDE).unlink(missing_ok=True)
    yield f"Stopped: {len(names)} containers."


def _run(arguments: list[str], checked: Checked | None = None) -> str:
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment(checked))
    except OSError as error:
        raise MarketMakerError(f"docker cannot be run: {error}") from error
    if done.returncode != 0:
        words = " | ".join(done.stderr.strip().splitlines()[-4:])
        raise MarketMakerError(f"`{' '.join(arguments[-2:])}` of docker compose failed: {words}")
    return done.stdout
