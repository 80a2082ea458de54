"""The harvester's door: the archive, in a thread of its own, so that a slow disk never stops the heartbeat."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.harvester.archive import Archive, Result
from services.harvester.config import HarvesterConfig
from services.harvester.core import Effect, Harvester
from shared.service import Port


class ArchiveDoor:
    """One worker thread: batches are written in order even when the service is being stopped meanwhile."""

    def __init__(self, config: HarvesterConfig, core: Harvester) -> None:
        self._archive = Archive(config.data_dir, explain_days=config.harvest_explain_days)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="archive")

    async def run(self, port: Port) -> None:
        """Nothing comes in from the disk."""

    async def apply(self, effects: Sequence[Effect]) -> Sequence[Result]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._archive.apply, effects)
