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

    def widened(self, mid_px: float, factor: float) -> "Ladder":
        """Every order `factor` (1 or more) times as far from the mid; one at the mid or beyond it stays."""
        if factor == 1.0:
            return self
        return Ladder(
            self.half_spread_bps * factor,
            self.shift_bps * factor,
            tuple(Wanted(px if px >= mid_px else mid_px - (mid_px - px) * factor, usd) for px, usd in self.bids),
            tuple(Wanted(px if px <= mid_px else mid_px + (px - mid_px) * factor, usd) for px, usd in self.asks),
        )
