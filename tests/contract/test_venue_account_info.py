"""What /info tells about accounts: every field of every answer, paging, and who has an account at all."""

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.venue.api import answers
from services.venue.api.portfolio import DAY_MS, SAMPLE_MS
from services.venue.exchange import budget
from services.venue.exchange.account import Account, Agent
from services.venue.exchange.facts import Filled, FundingPaid
from services.venue.exchange.listing import MICRO
from services.venue.exchange.transfers import deposit
from services.venue.exchange.world import SPOT, Refused
from shared.hyperliquid.actions import CreateSubAccount, Noop, SetReferrer, UpdateLeverage
from tests.fixtures.venue_exchange import oid_of, order, trigger
from tests.fixtures.venue_shapes import OF_MARKETS_ALONE, SHAPES, check
from tests.fixtures.venue_talk import VenueTalk
from tests.fixtures.venue_world import BTC, GOLD, KPEPE

HOUR_MS = 3_600_000
CLOID = "0x" + "0a" * 16
STRANGER = "0x" + "5c" * 20
BUILDER = "0x" + "b1" * 20
AGENT = "0x" + "a9" * 20


def lived() -> tuple[VenueTalk, Account]:
    """An account that has done a little of everything."""
    talk = VenueTalk()
    stage, world = talk.stage, talk.world
    for coin, mark in ((BTC, "100000"), (KPEPE, "0.01"), (GOLD, "4000")):
        talk.context(coin, mark)
    talk.listing(GOLD).oi_cap_ntl = 10**15
    account = world.accounts.open("0x" + "1" * 40, world.now_ms)
    deposit(world, account, 20_000 * MICRO)
    world.move(account, SPOT, 5 * MICRO, "transfer")
    stage.quote(BTC, -1, "100000", "0.1")
    stage.place(account, order(True, "100000", "0.05", "Ioc", cloid=CLOID))
    stage.exchange.act(account, UpdateLeverage(1, False, 5))
    stage.quote(KPEPE, 1, "0.01", "5000")
    stage.place(account, order(False, "0.01", "5000", "Ioc", asset=1))
    stage.place(account, order(True, "99000", "0.01", cloid="0x" + "0b" * 16))
    stage.place(account, order(False, "101000", "0.01", reduce_only=True))
    stage.place(account, trigger(False, "90000", "0.02", "sl"))
    stage.place(account, trigger(False, "120000", "0.02", "tp", px="119000", is_market=False))
    talk.block(HOUR_MS)
    talk.block()
    world.accounts.approve(account, Agent("bot", AGENT, world.now_ms + DAY_MS))
    account.cum_ntl = 200_000 * MICRO
    stage.exchange.act(account, CreateSubAccount("second"))
    stage.exchange.act(account, SetReferrer("FRIEND"))
    account.builders[BUILDER] = 10
    return talk, account


TALK, ACCOUNT = lived()


@pytest.mark.parametrize("kind", SHAPES)
def test_every_field_of_every_answer(kind: str) -> None:
    fields: dict[str, Any] = {"coin": BTC, "startTime": 0, "builder": BUILDER, "source": ACCOUNT.address}
    fields |= {"id": 56, "oid": CLOID, "dex": "xyz" if kind.startswith("perpDex") else ""}
    check(SHAPES[kind], TALK.ask(kind, ACCOUNT, **fields), kind)


def test_every_request_type_has_its_shape_here() -> None:
    kinds = {request.__struct_config__.tag for request in answers.ANSWERS}
    assert kinds == set(SHAPES) | OF_MARKETS_ALONE


# ---- margin and money ----------------------------------------------------------------------------------------


def test_a_position_is_told_with_its_margin() -> None:
    state = TALK.ask("clearinghouseState", ACCOUNT)
    cross, isolated = (item["position"] for item in state["assetPositions"])
    assert (cross["coin"], cross["szi"], cross["entryPx"], cross["positionValue"]) == (
        BTC,
        "0.05",
        "100000.0",
        "5000.0",
    )
    assert cross["leverage"] == {"type": "cross", "value": 20}
    assert cross["marginUsed"] == "250.0"
    assert (isolated["coin"], isolated["szi"], isolated["leverage"]["type"]) == (KPEPE, "-5000.0", "isolated")
    value, cash = (Decimal(state["marginSummary"][key]) for key in ("accountValue", "totalRawUsd"))
    assert value == cash + 5000 - 50
    numbers = re.findall(r"'(-?\d+\.\d+)'", repr(state["marginSummary"]) + repr(state["crossMarginSummary"]))
    assert len(numbers) == 8
    assert all(len(number.split(".")[1]) <= 6 for number in numbers)


def test_money_in_another_dex_is_told_only_there() -> None:
    talk = VenueTalk()
    account = talk.stage.account(300, "xyz")
    assert talk.ask("clearinghouseState", account)["marginSummary"]["accountValue"] == "0.0"
    assert talk.ask("clearinghouseState", account, dex="xyz")["marginSummary"]["accountValue"] == "300.0"
    assert talk.ask("clearinghouseState", account, dex="nope") is None


def test_the_leverage_setting_of_a_coin_without_position() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.stage.exchange.act(account, UpdateLeverage(0, True, 7))
    data = talk.ask("activeAssetData", account, coin=BTC)
    assert data["leverage"] == {"type": "cross", "value": 7}
    assert data["maxTradeSzs"] == ["0.7", "0.7"]
    assert talk.ask("activeAssetData", account, coin="NOPE") is None


# ---- who has an account --------------------------------------------------------------------------------------


def test_an_address_first_seen_is_funded_by_questions_about_money_only() -> None:
    talk = VenueTalk()
    for kind in ("userRole", "userFills", "userRateLimit", "extraAgents"):
        talk.ask(kind, STRANGER)
    assert talk.ask("userRole", STRANGER) == {"role": "missing"}
    assert talk.ask("clearinghouseState", STRANGER.upper().replace("X", "x"))["withdrawable"] == "10000.0"
    assert talk.ask("userRole", STRANGER) == {"role": "user"}
    assert talk.ask("userNonFundingLedgerUpdates", STRANGER)[0]["delta"] == {"type": "deposit", "usdc": "10000.0"}


def test_without_funding_a_stranger_stays_unknown() -> None:
    talk = VenueTalk(fund=0)
    assert talk.ask("clearinghouseState", STRANGER)["marginSummary"]["accountValue"] == "0.0"
    assert talk.ask("spotClearinghouseState", STRANGER) == {"balances": []}
    assert talk.ask("userRole", STRANGER) == {"role": "missing"}
    assert talk.ask("subAccounts", STRANGER) is None


def test_an_agents_address_is_an_empty_account() -> None:
    assert TALK.ask("userRole", AGENT) == {"role": "agent", "data": {"user": ACCOUNT.address}}
    assert TALK.ask("clearinghouseState", AGENT)["marginSummary"]["accountValue"] == "0.0"
    assert TALK.ask("openOrders", AGENT) == []


def test_a_sub_account_names_its_master() -> None:
    (sub,) = TALK.ask("subAccounts", ACCOUNT)
    assert TALK.ask("userRole", sub["subAccountUser"]) == {
        "role": "subAccount",
        "data": {"master": ACCOUNT.address},
    }


# ---- orders --------------------------------------------------------------------------------------------------


def test_status_by_oid_and_by_client_id_is_the_same_and_private() -> None:
    by_cloid = TALK.ask("orderStatus", ACCOUNT, oid=CLOID.upper().replace("X", "x"))
    oid = by_cloid["order"]["order"]["oid"]
    assert by_cloid == TALK.ask("orderStatus", ACCOUNT, oid=oid)
    assert (by_cloid["order"]["status"], by_cloid["order"]["order"]["sz"]) == ("filled", "0.0")
    assert TALK.ask("orderStatus", STRANGER, oid=oid) == {"status": "unknownOid"}
    assert TALK.ask("orderStatus", ACCOUNT, oid=10**9) == {"status": "unknownOid"}


def test_the_record_of_an_open_order_keeps_the_size_it_was_opened_with() -> None:
    """What is left of it is told by `openOrders` alone, also when a reduce-only order shrank with its position."""
    talk = VenueTalk()
    stage, account = talk.stage, talk.stage.account()
    stage.quote(BTC, -1, "100000", "0.03")
    stage.place(account, order(True, "100000", "0.03", "Ioc"))
    oid = oid_of(stage.place(account, order(False, "101000", "0.03", reduce_only=True))[0])
    stage.quote(BTC, 1, "99000", "0.01")
    stage.place(account, order(False, "99000", "0.01", "Ioc"))
    (shown,) = talk.ask("openOrders", account)
    assert (shown["oid"], shown["sz"], shown["origSz"]) == (oid, "0.02", "0.03")
    assert talk.ask("orderStatus", account, oid=oid)["order"]["order"]["sz"] == "0.03"


def test_triggers_say_what_they_wait_for() -> None:
    shown = {item["triggerPx"]: item for item in TALK.ask("frontendOpenOrders", ACCOUNT)}
    stop, profit = shown["90000.0"], shown["120000.0"]
    assert (stop["orderType"], stop["triggerCondition"]) == ("Stop Market", "Price below 90000")
    assert (profit["orderType"], profit["triggerCondition"]) == ("Take Profit Limit", "Price above 120000")
    assert profit["limitPx"] == "119000.0"
    assert shown["0.0"]["triggerCondition"] == "N/A"


def test_children_stand_in_their_parent_for_the_front_end_and_alone_elsewhere() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    parent = order(True, "99000", "0.02")
    talk.stage.place(account, parent, trigger(False, "90000", "0.02", "sl"), grouping="normalTpsl")
    (shown,) = talk.ask("frontendOpenOrders", account)
    (child,) = shown["children"]
    assert child["orderType"] == "Stop Market"
    assert {item["oid"] for item in talk.ask("openOrders", account)} == {shown["oid"], child["oid"]}


def test_history_is_newest_first_and_at_most_two_thousand() -> None:
    talk = VenueTalk()
    account = talk.stage.account(100_000)
    for number in range(2_050):
        talk.stage.place(account, order(True, "99000", "0.001", "Alo"))
        talk.stage.cancel(account, 0, max(account.orders))
        if number % 500 == 0:
            talk.stage.block()
    history = talk.ask("historicalOrders", account)
    assert len(history) == 2_000
    oids = [item["order"]["oid"] for item in history]
    assert oids == sorted(oids, reverse=True)


# ---- fills, funding, paging ----------------------------------------------------------------------------------


def filled(account: Account, number: int, time_ms: int, **changes: Any) -> Filled:
    fill = Filled(
        time_ms=time_ms, user=account.address, coin=BTC, px=Decimal(100), sz=Decimal(1), side="B",
        start_position=Decimal(number), dir="Open Long", closed_pnl=Decimal(0), hash="0x" + f"{number:064x}",
        oid=number, crossed=False, fee=Decimal("0.015"), tid=number,
    )  # fmt: skip
    return msgspec.structs.replace(fill, **changes)


def test_fills_newest_first_and_by_time_page_by_page() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    for number in range(2_500):
        talk.world.note(filled(account, number, 1_000 + number))
    newest = talk.ask("userFills", account)
    assert [newest[0]["tid"], newest[-1]["tid"], len(newest)] == [2_499, 500, 2_000]
    first = talk.ask("userFillsByTime", account, startTime=1_100, endTime=10_000)
    assert [first[0]["tid"], first[-1]["tid"], len(first)] == [100, 2_099, 2_000]
    second = talk.ask("userFillsByTime", account, startTime=first[-1]["time"], endTime=3_400)
    assert [second[0]["tid"], second[-1]["tid"]] == [2_099, 2_400]


def test_fills_of_one_order_in_one_block_are_one_when_aggregated() -> None:
    talk = VenueTalk()
    stage, account = talk.stage, talk.stage.account()
    for px, sz in (("100000", "0.01"), ("100010", "0.03")):
        stage.quote(BTC, -1, px, sz)
    stage.place(account, order(True, "100100", "0.04", "Ioc"))
    assert len(talk.ask("userFills", account)) == 2
    (one,) = talk.ask("userFills", account, aggregateByTime=True)
    assert (one["px"], one["sz"], one["startPosition"]) == ("100007.5", "0.04", "0.0")
    assert Decimal(one["fee"]) == sum(Decimal(fill["fee"]) for fill in talk.ask("userFills", account))
    (also,) = talk.ask("userFillsByTime", account, startTime=0, aggregateByTime=True)
    assert also == one


def test_what_makes_a_fill_special_is_told() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    talk.world.note(
        filled(
            account,
            1,
            5,
            builder_fee=Decimal("0.01"),
            liquidated_user=STRANGER,
            liquidation_mark_px=Decimal("99.5"),
            liquidation_method="market",
        )  # fmt: skip
    )
    (fill,) = talk.ask("userFills", account)
    assert fill["builderFee"] == "0.01"
    assert fill["liquidation"] == {"liquidatedUser": STRANGER, "markPx": "99.5", "method": "market"}
    assert "cloid" not in fill


def test_funding_comes_five_hundred_at_a_time_oldest_first() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    for hour in range(600):
        talk.world.note(
            FundingPaid(
                time_ms=hour * HOUR_MS,
                user=account.address,
                coin=BTC,
                usd=Decimal("-0.1"),
                szi=Decimal(1),
                rate=Decimal("0.0000125"),
                hash="0x" + "0" * 64,
            )  # fmt: skip
        )
    page = talk.ask("userFunding", account, startTime=10 * HOUR_MS)
    assert (page[0]["time"], len(page)) == (10 * HOUR_MS, 500)
    assert page[0]["delta"]["usdc"] == "-0.1"


# ---- budget, fees, portfolio ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "bought", "told"), [(0, 0, (0, 0)), (250, 0, (250, 0)), (250, 100, (150, 0)), (250, 400, (0, 150))]
)
def test_bought_requests_are_used_up_first_and_do_not_raise_the_cap(used: int, bought: int, told: Any) -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    account.requests_used, account.requests_bought, account.cum_ntl = used, bought, 1_234_567_899
    limit = talk.ask("userRateLimit", account)
    assert (limit["nRequestsUsed"], limit["nRequestsSurplus"]) == told
    assert (limit["nRequestsCap"], limit["cumVlm"]) == (11_234, "1234.567899")


def test_the_refusal_beyond_the_budget_counts_as_user_rate_limit_does() -> None:
    """The text's numbers are nRequestsUsed + 1 and nRequestsCap - 1, bought ones or not (reference page §7)."""
    talk = VenueTalk()
    account = talk.stage.account()
    account.requests_used, account.requests_bought, account.cum_ntl = 10_140, 40, 100_000_000
    account.over_budget_ms = talk.world.now_ms
    limit = talk.ask("userRateLimit", account)
    assert (limit["nRequestsUsed"], limit["nRequestsCap"]) == (10_100, 10_100)
    with pytest.raises(Refused, match=r"\(10101 > 10099\)"):
        budget.charge(talk.world, account, Noop())


def test_fees_follow_the_volume_of_the_fortnight_and_the_referral() -> None:
    talk = VenueTalk()
    account = talk.stage.account()
    assert talk.ask("userFees", account)["userCrossRate"] == "0.00045"
    talk.stage.quote(BTC, -1, "100000", "0.01")
    talk.stage.place(account, order(True, "100000", "0.01", "Ioc"))
    (today,) = (day for day in talk.ask("userFees", account)["dailyUserVlm"] if day["userCross"] != "0.0")
    assert today["userCross"] == "1000.0"
    next(iter(account.days.values())).maker_ntl = 6_000_000 * MICRO
    talk.stage.block(DAY_MS)
    account.referrer = "FRIEND"
    fees = talk.ask("userFees", account)
    assert (fees["userCrossRate"], fees["userAddRate"]) == ("0.000384", "0.0001152")
    assert fees["activeReferralDiscount"] == "0.04"
    assert len(fees["dailyUserVlm"]) == 15
    assert [day["date"] for day in fees["dailyUserVlm"]] == sorted(day["date"] for day in fees["dailyUserVlm"])


def test_profit_counts_no_deposits_and_windows_begin_at_zero() -> None:
    talk = VenueTalk()
    account = talk.stage.account(10_000)
    talk.block(SAMPLE_MS)
    talk.stage.quote(BTC, -1, "100000", "0.1")
    talk.stage.place(account, order(True, "100000", "0.1", "Ioc"))
    talk.block(2 * DAY_MS)
    talk.stage.mark(BTC, "101000")
    talk.world.move(account, SPOT, 500 * MICRO, "deposit")
    talk.block(SAMPLE_MS)
    told = dict(talk.ask("portfolio", account))
    fee = Decimal("4.5")
    last = {name: told[name]["pnlHistory"][-1][1] for name in told}
    assert Decimal(last["allTime"]) == Decimal(last["perpWeek"]) == 100 - fee
    assert told["allTime"]["accountValueHistory"][-1][1] == "10595.5"
    assert told["perpAllTime"]["accountValueHistory"][-1][1] == "10095.5"
    assert told["allTime"]["vlm"] == "10000.0"
    assert told["day"]["vlm"] == "0.0"
    for history in told.values():
        times = [time for time, _ in history["accountValueHistory"]]
        assert times == sorted(set(times))
        assert history["pnlHistory"][0][1] == "0.0"


# ---- listings ------------------------------------------------------------------------------------------------


def test_coins_of_a_builder_deployed_dex_are_listed_under_it_alone() -> None:
    assert [coin["name"] for coin in TALK.ask("meta")["universe"]] == [BTC, KPEPE]
    assert [coin["name"] for coin in TALK.ask("meta", dex="xyz")["universe"]] == [GOLD]
    assert [len(meta["universe"]) for meta in TALK.ask("allPerpMetas")] == [2, 1]
    assert len(TALK.ask("metaAndAssetCtxs", dex="xyz")[1]) == 1
    assert TALK.ask("meta", dex="nope") is None
    assert TALK.ask("perpDexLimits", dex="xyz")["coinToOiCap"] == [[GOLD, "1000000000.0"]]


def test_tiers_are_in_the_margin_tables() -> None:
    tiers = [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}]
    assert TALK.ask("meta")["marginTables"] == [[56, {"description": "tiered 40x", "marginTiers": tiers}]]
    assert TALK.ask("marginTable", id=56)["marginTiers"] == tiers
    assert TALK.ask("marginTable", id=3)["marginTiers"] == [{"lowerBound": "0.0", "maxLeverage": 3}]
    assert TALK.ask("marginTable", id=99) is None


def test_capped_coins_are_named() -> None:
    talk = VenueTalk()
    assert talk.ask("perpsAtOpenInterestCap") == []
    talk.listing(BTC).oi_cap_ntl = 1_000_000 * MICRO
    talk.context(BTC, "100000")
    assert talk.ask("perpsAtOpenInterestCap") == [BTC]
    assert talk.ask("perpsAtOpenInterestCap", dex="xyz") == []
