"""The official SDK's `Info` class, unmodified, against the bundled venue over real sockets."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError
from hyperliquid.utils.types import Cloid

from services.venue.exchange import funding
from tests.fixtures.venue_sdk import GTC, Trader, resting_oid, stop_loss
from tests.fixtures.venue_server import WAIT_S, RunningVenue
from tests.fixtures.venue_shapes import SHAPES, check

ADDRESS = "0xAbCdEf0000000000000000000000000000000001"
CLOID = Cloid.from_int(0x1D)
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False, oi_caps={"xyz:GOLD": 1_000_000_000}) as running:
        yield running


@pytest.fixture(scope="module")
def info(venue: RunningVenue) -> Info:
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


def test_candles_have_the_venues_keys_and_order(info: Info, venue: RunningVenue) -> None:
    candles = info.candles_snapshot("BTC", "1m", 0, 2**53)
    assert candles
    assert set(candles[0]) == {"t", "T", "s", "i", "o", "c", "h", "l", "v", "n"}
    for candle in candles:
        assert candle["T"] == candle["t"] + 59_999
        assert float(candle["l"]) <= min(float(candle["o"]), float(candle["c"]))
        assert float(candle["h"]) >= max(float(candle["o"]), float(candle["c"]))
    (hours,) = info.candles_snapshot("BTC", "1w", 0, 2**53)
    assert hours["n"] >= candles[-1]["n"]


def test_an_address_seen_for_the_first_time_is_funded(info: Info) -> None:
    assert info.user_role(ADDRESS) == {"role": "missing"}
    state = info.user_state(ADDRESS)
    assert state["marginSummary"]["accountValue"] == "10000.0"
    assert state["assetPositions"] == []
    assert info.spot_user_state(ADDRESS) == {"balances": []}
    assert info.open_orders(ADDRESS) == []
    assert info.user_role(ADDRESS) == {"role": "user"}
    fees = info.user_fees(ADDRESS)
    assert (fees["userCrossRate"], fees["userAddRate"]) == ("0.00045", "0.00015")


def test_without_funds_an_unknown_address_has_an_empty_account() -> None:
    with RunningVenue(fund=0) as venue:
        info = Info(venue.url, skip_ws=True, timeout=WAIT_S)
        assert info.user_state(ADDRESS)["marginSummary"]["accountValue"] == "0.0"
        assert info.user_role(ADDRESS) == {"role": "missing"}


def test_the_list_of_dexs_begins_with_null(info: Info) -> None:
    first, second = info.perp_dexs()
    assert first is None
    assert second["name"] == "xyz"


def test_the_sdk_numbers_the_coins_of_all_dexs(venue: RunningVenue) -> None:
    info = Info(venue.url, skip_ws=True, perp_dexs=["", "xyz"], timeout=WAIT_S)
    first, second = info.meta(), info.meta("xyz")
    expected = {coin["name"]: at for at, coin in enumerate(first["universe"])}
    expected |= {coin["name"]: 110_000 + at for at, coin in enumerate(second["universe"])}
    assert info.coin_to_asset == expected
    assert set(info.all_mids("xyz")) == {coin["name"] for coin in second["universe"]}
    assert set(info.all_mids()) == {coin["name"] for coin in first["universe"]}
    book = info.l2_snapshot("xyz:TSLA")
    assert (book["coin"], len(book["levels"])) == ("xyz:TSLA", 2)


# ---- accounts ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lived(venue: RunningVenue) -> Trader:
    """Somebody who has done a little of everything."""
    trader = Trader(venue)
    trader.take("BTC", 500, cloid=CLOID)
    assert trader.exchange.update_leverage(5, "SOL", False)["status"] == "ok"
    trader.take("SOL", 200, is_buy=False)
    trader.rest("ETH", -0.3)
    trader.rest("ETH", 0.3)
    stop, sz = trader.px("BTC", -0.2), trader.sz("BTC", 100)
    trader.exchange.order("BTC", False, sz, stop, stop_loss(stop), reduce_only=True)
    trader.exchange.usd_class_transfer(5.0, False)
    trader.exchange.approve_agent("bot")
    trader.exchange.set_referrer("FRIEND")
    trader.count_as_traded(100_000)
    trader.exchange.create_sub_account("second")
    venue.do(lambda server: funding.settle(server.world))
    return trader


def of_user(trader: Trader) -> tuple[Any, ...]:
    return (trader.wallet.address,)


def since_ever(trader: Trader) -> tuple[Any, ...]:
    return (trader.wallet.address, 0)


ASKED: dict[str, tuple[str, Any]] = {
    "user_state": ("clearinghouseState", of_user),
    "spot_user_state": ("spotClearinghouseState", of_user),
    "open_orders": ("openOrders", of_user),
    "frontend_open_orders": ("frontendOpenOrders", of_user),
    "user_fills": ("userFills", of_user),
    "user_fills_by_time": ("userFillsByTime", since_ever),
    "user_funding_history": ("userFunding", since_ever),
    "user_non_funding_ledger_updates": ("userNonFundingLedgerUpdates", since_ever),
    "user_fees": ("userFees", of_user),
    "user_role": ("userRole", of_user),
    "user_rate_limit": ("userRateLimit", of_user),
    "extra_agents": ("extraAgents", of_user),
    "query_sub_accounts": ("subAccounts", of_user),
    "query_referral_state": ("referral", of_user),
    "query_user_abstraction_state": ("userAbstraction", of_user),
    "query_user_dex_abstraction_state": ("userDexAbstraction", of_user),
    "query_user_to_multi_sig_signers": ("userToMultiSigSigners", of_user),
    "query_order_by_oid": ("orderStatus", lambda trader: (trader.address, trader.oids()[0])),
    "query_order_by_cloid": ("orderStatus", lambda trader: (trader.address, CLOID)),
    "historical_orders": ("historicalOrders", of_user),
    "portfolio": ("portfolio", of_user),
    "user_staking_summary": ("delegatorSummary", of_user),
    "user_staking_delegations": ("delegations", of_user),
    "user_staking_rewards": ("delegatorRewards", of_user),
    "delegator_history": ("delegatorHistory", of_user),
    "user_twap_slice_fills": ("userTwapSliceFills", of_user),
    "user_vault_equities": ("userVaultEquities", of_user),
    "meta": ("meta", lambda trader: ()),
    "meta_and_asset_ctxs": ("metaAndAssetCtxs", lambda trader: ()),
    "perp_dexs": ("perpDexs", lambda trader: ()),
    "spot_meta": ("spotMeta", lambda trader: ()),
    "spot_meta_and_asset_ctxs": ("spotMetaAndAssetCtxs", lambda trader: ()),
}
"""Methods of `Info`: the shape of the answer, and what is asked."""
OF_THE_MARKET = {"all_mids", "l2_snapshot", "candles_snapshot", "funding_history"}
OF_DEPLOYERS = {"query_perp_deploy_auction_status", "query_spot_deploy_auction_status"}
NOT_QUESTIONS = {"post", "set_perp_meta", "disconnect_websocket", "subscribe", "unsubscribe", "name_to_asset"}


@pytest.mark.parametrize("method", ASKED)
def test_every_field_of_every_answer(lived: Trader, method: str) -> None:
    shape, arguments = ASKED[method]
    check(SHAPES[shape], getattr(lived.info, method)(*arguments(lived)), method)


def test_no_method_of_the_class_is_forgotten() -> None:
    methods = {name for name, _ in inspect.getmembers(Info, inspect.isfunction) if not name.startswith("_")}
    assert methods == set(ASKED) | OF_THE_MARKET | OF_DEPLOYERS | NOT_QUESTIONS


def test_nothing_is_deployed_here(lived: Trader) -> None:
    for ask in (
        lived.info.query_perp_deploy_auction_status,
        lambda: lived.info.query_spot_deploy_auction_status(lived.address),
    ):
        with pytest.raises(ClientError) as caught:
            ask()
        assert caught.value.status_code == 422


def test_an_account_is_told_in_lower_case(lived: Trader) -> None:
    assert lived.wallet.address != lived.address
    (sub,) = lived.info.query_sub_accounts(lived.wallet.address)
    assert sub["master"] == lived.address
    (agent,) = lived.info.extra_agents(lived.wallet.address)
    assert agent["address"] == agent["address"].lower()


def test_identities_of_margin(lived: Trader, venue: RunningVenue) -> None:
    """Account value is cash and positions at mark; the margin of a cross position its value by its leverage."""
    state = lived.info.user_state(lived.address)
    total, positions = state["marginSummary"], [item["position"] for item in state["assetPositions"]]
    signed = sum(float(item["positionValue"]) * (1 if float(item["szi"]) > 0 else -1) for item in positions)
    assert float(total["accountValue"]) == pytest.approx(float(total["totalRawUsd"]) + signed, abs=1e-5)
    assert float(total["totalNtlPos"]) == pytest.approx(sum(float(item["positionValue"]) for item in positions))
    assert float(total["totalMarginUsed"]) == pytest.approx(sum(float(item["marginUsed"]) for item in positions))
    long = next(item for item in positions if item["coin"] == "BTC")
    assert float(long["marginUsed"]) == pytest.approx(float(long["positionValue"]) / 20, abs=1e-5)
    short = next(item for item in positions if item["coin"] == "SOL")
    assert float(short["szi"]) < 0 < float(short["positionValue"])


def test_order_status_keeps_the_size_of_its_opening(venue: RunningVenue) -> None:
    """A maker's order that the market eats into is still as large in its record as when it was opened."""
    trader = Trader(venue)
    trader.deposit(10_000_000)
    asked = trader.sz("NIL", 4_500_000)
    with venue.still():
        oid = resting_oid(trader.exchange.order("NIL", True, asked, trader.px("NIL", 0.003), GTC))
        (opened,) = trader.info.open_orders(trader.address)
        Trader(venue).exchange.market_open("NIL", False, trader.sz("NIL", 1000))
        (live,) = trader.info.open_orders(trader.address)
        record = trader.info.query_order_by_oid(trader.address, oid)["order"]
    assert record["status"] == "open"
    assert float(live["sz"]) < asked == float(live["origSz"]) == float(record["order"]["origSz"])
    assert float(record["order"]["sz"]) > float(opened["sz"]) > float(live["sz"])


def test_unknown_orders(lived: Trader) -> None:
    unknown = {"status": "unknownOid"}
    assert lived.info.query_order_by_oid(lived.address, 10**12) == unknown
    assert lived.info.query_order_by_cloid(lived.address, Cloid.from_int(0xDEAD)) == unknown
    assert lived.info.query_order_by_oid(ADDRESS, lived.oids()[0]) == unknown


def test_fills_are_newest_first_and_by_time_oldest_first(lived: Trader) -> None:
    newest_first = lived.info.user_fills(lived.address)
    oldest_first = lived.info.user_fills_by_time(lived.address, 0)
    assert oldest_first == newest_first[::-1]
    assert {fill["coin"] for fill in newest_first} == {"BTC", "SOL"}
    first, last = oldest_first[0]["time"], oldest_first[-1]["time"]
    assert lived.info.user_fills_by_time(lived.address, first, last) == oldest_first
    assert lived.info.user_fills_by_time(lived.address, last + 1) == []
    assert lived.info.user_fills_by_time(lived.address, 0, first - 1) == []


def test_aggregated_fills_of_an_order_are_one(venue: RunningVenue) -> None:
    trader = Trader(venue)
    trader.deposit(10_000_000)
    filled = trader.take("LINK", 1_000_000)
    parts = trader.info.user_fills_by_time(trader.address, 0)
    (whole,) = trader.info.user_fills_by_time(trader.address, 0, aggregate_by_time=True)
    assert len(parts) > 1
    assert float(whole["sz"]) == pytest.approx(sum(float(part["sz"]) for part in parts))
    assert float(whole["sz"]) == float(filled["totalSz"])
    for shared in ("oid", "hash", "time"):
        assert len({part[shared] for part in parts} | {whole[shared]}) == 1
    assert len({part["tid"] for part in parts}) == len(parts)
    assert float(whole["fee"]) == pytest.approx(sum(float(part["fee"]) for part in parts))


def test_positions_follow_from_fills(lived: Trader) -> None:
    """As the reference advises: from start position, side and size."""
    held: dict[str, float] = {}
    for fill in lived.info.user_fills_by_time(lived.address, 0):
        assert float(fill["startPosition"]) == pytest.approx(held.get(fill["coin"], 0.0))
        sign = 1 if fill["side"] == "B" else -1
        held[fill["coin"]] = float(fill["startPosition"]) + sign * float(fill["sz"])
    assert held == pytest.approx({coin: lived.held(coin) for coin in held})


def test_funding_is_paid_on_the_oracle_price(lived: Trader, venue: RunningVenue) -> None:
    paid = {item["delta"]["coin"]: item["delta"] for item in lived.info.user_funding_history(lived.address, 0)}
    assert set(paid) == {"BTC", "SOL"}
    for coin, delta in paid.items():
        oracle_px = venue.do(lambda server, coin=coin: server.state.coins[coin].ctx.oraclePx)  # type: ignore[misc]
        expected = -float(delta["szi"]) * float(oracle_px) * float(delta["fundingRate"])
        assert float(delta["usdc"]) == pytest.approx(expected, rel=0.02, abs=2e-6)


def test_the_budget_grows_with_volume_and_shrinks_with_actions(venue: RunningVenue) -> None:
    trader = Trader(venue)
    trader.exists()
    fresh = {"cumVlm": "0.0", "nRequestsUsed": 0, "nRequestsCap": 10_000, "nRequestsSurplus": 0}
    assert trader.info.user_rate_limit(trader.address) == fresh
    filled = trader.take("ETH", 1000)
    order = {"coin": "ETH", "is_buy": True, "sz": 0.1, "limit_px": 1500, "order_type": GTC, "reduce_only": False}
    trader.exchange.bulk_orders([{**order} for _ in range(5)])
    used = trader.info.user_rate_limit(trader.address)
    ntl = float(filled["totalSz"]) * float(filled["avgPx"])
    assert float(used["cumVlm"]) == pytest.approx(ntl, rel=1e-3)
    assert used["nRequestsCap"] == 10_000 + int(float(used["cumVlm"]))
    assert used["nRequestsUsed"] == 6


def test_fees_follow_the_traded_volume_by_day(lived: Trader) -> None:
    today = lived.info.user_fees(lived.address)["dailyUserVlm"][-1]
    ntl = sum(float(fill["px"]) * float(fill["sz"]) for fill in lived.info.user_fills(lived.address))
    assert float(today["userCross"]) == pytest.approx(ntl)
    assert float(today["userAdd"]) == 0


def test_portfolio_has_the_present_value(lived: Trader) -> None:
    periods = dict(lived.info.portfolio(lived.address))
    _, value = periods["day"]["accountValueHistory"][-1]
    assert float(value) == pytest.approx(lived.value() + lived.spot(), abs=5)


# ---- errors --------------------------------------------------------------------------------------------------


def test_a_request_the_venue_does_not_know_is_422_in_plain_text(info: Info) -> None:
    with pytest.raises(ClientError) as caught:
        info.post("/info", {"type": "noSuchThing"})
    assert caught.value.status_code == 422
    assert caught.value.error_message == "Failed to deserialize the JSON body into the target type"


def test_too_much_weight_is_429_with_null() -> None:
    with RunningVenue() as venue:
        info = Info(venue.url, skip_ws=True, timeout=WAIT_S)
        with pytest.raises(ClientError) as caught:
            for _ in range(61):
                info.meta()
        assert caught.value.status_code == 429
        assert caught.value.error_message == "null"
