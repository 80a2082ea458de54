"""What the supervisor is told: processes in stages, how to see that one is ready, how to stop them.

The launcher writes it to the supervisor's standard input, never to a file: it contains bus passwords.
"""

from typing import Literal

import msgspec


class Ready(msgspec.Struct, frozen=True):
    """`redis`: answers PING at the plan's bus. `tcp`: accepts connections on 127.0.0.1. `at_once`: no wait."""

    kind: Literal["redis", "tcp", "at_once"] = "at_once"
    port: int = 0


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One child."""

    name: str
    command: list[str]
    env: dict[str, str] = {}
    """Added to the supervisor's own environment."""
    ready: Ready = Ready()
    grace_s: float = 10.0
    """From SIGTERM to SIGKILL."""
    longest_pause_s: float = 30.0
    """Before it is started again, however often it has died."""
    stop_order: int = 0
    """Children with the same number are stopped together, lower numbers first."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    run_id: str
    run_dir: str
    log_dir: str
    stages: list[list[Process]]
    """Started in this order; a stage begins when all of the one before are ready."""
    bus_socket: str = ""
    bus_user: str = ""
    bus_password: str = ""
    log_format: Literal["pretty", "json"] = "pretty"
    lifeline: bool = False
    """Stop when standard input closes: the run belongs to a command in the foreground."""


class ChildState(msgspec.Struct, frozen=True):
    """One child as `supervisor.json` shows it."""

    pid: int
    restarts: int


class SupervisorState(msgspec.Struct, frozen=True, kw_only=True):
    """`supervisor.json`: what the launcher and `status` read."""

    pid: int
    run_id: str
    phase: Literal["starting", "running", "stopping", "stopped", "failed"]
    error: str = ""
    exit_code: int = 0
    children: dict[str, ChildState] = {}
