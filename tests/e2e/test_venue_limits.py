"""The venue's limits as a client meets them over real sockets; only the clock of the limits is the test's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import websockets

from services.venue.api.limits import (
    CONNECTIONS,
    MESSAGES_A_MINUTE,
    NEW_CONNECTIONS_A_MINUTE,
    POSTS_IN_FLIGHT,
    USERS,
    WEIGHT_A_MINUTE,
)
from services.venue.exchange.budget import FREE_REQUESTS
from services.venue.faults.kinds import ClockSkew
from shared.clock import monotonic_s
from tests.fixtures.venue_live import Stream, Trader, cancel, place, stream, wire
from tests.fixtures.venue_server import RunningVenue

MINUTE_S = 60.0
ABNORMAL = 1006
WEIGHT_OF_OPEN_ORDERS = 20


class Clock:
    """Real time, and what the test adds to it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return monotonic_s() + self.ahead_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def venue(clock: Clock) -> Iterator[RunningVenue]:
    with RunningVenue(clock) as running:
        yield running


@pytest.fixture
async def trader(venue: RunningVenue) -> AsyncIterator[Trader]:
    async with aiohttp.ClientSession() as http:
        yield Trader(http, venue)


async def asked(venue: RunningVenue, path: str, body: Any) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as http, http.post(venue.url + path, json=body) as answer:
        return answer.status, await answer.read()


async def dropped(socket: Stream) -> int | None:
    """The close code once the venue has let go."""
    await asyncio.wait_for(socket.over.wait(), 10)
    return socket.connection.close_code


async def test_a_spent_weight_is_429_null_on_every_way_until_a_minute_has_passed(
    venue: RunningVenue, clock: Clock, trader: Trader
) -> None:
    for _ in range(WEIGHT_A_MINUTE // WEIGHT_OF_OPEN_ORDERS):
        assert await trader.info("openOrders") == []
    order = trader.signed({"type": "noop"})
    assert await asked(venue, "/info", {"type": "openOrders", "user": trader.address}) == (429, b"null")
    assert await asked(venue, "/info", {"type": "allMids"}) == (429, b"null")
    assert await asked(venue, "/exchange", order) == (429, b"null")
    async with stream(venue) as socket:
        action = await socket.post(order)
        info = await socket.post({"type": "allMids"}, "info")
        assert await socket.answer(action) == "429 Too Many Requests: null"
        assert await socket.answer(info) == "429 Too Many Requests: null"
    clock.ahead_s += MINUTE_S
    assert await asked(venue, "/exchange", order) == (200, b'{"status":"ok","response":{"type":"default"}}')


async def test_ten_users_over_all_connections(venue: RunningVenue) -> None:
    users = [f"0x{number:040x}" for number in range(1, USERS + 2)]
    async with stream(venue) as first, stream(venue) as second:
        for user in users[:-1]:
            await first.subscribe("orderUpdates", user=user)
        await second.subscribe("userFills", user=users[0])
        one_more = {"method": "subscribe", "subscription": {"type": "userFills", "user": users[-1]}}
        await second.say(one_more)
        error = await second.until(lambda frame: frame["channel"] == "error")
        assert error["data"] == "Cannot track more than 10 total users."
        subscription = {"type": "orderUpdates", "user": users[1]}
        await first.say({"method": "unsubscribe", "subscription": subscription})
        await first.settled()
        await second.subscribe("userFills", user=users[-1])


async def test_ten_connections_and_thirty_new_ones_a_minute(venue: RunningVenue, clock: Clock) -> None:
    async def refused() -> None:
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with stream(venue):
                pass
        assert caught.value.response.status_code == 429

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(stream(venue))
        await refused()
    for _ in range(NEW_CONNECTIONS_A_MINUTE - CONNECTIONS):
        async with stream(venue) as socket:
            await socket.settled()
    await refused()
    clock.ahead_s += MINUTE_S
    async with stream(venue) as socket:
        await socket.settled()


async def test_two_thousand_messages_a_minute_over_all_connections(venue: RunningVenue, clock: Clock) -> None:
    async with stream(venue) as first, stream(venue) as second:
        for _ in range(MESSAGES_A_MINUTE // 2):
            await first.say({"method": "ping"})
            await second.say({"method": "ping"})
        await second.until(lambda frame: second.count("pong") == MESSAGES_A_MINUTE // 2)
        await first.say({"method": "ping"})
        assert await dropped(first) == ABNORMAL
        clock.ahead_s += MINUTE_S
        async with stream(venue) as third:
            await third.settled()


async def test_a_connection_that_hears_nothing_for_a_minute_is_gone(venue: RunningVenue, clock: Clock) -> None:
    async with stream(venue) as idle, stream(venue) as pinging:
        clock.ahead_s += MINUTE_S / 2
        await idle.settled()
        await pinging.settled()
        clock.ahead_s += MINUTE_S - 5
        await pinging.settled()
        clock.ahead_s += 6
        assert await dropped(idle) == ABNORMAL
        await pinging.settled()


async def test_a_hundred_posts_in_flight() -> None:
    with RunningVenue(order_delay_ms=60_000) as venue:
        async with aiohttp.ClientSession() as http, stream(venue) as socket:
            trader = Trader(http, venue)
            for _ in range(POSTS_IN_FLIGHT + 1):
                number = await socket.post(trader.signed({"type": "noop"}))
            error = await socket.until(lambda frame: frame["channel"] == "error")
            assert error["data"] == f"too many pending post requests id={number}"


async def test_an_address_that_has_used_its_budget_up_gets_one_request_in_ten_seconds(
    venue: RunningVenue, trader: Trader
) -> None:
    useless = place(*[wire(0, "buy", "1", "0.00001")] * 200)
    refusal = "Too many cumulative requests sent ({} > {}) for cumulative volume traded $0.0."
    for _ in range(FREE_REQUESTS // 200):
        assert (await trader.act(useless))["status"] == "ok"
    limit = await trader.info("userRateLimit")
    assert (limit["nRequestsUsed"], limit["nRequestsCap"]) == (FREE_REQUESTS, FREE_REQUESTS)

    order = place(wire(0, "buy", "1", "0.00001"))
    let_through = await trader.act(order)
    assert let_through["status"] == "ok", "one in ten seconds"
    refused = await trader.act(order)
    assert refused["status"] == "err"
    assert refused["response"].startswith(refusal.format(FREE_REQUESTS + 2, FREE_REQUESTS - 1))
    used = (await trader.info("userRateLimit"))["nRequestsUsed"]
    assert used == FREE_REQUESTS + 1, "what is refused is not counted"
    assert (await trader.act(cancel(0, 1)))["status"] == "ok", "cancels have a cap of their own"

    venue.do(lambda server: server.faults.start(server.fault_ms(), ClockSkew(ms=10_000)))
    assert (await trader.act(order))["status"] == "ok"
    assert (await trader.act(order))["status"] == "err"


async def test_a_batch_over_the_weight_of_one_action_is_refused_whole_and_free(trader: Trader) -> None:
    assert len(await trader.statuses(cancel(0, *range(1, 201)))) == 200
    refused = await trader.act(cancel(0, *range(1, 202)))
    assert refused == {"status": "err", "response": "Signed action over weight limit of 200."}
    assert (await trader.info("userRateLimit"))["nRequestsUsed"] == 200
