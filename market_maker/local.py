"""Local mode: the plan for the supervisor, starting it detached, stopping it so that nothing is left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from market_maker import access, data_folder, logfiles, redis_server
from market_maker.deployment import read_supervisor, supervisor_pid, with_user
from market_maker.options import Checked, venue_url
from market_maker.plan import Plan, Process, Ready
from market_maker.preflight import require_free_port
from market_maker.supervisor import CONFIGURATION_ERROR
from services.monitor.config import METRICS_PORT
from shared.clock import monotonic_s
from shared.errors import ConfigError, MarketMakerError
from shared.secrets import SECRET_VARIABLES, environment_of
from shared.service import Service

STOP_WITHIN_S = 90.0
"""Above the sum of all graces."""
LEFTOVERS_WITHIN_S = 5.0
EXECUTOR_GRACE_S, GRACE_S = 30.0, 10.0
LONGEST_PAUSE_S = {"watchdog": 1.0, "executor": 4.0}
"""What keeps dying is started again more and more seldom; less so who knows the account, and not the watchdog, who
cancels for the dead."""
LEAN = {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": ""}
"""Without docstrings in memory each process is about 7 MB smaller, once it is compiled that way."""
_STOP_ORDER = {"executor": 0, "monitor": 2, "venue": 3, "redis": 4}
_OTHERS = 1


def metrics_port(checked: Checked, service: str) -> int:
    """Each service's own port, all moved together when MM_METRICS_PORT moves the monitor's; 0: none."""
    own = next(entry.metrics_port for entry in checked.services if entry.name == service)
    monitor = checked.launcher.grid_metrics_port
    return own + monitor - METRICS_PORT if own and monitor else 0


def running(checked: Checked) -> tuple[Service[Any], ...]:
    """The services of this run: in shadow nothing rests at a venue that the watchdog could watch."""
    return tuple(s for s in checked.services if s.name != "watchdog" or not checked.launcher.shadow_mode)


def require_ports(checked: Checked) -> None:
    """
    Raises:
        ConfigError: a port is taken.
    """
    require_free_port(checked.launcher.redis_port, "Redis", "MM_REDIS_PORT")
    if checked.bundled_venue:
        require_free_port(checked.venue.venue_port, "the bundled venue", "MM_VENUE_PORT")
    for service in running(checked):
        port = metrics_port(checked, service.name)
        if port:
            require_free_port(port, f"metrics of the {service.name}", "MM_METRICS_PORT")


def build_plan(checked: Checked, run_id: str, server: redis_server.Server, foreground: bool) -> Plan:
    """Redis, then the bundled venue, then all services at once; stopped executor first, Redis last."""
    config = checked.launcher
    bus_socket = redis_server.socket_path(config.run_dir)
    passwords = access.prepare(config.secrets_dir, checked.services)
    redis = Process(
        name="redis",
        command=redis_server.command_line(
            server,
            config.redis_port,
            bus_socket,
            redis_data(checked, server).resolve(),
            (config.secrets_dir / access.ACL_FILE).resolve(),
        ),
        ready=Ready("redis"),
        stop_order=_STOP_ORDER["redis"],
    )
    processes = {service.name: _process(checked, service.name, run_id) for service in running(checked)}
    for service in running(checked):
        if service.uses_bus:
            url = with_user(f"unix://{bus_socket}", service.name, passwords[service.name])
            processes[service.name].env["REDIS_URL"] = url
    venue = processes.pop("venue")
    stages = [[redis], [venue] if checked.bundled_venue else [], list(processes.values())]
    return Plan(
        run_id=run_id,
        run_dir=str(config.run_dir),
        log_dir=str(config.log_dir),
        stages=[stage for stage in stages if stage],
        bus_socket=str(bus_socket),
        bus_user=access.SUPERVISOR,
        bus_password=passwords[access.SUPERVISOR],
        log_format=config.log_format,
        lifeline=foreground,
    )


def _process(checked: Checked, name: str, run_id: str) -> Process:
    env = {"MM_RUN_ID": run_id, "MM_METRICS_PORT": str(metrics_port(checked, name)), **LEAN}
    if checked.bundled_venue:
        env["MM_VENUE_URL"] = venue_url(checked.venue)
    if not checked.launcher.shadow_mode:
        env |= environment_of(name, os.environ)
    return Process(
        name=name,
        command=[sys.executable, "-m", "services", name],
        env=env,
        ready=Ready("tcp", checked.venue.venue_port) if name == "venue" else Ready(),
        grace_s=EXECUTOR_GRACE_S if name == "executor" else GRACE_S,
        longest_pause_s=LONGEST_PAUSE_S.get(name, 30.0),
        stop_order=_STOP_ORDER.get(name, _OTHERS),
    )


def redis_data(checked: Checked, server: redis_server.Server) -> Path:
    return checked.launcher.run_dir / server.data_name(checked.launcher.venue)


def start(checked: Checked, run_id: str, foreground: bool) -> tuple["subprocess.Popen[bytes]", str | None]:
    """Start everything under a detached supervisor; returns it and the line about moved data, if any.

    Raises:
        ConfigError: a port is taken, a folder cannot be written.
    """
    config = checked.launcher
    require_ports(checked)
    server = redis_server.find_server()
    try:
        moved = data_folder.claim(config.data_dir, config.venue)
        data = redis_data(checked, server)
        if checked.bundled_venue and data.exists():
            shutil.rmtree(data)  # a simulated market begins anew
        data.mkdir(parents=True, exist_ok=True)
        plan = build_plan(checked, run_id, server, foreground)
        log = logfiles.open_log(config.log_dir / "supervisor.log")
    except OSError as error:
        raise ConfigError(f"{error.filename or config.data_dir} cannot be written: {error.strerror}") from error
    with log:
        return _spawn(plan, log.fileno()), moved


def _spawn(plan: Plan, log: int) -> "subprocess.Popen[bytes]":
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "market_maker.supervisor"],
        env={name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    assert supervisor.stdin is not None
    supervisor.stdin.write(msgspec.json.encode(plan) + b"\n")
    supervisor.stdin.flush()
    if not plan.lifeline:
        supervisor.stdin.close()
    return supervisor


def require_healthy(run_dir: Path, log_dir: Path, run_id: str, supervisor: "subprocess.Popen[bytes]") -> None:
    """
    Raises:
        ConfigError: a service refuses its settings.
        MarketMakerError: the start failed for another reason.
    """
    state = read_supervisor(run_dir)
    if state is not None and state.run_id == run_id and state.error:
        raise (ConfigError if state.exit_code == CONFIGURATION_ERROR else MarketMakerError)(state.error)
    if supervisor.poll() is not None:
        words = "".join(logfiles.last_lines(log_dir / "supervisor.log", 1))
        raise MarketMakerError(f"the supervisor ended with exit code {supervisor.returncode}: {words}")


def stop(run_dir: Path) -> Iterator[str]:
    """Stop the running supervisor and its children; yields lines to show.

    Raises:
        MarketMakerError: processes are left although they were killed.
    """
    pid = supervisor_pid(run_dir)
    if pid is None:
        return
    state = read_supervisor(run_dir)
    os.kill(pid, signal.SIGTERM)
    deadline_s = monotonic_s() + STOP_WITHIN_S
    while supervisor_pid(run_dir) is not None and monotonic_s() < deadline_s:
        time.sleep(0.1)
    if not _gone(pid):
        yield "Not everything stopped in time: killing what is left of the process group."
        os.killpg(pid, signal.SIGKILL)
    if not _gone(pid):
        raise MarketMakerError(f"processes of group {pid} are still there; see `ps -g {pid}`")
    restarts = sum(child.restarts for child in state.children.values()) if state else 0
    yield f"Stopped: {len(state.children) if state else 0} processes, {restarts} restarts during the run."


def _gone(group: int) -> bool:
    deadline_s = monotonic_s() + LEFTOVERS_WITHIN_S
    while _group_exists(group) and monotonic_s() < deadline_s:
        time.sleep(0.05)
    return not _group_exists(group)


def _group_exists(group: int) -> bool:
    """Is any process left in the supervisor's group? Zombies not yet collected do not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return _living_members(group) > 0 if sys.platform == "linux" else True


def _living_members(group: int) -> int:
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, member_of = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue  # ended while we looked
        count += member_of == str(group) and state != "Z"
    return count
