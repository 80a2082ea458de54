"""Account streams: what a subscriber hears of its orders, fills and money, in which order, and what it never hears
again after a reconnect. Actions posted over the websocket too."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.api.limits import POSTS_IN_FLIGHT, USERS
from services.venue.api.state_streams import MARKS_MS
from services.venue.exchange.account import Account
from services.venue.exchange.facts import Liquidated
from shared.hyperliquid.actions import UpdateLeverage, UsdClassTransfer
from tests.fixtures.venue_exchange import oid_of, order
from tests.fixtures.venue_talk import VenueTalk
from tests.fixtures.venue_world import BTC, GOLD

HOUR_MS = 3_600_000
EVENT_CHANNELS = ("orderUpdates", "userEvents", "userFills")


def channels(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["channel"] for frame in frames]


def data(frames: list[dict[str, Any]], channel: str) -> list[Any]:
    return [frame["data"] for frame in frames if frame["channel"] == channel]


def bought(talk: VenueTalk, account: Account, sz: str = "0.01") -> int:
    """Oid of an order that filled at once, at 100000."""
    talk.stage.quote(BTC, -1, "100000", sz)
    return oid_of(talk.stage.place(account, order(True, "100000", sz, "Ioc"))[0])


# ---- orders and fills ----------------------------------------------------------------------------------------


def test_an_order_that_fills_at_once_is_one_frame_with_open_and_filled() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    assert len(talk.subscribe("orderUpdates", account)) == 1, "no snapshot"
    oid = bought(talk, account)
    (updates,) = data(talk.block(), "orderUpdates")
    assert [(entry["order"]["oid"], entry["status"], entry["order"]["sz"]) for entry in updates] == [
        (oid, "open", "0.01"),
        (oid, "filled", "0.0"),
    ]
    assert len({entry["statusTimestamp"] for entry in updates}) == 1
    assert talk.block() == []


def test_a_block_is_one_frame_a_channel_in_the_order_of_what_happened() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    for channel in EVENT_CHANNELS:
        talk.subscribe(channel, account)
    oids = [bought(talk, account, sz) for sz in ("0.01", "0.02", "0.03")]
    frames = talk.block()
    assert channels(frames) == ["orderUpdates", "user", "userFills"]
    updates, events, fills = (frame["data"] for frame in frames)
    assert [entry["order"]["oid"] for entry in updates] == [oid for oid in oids for _ in range(2)]
    assert events == {"fills": fills["fills"]}
    assert fills["user"] == account.address
    assert [fill["oid"] for fill in fills["fills"]] == oids
    assert "isSnapshot" not in fills


def test_a_refused_order_is_heard_of_with_its_reason() -> None:
    talk = VenueTalk()
    account = talk.stage.account(10)
    talk.subscribe("orderUpdates", account)
    talk.stage.place(account, order(True, "99000", "0.01"))
    ((entry,),) = data(talk.block(), "orderUpdates")
    assert entry["status"] == "perpMarginRejected"


def test_nobody_hears_of_somebody_else() -> None:
    talk = VenueTalk()
    one, other = talk.stage.account(), talk.stage.account()
    listener = talk.connect()
    for channel in EVENT_CHANNELS:
        talk.subscribe(channel, one)
        talk.subscribe(channel, other, listener)
    bought(talk, one)
    assert len(talk.block()) == 3
    assert talk.heard(listener) == []


def test_both_sides_of_a_trade_hear_of_it() -> None:
    talk = VenueTalk()
    maker, taker = talk.stage.account(), talk.stage.account()
    talk.subscribe("userFills", maker)
    talk.subscribe("userFills", taker)
    talk.stage.place(maker, order(False, "100000", "0.01", "Alo"))
    talk.block()
    talk.stage.place(taker, order(True, "100000", "0.01", "Ioc"))
    (first, second) = data(talk.block(), "userFills")
    by_user = {frame["user"]: frame["fills"][0] for frame in (first, second)}
    assert by_user[maker.address]["crossed"] is False
    assert by_user[taker.address]["crossed"] is True
    assert by_user[maker.address]["tid"] == by_user[taker.address]["tid"]


def test_aggregated_and_single_fills_side_by_side() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.subscribe("userFills", account)
    talk.subscribe("userFills", account, aggregateByTime=True)
    talk.stage.quote(BTC, -1, "100000", "0.01")
    talk.stage.quote(BTC, -1, "100010", "0.01")
    talk.stage.place(account, order(True, "100010", "0.02", "Ioc"))
    sizes = [[fill["sz"] for fill in frame["fills"]] for frame in data(talk.block(), "userFills")]
    assert sizes == [["0.01", "0.01"], ["0.02"]]


def test_a_shrunk_reduce_only_order_is_no_update_but_changes_the_open_orders() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    bought(talk, account, "0.03")
    oid = oid_of(talk.stage.place(account, order(False, "101000", "0.03", reduce_only=True))[0])
    talk.block()
    talk.subscribe("orderUpdates", account)
    talk.subscribe("openOrders", account)
    talk.stage.quote(BTC, 1, "99000", "0.01")
    closing = oid_of(talk.stage.place(account, order(False, "99000", "0.01", "Ioc"))[0])
    updates, shown = (frame["data"] for frame in talk.block())
    assert {entry["order"]["oid"] for entry in updates} == {closing}
    assert [(item["oid"], item["sz"]) for item in shown["orders"]] == [(oid, "0.02")]


# ---- events of the engine ------------------------------------------------------------------------------------


def test_cancels_of_the_engine_are_told_but_not_those_of_the_user_or_reduce_only_ones() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    bought(talk, account)
    own, resting = (oid_of(talk.stage.place(account, order(False, px, "0.01"))[0]) for px in ("101000", "102000"))
    reducing = oid_of(talk.stage.place(account, order(False, "103000", "0.01", reduce_only=True))[0])
    talk.block()
    talk.subscribe("userEvents", account)
    talk.subscribe("orderUpdates", account)
    talk.stage.cancel(account, 0, own)
    talk.stage.quote(BTC, 1, "99000", "0.01")
    talk.stage.place(account, order(True, "102000", "0.00011", "Ioc"))
    talk.stage.place(account, order(False, "99000", "0.01", "Ioc"))
    frames = talk.block()
    (updates,) = data(frames, "orderUpdates")
    statuses = {entry["order"]["oid"]: entry["status"] for entry in updates}
    assert (statuses[own], statuses[resting]) == ("canceled", "selfTradeCanceled")
    assert statuses[reducing] == "reduceOnlyCanceled"
    (cancels,) = (event["nonUserCancel"] for event in data(frames, "user") if "nonUserCancel" in event)
    assert cancels == [{"coin": BTC, "oid": resting}]


def test_a_liquidation_says_what_was_lost() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.subscribe("userEvents", account)
    lost = Decimal("123.4")
    talk.world.note(
        Liquidated(
            time_ms=1, user=account.address, dex="", account_value_usd=lost, maintenance_usd=lost, method="market"
        )  # fmt: skip
    )
    (event,) = data(talk.block(), "user")
    assert event["liquidation"]["liquidated_user"] == account.address
    assert event["liquidation"]["liquidated_account_value"] == "123.4"


def test_funding_comes_on_the_hour() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.context(BTC, "100000", rate="0.0001")
    bought(talk, account)
    talk.block()
    talk.subscribe("userFundings", account)
    talk.subscribe("userEvents", account)
    talk.block(HOUR_MS)
    frames = talk.block()
    (paid,) = data(frames, "userFundings")
    assert paid["fundings"][0]["usdc"] == "-0.1"
    assert data(frames, "user") == [{"funding": paid["fundings"][0]}]


def test_transfers_are_in_the_ledger_stream() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.subscribe("userNonFundingLedgerUpdates", account)
    talk.subscribe("spotState", account)
    talk.stage.exchange.act(account, UsdClassTransfer("0x66eee", "Testnet", "25", False, 1))
    frames = talk.block()
    (update,) = data(frames, "userNonFundingLedgerUpdates")
    assert update["nonFundingLedgerUpdates"][0]["delta"]["type"] == "accountClassTransfer"
    (spot,) = data(frames, "spotState")
    assert spot["spotState"]["balances"][0]["total"] == "25.0"


# ---- recovery ------------------------------------------------------------------------------------------------


def test_after_a_reconnect_only_the_stated_snapshots_come() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    for channel in EVENT_CHANNELS:
        talk.subscribe(channel, account)
    talk.block()
    talk.hub.leave(talk.client)
    oid = bought(talk, account)
    talk.block()
    talk.client = talk.connect()
    first = {channel: talk.subscribe(channel, account)[1:] for channel in EVENT_CHANNELS}
    assert (first["orderUpdates"], first["userEvents"]) == ([], [])
    (snapshot,) = (frame["data"] for frame in first["userFills"])
    assert (snapshot["isSnapshot"], [fill["oid"] for fill in snapshot["fills"]]) == (True, [oid])
    assert talk.block() == []


def test_the_fills_snapshot_is_newest_first_and_as_long_as_set() -> None:
    talk = VenueTalk(fills_snapshot=2)
    account = talk.stage.account()
    oids = [bought(talk, account) for _ in range(3)]
    _, snapshot = talk.subscribe("userFills", account)
    assert [fill["oid"] for fill in snapshot["data"]["fills"]] == [oids[2], oids[1]]


def test_open_orders_on_subscribe_where_the_setting_says_so() -> None:
    talk = VenueTalk(order_snapshot=True)
    account = talk.stage.account()
    oids = [oid_of(talk.stage.place(account, order(True, px, "0.01"))[0]) for px in ("98000", "99000")]
    _, snapshot = talk.subscribe("orderUpdates", account)
    assert [(entry["order"]["oid"], entry["status"]) for entry in snapshot["data"]] == [
        (oid, "open") for oid in oids
    ]


@pytest.mark.parametrize(
    ("channel", "key"),
    [
        ("userFills", "fills"), ("userFundings", "fundings"), ("userHistoricalOrders", "orderHistory"),
        ("userNonFundingLedgerUpdates", "nonFundingLedgerUpdates"), ("userTwapSliceFills", "twapSliceFills"),
        ("userTwapHistory", "history"),
    ],
)  # fmt: skip
def test_lists_begin_with_a_snapshot_even_when_it_is_empty(channel: str, key: str) -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    confirmation, snapshot = talk.subscribe(channel, account.address.upper().replace("X", "x"))
    assert confirmation["data"]["subscription"]["user"] == account.address
    assert snapshot == {"channel": channel, "data": {"isSnapshot": True, "user": account.address, key: []}}


def test_a_subscription_funds_an_address_first_seen() -> None:
    talk = VenueTalk()
    stranger = "0x" + "5c" * 20
    _, snapshot = talk.subscribe("userNonFundingLedgerUpdates", stranger)
    assert len(snapshot["data"]["nonFundingLedgerUpdates"]) == 1
    assert talk.block() == [], "what the snapshot told is not told again"


# ---- states --------------------------------------------------------------------------------------------------


def test_margin_is_told_at_once_after_a_fill_then_as_marks_move_and_not_otherwise() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    (_, first) = talk.subscribe("clearinghouseState", account)
    assert first["data"]["clearinghouseState"]["withdrawable"] == "10000.0"
    assert talk.block(10 * MARKS_MS) == []
    assert talk.block() == [], "nothing moves without a position"
    bought(talk, account)
    (frame,) = talk.block(MARKS_MS - 1)
    assert frame["data"]["clearinghouseState"]["assetPositions"][0]["position"]["szi"] == "0.01"
    assert (frame["data"]["user"], frame["data"]["dex"]) == (account.address, "")
    assert talk.block(1) == []
    assert len(talk.block()) == 1


def test_the_leverage_setting_is_told_where_it_changes_and_so_are_marks() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.subscribe("activeAssetData", account, coin=BTC)
    talk.stage.exchange.act(account, UpdateLeverage(0, True, 3))
    talk.block(MARKS_MS)
    (frame,) = talk.block(MARKS_MS)
    assert (frame["data"]["leverage"]["value"], frame["data"]["user"]) == (3, account.address)
    assert talk.block(MARKS_MS) == []
    talk.context(BTC, "101000")
    (frame,) = talk.block(MARKS_MS)
    assert frame["data"]["markPx"] == "101000.0"


def test_who_came_later_is_not_left_with_a_state_that_was_taken_back() -> None:
    talk = VenueTalk()
    account, late = talk.stage.account(), talk.connect()
    talk.context(BTC, "100000")
    talk.subscribe("activeAssetData", account, coin=BTC)
    talk.context(BTC, "101000")
    (_, shown) = talk.subscribe("activeAssetData", account, late, coin=BTC)
    assert shown["data"]["markPx"] == "101000.0"
    talk.context(BTC, "100000")
    talk.block(MARKS_MS)
    talk.block()
    (frame,) = talk.heard(late)
    assert frame["data"]["markPx"] == "100000.0"


def test_the_front_ends_object_comes_once_a_second_whatever_happens() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.subscribe("webData2", account)
    heard = 0
    for _ in range(100):
        bought(talk, account, "0.001")
        heard += len(talk.block(50))
    assert heard == 4


def test_contexts_of_all_dexs_and_growing_candles() -> None:
    talk = VenueTalk()
    (_, contexts) = talk.subscribe("allDexsAssetCtxs")
    assert [(dex, len(ctxs)) for dex, ctxs in contexts["data"]["ctxs"]] == [("", 2), ("xyz", 1)]
    talk.subscribe("candle", coin=GOLD, interval="5m")
    talk.state.coins[GOLD].note_px(talk.world.now_ms, Decimal(4000), Decimal("0.5"), 1)
    talk.block(500)
    (frame,) = talk.block(500)
    assert (frame["data"]["s"], frame["data"]["i"], frame["data"]["n"]) == (GOLD, "5m", 1)
    assert talk.block(500) == [], "unchanged"


# ---- limits --------------------------------------------------------------------------------------------------


def test_ten_users_over_all_connections_of_an_address() -> None:
    talk = VenueTalk(limits=True)
    other = talk.connect()
    users = [f"0x{number:040x}" for number in range(1, USERS + 2)]
    for user in users[:-1]:
        talk.subscribe("userFills", user, talk.client if int(user, 16) % 2 else other)
    (refusal,) = talk.subscribe("orderUpdates", users[-1])
    assert refusal == {"channel": "error", "data": "Cannot track more than 10 total users."}
    assert channels(talk.subscribe("orderUpdates", users[0], other)) == ["subscriptionResponse"]
    talk.say({"method": "unsubscribe", "subscription": {"type": "userFills", "user": users[1]}}, other)
    assert channels(talk.subscribe("orderUpdates", users[-1])) == ["subscriptionResponse"]
    talk.hub.leave(other)
    talk.hub.leave(talk.client)
    assert (talk.limits.users, talk.limits.subscriptions, talk.limits.connections) == ({}, 0, 0)


# ---- posted actions ------------------------------------------------------------------------------------------


def post(number: int, kind: str = "action") -> dict[str, Any]:
    return {"method": "post", "id": number, "request": {"type": kind, "payload": {"action": {"n": number}}}}


def test_a_posted_action_is_handed_on_and_answered_when_its_block_is_over() -> None:
    taken: list[tuple[Any, int, bytes]] = []
    talk = VenueTalk(submit=lambda *post: taken.append(post))
    assert talk.say(post(7)) == []
    ((client, number, body),) = taken
    assert (client, number, json.loads(body)) == (talk.client, 7, {"action": {"n": 7}})
    reply = {"status": "ok", "response": {"type": "default"}}
    talk.hub.answer_post(client, number, "action", reply)
    assert talk.heard() == [
        {"channel": "post", "data": {"id": 7, "response": {"type": "action", "payload": reply}}}
    ]


def test_a_hundred_posts_in_flight() -> None:
    talk = VenueTalk(limits=True, submit=lambda *post: None)
    for number in range(POSTS_IN_FLIGHT):
        assert talk.say(post(number)) == []
    full = {"channel": "error", "data": "too many pending post requests id=500"}
    assert talk.say(post(500), talk.connect()) == [full], "counted over connections"
    talk.hub.lose_post(talk.client)
    assert talk.heard() == []
    assert talk.say(post(501)) == []
    talk.hub.leave(talk.client)
    talk.hub.answer_post(talk.client, 3, "error", "429 Too Many Requests")
    assert talk.limits.posts == POSTS_IN_FLIGHT - 1


def test_a_post_of_neither_kind_is_no_request() -> None:
    (answer,) = VenueTalk(submit=lambda *post: None).say(post(1, "explorer"))
    assert answer["data"].startswith("Error parsing JSON into valid websocket request: ")


# ---- the filter ----------------------------------------------------------------------------------------------


def test_every_frame_passes_the_filter_which_says_what_it_is() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    held: list[tuple[str, str]] = []
    kept: list[bytes] = []

    def hold(client: Any, frame: bytes, channel: str, key: str) -> None:
        held.append((channel, key))
        kept.append(frame)

    talk.client.filter = hold
    for channel in EVENT_CHANNELS:
        assert talk.subscribe(channel, account) == []
    talk.say({"method": "ping"})
    bought(talk, account)
    assert talk.block() == []
    user = account.address
    confirmed = ("subscriptionResponse", "")
    assert held == [
        confirmed, confirmed, confirmed, ("userFills", user), ("pong", ""),
        ("orderUpdates", user), ("user", user), ("userFills", user),
    ]  # fmt: skip
    for frame in reversed(kept[-2:]):
        talk.client.deliver(frame)
    assert channels(talk.heard()) == ["userFills", "user"]


# ---- whatever is traded --------------------------------------------------------------------------------------

moves = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.booleans(),
        st.integers(98_000, 102_000),
        st.integers(1, 20),
        st.sampled_from(["Alo", "Gtc", "Ioc"]),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(moves)
def test_who_listens_from_the_start_knows_what_who_asks_is_told(session: list[Any]) -> None:
    """Open orders, fills and order states put together from the streams are those of /info."""
    talk = VenueTalk()
    accounts = [talk.stage.account(100_000) for _ in range(3)]
    for account in accounts:
        talk.subscribe("userFills", account)
        talk.subscribe("userHistoricalOrders", account)
    fills: dict[str, list[Any]] = {account.address: [] for account in accounts}
    states: dict[str, dict[int, Any]] = {account.address: {} for account in accounts}
    for who, is_buy, px, lots, tif, ends_block in [*session, (0, True, 98_000, 1, "Alo", True)]:
        talk.stage.place(accounts[who], order(is_buy, str(px), f"0.{lots:03}", tif))
        if ends_block:
            for frame in talk.block():
                user = frame["data"]["user"]
                fills[user] += frame["data"].get("fills", [])
                states[user] |= {state["order"]["oid"]: state for state in frame["data"].get("orderHistory", [])}
    for account in accounts:
        assert fills[account.address][::-1] == talk.ask("userFills", account)
        history = talk.ask("historicalOrders", account)
        assert sorted(states[account.address]) == sorted(state["order"]["oid"] for state in history)
        assert all(states[account.address][state["order"]["oid"]] == state for state in history)
        live = {oid for oid, state in states[account.address].items() if state["status"] == "open"}
        assert live == {item["oid"] for item in talk.ask("openOrders", account)}
