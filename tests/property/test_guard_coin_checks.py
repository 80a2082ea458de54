"""For every course of a coin's messages: a check says what it heard, loosens nothing, knows nothing too early."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.guard.checks.adverse import AdverseSelection
from services.guard.checks.cascade import cascade_checks
from services.guard.checks.frozen import FrozenBook
from services.guard.checks.funding import FundingLimit
from services.guard.checks.inventory import Inventory
from services.guard.checks.prices import PricesApart
from services.guard.checks.quiet import QuietBook
from services.guard.checks.toxicity import Toxicity
from services.guard.config import GuardConfig
from services.guard.rules import Check, Reading
from shared.messages import AssetConfig
from tests.fixtures.guard_checks import COIN, T0, book, ctx, fill, status, trades

CONFIG = GuardConfig()
Make = Callable[[str, GuardConfig], tuple[Check, ...]]
SINGLE = (QuietBook, FrozenBook, PricesApart, Toxicity, AdverseSelection, FundingLimit, Inventory)
MAKERS: dict[str, Make] = {
    **{make.__name__: lambda coin, config, make=make: (make(coin, config),) for make in SINGLE},
    "cascade_checks": cascade_checks,
}

Step = tuple[int, str, int, int]
gaps = st.sampled_from((0, 1, 70, 500, 5000, 6000, 20_000))
kinds = st.sampled_from(("book", "book", "trades", "ctx", "fill", "status", "config"))
courses = st.lists(st.tuples(gaps, kinds, st.integers(-5, 5), st.integers(0, 3)), max_size=120)


def told(course: list[Step], start_ms: int = T0) -> list[tuple[int, Any]]:
    """The messages of a course, with their times."""
    now_ms, messages = start_ms, []
    for number, (gap_ms, kind, level, variant) in enumerate(course, 1000):
        now_ms += gap_ms
        messages.append((now_ms, _message(now_ms, number, kind, level, variant)))
    return messages


def _message(now_ms: int, number: int, kind: str, level: int, variant: int) -> Any:
    px = 100 + level * 0.25
    match kind:
        case "book":
            return book(now_ms, f"{px - 0.01:.2f}", f"{px + 0.01:.2f}", epoch=1 + variant // 3)
        case "trades":
            return trades(now_ms, *[f"{px:.2f}"] * variant * 5, side="BA"[level < 0], tid=number * 100)
        case "ctx":
            return ctx(now_ms, f"{px:.2f}", level / 10_000)
        case "fill":
            return fill(now_ms, "bid" if level < 0 else "ask", seq=number, position=str(level))
        case "status":
            return status(str(level))
        case _:
            return AssetConfig(coin=COIN, max_inv_usd=50.0 * (1 + variant))


def _known() -> list[tuple[int, Any]]:
    """Six minutes after which every check has something to say."""
    steps = [
        step
        for n in range(36)
        for step in ((0, "fill", n % 2 * 2 - 1, 1), (5000, "book", n % 2, 1), (5000, "book", n % 3, 1))
    ]
    return [*told(steps), (T0, ctx(T0)), (T0, status("0"))]


KNOWN = _known()
KNOWN_MS = max(now_ms for now_ms, _ in KNOWN)


def readings(checks: tuple[Check, ...], messages: list[tuple[int, Any]], look_ms: int) -> list[list[Reading]]:
    """After each message, and `look_ms` after it."""
    seen = []
    for now_ms, msg in messages:
        for check in checks:
            check.hear(now_ms, msg)
        seen.append([check.read(now_ms) for check in checks])
    last_ms = messages[-1][0] if messages else T0
    return [*seen, [check.read(last_ms + look_ms) for check in checks]]


@pytest.mark.parametrize("name", MAKERS)
@given(course=courses, look_ms=st.integers(0, 60_000))
def test_the_same_course_gives_the_same_readings_however_often_they_are_asked_for(
    name: str, course: list[Step], look_ms: int
) -> None:
    messages = [*KNOWN, *told(course, KNOWN_MS)]
    one, two, last_ms = MAKERS[name](COIN, CONFIG), MAKERS[name](COIN, CONFIG), T0
    expected = readings(one, messages, look_ms)
    for last_ms, msg in messages:
        for check in two:
            check.hear(last_ms, msg)
    assert [check.read(last_ms + look_ms) for check in two] == expected[-1]
    assert readings(MAKERS[name](COIN, CONFIG), messages, look_ms) == expected


@pytest.mark.parametrize("name", MAKERS)
@given(course=courses, look_ms=st.integers(0, 60_000))
def test_nothing_is_loosened_and_what_fires_is_known(name: str, course: list[Step], look_ms: int) -> None:
    messages = [*KNOWN, *told(course, KNOWN_MS)]
    for moment in readings(MAKERS[name](COIN, CONFIG), messages, look_ms):
        for reading in moment:
            assert reading.spread >= 1 and 0 <= reading.size <= 1
            assert reading.limit > 0
            assert not reading.fired or reading.value is not None or name == "PricesApart"
    assert all(reading.value is not None for reading in moment) or name == "Toxicity" or name == "PricesApart"


@pytest.mark.parametrize("name", MAKERS)
def test_a_check_that_heard_nothing_knows_nothing(name: str) -> None:
    for check in MAKERS[name](COIN, CONFIG):
        reading = check.read(T0)
        assert reading.value is None and not reading.fired and reading.closeness_frac is None


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 3)), min_size=1, max_size=17),
    st.sampled_from([name for name in MAKERS if name in ("Toxicity", "AdverseSelection", "cascade_checks")]),
)
def test_estimates_never_fire_while_they_warm_up(moves: list[tuple[int, int]], name: str) -> None:
    """Eighty-five seconds of any prices, flow and a dozen fills."""
    checks = MAKERS[name](COIN, CONFIG)
    for n, (level, count) in enumerate(moves, 1):
        now_ms, px = T0 + 5000 * n, 100 + level * 2
        for msg in (
            trades(now_ms, *[str(px)] * count * 10, side="BA"[level < 0]),
            book(now_ms, f"{px - 0.01}", f"{px + 0.01}"),
            *((fill(now_ms, seq=n),) if n <= 13 else ()),
        ):
            for check in checks:
                check.hear(now_ms, msg)
        assert not any(check.read(now_ms).fired for check in checks)


@pytest.mark.parametrize("name", ["QuietBook", "PricesApart", "FundingLimit", "Toxicity", "AdverseSelection"])
@given(course=courses, by=st.randoms(use_true_random=False))
def test_the_order_of_news_of_the_same_time_does_not_matter(name: str, course: list[Step], by: Any) -> None:
    """At most one message of a kind at a time: there is one book, one context and one block of trades then."""
    newest = {(now_ms, type(msg)): (now_ms, msg) for now_ms, msg in told(course, KNOWN_MS + 1)}
    messages = [*KNOWN, *newest.values()]
    mixed = [*KNOWN, *sorted(newest.values(), key=lambda item: (item[0], by.random()))]
    one, two = (MAKERS[name](COIN, CONFIG)[0] for _ in range(2))
    for (now_ms, msg), (_, other) in zip(messages, mixed, strict=True):
        one.hear(now_ms, msg)
        two.hear(now_ms, other)
    assert one.read(messages[-1][0]).value == two.read(messages[-1][0]).value


@given(st.integers(-300, 300), st.integers(-300, 300), st.booleans(), st.sampled_from((FrozenBook, PricesApart)))
def test_a_block_told_in_either_order_accuses_nobody(before: int, after: int, first: bool, make: Any) -> None:
    """A jump of any size within a block: its prints tell the new price, and so does its book."""
    check = make(COIN, CONFIG)
    old, new = (100 + bps / 100 for bps in (before, after))
    for n in range(10):
        now_ms, px = T0 + 1000 * n, old if n < 5 else new
        block = [trades(now_ms, f"{px:.2f}"), book(now_ms, f"{px - 0.01:.2f}", f"{px + 0.01:.2f}")]
        for msg in block if first else reversed(block):
            check.hear(now_ms, msg)
        assert not check.read(now_ms).fired
