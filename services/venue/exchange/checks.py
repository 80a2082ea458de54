"""Whether the venue takes an order: the rules that depend on the market, the account and the hour (reference
page §2, §6.5, §6.6). The order of the questions is not documented; this one goes from the cheap to the dear."""

from services.venue.exchange import margin
from services.venue.exchange import refusals as why
from services.venue.exchange.listing import MICRO
from services.venue.exchange.open_interest import cap_refusal
from services.venue.exchange.orders import AccountOrder
from services.venue.exchange.refusals import Refusal
from services.venue.exchange.world import World

MIN_NTL = 10 * MICRO
MOST_OPEN_ORDERS = 5_000
NTL_AN_OPEN_ORDER = 5_000_000 * MICRO
"""Traded volume that allows one more open order."""
PLAIN_ONLY_FROM = 1_000
"""With so many open orders no reduce-only and no trigger order is taken."""


def refusal(world: World, order: AccountOrder, *, on_grid: bool) -> Refusal | None:
    """The first rule that a new order breaks, matching aside. A reduce-only order larger than the position is cut
    to it here, a trigger when it fires."""
    found = _venue_state(world, order) or (None if on_grid else why.TICK) or _order_count(world, order)
    if found is not None:
        return found
    if order.parent is None and order.reduce_only:
        closable = _closable_lots(order)
        if closable <= 0:
            return why.REDUCE_ONLY
        if order.is_position_tpsl:
            order.lots = closable
        elif order.trigger is None:
            order.lots = min(order.lots, closable)
    if order.ntl < MIN_NTL and not _closes_all(order):
        return why.MIN_NTL
    if order.trigger is not None:
        reference_px = order.parent.px if order.parent is not None else order.listing.mark_px
        return why.TRIGGER_PX if order.fires_at(reference_px) else None
    return _too_far(world, order) or cap_refusal(world, order) or margin_refusal(world, order)


def open_order_limit(world: World, cum_ntl: int) -> int:
    return min(world.config.open_orders_base + cum_ntl // NTL_AN_OPEN_ORDER, MOST_OPEN_ORDERS)


def margin_refusal(world: World, order: AccountOrder) -> Refusal | None:
    if order.reduce_only:
        return None
    account, listing, sign = order.account, order.listing, order.sign
    if not margin.within_tier(world, account, listing, sign, order.lots):
        return why.TIER
    enough = margin.may_place(world, account, listing, sign, order.px, order.lots)
    return None if enough else why.MARGIN


def _venue_state(world: World, order: AccountOrder) -> Refusal | None:
    """A coin without a mark price has not begun to trade: a position in it would be worth nothing."""
    switches = world.switches
    disturbed = switches.reject_order(order.account, order.listing)
    if disturbed is not None:
        return why.refusal_of(disturbed)
    if order.listing.halted or not order.listing.mark_px:
        return why.HALTED
    if switches.post_only and order.tif != "Alo":
        return why.POST_ONLY_WINDOW
    if world.config.duplicate_cloid == "refuse" and order.cloid is not None:
        live = order.account.orders.values()
        return why.DUPLICATE_CLOID if any(other.cloid == order.cloid for other in live) else None
    return None


def _order_count(world: World, order: AccountOrder) -> Refusal | None:
    """IOCs never rest and are not counted."""
    if order.trigger is None and order.tif not in ("Alo", "Gtc"):
        return None
    count = len(order.account.orders)
    full = count >= open_order_limit(world, order.account.cum_ntl)
    plain_only = count >= PLAIN_ONLY_FROM and (order.reduce_only or order.trigger is not None)
    return why.TOO_MANY_ORDERS if full or plain_only else None


def _closable_lots(order: AccountOrder) -> int:
    position = order.account.position(order.listing.dex.name, order.listing.coin)
    return -order.sign * position.lots if position is not None else 0


def _closes_all(order: AccountOrder) -> bool:
    """A reduce-only order for the whole position, or a child for all that its parent opens."""
    if not order.reduce_only:
        return False
    return order.lots >= (order.parent.lots if order.parent is not None else _closable_lots(order))


def _too_far(world: World, order: AccountOrder) -> Refusal | None:
    """An aggressive price beyond the band around the oracle."""
    oracle_px = order.listing.oracle_px
    beyond = order.sign * (order.px - oracle_px)
    return why.ORACLE if oracle_px and beyond > oracle_px * world.config.oracle_band else None
