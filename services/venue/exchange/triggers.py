"""Stops and take-profits: they sleep until the mark price reaches them."""

from services.venue.exchange.checks import margin_refusal
from services.venue.exchange.desk import Desk
from services.venue.exchange.orders import AccountOrder
from services.venue.exchange.trading import Trading
from services.venue.market.book import Sign, grid_step

SLIPPAGE_DIVISOR = 10
"""A market order of the venue's own making takes up to a tenth beyond its reference price."""


def fire_due(desk: Desk, trading: Trading) -> None:
    """Fire all that the marks have reached, coin by coin, oldest first."""
    for coin, asleep in desk.asleep.items():
        if not asleep or desk.world.listings[coin].halted:
            continue
        mark_px = desk.world.listings[coin].mark_px
        for order in tuple(asleep.values()):
            if order.oid in asleep and not order.waits_for_parent and order.fires_at(mark_px):
                _fire(desk, trading, order)


def slippage_px(px: int, sign: Sign, sz_decimals: int) -> int:
    """The worst price on the grid that a market order from `px` takes."""
    worst = px + sign * (px // SLIPPAGE_DIVISOR)
    return max(worst - worst % grid_step(worst, sz_decimals), 1)


def _fire(desk: Desk, trading: Trading, order: AccountOrder) -> None:
    """Send the order that slept: to the market with slippage, or at its limit price."""
    trigger, listing = order.trigger, order.listing
    assert trigger is not None
    desk.wake(order)
    if order.reduce_only:
        position = order.account.position(listing.dex.name, listing.coin)
        closable = -order.sign * position.lots if position is not None else 0
        if closable <= 0:
            desk.drop(order, "reduceOnlyCanceled")
            return
        order.lots = min(order.lots, closable)
    if margin_refusal(desk.world, order) is not None:
        desk.drop(order, "marginCanceled")
        return
    limit_px = slippage_px(trigger.px, order.sign, listing.sz_decimals) if trigger.is_market else order.px
    trading.take(order, limit_px)
    if order.lots == 0:
        trading.complete(order)
    elif trigger.is_market:
        desk.drop(order, "canceled")
    else:
        desk.rest(order, opened=False)
    trading.keep_reduce_only(order.account, listing)
