"""The mid two seconds from now, learned from the imbalances of book and flow; for people, not for quotes.

y = (m(t+h) - m(t)) / m(t) is regressed on x = (book imbalance, flow imbalance) by recursive least squares with
forgetting. A label exists only h later and is the last mid at or before then: never the one of now. One sample per
h, so that labels do not overlap. Until the learned coefficients have predicted better than nothing, the prior
counts: the weighted mid, whose coefficient of the book is half the spread.
"""

from dataclasses import dataclass

from shared.messages import Book

HORIZON_MS = 2000
LABEL_AGE_MS = 1000
"""A mid this much older than the horizon is no label."""
FORGETTING = 0.5 ** (1 / 3600)
"""Half of the weight is on the last 3600 samples, two hours at least."""
PRIOR_WEIGHT = 0.1
"""Variance of the prior over that of the noise: it counts as ten samples at full imbalance."""
LEAST_IMBALANCE = 0.01
"""Forgetting without excitation would let the covariance explode."""
TRUSTED_LABELS = 200

Pair = tuple[float, float]


class Rls:
    """Two coefficients from a prior; the trace of the covariance never exceeds its first value.

    Equals ridge regression towards the prior with weights that fall by `forgetting` per sample.
    """

    def __init__(self, prior: Pair, prior_weight: float, forgetting: float) -> None:
        self.beta = prior
        self.covariance = (prior_weight, 0.0, prior_weight)
        """Upper triangle of the symmetric matrix, by rows."""
        self._forgetting, self._largest_trace = forgetting, 2 * prior_weight

    def predict(self, x: Pair) -> float:
        return self.beta[0] * x[0] + self.beta[1] * x[1]

    def update(self, x: Pair, y: float) -> None:
        p00, p01, p11 = self.covariance
        px = p00 * x[0] + p01 * x[1], p01 * x[0] + p11 * x[1]
        spread = self._forgetting + x[0] * px[0] + x[1] * px[1]
        gain = px[0] / spread, px[1] / spread
        error = y - self.predict(x)
        self.beta = self.beta[0] + gain[0] * error, self.beta[1] + gain[1] * error
        learned = p00 - gain[0] * px[0], p01 - gain[0] * px[1], p11 - gain[1] * px[1]
        grown = 1 / self._forgetting
        if (learned[0] + learned[2]) * grown > self._largest_trace:
            grown = self._largest_trace / (learned[0] + learned[2])
        self.covariance = learned[0] * grown, learned[1] * grown, learned[2] * grown


def capped(deviation_frac: float, half_spread_frac: float, cap_half_spreads: float = 1.0) -> float:
    """A deviation from the mid within so many half spreads: beyond the touch it is an error, not a forecast."""
    limit = cap_half_spreads * half_spread_frac
    return max(-limit, min(limit, deviation_frac))


@dataclass(frozen=True, slots=True)
class _Sample:
    due_ms: float
    mid_px: float
    epoch: int
    x: Pair
    predicted: float


class Microprice:
    """The regression of one coin."""

    def __init__(self) -> None:
        self._rls: Rls | None = None
        self._open: _Sample | None = None
        self._labels = 0
        self._missed = self._varied = 0.0

    def take(self, before: Book | None, book: Book, flow_imbalance: float | None) -> None:
        """A new book and the one before it; without a known flow nothing is learned."""
        sample = self._open
        if sample is not None and (book.received_ms > sample.due_ms or book.epoch != sample.epoch):
            self._open = None
            if before is not None and before.epoch == sample.epoch:
                if sample.due_ms - LABEL_AGE_MS <= before.received_ms <= sample.due_ms:
                    self._learn(sample, before.mid_px / sample.mid_px - 1)
        if self._open is None and flow_imbalance is not None:
            self._begin(book, flow_imbalance)

    def _begin(self, book: Book, flow_imbalance: float) -> None:
        x = book_imbalance(book), flow_imbalance
        if max(map(abs, x)) < LEAST_IMBALANCE:
            return
        if self._rls is None:
            self._rls = Rls((book.spread_bps / 2e4, 0.0), PRIOR_WEIGHT, FORGETTING)
        due_ms = book.received_ms + HORIZON_MS
        self._open = _Sample(due_ms, book.mid_px, book.epoch, x, self._rls.predict(x))

    def _learn(self, sample: _Sample, y: float) -> None:
        assert self._rls is not None
        self._missed = self._missed * FORGETTING + (y - sample.predicted) ** 2
        self._varied = self._varied * FORGETTING + y * y
        self._labels += 1
        self._rls.update(sample.x, y)

    @property
    def beta(self) -> Pair | None:
        """Coefficients of book and flow, fraction per unit; None before there are enough labels."""
        return self._rls.beta if self._rls is not None and self._labels >= TRUSTED_LABELS else None

    @property
    def predicts(self) -> bool:
        """Have forecasts made before their labels been better than none, R² > 0?"""
        return self._labels >= TRUSTED_LABELS and self._missed < self._varied

    def deviation_bps(self, book: Book, flow_imbalance: float | None) -> float:
        """Micro-price over mid, within half a spread: learned where that predicts, else the weighted mid."""
        half_spread_frac, imbalance = book.spread_bps / 2e4, book_imbalance(book)
        if self._rls is None or not self.predicts or flow_imbalance is None:
            return imbalance * half_spread_frac * 1e4
        return capped(self._rls.predict((imbalance, flow_imbalance)), half_spread_frac) * 1e4


def book_imbalance(book: Book) -> float:
    """(bid size - ask size) / (bid size + ask size) at the touch."""
    bid_sz, ask_sz = float(book.bids[0].sz), float(book.asks[0].sz)
    return (bid_sz - ask_sz) / (bid_sz + ask_sz)
