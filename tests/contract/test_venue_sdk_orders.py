"""Orders, cancels and modifies through the official SDK's `Exchange`, unmodified, over real sockets."""

from collections.abc import Iterator
from typing import Any

import pytest
from hyperliquid.utils.types import Cloid

from services.venue.api.server import VenueServer
from tests.conftest import wait_until
from tests.fixtures.venue_sdk import (
    ALO,
    DONE,
    GTC,
    IOC,
    Trader,
    refused,
    resting_oid,
    status_of,
    statuses_of,
    stop_loss,
    take_profit,
)
from tests.fixtures.venue_server import RunningVenue

NEVER_PLACED = "Order was never placed, already canceled, or filled."


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue) -> Trader:
    return Trader(venue)


def wanted(trader: Trader, share: float, coin: str = "ETH", tif: Any = GTC, **more: Any) -> dict[str, Any]:
    """An `OrderRequest` of the SDK for 100 USDC; a negative share buys."""
    return {
        "coin": coin,
        "is_buy": share < 0,
        "sz": trader.sz(coin, 100),
        "limit_px": trader.px(coin, share),
        "order_type": tif,
        "reduce_only": False,
        **more,
    }


# ---- placing -------------------------------------------------------------------------------------------------


def test_gtc_away_from_the_market_rests(trader: Trader) -> None:
    px, sz = trader.px("ETH", -0.3), trader.sz("ETH", 100)
    reply = trader.exchange.order("ETH", True, sz, px, GTC)
    assert reply["response"]["type"] == "order"
    assert set(status_of(reply)["resting"]) == {"oid"}
    (shown,) = trader.info.open_orders(trader.address)
    assert (shown["coin"], shown["side"], shown["oid"]) == ("ETH", "B", resting_oid(reply))
    assert (float(shown["limitPx"]), float(shown["sz"]), float(shown["origSz"])) == (px, sz, sz)
    assert "cloid" not in shown


def test_alo_rests_on_its_own_side(trader: Trader) -> None:
    oid = trader.rest(share=0.3, tif=ALO)
    (shown,) = trader.info.frontend_open_orders(trader.address)
    assert (shown["oid"], shown["side"], shown["tif"], shown["orderType"]) == (oid, "A", "Alo", "Limit")


def test_alo_that_would_trade_is_refused_and_never_repriced(trader: Trader) -> None:
    error = status_of(trader.exchange.order("ETH", True, trader.sz("ETH", 100), trader.px("ETH", 0.01), ALO))
    assert error["error"].startswith("Post only order would have immediately matched, bbo was ")
    assert trader.oids() == []
    assert trader.position("ETH") is None


def test_ioc_fills_at_the_makers_price(trader: Trader) -> None:
    limit_px, sz = trader.px("ETH", 0.03), trader.sz("ETH", 500)
    filled = status_of(trader.exchange.order("ETH", True, sz, limit_px, IOC))["filled"]
    assert set(filled) == {"totalSz", "avgPx", "oid"}
    assert float(filled["totalSz"]) == sz
    assert float(filled["avgPx"]) < limit_px * 0.99
    assert trader.held("ETH") == sz


def test_ioc_that_misses_is_an_error_and_rests_nowhere(trader: Trader) -> None:
    order = trader.exchange.order("ETH", True, trader.sz("ETH", 100), trader.px("ETH", -0.05), IOC)
    text = "Order could not immediately match against any resting orders. asset=2"
    assert status_of(order) == {"error": text}
    assert trader.oids() == []
    (known,) = trader.info.historical_orders(trader.address)
    assert known["status"] == "iocCancelRejected"
    assert known["order"]["sz"] == known["order"]["origSz"] != "0.0"


def test_gtc_across_the_spread_fills(trader: Trader) -> None:
    sz = trader.sz("BTC", 200)
    filled = status_of(trader.exchange.order("BTC", False, sz, trader.px("BTC", -0.02), GTC))["filled"]
    assert float(filled["totalSz"]) == sz
    assert trader.held("BTC") == -sz


def test_gtc_filled_in_part_rests_with_its_remainder(trader: Trader, venue: RunningVenue) -> None:
    """More than the book offers up to its price."""
    trader.deposit(10_000_000)
    asked = trader.sz("NIL", 4_500_000)
    with venue.still():
        oid = resting_oid(trader.exchange.order("NIL", True, asked, trader.px("NIL", 0.003), GTC))
        (shown,) = trader.info.open_orders(trader.address)
        held = trader.held("NIL")
    assert 0 < held < asked
    assert (shown["oid"], float(shown["sz"]), float(shown["origSz"])) == (oid, asked - held, asked)


def test_ioc_filled_in_part_answers_filled_with_what_it_got(trader: Trader) -> None:
    trader.deposit(10_000_000)
    asked = trader.sz("LIT", 4_500_000)
    filled = status_of(trader.exchange.order("LIT", False, asked, trader.px("LIT", -0.003), IOC))["filled"]
    assert 0 < float(filled["totalSz"]) < asked
    assert trader.held("LIT") == -float(filled["totalSz"])
    assert trader.oids() == []


def test_cloid_comes_back_everywhere(trader: Trader) -> None:
    cloid = Cloid.from_int(0xC1)
    oid = trader.rest(cloid=cloid)
    assert [order["cloid"] for order in trader.info.open_orders(trader.address)] == [cloid.to_raw()]
    found = trader.info.query_order_by_cloid(trader.address, cloid)["order"]
    assert (found["order"]["oid"], found["status"]) == (oid, "open")
    filled = trader.take(cloid=Cloid.from_int(0xC2))
    assert filled["cloid"] == Cloid.from_int(0xC2).to_raw()
    assert {fill["cloid"] for fill in trader.info.user_fills(trader.address)} == {filled["cloid"]}


def test_reduce_only_larger_than_the_position_is_shrunk(trader: Trader) -> None:
    sz = float(trader.take(usd=200)["totalSz"])
    reply = trader.exchange.order("ETH", False, round(sz * 3, 4), trader.px("ETH", 0.2), GTC, reduce_only=True)
    (shown,) = trader.info.frontend_open_orders(trader.address)
    assert (shown["oid"], shown["reduceOnly"]) == (resting_oid(reply), True)
    assert (float(shown["sz"]), float(shown["origSz"])) == (sz, round(sz * 3, 4))
    closing = trader.exchange.order("ETH", False, round(sz * 3, 4), trader.px("ETH", -0.03), IOC, reduce_only=True)
    assert float(status_of(closing)["filled"]["totalSz"]) == sz
    assert trader.position("ETH") is None
    assert trader.ended(resting_oid(reply)) == "reduceOnlyCanceled"


def test_of_two_reduce_only_orders_too_many_the_older_goes(trader: Trader) -> None:
    trader.take(usd=150)
    older = trader.rest("ETH", 0.2, usd=100, reduce_only=True)
    newer = trader.rest("ETH", 0.3, usd=100, reduce_only=True)
    assert trader.oids() == [newer]
    assert trader.ended(older) == "reduceOnlyCanceled"


def test_builder_is_paid_inside_the_fee(venue: RunningVenue, trader: Trader) -> None:
    builder = Trader(venue)
    assert trader.exchange.approve_builder_fee(builder.address, "0.01%") == DONE
    trader.take(builder={"b": builder.wallet.address, "f": 10})
    fill, *_ = trader.info.user_fills(trader.address)
    ntl = float(fill["px"]) * float(fill["sz"])
    assert float(fill["builderFee"]) == pytest.approx(ntl * 0.0001, abs=1e-6)
    assert float(fill["fee"]) == pytest.approx(ntl * 0.00055, abs=2e-6)


def test_bulk_orders_answer_one_by_one(trader: Trader) -> None:
    asked = [
        wanted(trader, -0.3),
        wanted(trader, -0.3, sz=trader.sz("ETH", 5)),
        wanted(trader, 0.3, coin="SOL"),
        wanted(trader, -0.01, limit_px=trader.px("ETH", 0.03), tif=IOC),
    ]
    statuses = statuses_of(trader.exchange.bulk_orders(asked))
    assert [next(iter(status)) for status in statuses] == ["resting", "error", "resting", "filled"]
    assert statuses[1]["error"] == "Order must have minimum value of $10. asset=2"
    assert trader.oids() == sorted(statuses[at]["resting"]["oid"] for at in (0, 2))


def test_priority_fee_grouping_needs_stake(trader: Trader) -> None:
    status = status_of(trader.exchange.bulk_orders([wanted(trader, -0.3, tif=ALO)], grouping={"p": 100}))
    assert "error" in status
    assert trader.oids() == []


# ---- triggers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order_type", "limit", "shown_as"),
    [
        (lambda px: stop_loss(px(-0.2)), -0.25, "Stop Market"),
        (lambda px: stop_loss(px(-0.2), is_market=False), -0.25, "Stop Limit"),
        (lambda px: take_profit(px(0.2)), 0.15, "Take Profit Market"),
        (lambda px: take_profit(px(0.2), is_market=False), 0.15, "Take Profit Limit"),
    ],
    ids=["sl market", "sl limit", "tp market", "tp limit"],
)
def test_a_trigger_waits(trader: Trader, order_type: Any, limit: float, shown_as: str) -> None:
    sz = float(trader.take()["totalSz"])
    asked = order_type(lambda share: trader.px("ETH", share))
    reply = trader.exchange.order("ETH", False, sz, trader.px("ETH", limit), asked, reduce_only=True)
    assert status_of(reply) == "waitingForTrigger"
    (shown,) = trader.info.frontend_open_orders(trader.address)
    assert (shown["isTrigger"], shown["orderType"], shown["reduceOnly"]) == (True, shown_as, True)
    assert float(shown["triggerPx"]) == asked["trigger"]["triggerPx"]
    (plain,) = trader.info.open_orders(trader.address)
    assert plain["reduceOnly"] is True
    assert not {"isTrigger", "triggerPx", "triggerCondition", "orderType"} & set(plain)
    assert trader.exchange.cancel("ETH", shown["oid"]) == cancelled("success")


def test_a_trigger_fires_when_the_mark_reaches_it(venue: RunningVenue, trader: Trader) -> None:
    sz = float(trader.take()["totalSz"])
    reply = trader.exchange.order(
        "ETH", False, sz, trader.px("ETH", -0.2), stop_loss(trader.px("ETH", -0.1)), reduce_only=True
    )
    assert status_of(reply) == "waitingForTrigger"
    (oid,) = trader.oids()

    def falls(server: VenueServer) -> None:
        """The mark, until the market's next context."""
        listing = server.world.listings["ETH"]
        listing.mark_px = listing.mark_px * 85 // 100

    venue.do(falls)
    wait_until(lambda: trader.position("ETH") is None)
    assert trader.ended(oid) == "filled"
    fill, *_ = trader.info.user_fills(trader.address)
    assert (fill["oid"], fill["dir"], fill["crossed"]) == (oid, "Close Long", True)


def test_bracket_children_wait_for_their_parent(trader: Trader) -> None:
    children = bracket(trader, trader.px("ETH", -0.3))
    parent, *waiting = statuses_of(trader.exchange.bulk_orders(children, grouping="normalTpsl"))
    assert waiting == ["waitingForFill", "waitingForFill"]
    shown = {order["oid"]: order for order in trader.info.frontend_open_orders(trader.address)}
    assert len(shown[parent["resting"]["oid"]]["children"]) == 2
    assert trader.exchange.cancel("ETH", parent["resting"]["oid"]) == cancelled("success")
    assert trader.oids() == []


def test_bracket_of_an_order_that_fills_waits_for_its_triggers(trader: Trader) -> None:
    asked = bracket(trader, trader.px("ETH", 0.03))
    parent, *waiting = statuses_of(trader.exchange.bulk_orders(asked, grouping="normalTpsl"))
    assert "filled" in parent
    assert waiting == ["waitingForTrigger", "waitingForTrigger"]
    assert len(trader.oids()) == 2
    trader.exchange.market_close("ETH")
    assert trader.oids() == []


def test_position_tpsl_has_the_size_of_the_position(trader: Trader) -> None:
    sz = float(trader.take(usd=100)["totalSz"])
    asked = bracket(trader, 0)[1:]
    statuses = statuses_of(trader.exchange.bulk_orders(asked, grouping="positionTpsl"))
    assert statuses == ["waitingForTrigger", "waitingForTrigger"]
    sz += float(trader.take(usd=50)["totalSz"])
    shown = trader.info.frontend_open_orders(trader.address)
    assert [order["isPositionTpsl"] for order in shown] == [True, True]
    assert {float(order["sz"]) for order in shown} == {round(sz, 4)}


def bracket(trader: Trader, px: float) -> list[Any]:
    """A buy with a take-profit and a stop."""
    rise, fall = trader.px("ETH", 0.3), trader.px("ETH", -0.5)
    child: dict[str, Any] = {"is_buy": False, "reduce_only": True}
    return [
        wanted(trader, -0.1, limit_px=px),
        wanted(trader, 0.3, tif=take_profit(rise), limit_px=rise, **child),
        wanted(trader, 0.3, tif=stop_loss(fall), limit_px=fall, **child),
    ]


# ---- market orders -------------------------------------------------------------------------------------------


def test_market_open_and_close(trader: Trader) -> None:
    sz = float(trader.take("SOL", 300, is_buy=False)["totalSz"])
    assert trader.held("SOL") == -sz
    closed = status_of(trader.exchange.market_close("SOL"))["filled"]
    assert float(closed["totalSz"]) == sz
    assert trader.position("SOL") is None
    opened, closing = reversed(trader.info.user_fills(trader.address))
    assert (opened["dir"], closing["dir"]) == ("Open Short", "Close Short")


def test_market_close_of_a_part(trader: Trader) -> None:
    sz = float(trader.take("ETH", 300)["totalSz"])
    part = round(sz / 2, 4)
    assert float(status_of(trader.exchange.market_close("ETH", part))["filled"]["totalSz"]) == part
    assert trader.held("ETH") == pytest.approx(sz - part)


def test_market_close_without_a_position_asks_nothing(trader: Trader) -> None:
    trader.exists()
    assert trader.exchange.market_close("ETH") is None
    assert trader.info.historical_orders(trader.address) == []


def test_market_open_of_an_unknown_coin_is_the_sdks_own_error(trader: Trader) -> None:
    with pytest.raises(KeyError):
        trader.exchange.market_open("NOSUCH", True, 1)


# ---- builder-deployed dex ------------------------------------------------------------------------------------


def test_orders_on_a_builder_deployed_dex(venue: RunningVenue, trader: Trader) -> None:
    assert trader.info.name_to_asset("xyz:XYZ100") == 110000
    assert trader.info.name_to_asset("xyz:GOLD") == 110002
    assert trader.exchange.send_asset(trader.address, "", "xyz", "USDC", 1000.0) == DONE
    oid = trader.rest("xyz:XYZ100")
    assert trader.oids("xyz") == [oid]
    assert trader.oids() == []
    assert trader.exchange.cancel("xyz:XYZ100", oid) == cancelled("success")
    px = trader.px("xyz:XYZ100", 0.02)
    filled = status_of(trader.exchange.order("xyz:XYZ100", True, trader.sz("xyz:XYZ100", 100), px, IOC))["filled"]
    assert trader.held("xyz:XYZ100") == float(filled["totalSz"])
    fill, *_ = trader.info.user_fills(trader.address)
    assert (fill["coin"], fill["feeToken"]) == ("xyz:XYZ100", "USDC")
    ntl = float(fill["px"]) * float(fill["sz"])
    assert float(fill["fee"]) == pytest.approx(ntl * 0.0009, abs=1e-6)


def test_a_dex_has_its_own_margin(trader: Trader) -> None:
    status = status_of(
        trader.exchange.order("xyz:XYZ100", True, trader.sz("xyz:XYZ100", 100), trader.px("xyz:XYZ100", -0.1), GTC)
    )
    assert status == {"error": "Insufficient margin to place order. asset=110000"}


# ---- cancels -------------------------------------------------------------------------------------------------


def cancelled(*statuses: Any) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "cancel", "data": {"statuses": list(statuses)}}}


def test_cancel(trader: Trader) -> None:
    oid = trader.rest()
    assert trader.exchange.cancel("ETH", oid) == cancelled("success")
    assert trader.ended(oid) == "canceled"
    assert trader.oids() == []


def test_cancel_by_cloid(trader: Trader) -> None:
    cloid = Cloid.from_int(0xCA)
    oid = trader.rest(cloid=cloid)
    assert trader.exchange.cancel_by_cloid("ETH", cloid) == cancelled("success")
    assert trader.ended(oid) == "canceled"


@pytest.mark.parametrize("which", ["unknown", "cancelled", "filled", "other coin", "other account"])
def test_what_cannot_be_cancelled_has_one_text(venue: RunningVenue, trader: Trader, which: str) -> None:
    coin, asset, oid = "ETH", 2, 10**12
    if which == "cancelled":
        oid = trader.rest()
        trader.exchange.cancel("ETH", oid)
    elif which == "filled":
        oid = int(trader.take()["oid"])
    elif which == "other coin":
        coin, asset, oid = "BTC", 0, trader.rest()
    elif which == "other account":
        oid = Trader(venue).rest()
    assert trader.exchange.cancel(coin, oid) == cancelled({"error": f"{NEVER_PLACED} asset={asset}"})


def test_bulk_cancel_answers_one_by_one(trader: Trader) -> None:
    first, second = trader.rest(), trader.rest("SOL")
    asked: Any = [{"coin": "ETH", "oid": first}, {"coin": "ETH", "oid": first}, {"coin": "SOL", "oid": second}]
    again = {"error": f"{NEVER_PLACED} asset=2"}
    assert trader.exchange.bulk_cancel(asked) == cancelled("success", again, "success")
    assert trader.oids() == []


def test_bulk_cancel_by_cloid_answers_one_by_one(trader: Trader) -> None:
    known, unknown = Cloid.from_int(1), Cloid.from_int(2)
    trader.rest(cloid=known)
    asked: Any = [{"coin": "ETH", "cloid": unknown}, {"coin": "ETH", "cloid": known}]
    missing = {"error": f"{NEVER_PLACED} asset=2"}
    assert trader.exchange.bulk_cancel_by_cloid(asked) == cancelled(missing, "success")


# ---- modifies ------------------------------------------------------------------------------------------------


def test_modify_is_a_cancel_and_a_new_order(trader: Trader) -> None:
    cloid = Cloid.from_int(0x0D)
    old = trader.rest(cloid=cloid)
    sz, px = trader.sz("ETH", 200), trader.px("ETH", -0.25)
    reply = trader.exchange.modify_order(old, "ETH", True, sz, px, GTC, cloid=cloid)
    assert reply["response"]["type"] == "order"
    new = resting_oid(reply)
    assert new != old
    (shown,) = trader.info.open_orders(trader.address)
    assert (shown["oid"], float(shown["sz"]), float(shown["limitPx"])) == (new, sz, px)
    assert shown["cloid"] == cloid.to_raw()
    assert trader.ended(old) == "canceled"


def test_modify_by_cloid(trader: Trader) -> None:
    cloid = Cloid.from_int(0xD1)
    trader.rest(cloid=cloid)
    reply = trader.exchange.modify_order(cloid, "ETH", True, trader.sz("ETH", 100), trader.px("ETH", -0.2), ALO)
    (shown,) = trader.info.open_orders(trader.address)
    assert shown["oid"] == resting_oid(reply)
    assert "cloid" not in shown


def test_bulk_modify_answers_one_by_one(trader: Trader) -> None:
    first, second = trader.rest(), trader.rest("SOL", 0.3)
    asked: Any = [
        {"oid": first, "order": wanted(trader, -0.2)},
        {"oid": 10**12, "order": wanted(trader, -0.2)},
        {"oid": second, "order": wanted(trader, 0.2, coin="SOL")},
    ]
    statuses = statuses_of(trader.exchange.bulk_modify_orders_new(asked))
    assert statuses[1] == {"error": "Cannot modify canceled or filled order asset=2"}
    assert trader.oids() == sorted(statuses[at]["resting"]["oid"] for at in (0, 2))


@pytest.mark.parametrize(
    ("share", "tif"), [(-0.2, IOC), (0.03, GTC)], ids=["to an IOC", "to a GTC that would trade"]
)
def test_a_modify_that_takes_leaves_the_old_order(trader: Trader, share: float, tif: Any) -> None:
    oid = trader.rest()
    reply = trader.exchange.modify_order(oid, "ETH", True, trader.sz("ETH", 100), trader.px("ETH", share), tif)
    assert status_of(reply) == {"error": "Attempted to modify to invalid new order asset=2"}
    assert trader.oids() == [oid]


def test_a_modify_whose_new_order_is_refused_has_lost_the_old_one(trader: Trader) -> None:
    oid = trader.rest()
    reply = trader.exchange.modify_order(oid, "ETH", True, trader.sz("ETH", 5), trader.px("ETH", -0.2), ALO)
    text = "Error placing new order during modify: Order must have minimum value of $10. asset=2"
    assert status_of(reply) == {"error": text}
    assert trader.oids() == []


# ---- the dead man's switch -----------------------------------------------------------------------------------

LITTLE_TRADED = "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $"


def test_schedule_cancel_wants_volume_for_arming_and_for_clearing(venue: RunningVenue, trader: Trader) -> None:
    in_a_minute = now_ms(venue) + 60_000
    assert refused(trader.exchange.schedule_cancel(in_a_minute)) == f"{LITTLE_TRADED}0.0."
    trader.take(usd=300)
    for when in (in_a_minute, None):
        text = refused(trader.exchange.schedule_cancel(when))
        assert text.startswith(f"{LITTLE_TRADED}30")
        assert text.endswith(".")


def test_schedule_cancel_cancels_all_orders_of_an_account_with_volume(venue: RunningVenue) -> None:
    trader, other = Trader(venue), Trader(venue)
    trader.count_as_traded(1_000_000)
    bid, ask, kept = trader.rest(), trader.rest("SOL", 0.3), other.rest()
    assert trader.exchange.schedule_cancel(now_ms(venue) + 60_000) == DONE

    def passes(server: VenueServer) -> None:
        trader.account(server).scheduled_cancel_ms = server.world.now_ms

    venue.do(passes)
    wait_until(lambda: not trader.oids())
    assert [trader.ended(oid) for oid in (bid, ask)] == ["scheduledCancel"] * 2
    assert other.oids() == [kept]


def test_schedule_cancel_can_be_cleared(venue: RunningVenue, trader: Trader) -> None:
    trader.count_as_traded(1_000_000)
    assert trader.exchange.schedule_cancel(now_ms(venue) + 60_000) == DONE
    assert trader.exchange.schedule_cancel(None) == DONE
    assert venue.do(lambda server: trader.account(server).scheduled_cancel_ms) is None


def now_ms(venue: RunningVenue) -> int:
    return venue.do(lambda server: server.world.now_ms)
