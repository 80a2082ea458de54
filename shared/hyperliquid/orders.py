"""Orders as they go into a request: exact numbers, and nothing that the venue's own rules would refuse.

The venue never rounds (reference page §2); a number off its grid is an error here, before it costs a request.
"""

from decimal import Decimal
from typing import Literal

from shared.hyperliquid.actions import LimitType, OrderType, OrderWire
from shared.units import MIN_NOTIONAL_USD, Side, is_valid_px, lot_size, wire

Tif = Literal["Alo", "Ioc", "Gtc"]
_HIGHEST = Decimal(10) ** 15
"""Numbers from here on are no prices or sizes, and too long for exact arithmetic on the grid."""
_HEX = frozenset("0123456789abcdefABCDEF")


def number_wire(value: Decimal) -> str:
    """A number as requests carry it: plain digits, no trailing zeros (`100`, `0.05`)."""
    return wire(value).removesuffix(".0")


def px_wire(px: Decimal, sz_decimals: int) -> str:
    """
    Raises:
        ValueError: not above zero, or off the price grid of a perp with lots of `sz_decimals`.
    """
    if not _is_sane(px) or not is_valid_px(px, sz_decimals):
        raise ValueError(f"px {px}: not a price of the venue at szDecimals {sz_decimals}")
    return number_wire(px)


def sz_wire(sz: Decimal, sz_decimals: int) -> str:
    """
    Raises:
        ValueError: not above zero, or finer than a lot.
    """
    if not _is_sane(sz) or sz % lot_size(sz_decimals) != 0:
        raise ValueError(f"sz {sz}: not a multiple of a lot at szDecimals {sz_decimals}")
    return number_wire(sz)


def limit_order(
    asset: int,
    sz_decimals: int,
    side: Side,
    px: Decimal,
    sz: Decimal,
    *,
    tif: Tif = "Alo",
    reduce_only: bool = False,
    cloid: str | None = None,
) -> OrderWire:
    """One order of a perp. Reduce-only orders may be worth less than the minimum: the venue lets them close a
    whole position (§6.5).

    Raises:
        ValueError: a field that the venue would refuse, named.
    """
    texts = px_wire(px, sz_decimals), sz_wire(sz, sz_decimals)
    if not reduce_only and px * sz < MIN_NOTIONAL_USD:
        raise ValueError(f"px * sz {px * sz}: an order must be worth ${MIN_NOTIONAL_USD}")
    if cloid is not None and not is_cloid(cloid):
        raise ValueError(f"cloid {cloid!r}: 0x and 32 hex digits are expected")
    return OrderWire(asset, side == "bid", *texts, reduce_only, OrderType(limit=LimitType(tif)), cloid)


def is_cloid(text: str) -> bool:
    return len(text) == 34 and text.startswith("0x") and set(text[2:]) <= _HEX


def _is_sane(value: Decimal) -> bool:
    return value.is_finite() and 0 < value < _HIGHEST
