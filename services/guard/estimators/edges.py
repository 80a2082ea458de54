"""What our own fills are worth five seconds later.

    edge = s (m_t+5 - p) / m · 1e4 - fee_bps        s = +1 for our buy, m the mid strictly before the fill

The mid after the sweep would book the loss as spread captured and show none (see `Fill.mid_px`).
"""

import math
from collections import deque
from typing import ClassVar, NamedTuple

from services.guard.memory import PARTS
from shared.messages import Book, Fill
from shared.recent import Recent
from shared.units import Side

HORIZON_MS = 5000
FRESH_MS = 2000
"""A book this much older than the horizon does not tell the mid there."""
MAX_PENDING = 1000
REMEMBERED = 1000
HALF_LIFE_S = 1800.0
ALPHA = 0.05
"""Weight of the newest fill once many are known; a plain mean before."""


class Outcome(NamedTuple):
    """One fill judged by a later mid, in bps of the mid before it; + is good for us."""

    capture_bps: float
    markout_bps: float
    fee_bps: float

    @property
    def edge_bps(self) -> float:
        return self.capture_bps + self.markout_bps - self.fee_bps


def outcome(side: Side, px: float, mid_before_px: float, mid_after_px: float, fee_bps: float) -> Outcome:
    in_bps = (1e4 if side == "bid" else -1e4) / mid_before_px
    return Outcome(in_bps * (mid_before_px - px), in_bps * (mid_after_px - mid_before_px), fee_bps)


class SideMean:
    """Mean of observations of one side, the newest counting most, drawn to a prior while there are few:

        W ← (1 - α) W + 1      m ← m + (v - m) / W      estimate = (n₀ · prior + W · m) / (n₀ + W)

    W also halves every half-life, so that quotes which were widened until nothing fills are tried again.
    """

    remembers: ClassVar = {"_mean": float, "_weight": float, "_last_ms": float}
    __slots__ = ("_alpha", "_half_life_ms", "_last_ms", "_mean", "_prior", "_prior_n", "_weight")

    def __init__(
        self, prior_bps: float, prior_n: float, alpha: float = ALPHA, half_life_s: float = HALF_LIFE_S
    ) -> None:
        self._prior, self._prior_n, self._alpha = prior_bps, prior_n, alpha
        self._half_life_ms = half_life_s * 1000
        self._mean = self._weight = self._last_ms = 0.0

    def add(self, time_ms: float, value_bps: float) -> None:
        self._weight = (1 - self._alpha) * self.weight(time_ms) + 1
        self._mean += (value_bps - self._mean) / self._weight
        self._last_ms = max(self._last_ms, time_ms)

    def weight(self, now_ms: float) -> float:
        """How many fills the estimate stands on; at most 1/α."""
        return self._weight * math.exp2(-max(now_ms - self._last_ms, 0.0) / self._half_life_ms)

    def estimate_bps(self, now_ms: float) -> float:
        weight = self.weight(now_ms)
        return (self._prior_n * self._prior + weight * self._mean) / (self._prior_n + weight)


class Edges:
    """Fills of one coin waiting for their mid, and the mean edge of each side."""

    remembers: ClassVar = {"sides": PARTS, "_last": tuple[float, float] | None}

    def __init__(self, prior_bps: float, prior_n: float) -> None:
        self.sides: dict[Side, SideMean] = {side: SideMean(prior_bps, prior_n) for side in ("bid", "ask")}
        self._pending: deque[Fill] = deque(maxlen=MAX_PENDING)
        self._seen = Recent(REMEMBERED)
        self._last: tuple[float, float] | None = None

    def add_fill(self, fill: Fill) -> None:
        """Each fill once, and none whose mid cannot be known: its horizon has passed already."""
        if not self._seen.add(fill.fill_id) or not fill.mid_px:
            return
        if self._last is None or fill.time_ms + HORIZON_MS >= self._last[0]:
            self._pending.append(fill)

    def add_book(self, book: Book) -> None:
        """The book before this one is the last at or before every horizon that lies before this one."""
        while self._pending and self._pending[0].time_ms + HORIZON_MS < book.received_ms:
            fill = self._pending.popleft()
            due_ms = fill.time_ms + HORIZON_MS
            if self._last is not None and due_ms - FRESH_MS <= self._last[0] <= due_ms:
                self.sides[fill.side].add(due_ms, _outcome_of(fill, self._last[1]).edge_bps)
        self._last = (book.received_ms, book.mid_px)


def _outcome_of(fill: Fill, mid_after_px: float) -> Outcome:
    fee_bps = float(fill.fee_usd / (fill.px * fill.sz)) * 1e4
    return outcome(fill.side, float(fill.px), float(fill.mid_px), mid_after_px, fee_bps)
