"""What a strategy sees and what it answers: floats and dollars; grid, caps and touch are applied afterwards."""

from typing import NamedTuple


class MarketView(NamedTuple):
    """One coin at one moment."""

    mid_px: float
    best_bid_px: float
    best_ask_px: float
    inventory_usd: float
    """Signed, at mid."""
    multiplier: float
    """Spread multiplier of the governor, 1..4."""
    skew_gain: float


class Wanted(NamedTuple):
    """One order a strategy would like, before rounding."""

    px: float
    usd: float


class Ladder(NamedTuple):
    """Both sides, tightest first. `shift_bps` is how far the whole ladder leans away from the mid."""

    half_spread_bps: float
    shift_bps: float
    bids: tuple[Wanted, ...]
    asks: tuple[Wanted, ...]
