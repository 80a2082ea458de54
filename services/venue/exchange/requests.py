"""Bodies of `/exchange` requests: what they ask, and which key signed them.

Whatever the bytes, there are two outcomes: a `Signed` or `Malformed`. The signature is checked against the
canonical form of the action (see `actions`), so padded numbers, reordered keys and upper-case hex change nothing.
"""

from typing import Annotated

import msgspec

from shared.hyperliquid.actions import AnyAction, ApproveAgent, Index, UserSigned
from shared.hyperliquid.digests import Signature, action_hash, l1_digest, recover, user_signed_digest

MALFORMED = "Failed to deserialize the JSON body into the target type"
VaultAddress = Annotated[str, msgspec.Meta(pattern=r"^(0x)?[0-9a-fA-F]{40}\Z")]
"""ccxt leaves the `0x` of vault addresses out."""
HexNumber = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-fA-F]{1,64}\Z")]


class Malformed(Exception):
    """The body is no request; the venue answers HTTP 422 with this text."""

    def __init__(self) -> None:
        super().__init__(MALFORMED)


class Signed(msgspec.Struct, frozen=True):
    """A request whose signature has been looked at: what is asked, by which key, for which account."""

    action: AnyAction
    signer: str | None
    """Lower-case address of the key; None when no address can be recovered."""
    nonce: int
    vault_address: str | None = None
    """Lower case. This and the next are never set for user-signed actions, whose signatures do not cover them."""
    expires_after: int | None = None


class SignatureWire(msgspec.Struct, frozen=True):
    """Leading zeros of `r` and `s` may be missing."""

    r: HexNumber
    s: HexNumber
    v: int


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """The body. Null and absent mean the same."""

    action: AnyAction
    nonce: Index
    signature: SignatureWire
    vault_address: VaultAddress | None = None
    expires_after: Index | None = None


_DECODER = msgspec.json.Decoder(Envelope)


def read(body: bytes | msgspec.Raw, *, is_mainnet: bool) -> Signed:
    """Read a body and recover its signer, for the chain that the venue runs.

    Raises:
        Malformed: not JSON, an unknown action type, or a field missing or wrong.
    """
    try:
        envelope = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed from error
    action, nonce = envelope.action, envelope.nonce
    signature = Signature(int(envelope.signature.r, 16), int(envelope.signature.s, 16), envelope.signature.v)
    if isinstance(action, UserSigned):
        return Signed(action, recover(_user_digest(action), signature), nonce)
    vault = envelope.vault_address
    if vault is not None:
        vault = "0x" + vault.lower().removeprefix("0x")
    hashed = action_hash(action, nonce, vault, envelope.expires_after)
    signer = recover(l1_digest(hashed, is_mainnet=is_mainnet), signature)
    return Signed(action, signer, nonce, vault, envelope.expires_after)


def _user_digest(action: UserSigned) -> bytes:
    """An agent without a name is signed with the name ""; the SDK sends no name then."""
    if isinstance(action, ApproveAgent) and action.agent_name is None:
        action = msgspec.structs.replace(action, agent_name="")
    return user_signed_digest(msgspec.to_builtins(action))
