"""Accounts in the venue's own shapes: orders, fills, payments, margin, permissions, and the frames that tell of
them (reference page §3.3 to §3.5, §4.2).

Prices, sizes and money are `Decimal`, times milliseconds. Unknown fields are ignored, null and absent
are the same.
"""

from decimal import Decimal
from typing import Any, Literal

import msgspec

from shared.hyperliquid.wire import Frame

SideWire = Literal["B", "A"]
"""Bid, ask."""


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """Base."""


# ---- orders --------------------------------------------------------------------------------------------------


class OpenOrder(Shape, frozen=True):
    """`sz` is what is left. Triggers look like plain orders here."""

    coin: str
    side: SideWire
    limit_px: Decimal
    sz: Decimal
    oid: int
    timestamp: int
    orig_sz: Decimal
    cloid: str | None = None
    reduce_only: bool = False


class FrontendOrder(OpenOrder, frozen=True):
    """With everything that makes a trigger."""

    is_trigger: bool = False
    trigger_px: Decimal = Decimal(0)
    trigger_condition: str = "N/A"
    is_position_tpsl: bool = False
    order_type: str = "Limit"
    tif: str | None = None
    children: tuple["FrontendOrder", ...] = ()


class OrderState(Shape, frozen=True):
    """An order as it was when its status changed last: `sz` of one that is `open` is not what is left of it."""

    order: FrontendOrder
    status: str
    status_timestamp: int


class OrderUpdate(Shape, frozen=True):
    """An order whose status has just changed. The frame does not say whose."""

    order: OpenOrder
    status: str
    status_timestamp: int


OPEN_STATUSES = frozenset(("open", "triggered"))


def rests(status: str) -> bool:
    """May an order with this status still trade? Everything but these has ended or never rested."""
    return status in OPEN_STATUSES


# ---- fills and payments --------------------------------------------------------------------------------------


class Liquidation(Shape, frozen=True):
    liquidated_user: str
    mark_px: Decimal
    method: str


class Fill(Shape, frozen=True):
    """One match. `tid` is unique only together with `time` and `coin`. `fee` is in `fee_token`, negative is a
    rebate, and holds `builder_fee`; `closed_pnl` is before fees. `crossed`: this side was the taker."""

    coin: str
    px: Decimal
    sz: Decimal
    side: SideWire
    time: int
    start_position: Decimal
    dir: str
    closed_pnl: Decimal
    hash: str
    oid: int
    crossed: bool
    fee: Decimal
    tid: int
    fee_token: str = "USDC"
    cloid: str | None = None
    builder_fee: Decimal | None = None
    liquidation: Liquidation | None = None

    @property
    def uid(self) -> str:
        return f"{self.time}-{self.coin}-{self.tid}-{self.oid}"


class Funding(Shape, frozen=True):
    """`usdc` is negative when it was paid."""

    time: int
    coin: str
    usdc: Decimal
    szi: Decimal
    funding_rate: Decimal


class FundingDelta(Shape, frozen=True):
    coin: str
    usdc: Decimal
    szi: Decimal
    funding_rate: Decimal


class FundingEntry(Shape, frozen=True):
    """One entry of `userFunding`."""

    time: int
    delta: FundingDelta

    def funding(self) -> Funding:
        return Funding(self.time, *msgspec.structs.astuple(self.delta))


# ---- margin --------------------------------------------------------------------------------------------------


class Leverage(Shape, frozen=True):
    type: Literal["cross", "isolated"]
    value: int
    raw_usd: Decimal | None = None
    """Cash of an isolated position."""


class CumFunding(Shape, frozen=True):
    all_time: Decimal
    since_open: Decimal
    since_change: Decimal


class Position(Shape, frozen=True):
    """`szi` is negative when short, `position_value` never."""

    coin: str
    szi: Decimal
    leverage: Leverage
    position_value: Decimal
    unrealized_pnl: Decimal
    margin_used: Decimal
    cum_funding: CumFunding
    entry_px: Decimal | None = None
    liquidation_px: Decimal | None = None


class AssetPosition(Shape, frozen=True):
    position: Position


class MarginSummary(Shape, frozen=True):
    account_value: Decimal
    total_ntl_pos: Decimal
    total_raw_usd: Decimal
    total_margin_used: Decimal


class ClearinghouseState(Shape, frozen=True):
    """Account of one dex."""

    margin_summary: MarginSummary
    cross_margin_summary: MarginSummary
    cross_maintenance_margin_used: Decimal
    withdrawable: Decimal
    asset_positions: tuple[AssetPosition, ...]
    time: int


class ActiveAssetData(Shape, frozen=True):
    """An account's terms in one coin; pairs are for buying and for selling."""

    user: str
    coin: str
    leverage: Leverage
    max_trade_szs: tuple[Decimal, Decimal]
    available_to_trade: tuple[Decimal, Decimal]
    mark_px: Decimal


# ---- permissions and limits ----------------------------------------------------------------------------------


class RateLimit(Shape, frozen=True):
    """Request budget of an address."""

    cum_vlm: Decimal
    n_requests_used: int
    n_requests_cap: int
    n_requests_surplus: int = 0


class UserFees(Shape, frozen=True):
    """Rates of an address as fractions: cross is taker, add is maker. Discounts are fractions of a rate."""

    user_cross_rate: Decimal
    user_add_rate: Decimal
    active_referral_discount: Decimal = Decimal(0)


class RoleData(Shape, frozen=True):
    user: str | None = None
    master: str | None = None


class UserRole(Shape, frozen=True):
    """`data` names whose agent or sub-account an address is."""

    role: Literal["user", "agent", "vault", "subAccount", "missing"]
    data: RoleData = RoleData()


class ExtraAgent(Shape, frozen=True):
    name: str
    address: str
    valid_until: int


class ExchangeStatus(Shape, frozen=True):
    time: int
    special_statuses: Any = None


# ---- frames --------------------------------------------------------------------------------------------------


class UserFills(Shape, frozen=True):
    """Channel `userFills`; the first frame after subscribing holds the past."""

    user: str
    fills: tuple[Fill, ...]
    is_snapshot: bool = False


class UserFundings(Shape, frozen=True):
    """Channel `userFundings`."""

    user: str
    fundings: tuple[Funding, ...]
    is_snapshot: bool = False


class CancelledOrder(Shape, frozen=True):
    coin: str
    oid: int


class AccountLiquidation(msgspec.Struct, frozen=True):
    lid: int
    liquidator: str
    liquidated_user: str
    liquidated_ntl_pos: Decimal
    liquidated_account_value: Decimal


class UserEvent(Shape, frozen=True):
    """Channel `user`, subscribed to as `userEvents`: one of these is there. The frame does not say whose."""

    fills: tuple[Fill, ...] = ()
    funding: Funding | None = None
    liquidation: AccountLiquidation | None = None
    non_user_cancel: tuple[CancelledOrder, ...] = ()


class Subscription(Shape, frozen=True):
    type: str
    user: str | None = None
    coin: str | None = None


class Subscribed(Shape, frozen=True):
    """Channel `subscriptionResponse`: it comes before the first data."""

    method: Literal["subscribe", "unsubscribe"]
    subscription: Subscription


class SocketError(msgspec.Struct, frozen=True):
    """Channel `error`: something we sent was refused."""

    text: str


AccountEvent = UserFills | UserFundings | UserEvent | tuple[OrderUpdate, ...] | Subscribed | SocketError
_TEXT = msgspec.json.Decoder(str)
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "userFills": msgspec.json.Decoder(UserFills),
    "userFundings": msgspec.json.Decoder(UserFundings),
    "user": msgspec.json.Decoder(UserEvent),
    "orderUpdates": msgspec.json.Decoder(tuple[OrderUpdate, ...]),
    "subscriptionResponse": msgspec.json.Decoder(Subscribed),
}


def account_event(frame: Frame) -> AccountEvent | None:
    """What a frame tells of an account; None for all other channels.

    Raises:
        msgspec.DecodeError: not of its channel's shape.
    """
    if frame.channel == "error":
        return SocketError(_TEXT.decode(frame.data))
    decoder = _DECODERS.get(frame.channel)
    event: AccountEvent | None = decoder.decode(frame.data) if decoder else None
    return event
