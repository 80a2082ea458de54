"""The venue's websocket and /info behaviour, frame by frame, and its patience with nonsense."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.api import answers, info
from services.venue.api import subscriptions as subs
from services.venue.api.client import QUEUE_FRAMES, Client
from services.venue.api.hub import IDLE_S, Hub
from services.venue.api.limits import CONNECTIONS, MESSAGES_A_MINUTE, IpLimits, Window, switches
from services.venue.api.server import VenueServer
from services.venue.api.state import MarketState
from services.venue.config import VenueConfig
from services.venue.exchange.listings import dexs, listings
from services.venue.exchange.requests import Malformed
from services.venue.exchange.world import World
from services.venue.market.feed import Pacer
from services.venue.market.market import blocks
from services.venue.market.modelled import ModelledMarket
from services.venue.market.replay import open_recording
from services.venue.market.timeline import Timeline
from services.venue.market.universe import MARKET
from shared.errors import ConfigError, DataError
from shared.hyperliquid.wire import Bbo, L2Book, decode_frame

NAMES = ("BTC", "ETH")
NOW_MS = 30_000
USER = "0x" + "aB" * 20


def played(seconds: int = 30) -> tuple[MarketState, list[Any]]:
    """A market that ran for a while, and the client events of that time."""
    market = ModelledMarket([coin for coin in MARKET.coins if coin.name in NAMES], seed=11)
    state, pacer, events = MarketState(market.coins), Pacer(), []
    for time_ms, news in blocks(market):
        if time_ms > seconds * 1000:
            break
        for raw in news:
            state.apply(raw)
            events += pacer.step(time_ms, raw)
    return state, events


STATE, EVENTS = played()
STATE_COINS = tuple(coin.meta for coin in STATE.coins.values())


class Talk:
    """One client of a hub, without sockets."""

    def __init__(self, *, limits: bool = True, **settings: Any) -> None:
        config = VenueConfig()
        world = World(config, listings(STATE_COINS, config), dexs(config), lambda fact: self.hub.note(fact))
        self.hub = Hub(STATE, world, **settings)
        self.limits = IpLimits(switches(limits))
        self.client = self.connect()

    def connect(self) -> Client:
        """One more connection of the same address."""
        client = Client(self.limits, 0.0)
        self.hub.join(client)
        return client

    def say(self, message: Any) -> list[dict[str, Any]]:
        raw = message if isinstance(message, (str, bytes)) else json.dumps(message)
        self.hub.receive(self.client, raw, 0.0, NOW_MS)
        return self.frames()

    def frames(self) -> list[dict[str, Any]]:
        frames = [json.loads(frame) for frame in self.client.queue]
        self.client.queue.clear()
        return frames

    def subscribe(self, **subscription: Any) -> list[dict[str, Any]]:
        return self.say({"method": "subscribe", "subscription": subscription})


# ---- subscriptions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscription", "echoed"),
    [
        (
            {"type": "l2Book", "coin": "BTC"},
            {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False},
        ),
        ({"type": "bbo", "coin": "BTC"}, {"type": "bbo", "coin": "BTC"}),
        ({"type": "trades", "coin": "BTC"}, {"type": "trades", "coin": "BTC"}),
        ({"type": "activeAssetCtx", "coin": "BTC"}, {"type": "activeAssetCtx", "coin": "BTC"}),
        ({"type": "allMids"}, {"type": "allMids"}),
        ({"type": "candle", "coin": "BTC", "interval": "1m"}, {"type": "candle", "coin": "BTC", "interval": "1m"}),
        ({"type": "allDexsAssetCtxs"}, {"type": "allDexsAssetCtxs"}),
    ],
)
def test_confirmation_with_defaults_then_the_present_state(
    subscription: dict[str, Any], echoed: dict[str, Any]
) -> None:
    confirmation, snapshot = Talk().subscribe(**subscription)
    assert confirmation == {
        "channel": "subscriptionResponse",
        "data": {"method": "subscribe", "subscription": echoed},
    }
    assert snapshot["channel"] == subscription["type"]


def test_twice_and_never() -> None:
    talk = Talk()
    talk.subscribe(type="bbo", coin="BTC")
    (again,) = talk.subscribe(type="bbo", coin="BTC")
    assert again["channel"] == "error"
    assert again["data"].startswith("Already subscribed: {")
    off = {"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "BTC"}}
    assert talk.say(off)[0]["data"]["method"] == "unsubscribe"
    assert talk.say(off)[0]["data"].startswith("Already unsubscribed: {")
    assert talk.client.limits.subscriptions == 0


@pytest.mark.parametrize(
    "subscription",
    [
        {"type": "nothing", "coin": "BTC"},
        {"type": "bbo"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 9},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 4, "mantissa": 2},
        {"type": "bbo", "coin": "NOPE"},
        {"type": "candle", "coin": "BTC", "interval": "7m"},
        {"type": "userFills", "user": "somebody"},
        {"type": "clearinghouseState", "user": USER, "dex": "nope"},
    ],
)
def test_invalid_subscriptions(subscription: dict[str, Any]) -> None:
    (error,) = Talk().subscribe(**subscription)
    assert error == {"channel": "error", "data": f"Invalid subscription {json.dumps(subscription)}"}


def test_an_unknown_coin_may_drop_the_socket_instead() -> None:
    talk = Talk(unknown_coin="drop")
    assert talk.subscribe(type="bbo", coin="NOPE") == []
    assert talk.client.closing


def test_ping_nonsense_and_post() -> None:
    talk = Talk()
    assert talk.say({"method": "ping"}) == [{"channel": "pong"}]
    (error,) = talk.say("{nonsense")
    assert error["data"] == "Error parsing JSON into valid websocket request: {nonsense"
    request = {"type": "info", "payload": {"type": "l2Book", "coin": "BTC"}}
    (answer,) = talk.say({"method": "post", "id": 7, "request": request})
    assert answer["data"]["id"] == 7
    assert answer["data"]["response"]["payload"]["type"] == "l2Book"
    assert answer["data"]["response"]["payload"]["data"]["coin"] == "BTC"
    (refused,) = talk.say({"method": "post", "id": 8, "request": {"type": "info", "payload": {"type": "x"}}})
    assert refused["data"]["response"]["type"] == "error"
    assert refused["data"]["response"]["payload"].startswith("422 ")


def test_frames_go_to_their_subscribers_only_and_fast_and_slow_apart() -> None:
    talk = Talk()
    other = talk.connect()
    talk.subscribe(type="l2Book", coin="BTC")
    talk.hub.receive(
        other, '{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","fast":true}}', 0, NOW_MS
    )
    other.queue.clear()
    for event in EVENTS:
        talk.hub.publish(event)
    slow, fast = talk.frames(), [json.loads(frame) for frame in other.queue]
    assert {("fast" in frame["data"], len(frame["data"]["levels"][0])) for frame in slow} == {(False, 20)}
    assert {(frame["data"]["fast"], len(frame["data"]["levels"][0])) for frame in fast} == {(True, 5)}
    assert len(fast) > 5 * len(slow) > 0


def test_every_frame_is_what_our_own_client_decodes() -> None:
    talk = Talk()
    for kind in ("l2Book", "bbo", "trades", "activeAssetCtx"):
        talk.subscribe(type=kind, coin="BTC")
    seen = set()
    for event in EVENTS:
        talk.hub.publish(event)
        for raw in talk.client.queue:
            channel, decoded = decode_frame(raw)
            assert decoded is not None
            seen.add(channel)
        talk.client.queue.clear()
    assert seen == {"l2Book", "bbo", "trades", "activeAssetCtx"}


def test_aggregated_books_keep_the_size_and_never_cross() -> None:
    talk = Talk()
    for figures, mantissa in ((5, 2), (5, 5), (4, None), (3, None), (2, None)):
        frames = talk.subscribe(type="l2Book", coin="BTC", nSigFigs=figures, mantissa=mantissa)
        bids, asks = frames[1]["data"]["levels"]
        assert float(bids[0]["px"]) < float(asks[0]["px"])
        assert float(frames[1]["data"]["spread"]) > 0
        full = STATE.coins["BTC"].book
        assert full is not None
        assert sum(float(level["sz"]) for level in bids) == pytest.approx(
            sum(float(level.sz) for level in full.levels[0])
        )


# ---- shape of the real frames --------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """The types of a frame; a list by the shape of its first element."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_frames_have_the_shape_of_recorded_ones(recordings: Path) -> None:
    real: dict[str, Any] = {}
    with gzip.open(recordings / "hl-20250126-btc-rawws" / "btcusd_20250126.gz", "rt") as file:
        for line in file:
            frame = json.loads(line.split(" ", 1)[1])
            real[frame["channel"]] = frame
    talk = Talk()
    for channel in ("l2Book", "trades"):
        _, ours = talk.subscribe(type=channel, coin="BTC")
        assert shape(ours) == shape(real[channel])


# ---- limits --------------------------------------------------------------------------------------------------


def test_a_connection_that_was_sent_nothing_for_a_minute_is_closed() -> None:
    talk = Talk()
    talk.hub.expire(IDLE_S - 0.1)
    assert not talk.client.closing
    talk.client.last_sent_s = 1.0
    talk.hub.expire(IDLE_S + 0.9)
    assert not talk.client.closing
    talk.hub.expire(IDLE_S + 1.0)
    assert talk.client.closing
    assert talk.hub.dropped_idle == 1


def test_a_client_that_does_not_read_is_dropped_and_counted() -> None:
    talk = Talk()
    talk.subscribe(type="bbo", coin="BTC")
    bbo = STATE.coins["BTC"].bbo
    assert bbo is not None
    for _ in range(QUEUE_FRAMES + 5):
        talk.hub.publish(bbo)
    assert talk.client.closing
    assert len(talk.client.queue) == QUEUE_FRAMES
    assert talk.hub.dropped_slow == 1


def test_too_many_messages_close_the_socket_unless_limits_are_off() -> None:
    for limits in (True, False):
        talk = Talk(limits=limits)
        for _ in range(MESSAGES_A_MINUTE + 1):
            talk.say({"method": "ping"})
        assert talk.client.closing is limits


def test_a_window_forgets_after_a_minute() -> None:
    window = Window(limit=10)
    assert window.take(0.0, 10)
    assert not window.take(59.9)
    assert window.take(60.0)


# ---- nonsense ------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(
    [kind.__struct_config__.tag for kind in (*answers.ANSWERS, *get_args(subs.AnySubscription))]
)
fields = st.fixed_dictionaries(
    {"type": kinds},
    optional={
        "coin": st.sampled_from([*NAMES, "NOPE"]) | json_values,
        "user": st.just(USER) | json_values,
        "dex": st.sampled_from(["", "xyz"]) | json_values,
        "oid": st.integers(0, 9) | st.just("0x" + "1" * 32) | json_values,
        "interval": st.just("1h") | json_values,
        "builder": st.just(USER) | json_values,
        "aggregateByTime": st.booleans() | json_values,
        "id": st.integers(),
        "nSigFigs": st.integers(0, 7) | st.none(),
        "mantissa": st.integers(0, 7) | st.none(),
        "startTime": st.integers(),
        "endTime": st.integers() | st.none(),
        "req": st.fixed_dictionaries(
            {
                "coin": st.sampled_from(NAMES),
                "interval": st.sampled_from(list(info.INTERVALS_MS)),
                "startTime": st.integers(),
                "endTime": st.integers(),
            }
        )
        | json_values,
    },
)


@pytest.mark.parametrize("user", ["0x" + "1" * 40 + "\n", "0x" + "1" * 41, "1" * 40, "0x" + "g" * 40, ""])
def test_what_is_no_address_is_refused(user: str) -> None:
    with pytest.raises(Malformed):
        info.decode(json.dumps({"type": "openOrders", "user": user}).encode())
    (error,) = Talk().say({"method": "subscribe", "subscription": {"type": "orderUpdates", "user": user}})
    assert error["data"].startswith("Invalid subscription ")


@settings(max_examples=300, deadline=None)
@given(
    fields.map(lambda body: json.dumps(body).encode())
    | json_values.map(lambda v: json.dumps(v).encode())
    | st.binary()
)
def test_info_answers_or_refuses_whatever_it_is_asked(body: bytes) -> None:
    try:
        request = info.decode(body)
    except Malformed as error:
        assert str(error) == "Failed to deserialize the JSON body into the target type"
        return
    talk = Talk()
    json.dumps(talk.hub.ask(talk.limits, request, 0.0, NOW_MS))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(max_size=30)
        | st.binary(max_size=30)
        | json_values.map(json.dumps)
        | st.builds(
            lambda method, subscription: json.dumps({"method": method, "subscription": subscription}),
            st.sampled_from(["subscribe", "unsubscribe", "post", "ping"]),
            fields | json_values,
        ),
        max_size=8,
    )
)
def test_the_websocket_answers_every_frame(messages: list[str | bytes]) -> None:
    talk = Talk(limits=False, submit=lambda client, post_id, body: client.send(b"{}", "post"))
    for message in messages:
        assert talk.say(message), "each frame gets an answer"
        talk.hub.flush(NOW_MS)
    talk.hub.leave(talk.client)
    assert talk.client.limits.subscriptions == 0


# ---- over sockets --------------------------------------------------------------------------------------------


async def cancelled(playing: asyncio.Task[None]) -> None:
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


async def test_http_answers_in_the_venues_manner_and_sockets_are_limited() -> None:
    config = VenueConfig(venue_port=0)
    server = VenueServer(config, Timeline(config))
    await server.start()
    url = f"http://127.0.0.1:{server.port}"
    try:
        async with aiohttp.ClientSession() as http:
            async with http.post(url + "/info", data=b'{"type":') as answer:
                assert (answer.status, answer.content_type) == (422, "text/plain")
            async with http.post(url + "/info", json={"type": "allMids"}) as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                assert len(await answer.json()) == 30
            async with http.get(url + "/health") as answer:
                health = await answer.json()
                assert health["coins_with_book"] == 33
                assert health["finished"] is False
            sockets = [await http.ws_connect(url + "/ws") for _ in range(CONNECTIONS)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await http.ws_connect(url + "/ws")
            assert caught.value.status == 429
            for socket in sockets:
                await socket.close()
    finally:
        await server.stop()


async def test_the_idle_rule_drops_the_socket_without_a_close_frame() -> None:
    now_s = 0.0
    config = VenueConfig(venue_port=0)
    server = VenueServer(config, Timeline(config), now_s=lambda: now_s)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://127.0.0.1:{server.port}/ws") as socket,
        ):
            await socket.send_json({"method": "ping"})
            assert (await socket.receive_json(timeout=5)) == {"channel": "pong"}
            now_s = IDLE_S + 1
            server.hub.expire(now_s)
            message = await socket.receive(timeout=5)
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    finally:
        await server.stop()


async def test_a_recording_plays_to_its_end_and_stays_readable(recordings: Path) -> None:
    config = VenueConfig(venue_port=0, source=str(recordings / "hl-20250903-4coins"), speed="100000")
    server = VenueServer(config, Timeline(config))
    ended = asyncio.Event()

    async def over() -> None:
        assert server.pump.finished
        ended.set()

    await server.start()
    playing = asyncio.create_task(server.play(over))
    try:
        await asyncio.wait_for(ended.wait(), 30)
        assert list(server.state.coins) == ["BTC", "ETH", "SOL", "WLFI"]
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://127.0.0.1:{server.port}/info", json={"type": "l2Book", "coin": "WLFI"}) as answer,
        ):
            assert len((await answer.json())["levels"][0]) == 20
    finally:
        await cancelled(playing)
        await server.stop()


async def test_at_max_speed_a_subscriber_gets_every_frame_of_the_recording(recordings: Path) -> None:
    path = recordings / "hl-20250903-4coins"
    config = VenueConfig(venue_port=0, source=str(path), speed="max")
    server = VenueServer(config, Timeline(config))
    expected = sum(isinstance(event, Bbo) and event.coin == "SOL" for _, event in open_recording(path).events())

    ended = asyncio.Event()

    async def over() -> None:
        ended.set()

    await server.start()
    playing = asyncio.create_task(server.play(over))
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://127.0.0.1:{server.port}/ws") as socket,
        ):
            await socket.send_json({"method": "subscribe", "subscription": {"type": "bbo", "coin": "SOL"}})
            frames = [await socket.receive_json(timeout=5) for _ in range(expected + 1)]
            await asyncio.wait_for(ended.wait(), 30)
        times = [frame["data"]["time"] for frame in frames[1:]]
        assert times == sorted(times)
        assert server.hub.dropped_slow == 0
    finally:
        await cancelled(playing)
        await server.stop()


def test_looping_gives_new_trade_ids_and_later_times(recordings: Path) -> None:
    path = str(recordings / "hl-20250903-4coins")
    timeline = Timeline(VenueConfig(source=path, loop=True))
    assert timeline.recording is not None
    length_ms = timeline.recording.end_ms - timeline.recording.start_ms
    seen, last_ms, second_round = set(), 0, 0
    for time_ms, events in blocks(timeline):
        assert time_ms >= last_ms
        last_ms = time_ms
        for event in events:
            if isinstance(event, tuple):
                for trade in event:
                    assert (trade.coin, trade.tid) not in seen
                    seen.add((trade.coin, trade.tid))
                    second_round += time_ms > length_ms
        if time_ms > 1.5 * length_ms:
            break
    assert second_round > 0


def test_fill_universe_adds_the_modelled_coins(recordings: Path) -> None:
    path = str(recordings / "hl-20250903-4coins")
    timeline = Timeline(VenueConfig(source=path, fill_universe=True))
    names = [meta.coin for meta in timeline.coins]
    assert names[:4] == ["BTC", "ETH", "SOL", "WLFI"]
    assert len(names) == len(set(names)) == 4 + 27 + 3
    assert names[-3:] == ["xyz:XYZ100", "xyz:TSLA", "xyz:GOLD"]
    _, first = next(blocks(timeline))
    assert {event.coin for event in first if isinstance(event, L2Book)} == set(names)


def test_bad_settings_name_themselves(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a number above 0, or max"):
        VenueConfig(speed="fast")
    with pytest.raises(DataError, match="no recording found"):
        Timeline(VenueConfig(source=str(tmp_path)))


async def test_a_taken_port_is_a_clear_error() -> None:
    config = VenueConfig(venue_port=0)
    first = VenueServer(config, Timeline(config))
    await first.start()
    try:
        taken = VenueConfig(venue_port=first.port)
        with pytest.raises(ConfigError, match=r"MM_VENUE_PORT.*choose another"):
            await VenueServer(taken, Timeline(taken)).start()
    finally:
        await first.stop()
