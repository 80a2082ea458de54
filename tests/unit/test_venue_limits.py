"""Limits of an address of the internet: each holds, each can be switched off alone, and counting goes on."""

from collections.abc import Callable

import pytest

from services.venue.api import info, limits
from services.venue.api.limits import IpLimits, Limits, weight, weight_of_action, weight_of_answer

ALICE = "0x" + "a" * 40


def fill(ip: IpLimits, name: str) -> None:
    """Use a limit up."""
    if name == "connections":
        ip.connections = limits.CONNECTIONS
    elif name == "subscriptions":
        ip.subscriptions = limits.SUBSCRIPTIONS
    elif name == "users":
        ip.users.update(f"0x{number:040x}" for number in range(limits.USERS))
    elif name == "posts":
        ip.posts = limits.POSTS_IN_FLIGHT
    else:
        window = getattr(ip, name)
        assert window.take(0.0, window.limit)


MAY: dict[str, Callable[[IpLimits], bool]] = {
    "weight": lambda ip: ip.weight.take(1.0, 1),
    "connections": lambda ip: ip.may_connect(1.0),
    "new_connections": lambda ip: ip.may_connect(1.0),
    "messages": lambda ip: ip.messages.take(1.0),
    "subscriptions": lambda ip: ip.may_subscribe(),
    "users": lambda ip: ip.may_track(ALICE),
    "posts": lambda ip: ip.may_post(),
}


def test_every_limit_has_a_test() -> None:
    assert MAY.keys() == set(limits.LIMITS)


@pytest.mark.parametrize("name", MAY)
def test_a_limit_holds_until_it_alone_is_switched_off(name: str) -> None:
    known = Limits()
    ip = known.of("127.0.0.1")
    fill(ip, name)
    for other, switch in known.switches.items():
        switch.on = other == name
    assert not MAY[name](ip)
    used, most = ip.counters(1.0)[name]
    assert used == most
    known.switches[name].on = False
    assert MAY[name](ip)


def test_a_window_counts_while_it_is_switched_off() -> None:
    ip = IpLimits(limits.switches(on=False))
    assert ip.weight.take(0.0, 5_000) and ip.counters(59.0)["weight"] == [5_000, limits.WEIGHT_A_MINUTE]
    assert ip.counters(60.0)["weight"] == [0, limits.WEIGHT_A_MINUTE]


def test_a_user_already_followed_costs_nothing_more() -> None:
    ip = IpLimits()
    fill(ip, "users")
    assert ip.may_track(f"0x{3:040x}") and not ip.may_track(ALICE)
    ip.untrack(f"0x{3:040x}")
    assert ip.may_track(ALICE)


def test_addresses_are_limited_apart_and_forgotten_only_without_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "KNOWN_ADDRESSES", 2)
    known = Limits()
    fill(known.of("10.0.0.1"), "weight")
    known.of("10.0.0.2").connections = 1
    assert known.of("10.0.0.3").weight.take(0.0)
    assert set(known.counters(0.0)) == {"10.0.0.2", "10.0.0.3"}


@pytest.mark.parametrize(
    ("request_", "items", "cost"),
    [
        (info.AllMids(), 0, 2),
        (info.OrderStatus(user=ALICE, oid=1), 0, 2),
        (info.ClearinghouseState(user=ALICE), 0, 2),
        (info.UserRole(user=ALICE), 0, 60),
        (info.Meta(), 500, 20),
        (info.OpenOrders(user=ALICE), 500, 20),
        (info.UserFills(user=ALICE), 2_000, 120),
        (info.UserFunding(user=ALICE), 19, 20),
        (info.HistoricalOrders(user=ALICE), 20, 21),
    ],
)
def test_weights_of_info(request_: info.AnyRequest, items: int, cost: int) -> None:
    assert weight(request_) + weight_of_answer(request_, items) == cost


def test_weights_of_actions() -> None:
    assert [weight_of_action(count) for count in (1, 39, 40, 79, 80)] == [1, 1, 2, 2, 3]
