"""What all messages share: their base, modes, and the codes of reasons."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

Regime = Literal["calm", "uncertain", "halt"]
Severity = Literal["debug", "info", "warning", "error"]
Mode = Literal["shadow", "live"]
ZERO = Decimal(0)


class Message(msgspec.Struct, frozen=True):
    """Base of everything that travels on a stream."""


class Reason(StrEnum):
    """Why a side shows no quote, an order was refused, or a quote is reduced: codes for log, metric and status."""

    NO_BOOK = "no_book"
    STALE_BOOK = "stale_book"
    CROSSED_BOOK = "crossed_book"
    RECONNECTING = "reconnecting"
    NO_UNIVERSE = "no_universe"
    NO_LEASE = "no_lease"
    LEASE_EXPIRED = "lease_expired"
    HALTED = "halted"
    COIN_DISABLED = "coin_disabled"
    NEGATIVE_EDGE = "negative_edge"
    REGIME_HALT = "regime_halt"
    FUNDING_HALT = "funding_halt"
    OFI_SELL_DOMINANCE = "ofi_sell_dominance"
    OFI_BUY_DOMINANCE = "ofi_buy_dominance"
    MAX_INVENTORY = "max_inventory"
    REDUCE_ONLY = "reduce_only"
    STALL = "stall"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    ORDER_CAP = "order_cap"
    WOULD_CROSS = "would_cross"
    INVALID_PX = "invalid_px"
    INVALID_SZ = "invalid_sz"
    BUS_LOST = "bus_lost"
    NO_TARGET = "no_target"
    UNRECONCILED = "unreconciled"
    UNKNOWN_ORDER = "unknown_order"
    NEVER_ARRIVED = "never_arrived"
    REPLACED_TOO_LATE = "replaced_too_late"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    REQUEST_BUDGET = "request_budget"
    THROTTLED = "throttled"
    VENUE_REFUSED = "venue_refused"
    UNCONFIRMED = "unconfirmed"
    FROZEN_BOOK = "frozen_book"
    PRICES_APART = "prices_apart"
    ADVERSE_SELECTION = "adverse_selection"
    TOXIC_FLOW = "toxic_flow"
    CASCADE = "cascade"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    POSITION_VALUE = "position_value"
    RATE_LIMITED = "rate_limited"
    VENUE_ERRORS = "venue_errors"
    LEDGER_MISMATCH = "ledger_mismatch"
    CLOCK_SKEW = "clock_skew"
    DISK_FULL = "disk_full"
    REDIS_MEMORY = "redis_memory"
    WATCHDOG_LOST = "watchdog_lost"
    OTHER_START = "other_start"
    FOREIGN_ORDERS = "foreign_orders"
    FLATTENING = "flattening"
    NO_MATCH = "no_match"
