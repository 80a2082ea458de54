"""What a signature on Hyperliquid covers, and which address made it (reference page §5).

L1 actions (orders, cancels, leverage …) are hashed as msgpack and signed through a phantom agent; actions about
money and permissions are signed field by field as EIP-712 structs. An address is lower-case hex with `0x`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from coincurve import PublicKey
from eth_hash.auto import keccak

Encoder = Callable[[Any], bytes]


def _address_word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def _text_word(text: str) -> bytes:
    return keccak(text.encode())


def _number_word(number: int) -> bytes:
    return number.to_bytes(32, "big")


WORDS: Mapping[str, Encoder] = {
    "address": _address_word,
    "bool": _number_word,
    "string": _text_word,
    "uint64": _number_word,
    "uint256": _number_word,
    "bytes32": bytes,
}
"""EIP-712 encoding of one field, 32 bytes."""


class StructType:
    """An EIP-712 struct: its type hash stands ready, `hash` takes the values by name and ignores others."""

    def __init__(self, name: str, fields: str) -> None:
        pairs = [field.split() for field in fields.split(",")]
        self._hash = keccak(f"{name}({','.join(' '.join(pair) for pair in pairs)})".encode())
        self._fields = [(field, WORDS[kind]) for kind, field in pairs]

    def hash(self, values: Mapping[str, Any]) -> bytes:
        return keccak(self._hash + b"".join(encode(values[field]) for field, encode in self._fields))


DOMAIN = StructType("EIP712Domain", "string name, string version, uint256 chainId, address verifyingContract")
AGENT = StructType("Agent", "string source, bytes32 connectionId")
L1_CHAIN_ID = 1337


def _user_type(name: str, fields: str) -> StructType:
    return StructType(f"HyperliquidTransaction:{name}", f"string hyperliquidChain, {fields}")


USER_SIGNED: Mapping[str, StructType] = {
    "usdSend": _user_type("UsdSend", "string destination, string amount, uint64 time"),
    "spotSend": _user_type("SpotSend", "string destination, string token, string amount, uint64 time"),
    "withdraw3": _user_type("Withdraw", "string destination, string amount, uint64 time"),
    "usdClassTransfer": _user_type("UsdClassTransfer", "string amount, bool toPerp, uint64 nonce"),
    "sendAsset": _user_type(
        "SendAsset",
        "string destination, string sourceDex, string destinationDex, string token, string amount, "
        "string fromSubAccount, uint64 nonce",
    ),
    "approveAgent": _user_type("ApproveAgent", "address agentAddress, string agentName, uint64 nonce"),
    "approveBuilderFee": _user_type("ApproveBuilderFee", "string maxFeeRate, address builder, uint64 nonce"),
    "userSetAbstraction": _user_type("UserSetAbstraction", "address user, string abstraction, uint64 nonce"),
    "userDexAbstraction": _user_type("UserDexAbstraction", "address user, bool enabled, uint64 nonce"),
    "tokenDelegate": _user_type("TokenDelegate", "address validator, uint64 wei, bool isUndelegate, uint64 nonce"),
    "convertToMultiSigUser": _user_type("ConvertToMultiSigUser", "string signers, uint64 nonce"),
}
"""By action type."""


USER_DOMAIN = {"name": "HyperliquidSignTransaction", "version": "1", "verifyingContract": "0x" + "0" * 40}
"""Of user-signed actions, without the chain."""


@lru_cache(maxsize=256)
def _domain(name: str, chain_id: int) -> bytes:
    return DOMAIN.hash({**USER_DOMAIN, "name": name, "chainId": chain_id})


def _digest(domain: bytes, struct_hash: bytes) -> bytes:
    return keccak(b"\x19\x01" + domain + struct_hash)


def action_hash(
    action: Any, nonce: int, vault_address: str | None = None, expires_after: int | None = None
) -> bytes:
    """The `connectionId` of an L1 action in canonical form (a struct or a dict, its keys in the venue's order)."""
    parts = [msgspec.msgpack.encode(action), nonce.to_bytes(8, "big")]
    parts.append(b"\x00" if vault_address is None else b"\x01" + bytes.fromhex(vault_address.removeprefix("0x")))
    if expires_after is not None:
        parts.append(b"\x00" + expires_after.to_bytes(8, "big"))
    return keccak(b"".join(parts))


def l1_digest(connection_id: bytes, *, is_mainnet: bool) -> bytes:
    """What is signed for an L1 action."""
    agent = AGENT.hash({"source": "a" if is_mainnet else "b", "connectionId": connection_id})
    return _digest(_domain("Exchange", L1_CHAIN_ID), agent)


def user_signed_digest(action: Mapping[str, Any]) -> bytes:
    """What is signed for an action given with its keys as on the wire."""
    struct = USER_SIGNED[action["type"]]
    return _digest(_domain(USER_DOMAIN["name"], int(action["signatureChainId"], 16)), struct.hash(action))


class Signature(NamedTuple):
    """`v` is 27 or 28."""

    r: int
    s: int
    v: int


def address_of(key: PublicKey) -> str:
    return "0x" + keccak(key.format(compressed=False)[1:])[-20:].hex()


def recover(digest: bytes, signature: Signature) -> str | None:
    """The address whose key signed; None for numbers that are no signature at all."""
    r, s, v = signature
    if v not in (27, 28) or r >= 2**256 or s >= 2**256:
        return None
    packed = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v - 27])
    try:
        return address_of(PublicKey.from_signature_and_message(packed, digest, hasher=None))
    except ValueError:
        return None
