"""Queue position: when would a resting order of ours have been filled?

Quantities are floats, in lots inside the simulator (the `log` kinds depend on the unit). Two models:

- `ProbQueue` keeps the quantity displayed ahead of us. Trades at our price reduce it; a displayed decrease that
  trades do not explain is cancels, of which the share `p` stood behind us (Rigtorp's probability queue model and
  the variants of hftbacktest; f = ahead, b = behind):

      risk_averse  all behind         power n   b^n / (b^n + f^n)        power2 n  b^n / (b + f)^n
      power3 n     1 - (f / (f+b))^n  log       ln(1+b) / (ln(1+b) + ln(1+f))     log2  ln(1+b) / ln(1+b+f)

- `V6Queue` is the estimator of the first engine: filled once 1.4 times our own size traded at or through our
  price. It ignores the queue ahead, so its fills are an upper bound.
"""

import math
from typing import Literal, Protocol

CancelKind = Literal["risk_averse", "power", "power2", "power3", "log", "log2"]

V6_VOLUME_PER_SIZE = 1.4
"""Fill probability V / (2 size) at the threshold of 0.70."""
_ROUNDING = 1e-12
"""1.4 * size / (2 * size) may come out as 0.7 - 1e-16."""
LOT_NOISE = 1e-9
"""A quantity this little below a whole lot is the whole lot."""
UNKNOWN = math.inf
"""Quantity ahead at a price that was never displayed: no trade at the price can use it up."""


def cancels_behind(kind: CancelKind, n: float, front: float, behind: float) -> float:
    """Share of cancels at a level that stood behind us."""
    if kind == "risk_averse" or front <= 0:
        return 1.0
    if behind <= 0:
        return 0.0
    if kind == "power":
        return float(1 / (1 + (front / behind) ** n))
    if kind == "power2":
        return float(behind**n / (behind + front) ** n)
    if kind == "power3":
        return float(1 - (front / (front + behind)) ** n)
    if kind == "log":
        return math.log1p(behind) / (math.log1p(behind) + math.log1p(front))
    return math.log1p(behind) / math.log1p(behind + front)


def front_after(kind: CancelKind, n: float, front: float, expected: float, displayed: float) -> float:
    """The quantity ahead once a level that should hold `expected` (last shown less trades) shows `displayed`.

    front <- clip(f - (1-p) chg + min(b - p chg, 0), 0, displayed), chg = expected - displayed, b = expected - f.
    """
    canceled = expected - displayed
    if canceled <= 0:
        return min(front, displayed)
    behind = max(expected - front, 0.0)
    share = cancels_behind(kind, n, front, behind)
    left = front - (1 - share) * canceled + min(behind - share * canceled, 0.0)
    return min(max(left, 0.0), displayed)


def v6_probability(order_size: float, volume: float) -> float:
    """min(1, V / (2 size)), V = volume traded at or through our price since the order was registered."""
    return min(1.0, volume / (2 * order_size))


def v6_is_filled(order_size: float, volume: float) -> bool:
    """Probability 0.70 or more, safe against float noise."""
    return volume >= V6_VOLUME_PER_SIZE * order_size * (1 - _ROUNDING)


class QueueModel(Protocol):
    """What the simulator asks about one resting order."""

    def hit(self, qty: float, available: float, remaining: int, through: bool, late: bool) -> tuple[int, float]:
        """A print of `qty` at our price, or through it. Returns our fill in lots and the volume we used up.

        `available` is what better or earlier orders of ours left of it. `late`: the newest displayed quantity
        already excludes this print.
        """

    def displayed(self, qty: float) -> None:
        """The public book shows `qty` at our price."""

    def forget(self) -> None:
        """The feed had a hole: what stands ahead of us is no longer known."""


class ProbQueue:
    """Displayed size ahead, reduced by trades and modelled cancels."""

    def __init__(self, kind: CancelKind, n: float, front: float, level: float) -> None:
        self.kind, self.n = kind, n
        self.front = front
        self._level = level
        self._traded = 0.0
        self._before: tuple[float, float] | None = None
        """Front and expected quantity right before the newest book."""

    def trade(self, qty: float, available: float) -> float:
        """A print at our price; returns the volume that reached us."""
        self._traded += qty
        self.front -= available
        return self._overflow()

    def late_trade(self, qty: float, available: float) -> float:
        """A print that the newest book already reflects: taken out before that book, not once more after it.

        Trades and books travel on different streams, so either may come first; both orders end in one result.
        """
        if self._before is None or math.isinf(self._before[0]):
            return 0.0
        front, expected = self._before
        overflow = max(available - front, 0.0)
        front, expected = max(front - available, 0.0), expected - qty
        self._before = front, expected
        self.front = front_after(self.kind, self.n, front, expected, self._level) - self._traded
        self._overflow()
        return overflow

    def _overflow(self) -> float:
        over, self.front = max(-self.front, 0.0), max(self.front, 0.0)
        return over

    def displayed(self, qty: float) -> None:
        expected = self._level - self._traded
        self._before = self.front, expected
        self.front = qty if math.isinf(self.front) else front_after(self.kind, self.n, self.front, expected, qty)
        self._level, self._traded = qty, 0.0

    def through(self) -> float:
        """Everything at our price was consumed, we included: the volume that reached us has no other bound."""
        self.front = 0.0
        return math.inf

    def hit(self, qty: float, available: float, remaining: int, through: bool, late: bool) -> tuple[int, float]:
        if through:
            reached = self.through()
        elif late:
            reached = self.late_trade(qty, available)
        else:
            reached = self.trade(qty, available)
        fill = min(remaining, int(min(reached, available) + LOT_NOISE))
        return fill, float(fill)

    def forget(self) -> None:
        self.front = self._level = UNKNOWN
        self._traded, self._before = 0.0, None


class V6Queue:
    """Filled completely once 1.4 times our size traded at or through our price."""

    def __init__(self, order_size: float) -> None:
        self.order_size = order_size
        self.volume = 0.0

    def hit(self, qty: float, available: float, remaining: int, through: bool, late: bool) -> tuple[int, float]:
        used = min(available, V6_VOLUME_PER_SIZE * self.order_size - self.volume)
        self.volume += used
        return (remaining if v6_is_filled(self.order_size, self.volume) else 0), used

    def displayed(self, qty: float) -> None:
        """Nothing: this model does not look at the queue."""

    def forget(self) -> None:
        """Nothing: there is nothing it knows of the queue."""
