"""How many requests each coin may spend now.

The venue's `userRateLimit` is the truth; requests sent since it was asked are counted on top. What trading earns
is what the venue has added to the cap: not every dollar is a request (a tenth on HIP-3 coins in growth mode).
Places are paced: every coin has a purse that fills with its share of what can be afforded. Cancels are not paced.
The last requests (`budget_cancel_reserve`) are for cancels alone.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from services.executor.config import ExecutorConfig
from services.executor.live import budget as arithmetic
from services.executor.live.budget import BEYOND_EVERY_MS, Budget
from services.executor.live.forecast import HOUR_S, Forecast, Rate, hours_to_empty
from shared.hyperliquid.account import RateLimit
from shared.messages import RequestBudget

IN_FLIGHT_MS = 5_000
"""A request sent this shortly before the venue was asked may be missing in its answer; it is counted twice then,
until the next answer."""
RESUME_FRAC = 0.15
"""Headroom at which quoting goes on after it had fallen below a tenth, so that it does not flicker there."""
ACTIVE_MS = 300_000
"""A coin that has not wanted to place for so long gets no share."""
REFILL_MS = 1_000
REFUSED_RETRY_MS = 1_000
"""A cancel refused beyond the budget neither counts nor restarts the venue's wait."""


class Mode(StrEnum):
    """What may be sent, from most to least."""

    QUOTING = "quoting"
    REDUCING = "reducing"
    CANCELS = "cancels"
    """Only the reserve is left, or less: up to the venue's own cap for cancels."""
    BEYOND = "beyond"
    """One request with cancels each 11.5 s."""
    UNKNOWN = "unknown"
    """The venue has not told yet: only cancels."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Orders (or modifies) and cancels that may be sent now; `only_reducing`: the orders towards flat."""

    places: int
    cancels: int
    only_reducing: bool


@dataclass(slots=True)
class _Purse:
    """Requests a coin may spend; below zero after cancels."""

    requests: float
    wanted_ms: int


class Planner:
    """Pure: answers of the venue, own requests and time in; allowances out. Times in ms."""

    def __init__(self, config: ExecutorConfig) -> None:
        self._config = config
        self._told: Budget | None = None
        self._asked_ms = 0
        self._sent_since: deque[tuple[int, int]] = deque()
        self._sent_total = 0
        self._reducing = False
        self._beyond_ms: int | None = None
        self._next_beyond_ms = 0
        self._purses: dict[str, _Purse] = {}
        self._filled_ms: int | None = None
        self._edges_bps: dict[str, float] = {}
        self._spent, self._earned, self._forecast = Rate(), Rate(), Forecast()

    # ---- what happened ----

    def learn(self, asked_ms: int, rate_limit: RateLimit) -> None:
        """The venue's answer to a question of `asked_ms`; one older than the last is not used."""
        if asked_ms < self._asked_ms:
            return
        before, told = self._told, Budget.told(rate_limit)
        self._asked_ms, self._told = asked_ms, told
        while self._sent_since and self._sent_since[0][0] < asked_ms - IN_FLIGHT_MS:
            self._sent_total -= self._sent_since.popleft()[1]
        self._spent.start(asked_ms)
        self._earned.add(asked_ms, max(told.cap - before.cap, 0) if before is not None else 0)
        self._forecast.observe(
            asked_ms, told.left, self._spent.per_hour(asked_ms), self._earned.per_hour(asked_ms)
        )
        self._judge()

    def note_sent(self, now_ms: int, coin: str, places: int, cancels: int) -> None:
        """Handed over to be sent: say so before the next `allow`. Account-wide actions: coin "", a place each."""
        budget, requests = self.budget, places + cancels
        if cancels and budget is not None and not budget.cancels_left and now_ms >= self._next_beyond_ms:
            self._beyond_ms, self._next_beyond_ms = now_ms, now_ms + BEYOND_EVERY_MS
        self._sent_since.append((now_ms, requests))
        self._sent_total += requests
        self._spent.add(now_ms, requests)
        purse = self._purses.get(coin)
        if purse is not None:
            purse.requests = max(purse.requests - requests, -self._config.budget_burst_requests)
        self._judge()

    def note_refused(self, now_ms: int, *, cancels: bool) -> None:
        """The venue says the budget is empty: more was spent than we know. Nothing is placed until `learn`."""
        if self._told is not None:
            self._told = self._told.exhausted(cancels=cancels)
            self._judge()
        if cancels:
            self._beyond_ms, self._next_beyond_ms = None, now_ms + REFUSED_RETRY_MS

    def note_edge(self, coin: str, edge_bps: float | None) -> None:
        """Expected net edge of the coin's fills; None: not known (yet)."""
        if edge_bps is None:
            self._edges_bps.pop(coin, None)
        else:
            self._edges_bps[coin] = edge_bps

    # ---- what may be sent ----

    def allow(self, now_ms: int, coin: str, n_places: int, n_cancels: int) -> Allowance:
        """What of these may be sent now; nothing is spent by asking.

        Beyond the budget, cancels asked for in the same millisecond belong into the same request.
        """
        purse = self._purses.setdefault(coin, _Purse(self._config.budget_burst_requests, now_ms))
        if n_places:
            purse.wanted_ms = now_ms
        self._refill(now_ms)
        budget = self.budget
        if budget is None:
            return Allowance(0, n_cancels, True)
        cancels = self._cancels(now_ms, budget, n_cancels)
        places = 0
        if n_places and self.mode in (Mode.QUOTING, Mode.REDUCING):
            affordable = min(int(max(purse.requests, 0.0)), budget.left - self._config.budget_cancel_reserve)
            places = max(min(n_places, affordable - cancels), 0)
        return Allowance(places, cancels, self._reducing)

    @property
    def only_reducing(self) -> bool:
        return self._reducing

    def widening(self) -> float:
        """Factor on spreads, 1 to 4."""
        return arithmetic.widening(self._headroom_frac)

    def requote_widening(self, coin: str) -> float:
        """Factor on a coin's requote threshold: by the whole budget or by its purse, whichever is scarcer."""
        purse = self._purses.get(coin)
        purse_frac = 1.0 if purse is None else purse.requests / self._config.budget_burst_requests
        return max(self.widening(), arithmetic.widening(max(purse_frac, 0.0)))

    @property
    def budget(self) -> Budget | None:
        """The venue's last word and everything sent since."""
        return self._told.after(self._sent_total) if self._told is not None else None

    @property
    def mode(self) -> Mode:
        budget = self.budget
        if budget is None:
            return Mode.UNKNOWN
        if not budget.cancels_left:
            return Mode.BEYOND
        if budget.left <= self._config.budget_cancel_reserve:
            return Mode.CANCELS
        return Mode.REDUCING if self._reducing else Mode.QUOTING

    def status(self, now_ms: int) -> RequestBudget:
        budget, score = self.budget or Budget(0, 0), self._forecast.score
        spent, earned = self._spent.per_hour(now_ms), self._earned.per_hour(now_ms)
        return RequestBudget(
            mode=self.mode.value,
            used=budget.used,
            cap=budget.cap,
            left=budget.left,
            headroom_frac=self._headroom_frac,
            widening=self.widening(),
            spent_per_hour=spent,
            earned_per_hour=earned,
            pace_per_hour=arithmetic.pace_per_hour(self._config, budget.left, earned),
            hours_to_empty=hours_to_empty(budget.left - self._config.budget_cancel_reserve, spent, earned),
            forecasts=score.forecasts,
            forecast_error_frac=score.error_frac,
        )

    # ---- within ----

    @property
    def _headroom_frac(self) -> float:
        return arithmetic.headroom(self.budget or Budget(0, 0), self._config.budget_full_requests)

    def _judge(self) -> None:
        if self._told is None:
            return
        frac = self._headroom_frac
        self._reducing = arithmetic.only_reducing(frac) or (self._reducing and frac < RESUME_FRAC)

    def _cancels(self, now_ms: int, budget: Budget, wanted: int) -> int:
        if budget.cancels_left:
            return min(wanted, budget.cancels_left)
        return wanted if now_ms >= self._next_beyond_ms or now_ms == self._beyond_ms else 0

    def _refill(self, now_ms: int) -> None:
        """Divide what could be afforded since the last time among the coins that want to place."""
        if self._filled_ms is None:
            self._filled_ms = now_ms
        elapsed_ms = now_ms - self._filled_ms
        if elapsed_ms < REFILL_MS:
            return
        self._filled_ms = now_ms
        active = [coin for coin, purse in self._purses.items() if now_ms - purse.wanted_ms <= ACTIVE_MS]
        if not active:
            return
        left = self.budget.left if self.budget is not None else 0
        pace = arithmetic.pace_per_hour(self._config, left, self._earned.per_hour(now_ms))
        requests = pace * elapsed_ms / 1000 / HOUR_S
        for coin, share in arithmetic.shares(active, self._edges_bps).items():
            purse = self._purses[coin]
            purse.requests = min(purse.requests + share * requests, self._config.budget_burst_requests)
