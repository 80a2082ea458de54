"""What a client asks for, from its decimal text into price units and lots, and the rules that an order breaks by
itself: the venue checks them for a whole batch before any of its orders (reference page §2, §6.6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.venue.exchange.listing import MICRO, Listing
from services.venue.exchange.orders import Tif, Trigger
from services.venue.exchange.refusals import INVALID_ASSET, Invalid
from services.venue.exchange.world import World
from services.venue.market.book import MAX_DECIMALS, Sign, grid_step
from shared.hyperliquid.actions import OrderWire, PriorityFee, TriggerType

MARKET_ORDER_CAPS = ((25, 30_000_000), (20, 5_000_000), (10, 2_000_000), (1, 500_000))
"""Largest market order in USDC from a coin's maximal leverage on; a limit order may be ten times as large."""
BAND_PERCENT = 95
MOST_CHILDREN = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """An order as asked for, before it has a number."""

    listing: Listing
    sign: Sign
    px: int
    lots: int
    tif: Tif
    reduce_only: bool
    cloid: str | None
    trigger: Trigger | None
    on_grid: bool
    """All its prices are multiples of the tick; if not, they are cut here."""


def terms_of(world: World, wire: OrderWire) -> Terms:
    """
    Raises:
        Invalid: the order cannot be meant.
    """
    listing = world.by_asset.get(wire.a)
    if listing is None:
        raise Invalid(INVALID_ASSET)
    limit, asked = wire.t.limit, wire.t.trigger
    if (limit is None) == (asked is None):
        raise Invalid("Invalid TIF")
    px, on_grid = _px(listing, wire.p)
    lots = _lots(listing, wire.s)
    trigger = None
    tif: Tif = limit.tif if limit is not None else "Gtc"
    if asked is not None:
        trigger, trigger_on_grid = _trigger(listing, asked)
        on_grid = on_grid and trigger_on_grid
        tif = "FrontendMarket" if asked.is_market else "Gtc"
    _check_band(listing, px)
    _check_value(listing, px * lots, tif == "FrontendMarket")
    return Terms(listing, 1 if wire.b else -1, px, lots, tif, wire.r, wire.c, trigger, on_grid)


def check_grouping(grouping: str | PriorityFee, terms: Sequence[Terms]) -> None:
    """`normalTpsl` is an order and its one or two TP/SL children; `positionTpsl` one or two for a position. A
    priority fee goes with IOCs only or with post-only orders that may open; since it is paid from staked HYPE,
    which nobody has here, any but 0 is refused then.

    Raises:
        Invalid: the orders do not fit the grouping.
    """
    if not terms:
        raise Invalid("Orders are empty.")
    if isinstance(grouping, PriorityFee):
        ioc = all(term.tif == "Ioc" for term in terms)
        if not ioc and not all(term.tif == "Alo" and not term.reduce_only for term in terms):
            raise Invalid("Priority fee needs orders that are all IOC or all ALO and not reduce only.")
        if grouping.p:
            raise Invalid("Insufficient staked balance for priority fee.")
        return
    if grouping == "na":
        return
    children = terms[1:] if grouping == "normalTpsl" else terms
    parent = terms[0] if grouping == "normalTpsl" else None
    triggers = sum(term.trigger is not None for term in children)
    if not 1 <= len(children) <= MOST_CHILDREN or triggers != len(children) or (parent and parent.trigger):
        raise Invalid("Unexpected number of trigger orders")
    if not all(term.reduce_only for term in children):
        raise Invalid("Trigger order is not reduce only.")
    first = terms[0]
    sign = -first.sign if parent else first.sign
    if any(term.listing is not first.listing or term.sign != sign for term in children):
        raise Invalid("Unexpected number of trigger orders")


def on_tick(listing: Listing, px: int) -> bool:
    return px % grid_step(px, listing.sz_decimals) == 0


def units(text: str, decimals: int) -> tuple[int, bool]:
    """A decimal number counted in units of 10^-decimals, cut; and whether it is that exactly."""
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return int(whole + fraction[:decimals].ljust(decimals, "0")), len(fraction) <= decimals


def _px(listing: Listing, text: str) -> tuple[int, bool]:
    px, exact = units(text, MAX_DECIMALS - listing.sz_decimals)
    if px <= 0:
        raise Invalid("Order has invalid price.")
    return px, exact and on_tick(listing, px)


def _lots(listing: Listing, text: str) -> int:
    lots, exact = units(text, listing.sz_decimals)
    if not exact or lots < 0:
        raise Invalid("Order has invalid size.")
    if lots == 0:
        raise Invalid("Order has zero size.")
    return lots


def _trigger(listing: Listing, asked: TriggerType) -> tuple[Trigger, bool]:
    px, on_grid = _px(listing, asked.trigger_px)
    return Trigger(px, asked.is_market, asked.tpsl), on_grid


def _check_band(listing: Listing, px: int) -> None:
    reference_px = listing.mark_px or listing.oracle_px
    if reference_px and abs(px - reference_px) * 100 > reference_px * BAND_PERCENT:
        raise Invalid(f"Order price cannot be more than {BAND_PERCENT}% away from the reference price")


def _check_value(listing: Listing, ntl: int, is_market: bool) -> None:
    cap_usd = next(usd for leverage, usd in MARKET_ORDER_CAPS if listing.max_leverage >= leverage)
    cap_usd *= 1 if is_market else 10
    if ntl > cap_usd * MICRO:
        raise Invalid(f"Order value too large. Max is ${cap_usd}.")
