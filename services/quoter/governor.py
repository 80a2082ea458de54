"""The Regime Governor: one spread multiplier in [1, 4] and the regime halt of a coin.

`v6` is the formula (a pure function of what is measured); `Governor` adds time: the multiplier rises at once and
falls slowly, and a halt ends only after a calm minute, so that quotes do not flicker at an edge.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from shared.funding import HALT_8H_FRAC
from shared.messages import Regime
from shared.regime import CALM_ATR_FRAC, HALT_ATR_FRAC, regime_of

CANCEL_FILL_RATIO = 50.0
MAX_MULTIPLIER = 4.0
CANCEL_FILL_CAP = 2.0
"""Wide quotes fill less, which raises cancels per fill: without a cap the governor would lock itself out."""
MIN_LATENCY_SAMPLES = 200
STALE_MULTIPLIER = 2.0
RECOVERY_FRAC = 0.9

_SEVERITY: dict[Regime, int] = {"calm": 0, "uncertain": 1, "halt": 2}
AtrSource = Literal["measured", "default"]


class Inputs(NamedTuple):
    """What the governor looks at. `atr_source` "default" means that nobody measured `atr_fraction`."""

    atr_fraction: float
    atr_source: AtrSource
    regime_label: Regime
    cancels: int
    fills: int
    p95_ms: float
    funding_8h: float


class Reading(NamedTuple):
    """The formula's answer to one set of inputs."""

    m_atr: float
    m_cf: float
    m_latency: float
    multiplier: float
    regime: Regime
    halt: bool
    reasons: Sequence[Literal["regime", "funding"]]


def v6(inputs: Inputs, ratio_limit: float = CANCEL_FILL_RATIO, funding_limit: float = HALT_8H_FRAC) -> Reading:
    """multiplier = clip(m_atr · m_cf · m_latency, 1, 4).

    m_atr = 1 + 3·clip((atr − 0.15 %) / (0.50 % − 0.15 %), 0, 1): 4 exactly at the halt line.
    m_cf = clip(cancels / max(fills, 1) / 50, 1, 2), over a rolling hour.
    m_latency = 1 up to 50 ms P95, 1.5 up to 100 ms, then 2.
    The regime is the worse of the screener's label and the band the ATR falls into; a default ATR with a calm
    label counts as calm, because the flat defaults mean "no opinion", not "0.2 % measured".
    """
    regime, m_atr = regime_of(inputs.atr_fraction), 1.0
    if inputs.atr_source == "default" and inputs.regime_label == "calm":
        regime = "calm"
    else:
        above = (inputs.atr_fraction - CALM_ATR_FRAC) / (HALT_ATR_FRAC - CALM_ATR_FRAC)
        m_atr = 1 + 3 * _clip(above, 0.0, 1.0)
        regime = max(regime, inputs.regime_label, key=_SEVERITY.__getitem__)
    m_cf = _clip(inputs.cancels / max(inputs.fills, 1) / ratio_limit, 1.0, CANCEL_FILL_CAP)
    m_latency = 1.0 if inputs.p95_ms <= 50 else 1.5 if inputs.p95_ms <= 100 else 2.0
    reasons: list[Literal["regime", "funding"]] = []
    if regime == "halt":
        reasons.append("regime")
    if abs(inputs.funding_8h) > funding_limit:
        reasons.append("funding")
    multiplier = _clip(m_atr * m_cf * m_latency, 1.0, MAX_MULTIPLIER)
    return Reading(m_atr, m_cf, m_latency, multiplier, regime, bool(reasons), reasons)


def staleness(observation_count: int, age_s: float, stale_after_s: float) -> float:
    """2 when something that was alive has grown old; what never came is not stale (cold start)."""
    return STALE_MULTIPLIER if observation_count > 0 and age_s > stale_after_s else 1.0


def combined(multiplier: float, stale: float) -> float:
    """Stacked guards stay within the governor's own range."""
    return _clip(multiplier * stale, 1.0, MAX_MULTIPLIER)


def left_to_widen(multiplier: float, widening: float) -> float:
    """What of the guard's own widening comes on top: all of them together stay within that range too."""
    return _clip(widening, 1.0, MAX_MULTIPLIER / multiplier)


class Latch:
    """On at once, off after `recovery_ms` in a row of calm."""

    __slots__ = ("on", "_recovery_ms", "_calm_since_ms")

    def __init__(self, recovery_ms: float) -> None:
        self.on = False
        self._recovery_ms = recovery_ms
        self._calm_since_ms: int | None = None

    def update(self, now_ms: int, tripped: bool, calm: bool) -> None:
        if tripped:
            self.on, self._calm_since_ms = True, None
        elif self.on:
            if not calm:
                self._calm_since_ms = None
                return
            if self._calm_since_ms is None:
                self._calm_since_ms = now_ms
            self.on = now_ms - self._calm_since_ms < self._recovery_ms


class Governor:
    """One coin's multiplier and halts over time."""

    __slots__ = ("inputs", "reading", "multiplier", "_limits", "_fall_per_s", "_fell_ms", "_regime", "_funding")

    def __init__(self, ratio_limit: float, funding_limit: float, fall_per_s: float, recovery_s: float) -> None:
        self._limits = (ratio_limit, funding_limit)
        self._fall_per_s = fall_per_s
        self._fell_ms = 0
        self._regime, self._funding = Latch(recovery_s * 1000), Latch(recovery_s * 1000)
        self.inputs = Inputs(0.0, "default", "calm", 0, 0, 0.0, 0.0)
        self.reading = v6(self.inputs, *self._limits)
        self.multiplier = 1.0

    def observe(self, inputs: Inputs) -> None:
        """New measurements; they take effect at the next `advance`."""
        if inputs != self.inputs:
            self.inputs, self.reading = inputs, v6(inputs, *self._limits)

    def advance(self, now_ms: int) -> None:
        """Let time pass: rise at once, fall once per full second, let a halt recover."""
        target = self.reading.multiplier
        if target >= self.multiplier:
            self.multiplier, self._fell_ms = target, now_ms
        else:
            seconds = (now_ms - self._fell_ms) // 1000
            if seconds > 0:
                self.multiplier = max(target, self.multiplier - self._fall_per_s * seconds)
                self._fell_ms += seconds * 1000
        if self.reading.halt or self._regime.on or self._funding.on:
            self._advance_halts(now_ms)

    def _advance_halts(self, now_ms: int) -> None:
        reasons, inputs = self.reading.reasons, self.inputs
        unmeasured = inputs.atr_source == "default" and inputs.regime_label == "calm"
        low_atr = unmeasured or inputs.atr_fraction < RECOVERY_FRAC * HALT_ATR_FRAC
        self._regime.update(now_ms, "regime" in reasons, low_atr)
        low_funding = abs(inputs.funding_8h) < RECOVERY_FRAC * self._limits[1]
        self._funding.update(now_ms, "funding" in reasons, low_funding)

    @property
    def regime(self) -> Regime:
        return "halt" if self._regime.on else self.reading.regime

    @property
    def regime_halt(self) -> bool:
        return self._regime.on

    @property
    def funding_halt(self) -> bool:
        return self._funding.on


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
