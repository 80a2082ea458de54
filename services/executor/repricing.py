"""Levels that the market overtook while their post-only orders were on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.executor.orders import NewOrder
from shared.messages import QuoteLevel
from shared.units import Side, behind_touch


@dataclass(slots=True)
class _Overtaken:
    refusals: int = 0
    px: Decimal | None = None
    """Where it is tried next; None: not until the next target."""


class Repricing:
    """Of one coin and one target. A refused level is tried again one tick behind the newest touch, `most` times;
    then it is left to the next target."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._levels: dict[tuple[Side, int], _Overtaken] = {}

    def new_target(self) -> None:
        self._levels.clear()

    def refused(self, order: NewOrder, opposite_px: Decimal | None, sz_decimals: int) -> None:
        """`opposite_px`: the newest best price of the other side; None: unknown."""
        level = self._levels.setdefault((order.side, order.level), _Overtaken())
        level.refusals += 1
        level.px = None
        if level.refusals <= self._most and opposite_px is not None:
            level.px = behind_touch(order.px, opposite_px, sz_decimals, order.side)

    def apply(self, side: Side, quotes: Sequence[QuoteLevel]) -> tuple[QuoteLevel, ...]:
        """The target with these levels where they are tried next, or without them."""
        if not self._levels:
            return tuple(quotes)
        moved = (self._moved(side, quote) for quote in quotes)
        return tuple(quote for quote in moved if quote is not None)

    def _moved(self, side: Side, quote: QuoteLevel) -> QuoteLevel | None:
        level = self._levels.get((side, quote.level))
        if level is None:
            return quote
        return QuoteLevel(quote.level, level.px, quote.sz) if level.px is not None else None
