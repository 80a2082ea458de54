"""A Redis that is killed, with the real users and settings: nobody who lives on is told anything twice."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from market_maker import access, redis_server
from market_maker.deployment import with_user
from services import SERVICES, load
from shared.bus import Reader
from shared.errors import BusError
from shared.redis_bus import RedisBus
from shared.streams import FILLS
from tests.conftest import server_binaries, wait_until
from tests.fixtures.make import fill

DECLARED = [service for service in (load(name) for name in SERVICES) if service.uses_bus]


class Server:
    """A server on the same data each time; the one before is killed."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.passwords = access.prepare(folder / "bus", DECLARED)
        self.socket, data = folder / "redis.sock", folder / "data"
        data.mkdir()
        acl_file = folder / "bus" / access.ACL_FILE
        command = redis_server.command_line(redis_server.identify(Path(binary)), 0, self.socket, data, acl_file)
        self.command = [*command, "--appendfsync", "always"]
        self.process: subprocess.Popen[bytes] | None = None

    def bus(self, user: str) -> RedisBus:
        return RedisBus(with_user(f"unix://{self.socket}", user, self.passwords[user]))

    def start(self) -> None:
        self.kill()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        with redis.Redis(unix_socket_path=str(self.socket)) as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except redis.ConnectionError:
                    return False

            wait_until(answers)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)


@pytest.fixture(params=[0, 1])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    binaries = server_binaries()
    if request.param >= len(binaries):
        pytest.skip(f"only {len(binaries)} Redis-compatible servers here")
    server = Server(binaries[request.param], tmp_path)
    yield server
    server.kill()


async def seqs(reader: Reader) -> list[int]:
    """Read past the broken connection and everything that was known, until something comes; acknowledge it."""
    while True:
        try:
            deliveries = await reader.read(block_ms=100)
        except BusError:
            continue
        if deliveries:
            await reader.ack(deliveries)
            return [delivery.message.seq for delivery in deliveries]


async def test_a_reader_that_lives_on_gets_only_what_is_new(server: Server) -> None:
    server.start()
    executor, guard = server.bus("executor"), server.bus("guard")
    reader = guard.every([FILLS], "guard", "guard-1")
    await reader.watch(["BTC"])
    await executor.publish([fill("BTC", 1), fill("BTC", 2)])
    assert await seqs(reader) == [1, 2]
    server.start()
    await publish_again(executor, 3)
    assert await seqs(reader) == [3]
    await publish_again(executor, 4)
    assert await seqs(reader) == [4]
    for bus in (executor, guard):
        await bus.close()


async def publish_again(bus: RedisBus, seq: int) -> None:
    """The first try after the server's death finds the old connection broken."""
    try:
        await bus.publish([fill("BTC", seq)])
    except BusError:
        await bus.publish([fill("BTC", seq)])
