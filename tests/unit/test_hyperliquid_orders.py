"""Numbers of orders are exact, and what the venue would refuse never leaves."""

from decimal import Decimal

import pytest
from hyperliquid.utils.signing import float_to_wire
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.hyperliquid.nonces import NonceCounter
from shared.hyperliquid.orders import limit_order, number_wire, px_wire, sz_wire
from shared.units import exact, is_valid_px

sz_decimals = st.integers(0, 6)
CLOID = "0x" + "ab" * 16


@given(st.floats(1e-6, 1e6))
def test_numbers_are_written_as_the_sdk_writes_them(number: float) -> None:
    number = round(number, 8)
    assume(number > 0)
    assert number_wire(exact(number)) == float_to_wire(number)


@given(st.decimals(allow_nan=True, allow_infinity=True), sz_decimals)
def test_a_price_goes_out_unchanged_or_not_at_all(px: Decimal, decimals: int) -> None:
    try:
        text = px_wire(px, decimals)
    except ValueError as error:
        assert str(error).startswith("px ")
        assert not (px.is_finite() and 0 < px < 10**15 and is_valid_px(px, decimals))
    else:
        assert Decimal(text) == px and not text.endswith(".0") and "E" not in text


@given(st.integers(1, 10**12), sz_decimals)
def test_every_whole_number_of_lots_is_a_size(lots: int, decimals: int) -> None:
    sz = Decimal(lots).scaleb(-decimals)
    assert Decimal(sz_wire(sz, decimals)) == sz
    with pytest.raises(ValueError, match="^sz "):
        sz_wire(sz + Decimal(1).scaleb(-decimals - 3), decimals)


@pytest.mark.parametrize(
    ("px", "decimals", "text"),
    [("100001", 5, "100001"), ("9999.5", 5, "9999.5"), ("99999.0", 5, "99999"), ("0.00123", 0, "0.00123"),
     ("1E+5", 0, "100000")],
)  # fmt: skip
def test_prices_of_the_reference_page_pass(px: str, decimals: int, text: str) -> None:
    assert px_wire(Decimal(px), decimals) == text


@pytest.mark.parametrize(
    ("px", "decimals"),
    [("100000.5", 5), ("99999.5", 5), ("0", 0), ("-1", 0), ("NaN", 0), ("Infinity", 0), ("1.23", 5), ("1E+15", 0)],
)
def test_prices_off_the_grid_are_refused(px: str, decimals: int) -> None:
    with pytest.raises(ValueError, match="^px "):
        px_wire(Decimal(px), decimals)


@pytest.mark.parametrize("sz", ["0", "-1", "0.001", "NaN", "Infinity", "1E+40"])
def test_sizes_off_the_grid_are_refused(sz: str) -> None:
    with pytest.raises(ValueError, match="^sz "):
        sz_wire(Decimal(sz), 2)


def test_an_order_is_post_only_unless_said_otherwise() -> None:
    order = limit_order(3, 2, "ask", Decimal("10.50"), Decimal("1.00"), cloid=CLOID)
    assert (order.a, order.b, order.p, order.s, order.r, order.c) == (3, False, "10.5", "1", False, CLOID)
    assert order.t.limit is not None and order.t.limit.tif == "Alo"


def test_an_order_below_ten_dollars_only_reduces() -> None:
    with pytest.raises(ValueError, match=r"^px \* sz "):
        limit_order(3, 2, "bid", Decimal(10), Decimal("0.99"))
    assert limit_order(3, 2, "bid", Decimal(10), Decimal("0.99"), reduce_only=True).r
    assert limit_order(3, 2, "bid", Decimal(10), Decimal(1)).s == "1"


@pytest.mark.parametrize("cloid", ["", "0x", "ab" * 17, "0x" + "ab" * 15, "0x" + "gg" * 16, "0x" + " " * 32])
def test_a_client_id_has_32_hex_digits(cloid: str) -> None:
    with pytest.raises(ValueError, match="^cloid "):
        limit_order(3, 2, "bid", Decimal(10), Decimal(1), cloid=cloid)


@given(st.lists(st.floats(0, 2**50), min_size=1), st.integers(0, 2**50))
def test_nonces_rise_whatever_the_clock_does(clock: list[float], last: int) -> None:
    nonces = NonceCounter(last)
    given_out = [nonces.next(now_ms) for now_ms in clock]
    assert given_out == sorted(set(given_out)) and given_out[0] > last
    assert all(nonce >= int(now_ms) for nonce, now_ms in zip(given_out, clock, strict=True))


def test_a_nonce_is_the_time_where_that_is_free() -> None:
    nonces = NonceCounter(last=1000)
    assert [nonces.next(now_ms) for now_ms in (2000.7, 2000.9, 1500, 3000)] == [2000, 2001, 2002, 3000]
    assert NonceCounter(nonces.last).next(0) == 3001
