"""Local mode's parent of all processes: starts them in order, restarts what dies, stops them in order.

Runs detached in a session of its own, so all children share its process group and `--stop` can prove that none
is left. Imports as little as possible: it lives as long as the bot and should weigh nothing.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from market_maker import logfiles, resp
from market_maker.plan import ChildState, Plan, Process, SupervisorState
from shared.clock import monotonic_s, wall_ms
from shared.log import parse, render
from shared.messages import Event
from shared.streams import EVENTS, FIELD

POLL_S = 0.1
READY_WITHIN_S = 30.0
STEADY_AFTER_S = 60.0
"""A child that ran so long starts again with the shortest pause."""
ROTATE_EVERY_S = 5.0
CONFIGURATION_ERROR = 4
"""Exit code of a child for which starting again cannot help."""
PID_FILE = "mm.pid"
STATE_FILE = "supervisor.json"


class StartFailed(Exception):
    """The stack cannot come up; the text says which child and why."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass
class Child:
    """One process and its history."""

    spec: Process
    popen: "subprocess.Popen[bytes] | None" = None
    restarts: int = 0
    started_s: float = 0.0
    next_start_s: float | None = None
    pause_s: float = field(default=1.0)

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None


class Supervisor:
    """See the module's text."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.log_dir, self.run_dir = Path(plan.log_dir), Path(plan.run_dir)
        self.children = {spec.name: Child(spec) for stage in plan.stages for spec in stage}
        self.phase: Literal["starting", "running", "stopping", "stopped", "failed"] = "starting"
        self.error = ""
        self.exit_code = 0
        self._stop = False
        self._next_rotation_s = monotonic_s()

    def run(self) -> int:
        """Until stopped; 0, or what made the start fail."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            for stage in self.plan.stages:
                self._start_stage(stage)
            self._enter("running")
            while not self._stop:
                self._restart_the_dead()
                self._rotate_logs()
                self._pause()
        except StartFailed as failure:
            self.error, self.exit_code = str(failure), failure.exit_code
            self._say("error", self.error)
        self._enter("stopping")
        self._stop_all()
        self._enter("failed" if self.error else "stopped")
        return self.exit_code

    # ---- start ----

    def _start_stage(self, stage: list[Process]) -> None:
        for spec in stage:
            self._spawn(self.children[spec.name])
        deadline_s = monotonic_s() + READY_WITHIN_S
        for spec in stage:
            while not self._stop and not self._is_ready(spec):
                if monotonic_s() > deadline_s:
                    raise StartFailed(
                        f"{spec.name} is not ready after {READY_WITHIN_S:.0f} s{self._last_words(spec)}"
                    )
                if not self.children[spec.name].alive:
                    raise StartFailed(f"{spec.name} ended while starting{self._last_words(spec)}")
                self._pause()

    def _spawn(self, child: Child) -> None:
        try:
            with logfiles.open_log(self.log_dir / f"{child.spec.name}.log") as log:
                child.popen = subprocess.Popen(
                    child.spec.command,
                    env={**os.environ, **child.spec.env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=_end_with_parent,
                )
        except OSError as error:
            raise StartFailed(f"{child.spec.name} cannot be started: {error}") from error
        child.started_s, child.next_start_s = monotonic_s(), None
        self._write_state()

    def _is_ready(self, spec: Process) -> bool:
        try:
            if spec.ready.kind == "redis":
                return self._bus("PING") == "PONG"
            if spec.ready.kind == "tcp":
                socket.create_connection(("127.0.0.1", spec.ready.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _last_words(self, spec: Process) -> str:
        for line in logfiles.last_lines(self.log_dir / f"{spec.name}.log", 1):
            event = parse(line)
            return f": {event.service}: {event.text.partition(' traceback=')[0]}" if event else f": {line}"
        return ""

    # ---- while running ----

    def _restart_the_dead(self) -> None:
        now_s = monotonic_s()
        for child in self.children.values():
            if child.alive or child.popen is None:
                continue
            if child.next_start_s is None:
                self._plan_restart(child, now_s)
            elif now_s >= child.next_start_s:
                child.restarts += 1
                self._spawn(child)

    def _plan_restart(self, child: Child, now_s: float) -> None:
        assert child.popen is not None
        code = child.popen.returncode
        if code == CONFIGURATION_ERROR:
            raise StartFailed(f"{child.spec.name} refuses its settings{self._last_words(child.spec)}", code)
        steady = now_s - child.started_s > STEADY_AFTER_S
        again = not steady and child.restarts
        child.pause_s = min(child.pause_s * 2, child.spec.longest_pause_s) if again else 1.0
        child.next_start_s = now_s + child.pause_s
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._say("warning", f"{child.spec.name} {how}; starting it again in {child.pause_s:.0f} s")

    def _rotate_logs(self) -> None:
        if monotonic_s() < self._next_rotation_s:
            return
        self._next_rotation_s = monotonic_s() + ROTATE_EVERY_S
        for name in (*self.children, "supervisor"):
            try:
                logfiles.rotate(self.log_dir / f"{name}.log")
            except OSError as error:
                self._say("warning", f"the log of {name} cannot be rotated: {error}")

    def _pause(self) -> None:
        """A short rest; notices meanwhile that the command in the foreground has gone."""
        if not self.plan.lifeline:
            time.sleep(POLL_S)
        elif select.select([sys.stdin], [], [], POLL_S)[0] and not self._stop:
            self._say("warning", "the command that started this run has ended: stopping")
            self._stop = True

    def _on_signal(self, number: int, frame: Any) -> None:
        self._stop = True

    # ---- stop ----

    def _stop_all(self) -> None:
        for order in sorted({child.spec.stop_order for child in self.children.values()}):
            group = [child for child in self.children.values() if child.spec.stop_order == order and child.alive]
            for child in group:
                assert child.popen is not None
                child.popen.terminate()
            for child in group:
                self._wait_or_kill(child)

    def _wait_or_kill(self, child: Child) -> None:
        assert child.popen is not None
        try:
            code = child.popen.wait(timeout=child.spec.grace_s)
        except subprocess.TimeoutExpired:
            child.popen.kill()
            child.popen.wait()
            self._say("warning", f"{child.spec.name} did not stop within {child.spec.grace_s:.0f} s: killed")
            return
        if code not in (0, -signal.SIGTERM):
            self._say("warning", f"{child.spec.name} stopped with exit code {code}{self._last_words(child.spec)}")

    # ---- telling ----

    def _say(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """One line in the combined event log and in our own; a full disk or a dead Redis silences only one."""
        event = Event(service="supervisor", level=level, tag="SUPERVISOR", text=text, time_ms=int(wall_ms()))
        try:
            length, body = str(EVENTS.maxlen), msgspec.json.encode(event).decode()
            self._bus("XADD", EVENTS.key(), "MAXLEN", "~", length, "*", FIELD.decode(), body)
        except OSError as error:
            event = msgspec.structs.replace(event, text=f"{text} (not on the bus: {error})")
        with contextlib.suppress(OSError):
            print(render(event, self.plan.log_format), flush=True)

    def _bus(self, *arguments: str) -> str:
        plan = self.plan
        return resp.command(resp.Address(Path(plan.bus_socket), plan.bus_user, plan.bus_password), *arguments)

    def _enter(self, phase: Literal["starting", "running", "stopping", "stopped", "failed"]) -> None:
        self.phase = phase
        self._write_state()

    def _write_state(self) -> None:
        children = {
            name: ChildState(child.popen.pid, child.restarts)
            for name, child in self.children.items()
            if child.popen is not None
        }
        state = SupervisorState(
            pid=os.getpid(), run_id=self.plan.run_id, phase=self.phase, error=self.error,
            exit_code=self.exit_code, children=children,
        )  # fmt: skip
        fresh = self.run_dir / f"{STATE_FILE}.new"
        try:
            fresh.write_bytes(msgspec.json.encode(state))
            fresh.replace(self.run_dir / STATE_FILE)
        except OSError as error:
            self._say("warning", f"{self.run_dir / STATE_FILE} cannot be written: {error}")


def _end_with_parent() -> None:
    """Linux: the kernel sends SIGTERM when the supervisor dies, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def main() -> int:
    """Plan on standard input (one line of JSON); the lock on the pid file says that we live."""
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    run_dir = Path(plan.run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / PID_FILE).open("a+") as pid_file:
        try:
            fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another supervisor holds the pid file", file=sys.stderr)
            return 1
        pid_file.truncate(0)
        pid_file.write(f"{os.getpid()}\n")
        pid_file.flush()
        return Supervisor(plan).run()


if __name__ == "__main__":
    sys.exit(main())
