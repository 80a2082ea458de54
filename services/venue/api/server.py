"""The venue on one port: POST /info, GET /ws, GET /health; and the pump that plays the timeline into it.

Every block is dated with the wall clock at the moment it is sent, never earlier than the block before.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from services.venue.api import info
from services.venue.api.frames import ENCODER
from services.venue.api.client import Client
from services.venue.api.hub import OVER_LIMIT, Hub
from services.venue.api.limits import IpLimits
from services.venue.api.state import MarketState, dated
from services.venue.config import VenueConfig
from services.venue.exchange.listings import dexs, listings
from services.venue.exchange.world import World
from services.venue.market.feed import Pacer, Raw
from services.venue.market.market import blocks
from services.venue.market.timeline import Timeline
from shared.clock import monotonic_s, wall_ms
from shared.errors import ConfigError

MAX_BODY = 1 << 20
SWEEP_S = 1.0
HIGH_WATER = 512
"""At `max` speed the pump waits while a client has more frames waiting than this."""
SLOWEST_S = 5.0
SETTLE_S = 0.5
CATCH_UP_S = 1.0
"""A pump further behind than this gives up the lost time instead of hurrying."""
KNOWN_ADDRESSES = 4096
FEWEST_SLEEP_S = 0.001


class VenueServer:
    """One venue. `start`, then `port` is known; `play` runs until the timeline ends; `stop`."""

    def __init__(self, config: VenueConfig, timeline: Timeline, now_s: Callable[[], float] = monotonic_s) -> None:
        self.config = config
        self.state = MarketState(timeline.coins)
        world = World(config, listings(timeline.coins, config), dexs(config), emit=lambda fact: self.hub.note(fact))
        self.hub = Hub(self.state, world, unknown_coin=config.unknown_coin, limits=config.limits)
        self.finished = False
        self.port = config.venue_port
        self._timeline = timeline
        self._blocks = blocks(timeline)
        self._pacer = Pacer(config.fast_ms, config.slow_ms)
        self._now_s = now_s
        self._limits: dict[str, IpLimits] = {}
        self._last_ms = 0
        self._origin_ms = 0
        self._next_mids_ms = 0
        self._runner: web.AppRunner | None = None
        self._sweeper: asyncio.Task[None] | None = None

    # ---- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Play the first block, so that nobody meets an empty venue, and listen.

        Raises:
            ConfigError: the address is taken.
        """
        self._origin_ms = self._play_block()
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.post("/info", self._info),
                web.get("/ws", self._websocket),
                web.get("/health", self._health),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.config.venue_host, self.config.venue_port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self.config.venue_host}:{self.config.venue_port}"
            raise ConfigError(
                f"venue_port (MM_VENUE_PORT): {where} cannot be listened on: {error}; choose another"
            ) from error
        self.port = self._runner.addresses[0][1]
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for client in list(self.hub.clients):
            client.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def play(self, over: Callable[[], Awaitable[None]]) -> None:
        """Send the timeline at its pace; return when it has ended (a modelled market never does).

        `over` is awaited once, when the recording has ended.

        Raises:
            DataError: the recording is damaged in the middle.
        """
        pace = self.config.pace
        begin_s = self._now_s()
        for block_ms, events in self._blocks:
            if pace is not None:
                due_s = begin_s + (block_ms - self._origin_ms) / 1000 / pace
                ahead_s = due_s - self._now_s()
                if ahead_s > FEWEST_SLEEP_S:
                    await asyncio.sleep(ahead_s)
                elif ahead_s < -CATCH_UP_S:
                    begin_s -= ahead_s
            else:
                await self._listened_to()
                await self._drained()
            await asyncio.sleep(0)
            self._emit(block_ms, events)
            if self._timeline.recording_over and not self.finished:
                self.finished = True
                await over()
        if not self.finished:
            self.finished = True
            await over()

    # ---- the market ------------------------------------------------------------------------------------------

    def _play_block(self) -> int:
        block_ms, events = next(self._blocks)
        self._emit(block_ms, events)
        return block_ms

    def _emit(self, block_ms: int, events: list[Raw]) -> None:
        """Cadences follow the market's own time, so that they scale with the speed; dates follow the clock."""
        now_ms = max(int(wall_ms()), self._last_ms)
        self._last_ms = now_ms
        for raw in events:
            event = dated(raw, now_ms)
            self.state.apply(event)
            for sent in self._pacer.step(block_ms, event):
                self.hub.publish(sent)
        if block_ms >= self._next_mids_ms:
            self._next_mids_ms = block_ms + self.config.mids_ms
            self.hub.publish_mids()

    async def _listened_to(self) -> None:
        """At `max` speed the market stands still until somebody has finished subscribing."""
        while True:
            if self.hub.subscribed and self._now_s() - self.hub.subscribed_s >= SETTLE_S:
                return
            await asyncio.sleep(SETTLE_S / 10)

    async def _drained(self) -> None:
        """Wait for slow readers, and drop who does not read at all."""
        deadline_s = self._now_s() + SLOWEST_S
        while any(len(client.queue) > HIGH_WATER and not client.closing for client in self.hub.clients):
            if self._now_s() > deadline_s:
                self.hub.drop_slow(HIGH_WATER)
            await asyncio.sleep(FEWEST_SLEEP_S)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.hub.expire(self._now_s())

    # ---- doors -----------------------------------------------------------------------------------------------

    def _limits_of(self, request: web.Request) -> IpLimits:
        address = request.remote or ""
        limits = self._limits.get(address)
        if limits is None:
            if len(self._limits) >= KNOWN_ADDRESSES:
                self._limits = {ip: known for ip, known in self._limits.items() if known.connections}
            limits = self._limits[address] = IpLimits()
        return limits

    async def _info(self, request: web.Request) -> web.Response:
        try:
            asked = info.decode(await request.read())
        except info.Malformed as error:
            return web.Response(status=422, text=str(error), content_type="text/plain")
        answer = self.hub.ask(self._limits_of(request), asked, self._now_s(), int(wall_ms()))
        if answer is OVER_LIMIT:
            return web.Response(status=429, body=b"null", content_type="application/json")
        return web.Response(body=ENCODER.encode(answer), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:
        hub = self.hub
        fresh = {name: coin.bbo.time for name, coin in self.state.coins.items() if coin.bbo is not None}
        body = {
            "status": "ok",
            "finished": self.finished,
            "coins": len(self.state.coins),
            "coins_with_book": len(fresh),
            "last_block_ms": self._last_ms,
            "clients": len(hub.clients),
            "frames": hub.frames,
            "dropped_slow": hub.dropped_slow,
            "dropped_idle": hub.dropped_idle,
            "warnings": self._timeline.warnings,
        }
        return web.Response(body=ENCODER.encode(body), content_type="application/json")

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        limits = self._limits_of(request)
        if self.config.limits and not limits.may_connect(self._now_s()):
            return web.Response(status=429, body=b"null", content_type="application/json")
        socket = web.WebSocketResponse(autoping=True, max_msg_size=MAX_BODY, compress=False)
        await socket.prepare(request)
        client = Client(limits, self._now_s())
        self.hub.join(client)
        writer = asyncio.create_task(self._write(client, socket, request))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self.hub.receive(client, message.data, self._now_s(), int(wall_ms()))
        finally:
            self.hub.leave(client)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _write(self, client: Client, socket: web.WebSocketResponse, request: web.Request) -> None:
        """Send what waits; drop the connection without a close frame when told to, as the venue does."""
        try:
            while not client.closing:
                while client.queue and not client.closing:
                    await socket.send_frame(client.queue.popleft(), WSMsgType.TEXT)
                    client.last_sent_s = self._now_s()
                client.wake.clear()
                if not client.queue and not client.closing:
                    await client.wake.wait()
        except ConnectionError:
            client.closing = True
        if request.transport is not None:
            request.transport.abort()
