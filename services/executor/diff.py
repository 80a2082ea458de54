"""Wanted against resting: which orders go, which are still missing.

A level's order stays while its price is close enough and its size fits, because a new order starts at the back
of the queue. Its replacement leaves together with its cancel, or the side would be empty for two latencies at
every move of the price; so a level has at most one order on its way out beside the one that stays. Everything of
the side that may still be filled, cancels in flight included, stays within the side's room.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.executor.orders import LiveOrder
from shared.messages import ZERO, QuoteLevel
from shared.units import BPS, Side

_GROWTH_FRAC = Decimal("0.1")
"""A wanted size may outgrow its order by a tenth before the order loses its place in the queue for it."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an order may be from what is wanted now."""

    max_bps: float
    mid_px: float
    lot_sz: Decimal

    def keeps(self, order: LiveOrder, wanted: QuoteLevel) -> bool:
        """Never larger than wanted, and within max_bps of its price; closer to the mid than wanted by no more than
        half of the wanted distance."""
        if order.remaining_sz > wanted.sz:
            return False
        if wanted.sz - order.new.sz > max(self.lot_sz, order.new.sz * _GROWTH_FRAC):
            return False
        if order.new.px == wanted.px:
            return True
        wanted_px, px = float(wanted.px), float(order.new.px)
        farther_px = wanted_px - px if order.new.side == "bid" else px - wanted_px
        limit_px = self.max_bps * BPS * self.mid_px
        return -min(limit_px, abs(wanted_px - self.mid_px) / 2) <= farther_px <= limit_px


@dataclass(frozen=True, slots=True)
class Plan:
    """Orders of one side to cancel, and levels to place now."""

    cancels: Sequence[LiveOrder]
    places: Sequence[QuoteLevel]

    @property
    def plain_cancels(self) -> int:
        """Cancels that are requests of their own: a certain order and its successor are one modify."""
        return len(self.cancels) - min(sum(order.state == "open" for order in self.cancels), len(self.places))

    def placing(self, side: Side, most: int) -> "Plan":
        """With so many of the orders at most, the tightest levels first. An order whose successor must wait stays,
        unless it is closer to the mid than it should be, or larger."""
        if most >= len(self.places):
            return self
        now = sorted(self.places, key=lambda quote: quote.level)[:most]
        waiting = {quote.level: quote for quote in self.places if quote not in now}
        return Plan([old for old in self.cancels if not _harmless(side, old, waiting.get(old.new.level))], now)

    def cancelling(self, most: int) -> "Plan":
        """With so many plain cancels at most."""
        excess = max(self.plain_cancels - most, 0)
        return Plan(self.cancels[: len(self.cancels) - excess], self.places)


def _harmless(side: Side, order: LiveOrder, wanted: QuoteLevel | None) -> bool:
    if wanted is None or order.remaining_sz > wanted.sz:
        return False
    return order.new.px <= wanted.px if side == "bid" else order.new.px >= wanted.px


def plan_side(
    live: Sequence[LiveOrder],
    wanted: Sequence[QuoteLevel],
    tolerance: Tolerance,
    room_sz: Decimal,
    reduce_only: bool,
) -> Plan:
    """What brings one side to what is wanted.

    `room_sz` is how much the side may be filled in all. Towards flat only (`reduce_only`) it bounds what stays as
    well; otherwise resting orders need not shrink with every tick of the price that the limit is worth in coins.
    """
    wanted_at = {quote.level: quote for quote in wanted}
    cancels = []
    kept_sz = ZERO
    for order in sorted(live, key=lambda order: order.new.level):
        if order.leaving:
            continue
        quote = wanted_at.get(order.new.level)
        fits = not reduce_only or kept_sz + order.remaining_sz <= room_sz
        if quote is not None and fits and tolerance.keeps(order, quote):
            kept_sz += order.remaining_sz
            del wanted_at[order.new.level]
        else:
            cancels.append(order)
    leaving = Counter(order.new.level for order in live if order in cancels or order.leaving)
    room_sz -= sum((order.remaining_sz for order in live), ZERO)
    places = []
    for quote in wanted_at.values():
        if leaving[quote.level] <= 1 and quote.sz <= room_sz:
            places.append(quote)
            room_sz -= quote.sz
    return Plan(cancels, places)
