"""What must hold of published spreads whatever the market and its history are."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.screener.estimates import PRIOR_WEIGHT, Estimates, Window
from services.screener.history import SHARE, HistoryRead, objection
from services.screener.markouts import Markout
from services.screener.pricing import MIN_BASE_SPREAD_BPS, RUNGS, Terms, best_rung, price, step
from shared.market_profile import Measured
from tests.fixtures.screener_history import T0, past, profile
from tests.unit.test_screener_core import Run

WINDOW_S = 1200.0
spreads = st.floats(0.5, 40.0)
adverse = st.floats(0.0, 20.0)
reaches = st.lists(st.floats(0.1, 15.0), min_size=1, max_size=PRIOR_WEIGHT)
"""So few that all of them are the deepest ones: an adverse selection of one value is the same at each distance."""


def orders(reach_bps, adverse_bps):
    return [Markout(T0 + 5000 * i, reach, reach / 2, adverse_bps) for i, reach in enumerate(reach_bps)]


def market(markouts, history=None, others_bps=1.0, tick_bps=0.0):
    return Estimates(Window(markouts, [1.0] * 1200, WINDOW_S, WINDOW_S, tick_bps), history, others_bps)


@st.composite
def pasts(draw):
    half = sorted(draw(st.sets(st.floats(0.5, 30.0), min_size=0, max_size=6)))
    base = past(adverse=draw(st.floats(-5.0, 50.0)), weekend=draw(st.floats(0.5, 3.0)))
    rung = st.builds(
        lambda value, n, per_hour: (Measured(value, 3.0 / n**0.5, int(n), n), per_hour),
        st.floats(-5.0, 60.0), st.floats(1.0, 1e6), st.floats(0.0, 500.0),
    )  # fmt: skip
    rungs = []
    for distance in half:
        measured, per_hour = draw(rung)
        rungs.append(
            msgspec.structs.replace(
                base.rungs[0], half_spread_bps=distance, adverse_bps=measured, fills_per_hour=per_hour
            )
        )
    windows = draw(st.floats(1.0, 1e6))
    return msgspec.structs.replace(
        base,
        rungs=tuple(rungs),
        hours=tuple(draw(st.lists(st.floats(0.5, 5.0), min_size=24, max_size=24))),
        adverse_bps=Measured(base.adverse_bps.value, 3.0 / windows**0.5, int(windows), windows),
        hours_of_data=draw(st.floats(0.0, 336.0)),
        market_orders=draw(st.integers(0, 10**6)),
    )


@given(st.none() | spreads, spreads, spreads, st.floats(5.0, 30.0))
def test_steps_are_bounded_and_never_end_below_break_even(before, wanted, break_even, most):
    after = step(before, wanted, break_even, most)
    assert min(break_even, most) <= after <= most and after >= min(MIN_BASE_SPREAD_BPS, most)
    if before is not None and max(break_even, MIN_BASE_SPREAD_BPS) <= 1.5 * before <= most:
        assert after <= 1.5 * before + 1e-9
    if before is not None:
        assert after >= min(0.5 * before, most) - 1e-9


@settings(deadline=None)
@given(reaches, adverse, st.floats(0.0, 10.0), st.none() | pasts())
def test_a_worse_adverse_selection_never_lowers_the_floor(reach_bps, adverse_bps, worse_bps, history):
    if history is not None:
        history = msgspec.structs.replace(history, rungs=())
    before = price(market(orders(reach_bps, adverse_bps), history), 1.5)
    after = price(market(orders(reach_bps, adverse_bps + worse_bps), history), 1.5)
    assert after.floor_bps >= before.floor_bps - 1e-9 and after.break_even_bps >= before.break_even_bps - 1e-9


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 15.0), st.floats(0.0, 10.0)), min_size=1, max_size=400),
    st.floats(0.0, 10.0),
    spreads,
)
def test_a_worse_adverse_selection_never_chooses_a_tighter_rung(seen, worse_bps, floor_bps):
    def chosen(more_bps):
        now = [Markout(T0 + 5000 * i, reach, reach / 2, bad + more_bps) for i, (reach, bad) in enumerate(seen)]
        return best_rung(market(now, others_bps=more_bps), floor_bps, 500.0, Terms(1.5, 0.0, 12.0), None)

    assert chosen(worse_bps) >= chosen(0.0)


@settings(deadline=None)
@given(pasts(), st.floats(0.0, 20.0))
def test_history_cannot_outvote_a_full_window(history, now_bps):
    live = market(orders([6.0] * int(WINDOW_S / 5), now_bps), history)
    then_bps = history.adverse_bps.value
    assert abs(live.all.adverse_bps - now_bps) <= SHARE / (1 + SHARE) * abs(then_bps - now_bps) + max(
        0.0, PRIOR_WEIGHT / (WINDOW_S / 5) * abs(1.0 - now_bps)
    )
    assert live.all.prior_windows <= max(PRIOR_WEIGHT, SHARE * WINDOW_S / 5)
    fills = live.through(5.0)
    rate = len(live._by_reach) / WINDOW_S * 3600
    assert fills.per_hour >= rate / (1 + SHARE) - 1e-9


@settings(deadline=None, max_examples=50)
@given(pasts(), st.integers(0, 7 * 24 - 2), st.floats(0.0, 30.0))
def test_published_spreads_obey_their_bounds_with_any_history(history, hour, sweep_bps):
    run = Run()
    run.now_ms = T0 + hour * 3_600_000
    read = HistoryRead(profile(history))
    assert objection(read, "hyperliquid", run.now_ms) == ""
    run(read)
    run.market(70, sweep_bps=sweep_bps)
    configs = run.configs()
    for before, after in zip([None, *configs], configs, strict=False):
        low = min(max(after.parts.break_even_bps, MIN_BASE_SPREAD_BPS), 25.0)
        assert low - 1e-3 <= after.base_spread_bps <= 25.0
        if before is not None and low <= 1.5 * before.base_spread_bps:
            assert after.base_spread_bps <= 1.5 * before.base_spread_bps + 1e-3
            assert after.base_spread_bps >= 0.5 * before.base_spread_bps - 1e-3
        assert after.parts.rung in RUNGS and after.parts.fills_per_hour >= 0
        if after.edge_bps is None:
            assert after.enabled and "not enough data" in after.reason


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 60), st.sampled_from([1, 3, 5]), st.floats(-1.0, 20.0))
def test_nobody_is_left_out_for_lack_of_data(seconds, every_s, drift_bps):
    run = Run(min_markouts=1000)
    run.market(seconds, trade_every_s=every_s, drift_bps=drift_bps)
    assert all(config.enabled and config.edge_bps is None for config in run.configs())
