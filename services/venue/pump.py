"""Plays the venue against the clock: which block is due when, and what date clients see.

Every block is dated with the wall clock at the moment it is sent, never earlier than the block before.
"""

import asyncio
from collections.abc import Awaitable, Callable

from services.venue.config import VenueConfig
from services.venue.market.timeline import Timeline
from services.venue.venue import Venue
from shared.clock import monotonic_s, wall_ms

HIGH_WATER = 512
"""At `max` speed the pump waits while a client has more frames waiting than this."""
SLOWEST_S = 5.0
SETTLE_S = 0.5
CATCH_UP_S = 1.0
"""A pump further behind than this gives up the lost time instead of hurrying."""
FEWEST_SLEEP_S = 0.001


class Pump:
    """One venue at its speed. `first` once, then `play`, which never returns."""

    def __init__(
        self,
        config: VenueConfig,
        venue: Venue,
        timeline: Timeline,
        after_block: Callable[[], None],
        now_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self.finished = False
        """The recording is over; only accounts act from then on."""
        self._config, self._venue, self._timeline = config, venue, timeline
        self._after_block = after_block
        self._now_s = now_s

    def first(self) -> None:
        """The first block, so that nobody meets an empty venue."""
        self._run(self._venue.next_block_ms())

    async def play(self, over: Callable[[], Awaitable[None]]) -> None:
        """Block after block. `over` is awaited once, when the recording has ended (a modelled market never does).

        Raises:
            DataError: the recording is damaged in the middle.
        """
        origin_ms, begin_s = self._venue.block_ms, self._now_s()
        while True:
            block_ms = self._venue.next_block_ms()
            pace = self._config.pace or (1.0 if self.finished else None)
            if pace is not None:
                ahead_s = begin_s + (block_ms - origin_ms) / 1000 / pace - self._now_s()
                if ahead_s > FEWEST_SLEEP_S:
                    await asyncio.sleep(ahead_s)
                elif ahead_s < -CATCH_UP_S:
                    begin_s -= ahead_s
            else:
                await self._listened_to()
                await self._drained()
            await asyncio.sleep(0)
            self._run(block_ms)
            if self._timeline.recording_over and not self.finished:
                self.finished = True
                origin_ms, begin_s = block_ms, self._now_s()
                await over()

    def _run(self, block_ms: int) -> None:
        self._venue.block(block_ms, int(wall_ms()))
        self._after_block()

    async def _listened_to(self) -> None:
        """At `max` speed the market stands still until somebody has subscribed to all he wants, or trades."""
        hub = self._venue.hub
        while not self._venue.waiting:
            if hub.subscribed and self._now_s() - hub.subscribed_s >= SETTLE_S:
                return
            await asyncio.sleep(SETTLE_S / 10)

    async def _drained(self) -> None:
        """Wait for slow readers, and drop who does not read at all."""
        hub = self._venue.hub
        deadline_s = self._now_s() + SLOWEST_S
        while any(len(client.queue) > HIGH_WATER and not client.closing for client in hub.clients):
            if self._now_s() > deadline_s:
                hub.drop_slow(HIGH_WATER)
            await asyncio.sleep(FEWEST_SLEEP_S)
