"""Orders of accounts: what a resting order knows beyond its place in the book, and the states it can end in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from services.venue.exchange.listing import Listing
from services.venue.market.book import Order, Sign

if TYPE_CHECKING:
    from services.venue.exchange.account import Account

Tif = Literal["Alo", "Ioc", "Gtc", "FrontendMarket", "LiquidationMarket"]
Status = Literal[
    "open", "filled", "canceled", "triggered", "rejected", "marginCanceled", "openInterestCapCanceled",
    "selfTradeCanceled", "reduceOnlyCanceled", "siblingFilledCanceled", "delistedCanceled", "liquidatedCanceled",
    "scheduledCancel", "tickRejected", "minTradeNtlRejected", "perpMarginRejected", "reduceOnlyRejected",
    "badAloPxRejected", "iocCancelRejected", "badTriggerPxRejected", "marketOrderNoLiquidityRejected",
    "positionIncreaseAtOpenInterestCapRejected", "positionFlipAtOpenInterestCapRejected",
    "tooAggressiveAtOpenInterestCapRejected", "oracleRejected", "perpMaxPositionRejected",
    "tooManyOpenOrdersRejected",
]  # fmt: skip
"""As `orderStatus` and `orderUpdates` name them (those of the venue's list that this venue can produce)."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A stop or take-profit order sleeps until the mark price reaches `px`."""

    px: int
    is_market: bool
    tpsl: Literal["tp", "sl"]


@dataclass(frozen=True, slots=True)
class Builder:
    """Who is paid on top, in tenths of a basis point of the notional."""

    address: str
    tenth_bps: int


class AccountOrder(Order):
    """An order of an account, in the book or asleep as a trigger. `lots` is what is left of it."""

    __slots__ = (
        "account", "ahead_lots", "asleep", "builder", "children", "cloid", "counted_lots", "is_position_tpsl",
        "listing", "orig_lots", "parent", "placed_ms", "reduce_only", "tif", "trigger",
    )  # fmt: skip

    def __init__(
        self,
        oid: int,
        account: "Account",
        listing: Listing,
        sign: Sign,
        px: int,
        lots: int,
        *,
        tif: Tif,
        placed_ms: int,
        reduce_only: bool = False,
        cloid: str | None = None,
        trigger: Trigger | None = None,
        is_position_tpsl: bool = False,
        builder: Builder | None = None,
    ) -> None:
        super().__init__(oid, account.owner, sign, px, lots)
        self.account, self.listing = account, listing
        self.orig_lots = lots
        self.tif, self.placed_ms, self.reduce_only, self.cloid = tif, placed_ms, reduce_only, cloid
        self.trigger, self.is_position_tpsl, self.builder = trigger, is_position_tpsl, builder
        self.asleep = trigger is not None
        """Its trigger has not fired yet."""
        self.counted_lots = 0
        """What of it is in the sums of `live_orders`."""
        self.children: list[AccountOrder] = []
        """Live TP/SL orders that may fire once this one has filled."""
        self.parent: AccountOrder | None = None
        self.ahead_lots: int | None = None
        """Size ahead of it in its queue, as last noted; None: unknown."""

    @property
    def ntl(self) -> int:
        """Micro-dollars at the limit price."""
        return self.px * self.lots

    @property
    def waits_for_parent(self) -> bool:
        return self.parent is not None and self.parent.lots > 0

    def fires_at(self, mark_px: int) -> bool:
        """A trigger is reached: a stop when the price moves against the position, a take-profit with it."""
        if self.trigger is None or not mark_px:
            return False
        rising = (self.trigger.tpsl == "sl") == (self.sign == 1)
        return mark_px >= self.trigger.px if rising else mark_px <= self.trigger.px
