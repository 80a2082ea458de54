"""`make false-alarms`: every rule of the guard over every real recording: how often, and for how long?

    python -m tests.bench.alarms                     all of ../shared/market-data
    python -m tests.bench.alarms hl-20250904-4coins-a

The whole trading path runs in shadow on each. `times` is how often a rule began to fire, `coin-min` how long
it lasted, each coin counted, `part` what this is of the whole. Not every alarm is false: where a recording ends
sooner for one coin its book is stale, and the flow of some minutes is one-sided. Wrong anywhere is a halt.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.recordings import open_any
from analysis.recordings.foreign import Foreign
from market_maker.replay import RUN_ID, TRADING_PATH, socket_events
from services import load as load_service
from services.ingestor.inputs import Connected
from services.venue.market.replay import Recording
from shared.config import load as load_settings
from shared.errors import DataError
from shared.messages import HaltState, Message, RiskLease, RiskReport, Universe
from shared.pipeline import Pipeline

MARKET_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "market-data"
REPORT_S = 1.0
HOLE_MS = 20_000
Item = tuple[int, Any]


@dataclass
class Alarms:
    """What the guard did in one recording. Seconds are those of coins: all at once count once for each."""

    name: str
    coins: int
    minutes: float
    levels: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    fired_s: Counter[str] = field(default_factory=Counter)
    halts: list[str] = field(default_factory=list)
    silent_s: float = 0.0
    """Sides of coins without permission to quote, halved."""
    _totals: dict[tuple[str, str], int] = field(default_factory=dict)
    _leases: dict[str, RiskLease] = field(default_factory=dict)

    @property
    def coin_minutes(self) -> float:
        return self.coins * self.minutes

    def __call__(self, now_ms: int, message: Message) -> None:
        if isinstance(message, HaltState) and message.halted:
            self.halts.append(message.reason)
        elif isinstance(message, RiskLease):
            self._leases[message.coin] = message
        elif isinstance(message, RiskReport):
            self._take(message)

    def _take(self, report: RiskReport) -> None:
        for rule in report.rules:
            key = rule.rule, rule.coin
            self.levels[rule.rule] = rule.level
            self.times[rule.rule] += rule.fired_total - self._totals.get(key, 0)
            self._totals[key] = rule.fired_total
            if rule.fired:
                self.fired_s[rule.rule] += REPORT_S * (1 if rule.coin else self.coins)
        for lease in self._leases.values():
            self.silent_s += REPORT_S * sum(side.allow == "none" for side in (lease.bid, lease.ask)) / 2

    def rows(self) -> Iterator[str]:
        yield (
            f"{self.name}: {self.coins} coins, {self.minutes:.1f} min; halts: {len(self.halts)};"
            f" no permission to quote {self.silent_s / 60:.2f} of {self.coin_minutes:.1f} coin-min"
        )
        for rule, seconds in sorted(self.fired_s.items(), key=lambda item: -item[1]):
            part = seconds / 60 / self.coin_minutes
            yield (
                f"    {rule:<18} {self.levels[rule]:<7} {self.times[rule]:>5} times"
                f" {seconds / 60:>8.2f} coin-min {part:>7.1%}"
            )


def alarms(source: Recording | Foreign, name: str) -> list[Alarms]:
    """The trading path over each stretch of a recording: after a hole of 20 s it begins anew."""
    return [_session(source, name, stretch) for stretch in _stretches(source)]


def _stretches(source: Recording | Foreign) -> Iterator[list[Item]]:
    stretch: list[Item] = []
    for time_ms, item in socket_events(source):
        if stretch and time_ms - stretch[-1][0] > HOLE_MS:
            yield stretch
            stretch = []
        stretch.append((time_ms, item))
    yield stretch


def _session(source: Recording | Foreign, name: str, items: list[Item]) -> Alarms:
    start_ms = items[0][0]
    found = Alarms(name, len(source.coins), (items[-1][0] - start_ms) / 60_000)
    parts = []
    for service_name in TRADING_PATH:
        service = load_service(service_name)
        parts.append((service, service.core(load_settings(service.config, run_id=RUN_ID))))
    pipeline = Pipeline(parts, found, start_ms)
    for service_name in TRADING_PATH:
        pipeline.feed(start_ms, service_name, Universe(coins=source.coins, time_ms=start_ms))
    pipeline.feed(start_ms, "ingestor", Connected())
    now_ms = start_ms
    for time_ms, item in items:
        now_ms = max(now_ms, time_ms)
        pipeline.feed(now_ms, "ingestor", item)
    pipeline.stop(now_ms)
    return found


def total(sessions: list[Alarms]) -> Alarms:
    first = sessions[0]
    found = Alarms(first.name, first.coins, sum(session.minutes for session in sessions))
    for session in sessions:
        found.levels |= session.levels
        found.times += session.times
        found.fired_s += session.fired_s
        found.halts += session.halts
        found.silent_s += session.silent_s
    return found


def main() -> None:
    wanted = sys.argv[1:] or sorted(folder.name for folder in MARKET_DATA.iterdir() if folder.is_dir())
    for name in wanted:
        try:
            _, source = open_any(MARKET_DATA / name)
        except DataError as error:
            print(str(error).splitlines()[0])
            continue
        print(*total(alarms(source, name)).rows(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
