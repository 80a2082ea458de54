"""The state of the whole grid as the streams tell it, and the combined event log.

Reads everything, decides nothing: it publishes only its own notices, about services that fell silent. What it
knows is read by `exposition` at every scrape. Handlers are idempotent: an entry delivered twice counts once.

Money, orders and fills are those of the mode it runs in. In live the shadow goes on trading on the same targets;
its fills are kept apart, for the comparison.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services import SERVICES
from services.monitor import alerts
from services.monitor.coin import Coin
from services.monitor.config import MonitorConfig
from services.monitor.files import DiskTrend, FilesSeen
from services.monitor.final import FinalState
from services.monitor.first30 import FirstMinutes
from services.monitor.risk import Rules
from services.monitor.twin import Twin
from shared.bus import Backlog
from shared.messages import (
    SILENT_MS,
    AccountStatus,
    AssetConfig,
    AssetCtx,
    Book,
    Event,
    FeedHealth,
    Fill,
    HaltState,
    Heartbeat,
    Message,
    Mode,
    OrderUpdate,
    RiskLease,
    RiskReport,
    TargetQuotes,
    Universe,
)
from shared.recent import Recent
from shared.service import Started, Tick

NAME = "monitor"
_REMEMBERED = 20_000
STALL_PANIC = "STALL PANIC"
DARK_FILL = "DARK FILL"


@dataclass(frozen=True, slots=True)
class Show:
    """Effect: print an event of another service in the combined log."""

    event: Event


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """From the door: used memory of Redis as a fraction of its limit; 0 where it has none."""

    ratio: float


@dataclass(frozen=True, slots=True)
class Backlogs:
    """From the door: what waits in the streams for each service; empty while Redis does not answer."""

    backlogs: tuple[Backlog, ...]


@dataclass(frozen=True, slots=True)
class RuleProofs:
    """From the door: when each rule of the guard proved itself in a drill, in Unix ms."""

    by_rule: Mapping[str, int]


class Monitor:
    """Everything people look at."""

    def __init__(self, config: MonitorConfig) -> None:
        self.venue, self.mode = config.venue, config.mode
        self._tight_bps = config.monitor_uptime_spread_bps
        self._silence_ms = config.monitor_silence_s * 1000
        self.coins: dict[str, Coin] = {}
        self.account: AccountStatus | None = None
        """Of the executor in our own mode."""
        self.executor_mode: Mode | None = None
        """What the executor says it does, whatever we were told."""
        self.twin = Twin()
        self.rules = Rules()
        self._final = FinalState()
        self._first = FirstMinutes()
        self.dark_fills: Counter[str] = Counter()
        self.halt: HaltState | None = None
        self.feed: FeedHealth | None = None
        self.heartbeats: dict[str, Heartbeat] = {}
        self.restarts: Counter[str] = Counter()
        self.redis_memory_ratio: float | None = None
        self.backlogs: tuple[Backlog, ...] = ()
        self.files = FilesSeen()
        self.disk_trend = DiskTrend()
        self.stall_panics = 0
        self._silent: set[str] = set()
        self._events, self._orders, self._fills = (Recent(_REMEMBERED) for _ in range(3))

    def restore(self, now_ms: int, msg: Message) -> None:
        """From before a restart of ours: statuses and heartbeats, so that a dead service is missed at once, and
        the session's fills."""
        if isinstance(msg, Heartbeat):
            self._take_heartbeat(msg, counted=False)
        elif isinstance(msg, AccountStatus) and msg.mode == self.mode:
            self._take_account(msg, counted=False)
        elif isinstance(msg, Fill) and msg.mode == self.mode and msg.coin in self.coins:
            self.coins[msg.coin].take_fill(now_ms, msg)

    def step(self, now_ms: int, msg: Any) -> Iterable[Event | Show]:
        if isinstance(msg, Event):
            return self._take_event(msg)
        if isinstance(msg, Tick):
            return self._tick(now_ms)
        if isinstance(msg, alerts.Notified | alerts.NotListening):
            return alerts.lines(msg)
        if isinstance(msg, Universe):
            names = [meta.coin for meta in msg.coins]
            self.coins = {name: self.coins.get(name) or Coin(name, self._tight_bps) for name in names}
        elif isinstance(msg, HaltState):
            self._final.take(self.halt, msg)
            self.halt = msg
        elif isinstance(msg, FeedHealth):
            self.feed = msg
        elif isinstance(msg, RiskReport):
            self.rules.take(msg)
        elif isinstance(msg, RuleProofs):
            self.rules.proofs_ms = msg.by_rule
        elif isinstance(msg, RedisMemory):
            self.redis_memory_ratio = msg.ratio or None
        elif isinstance(msg, Backlogs):
            self.backlogs = msg.backlogs
        elif isinstance(msg, FilesSeen):
            self.files = msg
            if msg.disk is not None:
                self.disk_trend.take(now_ms, msg.disk.free)
        elif isinstance(msg, Heartbeat):
            self._take_heartbeat(msg)
        elif isinstance(msg, AccountStatus):
            return self._take_status(now_ms, msg)
        elif isinstance(msg, Started):
            self.twin.begin(now_ms)
            return (self._mode_line(),)
        else:
            self._take_for_coin(now_ms, msg)
        return ()

    def _take_for_coin(self, now_ms: int, msg: Any) -> None:
        coin = self.coins.get(getattr(msg, "coin", ""))
        if coin is None:
            return
        if isinstance(msg, Book):
            coin.take_book(msg)
        elif isinstance(msg, TargetQuotes):
            coin.take_target(msg)
        elif isinstance(msg, RiskLease):
            coin.lease = msg
        elif isinstance(msg, AssetCtx):
            coin.ctx = msg
        elif isinstance(msg, AssetConfig):
            coin.config = msg
        elif isinstance(msg, OrderUpdate):
            if msg.status == "rejected" and self._orders.add(msg.cloid):
                coin.take_order(msg)
        elif isinstance(msg, Fill):
            if self._fills.add((msg.mode, msg.fill_id)):
                self._take_fill(now_ms, coin, msg)

    def _take_fill(self, now_ms: int, coin: Coin, fill: Fill) -> None:
        if fill.mode == self.mode:
            coin.take_fill(now_ms, fill)
        if self.mode == "live":
            self.twin.take(fill)

    def _take_heartbeat(self, beat: Heartbeat, counted: bool = True) -> None:
        """In shadow there is nothing to watch: a watchdog's word is left over from live trading. `counted` is
        False for restarts that an earlier life of this process has counted."""
        known = self.heartbeats.get(beat.service)
        left_over = beat.service == "watchdog" and self.mode == "shadow"
        if beat.service not in SERVICES or left_over or (known is not None and beat.time_ms < known.time_ms):
            return
        if counted and known is not None and known.run_id == beat.run_id:
            self.restarts[beat.service] += beat.started_ms > known.started_ms
        self.heartbeats[beat.service] = beat

    def _take_status(self, now_ms: int, status: AccountStatus) -> Iterable[Event]:
        if status.mode == self.mode:
            self._take_account(status)
        final = self._final.line(status, self.coins) if status.mode == self.mode else None
        return [event for event in (final, self._note_mode(now_ms, status)) if event is not None]

    def _note_mode(self, now_ms: int, status: AccountStatus) -> Event | None:
        """An executor in the other mode than ours is told of and not mixed in."""
        if now_ms - status.time_ms > SILENT_MS or status.mode == self.executor_mode:
            return None
        self.executor_mode = status.mode
        if status.mode == self.mode:
            return None
        text = f"the executor is in {status.mode} mode and we are in {self.mode}: its money is not shown here"
        return Event(level="error", tag="MONITOR", text=text)

    def _mode_line(self) -> Event:
        """The first thing that whoever opens the combined log should know."""
        if self.mode == "live":
            return Event(level="warning", tag="LIVE", text=f"Real orders and real money on {self.venue}.")
        return Event(tag="SHADOW", text=f"Simulated orders on prices of {self.venue}: no key, no money.")

    def _take_account(self, status: AccountStatus, counted: bool = True) -> None:
        """`counted` is False for time that an earlier life of this process has already summed up."""
        before = self.account
        if before is not None and status.time_ms <= before.time_ms:
            return
        self.account = status
        follows = counted and before is not None and before.session_start_ms == status.session_start_ms
        step_s = (status.time_ms - before.time_ms) / 1000 if follows and before is not None else 0.0
        for line in status.coins:
            if line.coin in self.coins:
                self.coins[line.coin].take_status(line, status, step_s)

    def _take_event(self, event: Event) -> Iterable[Show]:
        key = (event.service, event.time_ms, event.tag, event.coin, event.text)
        if event.service == NAME or not self._events.add(key):
            return
        if event.service == "guard" and STALL_PANIC in event.text:
            self.stall_panics += 1
        if event.service == "executor" and event.tag == DARK_FILL:
            self.dark_fills[event.coin] += 1
        yield Show(event)

    def _tick(self, now_ms: int) -> Iterable[Event]:
        for coin in self.coins.values():
            coin.tick(now_ms)
        line = self.twin.line(now_ms) if self.mode == "live" else None
        if line is not None:
            yield line
        yield from self._first.tick(now_ms, self.account, self.halt, self.rules.report, self.coins)
        for service, beat in self.heartbeats.items():
            if service == NAME:  # we speak: only our own word has not come back
                continue
            age_ms = now_ms - beat.time_ms
            if age_ms > self._silence_ms and service not in self._silent:
                self._silent.add(service)
                yield Event(level="warning", tag="MONITOR", text=f"{service} silent for {age_ms / 1000:.0f} s")
            elif age_ms <= self._silence_ms and service in self._silent:
                self._silent.remove(service)
                yield Event(tag="MONITOR", text=f"{service} is back")
