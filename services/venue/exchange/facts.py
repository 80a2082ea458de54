"""What happened, as records. Everything the venue tells anybody about an account is made of them, and the truth
log is their JSON lines, so a client's belief can be compared with what was the case.

Amounts are exact decimals (strings in JSON); a record never changes after it was made.
"""

from decimal import Decimal
from typing import Any, Literal

import msgspec

from services.venue.exchange.orders import Status, Tif

Side = Literal["B", "A"]
MoneyReason = Literal[
    "deposit", "trade", "fee", "builderFee", "funding", "transfer", "withdraw", "isolatedMargin", "backstop",
    "reserveWeight",
]  # fmt: skip


class Fact(msgspec.Struct, frozen=True, tag_field="fact", kw_only=True, omit_defaults=True):
    """Base. `time_ms` is the block time as clients see it."""

    time_ms: int


class ActionTaken(Fact, frozen=True, tag="action"):
    """One request was executed in a block (or refused there) and this was the answer."""

    user: str
    """The account acted for; empty when none could be found."""
    signer: str
    nonce: int
    action: str
    weight: int
    """What it cost of the address budget."""
    reply: Any


class OrderChanged(Fact, frozen=True, tag="order"):
    """An order reached a status: placed, filled up, ended, refused; or its size shrank (`resized`)."""

    user: str
    coin: str
    oid: int
    side: Side
    limit_px: Decimal
    sz: Decimal
    """What is left; 0 when filled."""
    orig_sz: Decimal
    tif: Tif | None
    status: Status
    placed_ms: int
    cloid: str | None = None
    reduce_only: bool = False
    trigger_px: Decimal | None = None
    trigger_tpsl: Literal["tp", "sl"] | None = None
    trigger_is_market: bool = False
    is_position_tpsl: bool = False
    children: tuple["OrderChanged", ...] = ()
    resized: bool = False
    """Reduce-only: it is as large as its position now. Clients see that in their open orders only."""
    queue_ahead_sz: Decimal | None = None
    """Size ahead of it at its price when it came to rest; absent where nobody knows."""


class QueueMoved(Fact, frozen=True, tag="queue"):
    """The size ahead of a resting order changed, or became unknown: then it is absent (once a block at most)."""

    user: str
    coin: str
    oid: int
    ahead_sz: Decimal | None = None


class Matched(Fact, frozen=True, tag="match"):
    """A trade in which at least one account took part. Addresses; "market" for the market's own flow."""

    coin: str
    px: Decimal
    sz: Decimal
    tid: int
    hash: str
    taker_side: Side
    taker: str
    maker: str
    taker_oid: int
    maker_oid: int


class Filled(Fact, frozen=True, tag="fill"):
    """One account's part in a trade, as `userFills` shows it."""

    user: str
    coin: str
    px: Decimal
    sz: Decimal
    side: Side
    start_position: Decimal
    dir: str
    closed_pnl: Decimal
    hash: str
    oid: int
    crossed: bool
    fee: Decimal
    """Builder fee included."""
    tid: int
    cloid: str | None = None
    builder_fee: Decimal | None = None
    liquidated_user: str | None = None
    liquidation_mark_px: Decimal | None = None
    liquidation_method: Literal["market", "backstop"] | None = None


class BalanceChanged(Fact, frozen=True, tag="balance"):
    """Money moved. `pool` is a perp dex ("" is the first), `spot`, or `isolated:COIN`."""

    user: str
    pool: str
    reason: MoneyReason
    usd: Decimal
    after_usd: Decimal


class FundingPaid(Fact, frozen=True, tag="funding"):
    """One hour of funding on one position; `usd` is negative when paid."""

    user: str
    coin: str
    usd: Decimal
    szi: Decimal
    rate: Decimal
    hash: str


class Liquidated(Fact, frozen=True, tag="liquidation"):
    """An account fell under its maintenance margin."""

    user: str
    dex: str
    account_value_usd: Decimal
    maintenance_usd: Decimal
    method: Literal["market", "backstop"]


class LedgerUpdated(Fact, frozen=True, tag="ledger"):
    """A movement that `userNonFundingLedgerUpdates` lists; `delta` has the venue's shape."""

    user: str
    hash: str
    delta: dict[str, Any]


class Disturbed(Fact, frozen=True, tag="fault"):
    """A fault was switched on, took effect or ended: whoever reads the log knows what was not the market."""

    fault: str
    detail: str = ""


AnyFact = (
    ActionTaken | OrderChanged | QueueMoved | Matched | Filled | BalanceChanged | FundingPaid | Liquidated
    | LedgerUpdated | Disturbed
)  # fmt: skip
