"""Quoting uptime of one coin: for how long both sides rested, and how close they stood."""

from dataclasses import dataclass, field

from shared.messages import CoinStatus

DAY_MS = 86_400_000


def quote_spread_bps(status: CoinStatus) -> float | None:
    """From our best bid to our best ask; None unless both rest."""
    if status.best_bid_px is None or status.best_ask_px is None:
        return None
    return float((status.best_ask_px - status.best_bid_px) * 20_000 / (status.best_ask_px + status.best_bid_px))


@dataclass(slots=True)
class Seconds:
    """`observed` contains `two_sided`, and that `tight`."""

    observed: float = 0.0
    two_sided: float = 0.0
    tight: float = 0.0

    def add(self, step_s: float, two_sided: bool, tight: bool) -> None:
        self.observed += step_s
        self.two_sided += step_s * two_sided
        self.tight += step_s * tight


@dataclass(slots=True)
class Uptime:
    """Since the monitor started, and of these since UTC midnight."""

    tight_bps: float
    total: Seconds = field(default_factory=Seconds)
    today: Seconds = field(default_factory=Seconds)
    _day: int = 0

    def add(self, step_s: float, until_ms: int, status: CoinStatus) -> None:
        """`step_s` up to `until_ms` in which everything rested as `status` has it."""
        if until_ms // DAY_MS != self._day:
            self._day, self.today = until_ms // DAY_MS, Seconds()
        spread_bps = quote_spread_bps(status)
        two_sided = status.resting_bids > 0 and status.resting_asks > 0
        tight = two_sided and spread_bps is not None and spread_bps <= self.tight_bps
        for seconds in (self.total, self.today):
            seconds.add(step_s, two_sided, tight)
