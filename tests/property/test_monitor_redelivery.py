"""Streams give entries at least once: what is shown must not depend on how often they came."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.monitor.core import Show
from services.monitor.estimators import volatility_regime
from shared import messages as m
from tests.fixtures.make import book, fill
from tests.unit.test_monitor_core import beat, event, line, monitor, status
from tests.unit.test_monitor_exposition import scrape


def rejected(number: int) -> m.OrderUpdate:
    return m.OrderUpdate(
        coin="BTC", cloid=f"0x{number}", side="bid", level=1, px=Decimal(1), sz=Decimal(1), filled_sz=Decimal(0),
        status="rejected", reason="would_cross", time_ms=number,
    )  # fmt: skip


numbers = st.integers(1, 40)
inputs = st.one_of(
    st.builds(rejected, numbers),
    st.builds(lambda seq: fill("BTC", seq), numbers),
    st.builds(lambda number: event(time_ms=number, text="🚨 STALL PANIC: cancel_all."), numbers),
    st.builds(lambda number: beat(time_ms=number * 100), numbers),
    st.builds(lambda n: status(n * 700, line(resting_bids=n % 2, bid_reason=m.Reason.HALTED)), numbers),
    st.builds(lambda number: book("BTC", time_ms=number * 250), numbers),
)


@given(st.lists(st.tuples(inputs, st.booleans())))
def test_an_entry_delivered_again_at_once_changes_nothing(entries):
    once, twice = monitor(), monitor()
    lines: tuple[list[Show], list[Show]] = ([], [])
    for at_ms, (message, again) in enumerate(entries):
        for core, shown, times in ((once, lines[0], 1), (twice, lines[1], 1 + again)):
            for _ in range(times):
                shown += core.step(at_ms, message)
    assert scrape(once, 50_000) == scrape(twice, 50_000)
    assert lines[0] == lines[1]


@given(st.floats(0, 10), st.floats(0, 10), st.sampled_from([0, 1, 2]))
def test_regime_rises_with_the_ratio_and_remembers_at_most_a_tenth(low, high, previous):
    low, high = sorted((low, high))
    assert volatility_regime(low, previous) <= volatility_regime(high, previous)
    assert volatility_regime(low, 0) <= volatility_regime(low, previous) <= volatility_regime(low / 0.9 + 1e-9, 0)
