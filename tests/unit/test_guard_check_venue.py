"""Stops on what goes wrong between the venue and us: requests, books of account, clocks, the watchdog."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.guard.checks.clock import LEAST_SECONDS, SECONDS, ClockSkew
from services.guard.checks.ledger import ForeignOrders, LedgerMismatch
from services.guard.checks.request_errors import REDELIVERED_MS, ErrorWindow, RateLimitErrors, VenueErrors
from services.guard.checks.watchdog import GRACE_MS, WatchdogLost
from services.guard.config import GuardConfig
from services.guard.rules import Check, Reading, Resumed
from shared.messages import AccountStatus, Book, WatchdogStatus
from tests.fixtures.make import account_status, book, live_status

T0 = 1_790_000_000_000
S = 1_000


def status(at_s: float, **live) -> AccountStatus:
    return account_status(T0 + int(at_s * S), mode="live", live=live_status(**live))


def heard(check: Check, *statuses: AccountStatus, at_s: float | None = None) -> Reading:
    for message in statuses:
        check.hear(message.time_ms, message)
    return check.read(T0 + int(at_s * S) if at_s is not None else statuses[-1].time_ms)


def config(**settings) -> GuardConfig:
    return GuardConfig(**settings)


# ---- requests ----


@pytest.mark.parametrize("errors, fired", [(9, False), (10, True), (11, True)])
def test_ten_throttled_requests_are_too_many(errors, fired):
    reading = heard(RateLimitErrors(config()), status(0), status(1, errors={"throttled": errors, "unknown": 50}))
    assert (reading.value, reading.limit, reading.fired) == (errors, 10, fired)


@pytest.mark.parametrize("refused, unknown, fired", [(4, 0, False), (2, 2, False), (2, 3, True), (5, 0, True)])
def test_requests_refused_and_unanswered_count_together(refused, unknown, fired):
    errors = {"refused": refused, "unknown": unknown, "throttled": 50, "not_sent": 50}
    reading = heard(VenueErrors(config()), status(0), status(1, errors=errors))
    assert (reading.value, reading.fired) == (refused + unknown, fired)


def test_errors_leave_the_window_and_quotes_come_back():
    check = VenueErrors(config())
    assert heard(check, status(0), status(1, errors={"unknown": 5})).fired
    assert heard(check, status(60.999, errors={"unknown": 5})).fired
    assert heard(check, at_s=61).value == 0


def test_a_count_that_was_there_before_us_is_of_no_known_time():
    assert heard(RateLimitErrors(config()), status(0, errors={"throttled": 500})).value == 0


def test_a_new_executor_counts_from_nothing():
    check = RateLimitErrors(config())
    reading = heard(
        check, status(0), status(1, errors={"throttled": 6}), status(2), status(3, errors={"throttled": 4})
    )
    assert reading.value == 10 and reading.fired
    smaller = RateLimitErrors(config())
    assert heard(smaller, status(0, errors={"throttled": 6}), status(1, errors={"throttled": 2})).value == 2


def test_a_shadow_status_says_nothing_about_requests():
    check = RateLimitErrors(config())
    check.hear(T0, account_status(T0))
    assert check.read(T0).value is None


def test_what_was_before_the_resume_does_not_halt_again():
    check = RateLimitErrors(config())
    assert heard(check, status(0), status(1, errors={"throttled": 12})).fired
    check.hear(T0 + 5 * S, Resumed(T0 + 5 * S))
    assert check.read(T0 + 5 * S).value == 0
    assert heard(check, status(6, errors={"throttled": 21})).value == 9
    assert heard(check, status(7, errors={"throttled": 22})).fired


def test_a_clock_set_back_counts_nothing_twice():
    check = RateLimitErrors(config())
    heard(check, status(0), status(1_000, errors={"throttled": 6}))
    set_back_s = 999 - REDELIVERED_MS / S
    assert heard(check, status(set_back_s, errors={"throttled": 7})).value <= 6
    assert heard(check, status(set_back_s + 1, errors={"throttled": 9})).value - 6 == 2


COUNTS = st.lists(st.integers(0, 8), min_size=1, max_size=30)


@given(growth=COUNTS, redelivered_from=st.integers(0, 29), window_s=st.integers(1, 40))
def test_statuses_delivered_again_change_nothing(growth, redelivered_from, window_s):
    count, messages = 0, []
    for at_s, errors in enumerate(growth):
        count += errors
        messages.append(status(at_s, errors={"throttled": count}))
    once, twice = (ErrorWindow(("throttled",), window_s * S) for _ in range(2))
    for message in messages:
        once.hear(message)
        twice.hear(message)
    for message in messages[redelivered_from:]:
        twice.hear(message)
    now_ms = messages[-1].time_ms
    in_window = growth[1:][-window_s:]
    assert once.total(now_ms) == twice.total(now_ms) == sum(in_window)


# ---- the account ----


def mismatch(check: LedgerMismatch, from_s: int, to_s: int, **live) -> Reading:
    return heard(check, *(status(at_s, **live) for at_s in range(from_s, to_s + 1)))


@pytest.mark.parametrize("lasted_s, fired", [(119, False), (120, False), (121, True)])
def test_a_difference_has_its_time_to_be_explained(lasted_s, fired):
    reading = mismatch(LedgerMismatch(config()), 0, lasted_s, untied={"BTC": "position 1 by our fills, 2"})
    assert (reading.value, reading.fired) == (lasted_s, fired)
    assert reading.detail == "BTC: position 1 by our fills, 2"


def test_equal_again_begins_anew():
    check = LedgerMismatch(config())
    mismatch(check, 0, 100, untied={"": "cash"})
    assert mismatch(check, 101, 101).value == 0
    assert mismatch(check, 102, 202, untied={"": "cash"}).value == 100
    assert mismatch(check, 203, 203, untied={"": "cash"}).detail == "account: cash"


def test_an_executor_that_reads_the_account_anew_has_not_found_them_equal():
    check = LedgerMismatch(config())
    mismatch(check, 0, 130, untied={"": "cash"})
    assert mismatch(check, 131, 131, phase="asking").fired
    assert not mismatch(check, 132, 132, phase="ready").fired


def test_an_executor_that_says_nothing_more_is_not_a_difference():
    check = LedgerMismatch(config())
    mismatch(check, 0, 10, untied={"": "cash"})
    assert check.read(T0 + 10_000 * S).value == 10


def test_a_resume_gives_the_same_time_again():
    check = LedgerMismatch(config())
    assert mismatch(check, 0, 130, untied={"": "cash"}).fired
    check.hear(T0 + 131 * S, Resumed(T0 + 131 * S))
    assert not check.read(T0 + 131 * S).fired
    assert not mismatch(check, 132, 251, untied={"": "cash"}).fired
    assert mismatch(check, 252, 252, untied={"": "cash"}).fired


def test_orders_of_another_hand_fire_until_the_executor_looks_again():
    check = ForeignOrders(config())
    assert heard(check, status(0)).value == 0
    reading = heard(check, status(1, phase="refused", refused=("BTC buy 1 @ 2 (oid 3)", "account: cash")))
    assert reading.fired and reading.value == 2 and reading.detail == "BTC buy 1 @ 2 (oid 3); account: cash"
    assert not heard(check, status(2, phase="asking")).fired


def test_how_many_things_are_too_many_is_a_setting():
    check = ForeignOrders(config(foreign_orders=2))
    assert not heard(check, status(0, phase="refused", refused=("a",))).fired
    assert heard(check, status(1, phase="refused", refused=("a", "b"))).fired


# ---- clocks ----


def arriving(took_ms: float, at_s: float) -> Book:
    now_ms = T0 + int(at_s * S)
    plain = book(time_ms=now_ms)
    return Book(
        coin=plain.coin, time_ms=now_ms - int(took_ms), received_ms=float(now_ms), epoch=1, bids=plain.bids,
        asks=plain.asks,
    )  # fmt: skip


def skewed(check: ClockSkew, *took_ms: float, from_s: int = 0) -> Reading:
    """One book a second."""
    for at_s, took in enumerate(took_ms, from_s):
        check.hear(T0 + at_s * S, arriving(took, at_s))
    return check.read(T0 + (from_s + len(took_ms) - 1) * S)


@pytest.mark.parametrize(
    "took_ms, fired", [(1_999, False), (2_000, False), (2_001, True), (-2_000, False), (-2_001, True), (80, False)]
)
def test_a_clock_is_off_by_more_than_two_seconds(took_ms, fired):
    reading = skewed(ClockSkew(config()), *[took_ms] * SECONDS)
    assert (reading.value, reading.fired) == (took_ms / 1000, fired)


def test_which_way_it_is_off_is_said():
    assert skewed(ClockSkew(config()), *[-3_000] * 9).detail == "our clock is 3.00 s behind the venue's"
    assert "or its books are late, by 3.00 s" in skewed(ClockSkew(config()), *[3_000] * 9).detail


def test_a_few_seconds_must_be_known():
    check = ClockSkew(config())
    assert skewed(check, *[9_000] * (LEAST_SECONDS - 1)).value is None
    assert skewed(check, 9_000, from_s=LEAST_SECONDS - 1).fired


def test_a_feed_that_is_slow_for_some_seconds_is_no_clock():
    assert not skewed(ClockSkew(config()), *[100] * 11, *[8_000] * 9).fired


def test_one_quick_book_a_second_shows_that_the_clock_is_right():
    check = ClockSkew(config())
    for at_s in range(SECONDS):
        for took_ms in (9_000, 9_500, 120, 7_000):
            check.hear(T0 + at_s * S, arriving(took_ms, at_s))
    assert check.read(T0 + (SECONDS - 1) * S).value == 0.12


def test_damaged_frames_from_the_future_are_no_clock():
    took_ms = [100 if at_s % 3 else -30_000 for at_s in range(SECONDS)]
    assert not skewed(ClockSkew(config()), *took_ms).fired


def test_a_clock_that_jumps_is_noticed_within_the_window_and_forgotten_after_it():
    check = ClockSkew(config())
    skewed(check, *[100] * SECONDS)
    assert skewed(check, *[5_000] * 11, from_s=SECONDS).fired
    assert not skewed(check, *[100] * 11, from_s=SECONDS + 11).fired


def test_a_clock_set_back_is_read_from_then_on():
    check = ClockSkew(config())
    skewed(check, *[100] * SECONDS, from_s=3_600)
    assert skewed(check, *[-3_600_000 + 100] * LEAST_SECONDS).fired


def test_silence_says_nothing():
    check = ClockSkew(config())
    assert skewed(check, *[9_000] * SECONDS).fired
    assert check.read(T0 + 3 * SECONDS * S).value is None


def test_a_recording_of_another_day_is_not_our_clock():
    reading = skewed(ClockSkew(config()), *[86_400_000] * SECONDS)
    assert reading.value is None and not reading.fired


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(-5_000, 5_000)), max_size=300))
def test_the_window_stays_small_whatever_comes(books):
    check = ClockSkew(config())
    for at_s, took_ms in books:
        check.hear(T0 + at_s * S, arriving(took_ms, at_s))
        assert len(check._quickest_ms) <= 2 * SECONDS + 1


# ---- the watchdog ----


def word(at_s: float, unable_s: float = 0, fault: str = "") -> WatchdogStatus:
    at_ms = T0 + int(at_s * S)
    return WatchdogStatus(time_ms=at_ms, able_ms=at_ms - int(unable_s * S), fault=fault)


def watching(begun_s: float = 0, **settings) -> WatchdogLost:
    check = WatchdogLost(config(shadow_mode=False, **settings))
    check.read(T0 + int(begun_s * S))
    return check


@pytest.mark.parametrize("silent_s, fired", [(9.999, False), (10, False), (10.001, True)])
def test_ten_seconds_of_silence_are_too_many(silent_s, fired):
    check = watching(begun_s=-60)
    check.hear(T0, word(0))
    reading = check.read(T0 + int(silent_s * S))
    assert (reading.value, reading.fired) == (silent_s, fired)
    check.hear(T0, word(silent_s))
    assert not check.read(T0 + int(silent_s * S)).fired


@pytest.mark.parametrize("unable_s, fired", [(9.999, False), (10, False), (10.001, True), (300, True)])
def test_a_watchdog_that_talks_and_cannot_cancel_is_none(unable_s, fired):
    check = watching(begun_s=-60)
    reading = heard(check, word(0, unable_s, "its key is an agent of no account"), at_s=0)
    assert (reading.value, reading.fired) == (unable_s, fired)
    assert reading.detail == "its key is an agent of no account"


def test_a_restarted_guard_believes_it_at_once():
    check = WatchdogLost(config(shadow_mode=False))
    assert heard(check, word(0, 120, "its key is an agent of no account"), at_s=1).fired
    silent = WatchdogLost(config(shadow_mode=False))
    silent.hear(T0 + 20 * S, word(0))
    assert silent.read(T0 + 20 * S).fired


def test_a_watchdog_that_never_came_is_missed_after_the_start():
    check = watching()
    assert check.read(T0 + GRACE_MS - 1).value is None
    assert check.read(T0 + GRACE_MS).fired


def test_its_last_word_of_the_run_before_counts_only_after_the_start():
    check = WatchdogLost(config(shadow_mode=False))
    check.hear(T0, word(-61))
    assert not check.read(T0).fired and not check.read(T0 + GRACE_MS - 1).fired
    assert check.read(T0 + GRACE_MS).fired


def test_in_shadow_nobody_is_missed():
    check = WatchdogLost(config())
    for at_ms in (T0, T0 + 100 * GRACE_MS):
        assert check.read(at_ms).value is None
