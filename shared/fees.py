"""The venue's maker fees for perpetuals, for whoever prices or simulates a fill."""

from decimal import Decimal

MAKER_RATE_FRAC = tuple(Decimal(rate) for rate in ("0.00015", "0.00012", "0.00008", "0.00004", "0", "0", "0"))
"""Maker fee by tier (14-day volume) as a fraction of notional; + is paid."""
_BUILDER_DEX_FACTOR = 2
"""A perp of a builder-deployed dex costs twice the base at its usual fee scale of 1."""


def maker_rate(tier: int, coin: str) -> Decimal:
    """Maker fee rate of a coin; names of builder-deployed perps hold a colon (`xyz:TSLA`)."""
    return MAKER_RATE_FRAC[tier] * (_BUILDER_DEX_FACTOR if ":" in coin else 1)
