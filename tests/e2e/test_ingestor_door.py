"""The ingestor against a small venue on a loopback port: connecting, losing, stalling, bad answers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from services.ingestor.config import IngestorConfig
from services.ingestor.service import SERVICE
from shared.errors import ConfigError, VenueError
from shared.hyperliquid.rest import InfoClient
from shared.hyperliquid.ws import open_socket, socket_url
from shared.memory_bus import MemoryBus
from shared.messages import Book, Event, Message, Reconnected, Trades, Universe
from shared.runtime import Runtime
from shared.streams import BOOK, EVENTS, FEED, TRADES, UNIVERSE

CTX = {
    "funding": "0.0000125", "openInterest": "1.0", "prevDayPx": "1.0", "dayNtlVlm": "5.0", "oraclePx": "1.0",
    "markPx": "1.0", "midPx": None, "premium": None, "impactPxs": None,
}  # fmt: skip


class SmallVenue:
    """Answers `metaAndAssetCtxs` and sends each new connection what `on_subscribed` says."""

    def __init__(self) -> None:
        self.url = ""
        self.info_answers: list[web.Response] = []
        self.connections: list[web.WebSocketResponse] = []
        self.received: list[list[dict[str, Any]]] = []
        self.frames: list[bytes] = []

    async def info(self, request: web.Request) -> web.Response:
        assert (await request.json())["type"] == "metaAndAssetCtxs"
        if self.info_answers:
            return self.info_answers.pop(0)
        return web.json_response([{"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}]}, [CTX]])

    async def ws(self, request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        asked: list[dict[str, Any]] = []
        self.connections.append(connection)
        self.received.append(asked)
        async for message in connection:
            if message.type == WSMsgType.TEXT:
                asked.append(msgspec.json.decode(message.data))
                if asked[-1]["method"] == "ping":
                    await connection.send_str('{"channel":"pong"}')
                if len(asked) == 5:
                    for frame in self.frames:
                        await connection.send_str(frame.decode())
        return connection


@pytest.fixture
async def venue() -> AsyncIterator[SmallVenue]:
    small = SmallVenue()
    app = web.Application()
    app.router.add_post("/info", small.info)
    app.router.add_get("/ws", small.ws)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    small.url = f"http://{host}:{port}"
    yield small
    await runner.cleanup()


async def until(condition: Callable[[], Any], seconds: float = 8.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Run:
    """An ingestor on a memory bus."""

    def __init__(self, venue: SmallVenue, **settings: Any) -> None:
        self.bus = MemoryBus()
        config = IngestorConfig(venue_url=venue.url, metrics_port=0, **settings)
        self.runtime = Runtime(SERVICE, config, self.bus)
        self.task = asyncio.create_task(self.runtime.run())

    def sent(self, kind: type[Message]) -> list[Any]:
        """Everything of a type that stands on the bus."""
        streams = {Book: BOOK, Trades: TRADES, Event: EVENTS, Reconnected: FEED, Universe: UNIVERSE}
        stream = streams[kind]
        entries = self.bus.entries.get(stream.key("BTC"), ())
        return [m for m in (stream.decoder.decode(body) for _, body in entries) if isinstance(m, kind)]

    async def __aenter__(self) -> "Run":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.runtime.stop()
        await self.task


def bbo(time_ms: int, bid: str, ask: str) -> bytes:
    sides = [{"px": bid, "sz": "1.0", "n": 1}, {"px": ask, "sz": "1.0", "n": 1}]
    return msgspec.json.encode({"channel": "bbo", "data": {"coin": "BTC", "time": time_ms, "bbo": sides}})


def trades(*tids: int) -> bytes:
    rows = [{"coin": "BTC", "side": "B", "px": "1.0", "sz": "1.0", "time": 10 + tid, "tid": tid} for tid in tids]
    return msgspec.json.encode({"channel": "trades", "data": rows})


async def test_universe_subscriptions_and_books_reach_the_bus(venue: SmallVenue) -> None:
    venue.frames = [bbo(1, "100.0", "101.0"), trades(1, 2)]
    async with Run(venue) as run:
        await until(lambda: run.sent(Trades))
        assert [meta.coin for meta in run.sent(Universe)[0].coins] == ["BTC"]
        [book] = run.sent(Book)
        assert (book.epoch, str(book.bids[0].px)) == (1, "100.0")
        kinds = [frame["subscription"]["type"] for frame in venue.received[0]]
        assert kinds == ["bbo", "l2Book", "trades", "activeAssetCtx", "l2Book"]
        measured = run.runtime.registry.get_sample_value
        await until(lambda: measured("mm_frame_to_bus_seconds_count") == 2)


async def test_a_dropped_connection_is_replaced_and_subscribed_again(venue: SmallVenue) -> None:
    venue.frames = [bbo(1, "100.0", "101.0"), trades(1, 2)]
    async with Run(venue) as run:
        await until(lambda: run.sent(Book))
        venue.frames = [bbo(2, "90.0", "91.0"), trades(1, 2, 3)]
        await venue.connections[0].close()
        await until(lambda: len(run.sent(Trades)) == 2)
        assert [message.epoch for message in run.sent(Reconnected)] == [1, 2]
        assert [(book.epoch, len(book.bids)) for book in run.sent(Book)] == [(1, 1), (2, 1)]
        assert [trade.tid for trade in run.sent(Trades)[1].trades] == [3]
        assert len(venue.received[1]) == 5
        assert any("No feed: connection lost" in event.text for event in run.sent(Event))


async def test_a_silent_connection_is_dropped(venue: SmallVenue) -> None:
    async with Run(venue, stall_timeout_s=0.5) as run:
        await until(lambda: len(venue.connections) == 2)
        await until(lambda: venue.connections[0].closed)
        assert any(event.tag == "STALL" for event in run.sent(Event))


async def test_garbage_is_survived_on_the_same_connection(venue: SmallVenue) -> None:
    venue.frames = [b"{", b"\x00", b'{"channel":"bbo","data":7}', bbo(1, "100.0", "101.0")]
    async with Run(venue) as run:
        await until(lambda: run.sent(Book))
        assert len(venue.connections) == 1
        assert any("malformed" in event.text for event in run.sent(Event))


async def test_a_venue_that_cannot_answer_yet_is_asked_again(venue: SmallVenue) -> None:
    venue.info_answers = [web.Response(status=502, text="bad\ngateway")]
    venue.frames = [bbo(1, "100.0", "101.0")]
    async with Run(venue) as run:
        await until(lambda: run.sent(Book))
        assert any("HTTP 502: bad gateway" in event.text for event in run.sent(Event))


async def test_a_burst_arrives_completely_and_in_order(venue: SmallVenue) -> None:
    venue.frames = [bbo(i, str(100 + i), str(101 + i)) for i in range(1, 400)]
    async with Run(venue) as run:
        await until(lambda: len(run.sent(Book)) == 399)
        assert [book.time_ms for book in run.sent(Book)] == list(range(1, 400))


async def test_an_unknown_coin_ends_the_service_with_its_name(venue: SmallVenue) -> None:
    run = Run(venue, coins=("BTCC",))
    with pytest.raises(ConfigError, match="did you mean BTC"):
        await asyncio.wait_for(run.task, 8)


async def test_a_quiet_connection_is_pinged(venue: SmallVenue) -> None:
    async with open_socket(venue.url, 5.0, ping_after_s=0.05) as quiet:
        assert await anext(aiter(quiet.frames())) == b'{"channel":"pong"}'


async def test_no_venue_is_one_line() -> None:
    with pytest.raises(VenueError, match="no connection"):
        async with open_socket("http://127.0.0.1:1", 5.0):
            pass
    async with InfoClient("http://127.0.0.1:1", 5.0) as info:
        with pytest.raises(VenueError, match="unreachable") as caught:
            await info.meta_and_ctxs()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "answer, text",
    [
        ((429, "null"), "rate limited"),
        ((500, "oops"), "HTTP 500: oops"),
        ((422, "Failed to deserialize"), "HTTP 422: Failed to deserialize"),
        ((200, "<html>"), "not what it should be"),
        ((200, '[{"universe":[]},[{}]]'), "not what it should be"),
        ((200, '[{"universe":[{"name":"BTC","szDecimals":5}]},[]]'), "1 coins but has 0 contexts"),
    ],
)
async def test_bad_answers_are_named(venue: SmallVenue, answer: tuple[int, str], text: str) -> None:
    venue.info_answers = [web.Response(status=answer[0], text=answer[1])]
    async with InfoClient(venue.url, 5.0) as info:
        with pytest.raises(VenueError, match=text):
            await info.meta_and_ctxs()


async def test_a_venue_that_does_not_answer_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connections are queued, never served
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with InfoClient(url, 0.05) as info:
            with pytest.raises(VenueError, match="no answer within 0.05 s"):
                await info.meta_and_ctxs()
        with pytest.raises(VenueError, match="no connection within 0.05 s"):
            async with open_socket(url, 0.05):
                pass


def test_socket_addresses_follow_the_base_url() -> None:
    assert socket_url("https://venue") == "wss://venue/ws"
    assert socket_url("http://127.0.0.1:3001") == "ws://127.0.0.1:3001/ws"
