"""ccxt's hyperliquid, unmodified, trading on the bundled venue: it signs, encodes and reads by itself."""

import secrets
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from services.venue.exchange.admission import meet
from services.venue.exchange.facts import Matched
from services.venue.exchange.listing import MICRO
from services.venue.exchange.world import World
from services.venue.faults import kinds
from tests.conftest import wait_until
from tests.fixtures.venue_server import RunningVenue

BTC, ETH, NIL, GOLD = "BTC/USDC:USDC", "ETH/USDC:USDC", "NIL/USDC:USDC", "XYZ-GOLD/USDC:USDC"
HOUR_MS = 3_600_000


class Trader:
    """A ccxt client with an account of its own; `builder_fee` is ccxt's habit of adding one to every order."""

    def __init__(self, venue: RunningVenue, key: str | None = None, *, builder_fee: bool = False) -> None:
        key = key or "0x" + secrets.token_hex(32)
        self.address: str = ccxt.Exchange.eth_get_address_from_private_key(key).lower()
        self.ccxt: Any = ccxt.hyperliquid(
            {
                "walletAddress": self.address,
                "privateKey": key,
                "enableRateLimit": False,
                "urls": {"api": {"public": venue.url, "private": venue.url}},
                "options": {"sandboxMode": True, "builderFee": builder_fee, "refSet": not builder_fee},
            }
        )

    def touch(self, symbol: str = BTC) -> tuple[float, float]:
        book = self.ccxt.fetch_order_book(symbol)
        return book["bids"][0][0], book["asks"][0][0]

    def buy(self, sz: float, symbol: str = BTC, **params: Any) -> Any:
        return self.ccxt.create_order(symbol, "market", "buy", sz, self.touch(symbol)[1], params)

    def sell(self, sz: float, symbol: str = BTC, **params: Any) -> Any:
        return self.ccxt.create_order(symbol, "market", "sell", sz, self.touch(symbol)[0], params)

    def bid(self, below: float = 0.02, sz: float = 0.001, **params: Any) -> Any:
        """A post-only bid a share `below` the best one."""
        px = self.touch()[0] * (1 - below)
        return self.ccxt.create_order(BTC, "limit", "buy", sz, px, {"postOnly": True, **params})


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue) -> Iterator[Trader]:
    made = Trader(venue)
    yield made
    made.ccxt.close()


# ---- markets -------------------------------------------------------------------------------------------------


def test_all_perps_of_both_dexs_are_markets_and_there_is_no_spot(trader: Trader) -> None:
    markets = trader.ccxt.load_markets()
    assert {market["type"] for market in markets.values()} == {"swap"}
    assert len([symbol for symbol in markets if not symbol.startswith("XYZ-")]) == 30
    assert int(markets[GOLD]["baseId"]) >= 110_000
    assert markets[BTC]["precision"]["amount"] == 0.00001
    assert markets[BTC]["limits"]["leverage"]["max"] == 40
    assert trader.ccxt.fetch_currencies()["USDC"]["id"] == "0"


def test_ticker_book_and_open_interest_tell_of_one_market(trader: Trader) -> None:
    bid, ask = trader.touch()
    ticker = trader.ccxt.fetch_ticker(BTC)
    assert 0 < bid < ask
    assert ticker["bid"] < ticker["ask"]
    assert abs(ticker["bid"] / bid - 1) < 0.01
    assert trader.ccxt.fetch_open_interest(BTC)["openInterestAmount"] > 0
    book = trader.ccxt.fetch_order_book(BTC)
    assert [px for px, _ in book["bids"]] == sorted((px for px, _ in book["bids"]), reverse=True)
    assert len(book["bids"]) == len(book["asks"]) == 20


def test_status_time_candles_and_funding_rates(trader: Trader) -> None:
    assert trader.ccxt.fetch_status()["status"] == "ok"
    now_ms = trader.ccxt.fetch_time()
    candle = trader.ccxt.fetch_ohlcv(BTC, "1m")[-1]
    assert abs(now_ms - candle[0]) < 3 * 60_000
    rates = trader.ccxt.fetch_funding_rates([BTC])
    assert rates[BTC]["interval"] == "1h"
    assert 0 < rates[BTC]["fundingTimestamp"] - now_ms <= HOUR_MS


# ---- orders --------------------------------------------------------------------------------------------------


def test_a_post_only_order_rests_is_read_back_and_canceled(trader: Trader) -> None:
    cloid = "0x" + secrets.token_hex(16)
    placed = trader.bid(clientOrderId=cloid)
    (order,) = trader.ccxt.fetch_open_orders(BTC)
    assert order["id"] == placed["id"]
    assert (order["side"], order["amount"], order["remaining"], order["postOnly"]) == ("buy", 0.001, 0.001, True)
    assert order["clientOrderId"] == cloid
    assert trader.ccxt.fetch_order(placed["id"], BTC)["status"] == "open"
    assert trader.ccxt.fetch_order(cloid, BTC)["id"] == placed["id"]
    assert trader.ccxt.cancel_order(placed["id"], BTC)["status"] == "success"
    assert trader.ccxt.fetch_open_orders(BTC) == []
    assert [each["id"] for each in trader.ccxt.fetch_canceled_orders(BTC)] == [placed["id"]]
    assert trader.ccxt.fetch_order(placed["id"], BTC)["status"] == "canceled"


def test_many_orders_go_in_one_action_and_out_by_client_id(trader: Trader) -> None:
    bid, _ = trader.touch()
    cloids = ["0x" + secrets.token_hex(16) for _ in range(3)]
    rows = [
        {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.001, "price": bid * share,
         "params": {"postOnly": True, "clientOrderId": cloid}}
        for share, cloid in zip((0.97, 0.96, 0.95), cloids, strict=True)
    ]  # fmt: skip
    assert len({order["id"] for order in trader.ccxt.create_orders(rows)}) == 3
    trader.ccxt.cancel_orders([], BTC, {"clientOrderId": cloids[:2]})
    assert [order["clientOrderId"] for order in trader.ccxt.fetch_open_orders(BTC)] == cloids[2:]
    trader.ccxt.cancel_orders_for_symbols([{"clientOrderId": cloids[2], "symbol": BTC}])
    assert trader.ccxt.fetch_open_orders() == []


def test_an_edit_puts_a_new_order_in_the_place_of_the_old(trader: Trader) -> None:
    placed = trader.bid()
    price = trader.touch()[0] * 0.95
    edited = trader.ccxt.edit_order(placed["id"], BTC, "limit", "buy", 0.002, price, {"postOnly": True})
    assert edited["id"] != placed["id"]
    (order,) = trader.ccxt.fetch_open_orders(BTC)
    assert (order["id"], order["amount"]) == (edited["id"], 0.002)
    assert order["price"] == pytest.approx(price, rel=1e-4)
    assert trader.ccxt.fetch_order(placed["id"], BTC)["status"] == "canceled"
    with pytest.raises(ccxt.ExchangeError, match="Cannot modify canceled or filled order"):
        trader.ccxt.edit_order(placed["id"], BTC, "limit", "buy", 0.003, price, {"postOnly": True})


def test_a_market_order_becomes_a_position_a_trade_and_a_closed_order(trader: Trader) -> None:
    placed = trader.buy(0.01)
    assert (placed["filled"], placed["amount"]) == (0.01, 0.01)
    position = trader.ccxt.fetch_position(BTC)
    assert (position["side"], position["contracts"], position["marginMode"]) == ("long", 0.01, "cross")
    assert position["entryPrice"] == placed["average"]
    (trade,) = trader.ccxt.fetch_my_trades(BTC)
    assert (trade["order"], trade["takerOrMaker"], trade["amount"]) == (placed["id"], "taker", 0.01)
    assert Decimal(trade["info"]["fee"]) == cut(
        Decimal(str(trade["price"])) * Decimal("0.01") * Decimal("0.00045")
    )
    (closed,) = trader.ccxt.fetch_closed_orders(BTC)
    assert (closed["id"], closed["filled"], closed["remaining"]) == (placed["id"], 0.01, 0)
    info = trader.ccxt.fetch_balance()["info"]["marginSummary"]
    spent = (
        Decimal(10_000) + Decimal(position["info"]["position"]["unrealizedPnl"]) - Decimal(trade["info"]["fee"])
    )
    assert abs(Decimal(info["accountValue"]) - spent) < Decimal("0.5"), "the mark may have moved between answers"


def test_reduce_only_closes_and_never_opens(trader: Trader) -> None:
    trader.buy(0.01)
    closed = trader.sell(0.02, reduceOnly=True)
    assert closed["amount"] == 0.01, "shrunk to the position"
    assert trader.ccxt.fetch_positions() == []
    with pytest.raises(ccxt.InvalidOrder, match="Reduce only order would increase position"):
        trader.sell(0.01, reduceOnly=True)


def test_two_clients_trade_with_each_other_at_the_makers_price(venue: RunningVenue) -> None:
    maker, taker = Trader(venue), Trader(venue)
    maker.ccxt.load_markets()
    step = maker.ccxt.market(NIL)["precision"]["price"]
    for _ in range(20):
        px = maker.touch(NIL)[1] - step
        maker.ccxt.create_order(NIL, "limit", "sell", 1000, px, {"postOnly": True})
        taker.ccxt.create_order(NIL, "market", "buy", 1000, px)
        sold = {trade["id"]: trade for trade in maker.ccxt.fetch_my_trades(NIL)}
        bought = {trade["id"]: trade for trade in taker.ccxt.fetch_my_trades(NIL)}
        common = sold.keys() & bought.keys()
        if common:
            break
    tid = common.pop()
    assert (sold[tid]["takerOrMaker"], bought[tid]["takerOrMaker"]) == ("maker", "taker")
    assert (sold[tid]["side"], bought[tid]["side"]) == ("sell", "buy")
    assert sold[tid]["price"] == bought[tid]["price"] == pytest.approx(px)
    entries = venue.do(lambda server: server.truth.after(0, 10_000))
    (match,) = [entry.fact for entry in entries if isinstance(entry.fact, Matched) and str(entry.fact.tid) == tid]
    assert (match.maker, match.taker) == (maker.address, taker.address)
    maker.ccxt.close()
    taker.ccxt.close()


def test_a_builder_deployed_perp_trades_isolated_with_its_own_money(venue: RunningVenue, trader: Trader) -> None:
    trader.ccxt.load_markets()
    assert trader.ccxt.market(GOLD)["info"]["marginMode"] == "strictIsolated"
    with pytest.raises(ccxt.InsufficientFunds):
        trader.buy(0.01, GOLD)
    assert trader.ccxt.fetch_balance({"dex": "xyz"})["USDC"]["total"] == 0
    with pytest.raises(ccxt.ExchangeError, match="Cross margin is not allowed for this asset."):
        trader.ccxt.set_leverage(5, GOLD)
    trader.ccxt.set_leverage(5, GOLD, {"marginMode": "isolated"})
    venue.do(lambda server: _give(server.world, trader.address, "xyz", 100))
    trader.buy(0.01, GOLD)
    position = trader.ccxt.fetch_position(GOLD)
    assert (position["contracts"], position["marginMode"], position["leverage"]) == (0.01, "isolated", 5)
    assert trader.ccxt.fetch_positions() == [], "each dex has positions of its own"
    (trade,) = trader.ccxt.fetch_my_trades(GOLD)
    assert trade["symbol"] == GOLD
    trader.sell(0.01, GOLD, reduceOnly=True)
    assert trader.ccxt.fetch_positions([GOLD]) == []


def test_stop_loss_and_take_profit_wait_for_their_triggers(trader: Trader) -> None:
    bid, ask = trader.touch()
    trader.buy(0.01)
    trader.ccxt.create_order(BTC, "market", "sell", 0.01, bid, {"stopLossPrice": bid * 0.9, "reduceOnly": True})
    trader.ccxt.create_order(
        BTC, "limit", "sell", 0.01, ask * 1.2, {"takeProfitPrice": ask * 1.2, "reduceOnly": True}
    )
    orders = trader.ccxt.fetch_open_orders(BTC)
    assert sorted(order["info"]["orderType"] for order in orders) == ["Stop Market", "Take Profit Limit"]
    assert all(order["reduceOnly"] and order["triggerPrice"] for order in orders)
    assert trader.ccxt.cancel_orders([order["id"] for order in orders], BTC)
    assert trader.ccxt.fetch_open_orders(BTC) == []


def test_an_order_with_its_exits_brings_them_to_life_when_it_fills(trader: Trader) -> None:
    bid, ask = trader.touch()
    exits = {
        "stopLoss": {"triggerPrice": bid * 0.9, "type": "market"},
        "takeProfit": {"triggerPrice": ask * 1.2, "type": "market"},
    }
    orders = trader.ccxt.create_orders(
        [{"symbol": BTC, "type": "market", "side": "buy", "amount": 0.01, "price": ask, "params": exits}]
    )
    assert orders[0]["filled"] == 0.01
    assert [order["status"] for order in orders[1:]] == ["waitingForTrigger"] * 2
    waiting = trader.ccxt.fetch_open_orders(BTC)
    assert {(order["side"], order["reduceOnly"]) for order in waiting} == {("sell", True)}
    assert sorted(order["triggerPrice"] for order in waiting) == pytest.approx([bid * 0.9, ask * 1.2], rel=1e-4)
    trader.ccxt.cancel_order(waiting[0]["id"], BTC)
    assert [order["id"] for order in trader.ccxt.fetch_open_orders(BTC)] == [waiting[1]["id"]]


# ---- what is refused -----------------------------------------------------------------------------------------


def test_refusals_are_the_exceptions_that_ccxt_knows(trader: Trader) -> None:
    bid, ask = trader.touch()
    order = trader.ccxt.create_order
    with pytest.raises(ccxt.InvalidOrder, match=r"Order must have minimum value of \$10"):
        order(BTC, "limit", "buy", 0.0001, bid)
    with pytest.raises(ccxt.InsufficientFunds, match="Insufficient margin to place order. asset=0"):
        order(BTC, "limit", "buy", 30, bid)
    with pytest.raises(ccxt.InvalidOrder, match="Post only order would have immediately matched, bbo was"):
        order(BTC, "limit", "buy", 0.01, ask * 1.01, {"postOnly": True})
    with pytest.raises(ccxt.InvalidOrder, match="Order could not immediately match against any resting orders"):
        order(BTC, "limit", "buy", 0.01, bid * 0.9, {"timeInForce": "IOC"})
    with pytest.raises(ccxt.ExchangeError, match="Order price cannot be more than 95% away"):
        order(BTC, "limit", "sell", 0.01, bid * 20)
    assert trader.ccxt.fetch_open_orders() == []
    assert trader.ccxt.fetch_my_trades() == []


def test_unknown_orders_are_not_found(trader: Trader) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="never placed, already canceled, or filled"):
        trader.ccxt.cancel_order("987654321", BTC)
    with pytest.raises(ccxt.OrderNotFound, match="unknownOid"):
        trader.ccxt.fetch_order("987654321", BTC)
    with pytest.raises(ccxt.OrderNotFound, match="unknownOid"):
        trader.ccxt.fetch_order("0x" + secrets.token_hex(16), BTC)


def test_an_unfunded_address_does_not_exist() -> None:
    with RunningVenue(fund=0, limits=False) as venue:
        trader = Trader(venue)
        with pytest.raises(ccxt.InvalidOrder, match=f"User or API Wallet {trader.address} does not exist."):
            trader.bid()
        with pytest.raises(
            ccxt.ExchangeError, match=f"Must deposit before performing actions. User: {trader.address}"
        ):
            trader.ccxt.transfer("USDC", 5, "swap", "spot")
        trader.ccxt.close()


def test_mainnet_signatures_recover_somebody_else(venue: RunningVenue, trader: Trader) -> None:
    """The `source` is part of the hash, so an L1 action names a stranger; user-signed ones say their chain."""
    trader.bid()
    trader.ccxt.options["sandboxMode"] = False
    with RunningVenue(fund=0, limits=False) as strict:
        trader.ccxt.urls["api"] = {"public": strict.url, "private": strict.url}
        with pytest.raises(
            ccxt.InvalidOrder, match="User or API Wallet 0x[0-9a-f]{40} does not exist."
        ) as refused:
            trader.bid()
        assert trader.address not in str(refused.value)
        with pytest.raises(ccxt.ExchangeError, match="Mainnet and testnet require different signature."):
            trader.ccxt.transfer("USDC", 5, "swap", "spot")


def test_the_weight_limit_and_outages_are_ccxts_network_exceptions() -> None:
    with RunningVenue() as venue:
        trader = Trader(venue)
        trader.ccxt.load_markets()
        venue.do(lambda server: server.faults.start(server.fault_ms(), kinds.Http5xx(count=1)))
        with pytest.raises(ccxt.ExchangeNotAvailable):
            trader.ccxt.fetch_positions()
        with pytest.raises(ccxt.RateLimitExceeded, match="429"):
            for _ in range(1200 // 20 + 1):
                trader.ccxt.fetch_open_orders()
        trader.ccxt.close()


# ---- accounts ------------------------------------------------------------------------------------------------


def test_leverage_and_margin_mode(trader: Trader) -> None:
    trader.ccxt.set_leverage(7, ETH)
    trader.buy(0.1, ETH)
    assert trader.ccxt.fetch_position(ETH)["leverage"] == 7
    with pytest.raises(ccxt.ExchangeError, match="Cannot switch leverage type with open position."):
        trader.ccxt.set_margin_mode("isolated", ETH, {"leverage": 5})
    with pytest.raises(ccxt.ExchangeError, match="Invalid leverage value"):
        trader.ccxt.set_leverage(200, ETH)
    trader.ccxt.set_margin_mode("isolated", BTC, {"leverage": 5})
    trader.buy(0.01)
    isolated = trader.ccxt.fetch_position(BTC)
    assert (isolated["marginMode"], isolated["leverage"]) == ("isolated", 5)
    trader.ccxt.add_margin(BTC, 50)
    more = trader.ccxt.fetch_position(BTC)
    assert more["initialMargin"] == pytest.approx(isolated["initialMargin"] + 50)
    trader.ccxt.reduce_margin(BTC, 40)
    assert trader.ccxt.fetch_position(BTC)["initialMargin"] == pytest.approx(isolated["initialMargin"] + 10)
    with pytest.raises(
        ccxt.ExchangeError, match="Position does not have sufficient margin available for decrease"
    ):
        trader.ccxt.reduce_margin(BTC, 50)


def test_money_moves_between_spot_and_perps_and_out(trader: Trader) -> None:
    trader.ccxt.transfer("USDC", 100, "swap", "spot")
    assert trader.ccxt.fetch_balance({"type": "spot"})["USDC"]["total"] == 100
    assert trader.ccxt.fetch_balance()["USDC"]["total"] == 9900
    trader.ccxt.transfer("USDC", 40, "spot", "swap")
    trader.ccxt.withdraw("USDC", 30, "0x" + "7" * 40)
    assert trader.ccxt.fetch_balance()["USDC"]["total"] == 9910
    (withdrawal,) = trader.ccxt.fetch_withdrawals()
    assert Decimal(withdrawal["info"]["delta"]["usdc"]) + Decimal(withdrawal["info"]["delta"]["fee"]) == 30
    (deposit,) = trader.ccxt.fetch_deposits()
    assert deposit["amount"] == 10_000


def test_sub_accounts_trade_with_the_masters_key_once_there_is_volume(venue: RunningVenue, trader: Trader) -> None:
    with pytest.raises(ccxt.ExchangeError, match=r"Cannot create sub-accounts until enough volume traded."):
        trader.ccxt.create_sub_account("quoter")
    _traded(venue, trader.address, 200_000)
    created = trader.ccxt.create_sub_account("quoter")
    sub = created["response"]["data"]
    trader.ccxt.transfer("USDC", 1000, "main", sub)
    assert trader.ccxt.fetch_balance({"user": sub})["USDC"]["total"] == 1000
    trader.bid(subAccountAddress=sub)
    assert trader.ccxt.fetch_open_orders() == []
    (order,) = trader.ccxt.fetch_open_orders(params={"user": sub})
    assert trader.ccxt.cancel_order(order["id"], BTC, {"subAccountAddress": sub})["status"] == "success"


def test_the_dead_mans_switch_opens_with_volume(venue: RunningVenue, trader: Trader) -> None:
    with pytest.raises(ccxt.ExchangeError, match=r"Required: \$1000000. Traded: \$0"):
        trader.ccxt.cancel_all_orders_after(10_000)
    _traded(venue, trader.address, 1_000_000)
    with pytest.raises(ccxt.ExchangeError, match="Scheduled cancel time too early"):
        trader.ccxt.cancel_all_orders_after(1000)
    assert trader.ccxt.cancel_all_orders_after(60_000)["status"] == "ok"


def test_ccxts_own_builder_and_referral_are_set_up_first_and_show_in_the_fees(venue: RunningVenue) -> None:
    trader = Trader(venue, builder_fee=True)
    trader.buy(0.01)
    assert trader.ccxt.options["approvedBuilderFee"]
    (fill,) = [trade["info"] for trade in trader.ccxt.fetch_my_trades(BTC)]
    ntl = Decimal(fill["px"]) * Decimal(fill["sz"])
    cut = [
        (ntl * rate).quantize(Decimal("0.000001"), "ROUND_DOWN")
        for rate in (Decimal("0.000432"), Decimal("0.0001"))
    ]
    assert Decimal(fill["builderFee"]) == cut[1]
    assert Decimal(fill["fee"]) == sum(cut), "a referred taker pays 4 % less; the builder's part stands in `fee`"
    trader.ccxt.close()


def test_an_hour_of_funding_is_paid_on_the_position() -> None:
    with RunningVenue(limits=False) as venue:
        trader = Trader(venue)
        trader.buy(0.01)
        assert trader.ccxt.fetch_funding_history(BTC, 0) == []
        before_ms = trader.ccxt.fetch_time()
        venue.do(lambda server: server.faults.start(server.fault_ms(), kinds.ClockSkew(ms=HOUR_MS)))
        wait_until(lambda: trader.ccxt.fetch_funding_history(BTC, 0) != [])
        (payment,) = trader.ccxt.fetch_funding_history(BTC, 0)
        assert payment["symbol"] == BTC
        assert payment["timestamp"] > before_ms
        delta = payment["info"]["delta"]
        assert Decimal(delta["szi"]) == Decimal("0.01")
        assert (payment["amount"] < 0) == (payment["rate"] > 0), "longs pay a positive rate"
        trader.ccxt.close()


def cut(usd: Decimal) -> Decimal:
    """Money has six decimals; what is more is cut off."""
    return usd.quantize(Decimal("0.000001"), "ROUND_DOWN")


def _give(world: World, address: str, dex: str, usd: int) -> None:
    account = world.accounts.get(address)
    assert account is not None
    world.move(account, dex, usd * MICRO, "deposit")
    world.deposited += usd * MICRO


def _traded(venue: RunningVenue, address: str, usd: int) -> None:
    """Let an account have traded so much."""

    def change(server: Any) -> None:
        account = meet(server.world, address)
        assert account is not None
        account.cum_ntl = usd * MICRO

    venue.do(change)
