"""The bus users against a real server: a service may do what it declares, and nothing else."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from market_maker import access, redis_server
from services import SERVICES, load
from shared.streams import STREAM_OF, TRADES
from tests.conftest import server_binaries, wait_until

DECLARED = [service for service in (load(name) for name in SERVICES) if service.uses_bus]


@pytest.fixture(scope="module", params=[0, 1])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path]]:
    """Socket and password folder of the first two kinds of server here, with the real redis.conf."""
    binaries = server_binaries()
    if request.param >= len(binaries):
        pytest.skip(f"only {len(binaries)} Redis-compatible servers here")
    folder = tmp_path_factory.mktemp("acl")
    access.prepare(folder / "bus", DECLARED)
    socket = folder / "redis.sock"
    command = redis_server.command_line(
        redis_server.identify(Path(binaries[request.param])), 0, socket, folder, folder / "bus" / access.ACL_FILE
    )
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(socket.exists)
    yield socket, folder / "bus"
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture
def client(server: tuple[Path, Path]) -> Iterator[Callable[[str], "redis.Redis"]]:
    socket, folder = server
    clients = []

    def connect(user: str) -> "redis.Redis":
        password = access.password_of(folder, user)
        clients.append(redis.Redis(unix_socket_path=str(socket), username=user, password=password))
        return clients[-1]

    yield connect
    for each in clients:
        each.close()


def test_each_service_may_write_exactly_what_it_declares(client: Callable[[str], "redis.Redis"]) -> None:
    always = {"status", "events"}
    for service in DECLARED:
        user = client(service.name)
        declared = {stream.name for stream in (*service.writes, *service.reads) if stream.policy == "every"}
        declared |= {stream.name for stream in service.writes} | always
        for stream in set(STREAM_OF.values()):
            if stream.policy in ("latest", "every"):
                allowed = True
                try:
                    user.xadd(stream.key("BTC"), {"m": "x"}, maxlen=10)
                except redis.exceptions.NoPermissionError:
                    allowed = False
                assert allowed == (stream.name in declared), f"{service.name} on {stream.name}"


@pytest.mark.parametrize("key", ["mm:position:{BTC}", "mm:last_status"])
def test_only_the_executor_says_what_is_held(client: Callable[[str], "redis.Redis"], key: str) -> None:
    for service in DECLARED:
        user = client(service.name)
        if service.name == "executor":
            user.hset(key, "m", "x")
            continue
        with pytest.raises(redis.exceptions.NoPermissionError):
            user.hset(key, "m", "x")


def test_only_who_has_to_do_with_a_stream_may_look_at_its_readers(client: Callable[[str], "redis.Redis"]) -> None:
    client("guard").xgroup_create("mm:trades:{BTC}", "guard", id="0", mkstream=True)
    for service in DECLARED:
        user = client(service.name)
        if TRADES in {*service.reads, *service.writes, *service.looks_at}:
            assert user.xinfo_groups("mm:trades:{BTC}")[0]["name"] == b"guard"
            continue
        with pytest.raises(redis.exceptions.NoPermissionError):
            user.xinfo_groups("mm:trades:{BTC}")


def test_people_may_look_and_subscribe_but_change_nothing(client: Callable[[str], "redis.Redis"]) -> None:
    people = client("default")
    assert people.ping()
    assert people.xlen("mm:book:{BTC}") >= 0
    with people.pubsub() as channel:
        channel.subscribe("mm:shadow_fills", "mm:engine_status")
        assert channel.get_message(timeout=5) is not None
    for attempt in (
        lambda: people.set("mm:halt", "x"),
        lambda: people.delete("mm:halt"),
        lambda: people.xadd("mm:command", {"m": "x"}),
        lambda: people.publish("mm:shadow_fills", "x"),
        lambda: people.flushall(),
        lambda: people.config_get("*"),
        lambda: people.shutdown(),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            attempt()


def test_the_operator_may_command_but_not_forge_a_fill(client: Callable[[str], "redis.Redis"]) -> None:
    operator = client(access.OPERATOR)
    operator.xadd("mm:command", {"m": "x"})
    with pytest.raises(redis.exceptions.NoPermissionError):
        operator.xadd("mm:fills:{BTC}", {"m": "x"})


def test_a_wrong_password_is_refused(server: tuple[Path, Path]) -> None:
    with redis.Redis(unix_socket_path=str(server[0]), username="executor", password="guess") as stranger:
        with pytest.raises(redis.exceptions.AuthenticationError):
            stranger.ping()


def test_passwords_are_made_once_and_readable_by_the_owner_only(tmp_path: Path) -> None:
    first = access.prepare(tmp_path, DECLARED)
    assert access.prepare(tmp_path, DECLARED) == first
    assert len(set(first.values())) == len(first) == len(DECLARED) + 2
    for file in tmp_path.rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, file
    acl = (tmp_path / access.ACL_FILE).read_text()
    assert not any(password in acl for password in first.values())
