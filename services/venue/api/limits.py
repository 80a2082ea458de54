"""The venue's limits for one address of the internet (reference page §4.4, §7): REST weight, connections,
messages, subscriptions, followed users, posts in flight. Each can be switched off while the venue runs; it is
counted all the same.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.venue.api import info

WEIGHT_A_MINUTE = 1200
CONNECTIONS = 10
NEW_CONNECTIONS_A_MINUTE = 30
SUBSCRIPTIONS = 1000
USERS = 10
"""Distinct addresses in user-specific subscriptions."""
POSTS_IN_FLIGHT = 100
MESSAGES_A_MINUTE = 2000
WINDOW_S = 60.0
KNOWN_ADDRESSES = 4096
BATCH_A_WEIGHT = 40

LIGHT = (
    info.L2BookOf, info.AllMids, info.ClearinghouseState, info.OrderStatus, info.SpotClearinghouseState,
    info.ExchangeStatus,
)  # fmt: skip
PER_ITEMS: dict[type[info.Request], int] = {
    info.RecentTrades: 20,
    info.HistoricalOrders: 20,
    info.UserFills: 20,
    info.UserFillsByTime: 20,
    info.FundingHistory: 20,
    info.UserFunding: 20,
    info.UserNonFundingLedgerUpdates: 20,
    info.TwapHistory: 20,
    info.UserTwapSliceFills: 20,
    info.UserTwapSliceFillsByTime: 20,
    info.DelegatorHistory: 20,
    info.DelegatorRewards: 20,
    info.CandleSnapshot: 60,
}
"""One more unit of weight for every so many items of the answer."""


def weight(request: info.AnyRequest) -> int:
    """What a request costs before its answer is known."""
    if isinstance(request, info.UserRole):
        return 60
    return 2 if isinstance(request, LIGHT) else 20


def weight_of_answer(request: info.AnyRequest, items: int) -> int:
    per = PER_ITEMS.get(type(request))
    return items // per if per else 0


def weight_of_action(items: int) -> int:
    """What a request to `/exchange` with so many orders or cancels costs."""
    return 1 + items // BATCH_A_WEIGHT


@dataclass
class Switch:
    """Is a limit enforced?"""

    on: bool = True


LIMITS = ("weight", "connections", "new_connections", "messages", "subscriptions", "users", "posts")


def switches(on: bool = True) -> dict[str, Switch]:
    return {name: Switch(on) for name in LIMITS}


@dataclass
class Window:
    """Sum of amounts over the last minute."""

    limit: int
    switch: Switch = field(default_factory=Switch)
    total: int = 0
    spent: deque[tuple[float, int]] = field(default_factory=deque)

    def take(self, now_s: float, amount: int = 1) -> bool:
        """Spend `amount`, or refuse it and spend nothing."""
        if self.switch.on and self.used(now_s) + amount > self.limit:
            return False
        self.charge(now_s, amount)
        return True

    def charge(self, now_s: float, amount: int) -> None:
        self.used(now_s)
        if amount:
            self.spent.append((now_s, amount))
            self.total += amount

    def used(self, now_s: float) -> int:
        """Spent within the last minute."""
        while self.spent and self.spent[0][0] <= now_s - WINDOW_S:
            self.total -= self.spent.popleft()[1]
        return self.total


@dataclass
class IpLimits:
    """One address."""

    switches: Mapping[str, Switch] = field(default_factory=switches)
    weight: Window = field(init=False)
    new_connections: Window = field(init=False)
    messages: Window = field(init=False)
    connections: int = 0
    subscriptions: int = 0
    users: Counter[str] = field(default_factory=Counter)
    """User-specific subscriptions by address."""
    posts: int = 0
    """Actions posted over websockets that wait for their answer."""

    def __post_init__(self) -> None:
        self.weight = Window(WEIGHT_A_MINUTE, self.switches["weight"])
        self.new_connections = Window(NEW_CONNECTIONS_A_MINUTE, self.switches["new_connections"])
        self.messages = Window(MESSAGES_A_MINUTE, self.switches["messages"])

    def may_connect(self, now_s: float) -> bool:
        return self._within("connections", self.connections < CONNECTIONS) and self.new_connections.take(now_s)

    def may_subscribe(self) -> bool:
        return self._within("subscriptions", self.subscriptions < SUBSCRIPTIONS)

    def may_track(self, user: str) -> bool:
        return self._within("users", user in self.users or len(self.users) < USERS)

    def may_post(self) -> bool:
        return self._within("posts", self.posts < POSTS_IN_FLIGHT)

    def untrack(self, user: str) -> None:
        """One subscription less; without any the address is no longer counted."""
        self.users[user] -= 1
        if not self.users[user]:
            del self.users[user]

    def counters(self, now_s: float) -> dict[str, Any]:
        """[used, limit] of every limit, and who is followed."""
        return {
            "weight": [self.weight.used(now_s), WEIGHT_A_MINUTE],
            "connections": [self.connections, CONNECTIONS],
            "new_connections": [self.new_connections.used(now_s), NEW_CONNECTIONS_A_MINUTE],
            "messages": [self.messages.used(now_s), MESSAGES_A_MINUTE],
            "subscriptions": [self.subscriptions, SUBSCRIPTIONS],
            "users": [len(self.users), USERS],
            "posts": [self.posts, POSTS_IN_FLIGHT],
            "followed": sorted(self.users),
        }

    def _within(self, name: str, free: bool) -> bool:
        return free or not self.switches[name].on


class Limits:
    """All addresses of the internet met so far; when they get many, those without a connection are forgotten."""

    def __init__(self, on: bool = True) -> None:
        self.switches = switches(on)
        self._by_ip: dict[str, IpLimits] = {}

    def of(self, ip: str) -> IpLimits:
        known = self._by_ip.get(ip)
        if known is None:
            if len(self._by_ip) >= KNOWN_ADDRESSES:
                self._by_ip = {ip: limits for ip, limits in self._by_ip.items() if limits.connections}
            known = self._by_ip[ip] = IpLimits(self.switches)
        return known

    def counters(self, now_s: float) -> dict[str, dict[str, Any]]:
        return {ip: limits.counters(now_s) for ip, limits in self._by_ip.items()}
