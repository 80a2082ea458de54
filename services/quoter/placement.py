"""From a wished ladder to orders the venue would take: grid, touch, caps, minimum. Floats end here.

Rules, in order: round away from the market; stay behind the newest touch, or skip the level if that moves it too
far; merge levels that round to one price; hold every order to 25 % of the coin's inventory limit, the whole side
to what the limit still has room for; take what the guard leaves of each; floor to lots; drop what is then worth
less than the venue's minimum.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from services.quoter.strategies.view import Wanted
from shared.messages import QuoteLevel, Reason
from shared.units import MIN_NOTIONAL_USD, ORDER_CAP_FRAC, Side, behind_touch, exact, floor_sz, round_px

LADDER_CAP_FRAC = Decimal("0.33")
"""A ladder of many levels may in all commit this part of the limit; V6's grid is held to the order cap only."""


class Limits(NamedTuple):
    """What one side may hold. `reduce_sz` is set when the side may only reduce: the size that is left to close."""

    max_inv_usd: Decimal
    room_usd: Decimal
    """Inventory limit minus what is already held in this side's direction."""
    reduce_sz: Decimal | None
    size_frac: Decimal = Decimal(1)
    """What the guard leaves of each order."""


class Caps(NamedTuple):
    """Size caps in coins of a ladder of n levels (see `caps`)."""

    concentrated_cap: Decimal
    per_level_cap: Decimal
    order_cap: Decimal
    max_levels_at_min_notional: int
    concentrated_breaks_25pct: bool


def caps(max_pos_sz: Decimal, n_levels: int, px: Decimal, min_notional_usd: Decimal = MIN_NOTIONAL_USD) -> Caps:
    """Caps for a ladder at a position limit Q: an order min(0.25·Q, 0.33·Q/n).

    One concentrated order may be max(minimum, 0.25·Q); where the venue's minimum is the larger, the 25 % rule
    cannot be kept and the flag says so. At most floor(0.33·Q·px / minimum) levels are worth making.
    """
    min_sz = min_notional_usd / px
    quarter = ORDER_CAP_FRAC * max_pos_sz
    per_level = LADDER_CAP_FRAC * max_pos_sz / max(n_levels, 1)
    return Caps(
        concentrated_cap=max(min_sz, quarter),
        per_level_cap=per_level,
        order_cap=min(per_level, quarter),
        max_levels_at_min_notional=int(
            (LADDER_CAP_FRAC * max_pos_sz * px / min_notional_usd).to_integral_value(ROUND_FLOOR)
        ),
        concentrated_breaks_25pct=quarter < min_sz,
    )


class Placed(NamedTuple):
    """One side's orders, or why there are none; never both, never neither."""

    levels: tuple[QuoteLevel, ...]
    reason: Reason | None


def place_side(
    side: Side,
    wanted: Sequence[Wanted],
    best_opposite_px: Decimal,
    mid_px: Decimal,
    sz_decimals: int,
    limits: Limits,
    clamp_skip_bps: float,
) -> Placed:
    """Levels tightest first; outer levels are the first to shrink when room is short."""
    if limits.room_usd <= 0:
        return Placed((), Reason.MAX_INVENTORY)
    if caps(limits.max_inv_usd / mid_px, len(wanted), mid_px).concentrated_breaks_25pct:
        return Placed((), Reason.ORDER_CAP)
    cap_usd = ORDER_CAP_FRAC * limits.max_inv_usd
    room_usd, left_sz = limits.room_usd, limits.reduce_sz
    levels: list[QuoteLevel] = []
    missing: Reason | None = None
    prices, skipped = _prices(side, wanted, best_opposite_px, sz_decimals, clamp_skip_bps)
    for px, (level, usd) in prices.items():
        # Valued at the worse of own price and mid, so neither view of an order exceeds its cap.
        value_px = px if px > mid_px else mid_px
        sz = min(exact(usd) / px, min(cap_usd, room_usd) / value_px)
        if left_sz is not None:
            sz = min(sz, left_sz)
        sz = floor_sz(sz, sz_decimals)
        if sz * px < MIN_NOTIONAL_USD:
            missing = missing or (
                Reason.MAX_INVENTORY if room_usd < MIN_NOTIONAL_USD else Reason.BELOW_MIN_NOTIONAL
            )
            continue
        # What a scaled order leaves free is not given to the outer ones: none grows because another shrinks.
        scaled_sz = floor_sz(sz * limits.size_frac, sz_decimals)
        if scaled_sz * px < MIN_NOTIONAL_USD:
            missing = missing or Reason.BELOW_MIN_NOTIONAL
        else:
            levels.append(QuoteLevel(level, px, scaled_sz))
        room_usd -= sz * value_px
        if left_sz is not None:
            left_sz -= sz
    if levels:
        return Placed(tuple(levels), None)
    return Placed((), missing or (Reason.WOULD_CROSS if skipped else Reason.BELOW_MIN_NOTIONAL))


def room_usd(side: Side, max_inv_usd: Decimal, position_sz: Decimal, mid_px: Decimal) -> Decimal:
    """What may still be bought (sold) before the position reaches +limit (−limit)."""
    held_usd = position_sz * mid_px
    return max_inv_usd - held_usd if side == "bid" else max_inv_usd + held_usd


def _prices(
    side: Side, wanted: Sequence[Wanted], best_opposite_px: Decimal, sz_decimals: int, clamp_skip_bps: float
) -> tuple[dict[Decimal, tuple[int, float]], bool]:
    """Level and dollars by valid price, tightest first; and was a level skipped for the touch?"""
    prices: dict[Decimal, tuple[int, float]] = {}
    skipped = False
    for level, (target_px, usd) in enumerate(wanted, 1):
        rounded = round_px(exact(target_px), sz_decimals, side)
        px = behind_touch(rounded, best_opposite_px, sz_decimals, side)
        if px is not rounded and abs(float(px) / target_px - 1) * 1e4 > clamp_skip_bps:
            skipped = True
        elif px > 0:
            first_level, sum_usd = prices.get(px, (level, 0.0))
            prices[px] = (first_level, sum_usd + usd)
    return prices, skipped
