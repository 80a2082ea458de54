"""For all bodies: a request or malformed, nothing else; one canonical form; and nonces against a plain model."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.venue.exchange.nonces import DAY_MS, KEPT, Nonces
from services.venue.exchange.requests import Malformed, Signed, read
from shared.hyperliquid.actions import canonical_number

ONE = "0x" + "a" * 40
SAMPLES: list[dict[str, Any]] = [
    {"type": "order", "grouping": "na", "builder": {"b": ONE, "f": 1}, "orders": [
        {"a": 0, "b": True, "p": "1.5", "s": "2", "r": False, "t": {"limit": {"tif": "Alo"}}}]},
    {"type": "order", "grouping": {"p": 1}, "orders": [
        {"a": 0, "b": True, "p": "1", "s": "2", "r": True, "c": "0x" + "a" * 32,
         "t": {"trigger": {"isMarket": True, "triggerPx": "1", "tpsl": "sl"}}}]},
    {"type": "cancel", "cancels": [{"a": 0, "o": 1}], "f": True},
    {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": "0x" + "a" * 32}]},
    {"type": "batchModify", "modifies": [{"oid": 1, "a": True, "order": {
        "a": 0, "b": True, "p": "1.5", "s": "2", "r": False, "t": {"limit": {"tif": "Gtc"}}}}]},
    {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5},
    {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": -5},
    {"type": "topUpIsolatedOnlyMargin", "asset": 0, "leverage": "5.0"},
    {"type": "scheduleCancel", "time": 5},
    {"type": "reserveRequestWeight", "weight": 5, "destination": ONE},
    {"type": "createSubAccount", "name": "a"},
    {"type": "subAccountTransfer", "subAccountUser": ONE, "isDeposit": True, "usd": 5},
    {"type": "usdSend", "signatureChainId": "0x66eee", "hyperliquidChain": "Testnet", "destination": ONE,
     "amount": "1.0", "time": 5},
    {"type": "approveAgent", "signatureChainId": "0x66eee", "hyperliquidChain": "Testnet",
     "agentAddress": ONE, "agentName": "a", "nonce": 5},
    {"type": "usdClassTransfer", "signatureChainId": "0x66eee", "hyperliquidChain": "Testnet",
     "amount": "1 subaccount:0x" + "a" * 40, "toPerp": True, "nonce": 5},
]  # fmt: skip
HEX = st.builds("0x{:x}".format, st.integers(0, 2**260))
ADDRESS = st.builds("0x{:040x}".format, st.integers(0, 2**160 - 1))
INTEGERS = st.integers(-(2**70), 2**70) | st.integers(0, 300)
TEXTS = st.one_of(
    st.sampled_from(["na", "Alo", "Gtc", "tp", "Testnet", "0x66eee", "USDC", "i", "disabled", "0.01%"]),
    st.decimals(allow_nan=True).map(str), ADDRESS, st.builds("0x{:032x}".format, st.integers(0, 2**128 - 1)), HEX,
    st.text(max_size=5),
)  # fmt: skip
LEAVES = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(), TEXTS)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=9
)


def around(sample: Any) -> st.SearchStrategy[Any]:
    """The sample, or with anything in the place of any part of it."""
    if isinstance(sample, dict):
        kept = st.fixed_dictionaries({key: around(value) for key, value in sample.items()})
    elif isinstance(sample, list):
        kept = st.lists(around(sample[0]), max_size=3)
    else:
        kept = st.just(sample)
    return st.integers(0, 20).flatmap(lambda dice: kept if dice else VALUES)


ACTIONS = st.sampled_from(SAMPLES).flatmap(around)
SIGNATURES = around({"r": "0x1", "s": "0x1", "v": 27}) | st.fixed_dictionaries(
    {"r": HEX, "s": HEX, "v": st.sampled_from([27, 28]) | INTEGERS}
)
BODIES = st.fixed_dictionaries(
    {"action": ACTIONS, "nonce": st.integers(0, 2**64), "signature": SIGNATURES},
    optional={"vaultAddress": ADDRESS | LEAVES, "expiresAfter": INTEGERS | LEAVES},
)


@given(st.sampled_from(SAMPLES))
def test_the_samples_themselves_are_requests(sample: Any) -> None:
    body = {"action": sample, "nonce": 5, "signature": {"r": "0x1", "s": "0x1", "v": 27}}
    assert outcome(json.dumps(body).encode()) is not None


def outcome(body: bytes) -> Signed | None:
    try:
        signed = read(body, is_mainnet=False)
    except Malformed as error:
        assert str(error) == "Failed to deserialize the JSON body into the target type"
        return None
    return signed


@given(st.binary(max_size=60))
@example(b"")
@example(b"null")
@example(b"\xff\xfe")
@example(b'{"action":' * 20_000)
@example(b"[" * 200_000 + b"]" * 200_000)
@example(
    b'{"action":{"type":"createSubAccount","name":"\\ud800"},"nonce":1,"signature":{"r":"0x1","s":"0x1","v":27}}'
)
@example(b'{"action":{"type":"noop"},"nonce":' + b"9" * 5_000 + b',"signature":{"r":"0x1","s":"0x1","v":27}}')
def test_bytes_that_are_no_request_are_malformed(body: bytes) -> None:
    assert outcome(body) is None


@settings(max_examples=400)
@given(BODIES)
def test_any_json_is_read_or_malformed(body: Any) -> None:
    signed = outcome(json.dumps(body).encode())
    assert signed is None or signed.signer is None or len(signed.signer) == 42


@settings(max_examples=400)
@given(BODIES, st.integers(0, 10_000), st.binary(min_size=1, max_size=2))
def test_a_request_with_bytes_overwritten_is_read_or_malformed(body: Any, at: int, other: bytes) -> None:
    raw = json.dumps(body).encode()
    at %= len(raw)
    outcome(raw[:at] + other + raw[at + len(other) :])


@given(st.from_regex(r"-?[0-9]{1,24}(\.[0-9]{1,24})?", fullmatch=True))
def test_a_number_keeps_its_value_in_the_one_way_to_write_it(text: str) -> None:
    canonical = canonical_number(text)
    assert Decimal(canonical) == Decimal(text)
    assert canonical_number(canonical) == canonical
    assert canonical_number(text + ("0" if "." in text else ".0")) == canonical
    assert not canonical.endswith(".") and canonical != "-0" and ("." not in canonical or canonical[-1] != "0")


NOW_MS = 1_790_000_000_000


@given(st.lists(st.integers(NOW_MS - 3 * DAY_MS, NOW_MS + 2 * DAY_MS) | st.integers(NOW_MS, NOW_MS + 150)))
@example([NOW_MS + n for n in range(KEPT + 1)] + [NOW_MS, NOW_MS + 1, NOW_MS + 50])
@example([NOW_MS - 2 * DAY_MS, NOW_MS - 2 * DAY_MS + 1, NOW_MS + DAY_MS - 1, NOW_MS + DAY_MS])
def test_a_nonce_is_good_if_near_unused_and_above_the_hundred_highest(sent: list[int]) -> None:
    nonces, taken = Nonces(), set[int]()
    for nonce in sent:
        kept = sorted(taken)[-KEPT:]
        lowest = max([NOW_MS - 2 * DAY_MS, *kept[:1]] if len(kept) == KEPT else [NOW_MS - 2 * DAY_MS])
        expected = None
        if nonce in kept:
            expected = f"Invalid nonce: duplicate nonce {nonce}"
        elif nonce <= lowest:
            expected = f"Invalid nonce: nonce too low {nonce} < {lowest}"
        elif nonce >= NOW_MS + DAY_MS:
            expected = f"Invalid nonce: nonce too high {nonce} > {NOW_MS + DAY_MS}"
        assert nonces.refusal("0x1", nonce, NOW_MS) == expected
        if expected is None:
            nonces.use("0x1", nonce)
            taken.add(nonce)
    assert nonces.refusal("0x2", NOW_MS, NOW_MS) is None
