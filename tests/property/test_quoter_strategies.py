"""What must hold for every strategy, book, inventory and setting."""

from decimal import Decimal as D
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.quoter.config import QuoterConfig
from services.quoter.core import Quoter
from services.quoter.honesty import honest_ladder
from services.quoter.strategies import STRATEGIES
from services.quoter.strategies.view import Ladder, MarketView, Wanted
from shared.errors import InvariantError
from shared.messages import AssetConfig, Book, CoinMeta, Level, PositionState, RiskLease, SidePermit, Universe
from shared.service import Tick
from shared.units import is_valid_px, lot_size, tick_size

T0 = 1_700_000_000_000
PERMITS = [SidePermit(), SidePermit("reduce"), SidePermit("none")]


@st.composite
def markets(draw):
    """A book on the venue's grid, a coin's lot, settings and a position."""
    sz_decimals = draw(st.integers(0, 5))
    bid = D(draw(st.integers(10_000, 99_999))).scaleb(draw(st.integers(-(6 - sz_decimals), 1)))
    bid = bid if bid.adjusted() < 4 else D(int(bid))
    ask = bid + draw(st.integers(1, 60)) * tick_size(bid, sz_decimals)
    ask = ask - ask % tick_size(ask, sz_decimals)
    if ask <= bid:
        ask = bid + tick_size(ask, sz_decimals)
    config = AssetConfig(
        coin="X",
        base_spread_bps=draw(st.floats(0.1, 100)),
        tier_multipliers=draw(st.sampled_from([(1.0, 2.5, 5.0), (1.0,), (1.0, 1.0001, 1.0002, 4.0)])),
        tier_sizes=draw(st.sampled_from([(1.0, 2.0, 3.0), (1.0,), (5.0, 0.1, 1.0, 2.0)])),
        min_order_usd=draw(st.floats(10, 100)),
        max_inv_usd=draw(st.floats(20, 400) | st.floats(400, 5000)),
        atr_fraction=draw(st.floats(0.0005, 0.0049)),
        atr_measured=True,
    )
    mid = (bid + ask) / 2
    load = draw(st.floats(-1.5, 1.5) | st.floats(0.7, 1) | st.floats(-1, -0.7))
    position = round(D(load) * D(config.max_inv_usd) / mid, sz_decimals)
    return bid, ask, sz_decimals, config, position


def answer(market, strategy, position=None, bid_permit=PERMITS[0], ask_permit=PERMITS[0], widening=1.0, size=1.0):
    """The target the quoter publishes in that market."""
    bid, ask, sz_decimals, config, held = market
    zero = D(0)
    core = Quoter(QuoterConfig(), {})
    list(core.step(T0, Universe(coins=(CoinMeta("X", sz_decimals, 10),), time_ms=T0)))
    core.restore(
        T0,
        PositionState(
            coin="X", seq=1, position_sz=held if position is None else position, cost_usd=zero, realized_usd=zero,
            fees_usd=zero, funding_usd=zero, volume_usd=zero, fills=1,
        ),
    )  # fmt: skip
    list(core.step(T0, AssetConfig(**{f: getattr(config, f) for f in config.__struct_fields__ if f != "strategy"},
                                   strategy=strategy)))  # fmt: skip
    lease = RiskLease(
        coin="X", issued_ms=T0, valid_until_ms=T0 + 3000, bid=bid_permit, ask=ask_permit,
        spread_multiplier=widening, size_multiplier=size,
    )  # fmt: skip
    list(core.step(T0, lease))
    book = Book(
        coin="X", time_ms=T0, received_ms=float(T0), epoch=1, bids=(Level(bid, D(1)),), asks=(Level(ask, D(1)),)
    )
    return list(core.step(T0, book))[0]


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(market=markets(), permits=st.tuples(st.sampled_from(PERMITS), st.sampled_from(PERMITS)))
def test_every_order_is_one_the_venue_and_our_caps_allow(strategy, market, permits):
    bid, ask, sz_decimals, config, position = market
    target = answer(market, strategy, None, *permits)
    mid, limit = (bid + ask) / 2, D(repr(config.max_inv_usd))
    for side, levels, permit in (("bid", target.bids, permits[0]), ("ask", target.asks, permits[1])):
        for level in levels:
            assert level.px < ask if side == "bid" else level.px > bid
            assert is_valid_px(level.px, sz_decimals)
            assert level.sz % lot_size(sz_decimals) == 0
            assert level.px * level.sz >= 10
            assert max(level.px, mid) * level.sz <= limit / 4
        sign = 1 if side == "bid" else -1
        total = sum((level.sz for level in levels), D(0))
        if levels:
            assert sign * position * mid + total * mid <= limit
            assert permit.allow != "none"
            assert permit.allow == "quote" or total <= -sign * position
        pxs = [level.px for level in levels]
        assert pxs == sorted(set(pxs), reverse=side == "bid")


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(market=markets(), permits=st.tuples(st.sampled_from(PERMITS), st.sampled_from(PERMITS)))
def test_a_side_is_empty_exactly_when_it_has_a_reason(strategy, market, permits):
    target = answer(market, strategy, None, *permits)
    assert (target.bids == ()) == (target.bid_reason is not None)
    assert (target.asks == ()) == (target.ask_reason is not None)


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(market=markets(), loads=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_more_inventory_never_raises_a_price(strategy, market, loads):
    """Long: less eager to buy, cheaper to sell; the same level is compared at both inventories."""
    bid, ask, sz_decimals, config, _ = market
    less, more = (round(D(load) * D(config.max_inv_usd) / ask, sz_decimals) for load in sorted(loads))
    low, high = answer(market, strategy, less), answer(market, strategy, more)
    for before, after in ((low.bids, high.bids), (low.asks, high.asks)):
        pxs = {level.level: level.px for level in before}
        assert all(level.px <= pxs[level.level] for level in after if level.level in pxs)
    assert high.shift_bps <= low.shift_bps


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(
    mid=st.floats(1e-3, 1e5),
    loads=st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)),
    multiplier=st.floats(1, 4),
    widening=st.floats(1, 4),
    gain=st.floats(0.1, 1),
    base=st.floats(0.1, 100),
    limit=st.floats(20, 5000),
)
def test_a_strategy_leans_against_its_inventory_everywhere(
    strategy, mid, loads, multiplier, widening, gain, base, limit
):
    config = AssetConfig(coin="X", strategy=strategy, base_spread_bps=base, max_inv_usd=limit)

    def ladder_at(inventory_usd):
        view = MarketView(mid, mid, mid, inventory_usd, multiplier, gain)
        return STRATEGIES[strategy](view, config).widened(mid, widening)

    high, low = (honest_ladder("X", config, ladder_at, load * limit) for load in sorted(loads))
    assert low.shift_bps <= high.shift_bps
    for befores, afters in ((high.bids, low.bids), (high.asks, low.asks)):
        assert all(after.px <= before.px for before, after in zip(befores, afters, strict=True))
    if min(max(loads), 1) - max(min(loads), -1) > 0.05:
        assert low.shift_bps < high.shift_bps
        assert low.bids[0].px < high.bids[0].px and low.asks[0].px < high.asks[0].px


def _stuck(view, config):
    """The skew switched off: as if nothing were ever held."""
    return STRATEGIES["grid"](view._replace(inventory_usd=0.0), config)


def _reversed(view, config):
    return STRATEGIES["grid"](view._replace(inventory_usd=-view.inventory_usd), config)


def _only_said(view, config):
    """Reports a shift that its prices do not have."""
    return STRATEGIES["grid"](view, config)._replace(
        bids=_stuck(view, config).bids, asks=_stuck(view, config).asks
    )


def _one_side(view, config):
    return STRATEGIES["grid"](view, config)._replace(asks=_stuck(view, config).asks)


def _weak_beyond_half(view, config):
    """Turns around where it matters most."""
    limit = config.max_inv_usd / 2
    return STRATEGIES["grid"](view._replace(inventory_usd=limit - abs(view.inventory_usd - limit)), config)


@pytest.mark.parametrize("broken", [_stuck, _reversed, _only_said, _one_side, _weak_beyond_half])
@settings(max_examples=50, deadline=None)
@given(market=markets())
def test_a_skew_that_does_not_press_is_caught_with_the_first_quote(broken, market):
    """Whatever is held, also nothing: it is not waited for until a position has run away."""
    with patch.dict(STRATEGIES, {"broken": broken}), pytest.raises(InvariantError, match="does not lean against"):
        answer(market, "broken")


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(market=markets(), permits=st.tuples(st.sampled_from(PERMITS), st.sampled_from(PERMITS)),
       widenings=st.tuples(st.floats(1, 4), st.floats(1, 4)))  # fmt: skip
def test_a_wider_lease_never_brings_a_level_closer_to_the_mid(strategy, market, permits, widenings):
    bid, ask, *_ = market
    near, far = (answer(market, strategy, None, *permits, widening=widening) for widening in sorted(widenings))
    mid = (bid + ask) / 2
    for before, after in ((near.bids, far.bids), (near.asks, far.asks)):
        distances = {level.level: abs(level.px - mid) for level in before}
        assert all(abs(level.px - mid) >= distances[level.level] for level in after if level.level in distances)
    assert far.half_spread_bps >= near.half_spread_bps
    assert far.multiplier == near.multiplier, "the governor's own factor is told apart"


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(market=markets(), widening=st.floats(1, 1e6))
def test_governor_and_lease_together_never_widen_more_than_four_times(strategy, market, widening):
    *_, config, _ = market
    target = answer(market, strategy, widening=widening)
    wanted = min(target.multiplier * widening, 4.0)
    assert target.half_spread_bps == pytest.approx(config.base_spread_bps * wanted)


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(market=markets(), permits=st.tuples(st.sampled_from(PERMITS), st.sampled_from(PERMITS)),
       sizes=st.tuples(st.floats(0, 1), st.floats(0, 1)))  # fmt: skip
def test_a_smaller_lease_never_grows_adds_or_moves_an_order(strategy, market, permits, sizes):
    _, _, sz_decimals, *_ = market
    small, large = (answer(market, strategy, None, *permits, size=size) for size in sorted(sizes))
    full = answer(market, strategy, None, *permits)
    for less, more, whole in ((small.bids, large.bids, full.bids), (small.asks, large.asks, full.asks)):
        orders, wholes = ({level.level: level for level in side} for side in (more, whole))
        for level in less:
            assert level.px == orders[level.level].px
            assert level.sz <= orders[level.level].sz
            assert level.sz <= wholes[level.level].sz * D(repr(min(sizes)))
            assert level.sz % lot_size(sz_decimals) == 0 and level.sz * level.px >= 10
    assert (small.bids == ()) == (small.bid_reason is not None)
    assert (small.asks == ()) == (small.ask_reason is not None)


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=100, deadline=None)
@given(market=markets(), narrower=st.floats(-4, 1), larger=st.floats(1, 9))
def test_no_lease_narrows_or_enlarges_and_one_changes_nothing(strategy, market, narrower, larger):
    assert answer(market, strategy, widening=narrower, size=larger) == answer(market, strategy)


@settings(max_examples=200, deadline=None)
@given(mid=st.floats(1e-3, 1e5), depths=st.lists(st.floats(-50, 500), min_size=1, max_size=4),
       factor=st.floats(1, 4))  # fmt: skip
def test_widening_multiplies_distances_outside_the_mid_and_only_those(mid, depths, factor):
    """A level at the mid or beyond it, as a strategy may want to get rid of inventory, stays where it is."""
    bids = tuple(Wanted(mid * (1 - depth / 1e4), 12.0) for depth in depths)
    asks = tuple(Wanted(mid * (1 + depth / 1e4), 12.0) for depth in depths)
    ladder = Ladder(1.5, 0.5, bids, asks)
    wide = ladder.widened(mid, factor)
    assert ladder.widened(mid, 1.0) is ladder
    assert (wide.half_spread_bps, wide.shift_bps) == (1.5 * factor, 0.5 * factor)
    for sign, wanted, got in ((-1, bids, wide.bids), (1, asks, wide.asks)):
        for before, after in zip(wanted, got, strict=True):
            outside = sign * (before.px - mid)
            assert after.px - mid == pytest.approx(sign * outside * (factor if outside > 0 else 1), abs=1e-9 * mid)
            assert after.usd == before.usd


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(
    mid=st.floats(1e-3, 1e5),
    inventory=st.floats(-400, 400),
    multiplier=st.floats(1, 4),
    gain=st.floats(0, 1),
    base=st.floats(0.1, 100),
)
def test_skew_is_symmetric(strategy, mid, inventory, multiplier, gain, base):
    """Being short mirrors being long: bids of one are as far from the mid as asks of the other."""
    config = AssetConfig(coin="X", base_spread_bps=base)
    long = STRATEGIES[strategy](MarketView(mid, mid, mid, inventory, multiplier, gain), config)
    short = STRATEGIES[strategy](MarketView(mid, mid, mid, -inventory, multiplier, gain), config)
    assert long.shift_bps == pytest.approx(-short.shift_bps)
    for ours, mirrored in ((long.bids, short.asks), (long.asks, short.bids)):
        for one, other in zip(ours, mirrored, strict=True):
            assert one.usd == other.usd
            assert one.px - mid == pytest.approx(mid - other.px, abs=1e-9 * mid)


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=200, deadline=None)
@given(market=markets())
def test_the_same_inputs_give_the_same_answer(strategy, market):
    assert answer(market, strategy) == answer(market, strategy)


@settings(max_examples=200, deadline=None)
@given(steps_ms=st.lists(st.integers(0, 4000), max_size=40))
def test_time_alone_never_adds_an_order(steps_ms):
    """Without news quotes may only be withdrawn or widened: leases and books run out by themselves."""
    core = Quoter(QuoterConfig(), {})
    list(core.step(T0, Universe(coins=(CoinMeta("X", 2, 10),), time_ms=T0)))
    list(
        core.step(
            T0, RiskLease(coin="X", issued_ms=T0, valid_until_ms=T0 + 9000, bid=SidePermit(), ask=SidePermit())
        )
    )
    book = Book(
        coin="X",
        time_ms=T0,
        received_ms=float(T0),
        epoch=1,
        bids=(Level(D(10), D(1)),),
        asks=(Level(D("10.01"), D(1)),),
    )
    now_ms, count = T0, len(list(core.step(T0, book))[0].bids)
    for step_ms in steps_ms:
        now_ms += step_ms
        for target in core.step(now_ms, Tick()):
            if hasattr(target, "bids"):
                assert len(target.bids) <= count
                count = len(target.bids)
    if now_ms >= T0 + 9000:
        assert count == 0
