"""Checks of how a coin trades: jumps, our own fills, cascades; and the estimates behind them."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

from services.guard.checks.adverse import AdverseSelection
from services.guard.checks.cascade import Cascade, CascadeKill, CascadePull, action, cascade_checks
from services.guard.checks.toxicity import Toxicity
from services.guard.config import GuardConfig
from services.guard.estimators.cascade import Severity
from services.guard.estimators.edges import SideMean
from services.guard.estimators.hawkes import Hawkes, MeanRate
from services.guard.estimators.jumps import variation
from shared.messages import Book, Trades
from tests.fixtures.guard_checks import COIN, T0, around, book, fill, heard, trades

CONFIG = GuardConfig()


# ---- jumps ----


def walk(*returns_bps: float, start: float = 100.0, epoch: int = 1) -> Iterator[tuple[int, Any]]:
    """A book every five seconds."""
    mid_px = start
    for n, move in enumerate((0.0, *returns_bps)):
        mid_px *= 1 + move / 1e4
        yield T0 + 5000 * n, around(T0 + 5000 * n, mid_px, epoch)


def calm(count: int, size_bps: float = 2.0) -> list[float]:
    return [size_bps * (-1) ** n for n in range(count)]


def test_sixty_calm_returns_are_no_jump_and_fewer_say_nothing() -> None:
    assert heard(Toxicity(COIN, CONFIG), *walk(*calm(59))).value is None
    reading = heard(Toxicity(COIN, CONFIG), *walk(*calm(60)))
    assert reading.value is not None and reading.value < 1 and not reading.fired and reading.spread == 1.0


def test_a_jump_widens_until_it_is_five_minutes_old() -> None:
    check = Toxicity(COIN, CONFIG)
    reading = heard(check, *walk(*calm(59), 60.0))
    assert reading.fired and reading.spread == 2.0 and reading.detail
    mid_px = 100.6
    for n in range(61, 121):
        assert check.read(T0 + 5000 * n).fired
        mid_px *= 1 + calm(200)[n] / 1e4
        check.hear(T0 + 5000 * n, around(T0 + 5000 * n, mid_px))
    assert not check.read(T0 + 5000 * 121).fired


@pytest.mark.parametrize("jump_bps, fired", [(10.0, False), (22.9, False), (23.2, True), (30.0, True)])
def test_the_ratio_has_to_be_above_its_limit(jump_bps: float, fired: bool) -> None:
    reading = heard(Toxicity(COIN, CONFIG), *walk(*calm(30), jump_bps, *calm(29)))
    assert reading.value is not None and (reading.value > 1.5) is fired and reading.fired is fired


def test_a_mid_that_seldom_moves_is_not_called_toxic() -> None:
    """Neighbours that are zero make BV small without any jump."""
    seldom = [2.0 if n % 3 == 0 else 0.0 for n in range(60)]
    assert variation([move / 1e4 for move in seldom]).ratio == 1.0
    often = [0.0 if n % 5 == 4 else move for n, move in enumerate(calm(60))]
    assert heard(Toxicity(COIN, CONFIG), *walk(*seldom)).value is None
    assert heard(Toxicity(COIN, CONFIG), *walk(*often)).value is not None


def test_no_return_is_taken_over_a_hole_or_a_reconnect() -> None:
    check = Toxicity(COIN, CONFIG)
    before = list(walk(*calm(30)))
    end_ms = before[-1][0]
    for hole_ms, epoch in ((10_001, 1), (5000, 2)):
        moved = [
            (end_ms + hole_ms + time_ms - T0, around(end_ms + hole_ms + time_ms - T0, float(msg.mid_px), epoch))
            for time_ms, msg in walk(*calm(30), start=110.0, epoch=epoch)
        ]
        assert not heard(Toxicity(COIN, CONFIG), *before, *moved).fired
    assert heard(check, *before).value is None


# ---- own fills ----


def filled(count: int, after: str, side: Any = "bid", px: str = "99.99", fee: str = "0") -> Any:
    """So many fills against a mid of 100, each with the mid five seconds later."""
    for n in range(count):
        time_ms = T0 + n * 10_000
        yield time_ms, book(time_ms, "99.99", "100.01")
        yield time_ms, fill(time_ms, side, px, seq=n + 1, fee=fee)
        yield time_ms + 5000, book(time_ms + 5000, after, after)
        yield time_ms + 5001, book(time_ms + 5001, after, after)


def test_fills_that_keep_their_spread_are_good_and_tighten_nothing() -> None:
    reading = heard(AdverseSelection(COIN, CONFIG), *filled(30, "100"))
    assert reading.value == 0 and not reading.fired and reading.spread == 1.0


def test_the_mean_loss_after_fees_has_to_be_above_its_limit() -> None:
    """1 bp of spread less 1.5 bps of fee is a loss; drawn to 0 by ten fills that never were."""
    flat = heard(AdverseSelection(COIN, CONFIG), *filled(60, "100", fee="0.015"))
    assert flat.value == pytest.approx(0.5 * 19.08 / 29.08, rel=0.05) and not flat.fired
    lost = heard(AdverseSelection(COIN, CONFIG), *filled(60, "99.97"))
    assert lost.value == pytest.approx(2 * 19.08 / 29.08, rel=0.05) and lost.fired and lost.spread == 1.5
    assert heard(AdverseSelection(COIN, CONFIG), *filled(60, "99.9")).spread == 2.0


@pytest.mark.parametrize(
    "make, setting, course",
    [
        (AdverseSelection, "adverse_loss_bps", list(filled(60, "99.97"))),
        (Toxicity, "toxicity_ratio", list(walk(*calm(30), 30.0, *calm(29)))),
    ],
)
def test_the_limit_itself_does_not_fire_and_just_above_it_does(make: Any, setting: str, course: Any) -> None:
    value = heard(make(COIN, CONFIG), *course).value
    fired = [
        heard(make(COIN, GuardConfig(**{setting: limit})), *course).fired
        for limit in (value * (1 + 1e-9), value, value * (1 - 1e-9))
    ]
    assert fired == [False, False, True]


def test_a_sale_loses_when_the_price_rises() -> None:
    reading = heard(AdverseSelection(COIN, CONFIG), *filled(60, "100.05", side="ask", px="100.01"))
    assert reading.fired and reading.detail == "asks"
    assert not heard(AdverseSelection(COIN, CONFIG), *filled(60, "99.95", side="ask", px="100.01")).fired


def test_few_fills_say_nothing() -> None:
    """The older ones count less, so ten take fourteen."""
    assert heard(AdverseSelection(COIN, CONFIG), *filled(13, "99")).value is None
    assert heard(AdverseSelection(COIN, CONFIG), *filled(14, "99")).fired


def test_what_is_known_of_fills_fades_so_that_a_coin_is_tried_again() -> None:
    check = AdverseSelection(COIN, CONFIG)
    assert heard(check, *filled(60, "99")).fired
    assert check.read(T0 + 600_000 + 3_600_000).value is None


def test_a_fill_delivered_twice_counts_once() -> None:
    once, twice = AdverseSelection(COIN, CONFIG), AdverseSelection(COIN, CONFIG)
    for now_ms, msg in filled(20, "99.9"):
        once.hear(now_ms, msg)
        twice.hear(now_ms, msg)
        twice.hear(now_ms, msg)
    assert once.read(T0 + 200_000) == twice.read(T0 + 200_000)


def test_a_fill_is_valued_with_the_mid_at_its_horizon_or_not_at_all() -> None:
    check = AdverseSelection(COIN, CONFIG)
    for n in range(30):
        time_ms = T0 + n * 20_000
        check.hear(time_ms, book(time_ms))
        check.hear(time_ms, fill(time_ms, seq=n + 1))
        check.hear(time_ms + 8000, book(time_ms + 8000, "50", "50"))
        check.hear(time_ms + 9000, fill(time_ms + 1, seq=1000 + n))
    assert check.read(T0 + 600_000).value is None


def test_the_mean_of_a_side_follows_the_newest_fills() -> None:
    mean = SideMean(0.0, 10.0)
    for value in [-5.0] * 60 + [3.0] * 60:
        mean.add(0, value)
    assert mean.estimate_bps(0) > 0


# ---- arrivals ----


def test_the_intensity_is_that_of_the_reference() -> None:
    hawkes = Hawkes(beta_per_s=1.0)
    hawkes.add(500)
    assert hawkes.intensity(2000, mu_per_s=0.3, alpha_per_s=0.5) == pytest.approx(0.4115650800742149, rel=1e-12)
    hawkes = Hawkes(beta_per_s=0.5)
    for time_s in (0.1, 4.0, 4.4, 4.5, 8.8, 9.9):
        hawkes.add(time_s * 1000)
    assert hawkes.intensity(12_000, 0.6, 0.2) == pytest.approx(0.7237288528450256, rel=1e-12)


@pytest.mark.parametrize("seconds", [60, 600, 36_000])
def test_the_mean_rate_is_unbiased_from_the_start(seconds: int) -> None:
    rate = MeanRate(memory_s=3600)
    for n in range(seconds * 2):
        rate.add(n * 500)
    assert rate.per_s(seconds * 1000) == pytest.approx(2.0, rel=0.02)


# ---- cascades ----


def quiet_market(seconds: int, seed: int = 7) -> Iterator[tuple[int, Any]]:
    """An order a second, a book each 500 ms, about one bp of noise in five seconds."""
    random_ = random.Random(seed)
    mid_px = 100.0
    for time_ms in range(T0, T0 + seconds * 1000, 500):
        mid_px *= math.exp(random_.gauss(0, 3e-5))
        if random_.random() < 0.5:
            yield time_ms, trades(time_ms, f"{mid_px:.4f}", side=random_.choice("BA"))
        yield time_ms, around(time_ms, mid_px)


def crash(start_ms: int, seconds: float, frac: float, sides: str = "A") -> Iterator[tuple[int, Any]]:
    """Blocks of 70 ms with orders of one side (the sides in turn), and a price that moves evenly."""
    blocks = int(seconds * 1000 / 70)
    for n in range(1, blocks + 1):
        time_ms, mid_px = start_ms + 70 * n, 100 * (1 + frac * n / blocks)
        yield time_ms, trades(time_ms, *[f"{mid_px:.4f}"] * 2, side=sides[n % len(sides)])
        yield time_ms, around(time_ms, mid_px)


def ran(*courses: Iterator[tuple[int, Any]]) -> tuple[Cascade, CascadePull, CascadeKill, int]:
    rules, now_ms = cascade_checks(COIN, CONFIG), T0
    for course in courses:
        for now_ms, msg in course:
            for rule in rules:
                rule.hear(now_ms, msg)
    return *rules, now_ms


def test_a_quiet_market_is_no_cascade_and_the_first_minute_and_a_half_says_nothing() -> None:
    first, *_, now_ms = ran(quiet_market(90))
    assert first.read(now_ms).value is None
    first, *_, now_ms = ran(quiet_market(600))
    assert first.read(now_ms).value == 0


@pytest.mark.parametrize("frac, side", [(-0.08, "A"), (0.08, "B")])
def test_eight_percent_in_twenty_seconds_stops_everything_within_four(frac: float, side: str) -> None:
    rules = cascade_checks(COIN, CONFIG)
    for now_ms, msg in quiet_market(300):
        rules[0].hear(now_ms, msg)
    begun = {}
    for now_ms, msg in crash(T0 + 300_000, 20, frac, side):
        rules[0].hear(now_ms, msg)
        for rule in rules:
            if rule.read(now_ms).fired:
                begun.setdefault(rule.rule.name, now_ms - T0 - 300_000)
    assert list(begun) == ["cascade", "cascade_pull", "cascade_kill"]
    assert begun["cascade"] <= 2000 and begun["cascade_kill"] <= 4000


def test_it_is_up_at_once_and_down_slowly() -> None:
    first, pull, kill, now_ms = ran(quiet_market(300), crash(T0 + 300_000, 10, -0.04))
    assert kill.read(now_ms).fired and pull.read(now_ms).fired
    for after_ms in range(500, 60_001, 500):
        first.hear(now_ms + after_ms, around(now_ms + after_ms, 96.0))
    after = {seconds: first.read(now_ms + 60_000 + seconds * 1000).value for seconds in (0, 30)}
    assert after[0] is not None and after[30] is not None
    assert 0.1 < after[0] < 0.2 and after[30] == pytest.approx(after[0] / math.e)


def test_each_of_the_three_traces_has_to_be_there() -> None:
    """Orders of one side without a move; a move under orders of both sides; a move with hardly an order."""
    still, both = (list(crash(T0 + 300_000, 10, *how)) for how in ((0.0, "A"), (-0.04, "AB")))
    alone = [(now_ms, msg) for now_ms, msg in crash(T0 + 300_000, 10, -0.04) if isinstance(msg, Book)]
    missing = []
    for course in (still, both, alone):
        severity, now_ms = Severity(0.5, 5.0), T0
        for now_ms, msg in [*quiet_market(300), *course]:
            if isinstance(msg, Book):
                severity.add_book(now_ms, msg)
            else:
                severity.add_trades(now_ms, msg)
        found = severity.parts(now_ms)
        assert found is not None and found.instant == 0
        missing.append([name for name, trace in found._asdict().items() if trace == 0])
    assert missing == [["s_move"], ["s_flow"], ["s_intensity", "s_flow"]]


def test_a_handful_of_orders_on_a_quiet_coin_is_no_cascade() -> None:
    """Five orders in half a second where one an hour is usual, and a move of six standard deviations."""
    rules = cascade_checks(COIN, CONFIG)
    for now_ms in range(T0, T0 + 600_000, 500):
        rules[0].hear(now_ms, around(now_ms, 100 * (1 + 1e-5 * (now_ms // 5000 % 2))))
    for n in range(5):
        now_ms = T0 + 600_000 + 100 * n
        rules[0].hear(now_ms, trades(now_ms, "99.9", side="A"))
        rules[0].hear(now_ms, around(now_ms, 99.94))
    assert not rules[0].read(T0 + 600_400).fired


def test_a_hole_of_a_day_does_not_make_the_next_orders_look_many() -> None:
    day_ms = 86_400_000
    later = ((now_ms + day_ms, later_by(day_ms, msg)) for now_ms, msg in quiet_market(600, seed=8))
    rules, highest = cascade_checks(COIN, CONFIG), 0.0
    for course in (quiet_market(1200), later):
        for now_ms, msg in course:
            rules[0].hear(now_ms, msg)
            highest = max(highest, rules[0].read(now_ms).value or 0.0)
    assert highest < 0.3


def later_by(shift_ms: int, msg: Any) -> Any:
    at_ms = int(msg.received_ms) + shift_ms
    if isinstance(msg, Trades):
        return trades(at_ms, str(msg.trades[0].px), side=msg.trades[0].side)
    return around(at_ms, msg.mid_px)


@pytest.mark.parametrize(
    "severity, fired, spread, size",
    [
        (0.2999, (False, False, False), 1.0, 1.0),
        (0.3, (True, False, False), 1.5, 1.0),
        (0.4999, (True, False, False), 1.5, 1.0),
        (0.5, (True, False, False), 2.5, 0.5),
        (0.7999, (True, False, False), 2.5, 0.5),
        (0.8, (True, True, False), 2.5, 0.5),
        (0.95, (True, True, False), 2.5, 0.5),
        (0.9501, (True, True, True), 2.5, 0.5),
    ],
)
def test_the_table_of_actions(severity: float, fired: tuple[bool, ...], spread: float, size: float) -> None:
    class Given(Severity):
        def value(self, now_ms: int) -> float:
            return severity

    given = Given(1.0, 1.0)
    rules = Cascade(given, CONFIG), CascadePull(given, CONFIG), CascadeKill(given, CONFIG)
    readings = [rule.read(T0) for rule in rules]
    assert tuple(reading.fired for reading in readings) == fired
    assert (readings[0].spread, readings[0].size) == (spread, size)
    table = action(severity, CONFIG)
    assert table.quote is not fired[1] and table.spread == spread
    assert table.size == (size if table.quote else 0)
