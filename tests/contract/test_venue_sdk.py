"""The official SDK's `Info` class, unmodified, against the bundled venue over real sockets."""

import asyncio
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError

from services.venue.api.server import VenueServer
from services.venue.config import VenueConfig
from services.venue.market.timeline import Timeline

ADDRESS = "0xAbCdEf0000000000000000000000000000000001"
WAIT_S = 5


class Running:
    """A venue on a thread of its own."""

    def __init__(self, config: VenueConfig) -> None:
        self.server = VenueServer(config, Timeline(config))
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._up.wait(WAIT_S), "the venue did not start"
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        async def over() -> None:
            return None

        await self.server.start()
        playing = asyncio.create_task(self.server.play(over))
        self._up.set()
        await self._stop.wait()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await self.server.stop()


@pytest.fixture(scope="module")
def venue() -> Iterator[Running]:
    with Running(VenueConfig(venue_port=0, speed="20", limits=False)) as running:
        yield running


@pytest.fixture(scope="module")
def info(venue: Running) -> Info:
    return Info(venue.url, skip_ws=True, timeout=WAIT_S)


def test_meta_lists_the_thirty_coins_with_their_grids(info: Info) -> None:
    universe = info.meta()["universe"]
    assert len(universe) == 30
    assert universe[0] == {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56}
    assert info.name_to_asset("ETH") == [coin["name"] for coin in universe].index("ETH")


def test_contexts_join_the_universe_by_position(info: Info) -> None:
    meta, contexts = info.meta_and_asset_ctxs()
    assert len(contexts) == len(meta["universe"])
    for ctx in contexts:
        bid, ask = map(float, ctx["impactPxs"])
        assert bid <= float(ctx["midPx"]) <= ask
        assert float(ctx["dayNtlVlm"]) > 0
        assert abs(float(ctx["markPx"]) / float(ctx["oraclePx"]) - 1) < 0.01


def test_mids_lie_inside_the_books(info: Info) -> None:
    mids = info.all_mids()
    assert len(mids) == 30
    book = info.l2_snapshot("SOL")
    assert book["coin"] == "SOL"
    bids, asks = book["levels"]
    assert 0 < len(bids) <= 20
    assert 0 < len(asks) <= 20
    assert float(bids[0]["px"]) < float(asks[0]["px"])
    assert abs(float(mids["SOL"]) / float(bids[0]["px"]) - 1) < 0.01


def test_candles_have_the_venues_keys_and_order(info: Info, venue: Running) -> None:
    candles = info.candles_snapshot("BTC", "1m", 0, 2**53)
    assert candles
    assert set(candles[0]) == {"t", "T", "s", "i", "o", "c", "h", "l", "v", "n"}
    for candle in candles:
        assert candle["T"] == candle["t"] + 59_999
        assert float(candle["l"]) <= min(float(candle["o"]), float(candle["c"]))
        assert float(candle["h"]) >= max(float(candle["o"]), float(candle["c"]))
    (hours,) = info.candles_snapshot("BTC", "1w", 0, 2**53)
    assert hours["n"] >= candles[-1]["n"]


def test_an_address_first_seen_is_funded(info: Info) -> None:
    assert info.user_role(ADDRESS) == {"role": "missing"}
    state = info.user_state(ADDRESS)
    assert state["marginSummary"]["accountValue"] == "10000.0"
    assert state["assetPositions"] == []
    assert info.spot_user_state(ADDRESS) == {"balances": []}
    assert info.open_orders(ADDRESS) == []
    assert info.user_role(ADDRESS) == {"role": "user"}
    fees = info.user_fees(ADDRESS)
    assert (fees["userCrossRate"], fees["userAddRate"]) == ("0.00045", "0.00015")


def test_funding_history_and_dexes(info: Info) -> None:
    assert info.funding_history("BTC", 0) == []
    first, builder_deployed = info.perp_dexs()
    assert first is None
    assert builder_deployed["name"] == "xyz"


def test_a_request_the_venue_does_not_know_is_422_in_plain_text(info: Info) -> None:
    with pytest.raises(ClientError) as caught:
        info.post("/info", {"type": "noSuchThing"})
    assert caught.value.status_code == 422
    assert caught.value.error_message == "Failed to deserialize the JSON body into the target type"


@pytest.mark.parametrize(
    "subscription",
    [
        {"type": "l2Book", "coin": "BTC"},
        {"type": "l2Book", "coin": "ETH", "fast": True},
        {"type": "bbo", "coin": "ETH"},
        {"type": "trades", "coin": "HYPE"},
        {"type": "activeAssetCtx", "coin": "BTC"},
        {"type": "allMids"},
    ],
    ids=lambda subscription: "-".join(map(str, subscription.values())),
)
def test_subscriptions_through_the_sdks_own_websocket_manager(
    venue: Running, subscription: dict[str, Any]
) -> None:
    received: queue.Queue[Any] = queue.Queue()
    info = Info(venue.url, timeout=WAIT_S)
    try:
        number = info.subscribe(dict(subscription), received.put)
        for _ in range(3):
            message = received.get(timeout=WAIT_S)
            assert message["channel"] == subscription["type"]
        assert info.unsubscribe(dict(subscription), number)
    finally:
        info.disconnect_websocket()


def test_too_much_weight_is_429_with_null() -> None:
    with Running(VenueConfig(venue_port=0)) as venue:
        info = Info(venue.url, skip_ws=True, timeout=WAIT_S)
        with pytest.raises(ClientError) as caught:
            for _ in range(61):
                info.meta()
        assert caught.value.status_code == 429
        assert caught.value.error_message == "null"
