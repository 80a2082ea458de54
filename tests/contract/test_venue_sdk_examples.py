"""Whole sessions as users of the official SDK write them: set up, trade, look, clean up."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account as Wallet
from eth_account.signers.local import LocalAccount
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from services.venue.faults.kinds import ClockSkew
from tests.conftest import wait_until
from tests.fixtures.venue_sdk import ALO, DONE, GTC, Trader, new_wallet, resting_oid, status_of, statuses_of
from tests.fixtures.venue_server import WAIT_S, RunningVenue

ZERO = "0x" + "0" * 40
FAST = 20
"""Market seconds a second, where fills are waited for."""


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


class NoEquity(Exception):
    """What the examples raise for an address without money."""


def set_up(
    venue: RunningVenue,
    wallet: LocalAccount | None = None,
    account_address: str = "",
    *,
    skip_ws: bool = True,
    perp_dexs: list[str] | None = None,
) -> tuple[str, Info, Exchange]:
    """The examples' first steps."""
    wallet = wallet or new_wallet()
    address = account_address or wallet.address
    info = Info(venue.url, skip_ws, perp_dexs=perp_dexs)
    margin = info.user_state(address)["marginSummary"]
    balances = info.spot_user_state(address)["balances"]
    if float(margin["accountValue"]) == 0 and len(balances) == 0:
        raise NoEquity(address)
    return address, info, Exchange(wallet, venue.url, account_address=address, perp_dexs=perp_dexs)


def test_set_up_finds_money_or_says_that_there_is_none(venue: RunningVenue) -> None:
    set_up(venue)
    with RunningVenue(fund=0) as poor, pytest.raises(NoEquity):
        set_up(poor)


def test_set_up_with_money_in_spot_alone(venue: RunningVenue) -> None:
    trader = Trader(venue)
    assert trader.exchange.usd_class_transfer(10_000.0, False) == DONE
    assert trader.value() == 0
    set_up(venue, trader.wallet)


def test_basic_order(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    assert info.user_state(address)["assetPositions"] == []
    oid = resting_oid(exchange.order("ETH", True, 0.2, 1100, GTC))
    found = info.query_order_by_oid(address, oid)
    assert (found["order"]["status"], found["order"]["order"]["limitPx"]) == ("open", "1100.0")
    assert status_of(exchange.cancel("ETH", oid)) == "success"
    assert info.query_order_by_oid(address, oid)["order"]["status"] == "canceled"


def test_order_with_cloid(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    cloid = Cloid.from_str("0x00000000000000000000000000000001")
    placed = status_of(exchange.order("ETH", True, 0.2, 1100, GTC, cloid=cloid))
    assert placed["resting"]["cloid"] == cloid.to_raw()
    by_cloid = info.query_order_by_cloid(address, cloid)
    assert by_cloid == info.query_order_by_oid(address, placed["resting"]["oid"])
    assert status_of(exchange.cancel_by_cloid("ETH", cloid)) == "success"
    assert info.query_order_by_cloid(address, cloid)["order"]["status"] == "canceled"


def test_order_modify_by_oid_then_by_cloid(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    cloid = Cloid.from_str("0x00000000000000000000000000000001")
    oid = resting_oid(exchange.order("ETH", True, 0.2, 1100, GTC, cloid=cloid))
    second = resting_oid(exchange.modify_order(oid, "ETH", True, 0.1, 1105, GTC, cloid=cloid))
    third = resting_oid(exchange.modify_order(cloid, "ETH", True, 0.1, 1105, GTC))
    assert oid < second < third
    (left,) = info.open_orders(address)
    assert (left["oid"], left["sz"], left["limitPx"]) == (third, "0.1", "1105.0")


def test_market_order_there_and_back(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    opened = status_of(exchange.market_open("ETH", False, 0.05, None, 0.01))["filled"]
    assert opened["totalSz"] == "0.05"
    closed = status_of(exchange.market_close("ETH"))["filled"]
    assert closed["totalSz"] == "0.05"
    state = info.user_state(address)
    assert state["assetPositions"] == []
    closing, opening = info.user_fills(address)
    gained = float(closing["closedPnl"]) - float(opening["fee"]) - float(closing["fee"])
    assert float(state["marginSummary"]["accountValue"]) == pytest.approx(10_000 + gained, abs=2e-6)


@pytest.mark.parametrize("is_buy", [True, False])
def test_tpsl_alone_and_as_a_bracket(venue: RunningVenue, is_buy: bool) -> None:
    address, info, exchange = set_up(venue)
    way = 1 if is_buy else -1

    def px(share: float) -> float:
        return float(f"{float(info.all_mids()['ETH']) * (1 + way * share):.5g}")

    entry, far, stop, stop_limit = px(0.1), px(0.12), px(-0.1), px(-0.12)
    assert "filled" in status_of(exchange.order("ETH", is_buy, 0.02, entry, GTC))
    for trigger_px, limit_px, kind in ((stop, stop_limit, "sl"), (far, far, "tp")):
        asked: Any = {"trigger": {"triggerPx": trigger_px, "isMarket": True, "tpsl": kind}}
        reply = exchange.order("ETH", not is_buy, 0.02, limit_px, asked, reduce_only=True)
        assert status_of(reply) == "waitingForTrigger"
    for shown in info.frontend_open_orders(address):
        above = is_buy == shown["orderType"].startswith("Take Profit")
        assert shown["triggerCondition"].startswith(f"Price {'above' if above else 'below'} ")
        assert status_of(exchange.cancel("ETH", shown["oid"])) == "success"
    order: dict[str, Any] = {"coin": "ETH", "sz": 0.02}
    child = {**order, "is_buy": not is_buy, "reduce_only": True}
    tp: Any = {"trigger": {"isMarket": True, "triggerPx": far, "tpsl": "tp"}}
    sl: Any = {"trigger": {"isMarket": True, "triggerPx": stop, "tpsl": "sl"}}
    group: Any = [
        {**order, "is_buy": is_buy, "limit_px": entry, "order_type": GTC, "reduce_only": False},
        {**child, "limit_px": far, "order_type": tp},
        {**child, "limit_px": stop_limit, "order_type": sl},
    ]
    parent, *children = statuses_of(exchange.bulk_orders(group, grouping="normalTpsl"))
    assert "filled" in parent
    assert children == ["waitingForTrigger", "waitingForTrigger"]
    assert len(info.open_orders(address)) == 2


def test_leverage_adjustment(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    assert exchange.update_leverage(21, "ETH") == DONE
    assert exchange.update_leverage(22, "ETH", False) == DONE
    exchange.market_open("ETH", True, 0.1)
    assert exchange.update_isolated_margin(1, "ETH") == DONE
    (held,) = info.user_state(address)["assetPositions"]
    assert (held["position"]["leverage"]["type"], held["position"]["leverage"]["value"]) == ("isolated", 22)


def test_rounding_makes_any_number_an_order(venue: RunningVenue) -> None:
    _, info, exchange = set_up(venue)
    decimals = {coin["name"]: coin["szDecimals"] for coin in info.meta()["universe"]}
    mids = info.all_mids()
    for coin in decimals:
        px = float(mids[coin]) / 1.2345678
        px = round(px) if px > 100_000 else round(float(f"{px:.5g}"), 6 - decimals[coin])
        sz = round(12.345678 / px + 10 ** -decimals[coin], decimals[coin])
        oid = resting_oid(exchange.order(coin, True, sz, px, GTC))
        assert status_of(exchange.cancel(coin, oid)) == "success"


def test_cancel_open_orders(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    for coin, px in (("ETH", 1100), ("ETH", 1101), ("SOL", 50)):
        exchange.order(coin, True, 0.5, px, GTC)
    open_orders = info.open_orders(address)
    assert len(open_orders) == 3
    for order in open_orders:
        assert status_of(exchange.cancel(order["coin"], order["oid"])) == "success"
    assert info.open_orders(address) == []


def test_agents_unnamed_and_persistent(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    for name in (None, "persist"):
        approved, key = exchange.approve_agent(name)
        assert approved == DONE
        _, _, of_agent = set_up(venue, Wallet.from_key(key), address)
        oid = resting_oid(of_agent.order("ETH", True, 0.2, 1100, GTC))
        assert [order["oid"] for order in info.open_orders(address)] == [oid]
        assert status_of(of_agent.cancel("ETH", oid)) == "success"
    assert [agent["name"] for agent in info.extra_agents(address)] == ["persist"]


def test_set_up_with_an_agents_own_address_finds_no_money(venue: RunningVenue) -> None:
    """The classic mistake."""
    _, _, exchange = set_up(venue)
    _, key = exchange.approve_agent()
    with pytest.raises(NoEquity):
        set_up(venue, Wallet.from_key(key))


def test_transfers(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue)
    assert exchange.usd_transfer(1, ZERO) == DONE
    assert exchange.usd_class_transfer(2.5, False) == DONE
    assert exchange.spot_transfer(1.25, ZERO, "USDC:0x6d1e7cde53ba9467b783cb7c530ce054") == DONE
    assert exchange.send_asset(ZERO, "", "xyz", "USDC", 1.23) == DONE
    assert exchange.withdraw_from_bridge(2, address) == DONE
    assert info.user_state(address)["marginSummary"]["accountValue"] == "9993.27"
    assert info.spot_user_state(address)["balances"][0]["total"] == "1.25"
    kinds = [update["delta"]["type"] for update in info.user_non_funding_ledger_updates(address, 0)]
    assert kinds == ["deposit", "internalTransfer", "accountClassTransfer", "spotTransfer", "send", "withdraw"]


def test_sub_account_then_an_order_for_it(venue: RunningVenue) -> None:
    trader = Trader(venue)
    trader.count_as_traded(100_000)
    address, info, exchange = set_up(venue, trader.wallet)
    assert exchange.create_sub_account("example123")["status"] == "ok"
    (sub,) = (sub for sub in info.query_sub_accounts(address) if sub["name"] == "example123")
    assert exchange.sub_account_transfer(sub["subAccountUser"], True, 100_000_000) == DONE
    for_sub = Exchange(exchange.wallet, exchange.base_url, vault_address=sub["subAccountUser"])
    oid = resting_oid(for_sub.order("ETH", True, 0.2, 1100, GTC))
    assert [order["oid"] for order in info.open_orders(sub["subAccountUser"])] == [oid]
    assert status_of(for_sub.cancel("ETH", oid)) == "success"


def test_a_builder_deployed_dex_alone(venue: RunningVenue) -> None:
    """With `perp_dexs` of one dex the SDK does not know the first dex's coins."""
    wallet = new_wallet()
    _, _, first = set_up(venue, wallet)
    address, info, exchange = set_up(venue, wallet, perp_dexs=["xyz"])
    assert first.send_asset(address, "", "xyz", "USDC", 1000.0) == DONE
    assert "BTC" not in info.name_to_coin
    oid = resting_oid(exchange.order("xyz:XYZ100", True, 0.01, 15_000, GTC))
    assert info.query_order_by_oid(address, oid)["order"]["order"]["coin"] == "xyz:XYZ100"
    assert status_of(exchange.cancel("xyz:XYZ100", oid)) == "success"
    assert "filled" in status_of(exchange.market_open("xyz:XYZ100", True, 0.01))
    assert "filled" in status_of(exchange.market_close("xyz:XYZ100"))
    assert info.user_state(address, "xyz")["assetPositions"] == []


def test_schedule_cancel_takes_the_orders_out_when_its_time_has_come() -> None:
    with RunningVenue(limits=False, scheduled_cancel_volume=0) as venue:
        address, info, exchange = set_up(venue)
        oid = resting_oid(exchange.order("ETH", True, 0.2, 1100, GTC))
        assert exchange.schedule_cancel(venue.do(lambda server: server.world.now_ms) + 60_000) == DONE
        assert len(info.open_orders(address)) == 1
        venue.do(lambda server: server.faults.start(server.fault_ms(), ClockSkew(ms=60_000)))
        wait_until(lambda: info.open_orders(address) == [])
        assert info.query_order_by_oid(address, oid)["order"]["status"] == "scheduledCancel"


def test_every_subscription_on_one_connection(venue: RunningVenue) -> None:
    address, info, exchange = set_up(venue, skip_ws=False)
    heard: queue.Queue[str] = queue.Queue()
    subscriptions: list[Any] = [
        {"type": "allMids"},
        {"type": "l2Book", "coin": "ETH"},
        {"type": "trades", "coin": "ETH"},
        {"type": "userEvents", "user": address},
        {"type": "userFills", "user": address},
        {"type": "candle", "coin": "ETH", "interval": "1m"},
        {"type": "orderUpdates", "user": address},
        {"type": "userFundings", "user": address},
        {"type": "userNonFundingLedgerUpdates", "user": address},
        {"type": "webData2", "user": address},
        {"type": "bbo", "coin": "ETH"},
        {"type": "activeAssetCtx", "coin": "BTC"},
        {"type": "activeAssetData", "user": address, "coin": "BTC"},
    ]
    try:
        for subscription in subscriptions:
            info.subscribe(subscription, lambda message: heard.put(message["channel"]))
        wait_until(lambda: followed(venue, len(subscriptions)))
        exchange.market_open("ETH", True, 0.1)
        missing = {subscription["type"] for subscription in subscriptions} - {"userEvents"} | {"user"}
        while missing:
            missing.discard(heard.get(timeout=WAIT_S))
    finally:
        info.disconnect_websocket()


def followed(venue: RunningVenue, count: int) -> bool:
    return venue.do(lambda server: any(len(client.subscriptions) == count for client in server.hub.clients))


class Adder:
    """A small maker: a post-only order on both sides at the touch, placed anew when the touch has moved away."""

    COIN, SZ = "BTC", 0.01

    def __init__(self, address: str, info: Info, exchange: Exchange) -> None:
        self.exchange = exchange
        self.fills: list[dict[str, Any]] = []
        self.traded = threading.Event()
        self.stopped = threading.Event()
        self.resting: dict[str, tuple[float, int]] = {}
        info.subscribe({"type": "userEvents", "user": address}, self.on_event)
        info.subscribe({"type": "l2Book", "coin": self.COIN, "fast": True}, self.on_book)

    def on_event(self, message: Any) -> None:
        self.fills += message["data"].get("fills", [])
        if len(self.fills) >= 3:
            self.traded.set()

    def on_book(self, message: Any) -> None:
        if self.stopped.is_set():
            return
        for side, levels in zip("BA", message["data"]["levels"], strict=True):
            px = float(levels[0]["px"])
            old = self.resting.pop(side, None)
            if old is not None and old[0] == px:
                self.resting[side] = old
                continue
            if old is not None:
                self.exchange.cancel(self.COIN, old[1])
            status = status_of(self.exchange.order(self.COIN, side == "B", self.SZ, px, ALO))
            if "resting" in status:
                self.resting[side] = px, status["resting"]["oid"]


def test_a_small_maker_adds_liquidity_and_its_books_balance() -> None:
    with RunningVenue(limits=False, speed=str(FAST), fast_ms=100) as venue:
        address, info, exchange = set_up(venue, skip_ws=False)
        try:
            adder = Adder(address, info, exchange)
            assert adder.traded.wait(60), "nobody traded with the maker"
            adder.stopped.set()
        finally:
            info.disconnect_websocket()
            info.ws_manager.join(WAIT_S)
        reader = Trader(venue, exchange.wallet)
        for oid in reader.oids():
            reader.exchange.cancel(Adder.COIN, oid)
        fills = reader.info.user_fills_by_time(address, 0)
        assert reader.oids() == []
        assert fills[: len(adder.fills)] == adder.fills
        assert [fill["crossed"] for fill in fills] == [False] * len(fills)
        bought = sum(float(fill["sz"]) * (1 if fill["side"] == "B" else -1) for fill in fills)
        assert reader.held(Adder.COIN) == pytest.approx(bought)
        for fill in fills:
            ntl = float(fill["px"]) * float(fill["sz"])
            assert float(fill["fee"]) == pytest.approx(ntl * 0.00015, abs=1e-6)
        statuses = {order["status"] for order in reader.info.historical_orders(address)}
        assert statuses <= {"filled", "canceled", "badAloPxRejected"}
        assert "filled" in statuses
