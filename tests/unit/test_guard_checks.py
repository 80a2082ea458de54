"""Each check of the guard on its own."""

from decimal import Decimal
from typing import Any

import pytest

from services.guard.checks.book import book_reason
from services.guard.checks.daily_loss import daily_stop
from services.guard.checks.ofi import REMEMBERED, Flow, OfiWindow, suppressed
from services.guard.checks.stall import StallWatch
from services.guard.hour import HOUR_MS, MINUTE_MS, HourCount
from shared.messages import Book, Level, Reason, RiskLease, SidePermit, Trade

T0 = 1_700_000_000_000

# ---- daily stop ----


def test_the_daily_stop_needs_no_peak() -> None:
    """A session that only ever loses has no peak PnL; the stop must not wait for one."""
    assert daily_stop(Decimal("-50.01"), Decimal(1000), 0.05).breached


def test_a_two_cent_peak_does_not_halt() -> None:
    """The incident: PnL went from +$0.02 to -$0.0168, "184 % of the peak", and everything was killed."""
    assert not daily_stop(Decimal("-0.0168"), Decimal(1000), 0.05).breached


def test_the_cap_itself_is_not_yet_a_breach() -> None:
    assert not daily_stop(Decimal("-50"), Decimal(1000), 0.05).breached
    assert daily_stop(Decimal("-50.000001"), Decimal(1000), 0.05).breached


# ---- OFI ----


def trade(tid: int, side: Any, sz: str = "1", time_ms: int = 0) -> Trade:
    return Trade(px=Decimal(1), sz=Decimal(sz), side=side, time_ms=time_ms, tid=tid)


def window(*trades: Trade, size: int = 200) -> OfiWindow:
    rolling = OfiWindow(size, max_age_ms=600_000)
    for item in trades:
        rolling.add(item, now_ms=0)
    return rolling


def test_the_threshold_itself_suppresses_nothing() -> None:
    assert suppressed(Flow(200, -0.7, 0.15), 0.7, 50) == (False, False)
    assert suppressed(Flow(200, -0.7000001, 0.15), 0.7, 50) == (True, False)
    assert suppressed(Flow(200, 0.7000001, 0.85), 0.7, 50) == (False, True)


def test_fewer_than_fifty_trades_say_nothing() -> None:
    assert suppressed(Flow(49, -1.0, 0.0), 0.7, 50) == (False, False)
    assert suppressed(Flow(50, -1.0, 0.0), 0.7, 50) == (True, False)


def test_a_trade_delivered_twice_counts_once() -> None:
    assert window(trade(1, "B"), trade(2, "A"), trade(1, "B")).flow(0) == Flow(2, 0.0, 0.5)


def test_a_trade_that_has_left_the_window_does_not_come_back() -> None:
    rolling = window(*(trade(tid, "B", time_ms=tid) for tid in range(REMEMBERED * 3)), size=50)
    rolling.add(trade(0, "A", "1000", time_ms=0), now_ms=0)
    assert rolling.flow(0) == Flow(50, 1.0, 1.0)


def test_a_quiet_coin_recovers_after_ten_minutes() -> None:
    rolling = window(*(trade(tid, "A", time_ms=tid) for tid in range(60)))
    assert rolling.flow(600_000).ofi == -1.0
    assert rolling.flow(600_030).trades == 30
    assert rolling.flow(700_000) == Flow(0, 0.0, 0.5)


def test_what_is_too_old_already_does_not_enter() -> None:
    rolling = window()
    rolling.add(trade(1, "A", time_ms=99_999), now_ms=700_000)
    rolling.add(trade(2, "B", time_ms=100_000), now_ms=700_000)
    assert rolling.flow(700_000) == Flow(1, 1.0, 1.0)


# ---- stall ----


def test_a_stall_is_declared_once_and_ended_by_a_frame_received_after_it() -> None:
    watch = StallWatch(30.0)
    watch.restart(1000)
    assert not watch.overdue(31_000)
    assert watch.overdue(31_001) and not watch.overdue(40_000)
    assert not watch.heard(31_000) and watch.stalled
    assert watch.heard(31_002) and not watch.stalled
    assert not watch.heard(31_003)


def test_old_news_does_not_set_the_clock_back() -> None:
    watch = StallWatch(30.0)
    watch.heard(50_000)
    watch.heard(20_000)
    watch.restart(10_000)
    assert not watch.overdue(80_000)
    assert watch.overdue(80_001)


# ---- book ----


def book(bid: str = "99", ask: str = "101", received_ms: float = 1000.0, epoch: int = 2) -> Book:
    bids, asks = ((Level(Decimal(px), Decimal(1)),) if px else () for px in (bid, ask))
    return Book(coin="BTC", time_ms=0, received_ms=received_ms, epoch=epoch, bids=bids, asks=asks)


@pytest.mark.parametrize(
    "found, now_ms, reason",
    [
        (book(), 16_000, None),
        (None, 1000, Reason.NO_BOOK),
        (book(), 16_001, Reason.STALE_BOOK),
        (book(received_ms=500.0), 1000, Reason.STALE_BOOK),
        (book(received_ms=3000.0), 1000, None),
        (book(received_ms=3000.5), 1000, Reason.STALE_BOOK),
        (book(epoch=1), 1000, Reason.RECONNECTING),
        (book(epoch=3), 1000, None),
        (book("101", "101"), 1000, Reason.CROSSED_BOOK),
        (book("102", "101"), 1000, Reason.CROSSED_BOOK),
        (book("", "101"), 1000, Reason.NO_BOOK),
    ],
)
def test_the_reasons_of_the_book(found: Book | None, now_ms: int, reason: Reason | None) -> None:
    assert book_reason(found, now_ms, epoch=2, fresh_after_ms=500.0, max_age_ms=15_000) is reason


@pytest.mark.parametrize(
    "now_ms, holds", [(T0, True), (T0 + 2_999, True), (T0 + 3_000, False), (T0 - 2_000, True), (T0 - 2_001, False)]
)
def test_a_lease_holds_until_its_end_and_not_before_it_was_given(now_ms: int, holds: bool) -> None:
    """A clock that was set back must not make it last until that time comes again."""
    lease = RiskLease(coin="BTC", issued_ms=T0, valid_until_ms=T0 + 3_000, bid=SidePermit(), ask=SidePermit())
    assert lease.holds(now_ms) is holds


# ---- the hour ----


def test_an_hour_is_counted_once_each_and_forgotten() -> None:
    count = HourCount()
    start_ms = 1_000 * HOUR_MS
    for key, time_ms in (("a", start_ms), ("b", start_ms + 1), ("a", start_ms), ("c", start_ms + 30 * MINUTE_MS)):
        count.add(key, time_ms, start_ms + 30 * MINUTE_MS)
    assert count.total(start_ms + 30 * MINUTE_MS) == 3
    assert count.total(start_ms + HOUR_MS + MINUTE_MS) == 1
    assert count.total(start_ms + 2 * HOUR_MS) == 0


def test_what_happened_longer_ago_is_not_counted() -> None:
    count = HourCount()
    count.add("a", 0, HOUR_MS)
    assert count.total(HOUR_MS) == 0


def test_the_hour_never_holds_more_than_its_buckets() -> None:
    count = HourCount()
    for minute in range(500):
        count.add(str(minute), minute * MINUTE_MS, minute * MINUTE_MS)
        assert count.total(minute * MINUTE_MS) <= 61
    assert len(count._buckets) <= 61
