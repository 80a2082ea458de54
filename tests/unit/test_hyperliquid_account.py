"""Accounts in the venue's shapes: examples after the reference page, paging, and a websocket that plays tricks."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import VenueError
from shared.hyperliquid.account import (
    AccountLiquidation,
    CancelledOrder,
    ClearinghouseState,
    Fill,
    FrontendOrder,
    Funding,
    Liquidation,
    OrderUpdate,
    SocketError,
    Subscribed,
    UserEvent,
    UserFills,
    UserFundings,
    UserRole,
    account_event,
    rests,
)
from shared.hyperliquid.account_info import FULL_PAGE, AccountInfo
from shared.hyperliquid.account_ws import EVENTS_WAITING, AccountSocket, PostAnswer, PostOutcome
from shared.hyperliquid.limits import IpLimits
from shared.hyperliquid.replies import NotSent, Unknown
from shared.hyperliquid.rest import InfoClient
from shared.hyperliquid.wire import FRAME_DECODER
from shared.hyperliquid.ws import VenueSocket

USER = "0x" + "1" * 40
FILL = {
    "coin": "AAA", "px": "100.0", "sz": "0.5", "side": "B", "time": 1790000000000, "startPosition": "1.5",
    "dir": "Open Long", "closedPnl": "0.0", "hash": "0x" + "0" * 64, "oid": 9001, "crossed": False,
    "fee": "-0.0075", "tid": 123456789, "feeToken": "USDC", "cloid": None, "twapId": None,
}  # fmt: skip
ORDER = {"coin": "AAA", "side": "A", "limitPx": "101.0", "sz": "0.0", "oid": 7, "timestamp": 1, "origSz": "2.0"}
DELTA = {"coin": "AAA", "usdc": "-0.4", "szi": "2.0", "fundingRate": "0.0000125", "nSamples": None}
FUNDING = Funding(5, "AAA", Decimal("-0.4"), Decimal(2), Decimal("0.0000125"))


def event(channel: str, data: Any) -> Any:
    return account_event(FRAME_DECODER.decode(json.dumps({"channel": channel, "data": data})))


# ---- shapes --------------------------------------------------------------------------------------------------


def test_fills_say_whether_they_are_the_past() -> None:
    live = event("userFills", {"user": USER, "fills": [FILL]})
    (fill,) = live.fills
    assert isinstance(live, UserFills) and not live.is_snapshot
    assert (fill.px, fill.fee, fill.crossed, fill.cloid) == (Decimal(100), Decimal("-0.0075"), False, None)
    assert event("userFills", {"user": USER, "fills": [], "isSnapshot": True}).is_snapshot


def test_a_fill_against_a_liquidation_with_a_builder() -> None:
    mark = {"liquidatedUser": USER, "markPx": "99.0", "method": "market"}
    fill = msgspec.convert(FILL | {"liquidation": mark, "builderFee": "0.1"}, Fill, strict=True)
    assert fill.liquidation == Liquidation(USER, Decimal(99), "market") and fill.builder_fee == Decimal("0.1")


def test_order_updates_with_and_without_optional_fields() -> None:
    updates = event("orderUpdates", [
        {"order": ORDER, "status": "filled", "statusTimestamp": 3},
        {"order": ORDER | {"cloid": "0x1", "reduceOnly": True}, "status": "open", "statusTimestamp": 3},
    ])  # fmt: skip
    assert [type(update) for update in updates] == [OrderUpdate] * 2
    assert [(update.order.cloid, update.order.reduce_only) for update in updates] == [(None, False), ("0x1", True)]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"funding": {"time": 5, **DELTA}}, UserEvent(funding=FUNDING)),
        ({"nonUserCancel": [{"coin": "AAA", "oid": 3}]}, UserEvent(non_user_cancel=(CancelledOrder("AAA", 3),))),
        (
            {"liquidation": {"lid": 1, "liquidator": "0x0", "liquidated_user": USER, "liquidated_ntl_pos": "10.0",
                             "liquidated_account_value": "1.5"}},
            UserEvent(liquidation=AccountLiquidation(1, "0x0", USER, Decimal(10), Decimal("1.5"))),
        ),
    ],
)  # fmt: skip
def test_events_of_a_user(data: Any, wanted: UserEvent) -> None:
    assert event("user", data) == wanted


def test_payments_confirmations_errors_and_the_rest() -> None:
    assert event("userFundings", {"user": USER, "fundings": [{"time": 5, **DELTA}]}) == UserFundings(
        USER, (FUNDING,)
    )
    confirmed = event(
        "subscriptionResponse", {"method": "subscribe", "subscription": {"type": "bbo", "coin": "A"}}
    )
    assert isinstance(confirmed, Subscribed) and confirmed.subscription.coin == "A"
    assert event("error", "Already subscribed: {}") == SocketError("Already subscribed: {}")
    assert event("pong", None) is None and event("bbo", {"coin": "AAA"}) is None


def test_margin_of_a_leveraged_long() -> None:
    summary = {
        "accountValue": "1000.0",
        "totalNtlPos": "200.0",
        "totalRawUsd": "-800.0",
        "totalMarginUsed": "10.0",
    }
    position = {
        "coin": "AAA", "szi": "-2.0", "leverage": {"type": "isolated", "value": 10, "rawUsd": "-180.5"},
        "entryPx": "99.5", "positionValue": "200.0", "unrealizedPnl": "1.0", "returnOnEquity": "0.1",
        "liquidationPx": None, "marginUsed": "10.0", "maxLeverage": 25,
        "cumFunding": {"allTime": "0.4", "sinceOpen": "0.1", "sinceChange": "0.0"},
    }  # fmt: skip
    held = {"type": "oneWay", "position": position}
    body = {"marginSummary": summary, "crossMarginSummary": summary, "crossMaintenanceMarginUsed": "4.0",
            "withdrawable": "980.0", "assetPositions": [held], "time": 9}  # fmt: skip
    state = msgspec.json.decode(json.dumps(body), type=ClearinghouseState)
    seen = state.asset_positions[0].position
    assert (seen.szi, seen.leverage.raw_usd, seen.liquidation_px) == (Decimal(-2), Decimal("-180.5"), None)
    assert state.margin_summary.total_raw_usd == Decimal(-800)


def test_children_of_an_order_are_orders() -> None:
    body = {**ORDER, "isTrigger": False, "triggerPx": "0.0", "triggerCondition": "N/A", "isPositionTpsl": False,
            "reduceOnly": False, "orderType": "Limit", "tif": None, "cloid": None,
            "children": [{**ORDER, "isTrigger": True, "triggerPx": "90.0"}]}  # fmt: skip
    order = msgspec.json.decode(json.dumps(body), type=FrontendOrder)
    assert order.children[0].trigger_px == Decimal(90) and order.tif is None


def test_a_role_without_data_belongs_to_nobody() -> None:
    assert msgspec.json.decode(b'{"role":"missing"}', type=UserRole).data.user is None


def test_only_open_and_triggered_orders_may_trade() -> None:
    assert rests("open") and rests("triggered")
    for status in ("filled", "canceled", "scheduledCancel", "badAloPxRejected", "marginCanceled", "news"):
        assert not rests(status)


# ---- pages ---------------------------------------------------------------------------------------------------


class Archive:
    """Fills as the venue gives them out: oldest first, both ends included, so many at most."""

    def __init__(self, times: list[int], page: int) -> None:
        self.fills = [FILL | {"time": time, "tid": tid} for tid, time in enumerate(sorted(times))]
        self.page = page
        self.asked = 0

    async def ask(self, shape: Any, body: dict[str, Any]) -> Any:
        self.asked += 1
        rest = [fill for fill in self.fills if cast(int, fill["time"]) >= body["startTime"]]
        return msgspec.convert(rest[: self.page], shape, strict=False)

    def info(self) -> AccountInfo:
        return AccountInfo(cast(InfoClient, self), USER)


@given(st.lists(st.integers(0, 4000), max_size=4).map(lambda few: few * 400), st.sampled_from((500, 2000)))
async def test_every_fill_is_found_once(times: list[int], page: int) -> None:
    spread = [time + number % 7 for number, time in enumerate(times)]
    fills = await Archive(spread, page).info().fills_since(0)
    assert [fill.tid for fill in fills] == list(range(len(times)))


async def test_only_what_is_young_enough_is_found() -> None:
    fills = await Archive([1, 2, 3, 3, 4], 2000).info().fills_since(3)
    assert [fill.time for fill in fills] == [3, 3, 4]


async def test_a_page_full_of_one_moment_is_no_answer() -> None:
    with pytest.raises(VenueError, match="may be more"):
        await Archive([5] * FULL_PAGE, 2000).info().fills_since(0)


# ---- a websocket that plays tricks ---------------------------------------------------------------------------


class Trickster:
    """In place of a `VenueSocket`: sends what the test says."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.sent: list[Any] = []
        self.is_open = True

    async def send(self, frame: bytes) -> None:
        self.sent.append(json.loads(frame))

    async def frames(self) -> AsyncIterator[bytes]:
        while (frame := await self.incoming.get()) is not None:
            yield frame
        raise VenueError("connection lost")

    def abort(self) -> None:
        self.is_open = False

    def tell(self, channel: str, data: Any) -> None:
        self.incoming.put_nowait(json.dumps({"channel": channel, "data": data}).encode())

    def answer(self, post_id: int, kind: str, payload: Any) -> None:
        self.tell("post", {"id": post_id, "response": {"type": kind, "payload": payload}})


class Talk:
    """An `AccountSocket` on a `Trickster`."""

    def __init__(self) -> None:
        self.peer, self.limits = Trickster(), IpLimits()
        self.socket = AccountSocket(cast(VenueSocket, self.peer), self.limits)
        self.reading = asyncio.create_task(self.socket.read())

    async def post(self) -> "asyncio.Task[PostOutcome]":
        """One that has gone out."""
        before = len(self.peer.sent)
        task = asyncio.create_task(self.socket.post(b"{}", 5.0, urgent=False))
        while len(self.peer.sent) == before:
            await asyncio.sleep(0)
        return task


async def test_posts_are_answered_in_any_order() -> None:
    talk = Talk()
    posts = [await talk.post() for _ in range(3)]
    ids = [sent["id"] for sent in talk.peer.sent]
    assert len(set(ids)) == 3
    for post_id in reversed(ids):
        talk.peer.answer(post_id, "action", {"n": post_id})
    answers = await asyncio.gather(*posts)
    assert answers == [PostAnswer(200, b'{"n": %d}' % post_id) for post_id in ids]
    talk.reading.cancel()


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("429 Too Many Requests: null", 429, b"null"),
        ("422 Unprocessable Entity: Failed to deserialize", 422, b"Failed to deserialize"),
        ("503 Service Unavailable", 503, b""),
        ("what now: 429", 0, b"what now: 429"),
    ],
)
async def test_errors_carry_their_http_status(text: str, status: int, body: bytes) -> None:
    talk = Talk()
    post = await talk.post()
    talk.peer.answer(1, "error", text)
    assert await post == PostAnswer(status, body)
    talk.reading.cancel()


async def test_a_post_over_the_venues_limit_was_not_taken() -> None:
    talk = Talk()
    post = await talk.post()
    talk.peer.tell("error", "too many pending post requests id=1")
    assert isinstance(await post, NotSent) and talk.limits.posts == 0
    talk.reading.cancel()


@pytest.mark.parametrize(
    "frame", [b"{", b'{"channel":"userFills","data":{}}', b'{"channel":"post","data":7}', b"\xff"]
)
async def test_an_unreadable_frame_ends_the_connection(frame: bytes) -> None:
    talk = Talk()
    post = await talk.post()
    talk.peer.incoming.put_nowait(frame)
    assert isinstance(await post, Unknown)
    with pytest.raises(VenueError):
        await anext(talk.socket.events())
    assert not talk.socket.is_open and talk.limits.posts == 0


async def test_a_listener_that_does_not_listen_is_cut_off_and_still_hears_the_beginning() -> None:
    talk = Talk()
    for _ in range(EVENTS_WAITING + 1):
        talk.peer.tell("error", "x")
    await talk.reading
    heard = 0
    with pytest.raises(VenueError, match="events wait"):
        async for _ in talk.socket.events():
            heard += 1
    assert heard == EVENTS_WAITING and not talk.peer.is_open


async def test_who_gives_up_waiting_leaves_the_fate_open() -> None:
    talk = Talk()
    assert isinstance(await talk.socket.post(b"{}", 0.0, urgent=False), Unknown)
    assert talk.limits.posts == 1
    talk.peer.incoming.put_nowait(None)
    await talk.reading
    assert talk.limits.posts == 0
