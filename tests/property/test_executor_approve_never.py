"""Nothing that must never be sent gets through the gate, for all orders and surroundings."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.executor.approve import Approved, Refused, Surroundings, approve
from services.executor.orders import NewOrder
from shared.errors import InvariantError
from shared.messages import Book, CoinMeta, Level, RiskLease, SidePermit
from tests.fixtures.executor_world import COIN, START_MS

NOW_MS = START_MS
META = CoinMeta(COIN, 2, 20)

near = st.decimals("99.90", "100.10", places=3)
odd = st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal(0)])
likely = st.decimals("99.95", "100.05", places=2)
anything = st.one_of(likely, likely, likely, near, st.decimals("-1", "1e9", allow_nan=False), odd)
small = st.decimals("0.08", "0.60", places=2)
sizes = st.one_of(small, small, st.decimals("-1", "100", allow_nan=False, places=4), odd)
permits = st.builds(SidePermit, allow=st.sampled_from(["quote", "reduce", "none"]), reason=st.none())
GOOD_BOOK = Book(
    coin=COIN,
    time_ms=NOW_MS,
    received_ms=float(NOW_MS),
    epoch=2,
    bids=(Level(Decimal("99.99"), Decimal(5)),),
    asks=(Level(Decimal("100.01"), Decimal(5)),),
)
GOOD_LEASE = RiskLease(
    coin=COIN, issued_ms=NOW_MS, valid_until_ms=NOW_MS + 3000, bid=SidePermit(), ask=SidePermit()
)
GOOD = Surroundings(
    meta=META,
    book=GOOD_BOOK,
    newest_epoch=2,
    lease=GOOD_LEASE,
    halted=False,
    position_sz=Decimal(0),
    resting_sz=Decimal(0),
    max_inv_usd=200.0,
)


@st.composite
def books(draw):
    bid = draw(near)
    ask = bid + draw(st.decimals("-0.002", "0.05", places=3))
    empty = draw(st.integers(0, 9))
    return Book(
        coin=COIN,
        time_ms=NOW_MS,
        received_ms=NOW_MS - draw(st.sampled_from([0.0, 0.0, 4999.9, 5000.0, 5000.1, 60_000.0])),
        epoch=draw(st.sampled_from([2, 2, 2, 1, 3])),
        bids=() if empty == 0 else (Level(bid, Decimal(5)),),
        asks=() if empty == 1 else (Level(ask, Decimal(5)),),
    )


leases = st.builds(
    RiskLease,
    coin=st.sampled_from([COIN, COIN, COIN, "BTC"]),
    issued_ms=st.just(NOW_MS),
    valid_until_ms=st.sampled_from([NOW_MS + 3000, NOW_MS + 3000, NOW_MS + 1, NOW_MS, NOW_MS - 1]),
    bid=permits,
    ask=permits,
)
changes = {
    "meta": st.none(),
    "book": st.one_of(books(), books(), st.none()),
    "lease": st.one_of(leases, leases, st.none()),
    "halted": st.just(True),
    "position_sz": st.decimals("-2", "2", places=2),
    "resting_sz": st.decimals("0", "1", places=2),
    "max_inv_usd": st.sampled_from([40.0, 80.0, 1000.0]),
}


@st.composite
def places(draw):
    """Good surroundings with a few things changed."""
    names = draw(st.lists(st.sampled_from([""] * 10 + sorted(changes)), max_size=3))
    return replace(GOOD, **{name: draw(changes[name]) for name in sorted(set(names) - {""})})


@st.composite
def orders(draw):
    return NewOrder(
        cloid="0x" + "0" * 32,
        coin=draw(st.sampled_from([COIN] * 9 + ["BTC"])),
        side=draw(st.sampled_from(["bid", "ask"])),
        level=1,
        px=draw(anything),
        sz=draw(sizes),
        source_ms=float(NOW_MS),
    )


@settings(max_examples=400)
@given(orders(), places())
def test_whatever_is_approved_breaks_no_rule(order, around):
    verdict = approve(NOW_MS, order, around)
    if isinstance(verdict, Refused):
        return
    assert verdict.order is order
    book, lease = around.book, around.lease
    assert not around.halted
    assert lease is not None and lease.coin == order.coin and NOW_MS < lease.valid_until_ms
    permit = lease.bid if order.side == "bid" else lease.ask
    assert permit.allow != "none"
    if permit.allow == "reduce":
        sign = 1 if order.side == "bid" else -1
        assert around.position_sz * sign < 0
        assert order.sz + around.resting_sz <= abs(around.position_sz)
    assert book is not None and book.epoch == around.newest_epoch and NOW_MS - book.received_ms <= 5000
    assert book.bids[0].px < book.asks[0].px
    assert order.px < book.asks[0].px if order.side == "bid" else order.px > book.bids[0].px
    assert Decimal(10) <= order.px * order.sz <= Decimal(repr(around.max_inv_usd)) / 4
    assert around.meta is not None and order.sz == order.sz.quantize(Decimal("0.01"))
    digits = order.px.normalize()
    whole = digits == digits.to_integral_value()
    assert whole or (len(digits.as_tuple().digits) <= 5 and -digits.as_tuple().exponent <= 6 - META.sz_decimals)


@given(st.sampled_from(["bid", "ask"]), st.decimals("0.11", "0.49", places=2))
def test_an_ordinary_order_in_good_surroundings_passes(side, sz):
    px = Decimal("99.99") if side == "bid" else Decimal("100.01")
    assert isinstance(approve(NOW_MS, order_at(side, px, sz), GOOD), Approved)


def order_at(side, px, sz):
    return NewOrder("0x" + "0" * 32, COIN, side, 1, px, sz, float(NOW_MS))


def test_an_approval_cannot_be_reused_for_another_order():
    approved = approve(NOW_MS, order_at("bid", Decimal("99.99"), Decimal("0.2")), GOOD)
    with pytest.raises((InvariantError, ValueError, TypeError)):
        replace(approved, order=order_at("bid", Decimal("500"), Decimal("9")))
