"""Every error text of the venue that a client can provoke, through the official SDK: one case, one way.

Those about keys, nonces and expiry are in `test_venue_sdk_signers`, those about agents' rights and sub-accounts in
`test_venue_sdk_accounts`.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hyperliquid.exchange import Exchange
from hyperliquid.utils.error import ClientError, ServerError
from hyperliquid.utils.types import Cloid

from services.venue.api.server import VenueServer
from services.venue.exchange.listing import MICRO
from services.venue.faults.kinds import Fault, Halt, Http5xx, Http429, PostOnly, Reject
from shared.clock import utc_day
from tests.fixtures.venue_sdk import (
    ALO,
    DONE,
    GTC,
    IOC,
    Trader,
    refused,
    status_of,
    statuses_of,
    stop_loss,
    take_profit,
)
from tests.fixtures.venue_server import RunningVenue

NOBODY = "0x" + "ee" * 20
MARKET: Any = {"limit": {"tif": "FrontendMarket"}}
NEVER_PLACED = "Order was never placed, already canceled, or filled."
UNUSED_OID = 10**12
Ask = Callable[[Trader], Any]


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue) -> Trader:
    return Trader(venue)


@pytest.fixture
def disturb(venue: RunningVenue) -> Iterator[Callable[[Fault], None]]:
    """Starts a fault that ends with the test."""

    def start(fault: Fault) -> None:
        venue.do(lambda server: server.faults.start(server.fault_ms(), fault))

    yield start
    venue.do(lambda server: server.faults.end_all(server.fault_ms()))


def buy(trader: Trader, usd: float = 100, share: float = -0.3, tif: Any = GTC, coin: str = "ETH") -> Any:
    return trader.exchange.order(coin, True, trader.sz(coin, usd), trader.px(coin, share), tif)


def sell_reducing(trader: Trader, tif: Any = GTC) -> Any:
    return trader.exchange.order("ETH", False, trader.sz("ETH", 100), trader.px("ETH", 0.3), tif, reduce_only=True)


# ---- orders --------------------------------------------------------------------------------------------------


def off_the_tick(trader: Trader) -> Any:
    return trader.exchange.order("ETH", True, 0.1, int(trader.mid("ETH") * 0.7) + 0.55, GTC)


def stop_above_the_market(trader: Trader) -> Any:
    trader.take()
    return sell_reducing(trader, stop_loss(trader.px("ETH", 0.1)))


def profit_below_the_market(trader: Trader) -> Any:
    trader.take()
    return sell_reducing(trader, take_profit(trader.px("ETH", -0.1)))


def reduce_on_the_wrong_side(trader: Trader) -> Any:
    trader.take(is_buy=False)
    return sell_reducing(trader)


def part_of_a_position_below_the_minimum(trader: Trader) -> Any:
    trader.take(usd=100)
    return trader.exchange.market_close("ETH", 0.001)


def over_the_first_tier(trader: Trader) -> Any:
    trader.deposit(10_000_000)
    assert trader.exchange.update_leverage(10, "XPL") == DONE
    return buy(trader, 3_500_000, coin="XPL")


ORDER_ERRORS: dict[str, tuple[str, Ask]] = {
    "tick": ("Price must be divisible by tick size.", off_the_tick),
    "minimum": ("Order must have minimum value of $10.", lambda t: buy(t, 5)),
    "minimum of a close": ("Order must have minimum value of $10.", part_of_a_position_below_the_minimum),
    "margin": ("Insufficient margin to place order.", lambda t: buy(t, 1_000_000)),
    "margin of a taker": ("Insufficient margin to place order.", lambda t: buy(t, 1_000_000, 0.01, IOC)),
    "reduce only, flat": ("Reduce only order would increase position.", sell_reducing),
    "reduce only, same side": ("Reduce only order would increase position.", reduce_on_the_wrong_side),
    "ioc": ("Order could not immediately match against any resting orders.", lambda t: buy(t, tif=IOC)),
    "market": ("No liquidity available for market order.", lambda t: buy(t, tif=MARKET)),
    "stop": ("Invalid TP/SL price.", stop_above_the_market),
    "take profit": ("Invalid TP/SL price.", profit_below_the_market),
    "oracle": ("Price too far from oracle", lambda t: buy(t, share=0.3)),
    "tier": (
        "Order would cause position to exceed margin tier limit at current leverage", over_the_first_tier
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ORDER_ERRORS)
def test_an_order_is_refused_with_its_asset(trader: Trader, case: str) -> None:
    text, ask = ORDER_ERRORS[case]
    asset = 24 if case == "tier" else 2
    assert status_of(ask(trader)) == {"error": f"{text} asset={asset}"}
    assert trader.oids() == []


def test_post_only_names_the_best_prices(trader: Trader) -> None:
    error = status_of(buy(trader, share=0.01, tif=ALO))["error"]
    found = re.fullmatch(
        r"Post only order would have immediately matched, bbo was ([\d.]+)@([\d.]+)\. asset=2", error
    )
    assert found is not None, error
    bid, ask = map(Decimal, found.groups())
    assert bid < ask
    assert abs(float(ask) / trader.mid("ETH") - 1) < 0.01


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("tick", "tickRejected"),
        ("minimum", "minTradeNtlRejected"),
        ("margin", "perpMarginRejected"),
        ("reduce only, flat", "reduceOnlyRejected"),
        ("ioc", "iocCancelRejected"),
        ("market", "marketOrderNoLiquidityRejected"),
        ("stop", "badTriggerPxRejected"),
        ("oracle", "oracleRejected"),
        ("tier", "perpMaxPositionRejected"),
    ],
)
def test_a_refused_order_has_a_number_and_a_status(trader: Trader, case: str, status: str) -> None:
    ORDER_ERRORS[case][1](trader)
    newest, *_ = trader.info.historical_orders(trader.address)
    assert newest["status"] == status
    assert trader.info.query_order_by_oid(trader.address, newest["order"]["oid"])["order"] == newest


def test_cancels_of_nothing(trader: Trader) -> None:
    error = {"error": f"{NEVER_PLACED} asset=2"}
    assert status_of(trader.exchange.cancel("ETH", UNUSED_OID)) == error
    assert status_of(trader.exchange.cancel_by_cloid("ETH", Cloid.from_int(9))) == error


def test_modifies_of_nothing(trader: Trader) -> None:
    error = {"error": "Cannot modify canceled or filled order asset=2"}
    for key in (UNUSED_OID, Cloid.from_int(9)):
        assert status_of(trader.exchange.modify_order(key, "ETH", True, 0.1, 1500, GTC)) == error


# ---- found before any order of a batch has its turn ----------------------------------------------------------

GOOD: dict[str, Any] = {
    "coin": "ETH", "is_buy": True, "sz": 0.1, "limit_px": 1500.0, "order_type": GTC, "reduce_only": False
}  # fmt: skip


def batch(grouping: Any = "na", **changed: Any) -> Ask:
    """Two orders, one of them good."""
    return lambda trader: trader.exchange.bulk_orders([{**GOOD}, {**GOOD, **changed}], grouping=grouping)


def single(grouping: Any) -> Ask:
    return lambda trader: trader.exchange.bulk_orders([{**GOOD}], grouping=grouping)


BATCH_ERRORS: dict[str, tuple[str, Ask]] = {
    "no orders": ("Orders are empty.", lambda t: t.exchange.bulk_orders([])),
    "no modifies": ("Orders are empty.", lambda t: t.exchange.bulk_modify_orders_new([])),
    "price": ("Order has invalid price.", batch(limit_px=0)),
    "size": ("Order has invalid size.", batch(sz=0.12345)),
    "negative price": ("Order has invalid price.", batch(limit_px=-1500.0)),
    "negative size": ("Order has invalid size.", batch(sz=-0.1)),
    "zero": ("Order has zero size.", batch(sz=0)),
    "band below": ("Order price cannot be more than 95% away from the reference price", batch(limit_px=1.0)),
    "band above": ("Order price cannot be more than 95% away from the reference price", batch(limit_px=10_000)),
    "limit order value": ("Order value too large. Max is $300000000.", batch(sz=250_000)),
    "market order value": ("Order value too large. Max is $30000000.", batch(sz=25_000, order_type=MARKET)),
    "value by leverage": (
        "Order value too large. Max is $5000000.", batch(coin="LIT", limit_px=1, sz=6_000_000)
    ),
    "child not reducing": (
        "Trigger order is not reduce only.", batch("normalTpsl", is_buy=False, order_type=stop_loss(1400.0))
    ),
    "group without triggers": ("Unexpected number of trigger orders", batch("normalTpsl")),
    "group of one": ("Unexpected number of trigger orders", single("normalTpsl")),
    "position group without triggers": ("Unexpected number of trigger orders", single("positionTpsl")),
}  # fmt: skip


@pytest.mark.parametrize("case", BATCH_ERRORS)
def test_one_error_without_an_asset_stands_for_the_whole_batch(trader: Trader, case: str) -> None:
    text, ask = BATCH_ERRORS[case]
    assert statuses_of(ask(trader)) == [{"error": text}]
    assert trader.info.historical_orders(trader.address) == []


# ---- leverage, margin, money ---------------------------------------------------------------------------------

LITTLE_ISOLATED = (
    "Isolated position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, add margin to the position."
)


def holding(usd: float, leverage: int, *, is_cross: bool, then: Ask) -> Ask:
    """After opening a position in ETH."""

    def ask(trader: Trader) -> Any:
        assert trader.exchange.update_leverage(leverage, "ETH", is_cross) == DONE
        trader.take("ETH", usd)
        return then(trader)

    return ask


def leverage_of(coin: str, leverage: int, *, is_cross: bool = True) -> Ask:
    return lambda trader: trader.exchange.update_leverage(leverage, coin, is_cross)


def margin_of(usd: float) -> Ask:
    return lambda trader: trader.exchange.update_isolated_margin(usd, "ETH")


ACCOUNT_ERRORS: dict[str, tuple[str, Ask]] = {
    "leverage 0": ("Invalid leverage value", leverage_of("ETH", 0)),
    "leverage over the highest": ("Invalid leverage value", leverage_of("ETH", 26)),
    "negative leverage": ("Invalid leverage value", leverage_of("ETH", -1)),
    "switch to isolated": (
        "Cannot switch leverage type with open position.",
        holding(100, 5, is_cross=True, then=leverage_of("ETH", 5, is_cross=False)),
    ),
    "switch to cross": (
        "Cannot switch leverage type with open position.",
        holding(100, 5, is_cross=False, then=leverage_of("ETH", 5)),
    ),
    "lower an isolated leverage": (
        LITTLE_ISOLATED, holding(5_000, 20, is_cross=False, then=leverage_of("ETH", 2, is_cross=False))
    ),
    "lower a cross leverage": (
        "Cross position does not have sufficient margin available to decrease leverage.",
        holding(50_000, 20, is_cross=True, then=leverage_of("ETH", 2)),
    ),
    "cross where there is none": ("Cross margin is not allowed for this asset.", leverage_of("xyz:TSLA", 3)),
    "cross where all is strict": ("Cross margin is not allowed for this asset.", leverage_of("xyz:GOLD", 3)),
    "margin of no position": ("Position does not use isolated margin.", margin_of(10.0)),
    "margin of a cross position": (
        "Position does not use isolated margin.", holding(100, 5, is_cross=True, then=margin_of(10.0))
    ),
    "more margin than there is": (
        "Account does not have sufficient margin available for increase.",
        holding(100, 5, is_cross=False, then=margin_of(20_000.0)),
    ),
    "withdrawal": (
        "Insufficient balance for withdrawal", lambda t: t.exchange.withdraw_from_bridge(10_001, NOBODY)
    ),
    "sending": ("Insufficient balance for withdrawal", lambda t: t.exchange.usd_transfer(10_001, NOBODY)),
    "to spot": ("Insufficient balance for withdrawal", lambda t: t.exchange.usd_class_transfer(10_001.0, False)),
    "from spot": (
        "Insufficient balance for token transfer", lambda t: t.exchange.usd_class_transfer(1.0, True)
    ),
    "spot to spot": (
        "Insufficient balance for token transfer", lambda t: t.exchange.spot_transfer(1, NOBODY, "USDC:0x1")
    ),
    "another token": (
        "Insufficient balance for token transfer", lambda t: t.exchange.spot_transfer(1, NOBODY, "HYPE:0x1")
    ),
    "from another dex": (
        "Insufficient balance for withdrawal", lambda t: t.exchange.send_asset(NOBODY, "xyz", "", "USDC", 1.0)
    ),
    "no such sub-account": (
        f"Vault not registered: {NOBODY}", lambda t: t.exchange.sub_account_transfer(NOBODY, True, 1)
    ),
    "agent of yesterday": (
        "Agent valid_until already expired.", lambda t: t.exchange.approve_agent("desk valid_until 1000")[0]
    ),
    "builder": (
        "Builder fee has not been approved.",
        lambda t: t.exchange.order("ETH", True, 0.1, 1500, GTC, builder={"b": NOBODY, "f": 1}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCOUNT_ERRORS)
def test_a_request_about_the_account_is_refused_as_a_whole(trader: Trader, case: str) -> None:
    text, ask = ACCOUNT_ERRORS[case]
    assert refused(ask(trader)) == text


def test_a_key_is_an_agent_once(trader: Trader, venue: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperliquid.exchange.secrets.token_hex", lambda size: "5a" * size)
    assert trader.exchange.approve_agent("desk")[0] == DONE
    text = "Extra agent already used."
    assert refused(trader.exchange.approve_agent("desk")[0]) == text
    assert refused(Trader(venue).exchange.approve_agent()[0]) == text


def test_three_named_agents_and_no_more(trader: Trader) -> None:
    for name in ("one", "two", "three", None):
        assert trader.exchange.approve_agent(name)[0] == DONE
    text = "Too many extra agents for cumulative volume traded. Current limit is 3"
    assert refused(trader.exchange.approve_agent("four")[0]) == text
    assert trader.exchange.approve_agent("two")[0] == DONE


# ---- the dead man's switch -----------------------------------------------------------------------------------


def test_scheduled_cancels_lie_five_seconds_ahead(venue: RunningVenue, trader: Trader) -> None:
    trader.count_as_traded(1_000_000)
    text = "Scheduled cancel time too early, must be at least 5 seconds from now."
    assert refused(trader.exchange.schedule_cancel(now_ms(venue) + 4_000)) == text
    assert trader.exchange.schedule_cancel(now_ms(venue) + 20_000) == DONE


def test_ten_scheduled_cancels_a_day(venue: RunningVenue, trader: Trader) -> None:
    trader.count_as_traded(1_000_000)

    def use_up(server: VenueServer) -> None:
        trader.account(server).scheduled_today = utc_day(server.world.now_ms).isoformat(), 10

    venue.do(use_up)
    text = refused(trader.exchange.schedule_cancel(now_ms(venue) + 60_000))
    assert text.startswith("Too many scheduled cancels triggered for the day. Limit is 10")
    assert trader.exchange.schedule_cancel(None) == DONE


def now_ms(venue: RunningVenue) -> int:
    return venue.do(lambda server: server.world.now_ms)


# ---- open interest -------------------------------------------------------------------------------------------

CAPPED = "Order would increase open interest while open interest is capped asset=4"
AGGRESSIVE = "Order rejected due to price more aggressive than oracle while at open interest cap asset=4"


@pytest.fixture
def capped(venue: RunningVenue) -> Iterator[Callable[[], None]]:
    """Puts SOL at its open-interest cap until the end of the test."""

    def cap(ntl: int | None) -> None:
        def put(server: VenueServer) -> None:
            server.world.listings["SOL"].oi_cap_ntl = ntl

        venue.do(put)

    yield lambda: cap(MICRO)
    cap(None)


def test_nothing_opens_at_the_open_interest_cap(trader: Trader, capped: Callable[[], None]) -> None:
    capped()
    assert trader.info.post("/info", {"type": "perpsAtOpenInterestCap"}) == ["SOL"]
    assert status_of(buy(trader, share=-0.1, coin="SOL")) == {"error": CAPPED}
    assert status_of(buy(trader, share=0.05, coin="SOL", tif=IOC)) == {"error": AGGRESSIVE}
    statuses = [known["status"] for known in trader.info.historical_orders(trader.address)]
    assert statuses == ["tooAggressiveAtOpenInterestCapRejected", "positionIncreaseAtOpenInterestCapRejected"]


def test_a_position_closes_at_the_cap_but_does_not_flip(trader: Trader, capped: Callable[[], None]) -> None:
    trader.take("SOL", 100, is_buy=False)
    capped()
    assert status_of(buy(trader, 300, -0.1, coin="SOL")) == {"error": CAPPED}
    newest, *_ = trader.info.historical_orders(trader.address)
    assert newest["status"] == "positionFlipAtOpenInterestCapRejected"
    assert "filled" in status_of(trader.exchange.market_close("SOL"))


# ---- the venue's own state -----------------------------------------------------------------------------------


def test_after_an_upgrade_only_post_only_orders(trader: Trader, disturb: Callable[[Fault], None]) -> None:
    disturb(PostOnly())
    text = "Only post-only orders allowed immediately after network upgrade asset=2"
    for tif in (GTC, IOC):
        assert status_of(buy(trader, tif=tif)) == {"error": text}
    oid = trader.rest(tif=ALO)
    assert status_of(trader.exchange.cancel("ETH", oid)) == "success"


def test_a_halted_coin_takes_cancels_only(trader: Trader, disturb: Callable[[Fault], None]) -> None:
    oid = trader.rest()
    disturb(Halt(coin="ETH"))
    assert status_of(buy(trader, tif=ALO)) == {"error": "Trading is halted. asset=2"}
    assert status_of(trader.exchange.cancel("ETH", oid)) == "success"
    trader.rest("SOL")


def test_a_burst_of_rejects_has_the_text_that_was_asked_for(
    trader: Trader, disturb: Callable[[Fault], None]
) -> None:
    disturb(Reject(user=trader.address, text="Unexpected error (code=7)", count=1))
    assert status_of(buy(trader)) == {"error": "Unexpected error (code=7) asset=2"}
    trader.rest()


def test_server_errors_raise(trader: Trader, disturb: Callable[[Fault], None]) -> None:
    px = trader.px("ETH", -0.3)
    disturb(Http5xx(path="/exchange", status=503, count=1))
    with pytest.raises(ServerError) as raised:
        trader.exchange.order("ETH", True, 0.1, px, GTC)
    assert raised.value.status_code == 503
    assert trader.info.historical_orders(trader.address) == []


def test_too_many_requests_raise_with_null(trader: Trader, disturb: Callable[[Fault], None]) -> None:
    disturb(Http429(path="/exchange", count=1))
    with pytest.raises(ClientError) as raised:
        trader.exchange.cancel("ETH", 1)
    assert (raised.value.status_code, raised.value.error_message) == (429, "null")


# ---- limits --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict() -> Iterator[RunningVenue]:
    """Limits of an address, not those of an IP."""
    with RunningVenue(open_orders_base=3) as running:
        running.do(lambda server: setattr(server.limits.switches["weight"], "on", False))
        yield running


def test_an_action_has_at_most_200_cancels(strict: RunningVenue) -> None:
    trader = Trader(strict)
    asked: Any = [{"coin": "ETH", "oid": oid} for oid in range(10**12, 10**12 + 201)]
    assert refused(trader.exchange.bulk_cancel(asked)) == "Signed action over weight limit of 200."
    assert trader.info.user_rate_limit(trader.address)["nRequestsUsed"] == 0
    assert len(statuses_of(trader.exchange.bulk_cancel(asked[:200]))) == 200
    assert trader.info.user_rate_limit(trader.address)["nRequestsUsed"] == 200


def test_beyond_the_budget_of_an_address(strict: RunningVenue) -> None:
    """One request gets through, and then none for ten seconds; cancels have room for longer."""
    trader = Trader(strict)
    trader.exists()
    strict.do(lambda server: setattr(trader.account(server), "requests_used", 9_999))
    oid = trader.rest(tif=ALO)
    text = (
        "Too many cumulative requests sent (10001 > 9999) for cumulative volume traded $0.0. "
        "Place taker orders to free up 1 request per USDC traded."
    )
    assert refused(buy(trader, tif=ALO)) == text
    assert refused(trader.exchange.update_leverage(3, "ETH")) == text
    assert status_of(trader.exchange.cancel("ETH", oid)) == "success"
    assert trader.info.user_rate_limit(trader.address)["nRequestsUsed"] == 10_001


def test_open_orders_are_limited(strict: RunningVenue) -> None:
    trader = Trader(strict)
    statuses = statuses_of(trader.exchange.bulk_orders([{**GOOD} for _ in range(4)]))
    assert [next(iter(status)) for status in statuses] == ["resting", "resting", "resting", "error"]
    assert statuses[-1] == {"error": "Too many open orders asset=2"}
    newest, *_ = trader.info.historical_orders(trader.address)
    assert newest["status"] == "tooManyOpenOrdersRejected"
    assert "filled" in status_of(buy(trader, share=0.02, tif=IOC))


def test_volume_allows_more_open_orders(strict: RunningVenue) -> None:
    trader = Trader(strict)
    trader.count_as_traded(5_000_000)
    assert len(statuses_of(trader.exchange.bulk_orders([{**GOOD} for _ in range(4)]))) == 4
    assert len(trader.oids()) == 4


def test_the_limit_of_open_orders_may_be_told_for_the_whole_request() -> None:
    with RunningVenue(open_orders_base=1, too_many_orders="error") as venue:
        trader = Trader(venue)
        assert refused(trader.exchange.bulk_orders([{**GOOD}, {**GOOD}])) == "Too many open orders"
        assert trader.oids() == []


def test_with_a_thousand_orders_no_reduce_only_and_no_triggers(trader: Trader) -> None:
    trader.deposit(1_000_000)
    trader.count_as_traded(10 * 5_000_000)
    trader.take()
    trader.exchange.bulk_orders([{**GOOD, "sz": 0.01} for _ in range(1000)])
    error = {"error": "Too many open orders asset=2"}
    assert status_of(sell_reducing(trader)) == error
    assert status_of(sell_reducing(trader, stop_loss(trader.px("ETH", -0.2)))) == error
    trader.rest()


# ---- what the venue does not understand ----------------------------------------------------------------------

MALFORMED = "Failed to deserialize the JSON body into the target type"
PERP: Any = ("xyz", None, "A", 2, "1.5", 10, True, None)
NOT_OFFERED: dict[str, tuple[Any, ...]] = {
    "token_delegate": (NOBODY, 10**9, False),
    "convert_to_multi_sig_user": ([NOBODY], 1),
    "multi_sig": (NOBODY, {"type": "noop"}, [], 1),
    "use_big_blocks": (True,),
    "agent_enable_dex_abstraction": (),
    "user_dex_abstraction": (NOBODY, True),
    "gossip_priority_bid": (1, "192.0.2.1", 100),
    "c_signer_inner": ("jailSelf",),
    "c_signer_jail_self": (),
    "c_signer_unjail_self": (),
    "c_validator_register": ("192.0.2.1", "n", "d", False, 5, NOBODY, True, 1),
    "c_validator_change_profile": (None, None, None, True, None, None, None),
    "c_validator_unregister": (),
    "perp_deploy_register_asset": PERP,
    "perp_deploy_set_oracle": ("xyz", {"b": "2"}, [{"a": "1"}], {}),
    "spot_deploy_register_token": ("A", 2, 8, 1, "A"),
    "spot_deploy_user_genesis": (1, [(NOBODY, "1")], []),
    "spot_deploy_enable_freeze_privilege": (1,),
    "spot_deploy_freeze_user": (1, NOBODY, True),
    "spot_deploy_revoke_freeze_privilege": (1,),
    "spot_deploy_enable_quote_token": (1,),
    "spot_deploy_token_action_inner": ("enableQuoteToken", 1),
    "spot_deploy_genesis": (1, "100", True),
    "spot_deploy_register_spot": (1, 0),
    "spot_deploy_register_hyperliquidity": (1, 1.0, 1.0, 1, None),
    "spot_deploy_set_deployer_trading_fee_share": (1, "100%"),
}
"""What no perp account does: deploying, validating, staking, multi-sig."""
OFFERED = {
    "order", "bulk_orders", "modify_order", "bulk_modify_orders_new", "market_open", "market_close", "cancel",
    "cancel_by_cloid", "bulk_cancel", "bulk_cancel_by_cloid", "schedule_cancel", "update_leverage",
    "update_isolated_margin", "set_referrer", "create_sub_account", "usd_class_transfer", "send_asset",
    "sub_account_transfer", "sub_account_spot_transfer", "vault_usd_transfer", "usd_transfer", "spot_transfer",
    "withdraw_from_bridge", "approve_agent", "approve_builder_fee", "agent_set_abstraction",
    "user_set_abstraction", "noop",
}  # fmt: skip
"""Each of them has tests here and in its neighbours."""


@pytest.mark.parametrize("method", NOT_OFFERED)
def test_an_unknown_action_is_422_in_plain_text(trader: Trader, method: str) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(trader.exchange, method)(*NOT_OFFERED[method])
    assert (raised.value.status_code, raised.value.error_message) == (422, MALFORMED)


def test_an_unknown_tif_is_422_in_plain_text(trader: Trader) -> None:
    with pytest.raises(ClientError) as raised:
        trader.exchange.order("ETH", True, 0.1, 1500, {"limit": {"tif": "Fok"}})
    assert (raised.value.status_code, raised.value.error_message) == (422, MALFORMED)


def test_no_method_of_the_class_is_forgotten() -> None:
    methods = {name for name, _ in inspect.getmembers(Exchange, inspect.isfunction) if not name.startswith("_")}
    assert methods == OFFERED | set(NOT_OFFERED) | {"post", "set_expires_after"}


def test_a_signature_that_cannot_be_one(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    with_signature(trader, monkeypatch, lambda payload: payload["signature"].update(v=99))
    assert refused(trader.exchange.noop(1)) == "Unable to recover signer."


def test_the_two_nonces_of_a_user_signed_action_are_one(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    with_signature(trader, monkeypatch, lambda payload: payload.update(nonce=payload["nonce"] + 1))
    assert refused(trader.exchange.usd_transfer(1, NOBODY)) == "Nonce mismatch."


def with_signature(
    trader: Trader, monkeypatch: pytest.MonkeyPatch, alter: Callable[[dict[str, Any]], None]
) -> None:
    """Alter every request after it was signed."""
    send = trader.exchange.post

    def post(path: str, payload: Any) -> Any:
        alter(payload)
        return send(path, payload)

    monkeypatch.setattr(trader.exchange, "post", post)
