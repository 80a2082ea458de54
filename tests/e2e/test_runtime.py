"""The runtime: what a declared service may rely on, with a bus in memory and with a Redis that dies."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.bus import Bus, Reader
from shared.config import EngineConfig
from shared.errors import BusError, InvariantError
from shared.memory_bus import MemoryBus
from shared.messages import CoinMeta, Event, Fill, HaltState, Heartbeat, Message, Universe
from shared.redis_bus import RedisBus
from shared.runtime import Runtime
from shared.service import BusBack, BusLost, Port, Service, Started, Stopping, Tick
from shared.streams import EVENTS, FILLS, HALT, STATUS, Stream
from tests.fixtures.make import fill


class Recorder:
    """A core that notes its inputs and answers from a script."""

    def __init__(self, answer: Callable[[Any], Iterable[Any]] = lambda _: ()) -> None:
        self.inputs: list[Any] = []
        self.restored: list[Message] = []
        self.answer = answer

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        self.inputs.append(msg)
        return self.answer(msg)

    def restore(self, now_ms: int, msg: Message) -> None:
        self.restored.append(msg)

    def seen(self, kind: type) -> list[Any]:
        return [item for item in self.inputs if isinstance(item, kind)]


class FailingDoor:
    """Carries out effects until told to break."""

    def __init__(self) -> None:
        self.applied: list[Any] = []
        self.broken = False

    async def run(self, port: Port) -> None:
        await asyncio.Event().wait()

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        if self.broken:
            raise OSError("disk on fire")
        self.applied += effects
        return ()


def declare(core: Recorder, **changes: Any) -> Service[EngineConfig]:
    wiring: dict[str, Any] = {
        "name": "quoter", "config": EngineConfig, "core": lambda _: core, "reads": (FILLS, HALT), "tick_ms": 20,
        "metrics_port": 0,
    }  # fmt: skip
    return Service(**wiring | changes)


@contextlib.asynccontextmanager
async def running(service: Service[EngineConfig], bus: Bus, folder: Path) -> AsyncIterator[Runtime]:
    runtime = Runtime(service, EngineConfig(run_dir=folder, metrics_port=0), bus)
    task = asyncio.create_task(runtime.run())
    try:
        yield runtime
    finally:
        runtime.stop()
        await task


async def until(condition: Callable[[], Any], within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


UNIVERSE_BTC = Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=1)


async def test_a_service_learns_its_coins_restores_starts_and_stops_in_order(tmp_path: Path) -> None:
    bus, core = MemoryBus(), Recorder()
    await bus.publish([UNIVERSE_BTC, fill("BTC", 1)])
    async with running(declare(core, restores=(FILLS,)), bus, tmp_path):
        await until(lambda: core.seen(Fill) and core.seen(Tick))
    assert core.restored == [fill("BTC", 1)]
    kinds = [type(item) for item in core.inputs]
    assert kinds.index(Universe) < kinds.index(Started) < kinds.index(Tick)
    assert kinds[-1] is Stopping
    assert (tmp_path / "quoter.alive").exists()
    assert any(isinstance(beat, Heartbeat) for beat in await bus.stored(STATUS, []))


async def test_an_entry_is_acknowledged_only_after_its_effect(tmp_path: Path) -> None:
    bus, core, door = (
        MemoryBus(),
        Recorder(lambda msg: [("write", msg)] if isinstance(msg, Fill) else []),
        FailingDoor(),
    )
    door.broken = True
    await bus.publish([UNIVERSE_BTC, fill("BTC", 1)])
    service = declare(core, door=lambda *_: door)
    with pytest.raises(OSError, match="disk on fire"):
        async with running(service, bus, tmp_path):
            await until(lambda: core.seen(Fill))
    door.broken = False
    async with running(service, bus, tmp_path):
        await until(lambda: door.applied)
    assert door.applied == [("write", fill("BTC", 1))]


async def test_lost_entries_are_counted_and_named_when_the_counter_has_been_seen_at_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trimmed(MemoryBus):
        def every(self, *given: Any) -> Reader:
            reader = super().every(*given)
            reader.lost["fills"] = 1_700
            return reader

    def counted(runtime: Runtime) -> float | None:
        return runtime.registry.get_sample_value("mm_bus_lost_total", {"stream": "fills"})

    def told(bus: MemoryBus) -> bytes:
        return b"".join(body for _, body in bus.entries[EVENTS.key()])

    bus = Trimmed()
    async with running(declare(Recorder()), bus, tmp_path) as runtime:
        await until(lambda: bus.entries.get(STATUS.key()))
        assert counted(runtime) == 0
        monkeypatch.setattr("shared.runtime.SEEN_BY_THEN_S", 0.0)
        await until(lambda: b"of fills were gone before they were read: 1,700 lost" in told(bus))
        assert counted(runtime) == 1_700
    assert told(bus).count(b"were gone before") == 1


async def test_results_of_effects_go_through_the_core(tmp_path: Path) -> None:
    class Echo(FailingDoor):
        async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
            return [("result", effect) for effect in effects]

    def answer(msg: Any) -> Iterable[Any]:
        if isinstance(msg, Started):
            return [("do", 1)]
        return [Event(tag="DONE", text=str(msg))] if isinstance(msg, tuple) else []

    bus = MemoryBus()
    async with running(declare(Recorder(answer), door=lambda *_: Echo()), bus, tmp_path):
        await until(lambda: bus.entries.get(EVENTS.key()))
    assert any(event.tag == "DONE" and event.service == "quoter" for event in await bus.stored(EVENTS, []))


class CarefulDoor(FailingDoor):
    """Lets nothing out that is not on record."""

    async def apply_unrecorded(self, effects: Sequence[Any]) -> Sequence[Any]:
        return [f"kept: {effect}" for effect in effects]


class Unwritable(MemoryBus):
    """Takes everything but the word of what is to leave."""

    async def publish(self, messages: Sequence[Message]) -> None:
        if any(isinstance(message, Event) and message.text == "will leave" for message in messages):
            raise BusError("gone at this very moment")
        await super().publish(messages)


@pytest.mark.parametrize(("kind", "leaves"), [(MemoryBus, True), (Unwritable, False)])
async def test_what_is_not_on_record_does_not_leave(tmp_path: Path, kind: type[MemoryBus], leaves: bool) -> None:
    """Redis dies between a decision and the word of it."""
    bus = kind()
    leave = Event(tag="", text="will leave"), "leave"
    core, door = Recorder(lambda msg: leave if isinstance(msg, Fill) else ()), CarefulDoor()
    await bus.publish([UNIVERSE_BTC, fill("BTC", 1)])
    async with running(declare(core, door=lambda *_: door), bus, tmp_path):
        await until(lambda: door.applied if leaves else core.seen(str))
    assert door.applied == (["leave"] if leaves else [])
    assert core.seen(str) == ([] if leaves else ["kept: leave"])


async def test_a_broken_promise_halts_everything_and_ends_the_service(tmp_path: Path) -> None:
    def answer(msg: Any) -> Iterable[Any]:
        if isinstance(msg, Fill):
            raise InvariantError("position is not the sum of the fills")
        return ()

    bus = MemoryBus()
    await bus.publish([UNIVERSE_BTC, fill("BTC", 1)])
    with pytest.raises(InvariantError):
        await Runtime(declare(Recorder(answer)), EngineConfig(run_dir=tmp_path, metrics_port=0), bus).run()
    assert (await bus.halt_state()).reason == "position is not the sum of the fills"


async def test_the_halt_key_reaches_the_core_when_it_changes(tmp_path: Path) -> None:
    bus, core = MemoryBus(), Recorder()
    async with running(declare(core), bus, tmp_path):
        await until(lambda: core.seen(HaltState))
        await bus.publish([HaltState(halted=True, reason="drill", who="operator", since_ms=1)])
        await until(lambda: core.seen(HaltState)[-1].halted)
        await bus.publish([HaltState(halted=False)])
        await until(lambda: not core.seen(HaltState)[-1].halted)


class Server:
    """A redis-server on a unix socket that can be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip("redis-server is not installed")
        self.url = f"unix://{folder}/s"
        self.command = [
            binary, "--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", str(folder),
            "--appendonly", "yes", "--appendfsync", "everysec",
        ]  # fmt: skip
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "eady to accept connections" in line:
                return
        raise AssertionError("redis-server did not start")

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


async def test_redis_killed_in_the_middle_loses_nothing_that_counts_and_doubles_nothing(tmp_path: Path) -> None:
    seqs = iter(range(1, 10_000))

    def answer(msg: Any) -> Iterable[Any]:
        return [fill("BTC", next(seqs))] if isinstance(msg, (Tick, BusLost)) else []

    server, core = Server(tmp_path), Recorder(answer)
    server.start()
    bus = RedisBus(server.url)
    await bus.publish([UNIVERSE_BTC])
    async with running(declare(core, reads=(HALT,)), bus, tmp_path):
        await until(lambda: len(core.seen(Tick)) > 10)
        server.kill()
        await until(lambda: len(core.seen(BusLost)) > 10)
        server.start()
        await until(lambda: core.seen(BusBack))
        ticks = len(core.seen(Tick))
        await until(lambda: len(core.seen(Tick)) > ticks + 5)
    reader = RedisBus(server.url)
    stored = [entry.seq for entry in await reader.stored(FILLS, ["BTC"])]
    await reader.close()
    server.kill()
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) >= 25


async def test_a_service_waits_for_redis_at_the_start(tmp_path: Path) -> None:
    server, core = Server(tmp_path), Recorder()
    bus = RedisBus(server.url)
    with pytest.raises(BusError):
        await bus.memory_ratio()
    async with running(declare(core, reads=(HALT,)), bus, tmp_path):
        await asyncio.sleep(0)
        assert not core.inputs
        server.start()
        await until(lambda: core.seen(Tick))
    server.kill()


class Away(MemoryBus):
    """Answers no question."""

    asked = 0

    async def stored(self, stream: Stream, coins: Sequence[str], last: int | None = None) -> list[Message]:
        self.asked += 1
        raise BusError("not now")

    async def history(self, streams: Sequence[Stream], coin: str) -> list[Message]:
        raise BusError("not now")


class LostInTheMiddle(MemoryBus):
    """Tells the coins and is away when asked for their fills, once."""

    asked = False

    async def history(self, streams: Sequence[Stream], coin: str) -> list[Message]:
        if FILLS in streams and not self.asked:
            self.asked = True
            raise BusError("gone in the middle")
        return await super().history(streams, coin)


async def test_a_bus_lost_while_restoring_is_waited_for_and_nothing_restored_twice(tmp_path: Path) -> None:
    bus, core = LostInTheMiddle(), Recorder()
    await bus.publish([UNIVERSE_BTC, fill("BTC", 1)])
    async with running(declare(core, restores=(FILLS,)), bus, tmp_path):
        await until(lambda: core.seen(Started))
    assert bus.asked and core.restored == [fill("BTC", 1)]


async def test_a_service_stopped_while_it_waits_for_redis_begins_nothing(tmp_path: Path) -> None:
    """What it would publish at its start, an empty ledger say, must not meet a Redis that returns just then."""
    bus, core = Away(), Recorder()
    async with running(declare(core, restores=(FILLS,)), bus, tmp_path):
        await until(lambda: bus.asked)
    assert [type(item) for item in core.inputs] == [Stopping]


async def test_however_long_redis_is_away_no_coin_waits_twice(tmp_path: Path) -> None:
    bus = Away()
    runtime = Runtime(declare(Recorder(), restores=(FILLS,)), EngineConfig(run_dir=tmp_path, metrics_port=0), bus)
    for _ in range(3):
        with pytest.raises(BusError):
            await runtime._restore(bus, ["BTC", "ETH"])
    assert list(runtime._unrestored) == ["BTC", "ETH"]
