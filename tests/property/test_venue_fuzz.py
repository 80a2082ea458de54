"""Whatever comes over the wire, the venue answers as the reference page says and goes on: 200 or 422 over HTTP,
frames over the websocket, never 500 and never a connection that dies of it."""

import http.client
import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from services.venue.api.info import AnyRequest
from shared.clock import wall_ms
from tests.fixtures.venue_server import WAIT_S, RunningVenue
from tests.fixtures.venue_signer import Signer, envelope

SIGNER = Signer()
USER = SIGNER.address
CHAIN = {"signatureChainId": "0x66eee", "hyperliquidChain": "Testnet"}
LIMIT: Any = {"a": 0, "b": True, "p": "70000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
STOP: Any = {**LIMIT, "r": True, "t": {"trigger": {"isMarket": True, "triggerPx": "60000", "tpsl": "sl"}}}
CLOID = "0x" + "0c" * 16
TAKE: Any = {**LIMIT, "t": {"limit": {"tif": "Ioc"}}, "p": "80000", "c": CLOID}
ACTIONS: tuple[Any, ...] = (
    {"type": "order", "orders": [LIMIT], "grouping": "na"},
    {"type": "order", "orders": [TAKE], "grouping": "na"},
    {"type": "order", "orders": [LIMIT, STOP], "grouping": "normalTpsl", "builder": {"b": USER, "f": 10}},
    {"type": "cancel", "cancels": [{"a": 0, "o": 1}], "f": True},
    {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": CLOID}]},
    {"type": "modify", "oid": 1, "order": LIMIT},
    {"type": "batchModify", "modifies": [{"oid": CLOID, "order": LIMIT, "a": True}]},
    {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5},
    {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 1_000_000},
    {"type": "topUpIsolatedOnlyMargin", "asset": 0, "leverage": "5.0"},
    {"type": "scheduleCancel", "time": 1},
    {"type": "reserveRequestWeight", "weight": 1},
    {"type": "noop"},
    {"type": "setReferrer", "code": "A"},
    {"type": "createSubAccount", "name": "a"},
    {"type": "subAccountTransfer", "subAccountUser": USER, "isDeposit": True, "usd": 1},
    {"type": "subAccountSpotTransfer", "subAccountUser": USER, "isDeposit": True, "token": "USDC", "amount": "1"},
    {"type": "vaultTransfer", "vaultAddress": USER, "isDeposit": True, "usd": 1},
    {"type": "agentSetAbstraction", "abstraction": "i"},
    {"type": "usdSend", **CHAIN, "destination": USER, "amount": "1", "time": 0},
    {"type": "spotSend", **CHAIN, "destination": USER, "token": "USDC", "amount": "1", "time": 0},
    {"type": "withdraw3", **CHAIN, "destination": USER, "amount": "2", "time": 0},
    {"type": "usdClassTransfer", **CHAIN, "amount": "1", "toPerp": False, "nonce": 0},
    {"type": "approveAgent", **CHAIN, "agentAddress": "0x" + "12" * 20, "agentName": "a", "nonce": 0},
    {"type": "approveBuilderFee", **CHAIN, "maxFeeRate": "0.01%", "builder": USER, "nonce": 0},
    {"type": "userSetAbstraction", **CHAIN, "user": USER, "abstraction": "disabled", "nonce": 0},
    {
        "type": "sendAsset", **CHAIN, "destination": USER, "sourceDex": "", "destinationDex": "xyz",
        "token": "USDC", "amount": "1", "fromSubAccount": "", "nonce": 0,
    },
)  # fmt: skip
KINDS = [str(kind.__struct_config__.tag) for kind in AnyRequest.__args__]
INFO_FIELDS: Any = {
    "user": USER, "coin": "BTC", "dex": "", "oid": 1, "startTime": 0, "endTime": None, "aggregateByTime": True,
    "builder": USER, "source": USER, "id": 51, "nSigFigs": None, "mantissa": None,
    "req": {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": None},
}  # fmt: skip
SUBSCRIPTIONS = (
    "l2Book", "bbo", "trades", "activeAssetCtx", "candle", "allMids", "allDexsAssetCtxs", "userFills",
    "userEvents", "orderUpdates", "userFundings", "userNonFundingLedgerUpdates", "userHistoricalOrders",
    "activeAssetData",
    "clearinghouseState", "openOrders", "twapStates", "spotState", "webData2", "notification",
)  # fmt: skip

scalars = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**60, 0.5, 1e308, -1e-300]
    ),
    st.sampled_from(
        ["", "0", "-0", "0." + "0" * 23 + "1", "1e9", "NaN", "Infinity", "0x", "0x" + "f" * 40, "0X" + "F" * 40,
         "9" * 24, "9" * 500, "\ud800", "\x00", "é" * 9, " subaccount:" + USER, "xyz:GOLD", "BTC", "na", "Gtc"]
    ),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
)  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
nested = st.sampled_from(
    ["[" * 5_000, '{"a":' * 5_000, "[" * 3_000 + "]" * 3_000, '{"type":' + "[" * 900 + "]" * 900 + "}"]
)
raw = st.one_of(
    st.binary(max_size=60), nested.map(str.encode), anything.map(lambda value: json.dumps(value).encode())
)
DELETED = object()
changes = st.lists(st.tuples(st.integers(0, 10**6), st.just(DELETED) | anything), max_size=3)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything inside."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def changed(value: Any, todo: list[tuple[int, Any]]) -> Any:
    """A copy in which some places hold something else, or nothing."""
    made = deepcopy(value)
    for number, new in todo:
        places = list(paths(made))
        if places:
            *way, last = places[number % len(places)]
            parent = made
            for key in way:
                parent = parent[key]
            if new is DELETED:
                del parent[last]
            else:
                parent[last] = deepcopy(new)
    return made


class Line:
    """One keep-alive connection that must not break."""

    def __init__(self, venue: RunningVenue) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", venue.server.port, timeout=WAIT_S)
        self._http.connect()
        self._socket = self._http.sock

    def post(self, path: str, body: bytes) -> tuple[int, Any]:
        self._http.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self._http.getresponse()
        content = answer.read()
        assert self._http.sock is self._socket, "the venue hung up"
        if answer.status == 422:
            assert answer.headers["Content-Type"].startswith("text/plain") and content
            return 422, content
        assert answer.headers["Content-Type"].startswith("application/json")
        return answer.status, json.loads(content, parse_constant=pytest.fail)

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False, scheduled_cancel_volume=0, sub_account_volume=0) as running:
        yield running
        before = running.do(lambda server: server.venue.block_ms)
        line = Line(running)
        assert line.post("/info", b'{"type":"exchangeStatus"}')[0] == 200
        body = SIGNER.body(envelope({"type": "noop"}, next(nonces)))
        assert line.post("/exchange", body) == (200, {"status": "ok", "response": {"type": "default"}})
        line.close()
        assert running.do(lambda server: server.venue.block_ms) > before, "blocks go on"


@pytest.fixture(scope="module")
def line(venue: RunningVenue) -> Iterator[Line]:
    made = Line(venue)
    yield made
    made.close()


@pytest.fixture
def socket(venue: RunningVenue) -> Iterator[ClientConnection]:
    with connect(venue.ws_url, open_timeout=WAIT_S, compression=None) as made:
        yield made


nonces = count(int(wall_ms()))
many = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def an_action(template: Any, nonce: int) -> Any:
    """The envelope of an action, its inner nonce the same as the outer one."""
    action = dict(template)
    for key in ("nonce", "time"):
        if "signatureChainId" in action and key in action:
            action[key] = nonce
    return envelope(action, nonce)


@many
@given(template=st.sampled_from(ACTIONS), todo=changes)
def test_actions_with_anything_in_any_field(line: Line, template: Any, todo: Any) -> None:
    status, answer = line.post("/exchange", SIGNER.body(changed(an_action(template, next(nonces)), todo)))
    assert status in (200, 422)
    if status == 200:
        assert answer["status"] in ("ok", "err")
        assert isinstance(answer["response"], str if answer["status"] == "err" else dict)


@many
@given(template=st.sampled_from(ACTIONS[:7]), todo=changes)
def test_orders_with_anything_in_their_fields(line: Line, template: Any, todo: Any) -> None:
    """Deeper than the envelope: only inside the lists of an action."""
    key = next(key for key in ("orders", "cancels", "modifies", "order") if key in template)
    body = SIGNER.body(an_action(template | {key: changed(template[key], todo)}, next(nonces)))
    status, answer = line.post("/exchange", body)
    assert status in (200, 422)
    assert status == 422 or answer["status"] in ("ok", "err")


@many
@given(kind=st.sampled_from(KINDS), todo=changes)
def test_questions_with_anything_in_any_field(line: Line, kind: str, todo: Any) -> None:
    status, _ = line.post("/info", json.dumps(changed({"type": kind} | INFO_FIELDS, todo)).encode())
    assert status in (200, 422)


@many
@given(path=st.sampled_from(["/info", "/exchange"]), body=raw)
def test_bodies_of_any_bytes(line: Line, path: str, body: bytes) -> None:
    assert line.post(path, body)[0] == 422


@many
@given(
    address=st.sampled_from([USER, "0x1", "0x" + "0" * 40]),
    field=st.sampled_from(["deposit", "withdraw", "volume"]),
    value=anything,
)
def test_the_operator_is_refused_with_a_reason(line: Line, address: str, field: str, value: Any) -> None:
    status, answer = line.post(f"/admin/accounts/{address}", json.dumps({field: value}).encode())
    assert status in (200, 400, 404)
    assert status == 200 or answer["error"]


def lives(socket: ClientConnection) -> list[Any]:
    """Everything that comes before the answer to a ping."""
    socket.send('{"method":"ping"}')
    heard = []
    while (frame := json.loads(socket.recv(WAIT_S), parse_constant=pytest.fail)) != {"channel": "pong"}:
        heard.append(frame)
    return heard


frames = st.one_of(
    st.builds(
        lambda kind, method, todo: changed(
            {"method": method, "subscription": {"type": kind, "interval": "1m"} | INFO_FIELDS}, todo
        ),
        st.sampled_from(SUBSCRIPTIONS), st.sampled_from(["subscribe", "unsubscribe"]), changes,
    ),
    st.builds(
        lambda kind, todo: changed(
            {"method": "post", "id": 7, "request": {"type": "info", "payload": {"type": kind} | INFO_FIELDS}}, todo
        ),
        st.sampled_from(KINDS), changes,
    ),
    anything,
).map(json.dumps)  # fmt: skip


@many
@given(
    sent=st.lists(
        frames | nested | st.text(max_size=40) | st.binary(max_size=40) | frames.map(str.encode), max_size=4
    )
)
def test_frames_of_anything(socket: ClientConnection, sent: list[str | bytes]) -> None:
    for frame in sent:
        socket.send(frame)
    for frame in lives(socket):
        assert isinstance(frame["channel"], str)


@many
@given(template=st.sampled_from(ACTIONS), todo=changes)
def test_posted_actions_with_anything_in_any_field(socket: ClientConnection, template: Any, todo: Any) -> None:
    payload = json.loads(SIGNER.body(changed(an_action(template, next(nonces)), todo)))
    number = next(nonces)
    socket.send(json.dumps({"method": "post", "id": number, "request": {"type": "action", "payload": payload}}))
    frame = json.loads(socket.recv(WAIT_S))
    if frame["channel"] == "error":
        assert frame["data"].startswith("Error parsing JSON into valid websocket request")
        return
    assert (frame["channel"], frame["data"]["id"]) == ("post", number)
    response = frame["data"]["response"]
    assert response["type"] in ("action", "error")
    assert response["type"] == "action" or response["payload"].startswith("422")
