"""Faults over real sockets: what clients of the running venue see of each."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from hyperliquid.utils.error import ClientError, ServerError
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.fixtures.venue_sdk import ALO, IOC, Trader
from tests.fixtures.venue_server import WAIT_S, RunningVenue

COIN = "BTC"


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue) -> Trader:
    return Trader(venue)


@pytest.fixture
def listen(venue: RunningVenue) -> Iterator[Callable[..., ClientConnection]]:
    """A socket that has subscribed to something."""
    with ExitStack() as sockets:

        def listen(**subscription: Any) -> ClientConnection:
            socket = sockets.enter_context(connect(venue.ws_url))
            socket.send(json.dumps({"method": "subscribe", "subscription": subscription}))
            assert json.loads(socket.recv(WAIT_S))["channel"] == "subscriptionResponse"
            return socket

        yield listen


def admin(venue: RunningVenue, method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(method, f"{venue.url}/admin/{path}", json=body, timeout=WAIT_S)
    assert answer.status_code == 200, answer.text
    return answer.json()


def start(venue: RunningVenue, kind: str, **fields: Any) -> None:
    admin(venue, "POST", "faults", {"fault": kind, **fields})


def next_frame(socket: ClientConnection, channel: str) -> Any:
    while True:
        frame = json.loads(socket.recv(WAIT_S))
        if frame["channel"] == channel:
            return frame["data"]


def test_drop_closes_without_a_close_frame(venue: RunningVenue, listen: Callable[..., ClientConnection]) -> None:
    socket = listen(type="bbo", coin=COIN)
    start(venue, "drop")
    with pytest.raises(ConnectionClosedError) as closed:
        while True:
            socket.recv(WAIT_S)
    assert closed.value.rcvd is None


def test_refused_connections(venue: RunningVenue) -> None:
    start(venue, "refuse_connections", status=503, count=1)
    with pytest.raises(InvalidStatus) as refused, connect(venue.ws_url):
        pass
    assert refused.value.response.status_code == 503
    with connect(venue.ws_url):
        pass


def test_a_stalled_connection_gets_everything_at_the_end(
    venue: RunningVenue, listen: Callable[..., ClientConnection]
) -> None:
    socket = listen(type="bbo", coin=COIN)
    start(venue, "stall", channel="pong")
    for _ in range(3):
        socket.send('{"method":"ping"}')
    next_frame(socket, "bbo")
    assert admin(venue, "DELETE", "faults") == {"ended": 1}
    pongs = 0
    while pongs < 3:
        pongs += json.loads(socket.recv(WAIT_S))["channel"] == "pong"


def test_a_crossed_book(venue: RunningVenue, listen: Callable[..., ClientConnection]) -> None:
    start(venue, "crossed_book")
    bid, ask = next_frame(listen(type="bbo", coin=COIN), "bbo")["bbo"]
    assert float(bid["px"]) > float(ask["px"])
    levels = requests.post(f"{venue.url}/info", json={"type": "l2Book", "coin": COIN}, timeout=WAIT_S).json()[
        "levels"
    ]
    assert float(levels[0][0]["px"]) < float(levels[1][0]["px"])


def test_a_stale_book_stands_still(venue: RunningVenue, listen: Callable[..., ClientConnection]) -> None:
    start(venue, "stale_book", coin=COIN)
    socket = listen(type="bbo", coin=COIN)
    first = next_frame(socket, "bbo")
    assert all(next_frame(socket, "bbo") == first for _ in range(3))


def test_http_errors_are_those_the_sdk_raises(venue: RunningVenue, trader: Trader) -> None:
    start(venue, "http_429", count=1)
    with pytest.raises(ClientError) as limited:
        trader.info.all_mids()
    assert (limited.value.status_code, limited.value.error_message) == (429, "null")
    start(venue, "http_5xx", status=502, path="/exchange", count=1)
    with pytest.raises(ServerError):
        trader.exchange.noop(1)
    assert trader.info.all_mids()


def test_a_lost_answer_leaves_its_order_behind(venue: RunningVenue, trader: Trader) -> None:
    trader.info.user_state(trader.address)
    px, sz = trader.px(COIN, -0.05), trader.sz(COIN, 20)
    start(venue, "lose_answer", action="order", count=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        trader.exchange.order(COIN, True, sz, px, ALO)
    assert len(trader.info.open_orders(trader.address)) == 1


def test_rejects_post_only_and_halts(venue: RunningVenue, trader: Trader) -> None:
    px, sz = trader.px(COIN, -0.05), trader.sz(COIN, 20)

    def place(order_type: Any) -> str:
        (status,) = trader.exchange.order(COIN, True, sz, px, order_type)["response"]["data"]["statuses"]
        return str(status.get("error", "placed"))

    start(venue, "reject", text="Price too far from oracle", count=1)
    assert place(ALO) == "Price too far from oracle asset=0" and place(ALO) == "placed"
    start(venue, "post_only")
    assert place(IOC).startswith("Only post-only orders allowed") and place(ALO) == "placed"
    admin(venue, "DELETE", "faults")
    start(venue, "halt", coin=COIN)
    assert place(ALO).startswith("Trading is halted.")
    admin(venue, "DELETE", "faults")
    assert place(ALO) == "placed"


def test_a_dark_fill_is_only_seen_by_asking(
    venue: RunningVenue, trader: Trader, listen: Callable[..., ClientConnection]
) -> None:
    trader.info.user_state(trader.address)
    updates = listen(type="orderUpdates", user=trader.address)
    fills = listen(type="userFills", user=trader.address)
    assert next_frame(fills, "userFills")["isSnapshot"]
    start(venue, "dark_fill", user=trader.address)
    trader.exchange.order(COIN, True, trader.sz(COIN, 20), trader.px(COIN, 0.05), IOC)
    admin(venue, "DELETE", "faults")
    assert {fill["side"] for fill in trader.info.user_fills(trader.address)} == {"B"}
    trader.exchange.order(COIN, False, trader.sz(COIN, 20), trader.px(COIN, -0.05), IOC)
    told = next_frame(fills, "userFills")["fills"]
    assert {fill["side"] for fill in told} == {"A"}
    assert [update["status"] for update in next_frame(updates, "orderUpdates")] == ["open"]
    assert [update["status"] for update in next_frame(updates, "orderUpdates")] == ["open", "filled"]


def test_an_external_order_appears_on_the_account(venue: RunningVenue, trader: Trader) -> None:
    trader.info.user_state(trader.address)
    body = {"user": trader.address, "coin": COIN, "side": "buy", "sz": str(trader.sz(COIN, 20)), "bps": 100}
    reply = admin(venue, "POST", "orders", body)
    oid = reply["response"]["data"]["statuses"][0]["resting"]["oid"]
    assert [order["oid"] for order in trader.info.open_orders(trader.address)] == [oid]
    admin(venue, "POST", "cancels", {"user": trader.address})
    assert trader.info.open_orders(trader.address) == []


def test_skew_moves_the_dates_of_the_venue(venue: RunningVenue, trader: Trader) -> None:
    before = trader.info.user_state(trader.address)["time"]
    start(venue, "clock_skew", ms=3_600_000)
    trader.exchange.noop(before)
    assert trader.info.user_state(trader.address)["time"] - before >= 3_600_000


def test_everything_is_in_the_truth_log(venue: RunningVenue) -> None:
    start(venue, "http_429", count=1)
    requests.post(f"{venue.url}/info", json={"type": "allMids"}, timeout=WAIT_S)
    admin(venue, "DELETE", "faults")
    facts = [fact for fact in admin(venue, "GET", "truth?after=0&limit=1000")["facts"] if fact["fact"] == "fault"]
    assert [fact["detail"] for fact in facts] == [
        '#1 on {"fault":"http_429","count":1}', "#1 /info", "#1 off, effects: 1"
    ]  # fmt: skip
