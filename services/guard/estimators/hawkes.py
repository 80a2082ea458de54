"""Self-exciting arrivals: how fast taker orders of one side come, given how they came of late.

    λ(t) = μ + Σ α e^(-β (t - t_i))        branching n = α/β < 1        mean rate μ / (1 - n)

μ is not fitted but follows from the mean rate of the last hour, n and β are given (models of order flow put n near
a half, and clusters at about a second): a fit needs hundreds of orders and minutes, a cascade has neither.
"""

import math
from typing import ClassVar

BRANCHING = 0.5
BETA_PER_S = 1.0
BASELINE_S = 3600.0


class Hawkes:
    """Intensity of one stream of events, O(1) each. Events may repeat a time, but do not go back."""

    remembers: ClassVar = {"_excitement": float, "_last_ms": float | None}

    def __init__(self, beta_per_s: float = BETA_PER_S) -> None:
        self._beta_per_s = beta_per_s
        self._excitement = 0.0
        self._last_ms: float | None = None

    def add(self, time_ms: float) -> None:
        self._excitement = self.excitement(time_ms) + 1
        self._last_ms = max(self._last_ms or 0.0, time_ms)

    def excitement(self, now_ms: float) -> float:
        """Σ e^(-β (now - t_i))."""
        if self._last_ms is None:
            return 0.0
        return self._excitement * math.exp(-self._beta_per_s * max(now_ms - self._last_ms, 0.0) / 1000)

    def intensity(self, now_ms: float, mu_per_s: float, alpha_per_s: float) -> float:
        return mu_per_s + alpha_per_s * self.excitement(now_ms)


class MeanRate:
    """Events per second with exponential memory of `memory_s`, unbiased from the start of time 0 on."""

    remembers: ClassVar = {"_weight": float, "_last_ms": float}

    def __init__(self, memory_s: float = BASELINE_S) -> None:
        self._memory_ms = memory_s * 1000
        self._weight = self._last_ms = 0.0

    def add(self, time_ms: float) -> None:
        self._weight = self._decayed(time_ms) + 1
        self._last_ms = max(self._last_ms, time_ms)

    def per_s(self, now_ms: float) -> float:
        """The mean up to `now_ms` > 0."""
        return self._decayed(now_ms) / (self._memory_ms / 1000 * -math.expm1(-now_ms / self._memory_ms))

    def _decayed(self, now_ms: float) -> float:
        return self._weight * math.exp(-max(now_ms - self._last_ms, 0.0) / self._memory_ms)
