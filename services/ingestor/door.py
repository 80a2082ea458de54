"""Moves bytes between the venue and the core. What to do next is always the core's decision."""

import asyncio
from collections.abc import Sequence
from typing import Any

from services.ingestor.config import IngestorConfig
from services.ingestor.inputs import (
    Connect,
    Connected,
    Disconnected,
    Drop,
    FrameReceived,
    LoadUniverse,
    Published,
    Send,
    UniverseFailed,
    UniverseLoaded,
)
from shared.clock import wall_ms
from shared.errors import VenueError
from shared.hyperliquid.rest import InfoClient
from shared.hyperliquid.ws import VenueSocket, open_socket
from shared.metrics import ServiceMetrics
from shared.service import Port

BATCH_FRAMES = 16
"""Frames that are waiting already are handled together: one round trip to the bus for all of them."""
QUEUED_FRAMES = 1024
"""Beyond this the socket is not read until we have caught up."""


class VenueDoor:
    """One websocket connection at a time, and the universe by REST before the first."""

    def __init__(self, config: IngestorConfig) -> None:
        self._url, self._dex, self._timeout_s = config.url, config.dex, config.feed_timeout_s
        self._next: asyncio.Queue[LoadUniverse | Connect] = asyncio.Queue()
        self._outgoing: tuple[bytes, ...] = ()
        self._socket: VenueSocket | None = None
        self._metrics: ServiceMetrics | None = None

    def measure(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        for effect in effects:
            if isinstance(effect, Send):
                self._outgoing = effect.frames
            elif isinstance(effect, Drop):
                if self._socket is not None:
                    self._socket.abort()
            else:
                self._next.put_nowait(effect)
        return ()

    async def run(self, port: Port) -> None:
        while True:
            effect = await self._next.get()
            await asyncio.sleep(effect.after_s)
            if isinstance(effect, LoadUniverse):
                await port.handle(await self._load_universe())
            else:
                await self._converse(port)

    async def _load_universe(self) -> UniverseLoaded | UniverseFailed:
        try:
            async with InfoClient(self._url, self._timeout_s) as info:
                return UniverseLoaded(await info.meta_and_ctxs(self._dex), wall_ms())
        except VenueError as error:
            return UniverseFailed(str(error))

    async def _converse(self, port: Port) -> None:
        """One connection from its opening to its end, which the core is told in every case."""
        try:
            async with open_socket(self._url, self._timeout_s) as socket, asyncio.TaskGroup() as tasks:
                self._socket = socket
                await port.handle(Connected())
                queue: asyncio.Queue[FrameReceived | Disconnected] = asyncio.Queue(QUEUED_FRAMES)
                tasks.create_task(self._receive(socket, queue))
                await self._hand_over(port, queue)
        except VenueError as error:
            await port.handle(Disconnected(str(error)))
        finally:
            self._socket = None

    async def _receive(self, socket: VenueSocket, queue: "asyncio.Queue[FrameReceived | Disconnected]") -> None:
        """Subscribe, then stamp each frame the moment it is read."""
        try:
            for frame in self._outgoing:
                await socket.send(frame)
            async for raw in socket.frames():
                await queue.put(FrameReceived(raw, wall_ms()))
        except VenueError as error:
            await queue.put(Disconnected(str(error)))

    async def _hand_over(self, port: Port, queue: "asyncio.Queue[FrameReceived | Disconnected]") -> None:
        """Batches to the core until the connection has ended; each batch brings the latencies of the last."""
        published = Published(())
        while True:
            batch = [await queue.get()]
            while len(batch) < BATCH_FRAMES and not queue.empty():
                batch.append(queue.get_nowait())
            await port.handle(published, *batch)
            now_ms = wall_ms()
            published = Published(
                tuple(max(0.0, now_ms - frame.received_ms) for frame in batch if isinstance(frame, FrameReceived))
            )
            if self._metrics is not None:
                for latency_ms in published.latencies_ms:
                    self._metrics.frame_to_bus_seconds.observe(latency_ms / 1e3)
            if isinstance(batch[-1], Disconnected):
                return
