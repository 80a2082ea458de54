"""What the venue's answers mean. Texts are those of the reference page §6.1 and §6.6."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hyperliquid.actions import (
    BatchModify,
    Cancel,
    CancelByCloid,
    CancelByCloidWire,
    CancelWire,
    ModifyWire,
    Noop,
    PlaceOrders,
)
from shared.hyperliquid.orders import limit_order
from shared.hyperliquid.replies import (
    Answered,
    Cancelled,
    Filled,
    Outcome,
    Reason,
    Refused,
    Rejected,
    Resting,
    Throttled,
    Unknown,
    Waiting,
    outcome_of,
    outcome_of_http,
    reason_of,
)

ORDER = limit_order(0, 2, "bid", Decimal(100), Decimal(1))
CLOID = "0x" + "0" * 31 + "1"
ERROR = "Insufficient margin to place order. asset=0"


def place(many: int) -> PlaceOrders:
    return PlaceOrders((ORDER,) * many, "na")


def ok(kind: str, statuses: list[Any] | None = None) -> bytes:
    data = {} if statuses is None else {"data": {"statuses": statuses}}
    return json.dumps({"status": "ok", "response": {"type": kind, **data}}).encode()


def test_one_status_for_each_order() -> None:
    statuses = [
        {"resting": {"oid": 1, "cloid": CLOID}},
        {"filled": {"totalSz": "0.5", "avgPx": "100.01", "oid": 2}},
        {"error": ERROR},
        "waitingForFill",
        "waitingForTrigger",
    ]
    assert outcome_of(place(5), ok("order", statuses)) == Answered(
        (
            Resting(1, CLOID),
            Filled(2, Decimal("0.5"), Decimal("100.01")),
            Rejected(Reason.MARGIN, ERROR),
            Waiting("waitingForFill"),
            Waiting("waitingForTrigger"),
        )
    )


@pytest.mark.parametrize(
    "action",
    [Cancel((CancelWire(0, 1), CancelWire(0, 2))), CancelByCloid((CancelByCloidWire(0, CLOID),) * 2)],
)
def test_cancels(action: Cancel | CancelByCloid) -> None:
    text = "Order was never placed, already canceled, or filled. asset=0"
    wanted = Answered((Cancelled(), Rejected(Reason.NOT_OPEN, text)))
    assert outcome_of(action, ok("cancel", ["success", {"error": text}])) == wanted


def test_actions_without_statuses() -> None:
    assert outcome_of(Noop(), ok("default")) == Answered()


def test_an_error_found_beforehand_is_that_of_every_order() -> None:
    text = "Order has invalid price."
    rejected = Rejected(Reason.BAD_PRICE, text)
    assert outcome_of(place(3), ok("order", [{"error": text}])) == Answered((rejected,) * 3)
    modify = BatchModify((ModifyWire(1, ORDER),) * 2)
    assert outcome_of(modify, ok("order", [{"error": text}])) == Answered((rejected,) * 2)


@pytest.mark.parametrize(
    "statuses",
    [[], [{"resting": {"oid": 1}}], [{"error": ERROR}] * 3, [{"resting": {"oid": 1}}, "news"],
     [{"resting": {"oid": 1}}, {}], [{"resting": {"oid": 1}}, {"resting": {"oid": "x"}}], None],
)  # fmt: skip
def test_statuses_that_do_not_fit_leave_everything_open(statuses: list[Any] | None) -> None:
    assert isinstance(outcome_of(place(2), ok("order", statuses)), Unknown)


def test_a_refusal_of_the_whole() -> None:
    text = "User or API Wallet 0x0000000000000000000000000000000000000001 does not exist."
    body = json.dumps({"status": "err", "response": text}).encode()
    assert outcome_of(place(2), body) == Refused(Reason.UNKNOWN_SIGNER, text)


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (429, b"null", Throttled()),
        (422, b"Failed to deserialize", Refused(Reason.MALFORMED, "Failed to deserialize")),
        (502, b"<html>\n bad  gateway", Unknown("HTTP 502: <html> bad gateway")),
        (307, b"", Unknown("HTTP 307: ")),
        (0, b"who knows", Unknown("HTTP 0: who knows")),
    ],
)
def test_other_http_statuses(status: int, body: bytes, wanted: Outcome) -> None:
    assert outcome_of_http(place(1), status, body) == wanted


@given(st.binary(max_size=60))
def test_no_bytes_are_taken_for_success(body: bytes) -> None:
    assert isinstance(outcome_of_http(place(1), 200, body), Unknown)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("status", "response", "type", "data", "statuses", "error", "oid")), inner
        )
    ),
    max_leaves=12,
)


@given(json_values, st.integers(2, 5))
def test_whatever_json_comes_it_means_something(value: Any, many: int) -> None:
    outcome = outcome_of(place(many), json.dumps(value).encode())
    assert not isinstance(outcome, Answered) or len(outcome.statuses) == many


TEXTS = {
    "Price must be divisible by tick size.": Reason.TICK,
    "Order must have minimum value of $10.": Reason.MIN_NOTIONAL,
    "Order must have minimum value of 10 USDC.": Reason.MIN_NOTIONAL,
    "Insufficient margin to place order.": Reason.MARGIN,
    "Reduce only order would increase position.": Reason.REDUCE_ONLY,
    "Post only order would have immediately matched, bbo was 1.0@1.1.": Reason.POST_ONLY_WOULD_MATCH,
    "Order could not immediately match against any resting orders.": Reason.NO_MATCH,
    "Invalid TP/SL price.": Reason.TRIGGER_PRICE,
    "No liquidity available for market order.": Reason.NO_LIQUIDITY,
    "Order would increase open interest while open interest is capped": Reason.OPEN_INTEREST,
    "Order rejected due to price more aggressive than oracle while at open interest cap": Reason.OPEN_INTEREST,
    "Order would increase open interest too quickly": Reason.OPEN_INTEREST,
    "Open interest is increasing too quickly. Try again in a few seconds.": Reason.OPEN_INTEREST,
    "Price too far from oracle": Reason.PRICE_BAND,
    "Order price too far from oracle": Reason.PRICE_BAND,
    "Order price cannot be more than 95% away from the reference price": Reason.PRICE_BAND,
    "Order would cause position to exceed margin tier limit at current leverage": Reason.POSITION_LIMIT,
    "Order would exceed maximum position size for current leverage.": Reason.POSITION_LIMIT,
    "Insufficient spot balance": Reason.SPOT_BALANCE,
    "Order was never placed, already canceled, or filled.": Reason.NOT_OPEN,
    "Order has invalid price.": Reason.BAD_PRICE,
    "Order has invalid size.": Reason.BAD_SIZE,
    "Order has zero size.": Reason.BAD_SIZE,
    "Orders are empty.": Reason.EMPTY,
    "Order value too large. Max is $5000000.": Reason.MAX_NOTIONAL,
    "Signed action over weight limit of 200.": Reason.ACTION_WEIGHT,
    "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0. Place taker orders to "
    "free up 1 request per USDC traded.": Reason.REQUEST_BUDGET,
    "L1 error: User or API Wallet 0x12 does not exist.": Reason.UNKNOWN_SIGNER,
    "Must deposit before performing actions. User: 0x12": Reason.NO_DEPOSIT,
    "Unable to recover signer.": Reason.BAD_SIGNATURE,
    "Mainnet and testnet require different signature.": Reason.BAD_SIGNATURE,
    "Invalid nonce: duplicate nonce 5": Reason.BAD_NONCE,
    "Invalid nonce: nonce too low 1 < 5": Reason.BAD_NONCE,
    "Nonce mismatch.": Reason.BAD_NONCE,
    "Action already expired": Reason.EXPIRED,
    "Vault not registered: 0x12": Reason.UNKNOWN_VAULT,
    "Builder fee has not been approved.": Reason.BUILDER_FEE,
    "Cannot modify canceled or filled order": Reason.NOT_MODIFIABLE,
    "Attempted to modify to invalid new order": Reason.BAD_MODIFY,
    "Error placing new order during modify: Insufficient margin to place order.": Reason.REPLACEMENT_REFUSED,
    "Invalid leverage value": Reason.LEVERAGE,
    "Cannot switch leverage type with open position.": Reason.LEVERAGE,
    "Isolated position does not have sufficient margin available to decrease leverage. To decrease leverage, add "
    "margin to the position.": Reason.LEVERAGE,
    "Cross position does not have sufficient margin available to decrease leverage.": Reason.LEVERAGE,
    "Cross margin is not allowed for this asset.": Reason.LEVERAGE,
    "Account does not have sufficient margin available for increase.": Reason.MARGIN,
    "Scheduled cancel time too early, must be at least 5 seconds from now.": Reason.SCHEDULED_CANCEL,
    "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $1.":
        Reason.SCHEDULED_CANCEL,
    "Too many scheduled cancels triggered for the day. Limit is 10": Reason.SCHEDULED_CANCEL,
    "Too many open orders": Reason.TOO_MANY_ORDERS,
    "Only post-only orders allowed immediately after network upgrade": Reason.POST_ONLY_PERIOD,
    "Trading is halted.": Reason.HALTED,
    "Action disabled when unified account is active": Reason.ACCOUNT_MODE,
    "Agent valid_until already expired": Reason.UNRECOGNISED,
    "Unexpected error (code=7)": Reason.UNRECOGNISED,
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_the_venue_are_known_in_any_case_and_with_their_asset(text: str) -> None:
    for seen in (text, text.upper(), f"{text} asset=110003"):
        assert reason_of(seen) == TEXTS[text]
