"""The venue's limits per address, as the client keeps them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue.api import limits as venue
from shared.hyperliquid.limits import (
    CONNECTIONS,
    NEW_CONNECTIONS_A_MINUTE,
    POSTS_IN_FLIGHT,
    WINDOW_S,
    IpLimits,
    Window,
    weight_of_action,
    weight_of_info,
    weight_of_items,
)

requests = st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60), st.booleans()), max_size=300)


@given(requests)
def test_the_venue_never_refuses_what_the_window_lets_through(asked: list[tuple[float, int, bool]]) -> None:
    """Even when everything arrives up to a second later than it left."""
    ours, theirs, now_s = Window(200), venue.Window(200), 0.0
    late = (0.0, 0.999)
    for number, (pause_s, amount, urgent) in enumerate(asked):
        now_s += pause_s + 1.0
        if not ours.take(now_s, amount, urgent=urgent):
            assert theirs.take(now_s + late[number % 2], amount)


@given(requests)
def test_the_wait_is_as_long_as_it_must_be(asked: list[tuple[float, int, bool]]) -> None:
    window, now_s = Window(200), 0.0
    for pause_s, amount, urgent in asked:
        now_s += pause_s
        wait_s = window.take(now_s, amount, urgent=urgent)
        if wait_s:
            assert window.wait_s(now_s + wait_s / 2, amount, urgent=urgent) > 0
            now_s += wait_s + 1e-6
            assert window.take(now_s, amount, urgent=urgent) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=200))
def test_cancels_find_room_whatever_else_is_asked(asked: list[tuple[float, int]]) -> None:
    """A tenth of the limit is theirs."""
    window, now_s, cancels = Window(100), 0.0, 0
    for pause_s, amount in asked:
        now_s += pause_s
        window.take(now_s, amount)
        if cancels < 10:
            assert window.take(now_s, urgent=True) == 0
            cancels += 1


def test_more_than_the_limit_never_fits() -> None:
    assert Window(10).take(0.0, 11) == float("inf")


def test_after_the_window_everything_is_free_again() -> None:
    window = Window(10)
    assert window.take(5.0, 10, urgent=True) == 0
    assert window.take(6.0, 1) == WINDOW_S - 1.0
    assert window.used(5.0 + WINDOW_S - 0.001) == 10
    assert window.take(5.0 + WINDOW_S, 9) == 0


@pytest.mark.parametrize(
    ("kind", "weight"),
    [("l2Book", 2), ("allMids", 2), ("clearinghouseState", 2), ("orderStatus", 2), ("exchangeStatus", 2),
     ("spotClearinghouseState", 2), ("userRole", 60), ("openOrders", 20), ("meta", 20), ("userFills", 20)],
)  # fmt: skip
def test_weights_of_questions(kind: str, weight: int) -> None:
    assert weight_of_info(kind) == weight


@pytest.mark.parametrize(
    ("kind", "items", "weight"), [("userFills", 19, 0), ("userFills", 2000, 100), ("userFunding", 40, 2),
                                  ("candleSnapshot", 120, 2), ("openOrders", 5000, 0)],
)  # fmt: skip
def test_long_answers_weigh_more(kind: str, items: int, weight: int) -> None:
    assert weight_of_items(kind, items) == weight


@pytest.mark.parametrize(("orders", "weight"), [(0, 1), (1, 1), (39, 1), (40, 2), (79, 2), (200, 6)])
def test_weights_of_actions(orders: int, weight: int) -> None:
    assert weight_of_action(orders) == weight


def let_through(ask: Callable[[], bool]) -> int:
    """How often in a row."""
    many = 0
    while ask():
        many += 1
    return many


def test_connections_at_a_time_and_a_minute() -> None:
    limits = IpLimits()
    assert let_through(lambda: limits.may_connect(0.0)) == CONNECTIONS
    for _ in range(NEW_CONNECTIONS_A_MINUTE - CONNECTIONS):
        limits.disconnected()
        assert limits.may_connect(1.0)
    limits.disconnected()
    assert not limits.may_connect(2.0)
    assert limits.may_connect(0.0 + WINDOW_S)


def test_the_last_posts_are_for_cancels() -> None:
    limits = IpLimits()
    limits.posts = POSTS_IN_FLIGHT * 9 // 10
    assert not limits.may_post(urgent=False) and limits.may_post(urgent=True)
    limits.posts = POSTS_IN_FLIGHT
    assert not limits.may_post(urgent=True)
