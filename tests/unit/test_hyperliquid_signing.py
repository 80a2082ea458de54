"""Signatures equal the official SDK's, byte for byte."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from eth_account import Account as Wallet
from eth_keys.backends import NativeECCBackend
from hyperliquid.utils import signing as sdk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.errors import ConfigError
from shared.hyperliquid import actions
from shared.hyperliquid.digests import USER_SIGNED, Signature, recover, user_signed_digest
from shared.hyperliquid.signing import (
    load_account,
    require_fast_signing,
    sign_l1_action,
    sign_user_signed_action,
)

ACCOUNT = load_account("0x" + "5a" * 32)
ORDER_OF_CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
keys = st.integers(1, ORDER_OF_CURVE - 1).map(lambda number: load_account(f"{number:064x}"))
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
cloids = st.binary(min_size=16, max_size=16).map(lambda raw: "0x" + raw.hex())
indices = st.integers(0, 2**63 - 1)
numbers = st.decimals(Decimal("0.00000001"), Decimal(10**9), places=8).map(
    lambda value: actions.canonical_number(format(value, "f"))
)
flags = st.booleans()
limits = st.sampled_from(("Alo", "Ioc", "Gtc")).map(lambda tif: {"limit": {"tif": tif}})
oids = indices | cloids


def in_order(fields: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    """Keys stand as the venue wants them."""
    keys = [*fields, *(optional or {})]
    return st.fixed_dictionaries(fields, optional=optional).map(
        lambda made: {k: made[k] for k in keys if k in made}
    )


def action_of(kind: str, fields: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    return in_order({"type": st.just(kind), **fields}, optional)


triggers = in_order({"isMarket": flags, "triggerPx": numbers, "tpsl": st.sampled_from(("tp", "sl"))})
kinds = limits | triggers.map(lambda trigger: {"trigger": trigger})
orders = in_order({"a": indices, "b": flags, "p": numbers, "s": numbers, "r": flags, "t": kinds}, {"c": cloids})


def some(item: Any) -> Any:
    return st.lists(item, max_size=4)


ntlis = st.integers(-(2**63), 2**63 - 1)
ACTIONS = st.one_of(
    action_of(
        "order",
        {"orders": some(orders), "grouping": st.sampled_from(("na", "normalTpsl", "positionTpsl"))},
        {"builder": in_order({"b": addresses, "f": st.integers(0, 100)})},
    ),
    action_of("cancel", {"cancels": some(in_order({"a": indices, "o": indices}))}),
    action_of("cancelByCloid", {"cancels": some(in_order({"asset": indices, "cloid": cloids}))}),
    action_of("modify", {"oid": oids, "order": orders}),
    action_of("batchModify", {"modifies": some(in_order({"oid": oids, "order": orders}))}),
    action_of("updateLeverage", {"asset": indices, "isCross": flags, "leverage": st.integers(1, 50)}),
    action_of("updateIsolatedMargin", {"asset": indices, "isBuy": flags, "ntli": ntlis}),
    action_of("scheduleCancel", {}, {"time": indices}),
    action_of("noop", {}),
)  # fmt: skip


@given(keys, ACTIONS, st.none() | addresses, indices, st.none() | indices, flags)
def test_l1_signatures_are_those_of_the_sdk(
    account: Any, action: Any, vault: Any, nonce: int, expires: Any, mainnet: bool
) -> None:
    asked = action, vault, nonce, expires, mainnet
    assert sign_l1_action(account, *asked) == sdk.sign_l1_action(account, *asked)


@given(ACTIONS, st.none() | addresses, indices, st.none() | indices)
def test_structs_are_signed_like_the_dicts_they_stand_for(
    action: Any, vault: Any, nonce: int, expires: Any
) -> None:
    struct = msgspec.convert(action, actions.AnyAction)
    wanted = sdk.sign_l1_action(ACCOUNT, action, vault, nonce, expires, False)
    assert sign_l1_action(ACCOUNT, struct, vault, nonce, expires, False) == wanted
    assert msgspec.json.decode(msgspec.json.encode(struct)) == action


VALUES = {"address": addresses, "bool": flags, "string": st.text(max_size=40), "uint64": st.integers(0, 2**64 - 1)}
TYPES: dict[str, tuple[str, list[dict[str, str]]]] = {
    "usdSend": ("UsdSend", sdk.USD_SEND_SIGN_TYPES),
    "spotSend": ("SpotSend", sdk.SPOT_TRANSFER_SIGN_TYPES),
    "withdraw3": ("Withdraw", sdk.WITHDRAW_SIGN_TYPES),
    "usdClassTransfer": ("UsdClassTransfer", sdk.USD_CLASS_TRANSFER_SIGN_TYPES),
    "sendAsset": ("SendAsset", sdk.SEND_ASSET_SIGN_TYPES),
    "userDexAbstraction": ("UserDexAbstraction", sdk.USER_DEX_ABSTRACTION_SIGN_TYPES),
    "userSetAbstraction": ("UserSetAbstraction", sdk.USER_SET_ABSTRACTION_SIGN_TYPES),
    "tokenDelegate": ("TokenDelegate", sdk.TOKEN_DELEGATE_TYPES),
    "convertToMultiSigUser": ("ConvertToMultiSigUser", sdk.CONVERT_TO_MULTI_SIG_USER_SIGN_TYPES),
}


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=25)
@given(data=st.data(), account=keys, mainnet=flags)
def test_user_signatures_are_those_of_the_sdk(kind: str, data: st.DataObject, account: Any, mainnet: bool) -> None:
    name, types = TYPES[kind]
    fields = {field["name"]: VALUES[field["type"]] for field in types}
    ours = {"type": kind, **data.draw(st.fixed_dictionaries(fields))}
    theirs = dict(ours)
    asked = types, f"HyperliquidTransaction:{name}", mainnet
    signature = sign_user_signed_action(account, ours, *asked)
    assert signature == sdk.sign_user_signed_action(account, theirs, *asked)
    assert ours == theirs
    digest = user_signed_digest(ours)
    numbers = Signature(int(signature["r"], 16), int(signature["s"], 16), signature["v"])
    assert recover(digest, numbers) == account.address.lower()


@given(flags, indices, addresses, addresses)
def test_agents_builders_and_envelopes_of_many_signers_too(
    mainnet: bool, nonce: int, one: str, other: str
) -> None:
    agent = {"type": "approveAgent", "agentAddress": one, "agentName": "desk", "nonce": nonce}
    types = [{"name": "hyperliquidChain", "type": "string"}, {"name": "agentAddress", "type": "address"},
             {"name": "agentName", "type": "string"}, {"name": "nonce", "type": "uint64"}]  # fmt: skip
    ours = sign_user_signed_action(ACCOUNT, dict(agent), types, "HyperliquidTransaction:ApproveAgent", mainnet)
    assert ours == sdk.sign_agent(ACCOUNT, dict(agent), mainnet)
    envelope = {"multiSigActionHash": bytes.fromhex(one[2:] + other[2:26]), "nonce": nonce}
    name, sign_types = "HyperliquidTransaction:SendMultiSig", sdk.MULTI_SIG_ENVELOPE_SIGN_TYPES
    ours = sign_user_signed_action(ACCOUNT, dict(envelope), sign_types, name, mainnet)
    assert ours == sdk.sign_user_signed_action(ACCOUNT, dict(envelope), sign_types, name, mainnet)


ADDRESS = "ab" * 20


@pytest.mark.parametrize(
    ("kind", "value"),
    [("address", ADDRESS), ("address", "0x" + ADDRESS.upper()), ("address", bytes.fromhex(ADDRESS)),
     ("address", "0x12"), ("address", None), ("uint64", "5"), ("uint64", -1), ("uint64", 2**64), ("uint64", True),
     ("uint8", 3), ("int64", -3), ("bool", "true"), ("string", 5), ("bytes", b"x"), ("bytes32", "0x" + "11" * 32),
     ("bytes32", "0x12"), ("address[]", ["0x" + ADDRESS])],
)  # fmt: skip
def test_fields_of_any_type_are_signed_or_refused_as_the_sdk_does(kind: str, value: Any) -> None:
    types = [{"name": "hyperliquidChain", "type": "string"}, {"name": "field", "type": kind}]

    def told(sign: Callable[..., Any]) -> Any:
        try:
            return sign(ACCOUNT, {"field": value}, types, "HyperliquidTransaction:Some", True)
        except Exception as error:
            return type(error), str(error)

    assert told(sign_user_signed_action) == told(sdk.sign_user_signed_action)


def test_leading_zeros_of_r_and_s_are_left_out_as_the_sdk_does() -> None:
    short = 0
    for nonce in range(1500):
        ours = sign_l1_action(ACCOUNT, {"type": "noop"}, None, nonce, None, False)
        if min(len(ours["r"]), len(ours["s"])) < 66:
            short += 1
            assert ours == sdk.sign_l1_action(ACCOUNT, {"type": "noop"}, None, nonce, None, False)
    assert short


def test_every_user_signed_action_of_the_sdk_is_known() -> None:
    assert {"approveAgent", "approveBuilderFee", *TYPES} == set(USER_SIGNED)


# ---- keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "0x", " 0x"])
def test_a_key_may_have_a_prefix_and_blanks(prefix: str) -> None:
    assert load_account(prefix + "11" * 32 + "\n").address == Wallet.from_key("0x" + "11" * 32).address


@given(st.text("0123456789abcdefxz -", max_size=70))
def test_what_is_no_key_is_not_shown(text: str) -> None:
    try:
        load_account(text)
    except ConfigError as error:
        assert error.__cause__ is None and error.__context__ is None
        assume(len(text.strip()) > 8)
        assert text.strip() not in str(error)
    else:
        assert len(text.strip().removeprefix("0x")) == 64


@pytest.mark.parametrize("key", ["0" * 64, "f" * 64, "zz" * 32, "11" * 31, ""])
def test_numbers_that_are_no_key_are_refused(key: str) -> None:
    with pytest.raises(ConfigError):
        load_account(key)


def test_a_key_is_in_no_representation_of_its_account() -> None:
    assert "5a5a" not in repr(ACCOUNT) + str(ACCOUNT)


def test_slow_signing_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    require_fast_signing()
    monkeypatch.setenv("ECC_BACKEND_CLASS", f"{NativeECCBackend.__module__}.{NativeECCBackend.__name__}")
    with pytest.raises(ConfigError, match="coincurve"):
        require_fast_signing()
