"""The venue's limits for one address of the internet: REST weight, connections, messages, subscriptions."""

from collections import Counter, deque
from dataclasses import dataclass, field

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

LIGHT = (info.L2BookOf, info.AllMids, info.ClearinghouseState, info.SpotClearinghouseState, info.ExchangeStatus)
PER_ITEMS: dict[type[info.Request], int] = {
    info.RecentTrades: 20,
    info.FundingHistory: 20,
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


@dataclass
class Window:
    """Sum of amounts over the last minute."""

    limit: int
    total: int = 0
    spent: deque[tuple[float, int]] = field(default_factory=deque)

    def take(self, now_s: float, amount: int = 1) -> bool:
        """Spend `amount`, or refuse it and spend nothing."""
        while self.spent and self.spent[0][0] <= now_s - WINDOW_S:
            self.total -= self.spent.popleft()[1]
        if self.total + amount > self.limit:
            return False
        self.charge(now_s, amount)
        return True

    def charge(self, now_s: float, amount: int) -> None:
        if amount:
            self.spent.append((now_s, amount))
            self.total += amount


@dataclass
class IpLimits:
    """One address."""

    weight: Window = field(default_factory=lambda: Window(WEIGHT_A_MINUTE))
    new_connections: Window = field(default_factory=lambda: Window(NEW_CONNECTIONS_A_MINUTE))
    messages: Window = field(default_factory=lambda: Window(MESSAGES_A_MINUTE))
    connections: int = 0
    subscriptions: int = 0
    users: Counter[str] = field(default_factory=Counter)
    """User-specific subscriptions by address."""
    posts: int = 0
    """Actions posted over websockets that wait for their answer."""

    def may_connect(self, now_s: float) -> bool:
        return self.connections < CONNECTIONS and self.new_connections.take(now_s)

    def may_subscribe(self) -> bool:
        return self.subscriptions < SUBSCRIPTIONS

    def may_track(self, user: str) -> bool:
        return user in self.users or len(self.users) < USERS

    def untrack(self, user: str) -> None:
        """One subscription less; without any the address is no longer counted."""
        self.users[user] -= 1
        if not self.users[user]:
            del self.users[user]

    def may_post(self) -> bool:
        return self.posts < POSTS_IN_FLIGHT
