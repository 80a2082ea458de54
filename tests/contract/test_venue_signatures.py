"""The official SDK signs, the venue recovers: every action of its `Exchange`, and what breaks a signature."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_account import Account as Wallet
from hyperliquid.exchange import Exchange
from hyperliquid.utils.constants import MAINNET_API_URL
from hyperliquid.utils.types import Cloid

from services.venue.exchange.admission import admit, identify
from services.venue.exchange.requests import Malformed, read
from services.venue.exchange.world import Refused
from shared.hyperliquid.actions import UserSigned
from shared.hyperliquid.digests import (
    USER_SIGNED,
    Signature,
    action_hash,
    l1_digest,
    recover,
    user_signed_digest,
)
from tests.fixtures.venue_world import open_account, world

WALLET = Wallet.from_key("0x" + "11" * 32)
ADDRESS = WALLET.address.lower()
OTHER = "0x" + "Ab" * 20
EXPIRES = 1_790_000_009_000
CLOID = Cloid.from_str("0x" + "0c" * 16)
LIMIT: Any = {"limit": {"tif": "Gtc"}}
STOP: Any = {"trigger": {"triggerPx": 90.5, "isMarket": True, "tpsl": "sl"}}
META: Any = {"universe": [{"name": "BTC", "szDecimals": 5}, {"name": "ETH", "szDecimals": 4}]}
SPOT_META: Any = {"universe": [], "tokens": []}
ORDER: Any = {
    "coin": "ETH",
    "is_buy": False,
    "sz": 0.5,
    "limit_px": 100.25,
    "order_type": LIMIT,
    "reduce_only": True,
}


class Captured(Exchange):
    """The SDK's class; requests end here."""

    def post(self, url_path: str, payload: Any = None) -> Any:
        self.body = json.loads(json.dumps(payload))
        return {}


def sdk(key: Any = WALLET, url: str = "http://127.0.0.1:1", **options: Any) -> Captured:
    return Captured(key, url, meta=META, spot_meta=SPOT_META, **options)


Call = Callable[[Captured], Any]
L1: dict[str, Call] = {
    "order": lambda e: e.order("BTC", True, 0.001, 100_000, LIMIT),
    "order with cloid and builder": lambda e: e.order(
        "BTC", True, 0.001, 100_000, LIMIT, cloid=CLOID, builder={"b": OTHER, "f": 10}
    ),
    "trigger": lambda e: e.order("BTC", False, 1.5, 90, STOP, reduce_only=True),
    "bulk_orders": lambda e: e.bulk_orders([ORDER, ORDER], grouping="normalTpsl"),
    "priority fee": lambda e: e.bulk_orders([ORDER], grouping={"p": 100}),
    "market_open": lambda e: e.market_open("BTC", True, 0.01, px=100_000.0),
    "modify_order": lambda e: e.modify_order(2**40, "BTC", True, 0.01, 99_000, LIMIT, cloid=CLOID),
    "modify by cloid": lambda e: e.modify_order(CLOID, "BTC", True, 0.01, 99_000, LIMIT),
    "bulk_modify": lambda e: e.bulk_modify_orders_new(
        [{"oid": 7, "order": ORDER}, {"oid": CLOID, "order": ORDER}]
    ),
    "cancel": lambda e: e.cancel("ETH", 77_738_308),
    "bulk_cancel": lambda e: e.bulk_cancel([{"coin": "ETH", "oid": 1}, {"coin": "BTC", "oid": 2**33}]),
    "cancel_by_cloid": lambda e: e.cancel_by_cloid("ETH", CLOID),
    "schedule_cancel": lambda e: e.schedule_cancel(1_790_000_005_000),
    "unschedule_cancel": lambda e: e.schedule_cancel(None),
    "update_leverage": lambda e: e.update_leverage(7, "ETH", False),
    "update_isolated_margin": lambda e: e.update_isolated_margin(-1.5, "ETH"),
    "agent_set_abstraction": lambda e: e.agent_set_abstraction("u"),
    "noop": lambda e: e.noop(1_790_000_000_000),
}
L1_OF_MASTER: dict[str, Call] = {
    "set_referrer": lambda e: e.set_referrer("CODE"),
    "create_sub_account": lambda e: e.create_sub_account("prøve"),
    "sub_account_transfer": lambda e: e.sub_account_transfer(OTHER.lower(), True, 1_000_000),
    "sub_account_spot_transfer": lambda e: e.sub_account_spot_transfer(OTHER.lower(), False, "USDC:0x1", 1.5),
    "vault_usd_transfer": lambda e: e.vault_usd_transfer(OTHER.lower(), True, 5_000_000),
}
MONEY: dict[str, Call] = {
    "usd_transfer": lambda e: e.usd_transfer(1.5, OTHER),
    "spot_transfer": lambda e: e.spot_transfer(1, OTHER, "USDC:0x1"),
    "withdraw_from_bridge": lambda e: e.withdraw_from_bridge(2.0, OTHER),
    "usd_class_transfer": lambda e: e.usd_class_transfer(3.25, True),
    "send_asset": lambda e: e.send_asset(OTHER, "", "spot", "USDC", 1.25),
    "approve_agent": lambda e: e.approve_agent(),
    "approve_named_agent": lambda e: e.approve_agent("desk valid_until 1790000000000"),
    "approve_builder_fee": lambda e: e.approve_builder_fee(OTHER.lower(), "0.01%"),
    "user_set_abstraction": lambda e: e.user_set_abstraction(OTHER, "unifiedAccount"),
}
OFFERED = L1 | L1_OF_MASTER | MONEY
NOT_OFFERED: dict[str, Call] = {
    "agent_enable_dex_abstraction": lambda e: e.agent_enable_dex_abstraction(),
    "user_dex_abstraction": lambda e: e.user_dex_abstraction(OTHER, True),
    "token_delegate": lambda e: e.token_delegate(OTHER, 10**9, False),
    "convert_to_multi_sig_user": lambda e: e.convert_to_multi_sig_user([OTHER], 1),
    "use_big_blocks": lambda e: e.use_big_blocks(True),
    "gossip_priority_bid": lambda e: e.gossip_priority_bid(1, "1.2.3.4", 100),
    "c_signer_jail_self": lambda e: e.c_signer_jail_self(),
    "c_validator_unregister": lambda e: e.c_validator_unregister(),
    "c_validator_register": lambda e: e.c_validator_register("1.2.3.4", "n", "d", False, 5, OTHER, True, 1),
    "spot_deploy_register_spot": lambda e: e.spot_deploy_register_spot(1, 0),
    "spot_deploy_genesis": lambda e: e.spot_deploy_genesis(1, "100", True),
    "perp_deploy_register_asset": lambda e: e.perp_deploy_register_asset(
        "xyz", None, "A", 2, "1.5", 10, True, None
    ),
    "perp_deploy_set_oracle": lambda e: e.perp_deploy_set_oracle("xyz", {"b": "2", "a": "1"}, [{"a": "1"}], {}),
}


def sent(call: Call, exchange: Captured | None = None) -> dict[str, Any]:
    exchange = exchange or sdk()
    call(exchange)
    return exchange.body


def signer_of(body: Any, *, is_mainnet: bool = False) -> str | None:
    return read(json.dumps(body).encode(), is_mainnet=is_mainnet).signer


@pytest.mark.parametrize("name", OFFERED)
def test_the_signer_of_every_action_is_the_wallet_of_the_sdk(name: str) -> None:
    assert signer_of(sent(OFFERED[name])) == ADDRESS


@pytest.mark.parametrize("name", OFFERED)
def test_on_mainnet_the_same_with_mainnet_signatures(name: str) -> None:
    body = sent(OFFERED[name], sdk(url=MAINNET_API_URL))
    assert signer_of(body, is_mainnet=True) == ADDRESS


@pytest.mark.parametrize("name", L1)
def test_vault_and_expiry_are_part_of_the_hash(name: str) -> None:
    exchange = sdk(vault_address=OTHER)
    exchange.set_expires_after(EXPIRES)
    signed = read(json.dumps(sent(L1[name], exchange)).encode(), is_mainnet=False)
    assert (signed.signer, signed.vault_address, signed.expires_after) == (
        ADDRESS,
        OTHER.lower(),
        EXPIRES,
    )


def test_a_vault_address_may_lack_its_prefix_as_with_ccxt() -> None:
    body = sent(L1["order"], sdk(vault_address=OTHER))
    body["vaultAddress"] = OTHER.removeprefix("0x")
    signed = read(json.dumps(body).encode(), is_mainnet=False)
    assert (signed.signer, signed.vault_address) == (ADDRESS, OTHER.lower())


@pytest.mark.parametrize("name", MONEY)
def test_vault_and_expiry_mean_nothing_to_user_signed_actions(name: str) -> None:
    exchange = sdk(vault_address=OTHER)
    exchange.set_expires_after(EXPIRES)
    signed = read(json.dumps(sent(MONEY[name], exchange)).encode(), is_mainnet=False)
    assert (signed.signer, signed.vault_address, signed.expires_after) == (ADDRESS, None, None)


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_signatures_of_actions_the_venue_does_not_offer_are_understood_too(name: str) -> None:
    body = sent(NOT_OFFERED[name])
    action, signature = body["action"], body["signature"]
    digest = (
        user_signed_digest(action)
        if action["type"] in USER_SIGNED
        else l1_digest(action_hash(action, body["nonce"]), is_mainnet=False)
    )
    assert recover(digest, Signature(int(signature["r"], 16), int(signature["s"], 16), signature["v"])) == ADDRESS
    with pytest.raises(Malformed):
        signer_of(body)


def padded(text: str) -> str:
    return text + "0" if "." in text else text + ".0"


def dressed(value: Any, key: str = "") -> Any:
    """The same action otherwise written: keys turned round, numbers padded, hex in upper case."""
    if isinstance(value, dict):
        return {name: dressed(value[name], name) for name in reversed(value)}
    if isinstance(value, list):
        return [dressed(item) for item in value]
    if key in ("p", "s", "triggerPx") and isinstance(value, str):
        return padded(value)
    if isinstance(value, str) and value.startswith("0x"):
        return "0x" + value[2:].upper()
    return value


@pytest.mark.parametrize("name", L1 | L1_OF_MASTER)
def test_an_action_written_otherwise_has_the_same_signer(name: str) -> None:
    body = sent(OFFERED[name])
    body["action"] = dressed(body["action"])
    del body["vaultAddress"], body["expiresAfter"]
    assert signer_of(body) == ADDRESS


def test_false_flags_of_the_venue_are_as_good_as_left_out() -> None:
    body = sent(L1["cancel"])
    body["action"]["f"] = False
    assert signer_of(body) == ADDRESS
    body["action"]["f"] = True
    assert signer_of(body) != ADDRESS


def altered(value: Any) -> Iterator[Any]:
    """Every copy of a JSON value that differs in one leaf."""
    if isinstance(value, dict):
        for key in value:
            yield from ({**value, key: other} for other in altered(value[key]))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in altered(item))
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, str):
        yield value + "1"
        yield value[:-1] + ("1" if value[-1:] != "1" else "2")
    else:
        yield 1


@pytest.mark.parametrize("name", OFFERED)
def test_one_altered_field_makes_another_signer_or_no_request(name: str) -> None:
    body = sent(OFFERED[name])
    others = list(altered(body["action"]))
    assert others
    for action in others:
        try:
            signer = signer_of({**body, "action": action})
        except Malformed:
            continue
        assert signer != ADDRESS, action


def refusal(body: Any, **config: Any) -> str:
    """What the venue says where only the wallet has an account."""
    made = world(fund=0, **config)
    open_account(made, address=ADDRESS)
    made.now_ms = body["nonce"]
    with pytest.raises(Refused) as refused:
        signed = read(json.dumps(body).encode(), is_mainnet=made.config.chain == "Mainnet")
        admit(made, identify(made, signed), signed)
    return str(refused.value)


def random_signer(body: Any, *, is_mainnet: bool = False) -> str:
    signer = signer_of(body, is_mainnet=is_mainnet)
    assert signer is not None and signer != ADDRESS
    return signer


@pytest.mark.parametrize("name", L1 | L1_OF_MASTER)
def test_what_is_wrong_with_an_l1_signature_shows_as_an_unknown_address(name: str) -> None:
    stranger = Wallet.from_key("0x" + "22" * 32)
    wrong_key = sent(OFFERED[name], sdk(stranger))
    assert refusal(wrong_key) == f"User or API Wallet {stranger.address.lower()} does not exist."
    body = sent(OFFERED[name])
    for wrong in (
        {**body, "nonce": body["nonce"] + 1},
        {**body, "vaultAddress": OTHER},
        {**body, "expiresAfter": body["nonce"] + 10_000},
    ):
        assert refusal(wrong) == f"User or API Wallet {random_signer(wrong)} does not exist."
    for_mainnet = sent(OFFERED[name], sdk(url=MAINNET_API_URL))
    assert refusal(for_mainnet) == f"User or API Wallet {random_signer(for_mainnet)} does not exist."


@pytest.mark.parametrize("name", MONEY)
def test_what_is_wrong_with_a_user_signature(name: str) -> None:
    stranger = Wallet.from_key("0x" + "22" * 32)
    wrong_key = sent(MONEY[name], sdk(stranger))
    text = f"Must deposit before performing actions. User: {stranger.address.lower()}"
    assert refusal(wrong_key) == text
    body = sent(MONEY[name])
    assert refusal({**body, "nonce": body["nonce"] + 1}) == "Nonce mismatch."
    for_mainnet = sent(MONEY[name], sdk(url=MAINNET_API_URL))
    assert refusal(for_mainnet) == "Mainnet and testnet require different signature."
    assert refusal(body, chain="Mainnet") == "Mainnet and testnet require different signature."


@pytest.mark.parametrize("v", [0, 1, 26, 29, -1, 2**64])
def test_a_signature_that_cannot_be_one(v: int) -> None:
    body = sent(L1["noop"])
    body["signature"]["v"] = v
    assert refusal(body) == "Unable to recover signer."


@pytest.mark.parametrize("number", ["0x0", "0x" + "f" * 64])
@pytest.mark.parametrize("which", ["r", "s"])
def test_numbers_out_of_range_of_the_curve(which: str, number: str) -> None:
    body = sent(L1["noop"])
    body["signature"][which] = number
    assert refusal(body) == "Unable to recover signer."


def test_leading_zeros_of_r_and_s_may_be_there_or_not() -> None:
    """Sign until a short number turns up: one signature in 128 has one."""
    exchange = sdk()
    for nonce in range(4_000):
        body = sent(lambda e, nonce=nonce: e.noop(nonce), exchange)  # type: ignore[misc]
        if min(len(body["signature"][which]) for which in "rs") < 66:
            break
    else:
        pytest.fail("no short signature")
    assert signer_of(body) == ADDRESS
    body["signature"].update({which: f"0x{int(body['signature'][which], 16):064x}" for which in "rs"})
    assert signer_of(body) == ADDRESS


def test_the_offered_user_signed_actions_are_those_with_an_inner_nonce() -> None:
    for name, call in OFFERED.items():
        signed = read(json.dumps(sent(call)).encode(), is_mainnet=False)
        assert isinstance(signed.action, UserSigned) == (name in MONEY), name
