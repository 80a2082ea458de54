"""Bars, markouts and pricing of the screener."""

from decimal import Decimal as D

import pytest

from services.screener.bars import MINUTE_MS, Bar, MinuteBars
from services.screener.estimates import Estimates, Window, sample
from services.screener.markouts import HISTORY, REMEMBERED_TIDS, Markout, Markouts
from services.screener.pricing import price, step
from shared.messages import Trade

T0 = 1_700_000_040_000  # a full minute


def trade(time_ms, px, side="B", tid=1, sz="1"):
    return Trade(px=D(px), sz=D(sz), side=side, time_ms=time_ms, tid=tid)


def market(markouts, mean_spread_bps=1.0, as_prior_bps=1.0, history=None):
    window = Window(markouts, [mean_spread_bps] * 1200, 1200.0, 1200.0, 0.0)
    return Estimates(window, history, as_prior_bps)


def priced(markouts, mean_spread_bps, fee_bps, as_prior_bps):
    return price(market(markouts, mean_spread_bps, as_prior_bps), fee_bps)


def markout(reach=2.0, beyond=1.0, adverse=0.5, time_ms=T0):
    return Markout(time_ms, reach, beyond, adverse)


# ---- bars ----


def test_the_first_cut_off_minute_is_dropped_and_quiet_minutes_are_flat():
    bars = MinuteBars()
    bars.add(T0 + 30_000, 100.0)
    bars.add(T0 + 59_000, 101.0)
    bars.add(T0 + 70_000, 103.0)
    bars.add(T0 + 80_000, 99.0)
    bars.add(T0 + 90_000, 102.0)
    bars.advance(T0 + 4 * MINUTE_MS)
    assert list(bars.bars) == [Bar(103.0, 99.0, 102.0), Bar(102.0, 102.0, 102.0), Bar(102.0, 102.0, 102.0)]


def test_atr_needs_five_full_minutes():
    bars = MinuteBars()
    bars.add(T0 - 1, 100.0)
    for minute in range(5):
        assert bars.atr_fraction() is None
        bars.add(T0 + minute * MINUTE_MS + 1, 100.0)
        bars.add(T0 + minute * MINUTE_MS + 2, 100.2)
        bars.add(T0 + minute * MINUTE_MS + 3, 100.0)
    bars.advance(T0 + 5 * MINUTE_MS)
    assert bars.atr_fraction() == pytest.approx(0.002)


def test_a_gap_forgets_what_came_before():
    bars = MinuteBars()
    for minute in range(8):
        bars.add(T0 + minute * MINUTE_MS, 100.0 + minute)
    assert bars.atr_fraction() is not None
    bars.add(T0 + 60 * MINUTE_MS, 500.0)
    assert bars.atr_fraction() is None and not bars.bars


# ---- markouts ----


@pytest.fixture
def followed():
    """A touch of 99.9 / 100.1 until T0, moving to 100.1 / 100.3 in the block of T0, books every 500 ms after."""
    m = Markouts()
    m.mids.add(T0 - 1000, 99.9, 100.1)
    for step_ms in range(0, 8000, 500):
        m.mids.add(T0 + step_ms, 100.1, 100.3)
    return m


def test_the_mid_before_is_the_block_before(followed):
    """Taken after the sweep it would show no adverse selection at all."""
    followed.take([trade(T0, "100.2")])
    followed.resolve(T0 + 6000)
    (done,) = followed.done
    assert done.adverse_bps == pytest.approx(20.0)
    assert done.reach_bps == pytest.approx(20.0) and done.beyond_bps == pytest.approx(10.0)


def test_a_seller_is_mirrored(followed):
    followed.take([trade(T0, "99.8", side="A")])
    followed.resolve(T0 + 6000)
    (done,) = followed.done
    assert done.adverse_bps == pytest.approx(-20.0)
    assert done.reach_bps == pytest.approx(20.0) and done.beyond_bps == pytest.approx(10.0)


def test_prints_of_one_order_are_one_at_the_deepest_price(followed):
    followed.take([trade(T0, "100.1", tid=1), trade(T0, "100.3", tid=2)])
    followed.take([trade(T0, "100.2", tid=3)])
    followed.resolve(T0 + 6000)
    assert [round(done.reach_bps) for done in followed.done] == [30]


def test_a_print_inside_the_touch_is_no_fill_of_a_maker_like_us(followed):
    followed.take([trade(T0, "100.05")])
    followed.resolve(T0 + 6000)
    assert not followed.done


def test_prints_delivered_twice_count_once(followed):
    assert len(followed.take([trade(T0, "100.1", tid=1)])) == 1
    assert followed.take([trade(T0, "100.1", tid=1)]) == []
    followed.resolve(T0 + 6000)
    assert len(followed.done) == 1


def test_not_before_five_seconds(followed):
    followed.take([trade(T0 + 4000, "100.4")])
    followed.resolve(T0 + 7500)
    assert not followed.done
    followed.mids.add(T0 + 9000, 100.1, 100.3)
    followed.resolve(T0 + 9000)
    assert len(followed.done) == 1


def test_a_hole_makes_no_label():
    m = Markouts()
    m.mids.add(T0 - 100, 99.9, 100.1)
    m.take([trade(T0, "100.1")])
    m.mids.add(T0 + 60_000, 120.0, 120.2)
    m.resolve(T0 + 60_000)
    m.take([trade(T0 + 90_000, "120.2", tid=2)])
    m.mids.add(T0 + 95_000, 120.0, 120.2)
    m.resolve(T0 + 95_000)
    assert not m.done


def test_without_books_orders_are_given_up():
    m = Markouts()
    m.take([trade(T0, "100.1")])
    m.resolve(T0 + 20_001)
    m.mids.add(T0 - 1, 99.9, 100.1)
    m.mids.add(T0 + 5000, 99.9, 100.1)
    m.resolve(T0 + 20_002)
    assert not m.done


def test_memory_is_bounded():
    m = Markouts()
    for i in range(3 * HISTORY):
        m.mids.add(T0 + 10 * i, 99.9, 100.1)
        m.take([trade(T0 + 10 * i, "100.1", tid=i)])
    m.resolve(T0 + 10**6)
    assert len(m.mids._times) < 2 * HISTORY
    forgotten = 3 * HISTORY - REMEMBERED_TIDS - 1
    assert [t.tid for t in m.take([trade(T0, "100.1", tid=tid) for tid in (forgotten + 1, forgotten)])] == [
        forgotten
    ]
    m.forget_before(T0 + 10**9)
    assert not m.done


# ---- pricing ----


def test_overlapping_windows_count_once():
    measured = sample([markout(time_ms=T0 + i) for i in range(100)])
    assert (measured.n, measured.n_effective) == (100, 1)


def test_reach_is_drawn_towards_its_prior_while_orders_are_few():
    assert market([]).beyond_bps == 1.5
    assert market([markout(beyond=3.5)] * 20).beyond_bps == pytest.approx(2.5)
    assert market([markout(beyond=3.5)] * 20_000).beyond_bps == pytest.approx(3.5, abs=0.01)
    assert market([markout(beyond=0.0)] * 500).beyond_bps == 0.5
    assert market([markout(beyond=900.0)] * 500).beyond_bps == 50.0


def test_the_spread_covers_fee_adverse_selection_and_reach():
    markouts = [markout(adverse=2.0, beyond=1.0, time_ms=T0 + 5000 * i) for i in range(1000)]
    wanted = priced(markouts, 1.0, 1.5, 2.0)
    assert wanted.floor_bps == pytest.approx(1.5 + 2.0 + 1030 / 1020)
    assert wanted.break_even_bps == pytest.approx(3.5)


def test_the_spread_is_never_inside_the_touch_nor_below_one_bps():
    markouts = [markout(adverse=0.0, beyond=0.0)] * 100
    assert priced(markouts, 30.0, 1.5, 0.0).floor_bps == 15.0
    assert priced(markouts, 0.1, -0.3, 0.0).floor_bps == 1.0


def test_a_negative_adverse_selection_never_tightens():
    markouts = [markout(adverse=-50.0, beyond=1.0, time_ms=T0 + 5000 * i) for i in range(1000)]
    assert priced(markouts, 1.0, 1.5, 1.0).floor_bps == pytest.approx(1.5 + 1030 / 1020)


def test_orders_that_reach_us_decide_over_the_average():
    small = [markout(reach=0.1, beyond=0.0, adverse=0.0, time_ms=T0 + 5000 * i) for i in range(900)]
    sweeps = [markout(reach=9.0, beyond=8.0, adverse=7.0, time_ms=T0 + 5000 * (900 + i)) for i in range(500)]
    average = priced(small, 0.2, 1.5, 0.0)
    with_sweeps = priced(small + sweeps, 0.2, 1.5, 0.0)
    assert average.floor_bps == 2.0
    assert with_sweeps.break_even_bps > 1.5 + 0.9 * 7.0


def test_bounded_steps_that_never_stay_below_break_even():
    assert step(None, 10.0, 4.0, 25.0) == 10.0
    assert step(2.0, 10.0, 2.5, 25.0) == 3.0
    assert step(2.0, 10.0, 8.0, 25.0) == 8.0
    assert step(8.0, 2.0, 1.5, 25.0) == 4.0
    assert step(None, 40.0, 38.0, 25.0) == 25.0
