"""What follows from refused orders: another price where the market was quicker, else a pause."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.executor.orders import NewOrder
from shared.messages import QuoteLevel, Reason
from shared.units import Side, behind_touch

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 1_000, 60_000


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


class Pauses:
    """How long a side of one coin places nothing after refusals that another price would not cure: longer with
    each one in a row, because every try costs a request of the budget."""

    def __init__(self) -> None:
        self._tries: dict[Side, int] = {}
        self._until_ms: dict[Side, int] = {}
        self._reasons: dict[Side, Reason] = {}

    def refused(self, now_ms: int, side: Side, reason: Reason) -> None:
        """Several of one request count once."""
        self._reasons[side] = reason
        if self.reason(now_ms, side) is None:
            tries = self._tries.get(side, 0)
            self._tries[side] = tries + 1
            self._until_ms[side] = now_ms + min(_FIRST_PAUSE_MS << min(tries, 10), _LONGEST_PAUSE_MS)

    def accepted(self, side: Side) -> None:
        self._tries.pop(side, None)

    def reason(self, now_ms: int, side: Side) -> Reason | None:
        """Why the side pauses; None when it does not."""
        return self._reasons[side] if now_ms < self._until_ms.get(side, 0) else None
