"""What about this machine, and the venue as seen from it, can keep the bot from running."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from market_maker import preflight, redis_server
from market_maker.config import LauncherConfig
from market_maker.deployment import Record, running
from market_maker.findings import Finding, Verdict
from market_maker.redis_server import PROJECT
from services.converter import budget
from services.converter.config import ConverterConfig
from shared.clock import wall_ms
from shared.config import load
from shared.errors import ConfigError, VenueError

STAMP = ".installed"


def look(config: LauncherConfig, record: Record | None) -> Iterator[Finding]:
    """`record`: of what runs, which may have been started with other flags than `config` has."""
    yield from examine(_as_started(config, record) if record is not None else config)
    yield _venue(config, record)


def _as_started(config: LauncherConfig, record: Record) -> LauncherConfig:
    data_dir = Path(record.data_dir) if record.data_dir else config.data_dir
    metrics_port = urlsplit(record.metrics_url).port
    return config.model_copy(
        update={"redis_port": record.redis_port, "metrics_port": metrics_port, "data_dir": data_dir}
    )


def examine(config: LauncherConfig) -> Iterator[Finding]:
    """What does not depend on anything outside."""
    checks: list[Callable[[LauncherConfig], Finding]] = [_python, _packages, _redis, _docker, _disk]
    yield from (check(config) for check in checks)
    yield from _ports(config)


def _python(config: LauncherConfig) -> Finding:
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding(
        "ok" if good else "FAIL", "python", f"{sys.version.split()[0]} at {sys.executable} (3.11 to 3.13)"
    )


def _packages(config: LauncherConfig) -> Finding:
    """Each pinned version of the lock file against what is installed; and the stamp that the setup left."""
    wrong = []
    for name, pinned in pins(PROJECT / "requirements.lock").items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "missing"
        if installed != pinned:
            wrong.append(f"{name} {installed} instead of {pinned}")
    if wrong:
        return Finding("FAIL", "packages", f"{'; '.join(wrong)}; run ./start_mm_bot.sh, it sets up again")
    stamped = (Path(sys.prefix) / STAMP).exists()
    note = "" if stamped else "; not set up by start_mm_bot.sh"
    return Finding("ok", "packages", f"all as in requirements.lock {_digest()[:12]}{note}")


def pins(lock: Path) -> dict[str, str]:
    """Name -> version of the lock lines that hold on every platform."""
    lines = [line.split(" ")[0] for line in lock.read_text().splitlines() if "==" in line and ";" not in line]
    return dict(line.split("==", 1) for line in lines)


def _digest() -> str:
    return sha256((PROJECT / "requirements.lock").read_bytes()).hexdigest()


def _redis(config: LauncherConfig) -> Finding:
    try:
        server = redis_server.find_server()
    except ConfigError as error:
        return Finding("FAIL", "redis", str(error))
    return Finding("ok", "redis", f"{server.kind} {server.major} at {server.binary}")


def _docker(config: LauncherConfig) -> Finding:
    problem = preflight.docker_problem()
    return Finding("ok", "docker", f"{problem}: local mode is used" if problem else "engine and Compose v2 answer")


def _disk(config: LauncherConfig) -> Finding:
    folder = config.data_dir if config.data_dir.exists() else Path(".")
    if not os.access(folder, os.W_OK):
        return Finding("FAIL", "disk", f"{folder.resolve()} is not writable for you")
    converter = load(ConverterConfig)
    seen = budget.look(folder, converter, wall_ms())
    low = seen.is_low(converter.disk_warn_days)
    return Finding("warning" if low else "ok", "disk", seen.text(converter.disk_warn_days))


def _venue(config: LauncherConfig, record: Record | None) -> Finding:
    """Of the bot that runs, else the one that a start would take."""
    try:
        from market_maker.options import BUNDLED, venue_url
        from services.venue.config import VenueConfig
    except ImportError as error:  # the finding about packages says what to do
        return Finding("warning", "venue", f"not asked: {error}")
    if record is not None:
        whose, url = f"{record.venue} of the running bot", record.venue_url
    else:
        whose, url = config.venue, venue_url(load(VenueConfig))
    try:
        answer = preflight.ask_venue(url)
    except VenueError as error:
        if record is not None:
            remedy = "`market_maker logs --service ingestor` tells since when"
            return Finding("FAIL", "venue", f"{whose}:\n{error}\n{remedy}")
        verdict: Verdict = "warning" if config.venue in BUNDLED else "FAIL"
        return Finding(verdict, "venue", f"{whose}: {error}; --demo works without it")
    ahead_s = answer.clock_ahead_s
    clock = "no clock in its answer" if ahead_s is None else f"its clock is {ahead_s:+.1f} s from ours (±0.5 s)"
    skewed = ahead_s is not None and abs(ahead_s) > preflight.LARGEST_CLOCK_ERROR_S
    text = f"{whose}, {url}\nanswers in {answer.round_trip_ms:.0f} ms; {clock}"
    return Finding("warning" if skewed else "ok", "venue", text)


def _ports(config: LauncherConfig) -> Iterator[Finding]:
    ours = running(config.run_dir) is not None
    for port, what, setting in (
        (config.redis_port, "Redis", "MM_REDIS_PORT"),
        (config.grid_metrics_port, "metrics", "MM_METRICS_PORT"),
    ):
        if _listening(port):
            verdict: Verdict = "ok" if ours else "warning"
            owner = "in use by the running bot" if ours else f"taken by something else: {setting} moves it"
            yield Finding(verdict, "port", f"{port} ({what}) {owner}")
        else:
            yield Finding("ok", "port", f"{port} ({what}) free")


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
