"""Everything but orders through the official SDK's `Exchange`, unmodified: leverage and margin, transfers, agents,
sub-accounts, builders, account modes."""

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account as Wallet

from tests.fixtures.venue_sdk import ALO, DONE, Trader, refused, status_of
from tests.fixtures.venue_server import RunningVenue

NOBODY = "0x" + "ee" * 20
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue) -> Trader:
    return Trader(venue)


def now_ms(venue: RunningVenue) -> int:
    return venue.do(lambda server: server.world.now_ms)


def deltas(trader: Trader) -> list[dict[str, Any]]:
    """Of the ledger, without the first funding of the address."""
    updates = trader.info.user_non_funding_ledger_updates(trader.address, 0)
    return [update["delta"] for update in updates if update["delta"]["type"] != "deposit"]


# ---- leverage and margin -------------------------------------------------------------------------------------


def test_update_leverage(trader: Trader) -> None:
    assert trader.exchange.update_leverage(7, "ETH") == DONE
    trader.take("ETH", 700)
    position = trader.position("ETH")
    assert position is not None
    assert position["leverage"] == {"type": "cross", "value": 7}
    assert float(position["marginUsed"]) == pytest.approx(float(position["positionValue"]) / 7, abs=1e-4)


def test_update_leverage_to_isolated(trader: Trader) -> None:
    assert trader.exchange.update_leverage(5, "SOL", False) == DONE
    trader.take("SOL", 500)
    position = trader.position("SOL")
    assert position is not None
    assert (position["leverage"]["type"], position["leverage"]["value"]) == ("isolated", 5)
    assert float(position["leverage"]["rawUsd"]) < 0


def test_update_isolated_margin_adds_and_takes_away(trader: Trader) -> None:
    trader.exchange.update_leverage(5, "ETH", False)
    trader.take("ETH", 500)

    def raw_usd() -> float:
        position = trader.position("ETH")
        assert position is not None
        return float(position["leverage"]["rawUsd"])

    before, free = raw_usd(), float(trader.info.user_state(trader.address)["withdrawable"])
    assert trader.exchange.update_isolated_margin(50.0, "ETH") == DONE
    assert raw_usd() == pytest.approx(before + 50)
    assert float(trader.info.user_state(trader.address)["withdrawable"]) == pytest.approx(free - 50)
    assert trader.exchange.update_isolated_margin(-20.5, "ETH") == DONE
    assert raw_usd() == pytest.approx(before + 29.5)


# ---- transfers -----------------------------------------------------------------------------------------------


def test_usd_class_transfer_there_and_back(trader: Trader) -> None:
    assert trader.exchange.usd_class_transfer(250.5, False) == DONE
    assert (trader.value(), trader.spot()) == (9749.5, 250.5)
    assert trader.exchange.usd_class_transfer(50.0, True) == DONE
    assert (trader.value(), trader.spot()) == (9799.5, 200.5)
    assert deltas(trader) == [
        {"type": "accountClassTransfer", "usdc": "250.5", "toPerp": False},
        {"type": "accountClassTransfer", "usdc": "50.0", "toPerp": True},
    ]


def test_usd_transfer_opens_the_account_of_who_gets_it(venue: RunningVenue, trader: Trader) -> None:
    other = Trader(venue)
    assert trader.exchange.usd_transfer(100, other.wallet.address) == DONE
    assert (trader.value(), other.value()) == (9900, 100)
    (sent,) = deltas(trader)
    assert (sent["type"], sent["usdc"], sent["destination"]) == ("internalTransfer", "100.0", other.address)
    assert deltas(other) == [sent]


def test_spot_transfer(venue: RunningVenue, trader: Trader) -> None:
    other = Trader(venue)
    trader.exchange.usd_class_transfer(30.0, False)
    assert trader.exchange.spot_transfer(12.5, other.address, "USDC:0x6d1e7cde53ba9467b783cb7c530ce054") == DONE
    assert (trader.spot(), other.spot()) == (17.5, 12.5)


@pytest.mark.parametrize(("source", "destination"), [("", "xyz"), ("", "spot"), ("", "")])
def test_send_asset_to_another_account(venue: RunningVenue, trader: Trader, source: str, destination: str) -> None:
    other = Trader(venue)
    other.exists()
    reply = trader.exchange.send_asset(other.wallet.address, source, destination, "USDC", 500.0)
    assert reply == DONE
    assert trader.value() == 9500
    got = other.spot() if destination == "spot" else other.value(destination)
    assert got == (10_500 if destination == "" else 500)
    (sent,) = deltas(trader)
    assert (sent["type"], sent["amount"], sent["destinationDex"]) == ("send", "500.0", destination)


def test_withdraw_from_bridge_keeps_a_fee(trader: Trader) -> None:
    assert trader.exchange.withdraw_from_bridge(200, trader.address) == DONE
    assert trader.value() == 9800
    (left,) = deltas(trader)
    assert (left["type"], left["usdc"], left["fee"]) == ("withdraw", "199.0", "1.0")


def test_margin_in_use_cannot_be_withdrawn(trader: Trader) -> None:
    trader.take("ETH", 50_000)
    assert (
        refused(trader.exchange.withdraw_from_bridge(9000, trader.address))
        == "Insufficient balance for withdrawal"
    )


# ---- permissions ---------------------------------------------------------------------------------------------


def test_an_unnamed_agent_trades_for_its_master(venue: RunningVenue, trader: Trader) -> None:
    reply, key = trader.exchange.approve_agent()
    assert reply == DONE
    agent = Trader(venue, Wallet.from_key(key), account_address=trader.wallet.address)
    oid = agent.rest()
    assert trader.oids() == [oid]
    assert status_of(agent.exchange.cancel("ETH", oid)) == "success"
    agent.take("SOL", 200)
    assert trader.held("SOL") > 0
    agent.exchange.market_close("SOL")
    assert trader.position("SOL") is None
    role = {"role": "agent", "data": {"user": trader.address}}
    assert trader.info.user_role(agent.wallet.address) == role
    assert trader.info.extra_agents(trader.address) == []


def test_a_named_agent_is_listed_and_replaced_by_one_of_its_name(venue: RunningVenue, trader: Trader) -> None:
    _, first_key = trader.exchange.approve_agent("desk")
    first = Trader(venue, Wallet.from_key(first_key), account_address=trader.address)
    first.rest()
    (listed,) = trader.info.extra_agents(trader.address)
    assert (listed["name"], listed["address"]) == ("desk", first.wallet.address.lower())
    assert now_ms(venue) + 89 * DAY_MS < listed["validUntil"] < now_ms(venue) + 91 * DAY_MS
    _, second_key = trader.exchange.approve_agent("desk")
    assert len(trader.info.extra_agents(trader.address)) == 1
    text = f"User or API Wallet {first.wallet.address.lower()} does not exist."
    assert refused(first.exchange.order("ETH", True, 1, 1000, ALO)) == text
    assert len(trader.oids()) == 1
    Trader(venue, Wallet.from_key(second_key), account_address=trader.address).rest()
    assert len(trader.oids()) == 2


def test_an_agent_moves_no_money(venue: RunningVenue, trader: Trader) -> None:
    _, key = trader.exchange.approve_agent("desk")
    agent = Trader(venue, Wallet.from_key(key), account_address=trader.address)
    text = f"Must deposit before performing actions. User: {agent.wallet.address.lower()}"
    for reply in (
        agent.exchange.usd_transfer(1, NOBODY),
        agent.exchange.usd_class_transfer(1.0, False),
        agent.exchange.withdraw_from_bridge(5, NOBODY),
        agent.exchange.send_asset(NOBODY, "", "spot", "USDC", 1.0),
        agent.exchange.approve_builder_fee(NOBODY, "0.01%"),
        agent.exchange.approve_agent()[0],
    ):
        assert refused(reply) == text
    assert trader.value() == 10_000


def test_an_agents_address_has_an_empty_account(venue: RunningVenue, trader: Trader) -> None:
    _, key = trader.exchange.approve_agent()
    agent = Wallet.from_key(key).address
    Trader(venue, Wallet.from_key(key)).rest()
    assert trader.info.user_state(agent)["marginSummary"]["accountValue"] == "0.0"
    assert trader.info.open_orders(agent) == []


def test_approve_builder_fee_and_take_it_back(venue: RunningVenue, trader: Trader) -> None:
    def buy(tenth_bps: int) -> Any:
        builder = {"b": NOBODY, "f": tenth_bps}
        return trader.exchange.market_open("ETH", True, trader.sz("ETH", 50), builder=builder)

    text = "Builder fee has not been approved."
    assert refused(buy(1)) == text
    assert trader.exchange.approve_builder_fee(NOBODY, "0.001%") == DONE
    assert "filled" in status_of(buy(1))
    assert refused(buy(2)) == text
    assert trader.exchange.approve_builder_fee(NOBODY, "0%") == DONE
    assert refused(buy(1)) == text


def test_set_referrer_makes_fees_lower_from_then_on(trader: Trader) -> None:
    assert trader.info.user_fees(trader.address)["activeReferralDiscount"] == "0.0"
    assert trader.exchange.set_referrer("FRIEND") == DONE
    assert trader.info.query_referral_state(trader.address)["referredBy"]["code"] == "FRIEND"
    trader.take("ETH", 1000)
    fill, *_ = trader.info.user_fills(trader.address)
    ntl = float(fill["px"]) * float(fill["sz"])
    assert float(fill["fee"]) == pytest.approx(ntl * 0.00045 * 0.96, abs=1e-6)


# ---- sub-accounts --------------------------------------------------------------------------------------------


def sub_of(trader: Trader) -> str:
    """A sub-account with 1000 USDC."""
    trader.count_as_traded(100_000)
    created = trader.exchange.create_sub_account("second")
    assert created["status"] == "ok"
    (sub,) = trader.info.query_sub_accounts(trader.address)
    assert (sub["name"], sub["master"]) == ("second", trader.address)
    assert created["response"]["data"] == sub["subAccountUser"]
    assert trader.exchange.sub_account_transfer(sub["subAccountUser"], True, 1_000_000_000) == DONE
    return str(sub["subAccountUser"])


def test_sub_account_is_created_funded_and_drawn_from(trader: Trader) -> None:
    assert trader.info.query_sub_accounts(trader.address) is None
    sub = sub_of(trader)
    assert trader.value() == 9000
    assert float(trader.info.user_state(sub)["marginSummary"]["accountValue"]) == 1000
    assert trader.info.user_role(sub) == {"role": "subAccount", "data": {"master": trader.address}}
    assert trader.exchange.sub_account_transfer(sub, False, 250_000_000) == DONE
    assert trader.value() == 9250
    (state,) = trader.info.query_sub_accounts(trader.address)
    assert state["clearinghouseState"]["marginSummary"]["accountValue"] == "750.0"


def test_sub_account_spot_transfer(venue: RunningVenue, trader: Trader) -> None:
    sub = sub_of(trader)
    trader.exchange.usd_class_transfer(10.0, False)
    assert trader.exchange.sub_account_spot_transfer(sub, True, "USDC:0x6d1e", 4.5) == DONE
    assert trader.spot() == 5.5
    assert trader.info.spot_user_state(sub)["balances"][0]["total"] == "4.5"


def test_the_master_trades_for_a_sub_account(venue: RunningVenue, trader: Trader) -> None:
    sub = Trader(venue, trader.wallet, vault_address=sub_of(trader))
    oid = sub.rest()
    assert (sub.oids(), trader.oids()) == ([oid], [])
    assert status_of(sub.exchange.cancel("ETH", oid)) == "success"
    sub.take("SOL", 100)
    assert sub.held("SOL") > 0
    assert trader.position("SOL") is None
    assert sub.exchange.update_leverage(3, "SOL") == DONE
    sub.exchange.market_close("SOL")
    assert sub.position("SOL") is None
    assert sub.exchange.usd_class_transfer(100.0, False) == DONE
    assert (sub.spot(), trader.spot()) == (100, 0)
    assert sub.exchange.send_asset(trader.address, "spot", "", "USDC", 40.0) == DONE
    assert (sub.spot(), trader.value()) == (60, 9040)


def test_an_agent_of_the_master_trades_for_a_sub_account(venue: RunningVenue, trader: Trader) -> None:
    sub = sub_of(trader)
    _, key = trader.exchange.approve_agent()
    agent = Trader(venue, Wallet.from_key(key), vault_address=sub)
    oid = agent.rest()
    assert (agent.oids(), trader.oids()) == ([oid], [])


def test_nobody_else_acts_for_a_sub_account(venue: RunningVenue, trader: Trader) -> None:
    sub = sub_of(trader)
    stranger = Trader(venue, vault_address=sub)
    text = f"Vault not registered: {sub}"
    assert refused(stranger.exchange.order("ETH", True, 1, 1000, ALO)) == text
    assert refused(stranger.exchange.cancel("ETH", 1)) == text
    outsider = Trader(venue)
    assert refused(outsider.exchange.sub_account_transfer(sub, False, 1)) == text


def test_sub_accounts_want_volume(trader: Trader) -> None:
    text = refused(trader.exchange.create_sub_account("second"))
    assert text == "Cannot create sub-accounts until enough volume traded. Required: $100000. Traded: $0.0."


def test_vault_usd_transfer_finds_no_vault(trader: Trader) -> None:
    assert (
        refused(trader.exchange.vault_usd_transfer(NOBODY, True, 5_000_000)) == f"Vault not registered: {NOBODY}"
    )


# ---- account modes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wire", "mode"), [("u", "unifiedAccount"), ("p", "portfolioMargin"), ("i", "disabled")])
def test_agent_set_abstraction(trader: Trader, wire: Any, mode: str) -> None:
    assert trader.exchange.agent_set_abstraction(wire) == DONE
    assert trader.info.query_user_abstraction_state(trader.address) == mode


def test_user_set_abstraction(trader: Trader) -> None:
    assert trader.exchange.user_set_abstraction(trader.wallet.address, "unifiedAccount") == DONE
    assert trader.info.query_user_abstraction_state(trader.address) == "unifiedAccount"
    text = "Action disabled when unified account is active"
    assert refused(trader.exchange.usd_class_transfer(1.0, False)) == text
    assert trader.exchange.user_set_abstraction(trader.wallet.address, "disabled") == DONE
    assert trader.exchange.usd_class_transfer(1.0, False) == DONE
