"""Volatility, regime and markouts against known answers and against what would flatter us."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.estimators import (
    GAP_MS,
    Ewma,
    Highest,
    Markouts,
    Volatility,
    adverse_selection_bps,
)
from tests.fixtures.make import book

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "model_vectors.json"


def vectors(fn: str) -> list[dict]:
    if not VECTORS.exists():
        pytest.skip("no ../shared/reference/model_vectors.json")
    rows = [row for row in json.loads(VECTORS.read_text())["vectors"] if row["fn"] == fn]
    assert rows
    return rows


def test_adverse_selection_vectors():
    for row in vectors("advsel.markout"):
        given = row["inputs"]
        side = "bid" if given["side"] == "buy" else "ask"
        answer = [adverse_selection_bps(side, given["mid_pre"], mid) for mid in given["mids_after"]]
        assert answer == pytest.approx(row["expected"]["as_bps"], rel=1e-9, abs=1e-9), row["id"]


def test_sigma_of_equal_returns_does_not_depend_on_their_spacing():
    ewma = Ewma(60.0)
    for dt_s in (1.0, 4.0, 2.0, 9.0):
        ewma.update(1e-4 * math.sqrt(dt_s), dt_s)
    assert ewma.sigma == pytest.approx(1e-4)


def test_volatility_is_unknown_until_a_minute_of_returns_and_never_crosses_a_hole():
    volatility = Volatility()
    for second in range(60):
        volatility.update(book(time_ms=second * 1000))
    assert volatility.sigma is None
    volatility.update(book(time_ms=60_000))
    assert volatility.sigma == 0.0 and volatility.regime is None
    volatility.update(book(time_ms=60_000 + GAP_MS + 1, bid="199.9", ask="200.1"))
    volatility.update(book(time_ms=67_000, bid="299.9", ask="300.1", epoch=2))
    assert volatility.sigma == 0.0


def test_regime_is_told_after_five_minutes():
    volatility = Volatility()
    for second in range(301):
        px = 100 + second % 2
        volatility.update(book(time_ms=second * 1000, bid=f"{px - 0.1:.1f}", ask=f"{px + 0.1:.1f}"))
    assert volatility.regime == 0


def test_markout_takes_the_last_book_at_or_before_its_horizon():
    markouts = Markouts()
    markouts.add(1_000, 1_000, "bid", 100.0, 1.0)
    markouts.resolve(6_000, book(time_ms=5_900))
    assert markouts.mean_bps is None, "the horizon has not passed"
    markouts.resolve(6_100, book(time_ms=6_000, bid="98.9", ask="99.1"))
    assert markouts.mean_bps == pytest.approx(100.0)


@pytest.mark.parametrize("book_ms", [3_999, 6_001])
def test_markout_without_a_book_near_its_horizon_is_dropped(book_ms):
    markouts = Markouts()
    markouts.add(1_000, 1_000, "ask", 100.0, 1.0)
    markouts.resolve(9_000, book(time_ms=book_ms, bid="89.9", ask="90.1"))
    markouts.resolve(19_000, book(time_ms=6_000))
    assert markouts.mean_bps is None


def test_fill_heard_too_late_is_not_valued_with_a_later_mid():
    markouts = Markouts()
    markouts.add(8_001, 1_000, "ask", 100.0, 1.0)
    markouts.resolve(20_000, book(time_ms=6_000, bid="89.9", ask="90.1"))
    assert markouts.mean_bps is None


def test_first_markouts_are_a_plain_mean():
    markouts = Markouts()
    for number, px in enumerate(("99.9", "99.8")):
        at_ms = 1_000 + number
        markouts.add(at_ms, at_ms, "bid", 100.0, 1.0)
        markouts.resolve(
            at_ms + 5_001, book(time_ms=at_ms + 5_000, bid=f"{float(px) - 0.05}", ask=f"{float(px) + 0.05}")
        )
    assert markouts.mean_bps == pytest.approx((0.95 * 10 + 20) / 1.95)


@given(
    st.lists(st.tuples(st.floats(0, 3_000), st.floats(0, 100)), max_size=40),
    st.lists(st.floats(0, 5_000), max_size=5),
)
def test_the_greatest_of_a_window_is_what_looking_at_all_of_it_finds(steps: list, asked: list):
    highest, now_ms, all_of_them = Highest(10_000), 0.0, []
    for dt_ms, value in steps:
        now_ms += dt_ms
        highest.add(now_ms, value)
        all_of_them.append((now_ms, value))
    for later_ms in sorted(asked):
        within = [value for time_ms, value in all_of_them if time_ms > now_ms + later_ms - 10_000]
        assert highest.at(now_ms + later_ms) == max(within, default=None)
