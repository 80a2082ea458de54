"""Wanted against resting: which orders go, which are still missing.

A level's order stays while its price is close enough and its size fits, because a new order starts at the back
of the queue. A level is placed only when its old order is gone, and only while everything of the side that may
still be filled, cancels in flight included, stays within the side's wanted size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.executor.orders import LiveOrder
from shared.messages import ZERO, QuoteLevel
from shared.units import BPS

_GROWTH_FRAC = Decimal("0.1")
"""A wanted size may outgrow its order by a tenth before the order loses its place in the queue for it."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an order may be from what is wanted now."""

    max_bps: float
    mid_px: float
    lot_sz: Decimal

    def keeps(self, order: LiveOrder, wanted: QuoteLevel) -> bool:
        """Within min(max_bps, half the level's own distance to the mid), never larger than wanted."""
        if order.remaining_sz > wanted.sz:
            return False
        if wanted.sz - order.new.sz > max(self.lot_sz, order.new.sz * _GROWTH_FRAC):
            return False
        if order.new.px == wanted.px:
            return True
        wanted_px = float(wanted.px)
        away_px = abs(float(order.new.px) - wanted_px)
        return away_px <= min(self.max_bps * BPS * self.mid_px, abs(wanted_px - self.mid_px) / 2)


def plan_side(
    live: Sequence[LiveOrder], wanted: Sequence[QuoteLevel], tolerance: Tolerance, limit_sz: Decimal | None
) -> tuple[list[LiveOrder], list[QuoteLevel]]:
    """Orders of one side to cancel, and levels to place now.

    `limit_sz` bounds what may rest in all (towards flat only); None: no such bound.
    """
    wanted_at = {quote.level: quote for quote in wanted}
    cancels = []
    kept_sz = ZERO
    for order in sorted(live, key=lambda order: order.new.level):
        if order.state == "cancelling":
            continue
        quote = wanted_at.get(order.new.level)
        fits = limit_sz is None or kept_sz + order.remaining_sz <= limit_sz
        if quote is not None and fits and tolerance.keeps(order, quote):
            kept_sz += order.remaining_sz
        else:
            cancels.append(order)
    taken = {order.new.level for order in live}
    room_sz = sum((quote.sz for quote in wanted_at.values()), ZERO) - sum((o.remaining_sz for o in live), ZERO)
    places = []
    for quote in wanted_at.values():
        if quote.level not in taken and quote.sz <= room_sz:
            places.append(quote)
            room_sz -= quote.sz
    return cancels, places
