"""Is the quote pressure honest about the inventory? Asked on every computed target.

A skew that is stuck at zero looks like any other quote until the position has run away. So each time the strategy
is also asked what it would do flat and at both limits, with everything else equal: the longer, the lower.
"""

from collections.abc import Callable
from itertools import pairwise

from services.quoter.strategies.view import Ladder
from shared.errors import InvariantError
from shared.messages import AssetConfig

STRICT_FRAC = 0.05
"""Positions that are further apart than this part of the limit must be quoted differently."""


def honest_ladder(
    coin: str, config: AssetConfig, ladder_at: Callable[[float], Ladder], inventory_usd: float
) -> Ladder:
    """The ladder at that inventory.

    Raises:
        InvariantError: a longer position is quoted higher than a shorter one, or not lower although it is longer
            by more than `STRICT_FRAC` of the limit (beyond the limits nothing more is asked).
    """
    limit_usd = config.max_inv_usd
    ladders = {usd: ladder_at(usd) for usd in sorted({inventory_usd, -limit_usd, 0.0, limit_usd})}
    for (shorter_usd, high), (longer_usd, low) in pairwise(ladders.items()):
        apart_usd = min(longer_usd, limit_usd) - max(shorter_usd, -limit_usd)
        if not _presses(high, low, strictly=apart_usd > STRICT_FRAC * limit_usd):
            raise InvariantError(
                f"{coin}: strategy {config.strategy!r} does not lean against its inventory (limit ${limit_usd:g}):"
                f" {_shown(shorter_usd, high)}, but {_shown(longer_usd, low)}"
            )
    return ladders[inventory_usd]


def _presses(high: Ladder, low: Ladder, strictly: bool) -> bool:
    """Is no price of `low` above the same one of `high`; and, strictly, are shift and both best prices below?"""
    sides = ((high.bids, low.bids), (high.asks, low.asks))
    if low.shift_bps > high.shift_bps or any(
        after.px > before.px for befores, afters in sides for before, after in zip(befores, afters, strict=False)
    ):
        return False
    if not strictly:
        return True
    best = [(befores[0].px, afters[0].px) for befores, afters in sides if befores and afters]
    return low.shift_bps < high.shift_bps and all(after < before for before, after in best)


def _shown(inventory_usd: float, ladder: Ladder) -> str:
    bid, ask = (f"{side[0].px:g}" if side else "none" for side in (ladder.bids, ladder.asks))
    return f"${inventory_usd:.2f} held shifts {ladder.shift_bps:g} bps, bid {bid}, ask {ask}"
