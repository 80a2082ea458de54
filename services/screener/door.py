"""The screener's door: the market profile in the data folder, read again when it has changed."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from services.screener.history import HistoryRead
from shared.errors import DataError
from shared.market_profile import FILE, read
from shared.service import Port

LOOK_EVERY_S = 60.0


class ProfileDoor:
    """Brings the profile in; a damaged one is told once and the service goes on without."""

    def __init__(self, config: ScreenerConfig, core: Screener) -> None:
        self._data_dir = config.data_dir
        self._seen: object = None

    async def run(self, port: Port) -> None:
        while True:
            news = await asyncio.to_thread(self.look)
            if news is not None:
                await port.handle(news)
            await asyncio.sleep(LOOK_EVERY_S)

    async def apply(self, effects: Sequence[object]) -> Sequence[HistoryRead]:
        """Nothing goes out to the disk."""
        return ()

    def look(self) -> HistoryRead | None:
        """What is new since the last look; None if nothing is."""
        mark = _mark(self._data_dir / FILE)
        if mark == self._seen:
            return None
        self._seen = mark
        try:
            return HistoryRead(read(self._data_dir))
        except DataError as error:
            return HistoryRead(None, str(error))


def _mark(file: Path) -> object:
    """Changes whenever the file is replaced."""
    try:
        found = file.stat()
    except OSError as error:
        return type(error).__name__
    return found.st_mtime_ns, found.st_ino, found.st_size
