"""A service ends when it is told to, also when a cancellation gets lost on the way."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.guard.config import GuardConfig
from shared import runtime as runtime_module
from shared.errors import ClockSetBack
from shared.memory_bus import MemoryBus
from shared.messages import Event, Message
from shared.runtime import Runtime
from shared.service import Port, Service, Stopping, Tick


class Recorder:
    """A core that remembers how it ended."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []

    def step(self, now_ms: int, msg: Any) -> tuple[()]:
        self.inputs.append(msg)
        return ()


class DeafDoor:
    """Loses the first cancellation, as `asyncio.wait_for` of Python 3.11 does when it is done in that moment."""

    def __init__(self) -> None:
        self.lost = False

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        return ()

    async def run(self, port: Port) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.lost = True
        await asyncio.Event().wait()


async def test_a_lost_cancellation_does_not_keep_a_service_alive() -> None:
    core, door = Recorder(), DeafDoor()
    service = Service(
        name="deaf", config=GuardConfig, core=lambda config: core, door=lambda config, core: door, metrics_port=0
    )
    runtime = Runtime(service, GuardConfig(metrics_port=0), MemoryBus())
    task = asyncio.create_task(runtime.run())
    async with asyncio.timeout(8):
        while not core.inputs:
            await asyncio.sleep(0.01)
        runtime.stop()
        await task
    assert door.lost
    assert core.inputs[-1] == Stopping()


class Decider:
    """A core with one effect for every tick, and two at the end."""

    def __init__(self) -> None:
        self.decided = 0
        self.heard: list[Any] = []

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        self.heard.append(msg)
        if isinstance(msg, Stopping):
            return ["last"]
        if msg == "the answer":
            return ["very last"]
        if not isinstance(msg, Tick):
            return []
        self.decided += 1
        return [Event(tag="", text="decided"), self.decided]


class RememberingDoor:
    def __init__(self) -> None:
        self.applied: list[Any] = []
        self.finished: list[Any] = []
        self.closed_after: int | None = None

    async def run(self, port: Port) -> None:
        await asyncio.Event().wait()

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        self.applied += effects
        return ()

    async def finish(self, effects: Sequence[Any]) -> Sequence[Any]:
        self.finished += effects
        return {"last": ("the answer",), "very last": ("of earlier",)}.get("".join(effects), ())

    async def close(self) -> None:
        self.closed_after = len(self.applied)


class SlowBus(MemoryBus):
    """Publishing what a core decided takes until `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.publishing, self.go = asyncio.Event(), asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> None:
        if any(isinstance(message, Event) and message.text == "decided" for message in messages):
            self.publishing.set()
            await self.go.wait()
        await super().publish(messages)


async def test_what_is_decided_when_the_end_comes_still_reaches_the_door() -> None:
    core, door, bus = Decider(), RememberingDoor(), SlowBus()
    service = Service(
        name="decider", config=GuardConfig, core=lambda config: core, door=lambda config, core: door,
        metrics_port=0, tick_ms=10,
    )  # fmt: skip
    runtime = Runtime(service, GuardConfig(metrics_port=0), bus)
    task = asyncio.create_task(runtime.run())
    async with asyncio.timeout(8):
        await bus.publishing.wait()
        runtime.stop()
        for _ in range(20):
            await asyncio.sleep(0)
        bus.go.set()
        await task
    assert door.applied == list(range(1, core.decided + 1)) and door.applied
    assert door.finished == ["last", "very last"]
    assert core.heard[-3:] == [Stopping(), "the answer", "of earlier"]
    assert door.closed_after == len(door.applied)


async def test_a_clock_that_is_set_back_ends_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second back is nothing; three would keep every age and deadline waiting."""
    times = iter([10_000.0, 12_000.0, 11_000.0, 9_000.0])
    monkeypatch.setattr(runtime_module, "wall_ms", lambda: now_ms[0])
    now_ms = [10_000.0]

    class Winding(Recorder):
        def step(self, at_ms: int, msg: Any) -> tuple[()]:
            if isinstance(msg, Tick):
                now_ms[0] = next(times)
            return super().step(at_ms, msg)

    core = Winding()
    service = Service(name="winding", config=GuardConfig, core=lambda config: core, metrics_port=0, tick_ms=1)
    async with asyncio.timeout(8):
        with pytest.raises(ClockSetBack, match="set back by 3 s"):
            await Runtime(service, GuardConfig(metrics_port=0), MemoryBus()).run()
    assert core.inputs.count(Tick()) == 4 and core.inputs[-1] == Stopping()
