"""Seconds of quoting: on both sides, close enough, today."""

from decimal import Decimal

import pytest

from shared import messages as m
from tests.unit.test_monitor_core import line, monitor, status
from tests.unit.test_monitor_exposition import scrape

NAMES = ("mm_observed_seconds_total", "mm_two_sided_seconds_total", "mm_two_sided_tight_seconds_total")
TODAY = ("mm_observed_today_seconds", "mm_two_sided_today_seconds", "mm_two_sided_tight_today_seconds")
DAY_MS = 86_400_000


def quoting(bid: str = "99.9", ask: str = "100.1", **changes) -> m.CoinStatus:
    return line(best_bid_px=Decimal(bid), best_ask_px=Decimal(ask), **changes)


def seconds(names: tuple[str, ...], *told: m.AccountStatus) -> tuple[float | None, ...]:
    core = monitor()
    for message in told:
        list(core.step(message.time_ms, message))
    shown = scrape(core)
    return tuple(shown.get((name, "BTC")) for name in names)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (quoting(), (2, 2, 2)),
        (quoting("99.9", "100.11"), (2, 2, 0)),
        (quoting(resting_bids=0), (2, 0, 0)),
    ],
    ids=["20 bps", "21 bps", "one side"],
)
def test_the_time_between_two_statuses_counts_for_how_it_was_at_the_first(before, expected):
    core_says = seconds(NAMES, status(1_000, before), status(3_000, quoting(resting_bids=0, resting_asks=0)))
    assert core_says == pytest.approx(expected)


def test_nothing_is_known_of_a_silent_executor():
    assert seconds(NAMES, status(1_000, quoting())) == (None, None, None)
    assert seconds(NAMES, status(1_000, quoting()), status(7_000, quoting())) == (None, None, None)


def test_a_new_day_begins_at_utc_midnight_and_the_counters_go_on():
    told = [status(DAY_MS - 2_000 + step_ms, quoting()) for step_ms in range(0, 5_000, 1_000)]
    assert seconds(TODAY, *told[:2]) == pytest.approx((1, 1, 1))
    assert seconds(TODAY, *told) == pytest.approx((3, 3, 3))
    assert seconds(NAMES, *told) == pytest.approx((4, 4, 4))
