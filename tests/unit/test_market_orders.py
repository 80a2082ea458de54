"""Market orders and their labels, against a slow reading of the rules and against the screener's live ones."""

from bisect import bisect_left, bisect_right
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.orders import HORIZONS_S, Ticks, labelled, queue_ahead_usd, read_orders, read_ticks, tick_sizes
from analysis.store import FRESH_MS, open_store
from services.screener.markouts import Markouts
from shared.data_files import DEPTH, TICKS, TRADES
from shared.messages import Trade
from tests.bench.csvs import write_csvs
from tests.unit.test_analysis_store import T0, tick, trade, write

RECORDING = Path(__file__).resolve().parents[3] / "shared" / "market-data" / "hl-20250903-4coins"

gaps = st.lists(st.sampled_from([1, 40, 500, 1999, 2000, 2001, 9000]), min_size=2, max_size=30)
orders = st.lists(
    st.tuples(st.integers(0, 40_000), st.booleans(), st.integers(90, 110)),
    min_size=1,
    max_size=12,
    unique_by=lambda o: o[0],
)


@given(gaps, st.lists(st.integers(95, 105), min_size=30, max_size=30), orders)
def test_labels_are_those_of_the_rules(
    gaps: list[int], bids: list[int], orders: list[tuple[int, bool, int]]
) -> None:
    time_ms = np.cumsum(gaps).astype(np.int64)
    bid = np.array(bids[: len(gaps)], float)
    ticks = Ticks(time_ms, bid, bid + 1)
    at, buy, px = (np.array(column) for column in zip(*sorted(orders), strict=True))
    found, dropped = labelled(ticks, at, buy, px.astype(float), px.astype(float))
    row = 0
    for when, is_buy, price in sorted(orders):
        before = bisect_left(time_ms.tolist(), when) - 1
        if before < 0 or when - time_ms[before] > FRESH_MS:
            continue
        touch = bid[before] + is_buy
        if (price < touch) if is_buy else (price > touch):
            continue
        mid, sign = bid[before] + 0.5, 1 if is_buy else -1
        assert found.time_ms[row] == when
        assert found.reach_bps[row] == pytest.approx(sign * 1e4 * (price - mid) / mid)
        assert found.beyond_bps[row] == pytest.approx(sign * 1e4 * (price - touch) / mid)
        for horizon, adverse in zip(HORIZONS_S, found.adverse_bps[row], strict=True):
            due = when + 1000 * horizon
            after = bisect_right(time_ms.tolist(), due) - 1
            if due > time_ms[-1] or due - time_ms[after] > FRESH_MS:
                assert np.isnan(adverse)
            else:
                assert adverse == pytest.approx(sign * 1e4 * (bid[after] + 0.5 - mid) / mid)
        row += 1
    assert row == len(found.time_ms) == len(orders) - dropped.stale - dropped.inside


def test_prints_of_one_sweep_are_one_order_at_its_deepest_price(tmp_path: Path) -> None:
    write(tmp_path, TICKS, "".join(tick(500 * i, 100 + (i >= 4), 102 + (i >= 4)) for i in range(20)))
    sweep = trade(2000, 102, 1) + trade(2000, 104, 2) + trade(2000, 103, 3)
    write(tmp_path, TRADES, sweep + trade(2000, 100, 4, side="A") + trade(3000, 103, 5))
    with open_store(tmp_path) as store:
        found, _ = read_orders(store, "BTC", read_ticks(store, "BTC"))
    assert found.time_ms.tolist() == [T0 + 2000, T0 + 2000, T0 + 3000]
    assert found.buy.tolist() == [False, True, True] and found.px.tolist() == [100, 104, 103]
    assert found.ntl_usd.tolist() == [100, 309, 103]
    assert found.mid_px.tolist() == [101, 101, 102]  # of the block before, although one of 2000 exists


def test_a_quote_stands_on_the_next_step_outwards_and_is_passed_only_beyond_it() -> None:
    ticks = Ticks(np.arange(0, 5000, 500), np.full(10, 99.5), np.full(10, 100.5))
    ticks.bid[5:], ticks.ask[5:] = 99.4, 100.6  # the price step shows: 0.1
    px = np.array([100.5, 100.6, 100.7, 100.8])
    found, _ = labelled(ticks, np.full(4, 2000), np.full(4, True), px, px)
    at_65_bps = found.quoted(65.0)  # 100.65, so 100.7
    assert at_65_bps.front.tolist() == [False, False, True, True]
    assert at_65_bps.through.tolist() == [False, False, False, True]
    assert at_65_bps.capture_bps == pytest.approx(70.0)
    on_the_step = found.quoted(60.0)
    assert on_the_step.front.tolist() == [False, True, True, True]
    assert on_the_step.capture_bps == pytest.approx(60.0)


def test_the_queue_ahead_is_what_was_shown_up_to_the_deepest_price(tmp_path: Path) -> None:
    write(tmp_path, TICKS, "".join(tick(500 * i, 100, 102) for i in range(20)))
    asks = ",".join(f"{102 + i},{i + 1}" for i in range(5))
    bids = ",".join(f"{100 - i},1" for i in range(5))
    write(tmp_path, DEPTH, f"{T0 + 1000},BTC,{bids},{asks}\n")
    write(
        tmp_path,
        TRADES,
        trade(1500, 103, 1) + trade(2000, 99, 2, side="A") + trade(2500, 107, 3) + trade(9000, 102, 4),
    )
    with open_store(tmp_path) as store:
        found, _ = read_orders(store, "BTC", read_ticks(store, "BTC"))
        ahead = queue_ahead_usd(store, "BTC", found)
    assert ahead[:2].tolist() == [102 + 2 * 103, 100 + 99]
    assert np.isnan(ahead[2:]).all()  # beyond what is shown; and from a depth row long gone


@pytest.mark.skipif(not RECORDING.is_dir(), reason=f"no recordings at {RECORDING.parent}")
def test_a_recorded_session_with_holes_is_labelled_as_the_screener_labels_it_live(tmp_path: Path) -> None:
    write_csvs(RECORDING, tmp_path)
    with open_store(tmp_path) as store:
        for coin in store.coins:
            ticks = read_ticks(store, coin)
            found, _ = read_orders(store, coin, ticks)
            rows = store.sql(
                f"SELECT timestamp_ms, side, px, tid FROM {store.of('trades', coin)} ORDER BY 1, 2"
            ).fetchall()
            live = Markouts()
            books = list(zip(ticks.time_ms.tolist(), ticks.bid.tolist(), ticks.ask.tolist(), strict=True))
            for time_ms, block in groupby(rows, key=itemgetter(0)):
                while books and books[0][0] <= time_ms + 6000:
                    live.mids.add(*books.pop(0))
                live.take(
                    Trade(px=Decimal(str(px)), sz=Decimal(1), side=side, time_ms=time_ms, tid=tid)
                    for _, side, px, tid in block
                )
                live.resolve(time_ms)
            while books:
                live.mids.add(*books.pop(0))
            live.resolve(rows[-1][0] + 60_000)
            known = ~np.isnan(found.adverse_at(5))
            ours = zip(found.time_ms, found.reach_bps, found.beyond_bps, found.adverse_at(5), known, strict=True)
            labels = [tuple(map(float, one[:4])) for one in ours if one[4]]
            assert len(labels) > 30
            np.testing.assert_allclose(labels, np.array(live.done, float), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("px", "step"), [(1e-8, 1e-12), (0.2075, 0.0001), (3.5, 0.00001), (109755.0, 1.0)])
def test_the_price_step_is_found_at_any_height_of_the_price(px: float, step: float) -> None:
    bid = px + step * np.array([0, 3, 1, 2])
    ticks = Ticks(np.arange(4) * 500, bid, bid + step)
    assert tick_sizes(ticks, bid) == pytest.approx([step] * 4, rel=1e-9)


def test_where_no_touch_stood_the_step_is_that_of_the_others() -> None:
    ticks = Ticks(np.array([0]), np.array([0.999]), np.array([1.001]))
    assert tick_sizes(ticks, np.array([0.999, 1.001, 12.0])) == pytest.approx([0.002] * 3)
