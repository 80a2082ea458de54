"""Runs the venue's server inside the service."""

import asyncio
from collections.abc import Sequence
from typing import Any

from services.venue.api.control import names
from services.venue.api.server import VenueServer
from services.venue.config import VenueConfig
from services.venue.core import Listening, RecordingOver, VenueCore, Warned
from services.venue.faults.scenario import load
from services.venue.market.timeline import Timeline
from shared.service import Port


class VenueDoor:
    """Opens all files at once, so that a bad one ends the start with its reason."""

    def __init__(self, config: VenueConfig, core: VenueCore) -> None:
        self._config = config
        self._timeline = Timeline(config)
        self._warnings: asyncio.Queue[str] = asyncio.Queue()
        self._server = VenueServer(config, self._timeline, warn=self._warnings.put_nowait)
        if config.fault_script is not None:
            self._server.faults.play(0.0, load(config.fault_script, names(self._server.world)))

    async def run(self, port: Port) -> None:
        config, server = self._config, self._server
        await server.start()
        warner = asyncio.create_task(self._warn(port))
        try:
            url = f"http://{config.venue_host}:{server.port}"
            warnings = tuple(self._timeline.warnings)
            await port.handle(Listening(url, len(server.state.coins), config.source, warnings))
            await server.play(lambda: port.handle(RecordingOver(config.source)))
        finally:
            warner.cancel()
            await asyncio.gather(warner, return_exceptions=True)
            await server.stop()

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        return ()

    async def _warn(self, port: Port) -> None:
        while True:
            await port.handle(Warned(await self._warnings.get()))
