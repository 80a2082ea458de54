"""Who signs, when, and until when: keys, nonces and expiry through the official SDK, and the venue's texts."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account as Wallet
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from services.venue.api.server import VenueServer
from tests.conftest import wait_until
from tests.fixtures.venue_sdk import ALO, DONE, IOC, Trader, new_wallet, refused, status_of
from tests.fixtures.venue_server import WAIT_S, RunningVenue

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


# ---- nonces and expiry ---------------------------------------------------------------------------------------


def test_noop_burns_the_nonce_of_a_taker_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with RunningVenue(limits=False, taker_delay_ms=2000) as venue:
        trader, cloid = Trader(venue), Cloid.from_int(7)
        meanwhile = Trader(venue, trader.wallet)
        nonce = now_ms(venue)
        sz, px = trader.sz("ETH", 100), trader.px("ETH", 0.03)
        monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: nonce)
        answers: list[Any] = []

        def buy() -> None:
            answers.append(trader.exchange.order("ETH", True, sz, px, IOC, cloid=cloid))

        buying = threading.Thread(target=buy)
        buying.start()
        wait_until(lambda: venue.do(lambda server: len(server.venue.mempool)) == 1)
        assert meanwhile.exchange.noop(nonce) == DONE
        buying.join(WAIT_S)
        assert answers == [{"status": "err", "response": f"Invalid nonce: duplicate nonce {nonce}"}]
        assert trader.position("ETH") is None
        assert trader.info.query_order_by_cloid(trader.address, cloid) == {"status": "unknownOid"}


def test_expires_after_in_the_future_changes_nothing(venue: RunningVenue, trader: Trader) -> None:
    trader.exchange.set_expires_after(now_ms(venue) + 60_000)
    oid = trader.rest()
    assert status_of(trader.exchange.cancel("ETH", oid)) == "success"


def test_expires_after_in_the_past_costs_five_requests(venue: RunningVenue, trader: Trader) -> None:
    trader.rest()
    used = trader.info.user_rate_limit(trader.address)["nRequestsUsed"]
    trader.exchange.set_expires_after(now_ms(venue) - 1)
    assert refused(trader.exchange.order("ETH", True, 1, 1000, ALO)) == "Action already expired"
    assert trader.info.user_rate_limit(trader.address)["nRequestsUsed"] == used + 5
    trader.exchange.set_expires_after(None)
    trader.rest()
    assert len(trader.oids()) == 2


def test_expires_after_means_nothing_to_user_signed_actions(venue: RunningVenue, trader: Trader) -> None:
    trader.exchange.set_expires_after(now_ms(venue) - 1)
    assert trader.exchange.usd_transfer(1, NOBODY) == DONE


# ---- who signs -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def poor_venue() -> Iterator[RunningVenue]:
    """It opens no account by itself."""
    with RunningVenue(limits=False, fund=0) as running:
        yield running


@pytest.fixture
def member(poor_venue: RunningVenue) -> Trader:
    """With an account of its own."""
    trader = Trader(poor_venue)

    def join(server: VenueServer) -> None:
        server.world.accounts.open(trader.address, server.world.now_ms)

    poor_venue.do(join)
    trader.deposit(1000)
    return trader


def test_a_wrong_key_is_an_unknown_address(poor_venue: RunningVenue, member: Trader) -> None:
    """`account_address` is for reading only: the key alone says who asks."""
    wrong = Trader(poor_venue, new_wallet(), account_address=member.wallet.address)
    address = wrong.wallet.address.lower()
    assert refused(wrong.exchange.order("ETH", True, 0.1, 1000, ALO)) == unknown(address)
    assert refused(wrong.exchange.cancel("ETH", 1)) == unknown(address)
    assert refused(wrong.exchange.update_leverage(3, "ETH")) == unknown(address)
    text = f"Must deposit before performing actions. User: {address}"
    assert refused(wrong.exchange.usd_transfer(1, NOBODY)) == text
    assert refused(wrong.exchange.approve_agent("desk")[0]) == text


def test_a_field_altered_after_signing_is_another_random_address(
    member: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = member.exchange.post

    def altered(path: str, payload: Any) -> Any:
        payload["action"]["orders"][0]["s"] = "0.2"
        return send(path, payload)

    monkeypatch.setattr(member.exchange, "post", altered)
    text = refused(member.exchange.order("ETH", True, 0.1, 1000, ALO))
    assert text.startswith("User or API Wallet 0x")
    assert text.endswith(" does not exist.")
    assert member.address not in text
    assert member.oids() == []


def test_a_mainnet_signature_is_refused(
    poor_venue: RunningVenue, member: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK decides by its `base_url`; here everything signs for mainnet and still comes here."""
    monkeypatch.setattr("hyperliquid.exchange.MAINNET_API_URL", poor_venue.url)
    text = refused(member.exchange.order("ETH", True, 0.1, 1000, ALO))
    assert text.startswith("User or API Wallet 0x")
    assert member.address not in text
    for reply in (member.exchange.usd_transfer(1, NOBODY), member.exchange.approve_agent()[0]):
        assert refused(reply) == "Mainnet and testnet require different signature."


def test_a_venue_of_mainnet_wants_mainnet_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    with RunningVenue(limits=False, chain="Mainnet") as venue:
        trader = Trader(venue)
        text = "Mainnet and testnet require different signature."
        assert refused(trader.exchange.usd_transfer(1, NOBODY)) == text
        monkeypatch.setattr("hyperliquid.exchange.MAINNET_API_URL", venue.url)
        oid = trader.rest()
        assert trader.oids() == [oid]
        assert trader.exchange.usd_transfer(1, NOBODY) == DONE


def unknown(address: str) -> str:
    return f"User or API Wallet {address} does not exist."


def test_a_nonce_is_good_once(trader: Trader, venue: RunningVenue) -> None:
    nonce = now_ms(venue)
    assert trader.exchange.noop(nonce) == DONE
    assert refused(trader.exchange.noop(nonce)) == f"Invalid nonce: duplicate nonce {nonce}"
    assert trader.exchange.noop(nonce - 1) == DONE


def test_a_nonce_lies_between_two_days_ago_and_tomorrow(trader: Trader, venue: RunningVenue) -> None:
    now = now_ms(venue)
    low, high = now - 3 * DAY_MS, now + 2 * DAY_MS
    assert refused(trader.exchange.noop(low)).startswith(f"Invalid nonce: nonce too low {low} < ")
    assert refused(trader.exchange.noop(high)).startswith(f"Invalid nonce: nonce too high {high} > ")
    assert trader.exchange.noop(now - DAY_MS) == DONE
    assert trader.exchange.noop(now + DAY_MS // 2) == DONE


def test_a_nonce_below_the_hundred_highest_is_too_low(trader: Trader, venue: RunningVenue) -> None:
    first = now_ms(venue)
    for nonce in range(first, first + 100):
        assert trader.exchange.noop(nonce) == DONE
    assert refused(trader.exchange.noop(first - 1)) == f"Invalid nonce: nonce too low {first - 1} < {first}"
    assert trader.exchange.noop(first + 100) == DONE


def test_nonces_belong_to_the_signer_not_to_the_account(trader: Trader, venue: RunningVenue) -> None:
    _, key = trader.exchange.approve_agent()
    agent, nonce = Trader(venue, Wallet.from_key(key)), now_ms(venue)
    assert trader.exchange.noop(nonce) == DONE
    assert agent.exchange.noop(nonce) == DONE


def test_a_mixed_case_address_is_the_same_account(venue: RunningVenue, trader: Trader) -> None:
    info = Info(venue.url, skip_ws=True, timeout=WAIT_S)
    oid = trader.rest()
    assert trader.wallet.address != trader.address
    assert [order["oid"] for order in info.open_orders(trader.wallet.address)] == [oid]
