"""What one address of the internet may ask of the venue (reference page §4.4, §7), counted in one place.

Pure: time is an argument, in seconds of a clock that never goes back. One `IpLimits` is shared by everything in a
process that talks to the venue; processes behind one address divide `weight` between them.
"""

from collections import deque

WEIGHT_A_MINUTE = 1200
MESSAGES_A_MINUTE = 2000
NEW_CONNECTIONS_A_MINUTE = 30
CONNECTIONS = 10
POSTS_IN_FLIGHT = 100
WINDOW_S = 61.0
"""A second more than the venue's minute: requests do not arrive as evenly as they leave."""
URGENT_FRAC = 0.1
"""Part of a limit that only cancels may use."""
ORDERS_A_WEIGHT = 40

_LIGHT = frozenset(
    ("l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus")
)
_PER_ITEMS = {
    "recentTrades": 20, "historicalOrders": 20, "userFills": 20, "userFillsByTime": 20, "fundingHistory": 20,
    "userFunding": 20, "nonUserFundingUpdates": 20, "twapHistory": 20, "userTwapSliceFills": 20,
    "userTwapSliceFillsByTime": 20, "delegatorHistory": 20, "delegatorRewards": 20, "validatorStats": 20,
    "candleSnapshot": 60,
}  # fmt: skip
"""One more unit for every so many items of the answer."""


def weight_of_info(kind: str) -> int:
    """Weight of a request to `/info` before its answer is known."""
    if kind == "userRole":
        return 60
    return 2 if kind in _LIGHT else 20


def weight_of_items(kind: str, items: int) -> int:
    """What the length of its answer adds."""
    per = _PER_ITEMS.get(kind)
    return items // per if per else 0


def weight_of_action(orders: int) -> int:
    """Weight of a request to `/exchange` with so many orders or cancels."""
    return 1 + orders // ORDERS_A_WEIGHT


class Window:
    """What was spent within the last minute. Part of it is kept for urgent requests."""

    def __init__(self, limit: int) -> None:
        self._allow(limit)
        self._total = 0
        self._spent: deque[tuple[float, int]] = deque()

    def _allow(self, limit: int) -> None:
        self.limit, self._unhurried = limit, limit - int(limit * URGENT_FRAC)

    def widen(self, limit: int) -> None:
        """What others left may be spent as well."""
        self._allow(max(limit, self.limit))

    def used(self, now_s: float) -> int:
        while self._spent and self._spent[0][0] <= now_s - WINDOW_S:
            self._total -= self._spent.popleft()[1]
        return self._total

    def charge(self, now_s: float, amount: int) -> None:
        """Spend without asking."""
        self.used(now_s)
        if amount:
            self._spent.append((now_s, amount))
            self._total += amount

    def wait_s(self, now_s: float, amount: int, *, urgent: bool = False) -> float:
        """How long until `amount` may be spent; 0: now."""
        excess = self.used(now_s) + amount - (self.limit if urgent else self._unhurried)
        if excess <= 0:
            return 0.0
        for at_s, spent in self._spent:
            excess -= spent
            if excess <= 0:
                return at_s + WINDOW_S - now_s
        return float("inf")

    def take(self, now_s: float, amount: int = 1, *, urgent: bool = False) -> float:
        """Spend `amount` if that may be done now; else nothing is spent and the wait in seconds comes back."""
        wait_s = self.wait_s(now_s, amount, urgent=urgent)
        if not wait_s:
            self.charge(now_s, amount)
        return wait_s


class IpLimits:
    """Everything that is counted by address."""

    def __init__(self, weight: int = WEIGHT_A_MINUTE) -> None:
        self.weight = Window(weight)
        self.messages = Window(MESSAGES_A_MINUTE)
        self.connections = 0
        self.posts = 0
        """On their way or waiting for their answers."""
        self._new_connections = Window(NEW_CONNECTIONS_A_MINUTE)

    def may_connect(self, now_s: float) -> bool:
        """Count a new websocket, or refuse it and count nothing."""
        if self.connections >= CONNECTIONS or self._new_connections.take(now_s, urgent=True):
            return False
        self.connections += 1
        return True

    def disconnected(self) -> None:
        self.connections -= 1

    def may_post(self, *, urgent: bool) -> bool:
        return self.posts < (POSTS_IN_FLIGHT if urgent else POSTS_IN_FLIGHT - int(POSTS_IN_FLIGHT * URGENT_FRAC))
