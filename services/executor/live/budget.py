"""The request budget of an address as arithmetic (reference page §7).

Every order, cancel and modify counts one, in batches too; the venue allows 10,000 and one for each dollar traded.
Cancels are let through longer. Beyond its limit an address gets one request through each ten seconds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import sqrt

from services.executor.config import ExecutorConfig
from shared.hyperliquid.account import RateLimit

MORE_CANCELS = 100_000
BEYOND_EVERY_MS = 11_500
"""The venue's ten seconds run from its answer; those who measured got one request through each 11.1 s."""
REQUEST_PRICE_USD = 0.0005
"""Of `reserveRequestWeight`, which the master key must sign."""
REDUCE_BELOW_FRAC = 0.1
MAX_WIDENING = 4.0
FLOOR_SHARE = 0.25
"""Part of the pace that is divided evenly, so that every coin can keep its orders in place."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests counted and allowed. Bought ones are used up before others count (`nRequestsSurplus`)."""

    used: int
    cap: int
    bought: int = 0

    @classmethod
    def told(cls, rate_limit: RateLimit) -> "Budget":
        return cls(rate_limit.n_requests_used, rate_limit.n_requests_cap, max(rate_limit.n_requests_surplus, 0))

    @property
    def left(self) -> int:
        """Requests of any kind that the venue still takes; it refuses the one that would reach the cap."""
        return max(self.cap - 1 + self.bought - self.used, 0)

    @property
    def cancels_left(self) -> int:
        """The same for cancels."""
        return max(self.cancel_cap - 1 + self.bought - self.used, 0)

    @property
    def cancel_cap(self) -> int:
        return min(self.cap + MORE_CANCELS, 2 * self.cap)

    def after(self, requests: int) -> "Budget":
        return Budget(self.used + requests, self.cap, self.bought)

    def exhausted(self, *, cancels: bool) -> "Budget":
        """What a refusal teaches: nothing is left for requests of that kind."""
        cap = self.cancel_cap if cancels else self.cap
        return replace(self, used=max(self.used, cap - 1 + self.bought))


def headroom(budget: Budget, full_requests: int) -> float:
    """Requests left as a fraction of a full budget.

    Not of the cap: that grows with all the volume ever traded, so the same thousands of requests would look like
    less every day.
    """
    return min(budget.left / full_requests, 1.0)


def widening(headroom_frac: float) -> float:
    """Factor on spreads and on the requote threshold.

    A price that wanders leaves a band of width d every (d/σ)² seconds: 1/√headroom makes an order's replacements
    proportional to what is left for them.
    """
    if headroom_frac <= MAX_WIDENING**-2:
        return MAX_WIDENING
    return max(1 / sqrt(headroom_frac), 1.0)


def only_reducing(headroom_frac: float) -> bool:
    return headroom_frac < REDUCE_BELOW_FRAC


def pace_per_hour(config: ExecutorConfig, left: int, earned_per_hour: float) -> float:
    """Requests an hour that can be afforded: what is left spread over the horizon, and most of what trading earns.

    The rest of the earnings refills the budget: it settles where left = saved part · earnings · horizon.
    """
    free = max(left - config.budget_cancel_reserve, 0)
    return free / config.budget_horizon_h + config.budget_respend_frac * earned_per_hour


def shares(coins: Collection[str], edges_bps: Mapping[str, float]) -> dict[str, float]:
    """Each coin's part of the pace, by expected edge of its fills; an unknown edge counts as an average one."""
    known = [max(edges_bps[coin], 0.0) for coin in coins if coin in edges_bps]
    average = sum(known) / len(known) if any(known) else 1.0
    weights = {coin: max(edges_bps.get(coin, average), 0.0) for coin in coins}
    total = sum(weights.values())
    if not total:
        return {coin: 1 / len(weights) for coin in weights}
    even = FLOOR_SHARE / len(weights)
    return {coin: even + (1 - FLOOR_SHARE) * weight / total for coin, weight in weights.items()}
