"""Any sequence of account actions, sensible or not: it is done or refused, and no money appears or disappears."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.exchange.account_actions import ACCOUNT_ACTIONS
from services.venue.exchange.facts import BalanceChanged
from services.venue.exchange.listing import MICRO, micro
from services.venue.exchange.replies import DONE
from services.venue.exchange.world import Refused
from shared.hyperliquid import actions
from tests.fixtures.venue_world import BTC, GOLD, START_MS, facts_of, open_account, total_money, trade, world

ADDRESSES = [f"0x{number:040x}" for number in range(1, 6)]
"""Two accounts, a sub-account of the first, two that nobody has seen."""
ADDRESS = st.sampled_from(ADDRESSES)
SMALL, LARGE = st.integers(0, 2_000 * MICRO), st.integers(1, 2**63 - 1)
MICROS = SMALL.filter(bool) | LARGE
AMOUNT = st.builds("{:.6f}".format, st.floats(0, 2_000)) | st.from_regex(actions.AMOUNT, fullmatch=True)
DEX = st.sampled_from(["", "spot", "xyz", "nope"])
TOKEN = st.sampled_from(["USDC", "USDC:0x1", "HYPE"])
ASSET = st.sampled_from([0, 1, 110_000, 5])
NONCE = st.integers(0, 2**63 - 1)
CHAIN = (st.just("0x66eee"), st.just("Testnet"))
OWNED = AMOUNT | st.builds("{} subaccount:{}".format, AMOUNT, ADDRESS)
MODES = st.sampled_from(["unifiedAccount", "portfolioMargin", "disabled"])
ANY = st.one_of(
    st.builds(actions.UpdateLeverage, ASSET, st.booleans(), st.integers(-1, 45) | LARGE),
    st.builds(actions.UpdateIsolatedMargin, ASSET, st.booleans(), MICROS | MICROS.map(lambda ntl: -ntl)),
    st.builds(actions.TopUpIsolatedOnlyMargin, ASSET, AMOUNT),
    st.builds(actions.ReserveRequestWeight, st.integers(1, 5_000) | LARGE, st.none() | ADDRESS),
    st.builds(actions.SetReferrer, st.text(max_size=3)),
    st.builds(actions.CreateSubAccount, st.text(max_size=3)),
    st.builds(actions.SubAccountTransfer, ADDRESS, st.booleans(), MICROS),
    st.builds(actions.SubAccountSpotTransfer, ADDRESS, st.booleans(), TOKEN, AMOUNT),
    st.builds(actions.VaultTransfer, ADDRESS, st.booleans(), MICROS),
    st.builds(actions.AgentSetAbstraction, st.sampled_from("iup")),
    st.builds(actions.UsdSend, *CHAIN, ADDRESS, AMOUNT, NONCE),
    st.builds(actions.SpotSend, *CHAIN, ADDRESS, TOKEN, AMOUNT, NONCE),
    st.builds(actions.Withdraw, *CHAIN, ADDRESS, AMOUNT, NONCE),
    st.builds(actions.UsdClassTransfer, *CHAIN, OWNED, st.booleans(), NONCE),
    st.builds(actions.SendAsset, *CHAIN, ADDRESS, DEX, DEX, TOKEN, AMOUNT, st.just("") | ADDRESS, NONCE),
    st.builds(actions.ApproveAgent, *CHAIN, ADDRESS, NONCE, st.none() | st.text(max_size=3)),
    st.builds(
        actions.ApproveBuilderFee, *CHAIN, st.builds("{}%".format, st.from_regex(r"[0-9]{1,3}", fullmatch=True)),
        ADDRESS, NONCE,
    ),
    st.builds(actions.UserSetAbstraction, *CHAIN, ADDRESS, MODES, NONCE),
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 1), ANY), max_size=40))
def test_money_is_kept_whatever_is_asked(asked: list[tuple[int, actions.AnyAction]]) -> None:
    made = world()
    first, second = open_account(made, 2_000), open_account(made, 1_000_000)
    sub = made.accounts.open(ADDRESSES[2], START_MS, "subAccount", first)
    first.sub_accounts.append(sub)
    first.cum_ntl = micro(made.config.sub_account_volume)
    for account in (first, second):
        ACCOUNT_ACTIONS[actions.SendAsset](
            made,
            account,
            actions.SendAsset("0x1", "Testnet", account.address, "", "xyz", "USDC", "1000", "", START_MS),
        )
    trade(made, first, second, BTC, 1_000_000, 1_000)
    trade(made, first, second, GOLD, 400_000, 100)
    for who, action in asked:
        before = len(facts_of(made))
        try:
            reply = ACCOUNT_ACTIONS[type(action)](made, (first, second)[who], action)
        except Refused as refused:
            assert str(refused) and len(facts_of(made)) == before, "a refused action changed something"
        else:
            assert reply == DONE or isinstance(action, actions.CreateSubAccount)
        assert total_money(made) == made.deposited
        assert all(account.spot_usd >= 0 for account in made.accounts)
    moved = sum(fact.usd for fact in facts_of(made) if isinstance(fact, BalanceChanged))
    assert micro(moved) + made.fees == made.deposited
