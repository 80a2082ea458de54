"""Prices and sizes for all inputs: on the venue's grid, moved the right way, never by more than a tick."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import (
    behind_touch,
    exact,
    fee_usd,
    floor_sz,
    is_valid_px,
    lot_size,
    round_px,
    tick_size,
    wire,
)

prices = st.floats(1e-6, 9e6, allow_nan=False).map(exact)
decimals = st.integers(0, 5)
sides = st.sampled_from(["bid", "ask"])


def venue_accepts(px: Decimal, sz_decimals: int) -> bool:
    """The venue's rule in its own words: 5 significant figures, 6 - szDecimals decimals, integers always."""
    digits = px.normalize().as_tuple()
    places = max(0, -int(digits.exponent))
    integer = places == 0
    return integer or (len(digits.digits) <= 5 and places <= 6 - sz_decimals)


@given(prices, decimals, sides)
def test_a_rounded_price_is_one_the_venue_accepts(px: Decimal, sz_decimals: int, side: str) -> None:
    rounded = round_px(px, sz_decimals, side)
    tick = tick_size(px, sz_decimals)
    assert rounded == 0 or venue_accepts(rounded, sz_decimals)
    assert abs(rounded - px) < tick * (1 + Decimal("1e-6"))
    slack = tick * Decimal("1e-6")
    assert rounded <= px + slack if side == "bid" else rounded >= px - slack


@given(prices, decimals, sides)
def test_rounding_twice_is_rounding_once(px: Decimal, sz_decimals: int, side: str) -> None:
    once = round_px(px, sz_decimals, side)
    if once > 0:
        assert round_px(once, sz_decimals, side) == once
        assert is_valid_px(once, sz_decimals)


@given(prices, decimals)
def test_our_check_agrees_with_the_venues_words(px: Decimal, sz_decimals: int) -> None:
    assert is_valid_px(px, sz_decimals) == venue_accepts(px, sz_decimals)


@given(prices, prices, decimals, sides)
def test_a_clamped_price_never_touches_the_other_side(
    px: Decimal, best: Decimal, sz_decimals: int, side: str
) -> None:
    px, best = round_px(px, sz_decimals, side), round_px(best, sz_decimals, "ask")
    clamped = behind_touch(px, best, sz_decimals, side)
    assert clamped < best if side == "bid" else clamped > best
    assert clamped <= 0 or venue_accepts(clamped, sz_decimals)


@given(st.decimals(0, 10**6, places=9), decimals)
def test_a_size_is_cut_to_the_lot(sz: Decimal, sz_decimals: int) -> None:
    cut = floor_sz(sz, sz_decimals)
    assert 0 <= sz - cut < lot_size(sz_decimals)
    assert cut % lot_size(sz_decimals) == 0


def test_fees_are_cut_not_rounded() -> None:
    assert fee_usd(Decimal("1000.123"), Decimal("0.00015")) == Decimal("0.150018")
    assert fee_usd(Decimal("1000.123"), Decimal("0.00045") * Decimal("0.96")) == Decimal("0.432053")
    assert fee_usd(Decimal("1000.123"), Decimal("-0.00001")) == Decimal("-0.010001")


@pytest.mark.parametrize(
    ("value", "text"),
    [("100", "100.0"), ("0", "0.0"), ("0.00001230", "0.0000123"), ("1E+2", "100.0"), ("-2.50", "-2.5")],
)
def test_wire_numbers_keep_one_decimal_and_no_exponent(value: str, text: str) -> None:
    assert wire(Decimal(value)) == text
