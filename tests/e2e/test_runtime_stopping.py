"""A service ends when it is told to, also when a cancellation gets lost on the way."""

import asyncio
from collections.abc import Sequence
from typing import Any

from services.guard.config import GuardConfig
from shared.memory_bus import MemoryBus
from shared.runtime import Runtime
from shared.service import Port, Service, Stopping


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
