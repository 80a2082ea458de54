"""Runs the venue's server inside the service."""

import asyncio
from collections.abc import Sequence
from typing import Any

from services.venue.api.server import VenueServer
from services.venue.config import VenueConfig
from services.venue.core import Listening, RecordingOver, VenueCore
from services.venue.market.timeline import Timeline
from shared.service import Port


class VenueDoor:
    """Opens the recording (or the model) at once, so that a bad folder ends the start with its reason."""

    def __init__(self, config: VenueConfig, core: VenueCore) -> None:
        self._config = config
        self._timeline = Timeline(config)

    async def run(self, port: Port) -> None:
        config = self._config
        server = VenueServer(config, self._timeline)
        await server.start()
        try:
            url = f"http://{config.venue_host}:{server.port}"
            warnings = tuple(self._timeline.warnings)
            await port.handle(Listening(url, len(server.state.coins), config.source, warnings))
            await server.play(lambda: port.handle(RecordingOver(config.source)))
            await asyncio.Event().wait()
        finally:
            await server.stop()

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        return ()
