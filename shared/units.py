"""The one place where floats become prices and sizes.

Estimators work in floats; whatever reaches an order is a `Decimal` on the venue's grid and crosses over here.
Venue rules (Hyperliquid perpetuals): a price has at most 5 significant figures and at most
6 - szDecimals decimals, an integer is always allowed; a size has at most szDecimals decimals.
"""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Literal

Side = Literal["bid", "ask"]

BPS = 1e-4
MIN_NOTIONAL_USD = Decimal(10)
"""The venue refuses an order worth less at its limit price."""
ORDER_CAP_FRAC = Decimal("0.25")
"""No single order above this part of a coin's inventory limit: one fill must leave room to recover. The quoter
sizes by it, the executor refuses by it."""

_SNAP_TICKS = Decimal("1e-6")
_FEE_STEP_USD = Decimal("0.000001")


@lru_cache(maxsize=4096)
def _step(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


def exact(value: float) -> Decimal:
    """The decimal number a float prints as: 33.006 stays 33.006, not 33.00600000000000022…"""
    return Decimal(repr(value))


def tick_size(px: Decimal, sz_decimals: int) -> Decimal:
    """The price step at `px` > 0; it changes at powers of ten (9999.9 has 0.1, 10001 has 1)."""
    return _step(min(max(4 - px.adjusted(), 0), 6 - sz_decimals))


def round_px(px: Decimal, sz_decimals: int, side: Side) -> Decimal:
    """`px` moved to the venue's grid away from the market: bids down, asks up.

    A price within a millionth of a tick of the grid counts as on it, so that float noise never
    costs a tick.
    """
    tick = tick_size(px, sz_decimals)
    ticks = px / tick
    nearest = ticks.to_integral_value()
    if abs(ticks - nearest) > _SNAP_TICKS:
        nearest = ticks.to_integral_value(ROUND_FLOOR if side == "bid" else ROUND_CEILING)
    return nearest * tick


def tick_above(px: Decimal, sz_decimals: int) -> Decimal:
    """The lowest valid price over `px`."""
    return px + tick_size(px, sz_decimals)


def behind_touch(px: Decimal, best_opposite: Decimal, sz_decimals: int, side: Side) -> Decimal:
    """`px` held at least one tick behind the opposite best price, so that a post-only order rests."""
    if side == "bid":
        return (
            px
            if px < best_opposite
            else round_px(best_opposite - tick_size(best_opposite, sz_decimals), sz_decimals, "bid")
        )
    return px if px > best_opposite else tick_above(best_opposite, sz_decimals)


def is_valid_px(px: Decimal, sz_decimals: int) -> bool:
    """Would the venue accept `px` as a price?"""
    return px > 0 and (px == px.to_integral_value() or px % tick_size(px, sz_decimals) == 0)


def floor_sz(sz: Decimal, sz_decimals: int) -> Decimal:
    """`sz` cut to the venue's lot; the server refuses finer sizes instead of rounding them."""
    return sz.quantize(_step(sz_decimals), ROUND_DOWN)


def lot_size(sz_decimals: int) -> Decimal:
    """The smallest size step."""
    return _step(sz_decimals)


def reducible_sz(side: Side, position_sz: Decimal) -> Decimal:
    """How much of a position orders on a side can close: bids when short, asks when long."""
    return max(-position_sz if side == "bid" else position_sz, Decimal(0))


def fee_usd(ntl_usd: Decimal, rate: Decimal) -> Decimal:
    """Fee of a fill, cut (not rounded) to micro-dollars as the venue does; negative is a rebate."""
    return (ntl_usd * rate).quantize(_FEE_STEP_USD, ROUND_DOWN)


def wire(value: Decimal) -> str:
    """A number as the venue writes it in answers: plain digits, at least one decimal (`100.0`)."""
    text = format(value.normalize(), "f")
    return text if "." in text else text + ".0"
