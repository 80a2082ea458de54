"""`market_maker record`: the venue's raw frames in files that replay as the market was lived.

The ingestor's own core decides what is subscribed, when a silent connection is given up and when the next is
tried; the recorder writes down what it is told. A replay therefore brings an ingestor exactly what one running in
this place would have been brought.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from market_maker.options import venue_url
from market_maker.tape import Tape
from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.door import VenueDoor
from services.ingestor.inputs import Connect, Connected, Disconnected, Drop, FrameReceived, LoadUniverse, Send
from services.ingestor.universe import choose
from services.venue.config import VenueConfig
from services.venue.market.frames import CONNECTED, Header, lost
from shared.bus import Bus
from shared.clock import monotonic_s, wall_ms
from shared.config import load
from shared.errors import DataError
from shared.hyperliquid.rest import InfoClient
from shared.messages import CoinMeta, Event
from shared.service import Started, Tick
from shared.words import counted

TICK_S = 1.0
EFFECTS = (LoadUniverse, Connect, Send, Drop)


@dataclass(frozen=True)
class Wanted:
    """What to record and where; None where the user said nothing."""

    out: Path
    coins: str | None = None
    top_n: int | None = None
    venue: str | None = None
    dex: str | None = None
    duration_s: float | None = None
    as_json: bool = False


@dataclass
class Recorded:
    """How it goes, and in the end how it went."""

    folder: str
    venue: str
    coins: tuple[str, ...]
    seconds: float = 0.0
    frames: int = 0
    bytes: int = 0
    connections: int = 0

    @property
    def line(self) -> str:
        rate = self.frames / self.seconds if self.seconds else 0.0
        again = f", connected {self.connections} times" if self.connections > 1 else ""
        return (
            f"{self.venue}, {counted(len(self.coins), 'coin')}: {self.frames:,} frames in {self.seconds:,.0f} s"
            f" ({rate:,.0f}/s), {self.bytes / 1e6:,.1f} MB{again}"
        )


def run(wanted: Wanted) -> int:
    """Record until Ctrl+C or the end of the time."""
    config = _config(wanted)
    console = Console(stderr=True)
    with _progress(console) as show:
        done = asyncio.run(record(wanted.out, config, wanted.duration_s, show, console.print))
    if wanted.as_json:
        print(msgspec.json.encode(done).decode())
    else:
        print(f"{done.line}\n  written to {wanted.out}; replay it: market_maker replay --recording {wanted.out} …")
    return 0


async def record(
    out: Path,
    config: IngestorConfig,
    duration_s: float | None = None,
    show: Callable[[Recorded], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Recorded:
    """Record into the new folder `out`. `show` is told each second how it goes, `say` what is wrong with the feed.

    Raises:
        VenueError: the venue does not tell its coins at the beginning.
        ConfigError: no such coin.
        DataError: the folder is not empty, or the disk is full or fails.
    """
    universe, coins = await _universe(config)
    header = Header(
        venue=config.venue, url=config.url, dex=config.dex, coins=coins, started_ms=int(wall_ms())
    )  # fmt: skip
    names = tuple(meta.coin for meta in coins)
    recorder = _Recorder(
        Tape(out, header, universe),
        config.model_copy(update={"coins": names}),
        Recorded(str(out), config.venue, names),
        say,
    )
    try:
        await recorder.run(duration_s, show)
    finally:
        recorder.tape.close()
    return recorder.told()


class _Recorder:
    """The ingestor's core and door without a bus; each input is written down before the core learns of it."""

    bus: Bus | None = None

    def __init__(self, tape: Tape, config: IngestorConfig, recorded: Recorded, say: Callable[[str], None]) -> None:
        self.tape = tape
        self._recorded, self._say = recorded, say
        self._core, self._door = Ingestor(config), VenueDoor(config)
        self._begun_s = monotonic_s()
        self._over = asyncio.Event()
        self._error: Exception | None = None

    async def run(self, duration_s: float | None, show: Callable[[Recorded], None]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._over.set)
        door = asyncio.create_task(self._door.run(self))
        door.add_done_callback(lambda _: self._over.set())
        try:
            await self.handle(Started())
            while not self._over.is_set() and (duration_s is None or self._seconds < duration_s):
                left_s = TICK_S if duration_s is None else min(TICK_S, duration_s - self._seconds)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), max(left_s, 0.001))
                await self.handle(Tick())
                show(self.told())
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            door.cancel()
            ended = (await asyncio.gather(door, return_exceptions=True))[0]
        if self._error is None and isinstance(ended, Exception):
            raise ended
        if self._error is not None:
            raise self._error

    @property
    def _seconds(self) -> float:
        return monotonic_s() - self._begun_s

    def told(self) -> Recorded:
        self._recorded.seconds = self._seconds
        self._recorded.frames, self._recorded.bytes = self._core.frames_total, self.tape.bytes_written
        return self._recorded

    async def handle(self, *inputs: Any) -> None:
        """See `shared.service.Port`."""
        try:
            for item in inputs:
                self._write(item)
        except DataError as error:
            self.stop(error)
            return
        now_ms = int(wall_ms())
        for item in inputs:
            outputs = list(self._core.step(now_ms, item))
            for output in outputs:
                if isinstance(output, Event) and output.level == "warning":
                    self._say(output.text)
            await self._door.apply([output for output in outputs if isinstance(output, EFFECTS)])

    def stop(self, error: Exception | None = None) -> None:
        """See `shared.service.Port`."""
        self._error = self._error or error
        self._over.set()

    def _write(self, item: Any) -> None:
        if isinstance(item, FrameReceived):
            self.tape.note(item.received_ms, item.raw)
        elif isinstance(item, Connected):
            self._recorded.connections += 1
            self.tape.note(wall_ms(), CONNECTED)
        elif isinstance(item, Disconnected):
            self.tape.note(wall_ms(), lost(item.reason))
        elif isinstance(item, Tick):
            self.tape.pass_time(wall_ms())


def _config(wanted: Wanted) -> IngestorConfig:
    given = {"coins": wanted.coins, "top_n": wanted.top_n, "venue": wanted.venue, "dex": wanted.dex}
    url = venue_url(load(VenueConfig, venue=wanted.venue))
    return load(IngestorConfig, venue_url=url, **given)


async def _universe(config: IngestorConfig) -> tuple[bytes, tuple[CoinMeta, ...]]:
    """The venue's answer as it stands, and those of its coins that are recorded."""
    body = {"type": "metaAndAssetCtxs", **({"dex": config.dex} if config.dex else {})}
    async with InfoClient(config.url, config.feed_timeout_s) as info:
        answer, assets = await info.post_info(body), await info.meta_and_ctxs(config.dex)
    chosen = choose(assets, config.coins, config.top_n)
    return answer, tuple(CoinMeta(asset.name, asset.szDecimals, asset.maxLeverage) for asset, _ in chosen)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[Recorded], None]]:
    """A line that is renewed on a terminal; silent elsewhere."""
    if not console.is_terminal:
        yield lambda _: None
        return
    with Live(Text(""), console=console, transient=True, auto_refresh=False) as live:
        yield lambda recorded: live.update(Text(f"recording {recorded.line}"), refresh=True)
