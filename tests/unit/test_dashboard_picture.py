"""What a picture of a dashboard says: numbers in their units, words for values, round ticks, strips of states."""

import json
import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grafana.build import BOARDS, FOLDER
from grafana.picture.curves import HOLE_S, Curve, bounds, ticks
from grafana.picture.page import View, _spans, _stat
from grafana.picture.source import Series, Source
from grafana.picture.words import COLOURS, legend, spelled, told
from grafana.questions import EMPTY, UNEVENTFUL, Question, filled
from shared.metrics import GRID, WATCHDOG

STATES = {
    "unit": "none",
    "thresholds": {"steps": [{"color": "green"}, {"color": "orange", "value": 1}, {"color": "red", "value": 2}]},
}


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (-0.021, "currencyUSD", 2, "-$0.02"),
        (1234.5, "prefix:$", 0, "$1,234"),
        (0.905, "percentunit", 1, "90.5 %"),
        (0.0065, "s", None, "6.5 ms"),
        (90_000, "s", 0, "1 days"),
        (33.2, "ms", 1, "33.2 ms"),
        (2.26, "suffix: bps", 1, "2.3 bps"),
        (3.3, "suffix:x", 1, "3.3x"),
        (51.3 * 2**20, "bytes", 0, "51.3 MiB"),
        (0.000542, "short", None, "0.000542"),
        (62_800, "short", 0, "62.8 K"),
        (77465.5, "string", None, "77,465.5"),
        (4.2, "ops", None, "4.2/s"),
        (1_795_303_980_000, "time:HH:mm", None, "23:33"),
    ],
)
def test_numbers_are_told_in_their_unit(value, unit, decimals, text):
    assert spelled(value, unit, decimals) == text


def test_words_come_before_numbers_and_the_highest_step_gives_the_colour():
    mappings = [
        {"type": "value", "options": {"1": {"text": "FIRED", "color": "red"}}},
        {"type": "regex", "options": {"pattern": "(.+)", "result": {"color": "orange"}}},
    ]
    assert told(1.0, {"mappings": mappings}) == ("FIRED", COLOURS["red"])
    assert told("stale_book", {"mappings": mappings}) == ("stale_book", COLOURS["orange"])
    assert [told(value, STATES)[1] for value in (0, 1, 1.9, 2)] == [
        COLOURS[name] for name in ("green", "orange", "orange", "red")
    ]
    assert legend("{{side}}: {{reason}}{{none}}", {"side": "bid", "reason": "stall"}) == "bid: stall"


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12), st.sampled_from((0.0, 0.01, 1.0)))
def test_ticks_are_within_few_and_evenly_apart(low, width, wanted, finest):
    marks = ticks(low, low + width, wanted, finest)
    assert len(marks) <= wanted + 1
    assert all(low - width * 1e-6 <= mark <= low + width * (1 + 1e-6) for mark in marks)
    gaps = [after - before for before, after in zip(marks, marks[1:], strict=False)]
    assert all(gap >= finest * 0.99 and gap == pytest.approx(gaps[0], rel=1e-3, abs=1e-9) for gap in gaps)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1), st.none() | st.just(0.0), st.none() | st.just(5.0))
def test_every_value_is_on_the_axis_unless_its_end_is_fixed(values, low, at_least):
    curve = Curve("", [(float(index), value) for index, value in enumerate(values)], "red")
    bottom, top = bounds([curve], low, None, at_least)
    assert bottom < top and top >= max(values)
    assert bottom == low if low is not None else bottom <= min(values)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2)), min_size=1, max_size=40))
def test_a_strip_shows_each_state_from_its_moment_on_and_no_longer_than_it_was_seen(steps):
    time_s, points = 0.0, []
    for gap, value in steps:
        time_s += gap
        points.append((time_s, float(value)))
    spans = _spans(points, 1.0, STATES)
    for (_, end, _), (start, _, _) in zip(spans, spans[1:], strict=False):
        assert end <= start
    for time_s, value in points:
        assert [color for start, end, color in spans if start <= time_s < end] == [told(value, STATES)[1]]
    shown = sum(end - start for start, end, _ in spans)
    assert shown <= sum(min(gap, HOLE_S + 1) for gap, _ in steps) + 1


def test_reasons_are_of_metrics_that_exist():
    names = {metric.name for metric in (*GRID, *WATCHDOG)}
    assert {name for name in EMPTY | UNEVENTFUL if name not in names} == {
        "mm_exchange_request_seconds_bucket", "asset:mm_cancel_fill_ratio:1h",
    }  # fmt: skip


def test_the_first_row_has_no_excuse_and_annotations_have_their_own():
    assert Question("b", "State", "max(mm_side_blocked)", 0).reason is None
    assert Question("b", "State", "max(mm_side_blocked)", 4).reason == EMPTY["mm_side_blocked"]
    assert Question("b", "Fills", "sum(mm_orders_filled_total)", 4).reason is None
    assert Question("b", "Fills", "mm_orders_filled_total", -1).reason == "between fills"
    assert filled('x{asset="$coin"}[$__interval] $__interval_ms', "ETH", 10) == 'x{asset="ETH"}[10s] 10000'


@dataclass(frozen=True, slots=True)
class Told(Source):
    """A Prometheus that knows the PnL and from when it counts."""

    def now(self, expr: str) -> list[Series]:
        return [Series({}, [(0.0, 1_795_303_980_000.0 if "day_start" in expr else -1.5)])]


@pytest.mark.parametrize("name", BOARDS)
def test_pnl_in_the_first_row_says_from_when_it_counts(name: str):
    [panel] = [panel for panel in json.loads((FOLDER / name).read_text())["panels"] if panel["title"] == "PnL"]
    drawn = _stat(panel, View(Told("", 0.0, 60.0), "BTC"), (300, 110))
    (net, net_color), (since, since_color) = (
        (text, color) for color, text in re.findall(r"color:(#\w+);[^>]*>([^<]+)<", drawn)
    )
    assert (net, since) == ("net -$1.50", "since (UTC) 23:33")
    assert (net_color, since_color) == (COLOURS["red"], COLOURS["text"])
