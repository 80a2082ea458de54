"""Settings, margin, permissions and money of an account at the venue."""

from typing import Any

import pytest

from services.venue.exchange import margin
from services.venue.exchange.account import Account, Leverage
from services.venue.exchange.account_actions import ACCOUNT_ACTIONS
from services.venue.exchange.facts import LedgerUpdated
from services.venue.exchange.listing import MICRO
from services.venue.exchange.replies import DONE
from services.venue.exchange.world import Refused, World
from shared.hyperliquid import actions
from tests.fixtures.venue_world import (
    BTC,
    GOLD,
    START_MS,
    facts_of,
    open_account,
    rest,
    total_money,
    trade,
    world,
)

DAY_MS = 86_400_000
CHAIN: Any = ("0x66eee", "Testnet")
BTC_ASSET, GOLD_ASSET = 0, 110_000
ONE_BTC = 100_000
OTHER, KEY = "0x" + "b" * 40, "0x" + "c" * 39


def do(made: World, account: Account, action: actions.AnyAction) -> dict[str, Any]:
    reply = ACCOUNT_ACTIONS[type(action)](made, account, action)
    assert total_money(made) == made.deposited
    return reply


def refused(made: World, account: Account, action: actions.AnyAction) -> str:
    with pytest.raises(Refused) as caught:
        do(made, account, action)
    assert total_money(made) == made.deposited
    return str(caught.value)


def deltas(made: World) -> list[dict[str, Any]]:
    return [fact.delta for fact in facts_of(made) if isinstance(fact, LedgerUpdated)]


def test_every_action_that_is_no_order_has_a_handler() -> None:
    of_orders = {
        actions.PlaceOrders, actions.Cancel, actions.CancelByCloid, actions.Modify, actions.BatchModify,
        actions.ScheduleCancel,
    }  # fmt: skip
    assert set(ACCOUNT_ACTIONS) == set(actions.AnyAction.__args__) - of_orders  # type: ignore[attr-defined]


# ---- leverage and isolated margin ----


def holding(lots: int, *, leverage: Leverage | None = None, usd: float = 10_000) -> tuple[World, Account]:
    """An account with a position in BTC bought at its mark of 100000."""
    made = world()
    account, other = open_account(made, usd), open_account(made, 10_000_000)
    if leverage is not None:
        do(made, account, actions.UpdateLeverage(BTC_ASSET, leverage.is_cross, leverage.value))
    trade(made, account, other, BTC, 1_000_000, lots)
    return made, account


def test_leverage_is_a_setting_without_a_position_too() -> None:
    made = world()
    account = open_account(made)
    assert do(made, account, actions.UpdateLeverage(BTC_ASSET, False, 40)) == DONE
    assert account.leverage == {BTC: Leverage(40, is_cross=False)}
    assert do(made, account, actions.UpdateLeverage(BTC_ASSET, True, 3)) == DONE
    assert margin.leverage_of(made, account, made.listings[BTC]) == Leverage(3)


@pytest.mark.parametrize("value", [0, -1, 41, 2**62])
def test_leverage_lies_between_one_and_the_highest_of_the_coin(value: int) -> None:
    made = world()
    action = actions.UpdateLeverage(BTC_ASSET, True, value)
    assert refused(made, open_account(made), action) == "Invalid leverage value"


@pytest.mark.parametrize("rests", [False, True])
def test_leverage_lies_within_the_tier_of_what_is_held_and_may_be(rests: bool) -> None:
    """From 150 million on a position in BTC has 20x at most; the first tier has 40x."""
    made, account = holding(1_501 * ONE_BTC // 2, usd=20_000_000)
    if rests:
        rest(made, account, BTC, 1, 900_000, 1_501 * ONE_BTC // 2)
    else:
        trade(made, account, open_account(made, 10_000_000), BTC, 1_000_000, 1_501 * ONE_BTC // 2)
    do(made, account, actions.UpdateLeverage(BTC_ASSET, True, 10))
    assert refused(made, account, actions.UpdateLeverage(BTC_ASSET, True, 21)) == "Invalid leverage value"
    assert do(made, account, actions.UpdateLeverage(BTC_ASSET, True, 20)) == DONE


def test_cross_margin_where_a_coin_has_none() -> None:
    made = world()
    account = open_account(made, dex="xyz")
    text = "Cross margin is not allowed for this asset."
    assert refused(made, account, actions.UpdateLeverage(GOLD_ASSET, True, 5)) == text
    assert do(made, account, actions.UpdateLeverage(GOLD_ASSET, False, 5)) == DONE


def test_a_coin_that_is_not_listed() -> None:
    made = world()
    account = open_account(made)
    assert refused(made, account, actions.UpdateLeverage(77, True, 5)) == "Order has invalid asset."
    assert refused(made, account, actions.UpdateIsolatedMargin(77, True, 5)) == "Order has invalid asset."


def test_the_margin_mode_stays_while_there_is_a_position() -> None:
    made, account = holding(ONE_BTC)
    text = "Cannot switch leverage type with open position."
    assert refused(made, account, actions.UpdateLeverage(BTC_ASSET, False, 20)) == text


def test_cross_leverage_is_lowered_as_far_as_the_margin_goes() -> None:
    made, account = holding(ONE_BTC, leverage=Leverage(20))
    assert do(made, account, actions.UpdateLeverage(BTC_ASSET, True, 10)) == DONE
    text = "Cross position does not have sufficient margin available to decrease leverage."
    assert refused(made, account, actions.UpdateLeverage(BTC_ASSET, True, 9)) == text
    assert account.leverage[BTC].value == 10
    assert do(made, account, actions.UpdateLeverage(BTC_ASSET, True, 40)) == DONE


def test_isolated_leverage_is_lowered_once_margin_was_added() -> None:
    made, account = holding(ONE_BTC, leverage=Leverage(20, is_cross=False))
    lower = actions.UpdateLeverage(BTC_ASSET, False, 10)
    assert refused(made, account, lower) == (
        "Isolated position does not have sufficient margin available to decrease leverage. "
        "To decrease leverage, add margin to the position."
    )
    assert do(made, account, actions.UpdateIsolatedMargin(BTC_ASSET, True, 5_000 * MICRO)) == DONE
    assert do(made, account, lower) == DONE
    assert do(made, account, actions.UpdateLeverage(BTC_ASSET, False, 10)) == DONE


def test_isolated_margin_goes_in_and_out_of_the_position() -> None:
    made, account = holding(ONE_BTC, leverage=Leverage(20, is_cross=False))
    position = account.position("", BTC)
    assert position is not None and position.isolated_usd == (5_000 - 100_000) * MICRO
    do(made, account, actions.UpdateIsolatedMargin(BTC_ASSET, True, 5_000 * MICRO))
    assert (position.isolated_usd, account.pool().raw_usd) == (-90_000 * MICRO, 0)
    text = "Account does not have sufficient margin available for increase."
    assert refused(made, account, actions.UpdateIsolatedMargin(BTC_ASSET, True, 1)) == text
    made.listings[BTC].mark_px = 1_020_000
    do(made, account, actions.UpdateIsolatedMargin(BTC_ASSET, True, -1_800 * MICRO))
    assert (position.isolated_usd, account.pool().raw_usd) == (-91_800 * MICRO, 1_800 * MICRO)
    text = "Position does not have sufficient margin available for decrease."
    assert refused(made, account, actions.UpdateIsolatedMargin(BTC_ASSET, True, -1)) == text


def test_margin_of_a_position_that_is_not_isolated() -> None:
    made, account = holding(ONE_BTC)
    for asset in (BTC_ASSET, GOLD_ASSET):
        action = actions.UpdateIsolatedMargin(asset, True, 5)
        assert refused(made, account, action) == "Position does not use isolated margin."
    top_up = actions.TopUpIsolatedOnlyMargin(BTC_ASSET, "5.0")
    assert refused(made, account, top_up) == "Position does not use isolated margin."


@pytest.mark.parametrize("sign", [1, -1])
def test_margin_is_topped_up_to_a_target_leverage_and_never_taken_away(sign: int) -> None:
    made = world()
    account, other = open_account(made, dex="xyz"), open_account(made, 1_000_000, dex="xyz")
    do(made, account, actions.UpdateLeverage(GOLD_ASSET, False, 20))
    one_gold = 10_000
    buyer, seller = (account, other) if sign == 1 else (other, account)
    trade(made, buyer, seller, GOLD, 400_000, one_gold)
    position = account.position("xyz", GOLD)
    assert position is not None
    do(made, account, actions.TopUpIsolatedOnlyMargin(GOLD_ASSET, "8.0"))
    assert position.isolated_usd == (500 - sign * 4_000) * MICRO
    do(made, account, actions.TopUpIsolatedOnlyMargin(GOLD_ASSET, "10"))
    assert position.isolated_usd == (500 - sign * 4_000) * MICRO
    assert refused(made, account, actions.TopUpIsolatedOnlyMargin(GOLD_ASSET, "0")) == "Invalid leverage value"
    text = "Account does not have sufficient margin available for increase."
    assert refused(made, account, actions.TopUpIsolatedOnlyMargin(GOLD_ASSET, "0.1")) == text


# ---- money ----


def test_usdc_goes_to_spot_and_back() -> None:
    made = world()
    account = open_account(made, 100)
    do(made, account, actions.UsdClassTransfer(*CHAIN, "40.5", False, START_MS))
    assert (account.spot_usd, account.pool().raw_usd) == (40_500_000, 59_500_000)
    do(made, account, actions.UsdClassTransfer(*CHAIN, "0.5", True, START_MS))
    assert (account.spot_usd, account.pool().raw_usd) == (40_000_000, 60_000_000)
    assert deltas(made) == [
        {"type": "accountClassTransfer", "usdc": "40.5", "toPerp": False},
        {"type": "accountClassTransfer", "usdc": "0.5", "toPerp": True},
    ]
    text = "Insufficient balance for token transfer"
    assert refused(made, account, actions.UsdClassTransfer(*CHAIN, "40.000001", True, START_MS)) == text
    text = "Insufficient balance for withdrawal"
    assert refused(made, account, actions.UsdClassTransfer(*CHAIN, "60.000001", False, START_MS)) == text


def test_a_position_holds_on_to_its_margin() -> None:
    """One BTC at 20 times: a tenth of 100000 stays, twice its initial margin."""
    made, account = holding(ONE_BTC, leverage=Leverage(20), usd=10_100)
    text = "Insufficient balance for withdrawal"
    assert refused(made, account, actions.UsdSend(*CHAIN, OTHER, "100.01", START_MS)) == text
    assert made.accounts.get(OTHER) is None
    assert do(made, account, actions.UsdSend(*CHAIN, OTHER, "100", START_MS)) == DONE


def test_usdc_sent_to_a_new_address_opens_it_with_nothing_else() -> None:
    made = world()
    account = open_account(made, 100)
    do(made, account, actions.UsdSend(*CHAIN, OTHER.upper().replace("0X", "0x"), "12.25", START_MS))
    receiver = made.accounts.get(OTHER)
    assert receiver is not None and receiver.pool().raw_usd == 12_250_000
    delta = {
        "type": "internalTransfer", "usdc": "12.25", "user": account.address, "destination": OTHER, "fee": "0.0",
    }  # fmt: skip
    assert [entry.delta for entry in account.ledger] == [entry.delta for entry in receiver.ledger] == [delta]
    assert account.ledger[0].hash == receiver.ledger[0].hash


def test_a_withdrawal_leaves_the_venue_with_its_fee() -> None:
    made = world()
    account = open_account(made, 100)
    do(made, account, actions.Withdraw(*CHAIN, OTHER, "31", START_MS))
    assert (account.pool().raw_usd, made.deposited) == (69 * MICRO, 69 * MICRO)
    assert deltas(made) == [{"type": "withdraw", "usdc": "30.0", "nonce": START_MS, "fee": "1.0"}]
    for amount in ("69.1", "0.9"):
        action = actions.Withdraw(*CHAIN, OTHER, amount, START_MS)
        assert refused(made, account, action) == "Insufficient balance for withdrawal"


def test_spot_usdc_is_the_only_token_there_is() -> None:
    made = world()
    account = open_account(made, 100)
    do(made, account, actions.UsdClassTransfer(*CHAIN, "50", False, START_MS))
    do(made, account, actions.SpotSend(*CHAIN, OTHER, "USDC:0x6d1e", "20", START_MS))
    receiver = made.accounts.get(OTHER)
    assert receiver is not None and (receiver.spot_usd, account.spot_usd) == (20 * MICRO, 30 * MICRO)
    assert deltas(made)[-1] == {
        "type": "spotTransfer", "token": "USDC", "amount": "20.0", "usdcValue": "20.0", "user": account.address,
        "destination": OTHER, "fee": "0.0", "nativeTokenFee": "0.0", "feeToken": "", "nonce": START_MS,
    }  # fmt: skip
    for token in ("HYPE:0x1", "USDCX"):
        text = "Insufficient balance for token transfer"
        assert refused(made, account, actions.SpotSend(*CHAIN, OTHER, token, "1", START_MS)) == text


def test_assets_go_between_dexs_spot_and_accounts() -> None:
    made = world()
    account = open_account(made, 100)

    def send(to: str, source: str, target: str, amount: str, sub: str = "") -> actions.SendAsset:
        return actions.SendAsset(*CHAIN, to, source, target, "USDC", amount, sub, START_MS)

    do(made, account, send(account.address, "", "xyz", "60"))
    do(made, account, send(account.address, "xyz", "spot", "25"))
    do(made, account, send(OTHER, "spot", "", "5"))
    other = made.accounts.get(OTHER)
    assert other is not None and other.pool().raw_usd == 5 * MICRO
    assert (account.pool().raw_usd, account.pool("xyz").raw_usd, account.spot_usd) == (
        40 * MICRO, 35 * MICRO, 20 * MICRO,
    )  # fmt: skip
    assert (deltas(made)[1]["sourceDex"], deltas(made)[1]["destinationDex"]) == ("xyz", "spot")
    assert refused(made, account, send(OTHER, "nope", "", "5")) == "Invalid dex: nope"
    assert refused(made, account, send(OTHER, "", "", "5", OTHER)) == f"Vault not registered: {OTHER}"


# ---- sub-accounts ----


def with_sub() -> tuple[World, Account, Account]:
    made = world()
    account = open_account(made, 100)
    account.cum_ntl = 100_000 * MICRO
    reply = do(made, account, actions.CreateSubAccount("desk"))
    sub = made.accounts.get(reply["response"]["data"])
    assert sub is not None and reply["response"]["type"] == "createSubAccount"
    return made, account, sub


def test_a_sub_account_needs_volume() -> None:
    made = world()
    account = open_account(made)
    account.cum_ntl = 99_999_999_999
    assert refused(made, account, actions.CreateSubAccount("desk")) == (
        "Cannot create sub-accounts until enough volume traded. Required: $100000. Traded: $99999.99."
    )


def test_sub_accounts_have_addresses_of_their_own() -> None:
    made, account, sub = with_sub()
    second = do(made, account, actions.CreateSubAccount("desk"))["response"]["data"]
    assert len({account.address, sub.address, second}) == 3
    assert (sub.role, sub.master, sub.sub_name) == ("subAccount", account, "desk")
    assert [known.address for known in account.sub_accounts] == [sub.address, second]


def test_money_goes_to_a_sub_account_and_back() -> None:
    made, account, sub = with_sub()
    do(made, account, actions.SubAccountTransfer(sub.address, True, 30 * MICRO))
    do(made, account, actions.UsdClassTransfer(*CHAIN, f"10.0 subaccount:{sub.address}", False, START_MS))
    do(made, account, actions.SubAccountSpotTransfer(sub.address, False, "USDC:0x1", "4"))
    do(made, account, actions.SubAccountTransfer(sub.address, False, 5 * MICRO))
    do(made, account, actions.SendAsset(*CHAIN, account.address, "", "", "USDC", "1", sub.address, START_MS))
    assert (sub.pool().raw_usd, sub.spot_usd) == (14 * MICRO, 6 * MICRO)
    assert (account.pool().raw_usd, account.spot_usd) == (76 * MICRO, 4 * MICRO)
    assert deltas(made)[0] == {
        "type": "subAccountTransfer", "usdc": "30.0", "user": account.address, "destination": sub.address,
    }  # fmt: skip
    too_much = actions.SubAccountTransfer(sub.address, False, 15 * MICRO)
    assert refused(made, account, too_much) == "Insufficient balance for withdrawal"


def test_only_the_master_moves_the_money_of_a_sub_account() -> None:
    made, _, sub = with_sub()
    stranger = open_account(made)
    text = f"Vault not registered: {sub.address}"
    for action in (
        actions.SubAccountTransfer(sub.address, False, 1),
        actions.SubAccountSpotTransfer(sub.address, False, "USDC", "1"),
        actions.UsdClassTransfer(*CHAIN, f"1 subaccount:{sub.address}", True, START_MS),
        actions.SendAsset(*CHAIN, OTHER, "", "", "USDC", "1", sub.address, START_MS),
        actions.UserSetAbstraction(*CHAIN, sub.address, "unifiedAccount", START_MS),
        actions.VaultTransfer(sub.address, True, 5),
    ):
        assert refused(made, stranger, action) == text


# ---- permissions ----


def approve(address: str, name: str | None = None) -> actions.ApproveAgent:
    return actions.ApproveAgent(*CHAIN, address, START_MS, name)


def key(digit: int) -> str:
    return f"{KEY}{digit}"


def test_agents_one_without_a_name_and_three_with() -> None:
    made = world()
    account = open_account(made)
    for at, name in enumerate((None, "a", "b", "c")):
        assert do(made, account, approve(key(at), name)) == DONE
    text = "Too many extra agents for cumulative volume traded. Current limit is 3"
    assert refused(made, account, approve(key(8), "d")) == text
    do(made, account, approve(key(4)))
    do(made, account, approve(key(5), "b"))
    assert {agent.name: agent.address for agent in account.agents.values()} == {
        "": key(4), "a": key(1), "b": key(5), "c": key(3),
    }  # fmt: skip
    assert made.accounts.agent(key(0), START_MS) is None
    assert made.accounts.agent(key(5), START_MS) is account


def test_a_sub_account_makes_room_for_two_agents_more() -> None:
    made, account, _ = with_sub()
    for at in range(5):
        do(made, account, approve(key(at), str(at)))
    text = "Too many extra agents for cumulative volume traded. Current limit is 5"
    assert refused(made, account, approve(key(5), "5")) == text


def test_a_key_is_approved_once_in_its_life_and_is_nobodys_account() -> None:
    made = world()
    account, other = open_account(made), open_account(made)
    do(made, account, approve(key(0).upper().replace("0X", "0x"), "a"))
    do(made, account, approve(key(1), "a"))
    for address in (key(0), key(1), other.address, account.address):
        assert refused(made, other, approve(address)) == "Extra agent already used."


@pytest.mark.parametrize(
    ("name", "shown", "days"),
    [
        (None, "", 90),
        ("desk", "desk", 90),
        (f"desk valid_until {START_MS + 7 * DAY_MS}", "desk", 7),
        (f" valid_until {START_MS + 7 * DAY_MS}", "", 7),
        (f"desk valid_until {START_MS + 999 * DAY_MS}", "desk", 180),
        ("desk valid_until soon", "desk valid_until soon", 90),
    ],
)
def test_how_long_an_agent_may_sign(name: str | None, shown: str, days: int) -> None:
    made = world()
    account = open_account(made)
    do(made, account, approve(key(0), name))
    (agent,) = account.agents.values()
    assert (agent.name, agent.valid_until_ms) == (shown, START_MS + days * DAY_MS)


def test_an_approval_that_is_over_before_it_began() -> None:
    made = world()
    text = "Agent valid_until already expired."
    assert refused(made, open_account(made), approve(key(0), f"a valid_until {START_MS}")) == text


def test_agents_whose_time_is_over_make_room() -> None:
    made = world()
    account = open_account(made)
    for at in range(3):
        do(made, account, approve(key(at), f"{at} valid_until {START_MS + 5}"))
    made.now_ms += 5
    do(made, account, approve(key(3), "next"))
    assert list(account.agents) == ["next"]


def test_a_builder_fee_is_approved_in_percent() -> None:
    made = world()
    account = open_account(made)
    for rate, tenths in (("0.01%", 10), ("0.001%", 1), ("0.1%", 100), ("0%", 0)):
        do(made, account, actions.ApproveBuilderFee(*CHAIN, rate, OTHER.upper().replace("0X", "0x"), START_MS))
        assert account.builders == {OTHER: tenths}


# ---- the rest ----


def test_requests_are_bought_for_oneself_or_another() -> None:
    made = world()
    account, other = open_account(made, 1), open_account(made, 0)
    do(made, account, actions.ReserveRequestWeight(400))
    do(made, account, actions.ReserveRequestWeight(1_000, other.address))
    assert (account.requests_bought, other.requests_bought) == (400, 1_000)
    assert (account.pool().raw_usd, made.fees) == (300_000, 700_000)
    assert refused(made, account, actions.ReserveRequestWeight(601)) == "Insufficient balance for withdrawal"


def test_a_referrer_is_set_once() -> None:
    made = world()
    account = open_account(made)
    do(made, account, actions.SetReferrer("CODE"))
    assert refused(made, account, actions.SetReferrer("OTHER")) == "Referrer already set."
    assert account.referrer == "CODE"


def test_the_account_mode_is_remembered_and_closes_class_transfers() -> None:
    made, account, sub = with_sub()
    do(made, account, actions.AgentSetAbstraction("u"))
    do(made, account, actions.UserSetAbstraction(*CHAIN, sub.address, "portfolioMargin", START_MS))
    assert (account.abstraction, sub.abstraction) == ("unifiedAccount", "portfolioMargin")
    text = "Action disabled when unified account is active"
    assert refused(made, account, actions.UsdClassTransfer(*CHAIN, "1", False, START_MS)) == text
    do(made, account, actions.AgentSetAbstraction("i"))
    do(made, account, actions.UsdClassTransfer(*CHAIN, "1", False, START_MS))
    assert account.spot_usd == MICRO


def test_a_noop_does_nothing() -> None:
    made = world()
    account = open_account(made)
    before = list(facts_of(made))
    assert do(made, account, actions.Noop()) == DONE
    assert facts_of(made) == before
