"""Who is heard at the venue, for which account, and what it costs."""

from typing import Any

import pytest

from services.venue.exchange import admission, budget
from services.venue.exchange.account import Account, Agent
from services.venue.exchange.admission import executed, identify, meet
from services.venue.exchange.facts import ActionTaken, BalanceChanged, LedgerUpdated
from services.venue.exchange.listing import MICRO
from services.venue.exchange.requests import Signed
from services.venue.exchange.world import Refused, World
from shared.hyperliquid import actions
from tests.fixtures.venue_exchange import stage
from tests.fixtures.venue_world import START_MS, facts_of, open_account, total_money, world

DAY_MS = 86_400_000
MASTER, AGENT, STRANGER, OTHER = (f"0x{digit * 40}" for digit in "abcd")
NOOP = actions.Noop()
TRANSFER = actions.UsdClassTransfer("0x66eee", "Testnet", "1", True, START_MS)


def cancels(count: int) -> actions.Cancel:
    return actions.Cancel(tuple(actions.CancelWire(0, oid) for oid in range(count)))


def posts(count: int) -> actions.PlaceOrders:
    one = actions.OrderWire(0, True, "1", "1", False, actions.OrderType(limit=actions.LimitType("Alo")))
    return actions.PlaceOrders((one,) * count, "na")


def with_master(**config: Any) -> tuple[World, Account]:
    made = world(**{"fund": 0, **config})
    return made, open_account(made, address=MASTER)


def admit(made: World, signed: Signed) -> Account:
    account = identify(made, signed)
    admission.admit(made, account, signed)
    return account


def refused(made: World, signed: Signed) -> str:
    with pytest.raises(Refused) as caught:
        admit(made, signed)
    return str(caught.value)


def test_an_unknown_signer_does_not_exist_where_nobody_is_funded() -> None:
    made, _ = with_master()
    assert refused(made, Signed(NOOP, STRANGER, START_MS)) == f"User or API Wallet {STRANGER} does not exist."
    assert meet(made, STRANGER) is None
    assert made.accounts.get(STRANGER) is None


def test_an_address_first_seen_is_opened_and_funded_once_into_the_first_dex() -> None:
    made = world(fund="123.5")
    account = admit(made, Signed(NOOP, STRANGER, START_MS))
    assert admit(made, Signed(NOOP, STRANGER, START_MS + 1)) is account
    assert meet(made, STRANGER.upper().replace("0X", "0x")) is account
    assert account.pool().raw_usd == made.deposited == total_money(made) == 123_500_000
    (balance,) = (fact for fact in facts_of(made) if isinstance(fact, BalanceChanged))
    assert (balance.reason, balance.pool, str(balance.after_usd)) == ("deposit", "", "123.500000")
    (entry,) = (fact for fact in facts_of(made) if isinstance(fact, LedgerUpdated))
    assert entry.delta == {"type": "deposit", "usdc": "123.5"}
    assert list(account.ledger) == [entry]


def test_an_account_opened_only_by_questions_about_it() -> None:
    made = world(open_on="read")
    assert refused(made, Signed(NOOP, STRANGER, START_MS)) == f"User or API Wallet {STRANGER} does not exist."
    account = meet(made, STRANGER)
    assert account is not None and account.pool().raw_usd == 10_000 * MICRO
    assert admit(made, Signed(NOOP, STRANGER, START_MS)) is account


def test_no_signer_can_be_recovered() -> None:
    made, _ = with_master()
    assert refused(made, Signed(NOOP, None, START_MS)) == "Unable to recover signer."


def test_an_agent_acts_for_who_approved_it_until_its_time_is_over() -> None:
    made, master = with_master(fund=10_000)
    made.accounts.approve(master, Agent("", AGENT, START_MS + 5))
    assert admit(made, Signed(NOOP, AGENT, START_MS)) is master
    made.now_ms += 5
    assert refused(made, Signed(NOOP, AGENT, START_MS + 1)) == f"User or API Wallet {AGENT} does not exist."


def test_a_replaced_agent_is_nobody() -> None:
    made, master = with_master(fund=10_000)
    made.accounts.approve(master, Agent("desk", AGENT, START_MS + 5))
    made.accounts.approve(master, Agent("desk", OTHER, START_MS + 5))
    assert admit(made, Signed(NOOP, OTHER, START_MS)) is master
    assert refused(made, Signed(NOOP, AGENT, START_MS)) == f"User or API Wallet {AGENT} does not exist."


@pytest.mark.parametrize("fund", [0, 10_000])
@pytest.mark.parametrize("action", [TRANSFER, actions.ReserveRequestWeight(5)])
def test_an_agent_cannot_move_or_spend_money(action: actions.AnyAction, fund: int) -> None:
    made, master = with_master(fund=fund)
    made.accounts.approve(master, Agent("", AGENT, START_MS + DAY_MS))
    text = f"Must deposit before performing actions. User: {AGENT}"
    assert refused(made, Signed(action, AGENT, START_MS)) == text
    assert meet(made, AGENT) is None
    assert admit(made, Signed(action, MASTER, START_MS)) is master


def test_a_user_signed_action_of_another_chain_or_nonce() -> None:
    made, _ = with_master(chain="Mainnet")
    text = "Mainnet and testnet require different signature."
    assert refused(made, Signed(TRANSFER, MASTER, START_MS)) == text
    made, _ = with_master()
    assert refused(made, Signed(TRANSFER, MASTER, START_MS + 1)) == "Nonce mismatch."
    send = actions.UsdSend("0x1", "Testnet", OTHER, "1", START_MS)
    assert refused(made, Signed(send, MASTER, START_MS + 1)) == "Nonce mismatch."


def test_a_vault_address_is_a_sub_account_of_the_signers_master() -> None:
    made, master = with_master()
    other = open_account(made, address=OTHER)
    mine = made.accounts.open("0x" + "1" * 40, START_MS, "subAccount", master)
    theirs = made.accounts.open("0x" + "2" * 40, START_MS, "subAccount", other)
    made.accounts.approve(master, Agent("", AGENT, START_MS + DAY_MS))
    assert admit(made, Signed(NOOP, MASTER, START_MS, mine.address)) is mine
    assert admit(made, Signed(NOOP, AGENT, START_MS, mine.address)) is mine
    for address in (theirs.address, OTHER, MASTER, STRANGER):
        signed = Signed(NOOP, MASTER, START_MS + 1, address)
        assert refused(made, signed) == f"Vault not registered: {address}"


@pytest.mark.parametrize(
    "action",
    [actions.CreateSubAccount("x"), actions.SetReferrer("x"), actions.SubAccountTransfer(OTHER, True, 1)],
)
def test_what_concerns_the_master_is_not_done_for_a_sub_account(action: actions.AnyAction) -> None:
    made, master = with_master()
    mine = made.accounts.open("0x" + "1" * 40, START_MS, "subAccount", master)
    text = f"Vault not registered: {mine.address}"
    assert refused(made, Signed(action, MASTER, START_MS, mine.address)) == text


def test_an_expired_action_costs_five_requests_of_the_account_acted_for() -> None:
    made, master = with_master()
    mine = made.accounts.open("0x" + "1" * 40, START_MS, "subAccount", master)
    late = Signed(NOOP, MASTER, START_MS, mine.address, START_MS - 1)
    assert refused(made, late) == "Action already expired"
    assert (mine.requests_used, master.requests_used) == (5, 0)
    assert admit(made, Signed(NOOP, MASTER, START_MS, None, START_MS)) is master


def test_nonces_belong_to_signers() -> None:
    made, master = with_master()
    made.accounts.approve(master, Agent("", AGENT, START_MS + DAY_MS))
    admit(made, Signed(NOOP, MASTER, START_MS))
    text = f"Invalid nonce: duplicate nonce {START_MS}"
    assert refused(made, Signed(NOOP, MASTER, START_MS)) == text
    assert admit(made, Signed(NOOP, AGENT, START_MS)) is master


@pytest.mark.parametrize("burns", [True, False])
def test_whether_a_refused_action_uses_its_nonce_up(burns: bool) -> None:
    made, _ = with_master(refused_burns_nonce=burns)
    signed = Signed(NOOP, MASTER, START_MS)
    admit(made, signed)
    assert (made.nonces.refusal(MASTER, START_MS, START_MS) is not None) == burns
    executed(made, signed)
    assert made.nonces.refusal(MASTER, START_MS, START_MS) == f"Invalid nonce: duplicate nonce {START_MS}"


def test_a_noop_cancels_what_has_the_same_nonce() -> None:
    made, _ = with_master()
    admit(made, Signed(NOOP, MASTER, START_MS))
    assert refused(made, Signed(posts(1), MASTER, START_MS)).startswith("Invalid nonce: duplicate")


def test_every_order_and_cancel_of_a_batch_counts() -> None:
    made, master = with_master()
    modify = actions.ModifyWire(1, posts(1).orders[0])
    batches = (posts(3), cancels(4), actions.BatchModify((modify,) * 5), NOOP)
    for nonce, action in enumerate(batches):
        admit(made, Signed(action, MASTER, START_MS + nonce))
    assert master.requests_used == 3 + 4 + 5 + 1


def test_one_action_carries_at_most_two_hundred_and_a_larger_one_costs_nothing() -> None:
    made, master = with_master()
    admit(made, Signed(cancels(200), MASTER, START_MS))
    text = "Signed action over weight limit of 200."
    assert refused(made, Signed(cancels(201), MASTER, START_MS + 1)) == text
    assert master.requests_used == 200


def test_beyond_the_budget_one_request_each_ten_seconds() -> None:
    made, master = with_master()
    master.cum_ntl, master.requests_bought = 2_345_678_000, 100
    assert budget.cap(master) == 10_000 + 2_345
    master.requests_used = 12_443
    admit(made, Signed(NOOP, MASTER, START_MS))
    admit(made, Signed(NOOP, MASTER, START_MS + 1))
    assert master.requests_used == 12_445
    text = (
        "Too many cumulative requests sent (12346 > 12344) for cumulative volume traded $2345.67. "
        "Place taker orders to free up 1 request per USDC traded."
    )
    for late_ms in (0, 5_000, 9_999):
        made.now_ms = START_MS + late_ms
        assert refused(made, Signed(NOOP, MASTER, START_MS + 2 + late_ms)) == text
    assert master.requests_used == 12_445
    made.now_ms = START_MS + 10_000
    admit(made, Signed(NOOP, MASTER, START_MS + 10_000))
    assert refused(made, Signed(NOOP, MASTER, START_MS + 10_005)).startswith("Too many cumulative requests")


def test_cancels_have_a_budget_of_their_own() -> None:
    made, master = with_master()
    master.requests_used, master.over_budget_ms = 10_000, START_MS
    assert budget.cancel_cap(master) == 20_000
    admit(made, Signed(cancels(1), MASTER, START_MS))
    assert refused(made, Signed(posts(1), MASTER, START_MS + 1)).startswith("Too many cumulative requests")
    master.cum_ntl = 500_000 * MICRO
    assert budget.cancel_cap(master) == 610_000


@pytest.mark.parametrize("lifted", ["limits", "switch"])
def test_the_budget_can_be_lifted(lifted: str) -> None:
    made, master = with_master(limits=lifted != "limits")
    made.switches.address_budget = lifted != "switch"
    master.requests_used, master.over_budget_ms = 99_999, START_MS
    admit(made, Signed(NOOP, MASTER, START_MS))
    assert master.requests_used == 100_000


@pytest.mark.parametrize(
    ("signed", "cost"),
    [
        (Signed(NOOP, MASTER, START_MS), 1),
        (Signed(posts(3), MASTER, START_MS), 3),
        (Signed(posts(3), MASTER, START_MS, None, START_MS - 1), 5),
        (Signed(posts(201), MASTER, START_MS), 0),
        (Signed(NOOP, MASTER, START_MS - 3 * DAY_MS), 0),
    ],
)
def test_the_record_says_for_whom_and_at_what_cost_even_of_what_was_refused(signed: Signed, cost: int) -> None:
    s = stage(fund=0)
    master = open_account(s.world, address=MASTER)
    s.exchange.execute(signed)
    taken = s.facts[-1]
    assert (
        isinstance(taken, ActionTaken)
        and (taken.user, taken.weight) == (MASTER, cost)
        and master.requests_used == cost
    )
