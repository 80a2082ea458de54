"""Estimates that the monitor makes for people; nothing here reaches an order.

All are O(1) per input. Times are Unix milliseconds, volatility is a fraction per square root of a second.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from shared.messages import Book
from shared.units import Side

SAMPLE_MS = 1000
"""Returns of the mid over at least this long: shorter ones measure the flicker of the touch."""
GAP_MS = 5000
"""No return is taken across a hole in the data."""
FAST_HALF_LIFE_S = 60.0
SLOW_HALF_LIFE_S = 600.0
FAST_WARM_UP_S = 60.0
SLOW_WARM_UP_S = 300.0
REGIME_EDGES = ((2, 3.0), (1, 1.5))
REGIME_HYSTERESIS = 0.9

MARKOUT_MS = 5000
MARKOUT_TOLERANCE_MS = 2000
"""A book this much older than the horizon does not tell the mid there."""
MARKOUT_ALPHA = 0.05
"""Weight of the newest fill once many are known; a plain mean before."""
MAX_PENDING = 1000


class Highest:
    """The greatest value of the last `window_ms`, the same for everyone who asks."""

    def __init__(self, window_ms: float) -> None:
        self._window_ms = window_ms
        self._falling: deque[tuple[float, float]] = deque()
        """Time and value; what was followed by a greater one no longer matters."""

    def add(self, time_ms: float, value: float) -> None:
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        while self._falling and self._falling[0][0] <= time_ms - self._window_ms:
            self._falling.popleft()
        self._falling.append((time_ms, value))

    def at(self, now_ms: float) -> float | None:
        """None where there was none."""
        return next((value for time_ms, value in self._falling if time_ms > now_ms - self._window_ms), None)


class Ewma:
    """sigma = sqrt(EWMA(r^2) / EWMA(dt)): unlike an EWMA of r^2/dt, tiny time steps do not dominate it."""

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._squares = self._seconds = 0.0

    def update(self, log_return: float, dt_s: float) -> None:
        decay = 2.0 ** (-dt_s / self._half_life_s)
        self._squares = self._squares * decay + log_return * log_return
        self._seconds = self._seconds * decay + dt_s

    @property
    def sigma(self) -> float:
        return math.sqrt(self._squares / self._seconds) if self._seconds > 0 else 0.0


def volatility_regime(ratio: float, previous: int) -> int:
    """0 normal < 1.5 <= 1 high < 3 <= 2 extreme, for fast / slow volatility; falls only below 0.9 of an edge."""
    for level, edge in REGIME_EDGES:
        if ratio >= edge or (previous >= level and ratio >= REGIME_HYSTERESIS * edge):
            return level
    return 0


class Volatility:
    """Fast and slow volatility of one coin's mid, and the regime they tell."""

    def __init__(self) -> None:
        self._fast, self._slow = Ewma(FAST_HALF_LIFE_S), Ewma(SLOW_HALF_LIFE_S)
        self._observed_s = 0.0
        self._anchor: tuple[float, float, int] | None = None
        self._regime = 0

    def update(self, book: Book) -> None:
        mid_px = book.mid_px
        if self._anchor is None:
            self._anchor = (book.received_ms, mid_px, book.epoch)
            return
        since_ms, before_px, epoch = self._anchor
        dt_ms = book.received_ms - since_ms
        if dt_ms < SAMPLE_MS and epoch == book.epoch:
            return
        self._anchor = (book.received_ms, mid_px, book.epoch)
        if dt_ms > GAP_MS or epoch != book.epoch:
            return
        log_return, dt_s = math.log(mid_px / before_px), dt_ms / 1000
        self._fast.update(log_return, dt_s)
        self._slow.update(log_return, dt_s)
        self._observed_s += dt_s
        slow = self._slow.sigma
        self._regime = volatility_regime(self._fast.sigma / slow if slow > 0 else 1.0, self._regime)

    @property
    def sigma(self) -> float | None:
        """None until a minute of returns is known."""
        return self._fast.sigma if self._observed_s >= FAST_WARM_UP_S else None

    @property
    def regime(self) -> int | None:
        """None until five minutes of returns are known."""
        return self._regime if self._observed_s >= SLOW_WARM_UP_S else None


def adverse_selection_bps(side: Side, mid_before_px: float, mid_after_px: float) -> float:
    """How far the mid went against a fill: -s (m_after - m_before) / m_before, s = +1 for our buy.

    `mid_before_px` must be the mid strictly before the fill; the one after the sweep hides the loss.
    """
    sign = 1.0 if side == "bid" else -1.0
    return -sign * (mid_after_px - mid_before_px) / mid_before_px * 1e4


@dataclass(slots=True)
class Markouts:
    """Running mean of adverse selection some time after our fills."""

    horizon_ms: int = MARKOUT_MS
    mean_bps: float | None = None
    _weight: float = 0.0
    _pending: deque[tuple[float, Side, float, float]] = field(default_factory=lambda: deque(maxlen=MAX_PENDING))

    def add(self, now_ms: int, time_ms: int, side: Side, mid_before_px: float, sz: float) -> None:
        """A fill at `time_ms`; one whose horizon has passed unseen is dropped, never valued with a later mid."""
        if now_ms <= time_ms + self.horizon_ms + MARKOUT_TOLERANCE_MS:
            self._pending.append((time_ms + self.horizon_ms, side, mid_before_px, sz))

    def resolve(self, until_ms: float, last: Book | None) -> float:
        """Value the fills whose horizon lies before `until_ms`, with the last book at or before it; what the moves
        of the mid have brought us with them, in USD, - lost."""
        won_usd = 0.0
        while self._pending and self._pending[0][0] < until_ms:
            due_ms, side, before_px, sz = self._pending.popleft()
            if last is not None and due_ms - MARKOUT_TOLERANCE_MS <= last.received_ms <= due_ms:
                against_bps = adverse_selection_bps(side, before_px, last.mid_px)
                self._take(against_bps)
                won_usd -= against_bps / 1e4 * before_px * sz
        return won_usd

    def _take(self, value_bps: float) -> None:
        self._weight = (1 - MARKOUT_ALPHA) * self._weight + 1
        mean_bps = self.mean_bps or 0.0
        self.mean_bps = mean_bps + (value_bps - mean_bps) / self._weight
