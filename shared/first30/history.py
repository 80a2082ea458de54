"""What one look cannot tell: since when something is so, how money went, whether estimates move."""

from collections import deque
from dataclasses import dataclass, field

from shared.first30.look import Look, Money

MINUTE_MS = 60_000
ERRORS_OVER_MS = 300_000
TREND_OVER_MINUTES = 15
_MOST_LOOKS = 2_000
"""Remembered of error counts: more than five minutes bring."""


@dataclass(frozen=True, slots=True)
class Point:
    """The session after so many minutes; money in USD since the watching began."""

    minute: float
    pnl_usd: float
    volume_usd: float
    fills: int


@dataclass(slots=True)
class Moving:
    """Which coins' estimates have changed since they were first known."""

    first: dict[str, float] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)

    def take(self, coin: str, value: float | None) -> None:
        if value is not None and self.first.setdefault(coin, value) != value:
            self.moved.add(coin)


class History:
    """Looks in the order of their time, reduced to what the checks ask."""

    def __init__(self, first: Look, minutes: float) -> None:
        """A session older than the time to watch is watched from now on, a younger one from its own beginning."""
        young = first.time_ms - first.session_start_ms < minutes * MINUTE_MS
        self.began_ms = float(first.session_start_ms) if young else first.time_ms
        self._base = Money(0.0, 0.0, 0.0, 0.0, 0) if young else first.money
        self.now = first
        self.curve: list[Point] = []
        """One point a minute."""
        self.reach, self.adverse = Moving(), Moving()
        self._quoted_ms = {coin.coin: first.time_ms for coin in first.coins if coin.placed}
        """Orders of before the first look have rested until nobody knows when."""
        if self._quoted_ms:
            self._quoted_ms[""] = first.time_ms
        self._errors: deque[tuple[float, int]] = deque(maxlen=_MOST_LOOKS)
        self.take(first)

    def take(self, look: Look) -> None:
        self.now = look
        for coin in look.coins:
            if (coin.resting and not look.silent) or not coin.wanted:
                self._quoted_ms[coin.coin] = look.time_ms
            self.reach.take(coin.coin, coin.reach_bps)
            self.adverse.take(coin.coin, coin.adverse_bps)
        if look.resting:
            self._quoted_ms[""] = look.time_ms
        if look.live is not None:
            self._errors.append((look.time_ms, sum(look.live.errors.values())))
        if not self.curve or self.minutes >= int(self.curve[-1].minute) + 1:
            self.curve.append(self.point)

    @property
    def minutes(self) -> float:
        """Since the beginning."""
        return max(0.0, self.now.time_ms - self.began_ms) / MINUTE_MS

    @property
    def point(self) -> Point:
        money = self.now.money
        return Point(
            minute=round(self.minutes, 2),
            pnl_usd=money.pnl - self._base.pnl,
            volume_usd=money.volume - self._base.volume,
            fills=money.fills - self._base.fills,
        )

    def unquoted_minutes(self, coin: str = "") -> float:
        """How long a coin that is meant to be quoted has had no order, or "": nothing of ours has rested."""
        return (self.now.time_ms - self._quoted_ms.get(coin, self.began_ms)) / MINUTE_MS

    @property
    def edge_bps(self) -> float | None:
        """Net PnL for each dollar traded; None before the first."""
        point = self.point
        return point.pnl_usd / point.volume_usd * 1e4 if point.volume_usd > 0 else None

    @property
    def recent_errors(self) -> int:
        """Requests that went wrong in the last five minutes; a restart of the executor counts from 0 again."""
        kept = [count for time_ms, count in self._errors if self.now.time_ms - time_ms <= ERRORS_OVER_MS]
        return sum(max(0, after - before) for before, after in zip(kept, kept[1:], strict=False))

    @property
    def trend(self) -> tuple[float, float] | None:
        """Least-squares slope of the PnL in USD an hour over the last quarter of an hour, and how much of its
        variance that explains; None before there are four points."""
        points = [point for point in self.curve if point.minute > self.minutes - TREND_OVER_MINUTES]
        if len(points) < 4:
            return None
        mean_x = sum(point.minute for point in points) / len(points)
        mean_y = sum(point.pnl_usd for point in points) / len(points)
        xx = sum((point.minute - mean_x) ** 2 for point in points)
        yy = sum((point.pnl_usd - mean_y) ** 2 for point in points)
        xy = sum((point.minute - mean_x) * (point.pnl_usd - mean_y) for point in points)
        return xy / xx * 60, xy * xy / (xx * yy) if yy > 0 else 0.0
