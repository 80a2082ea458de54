"""The volatility regime of a coin: V6's bands of the 1-minute ATR as a fraction of the price."""

from shared.messages import Regime

CALM_ATR_FRAC = 0.0015
HALT_ATR_FRAC = 0.0050


def regime_of(atr_fraction: float) -> Regime:
    """calm < 0.15 % <= uncertain < 0.5 % <= halt."""
    if atr_fraction < CALM_ATR_FRAC:
        return "calm"
    return "uncertain" if atr_fraction < HALT_ATR_FRAC else "halt"
