"""The supervisor with real processes: small shell and Python children injected as a plan."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market_maker import local, logfiles
from market_maker.deployment import read_supervisor, supervisor_pid
from market_maker.plan import Plan, Process, Ready
from tests.conftest import wait_until

CHILD = """
import pathlib, signal, sys, time
def stop(*_):
    with open(sys.argv[2], "a") as file:
        file.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("child is up", flush=True)
pathlib.Path(sys.argv[2] + "." + sys.argv[1]).touch()
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Run folder; whatever a failed test leaves running is killed."""
    yield tmp_path
    state = read_supervisor(tmp_path)
    if state is not None:
        try:
            os.killpg(state.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def child(folder: Path, name: str, stop_order: int = 0, grace_s: float = 5.0) -> Process:
    command = [sys.executable, "-c", CHILD, name, str(folder / "stopped")]
    return Process(name=name, command=command, stop_order=stop_order, grace_s=grace_s)


def shell(name: str, script: str, grace_s: float = 5.0) -> Process:
    return Process(name=name, command=["sh", "-c", script], grace_s=grace_s)


def start(folder: Path, *stages: list[Process], lifeline: bool = False) -> "subprocess.Popen[bytes]":
    plan = Plan(
        run_id="r1", run_dir=str(folder), log_dir=str(folder / "logs"), stages=list(stages), lifeline=lifeline
    )
    with logfiles.open_log(folder / "logs" / "supervisor.log") as log:
        supervisor = local._spawn(plan, log.fileno())
    wait_until(lambda: phase(folder) in ("running", "failed"))
    return supervisor


def phase(folder: Path) -> str | None:
    state = read_supervisor(folder)
    return state.phase if state else None


def up(folder: Path, *names: str) -> Callable[[], bool]:
    return lambda: all((folder / f"stopped.{name}").exists() for name in names)


def finish(supervisor: "subprocess.Popen[bytes]", folder: Path) -> list[str]:
    lines = list(local.stop(folder))
    if supervisor.stdin:
        supervisor.stdin.close()
    supervisor.wait(timeout=5)
    return lines


def group_is_empty(group: int) -> bool:
    return local._living_members(group) == 0


def test_stops_in_the_order_of_the_plan_and_leaves_no_process(folder: Path) -> None:
    first, last = child(folder, "executor", stop_order=0), child(folder, "monitor", stop_order=2)
    supervisor = start(folder, [last], [first, child(folder, "quoter", stop_order=1)])
    wait_until(up(folder, "executor", "quoter", "monitor"))
    assert supervisor_pid(folder) == supervisor.pid

    assert finish(supervisor, folder) == ["Stopped: 3 processes, 0 restarts during the run."]

    assert (folder / "stopped").read_text().split() == ["executor", "quoter", "monitor"]
    assert group_is_empty(supervisor.pid)
    assert supervisor_pid(folder) is None
    assert phase(folder) == "stopped"


def test_starts_again_what_was_killed(folder: Path) -> None:
    supervisor = start(folder, [child(folder, "quoter")])
    wait_until(up(folder, "quoter"))
    before = read_supervisor(folder)
    assert before is not None
    os.kill(before.children["quoter"].pid, signal.SIGKILL)

    def restarted() -> bool:
        state = read_supervisor(folder)
        return state is not None and state.children["quoter"].restarts == 1

    wait_until(restarted)
    finish(supervisor, folder)
    assert "quoter killed by signal 9; starting it again in 1 s" in (folder / "logs/supervisor.log").read_text()


def test_wrong_settings_end_the_start_with_the_childs_own_words(folder: Path) -> None:
    supervisor = start(folder, [child(folder, "guard"), shell("quoter", "echo 'MM_COINS: no coin NOPE'; exit 4")])

    wait_until(lambda: phase(folder) == "failed")
    assert supervisor.wait(timeout=5) == 4
    state = read_supervisor(folder)
    assert state is not None and state.error == "quoter refuses its settings: MM_COINS: no coin NOPE"
    assert group_is_empty(supervisor.pid)


def test_a_command_that_does_not_exist_fails_the_start(folder: Path) -> None:
    supervisor = start(folder, [Process(name="redis", command=["/nonexistent/redis-server"])])
    assert supervisor.wait(timeout=5) == 1
    state = read_supervisor(folder)
    assert state is not None and "redis cannot be started" in state.error


def test_a_child_that_ends_before_it_is_ready_fails_the_start(folder: Path) -> None:
    process = Process(
        name="venue", command=["sh", "-c", "echo cannot bind; exit 1"], ready=Ready("tcp", unused_port())
    )
    supervisor = start(folder, [process], [child(folder, "quoter")])
    assert supervisor.wait(timeout=5) == 1
    state = read_supervisor(folder)
    assert state is not None and state.error == "venue ended while starting: cannot bind"
    assert not (folder / "stopped.quoter").exists()


def test_who_ignores_sigterm_is_killed_after_his_grace(folder: Path) -> None:
    stubborn = shell("monitor", f"trap '' TERM; touch {folder}/stopped.monitor; while :; do sleep 0.1; done", 0.3)
    supervisor = start(folder, [stubborn])
    wait_until(up(folder, "monitor"))
    finish(supervisor, folder)
    assert "monitor did not stop within 0 s: killed" in (folder / "logs/supervisor.log").read_text()
    wait_until(lambda: group_is_empty(supervisor.pid))


def test_only_one_supervisor_per_run_folder(folder: Path) -> None:
    first = start(folder, [child(folder, "quoter")])
    plan = Plan(run_id="r2", run_dir=str(folder), log_dir=str(folder / "logs"), stages=[])
    with logfiles.open_log(folder / "logs" / "second.log") as log:
        second = local._spawn(plan, log.fileno())
    assert second.wait(timeout=10) == 1
    assert supervisor_pid(folder) == first.pid
    finish(first, folder)


def test_a_foreground_run_ends_with_the_command_that_started_it(folder: Path) -> None:
    supervisor = start(folder, [child(folder, "quoter")], lifeline=True)
    wait_until(up(folder, "quoter"))
    assert supervisor.stdin is not None
    supervisor.stdin.close()
    assert supervisor.wait(timeout=10) == 0
    assert (folder / "stopped").read_text() == "quoter\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of a parent's death on Linux only")
def test_children_of_a_killed_supervisor_stop_in_order(folder: Path) -> None:
    supervisor = start(folder, [child(folder, "quoter")])
    wait_until(up(folder, "quoter"))
    supervisor.kill()
    supervisor.wait(timeout=5)
    wait_until(lambda: (folder / "stopped").exists())
    assert supervisor_pid(folder) is None, "the lock died with it, so the next start is not refused"
    wait_until(lambda: group_is_empty(supervisor.pid))


def test_stop_without_a_running_supervisor_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "mm.pid").write_text(f"{os.getpid()}\n")  # left over from a crash; the pid is somebody else's now
    assert list(local.stop(tmp_path)) == []


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_what_keeps_dying_is_started_ever_more_seldom_up_to_its_own_pause(folder: Path) -> None:
    patient = Process(name="quoter", command=["sh", "-c", "exit 1"])
    prompt = Process(name="watchdog", command=["sh", "-c", "exit 1"], longest_pause_s=1.0)
    supervisor = start(folder, [child(folder, "guard"), patient, prompt])
    log = folder / "logs/supervisor.log"
    wait_until(lambda: log.read_text().count("watchdog ended with exit code 1; starting it again in 1 s") >= 4, 20)
    assert "starting it again in 2 s" in log.read_text(), "the quoter's second pause"
    assert finish(supervisor, folder)
