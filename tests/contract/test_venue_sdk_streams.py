"""Subscriptions through the official SDK's own websocket manager, unmodified, over real sockets."""

import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from services.venue.api.server import VenueServer
from services.venue.exchange import funding
from services.venue.faults.kinds import DarkFill, Drop
from tests.conftest import wait_until
from tests.fixtures.venue_sdk import ALO, DONE, GTC, IOC, Trader, resting_oid, status_of
from tests.fixtures.venue_server import WAIT_S, RunningVenue

Frames = queue.Queue[Any]
Connect = Callable[[], "Reader"]


class Reader:
    """One connection of the SDK; every subscription has a queue of its own."""

    def __init__(self, venue: RunningVenue) -> None:
        self.venue = venue
        self.info = Info(venue.url, perp_dexs=["", "xyz"], timeout=WAIT_S)

    def follow(self, kind: str, **about: Any) -> Frames:
        frames: Frames = queue.Queue()
        self.info.subscribe({"type": kind, **about}, frames.put)
        key = str(about.get("user", about.get("coin", ""))).lower()
        wait_until(lambda: followed(self.venue, kind, key))
        return frames

    def close(self) -> None:
        self.info.disconnect_websocket()


def followed(venue: RunningVenue, kind: str, key: str) -> bool:
    """The venue knows that somebody follows this channel of the user or coin."""
    return venue.do(
        lambda server: any(
            str(item.__struct_config__.tag) == kind and item.key.lower() == key
            for client in server.hub.clients
            for item in client.subscriptions
        )
    )


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False, fast_ms=50, slow_ms=100, mids_ms=100) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue) -> Trader:
    return Trader(venue)


@pytest.fixture
def connect(
    venue: RunningVenue, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> Iterator[Connect]:
    """Connections of the SDK, which logs what its callbacks raise and prints what it cannot route."""
    readers: list[Reader] = []

    def one() -> Reader:
        readers.append(Reader(venue))
        return readers[-1]

    yield one
    for reader in readers:
        reader.close()
    assert [record for record in caplog.get_records("call") if "callback" in record.getMessage()] == []
    assert "unexpected subscription" not in capsys.readouterr().out


@pytest.fixture
def reader(connect: Connect) -> Reader:
    return connect()


def next_data(frames: Frames, channel: str | None = None) -> Any:
    message = frames.get(timeout=WAIT_S)
    assert channel in (None, message["channel"])
    return message["data"]


def next_where(frames: Frames, wanted: Callable[[Any], bool]) -> Any:
    """Skip to the first frame of which something is true."""
    while not wanted(data := next_data(frames)):
        pass
    return data


def changes(frame: Any) -> list[tuple[int, str]]:
    """Of a frame of `orderUpdates`."""
    return [(item["order"]["oid"], item["status"]) for item in frame]


# ---- markets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subscription",
    [
        {"type": "l2Book", "coin": "BTC"},
        {"type": "l2Book", "coin": "ETH", "fast": True},
        {"type": "bbo", "coin": "ETH"},
        {"type": "bbo", "coin": "xyz:XYZ100"},
        {"type": "trades", "coin": "BTC"},
        {"type": "activeAssetCtx", "coin": "BTC"},
        {"type": "candle", "coin": "BTC", "interval": "1m"},
        {"type": "allMids"},
    ],
    ids=lambda subscription: "-".join(map(str, subscription.values())),
)
def test_market_channels(venue: RunningVenue, connect: Connect, subscription: dict[str, Any]) -> None:
    """Several frames each, so that more than the first one goes through the SDK's routing."""
    reader, received = connect(), queue.Queue[Any]()
    number = reader.info.subscribe(dict(subscription), received.put)
    for _ in range(3):
        message = received.get(timeout=WAIT_S)
        assert message["channel"] == subscription["type"]
    assert reader.info.unsubscribe(dict(subscription), number)


def test_a_book_is_the_one_of_the_snapshot(reader: Reader) -> None:
    book = next_data(reader.follow("l2Book", coin="ETH"))
    assert set(book) == {"coin", "time", "levels"}
    bids, asks = book["levels"]
    assert (len(bids), len(asks)) == (20, 20)
    assert set(bids[0]) == {"px", "sz", "n"}
    assert float(bids[0]["px"]) > float(bids[-1]["px"])
    assert float(asks[0]["px"]) < float(asks[-1]["px"])


def test_fast_books_have_five_levels(reader: Reader) -> None:
    frames = reader.follow("l2Book", coin="SOL", fast=True)
    for _ in range(3):
        bids, asks = next_data(frames)["levels"]
        assert (len(bids), len(asks)) == (5, 5)


def test_an_order_of_ours_is_in_the_book_that_all_see(reader: Reader, trader: Trader) -> None:
    px = next_data(reader.follow("l2Book", coin="ETH"))["levels"][0][10]["px"]
    sz = trader.sz("ETH", 50_000)
    oid = resting_oid(trader.exchange.order("ETH", True, sz, float(px), ALO))
    (level,) = [level for level in trader.info.l2_snapshot("ETH")["levels"][0] if level["px"] == px]
    assert float(level["sz"]) >= sz
    assert status_of(trader.exchange.cancel("ETH", oid)) == "success"


def test_our_trades_are_public(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("trades", coin="SOL")
    filled = trader.take("SOL", 300)
    fill, *_ = trader.info.user_fills(trader.address)

    def ours(trades: Any) -> bool:
        return any(trade["tid"] == fill["tid"] for trade in trades)

    trade = next(item for item in next_where(frames, ours) if item["tid"] == fill["tid"])
    assert set(trade) == {"coin", "side", "px", "sz", "time", "hash", "tid", "users"}
    assert (trade["side"], trade["px"], trade["hash"]) == ("B", fill["px"], fill["hash"])
    assert trade["users"][0] == trader.address
    assert filled["oid"] == fill["oid"]


# ---- orders and fills ----------------------------------------------------------------------------------------


def test_order_updates_tell_every_step(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("orderUpdates", user=trader.wallet.address)
    cloid = Cloid.from_int(0xF00)
    oid = trader.rest(cloid=cloid)
    (opened,) = next_data(frames, "orderUpdates")
    assert (opened["status"], opened["order"]["oid"], opened["order"]["cloid"]) == ("open", oid, cloid.to_raw())
    assert set(opened["order"]) == {"coin", "side", "limitPx", "sz", "oid", "timestamp", "origSz", "cloid"}
    trader.exchange.cancel("ETH", oid)
    (ended,) = next_data(frames)
    assert (ended["status"], ended["order"]["oid"]) == ("canceled", oid)
    assert ended["statusTimestamp"] >= opened["statusTimestamp"] == ended["order"]["timestamp"]


def test_an_order_that_fills_at_once_is_open_and_filled_in_one_frame(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("orderUpdates", user=trader.address)
    oid = trader.take()["oid"]
    frame = next_data(frames)
    assert changes(frame) == [(oid, "open"), (oid, "filled")]
    opened, filled = frame
    assert opened["statusTimestamp"] == filled["statusTimestamp"]
    assert filled["order"]["sz"] == "0.0"
    assert filled["order"]["origSz"] == opened["order"]["sz"]


def test_a_refused_order_is_told_with_a_number(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("orderUpdates", user=trader.address)
    px = trader.px("ETH", -0.3)
    assert "error" in status_of(trader.exchange.order("ETH", True, 0.001, px, GTC))
    ((_, status),) = changes(next_data(frames))
    assert status == "minTradeNtlRejected"
    assert "error" in status_of(trader.exchange.order("ETH", True, 1000, px, GTC))
    assert [status for _, status in changes(next_data(frames))] == ["perpMarginRejected"]


def test_what_is_refused_before_its_turn_is_not_told(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("orderUpdates", user=trader.address)
    assert "error" in status_of(trader.exchange.order("ETH", True, 0, 1500, GTC))
    oid = trader.rest()
    assert changes(next_data(frames)) == [(oid, "open")]


def test_a_modify_is_a_new_number_and_the_end_of_the_old(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("orderUpdates", user=trader.address)
    old = trader.rest()
    next_data(frames)
    new = resting_oid(trader.exchange.modify_order(old, "ETH", True, 0.1, trader.px("ETH", -0.2), ALO))
    assert sorted(changes(next_data(frames))) == sorted([(old, "canceled"), (new, "open")])


def test_closing_a_position_ends_its_reduce_only_orders_with_the_fill(reader: Reader, trader: Trader) -> None:
    trader.take()
    resting = trader.rest("ETH", 0.3, reduce_only=True)
    frames = reader.follow("orderUpdates", user=trader.address)
    closing = status_of(trader.exchange.market_close("ETH"))["filled"]["oid"]
    assert changes(next_data(frames)) == [
        (closing, "open"), (closing, "filled"), (resting, "reduceOnlyCanceled")
    ]  # fmt: skip


def test_user_fills_begin_with_a_snapshot(reader: Reader, trader: Trader) -> None:
    first = trader.take("ETH", 200)
    frames = reader.follow("userFills", user=trader.wallet.address)
    snapshot = next_data(frames, "userFills")
    assert (snapshot["isSnapshot"], snapshot["user"]) == (True, trader.address)
    assert {fill["oid"] for fill in snapshot["fills"]} == {first["oid"]}
    second = trader.take("SOL", 200, is_buy=False)
    live = next_data(frames)
    assert not live.get("isSnapshot", False)
    assert {fill["oid"] for fill in live["fills"]} == {second["oid"]}
    assert live["fills"] == trader.info.user_fills(trader.address)[: len(live["fills"])][::-1]


def test_user_events_have_the_fills(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("userEvents", user=trader.address)
    oid = trader.take()["oid"]
    events = next_data(frames, "user")
    assert list(events) == ["fills"]
    assert {fill["oid"] for fill in events["fills"]} == {oid}


def test_a_self_trade_cancels_the_resting_order_and_says_so(reader: Reader, trader: Trader) -> None:
    """His bid sweeps the asks and is then the best of the book; his sale of the same request meets it first."""
    events = reader.follow("userEvents", user=trader.address)
    updates = reader.follow("orderUpdates", user=trader.address)
    trader.deposit(20_000_000)
    bid = {"is_buy": True, "sz": trader.sz("RENDER", 4_500_000), "limit_px": trader.px("RENDER", 0.004)}
    sale = {"is_buy": False, "sz": trader.sz("RENDER", 1000), "limit_px": trader.px("RENDER", -0.05)}
    of_both: Any = {"coin": "RENDER", "reduce_only": False}
    reply = trader.exchange.bulk_orders(
        [of_both | bid | {"order_type": GTC}, of_both | sale | {"order_type": IOC}]
    )
    resting, selling = reply["response"]["data"]["statuses"]
    best = resting["resting"]["oid"]
    cancels = next_where(events, lambda event: "nonUserCancel" in event)["nonUserCancel"]
    assert cancels == [{"coin": "RENDER", "oid": best}]
    ended = next_where(updates, lambda frame: (best, "selfTradeCanceled") in changes(frame))
    assert "filled" in selling
    assert (best, "filled") not in changes(ended)


# ---- money and settings --------------------------------------------------------------------------------------


def test_user_fundings(reader: Reader, trader: Trader, venue: RunningVenue) -> None:
    trader.take("BTC", 5000)
    fundings, events = (reader.follow(kind, user=trader.address) for kind in ("userFundings", "userEvents"))
    assert next_data(fundings, "userFundings") == {"isSnapshot": True, "user": trader.address, "fundings": []}
    venue.do(lambda server: funding.settle(server.world))
    (paid,) = next_data(fundings)["fundings"]
    assert paid["coin"] == "BTC"
    assert next_data(events) == {"funding": paid}
    (entry,) = trader.info.user_funding_history(trader.address, 0)
    assert entry["delta"]["usdc"] == paid["usdc"]


def test_a_liquidation(reader: Reader, trader: Trader, venue: RunningVenue) -> None:
    """A fall that leaves the account between two thirds of its maintenance margin and all of it."""
    assert trader.exchange.update_leverage(40, "BTC") == DONE
    trader.take("BTC", 300_000)
    bid = trader.rest("SOL")
    events, updates = (reader.follow(kind, user=trader.address) for kind in ("userEvents", "orderUpdates"))

    def falls(server: VenueServer) -> None:
        listing = server.world.listings["BTC"]
        listing.mark_px = listing.mark_px * 978 // 1000

    venue.do(falls)
    told = next_where(events, lambda event: "liquidation" in event)["liquidation"]
    assert told["liquidated_user"] == trader.address
    assert float(told["liquidated_ntl_pos"]) > 0
    assert (bid, "liquidatedCanceled") in changes(next_data(updates))
    fill, *_ = trader.info.user_fills(trader.address)
    assert fill["liquidation"]["liquidatedUser"] == trader.address
    assert fill["liquidation"]["method"] == "market"
    assert (fill["crossed"], fill["side"]) == (True, "A")
    assert "cloid" not in fill


def test_ledger_updates(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("userNonFundingLedgerUpdates", user=trader.address)
    snapshot = next_data(frames, "userNonFundingLedgerUpdates")
    assert snapshot["isSnapshot"] is True
    (deposit,) = snapshot["nonFundingLedgerUpdates"]
    assert deposit["delta"] == {"type": "deposit", "usdc": "10000.0"}
    assert trader.exchange.usd_class_transfer(7.5, False) == DONE
    (moved,) = next_data(frames)["nonFundingLedgerUpdates"]
    assert moved["delta"] == {"type": "accountClassTransfer", "usdc": "7.5", "toPerp": False}


def test_active_asset_data_follows_the_leverage(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("activeAssetData", user=trader.address, coin="ETH")
    first = next_data(frames, "activeAssetData")
    assert (first["user"], first["coin"], first["leverage"]) == (
        trader.address, "ETH", {"type": "cross", "value": 20}
    )  # fmt: skip
    assert trader.exchange.update_leverage(3, "ETH") == DONE
    later = next_where(frames, lambda data: data["leverage"]["value"] == 3)
    assert float(later["maxTradeSzs"][0]) < float(first["maxTradeSzs"][0]) / 5


def test_web_data(reader: Reader, trader: Trader) -> None:
    frames = reader.follow("webData2", user=trader.wallet.address)
    assert next_data(frames, "webData2")["user"] == trader.address
    oid = trader.rest()
    shown = next_where(frames, lambda data: data["openOrders"])
    assert [order["oid"] for order in shown["openOrders"]] == [oid]
    assert len(shown["meta"]["universe"]) == len(shown["assetCtxs"])


# ---- several at once -----------------------------------------------------------------------------------------


def test_frames_of_two_users_go_to_their_own_callbacks(reader: Reader, venue: RunningVenue) -> None:
    one, other = Trader(venue), Trader(venue)
    frames = {trader: reader.follow("userFills", user=trader.address) for trader in (one, other)}
    for trader in (one, other):
        assert next_data(frames[trader])["user"] == trader.address
    for trader in (other, one):
        oid = trader.take()["oid"]
        live = next_data(frames[trader])
        assert (live["user"], {fill["oid"] for fill in live["fills"]}) == (trader.address, {oid})


def test_the_sdk_takes_order_updates_of_one_user_only(reader: Reader, venue: RunningVenue) -> None:
    wait_until(lambda: reader.info.ws_manager.ws_ready)
    reader.follow("orderUpdates", user=Trader(venue).address)
    with pytest.raises(NotImplementedError):
        reader.follow("orderUpdates", user=Trader(venue).address)


def test_after_unsubscribing_nothing_comes(reader: Reader, trader: Trader, venue: RunningVenue) -> None:
    subscription = {"type": "userFills", "user": trader.address}
    frames: Frames = queue.Queue()
    number = reader.info.subscribe(dict(subscription), frames.put)
    assert next_data(frames)["isSnapshot"] is True
    assert reader.info.unsubscribe(dict(subscription), number)
    wait_until(lambda: not followed(venue, "userFills", trader.address))
    trader.take()
    again = reader.follow("userFills", user=trader.address)
    assert next_data(again)["isSnapshot"] is True
    assert frames.empty()


# ---- what a broken connection costs --------------------------------------------------------------------------


def test_nothing_is_replayed_but_the_snapshot_of_fills(
    connect: Connect, trader: Trader, venue: RunningVenue
) -> None:
    first = connect()
    lost = [first.follow(kind, user=trader.address) for kind in ("orderUpdates", "userEvents")]
    before = trader.take()["oid"]
    for frames in lost:
        next_data(frames)
    venue.do(lambda server: server.faults.start(server.fault_ms(), Drop(user=trader.address)))
    wait_until(lambda: not followed(venue, "orderUpdates", trader.address))
    missed, cancelled = trader.take()["oid"], trader.rest()
    trader.exchange.cancel("ETH", cancelled)
    second = connect()
    updates, events, fills = (
        second.follow(kind, user=trader.address) for kind in ("orderUpdates", "userEvents", "userFills")
    )
    snapshot = next_data(fills)
    assert snapshot["isSnapshot"] is True
    assert {fill["oid"] for fill in snapshot["fills"]} == {before, missed}
    after = trader.take("SOL")["oid"]
    assert changes(next_data(updates)) == [(after, "open"), (after, "filled")]
    assert {fill["oid"] for fill in next_data(events)["fills"]} == {after}
    assert {fill["oid"] for fill in next_data(fills)["fills"]} == {after}
    assert all(frames.empty() for frames in lost)


def test_the_sdk_does_not_reconnect(connect: Connect, trader: Trader, venue: RunningVenue) -> None:
    reader = connect()
    next_data(reader.follow("userFills", user=trader.address))
    venue.do(lambda server: server.faults.start(server.fault_ms(), Drop(user=trader.address)))
    reader.info.ws_manager.join(WAIT_S)
    assert not reader.info.ws_manager.is_alive()


def test_a_dark_fill_is_found_by_asking(reader: Reader, trader: Trader, venue: RunningVenue) -> None:
    fills = reader.follow("userFills", user=trader.address)
    next_data(fills)
    number = venue.do(lambda server: server.faults.start(server.fault_ms(), DarkFill(user=trader.address)))
    dark = trader.take("ETH", 100)["oid"]
    assert {fill["oid"] for fill in trader.info.user_fills(trader.address)} == {dark}
    assert trader.held("ETH") > 0
    venue.do(lambda server: server.faults.end(server.fault_ms(), number))
    told = status_of(trader.exchange.order("SOL", True, trader.sz("SOL", 100), trader.px("SOL", 0.02), IOC))
    assert {fill["oid"] for fill in next_data(fills)["fills"]} == {told["filled"]["oid"]}
