"""Whatever an order request holds, it is answered in one of the venue's shapes."""

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue.exchange.terms import units
from shared.hyperliquid.actions import (
    BatchModify,
    BuilderWire,
    LimitType,
    Modify,
    ModifyWire,
    OrderType,
    OrderWire,
    PlaceOrders,
    PriorityFee,
    TriggerType,
)
from tests.fixtures.venue_exchange import stage
from tests.fixtures.venue_world import BTC, total_money

numbers = st.from_regex(r"\A-?[0-9]{1,24}(\.[0-9]{1,24})?\Z")
near = st.sampled_from(["100000", "99990", "100010", "0.01", "1", "0.5", "0.0002"])
amounts = st.one_of(numbers, near)
cloids = st.one_of(st.none(), st.just("0x" + "a" * 32))
limits = st.builds(LimitType, st.sampled_from(["Alo", "Ioc", "Gtc", "FrontendMarket"]))
triggers = st.builds(TriggerType, st.booleans(), amounts, st.sampled_from(["tp", "sl"]))
types = st.builds(OrderType, st.one_of(st.none(), limits), st.one_of(st.none(), triggers))
assets = st.one_of(st.sampled_from([0, 0, 0, 1, 110_000]), st.integers(0, 2**63 - 1))
wires = st.builds(OrderWire, assets, st.booleans(), amounts, amounts, st.booleans(), types, cloids)
groupings = st.one_of(
    st.sampled_from(["na", "normalTpsl", "positionTpsl"]), st.builds(PriorityFee, st.integers(0, 10**12))
)
builders = st.one_of(st.none(), st.builds(BuilderWire, st.just("0x" + "B" * 40), st.integers(0, 10**9)))
keys = st.one_of(st.integers(0, 5), cloids.filter(bool), st.just(2**63 - 1))
actions = st.one_of(
    st.builds(PlaceOrders, st.lists(wires, max_size=4).map(tuple), groupings, builders),
    st.builds(BatchModify, st.lists(st.builds(ModifyWire, keys, wires, st.booleans()), max_size=3).map(tuple)),
    st.builds(Modify, keys, wires, st.booleans()),
)


def well_formed(status: Any) -> bool:
    if isinstance(status, str):
        return status in ("waitingForFill", "waitingForTrigger")
    (kind,) = status
    return kind == "error" or isinstance(status[kind]["oid"], int)


@settings(max_examples=300, deadline=None)
@given(requests=st.lists(actions, min_size=1, max_size=5))
def test_every_order_request_is_answered(requests):
    s = stage()
    account = s.account(1_000_000)
    s.quote(BTC, 1, "99990", "5")
    s.quote(BTC, -1, "100010", "5")
    for request in requests:
        reply = s.exchange.act(account, request)
        s.block()
        if reply["status"] == "err" or "data" not in reply["response"]:
            assert isinstance(reply["response"], str) or reply["response"] == {"type": "default"}
        else:
            answered = reply["response"]["data"]["statuses"]
            count = len(request.orders if isinstance(request, PlaceOrders) else request.modifies)
            assert len(answered) in (1, count) and all(map(well_formed, answered))
    assert total_money(s.world) == s.world.deposited


@given(text=numbers, decimals=st.integers(0, 8))
def test_numbers_are_read_exactly_and_cut_only_with_notice(text, decimals):
    count, exact = units(text, decimals)
    value = Fraction(text) * 10**decimals
    assert exact == (value.denominator == 1)
    assert count == int(value)
