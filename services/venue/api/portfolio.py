"""Account value, profit and volume over time, sampled for the request `portfolio`.

Profit is account value less what came from outside: deposits and transfers in, minus those out. The variants
`perp…` count the perp side only, so that a transfer from spot is a deposit to them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.venue.api.shapes import money
from services.venue.api.state import HOUR_MS, MINUTE_MS
from services.venue.exchange import margin
from services.venue.exchange.account import Account
from services.venue.exchange.facts import BalanceChanged
from services.venue.exchange.listing import micro
from services.venue.exchange.world import SPOT, World

FROM_OUTSIDE = ("deposit", "transfer", "withdraw")
SAMPLE_MS = 5 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of history; a point in it every `spacing_ms`."""

    name: str
    length_ms: int
    spacing_ms: int


WINDOWS = (
    Window("day", DAY_MS, SAMPLE_MS),
    Window("week", 7 * DAY_MS, HOUR_MS),
    Window("month", 30 * DAY_MS, 4 * HOUR_MS),
    Window("allTime", 1000 * DAY_MS, DAY_MS),
)


class Point(NamedTuple):
    """Micro-dollars at one moment; `pnl` and `ntl` since the account was opened."""

    time_ms: int
    value: int
    perp_value: int
    pnl: int
    perp_pnl: int
    ntl: int


@dataclass(slots=True)
class Portfolio:
    """One account: net deposits by pool (a dex or `spot`) and its samples by window."""

    deposits: dict[str, int] = field(default_factory=dict)
    samples: tuple[deque[Point], ...] = field(
        default_factory=lambda: tuple(deque(maxlen=window.length_ms // window.spacing_ms) for window in WINDOWS)
    )


class Portfolios:
    """Those of all accounts. Fed with facts and once a block with the time."""

    def __init__(self) -> None:
        self._by_user: dict[str, Portfolio] = {}
        self._next_ms = 0

    def note(self, fact: BalanceChanged) -> None:
        if fact.reason in FROM_OUTSIDE:
            deposits = self._of(fact.user).deposits
            deposits[fact.pool] = deposits.get(fact.pool, 0) + micro(fact.usd)

    def step(self, world: World, now_ms: int) -> None:
        """Take a sample of every account when one is due."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms - now_ms % SAMPLE_MS + SAMPLE_MS
        for account in world.accounts:
            point = self._point(world, account, now_ms)
            for window, samples in zip(WINDOWS, self._of(account.address).samples, strict=True):
                if not samples or now_ms // window.spacing_ms > samples[-1].time_ms // window.spacing_ms:
                    samples.append(point)

    def net_deposit(self, pool: str) -> int:
        """Micro-dollars that all accounts have put into a dex and not taken out."""
        return sum(portfolio.deposits.get(pool, 0) for portfolio in self._by_user.values())

    def net_deposit_of(self, user: str) -> int:
        """Micro-dollars that an account got from outside, less what left it."""
        return sum(self._by_user.get(user, Portfolio()).deposits.values())

    def answer(self, world: World, account: Account, now_ms: int) -> list[list[Any]]:
        """The last point of every history is now."""
        now = self._point(world, account, now_ms)
        portfolio = self._by_user.get(account.address, Portfolio())
        shown = [
            [*(point for point in samples if now_ms - window.length_ms < point.time_ms < now_ms), now]
            for window, samples in zip(WINDOWS, portfolio.samples, strict=True)
        ]
        return [
            [_name(window.name, perp), _history(points, perp)]
            for perp in (False, True)
            for window, points in zip(WINDOWS, shown, strict=True)
        ]

    def _of(self, user: str) -> Portfolio:
        return self._by_user.setdefault(user, Portfolio())

    def _point(self, world: World, account: Account, now_ms: int) -> Point:
        deposits = self._by_user.get(account.address, Portfolio()).deposits
        perp_value = sum(margin.account_value(world, account, dex) for dex in account.pools)
        perp_deposits = sum(amount for pool, amount in deposits.items() if pool != SPOT)
        value = perp_value + account.spot_usd
        pnl = value - perp_deposits - deposits.get(SPOT, 0)
        return Point(now_ms, value, perp_value, pnl, perp_value - perp_deposits, account.cum_ntl)


def _name(window: str, perp: bool) -> str:
    return "perp" + window[0].upper() + window[1:] if perp else window


def _history(points: list[Point], perp: bool) -> dict[str, Any]:
    """Profit and volume count from the first point shown."""
    value: Callable[[Point], int] = (lambda point: point.perp_value) if perp else (lambda point: point.value)
    pnl: Callable[[Point], int] = (lambda point: point.perp_pnl) if perp else (lambda point: point.pnl)
    return {
        "accountValueHistory": [[point.time_ms, money(value(point))] for point in points],
        "pnlHistory": [[point.time_ms, money(pnl(point) - pnl(points[0]))] for point in points],
        "vlm": money(points[-1].ntl - points[0].ntl),
    }
