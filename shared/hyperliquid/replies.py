"""What became of a request to `/exchange`.

`Answered` and `Refused` are the venue's word. `NotSent` and `Throttled` mean that nothing was done. `Unknown`
means that everything may have been: ask `orderStatus` by cloid, never send again blindly (reference page §6.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from shared.hyperliquid.actions import AnyAction, BatchModify, Cancel, CancelByCloid, PlaceOrders
from shared.hyperliquid.wire import shown


class Reason(StrEnum):
    """Why the venue refused, as far as its words are known; `UNRECOGNISED` leaves open what it has done."""

    POST_ONLY_WOULD_MATCH = "post_only_would_match"
    NO_MATCH = "no_match"
    NO_LIQUIDITY = "no_liquidity"
    TICK = "tick"
    BAD_PRICE = "bad_price"
    BAD_SIZE = "bad_size"
    EMPTY = "empty"
    BAD_ASSET = "bad_asset"
    MIN_NOTIONAL = "min_notional"
    MAX_NOTIONAL = "max_notional"
    PRICE_BAND = "price_band"
    MARGIN = "margin"
    POSITION_LIMIT = "position_limit"
    REDUCE_ONLY = "reduce_only"
    TRIGGER_PRICE = "trigger_price"
    OPEN_INTEREST = "open_interest"
    SPOT_BALANCE = "spot_balance"
    TOO_MANY_ORDERS = "too_many_orders"
    POST_ONLY_PERIOD = "post_only_period"
    HALTED = "halted"
    NOT_OPEN = "not_open"
    NOT_MODIFIABLE = "not_modifiable"
    BAD_MODIFY = "bad_modify"
    REPLACEMENT_REFUSED = "replacement_refused"
    """A modify cancelled the old order and could not place the new one."""
    ACTION_WEIGHT = "action_weight"
    REQUEST_BUDGET = "request_budget"
    UNKNOWN_SIGNER = "unknown_signer"
    NO_DEPOSIT = "no_deposit"
    BAD_SIGNATURE = "bad_signature"
    BAD_NONCE = "bad_nonce"
    EXPIRED = "expired"
    UNKNOWN_VAULT = "unknown_vault"
    BUILDER_FEE = "builder_fee"
    LEVERAGE = "leverage"
    SCHEDULED_CANCEL = "scheduled_cancel"
    ACCOUNT_MODE = "account_mode"
    MALFORMED = "malformed"
    UNRECOGNISED = "unrecognised"


_TEXTS: tuple[tuple[str, Reason], ...] = (
    ("error placing new order during modify", Reason.REPLACEMENT_REFUSED),
    ("would have immediately matched", Reason.POST_ONLY_WOULD_MATCH),
    ("could not immediately match", Reason.NO_MATCH),
    ("no liquidity available", Reason.NO_LIQUIDITY),
    ("divisible by tick size", Reason.TICK),
    ("invalid price", Reason.BAD_PRICE),
    ("invalid size", Reason.BAD_SIZE),
    ("zero size", Reason.BAD_SIZE),
    ("orders are empty", Reason.EMPTY),
    ("invalid asset", Reason.BAD_ASSET),
    ("must have minimum value", Reason.MIN_NOTIONAL),
    ("order value too large", Reason.MAX_NOTIONAL),
    ("too far from oracle", Reason.PRICE_BAND),
    ("away from the reference price", Reason.PRICE_BAND),
    ("scheduled cancel", Reason.SCHEDULED_CANCEL),
    ("margin tier limit", Reason.POSITION_LIMIT),
    ("maximum position size", Reason.POSITION_LIMIT),
    ("margin to place order", Reason.MARGIN),
    ("invalid leverage", Reason.LEVERAGE),
    ("switch leverage type", Reason.LEVERAGE),
    ("to decrease leverage", Reason.LEVERAGE),
    ("cross margin is not allowed", Reason.LEVERAGE),
    ("sufficient margin", Reason.MARGIN),
    ("reduce only order would increase", Reason.REDUCE_ONLY),
    ("invalid tp/sl price", Reason.TRIGGER_PRICE),
    ("open interest", Reason.OPEN_INTEREST),
    ("spot balance", Reason.SPOT_BALANCE),
    ("too many open orders", Reason.TOO_MANY_ORDERS),
    ("only post-only orders allowed", Reason.POST_ONLY_PERIOD),
    ("trading is halted", Reason.HALTED),
    ("never placed, already canceled, or filled", Reason.NOT_OPEN),
    ("cannot modify canceled or filled", Reason.NOT_MODIFIABLE),
    ("modify to invalid new order", Reason.BAD_MODIFY),
    ("over weight limit", Reason.ACTION_WEIGHT),
    ("too many cumulative requests", Reason.REQUEST_BUDGET),
    ("does not exist", Reason.UNKNOWN_SIGNER),
    ("must deposit before", Reason.NO_DEPOSIT),
    ("unable to recover signer", Reason.BAD_SIGNATURE),
    ("require different signature", Reason.BAD_SIGNATURE),
    ("invalid nonce", Reason.BAD_NONCE),
    ("nonce mismatch", Reason.BAD_NONCE),
    ("action already expired", Reason.EXPIRED),
    ("vault not registered", Reason.UNKNOWN_VAULT),
    ("builder fee has not been approved", Reason.BUILDER_FEE),
    ("unified account is active", Reason.ACCOUNT_MODE),
    ("failed to deserialize", Reason.MALFORMED),
)
"""Pieces of the venue's texts in lower case (§6.6); the first that fits counts, so inner texts come after outer
ones."""


def reason_of(text: str) -> Reason:
    lowered = text.lower()
    return next((reason for piece, reason in _TEXTS if piece in lowered), Reason.UNRECOGNISED)


# ---- statuses ------------------------------------------------------------------------------------------------


class Resting(msgspec.Struct, frozen=True):
    """The order stands in the book, perhaps after it traded in part."""

    oid: int
    cloid: str | None = None


class Filled(msgspec.Struct, frozen=True, rename="camel"):
    """It traded. `total_sz` and `avg_px` are news; fills are booked from the fill feed only."""

    oid: int
    total_sz: Decimal
    avg_px: Decimal
    cloid: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A trigger, or the child of an order that has not filled."""

    until: Literal["waitingForFill", "waitingForTrigger"]


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


@dataclass(frozen=True, slots=True)
class Rejected:
    """One order or cancel was refused."""

    reason: Reason
    text: str


Status = Resting | Filled | Waiting | Cancelled | Rejected


# ---- outcomes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """One status for each order or cancel in the order of the request; none for actions without any."""

    statuses: tuple[Status, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The whole action."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """HTTP 429: the address of the internet asks too much. Nothing was done."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The venue never saw it: a limit of our own, or no connection."""

    why: str
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Unknown:
    """Sent, and nothing sure came back. It cannot take effect any more when the venue's clock has passed
    `expires_after`; what is found then is final."""

    why: str
    expires_after: int = 0


Outcome = Answered | Refused | Throttled | NotSent | Unknown


class _StatusWire(msgspec.Struct):
    resting: Resting | None = None
    filled: Filled | None = None
    error: str | None = None


class _Data(msgspec.Struct):
    statuses: tuple[str | _StatusWire, ...]


class _Response(msgspec.Struct):
    type: str
    data: _Data | None = None


class _Reply(msgspec.Struct):
    status: Literal["ok", "err"]
    response: str | _Response


_DECODER = msgspec.json.Decoder(_Reply)
_WAITING = {"waitingForFill": Waiting("waitingForFill"), "waitingForTrigger": Waiting("waitingForTrigger")}


def size_of(action: AnyAction) -> int:
    """Orders or cancels in an action, each of which gets a status."""
    match action:
        case PlaceOrders(orders=items) | Cancel(cancels=items) | CancelByCloid(cancels=items):
            return len(items)
        case BatchModify(modifies=items):
            return len(items)
    return 0


def outcome_of_http(action: AnyAction, status: int, body: bytes) -> Outcome:
    """What an HTTP answer, or the error of a websocket post with its status, means for an action."""
    if status == 200:
        return outcome_of(action, body)
    if status == 429:
        return Throttled()
    if status == 422:
        return Refused(Reason.MALFORMED, shown(body))
    return Unknown(f"HTTP {status}: {shown(body)}")


def outcome_of(action: AnyAction, body: bytes | msgspec.Raw) -> Outcome:
    """What the venue's reply means for an action."""
    try:
        reply = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unknown(f"unreadable reply: {shown(bytes(body))}")
    if reply.status == "err" and isinstance(reply.response, str):
        return Refused(reason_of(reply.response), reply.response)
    if reply.status == "err" or isinstance(reply.response, str):
        return Unknown(f"unreadable reply: {shown(bytes(body))}")
    items = reply.response.data.statuses if reply.response.data is not None else ()
    return _answered([_status(item) for item in items], size_of(action), body)


def _answered(statuses: Sequence[Status | None], wanted: int, body: bytes | msgspec.Raw) -> Outcome:
    """An error found before any order has its turn comes once for all of them (§6.1)."""
    if len(statuses) == 1 and wanted > 1 and isinstance(statuses[0], Rejected):
        statuses = [statuses[0]] * wanted
    known = tuple(status for status in statuses if status is not None)
    if len(known) != len(statuses) or len(known) != wanted:
        return Unknown(f"no {wanted} statuses that can be read: {shown(bytes(body))}")
    return Answered(known)


def _status(item: str | _StatusWire) -> Status | None:
    if item == "success":
        return Cancelled()
    if isinstance(item, str):
        return _WAITING.get(item)
    if item.error is not None:
        return Rejected(reason_of(item.error), item.error)
    return item.resting or item.filled
