"""The venue on one port: POST /info, POST /exchange, GET /ws, GET /health and the operator's door /admin."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

from services.venue.api import info
from services.venue.api.admin import admin_routes
from services.venue.api.client import Client
from services.venue.api.frames import ENCODER
from services.venue.api.hub import OVER_LIMIT, Hub
from services.venue.api.limits import IpLimits, Limits, weight_of_action
from services.venue.api.state import MarketState
from services.venue.config import VenueConfig
from services.venue.exchange import budget, requests
from services.venue.exchange.account import Account
from services.venue.exchange.requests import Signed
from services.venue.exchange.world import World
from services.venue.faults.faults import Faults, HttpAnswer
from services.venue.market.timeline import Timeline
from services.venue.pump import Pump
from services.venue.truth import TruthLog
from services.venue.venue import Venue
from shared.clock import monotonic_s, wall_ms
from shared.errors import ConfigError
from shared.hyperliquid.actions import AnyAction

MAX_BODY = 1 << 20
SWEEP_S = 1.0
JSON = "application/json"
Reply = asyncio.Future[dict[str, Any]]
LOST = object()
"""In place of a reply: the answer never comes."""


class VenueServer:
    """One venue, and its operator's hold on it. `start`, then `port` is known; `play` until cancelled; `stop`."""

    def __init__(
        self,
        config: VenueConfig,
        timeline: Timeline,
        now_s: Callable[[], float] = monotonic_s,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        """
        Raises:
            ConfigError: the truth log cannot be written.
        """
        self.config = config
        self.port = config.venue_port
        self.truth = TruthLog(config.truth_log, warn)
        self.limits = Limits(config.limits)
        self.venue = Venue(config, timeline, self.truth.note, self._post_action)
        self.pump = Pump(config, self.venue, timeline, self.truth.flush, now_s)
        self._timeline = timeline
        self._now_s = now_s
        self._numbers = count(1)
        self._answering: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._sweeper: asyncio.Task[None] | None = None

    # ---- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Run the first block, so that nobody meets an empty venue, and listen.

        Raises:
            ConfigError: the address is taken.
        """
        self.pump.first()
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.post("/info", self._info),
                web.post("/exchange", self._exchange),
                web.get("/ws", self._websocket),
                web.get("/health", self._health),
                *admin_routes(self),
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
        tasks = [*self._answering, *([self._sweeper] if self._sweeper is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in list(self.hub.clients):
            client.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self.truth.close()

    async def play(self, over: Callable[[], Awaitable[None]]) -> None:
        """See `Pump.play`."""
        await self.pump.play(over)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.hub.expire(self._now_s())

    # ---- requests --------------------------------------------------------------------------------------------

    async def _info(self, request: web.Request) -> web.Response:
        refused = self.faults.on_http(self.fault_ms(), request.path)
        if refused is not None:
            return _refusal(refused)
        try:
            asked = info.decode(await request.read())
        except requests.Malformed as error:
            return _malformed(str(error))
        answer = self.hub.ask(self._limits_of(request), asked, self._now_s(), self._date_ms())
        return _over_limit() if answer is OVER_LIMIT else _json(answer)

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        refused = self.faults.on_http(self.fault_ms(), request.path)
        if refused is not None:
            return _refusal(refused)
        try:
            signed = self._read(await request.read())
        except requests.Malformed as error:
            return _malformed(str(error))
        if not self._may_ask(self._limits_of(request), signed):
            return _over_limit()
        reply = await self._execute(signed)
        if reply is LOST:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _json(reply)

    def _read(self, body: bytes) -> Signed:
        return requests.read(body, is_mainnet=self.config.chain == "Mainnet")

    def _may_ask(self, limits: IpLimits, signed: Signed) -> bool:
        return limits.weight.take(self._now_s(), weight_of_action(budget.weight(signed.action)))

    async def _execute(self, signed: Signed) -> Any:
        """The reply when its time has come, or `LOST`."""
        answered: Reply = asyncio.get_running_loop().create_future()
        self.venue.submit(signed, partial(_answer, answered))
        reply = await answered
        fate = self.venue.fate(signed)
        delay_ms = self.config.answer_delay_ms + fate.delay_ms
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000 / (self.config.pace or 1.0))
        return LOST if fate.lost else reply

    def _post_action(self, client: Client, post_id: int, body: bytes) -> None:
        """A websocket `post` of type action: like `/exchange`."""
        try:
            signed = self._read(body)
        except requests.Malformed as error:
            self.hub.answer_post(client, post_id, "error", f"422 Unprocessable Entity: {error}")
            return
        if not self._may_ask(client.limits, signed):
            self.hub.answer_post(client, post_id, "error", "429 Too Many Requests: null")
            return
        task = asyncio.create_task(self._answer_post(client, post_id, signed))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer_post(self, client: Client, post_id: int, signed: Signed) -> None:
        reply = await self._execute(signed)
        if reply is LOST:
            self.hub.lose_post(client)
        else:
            self.hub.answer_post(client, post_id, "action", reply)

    def _limits_of(self, request: web.Request) -> IpLimits:
        return self.limits.of(request.remote or "")

    def _date_ms(self) -> int:
        return self.venue.date_ms(int(wall_ms()))

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok", **self.block()})

    # ---- websockets ------------------------------------------------------------------------------------------

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        refused = self.faults.on_connect(self.fault_ms())
        if refused is not None:
            return _refusal(refused)
        limits = self._limits_of(request)
        if not limits.may_connect(self._now_s()):
            return _over_limit()
        socket = web.WebSocketResponse(autoping=True, max_msg_size=MAX_BODY, compress=False)
        await socket.prepare(request)
        client = Client(limits, self._now_s(), next(self._numbers))
        self.venue.joined(client)
        writer = asyncio.create_task(self._write(client, socket, request))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self.hub.receive(client, message.data, self._now_s(), self._date_ms())
        finally:
            self.venue.left(client)
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

    # ---- the operator's hold (`VenueControl`) ----------------------------------------------------------------

    @property
    def hub(self) -> Hub:
        return self.venue.hub

    @property
    def state(self) -> MarketState:
        return self.venue.state

    @property
    def world(self) -> World:
        return self.venue.world

    @property
    def faults(self) -> Faults:
        return self.venue.faults

    def fault_ms(self) -> float:
        return self.venue.block_ms

    def connections(self) -> Iterable[Client]:
        return self.hub.clients

    async def act(self, account: Account, action: AnyAction) -> dict[str, Any]:
        answered: Reply = asyncio.get_running_loop().create_future()
        self.venue.act(account, action, partial(_answer, answered))
        return await answered

    def block(self) -> dict[str, Any]:
        hub = self.hub
        return {
            "finished": self.pump.finished,
            "coins": len(self.state.coins),
            "coins_with_book": sum(coin.bbo is not None for coin in self.state.coins.values()),
            "block_ms": self.venue.block_ms,
            "last_block_ms": self.world.now_ms,
            "requests_waiting": len(self.venue.mempool),
            "accounts": sum(1 for _ in self.world.accounts),
            "clients": len(hub.clients),
            "frames": hub.frames,
            "dropped_slow": hub.dropped_slow,
            "dropped_idle": hub.dropped_idle,
            "warnings": self._timeline.warnings,
        }


def _answer(answered: Reply, reply: dict[str, Any]) -> None:
    """Nobody waits any more when the client has gone away meanwhile."""
    if not answered.done():
        answered.set_result(reply)


def _json(value: Any) -> web.Response:
    return web.Response(body=ENCODER.encode(value), content_type=JSON)


def _malformed(text: str) -> web.Response:
    return web.Response(status=422, text=text, content_type="text/plain")


def _over_limit() -> web.Response:
    return web.Response(status=429, body=b"null", content_type=JSON)


def _refusal(answer: HttpAnswer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)
