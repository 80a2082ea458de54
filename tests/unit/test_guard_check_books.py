"""Checks of a coin's book: quiet, frozen, away from the mark price."""

from typing import Any

import pytest

from services.guard.checks.frozen import FrozenBook
from services.guard.checks.prices import PricesApart
from services.guard.checks.quiet import QuietBook
from services.guard.checks.streak import Streak, widening
from services.guard.config import GuardConfig
from tests.fixtures.guard_checks import COIN, T0, book, ctx, heard, trades

CONFIG = GuardConfig()


# ---- lasting and holding ----


def test_a_condition_counts_once_it_has_lasted_and_outlasts_its_end() -> None:
    streak = Streak(after_s=2, hold_s=10)
    streak.note(1000, True)
    streak.note(2999, True)
    assert not streak.on(2999)
    streak.note(3000, True)
    assert streak.on(3000) and streak.on(1_000_000)
    streak.note(5000, False)
    assert streak.on(14_999) and not streak.on(15_000)


def test_what_was_interrupted_has_not_lasted() -> None:
    streak = Streak(after_s=2, hold_s=10)
    for time_ms, over in ((0, True), (1900, False), (1901, True), (3900, True)):
        streak.note(time_ms, over)
    assert not streak.on(3900)


def test_one_sample_alone_does_not_last_however_long_nothing_follows() -> None:
    streak = Streak(after_s=2, hold_s=10)
    streak.note(0, True)
    assert not streak.on(60_000)


@pytest.mark.parametrize(
    "value, factor", [(0.0, 1.0), (1.5, 1.0), (1.51, 1.25), (1.875, 1.25), (2.9, 2.0), (3.0, 2.0), (99.0, 2.0)]
)
def test_widening_goes_from_one_at_the_limit_to_two_at_twice_it(value: float, factor: float) -> None:
    assert widening(value, 1.5) == factor


# ---- quiet ----


def test_a_book_older_than_five_seconds_is_quiet() -> None:
    check = QuietBook(COIN, CONFIG)
    assert heard(check, (T0, book(T0))).value == 0
    assert not check.read(T0 + 5000).fired
    reading = check.read(T0 + 5001)
    assert reading.fired and reading.value == pytest.approx(5.001) and reading.spread == 2.0


def test_without_any_book_nothing_is_known() -> None:
    reading = QuietBook(COIN, CONFIG).read(T0)
    assert reading.value is None and not reading.fired


def test_a_silence_that_ended_is_held_against_the_coin_for_ten_seconds() -> None:
    check = QuietBook(COIN, CONFIG)
    assert heard(check, (T0, book(T0)), (T0 + 6000, book(T0 + 6000))).fired
    check.hear(T0 + 11_000, book(T0 + 11_000))
    assert check.read(T0 + 15_999).fired
    check.hear(T0 + 16_000, book(T0 + 16_000))
    assert not check.read(T0 + 16_000).fired


# ---- frozen ----


def frozen(*messages: tuple[int, Any]) -> FrozenBook:
    check = FrozenBook(COIN, CONFIG)
    for now_ms, msg in messages:
        check.hear(now_ms, msg)
    return check


def resent(*others: tuple[int, Any], until_ms: int = T0 + 10_000) -> list[tuple[int, Any]]:
    """The same book every half second, and what else is told meanwhile."""
    books = [(time_ms, book(time_ms)) for time_ms in range(T0, until_ms, 500)]
    return sorted([*books, *others], key=lambda item: item[0])


def test_prints_through_a_touch_that_stands_for_two_seconds_pull() -> None:
    """5 bps beyond the ask of 100.01 is 100.060005: the tick below is not yet there, the one above is."""
    for px, fired in (("100.06", False), ("100.0601", True)):
        prints = [(T0 + 1000, trades(T0 + 1000, px)), (T0 + 3000, trades(T0 + 3000, px))]
        assert frozen(*resent(*prints)).read(T0 + 10_000).fired is fired
    early = [(T0 + 1000, trades(T0 + 1000, "100.2")), (T0 + 2999, trades(T0 + 2999, "100.2"))]
    assert not frozen(*resent(*early)).read(T0 + 10_000).fired


def test_prints_below_the_bid_count_as_well() -> None:
    prints = [(time_ms, trades(time_ms, "99.9", side="A")) for time_ms in (T0 + 1000, T0 + 3000)]
    reading = frozen(*resent(*prints)).read(T0 + 10_000)
    assert reading.fired and reading.value == pytest.approx(9.0, abs=0.01)
    assert reading.detail == "prints beyond a touch that stands"


def test_one_sweep_is_no_frozen_book() -> None:
    sweep = T0 + 1000, trades(T0 + 1000, "100.02", "100.5")
    assert not frozen(*resent(sweep)).read(T0 + 10_000).fired


def test_a_touch_that_answers_is_alive_even_by_its_size_alone() -> None:
    through = [(time_ms, trades(time_ms, "100.2")) for time_ms in (T0 + 1000, T0 + 3000)]
    answer = T0 + 2000, book(T0 + 2000, sz="2")
    books = [(T0, book(T0)), *((time_ms, book(time_ms, sz="2")) for time_ms in range(T0 + 2500, T0 + 4000, 500))]
    assert not frozen(*sorted([*books, *through, answer], key=lambda item: item[0])).read(T0 + 4000).fired


def test_a_print_between_bid_and_ask_ends_the_suspicion() -> None:
    pxs = {1000: "100.2", 2000: "100", 3500: "100.2"}
    prints = [(T0 + after, trades(T0 + after, px)) for after, px in pxs.items()]
    assert not frozen(*resent(*prints)).read(T0 + 10_000).fired


def test_a_mark_price_that_left_the_touch_behind_pulls_and_one_that_was_always_there_does_not() -> None:
    left = [(T0 + 100, ctx(T0 + 100, "100"))]
    left += [(T0 + after, ctx(T0 + after, "100.1")) for after in (1000, 2000, 3000)]
    assert frozen(*resent(*left)).read(T0 + 3000).fired
    basis = [(T0 + after, ctx(T0 + after, "100.1")) for after in (0, 1000, 2000, 3000)]
    reading = frozen(*resent(*basis)).read(T0 + 3000)
    assert not reading.fired and reading.value == 0


def test_a_mark_price_on_its_way_to_the_touch_is_late_and_not_the_book() -> None:
    late = [(T0 + after, ctx(T0 + after, mark)) for after, mark in ((0, "98"), (1000, "99"), (3000, "99.5"))]
    assert not frozen(*resent(*late)).read(T0 + 10_000).fired


def test_a_mark_price_of_zero_is_none() -> None:
    empty = [(T0 + after, ctx(T0 + after, mark)) for after, mark in ((0, "0"), (1000, "100"), (2000, "0"))]
    assert frozen(*resent(*empty)).read(T0 + 10_000).value == 0


def test_quotes_come_back_ten_seconds_after_the_touch_has_moved() -> None:
    prints = [(time_ms, trades(time_ms, "100.2")) for time_ms in (T0 + 1000, T0 + 3000)]
    check = frozen(*resent(*prints, until_ms=T0 + 4000))
    check.hear(T0 + 5000, book(T0 + 5000, "100.19", "100.21"))
    assert check.read(T0 + 14_999).fired and not check.read(T0 + 15_000).fired


def test_prints_of_the_block_that_made_the_touch_are_about_the_one_before() -> None:
    check = frozen((T0, book(T0)), *((T0, trades(T0, "100.2", tid=n)) for n in range(3)))
    assert check.read(T0).value == 0


# ---- prices apart ----


def apart(mid: str, seconds: float) -> PricesApart:
    """Mid against a mark price of 100, told each half second for so long."""
    check = PricesApart(COIN, CONFIG)
    for time_ms in range(T0, T0 + int(seconds * 1000) + 1, 500):
        check.hear(time_ms, ctx(time_ms))
        check.hear(time_ms, book(time_ms, mid, mid))
    return check


@pytest.mark.parametrize("mid, fired", [("100.49", False), ("100.5", False), ("100.51", True), ("99.49", True)])
def test_mid_and_mark_more_than_fifty_bps_apart(mid: str, fired: bool) -> None:
    assert apart(mid, 5).read(T0 + 5000).fired is fired


def test_it_has_to_last_five_seconds() -> None:
    assert not apart("101", 4.5).read(T0 + 4500).fired
    reading = apart("101", 5).read(T0 + 5000)
    assert reading.fired and reading.value == pytest.approx(100) and "mark 100" in reading.detail


def test_a_mark_price_that_grew_old_is_no_witness() -> None:
    check = PricesApart(COIN, CONFIG)
    check.hear(T0, ctx(T0))
    for time_ms in range(T0, T0 + 15_001, 500):
        check.hear(time_ms, book(time_ms, "101", "101"))
    assert check.read(T0 + 15_000).value is not None
    assert check.read(T0 + 15_001).value is None


def test_what_an_old_mark_price_has_said_stands_until_a_new_one_takes_it_back() -> None:
    check = apart("101", 5)
    for time_ms in range(T0 + 5500, T0 + 60_001, 500):
        check.hear(time_ms, book(time_ms))
    assert check.read(T0 + 60_000).fired is False
    check = apart("101", 5)
    check.hear(T0 + 60_000, book(T0 + 60_000))
    assert check.read(T0 + 60_000).fired
    check.hear(T0 + 61_000, ctx(T0 + 61_000))
    assert check.read(T0 + 70_999).fired and not check.read(T0 + 71_000).fired
