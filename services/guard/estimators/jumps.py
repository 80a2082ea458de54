"""Is the price moving smoothly, or by jumps?

    RV = Σ r²      BV = π/2 · n/(n-1) · Σ |r_i| |r_i-1|

A jump is one large return: it enters RV squared, BV only times its ordinary neighbours. RV/BV is about 1 without
jumps, whatever the volatility. z tells whether the difference is more than chance (ratio statistic of Huang and
Tauchen 2005, Barndorff-Nielsen and Shephard 2004); it is about standard normal without jumps.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from shared.messages import Book

_MU_43 = 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(1 / 2)
"""E|Z|^(4/3) of a standard normal Z."""
_SPREAD = math.pi**2 / 4 + math.pi - 5


@dataclass(frozen=True, slots=True)
class Variation:
    """Realised and bipower variation and tripower quarticity of `n` returns; fractions of the price, squared."""

    n: int
    rv: float
    bv: float
    tq: float

    @property
    def ratio(self) -> float:
        """RV/BV; 1 where nothing can be said."""
        return self.rv / self.bv if self.n >= 3 and self.rv > 0 and self.bv > 0 else 1.0

    @property
    def z(self) -> float:
        if self.n < 3 or self.rv <= 0 or self.bv <= 0:
            return 0.0
        return (1 - self.bv / self.rv) / math.sqrt(_SPREAD / self.n * max(1.0, self.tq / self.bv**2))

    @property
    def p_value(self) -> float:
        """Chance of a z as large without any jump."""
        return math.erfc(self.z / math.sqrt(2)) / 2


def variation(returns: Sequence[float]) -> Variation:
    n = len(returns)
    sizes = [abs(value) for value in returns]
    rv = math.fsum(size * size for size in sizes)
    if n < 3:
        return Variation(n, rv, 0.0, 0.0)
    pairs = math.fsum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
    thirds = [size ** (4 / 3) for size in sizes]
    triples = math.fsum(a * b * c for a, b, c in zip(thirds, thirds[1:], thirds[2:], strict=False))
    return Variation(n, rv, math.pi / 2 * n / (n - 1) * pairs, n * _MU_43**-3 * n / (n - 2) * triples)


def sigma_sqrt_s(variation: float, elapsed_s: float) -> float:
    """Volatility per square root of a second from a variation (RV or the jump-robust BV) over `elapsed_s`."""
    return math.sqrt(variation / elapsed_s)


class Returns:
    """Log-returns of the mid over `step_s` each, the newest `size`; none across a hole or a reconnect."""

    remembers: ClassVar = {"_anchor": tuple[float, float, int] | None, "values": list[float]}

    def __init__(self, step_s: float, size: int) -> None:
        self._step_ms = step_s * 1000
        self._anchor: tuple[float, float, int] | None = None
        self.values: deque[float] = deque(maxlen=size)

    def add(self, book: Book) -> bool:
        """True when a return was completed."""
        anchor = self._anchor
        if anchor is None or book.epoch != anchor[2] or book.received_ms - anchor[0] > 2 * self._step_ms:
            self._anchor = (book.received_ms, book.mid_px, book.epoch)
            return False
        if book.received_ms - anchor[0] < self._step_ms:
            return False
        mid_px = book.mid_px
        self.values.append(math.log(mid_px / anchor[1]))
        self._anchor = (book.received_ms, mid_px, book.epoch)
        return True

    def all_but(self, newest: int) -> tuple[float, ...]:
        return tuple(islice(self.values, max(len(self.values) - newest, 0)))
