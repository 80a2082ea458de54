"""`docker compose up` on a real engine: everything turns healthy, heals after each kill, and stops clean."""

import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from market_maker.preflight import docker_problem
from services import SERVICES
from tests.conftest import wait_until
from tests.fixtures.docker_turn import docker_turn

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = (
    "Dockerfile", ".dockerignore", "docker-compose.yml", "requirements.lock", "config", "shared", "services",
    "scripts", "analysis", "market_maker",
)  # fmt: skip
RUNNING = {"redis", *SERVICES} - {"watchdog"}

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stack:
    """The demo profile in a folder of its own, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("MM_REDIS_PORT", "MM_METRICS_PORT", "MM_VENUE_PORT")}
        self.environment = {
            **os.environ, **{name: str(port) for name, port in self.ports.items()},
            "MM_VENUE": "sim", "MM_TOP_N": "5",
        }  # fmt: skip

    def compose(self, *arguments: str, check: bool = True) -> str:
        command = ["docker", "compose", "-p", "mm-test", "--profile", "demo", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def states(self) -> dict[str, str]:
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        return {row["Service"]: row["Health"] or row["State"] for row in rows}

    def is_healthy(self) -> bool:
        states = self.states()
        return all(states.get(name) == "healthy" for name in RUNNING)

    def coins_quoted(self) -> int:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.ports['MM_METRICS_PORT']}/metrics", timeout=5
        ) as answer:
            lines = answer.read().decode().splitlines()
        return sum(line.startswith("mm_quoting{") and line.endswith(" 1.0") for line in lines) // 2


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    problem = docker_problem()
    if problem:
        pytest.skip(problem)
    with docker_turn():
        yield from _up(tmp_path_factory.mktemp("compose"))


def _up(folder: Path) -> Iterator[Stack]:
    names = subprocess.run(["docker", "ps", "-a", "--format", "{{.Names}}"], capture_output=True, text=True).stdout
    if any(name.startswith("mm_") for name in names.split()):
        pytest.skip("containers of this project are there already; stop them with ./start_mm_bot.sh --stop")
    base = "python:3.13.9-slim-trixie"
    if subprocess.run(["docker", "image", "inspect", base], capture_output=True).returncode != 0:
        if subprocess.run(["docker", "pull", "--quiet", base], capture_output=True).returncode != 0:
            pytest.skip(f"{base} is not here and cannot be pulled")
    for name in CONTEXT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    running = Stack(folder)
    try:
        running.compose("build", "--quiet", "prepare")
        running.compose("up", "--detach")
        wait_until(running.is_healthy, within_s=90)
        yield running
    finally:
        running.compose("down", "--volumes", check=False)


def test_everything_is_healthy_and_quotes(stack: Stack) -> None:
    assert stack.states()["prepare"] == "exited"
    wait_until(lambda: stack.coins_quoted() >= 4, within_s=30)


def test_only_who_needs_it_may_write_or_reach_out(stack: Stack) -> None:
    script = "id -u; touch /app/x 2>&1 | head -c 200; ls /app/.secrets /app/data 2>&1"
    said = stack.compose("exec", "quoter", "sh", "-c", script, check=False)
    assert said.startswith("10001\n") and "Read-only file system" in said
    assert said.count("No such file or directory") == 2, "neither data nor passwords of others are mounted"


def test_redis_from_outside_is_for_looking_only(stack: Stack) -> None:
    import redis

    with redis.Redis(port=stack.ports["MM_REDIS_PORT"]) as people:
        assert people.xlen("mm:universe") >= 1
        with pytest.raises(redis.exceptions.NoPermissionError):
            people.set("mm:halt", "x")


def test_a_crashed_process_is_started_again_by_the_engine(stack: Stack) -> None:
    if os.geteuid() != 0:
        pytest.skip("killing a container's process from outside needs root")
    found = subprocess.run(
        ["docker", "inspect", "-f", "{{.State.Pid}}", "mm_quoter"], capture_output=True, text=True
    ).stdout.strip()
    child = Path(f"/proc/{found}/task/{found}/children").read_text().split()[0]
    os.kill(int(child), 9)
    wait_until(lambda: restarts("mm_quoter") == 1, within_s=20)
    wait_until(stack.is_healthy, within_s=60)


def restarts(name: str) -> int:
    said = subprocess.run(["docker", "inspect", "-f", "{{.RestartCount}}", name], capture_output=True, text=True)
    return int(said.stdout)


def test_heals_after_every_service_was_killed_in_turn(stack: Stack) -> None:
    """To the engine `kill` is a stop by hand, so the operator's `up -d` brings the container back."""
    for name in sorted(RUNNING):
        stack.compose("kill", "-s", "KILL", name)
        stack.compose("up", "--detach")
    wait_until(stack.is_healthy, within_s=90)
    wait_until(lambda: stack.coins_quoted() >= 4, within_s=30)


def test_stops_clean_with_every_line_whole(stack: Stack) -> None:
    """Last: nothing of the stack runs after this."""
    stack.compose("stop")
    codes = {
        row["Service"]: row["ExitCode"]
        for row in map(json.loads, stack.compose("ps", "--all", "--format", "json").splitlines())
    }
    assert {name: code for name, code in codes.items() if code} == {}
    files = list((stack.folder / "data").rglob("*.csv"))
    assert files and all(file.read_bytes().endswith(b"\n") for file in files)
