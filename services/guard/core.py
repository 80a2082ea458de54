"""The guard's decisions: per coin and side a lease, and when to stop everything.

Every rule is a check of its own (`checks/`, `rules.py`); here they hear what happens, are read four times a second
and whenever something of their coin comes, and are combined into leases. A lease is valid for three seconds and
renewed each second, at once when it changes. Nothing has to be revoked: a guard that dies or loses Redis falls
silent, and silence permits nothing.

A restarted guard is no looser than the one before: the halt stands in `mm:halt`; what the checks knew stands in
the memory of the one before (`memory.py`), and what was said since comes back from the streams in the order in
which it was said; a coin gets no lease without a fresh book. Leases do not wait for the first account status: a
breached stop is latched in `mm:halt`, and a breach that nobody saw is found with the status that the executor
sends every second.

What is traded in the other mode does not count: in live the shadow trades on the same targets.
"""

from collections.abc import Callable, Iterable
from heapq import nsmallest
from operator import attrgetter
from typing import Any

from services.guard.checks.book import Feed
from services.guard.checks.daily_loss import nearest_stop_usd
from services.guard.checks.stall import Stall
from services.guard.checks.table import ON_EVERYTHING, levels
from services.guard.coin import CoinRisk
from services.guard.config import GuardConfig
from services.guard.halt import Halt
from services.guard.loss import LossWatch
from services.guard.memory import Memory, learnt_anew
from services.guard.rules import Reading, Resumed, Rule
from services.guard.watch import Fired, Watch, foremost
from shared.clock import SET_BACK_MS
from shared.hyperliquid.cloids import mode_of
from shared.messages import (
    AccountStatus,
    AssetConfig,
    AssetCtx,
    Book,
    CoinMemory,
    Command,
    FeedHealth,
    Fill,
    GuardMemory,
    HaltState,
    Heartbeat,
    Message,
    OrderUpdate,
    Reason,
    Reconnected,
    RiskReport,
    Trades,
    Universe,
    WatchdogStatus,
)
from shared.service import Started, Tick

_NEWEST = (AssetConfig, AssetCtx, Book)
_OF_NOW = (AccountStatus, AssetCtx, Book, FeedHealth, Heartbeat, Reconnected, Trades, WatchdogStatus)
"""Dated by our clock, and judged by how old it is."""
OLD_STATUS_MS = 60_000
"""An account status of before says nothing about today."""
REPORT_EVERY_MS = 1_000
MEMORY_EVERY_MS = 10_000
MEMORIES_A_TICK = 2
_HALTED: Fired = (Rule("halt", "halted", "all", "pull", Reason.HALTED, "", ""), "pull", Reading(None, 0.0, True))


class Guard:
    """See the module's text."""

    def __init__(self, config: GuardConfig) -> None:
        """
        Raises:
            ConfigError: `rule_levels` names a rule that does not exist.
        """
        self._config = config
        self._levels = levels(config)
        checks = [make(config) for make in ON_EVERYTHING]
        self._watches = [Watch(check, self._levels[check.rule.name]) for check in checks]
        self._stall = next(check for check in checks if isinstance(check, Stall))
        self._stall_watch = next(watch for watch in self._watches if watch.check is self._stall)
        self._coins: dict[str, CoinRisk] = {}
        self._restored: dict[tuple[type, str], Message] = {}
        """The newest of each coin: whoever reads a stream for its newest entry begins with it once more."""
        self._halt = Halt()
        self._loss = LossWatch(config.mode)
        parts = {watch.rule.name: watch for watch in self._watches}
        kinds = (AccountStatus, Command, FeedHealth, Heartbeat)
        self._memory = Memory(config, {**parts, "halt": self._halt}, kinds)
        self._next_memory_ms = 0
        self._account: AccountStatus | None = None
        self._general: list[Fired] = []
        self._feed = Feed(0, 0.0)
        self._feed_ms = 0
        self._latency_p95_ms = 0.0
        self._latency_samples = 0
        self._next_report_ms = 0
        self._inputs: dict[type, Callable[[int, Any], Iterable[Message]]] = {
            Universe: self._on_universe,
            Tick: self._on_tick,
            FeedHealth: self._on_feed_health,
            Reconnected: self._on_reconnected,
            AccountStatus: self._on_account,
            Started: self._on_started,
            Command: self._on_command,
            HaltState: self._on_halt_state,
        }

    def restore(self, now_ms: int, msg: Message) -> None:
        """What the streams still hold. Coins hear it as they would have then; accounts are told at the start."""
        if isinstance(msg, GuardMemory):
            self._memory.take(now_ms, msg)
        elif isinstance(msg, CoinMemory):
            if msg.coin in self._coins:
                self._coins[msg.coin].memory.take(now_ms, msg)
        elif isinstance(msg, Command):
            if self._memory.hears(msg):
                self._halt.restore(msg)
        elif self._concerns(now_ms, msg):
            self._hear(now_ms, msg, min(now_ms, _said_ms(msg, now_ms)))
            if isinstance(msg, _NEWEST):
                self._restored[type(msg), msg.coin] = msg
            if isinstance(msg, FeedHealth):
                self._take_latency(msg)
            if isinstance(msg, (FeedHealth, Reconnected)):
                self._take_epoch(now_ms, msg.epoch, msg.time_ms)

    def step(self, now_ms: int, msg: Any) -> Iterable[Message]:
        if not self._concerns(now_ms, msg):
            return ()
        if not self._known(msg):
            self._hear(now_ms, msg, now_ms)
        if isinstance(msg, AccountStatus):
            self._tell_account(now_ms, msg)
        handler = self._inputs.get(type(msg))
        if handler is not None:
            return handler(now_ms, msg)
        coin = self._coins.get(getattr(msg, "coin", ""))
        return self._look_at(now_ms, coin) if coin is not None else ()

    def _concerns(self, now_ms: int, msg: Any) -> bool:
        if isinstance(msg, _OF_NOW) and _said_ms(msg, now_ms) > now_ms + SET_BACK_MS:
            return False  # from before our clock was set back: it would look fresh until then
        if isinstance(msg, AccountStatus):
            return msg.mode == self._config.mode and msg.time_ms >= now_ms - OLD_STATUS_MS
        if isinstance(msg, OrderUpdate):
            return mode_of(msg.cloid) == self._config.mode
        return not isinstance(msg, Fill) or msg.mode == self._config.mode

    def _known(self, msg: Any) -> bool:
        restored = self._restored.pop((type(msg), msg.coin), None) if isinstance(msg, _NEWEST) else None
        return restored is not None and restored == msg

    def _hear(self, now_ms: int, msg: Any, said_ms: int) -> None:
        self._loss.hear(msg)
        if self._memory.hears(msg):
            for watch in self._watches:
                watch.check.hear(now_ms, msg)
        coin = self._coins.get(getattr(msg, "coin", ""))
        if coin is not None:
            coin.hear(said_ms, msg)
        if isinstance(msg, AccountStatus):
            self._account = msg

    def _tell_account(self, now_ms: int, msg: AccountStatus) -> None:
        """As of then: a fill that came later knows better."""
        for line in msg.coins:
            if line.coin in self._coins:
                self._coins[line.coin].hear(min(now_ms, msg.time_ms), line)

    # ---- what happens ----

    def _on_universe(self, now_ms: int, msg: Universe) -> Iterable[Message]:
        self._coins = {
            meta.coin: self._coins.get(meta.coin) or CoinRisk(meta.coin, self._config, self._levels)
            for meta in msg.coins
        }
        self._tell(now_ms, self._feed)
        return ()

    def _on_reconnected(self, now_ms: int, msg: Reconnected) -> Iterable[Message]:
        return self._on_epoch(now_ms, msg.epoch, msg.time_ms)

    def _on_feed_health(self, now_ms: int, msg: FeedHealth) -> Iterable[Message]:
        self._take_latency(msg)
        return self._on_epoch(now_ms, msg.epoch, msg.time_ms)

    def _take_latency(self, msg: FeedHealth) -> None:
        self._latency_p95_ms, self._latency_samples = msg.latency_p95_ms, msg.latency_samples

    def _on_epoch(self, now_ms: int, epoch: int, time_ms: int) -> Iterable[Message]:
        self._take_epoch(now_ms, epoch, time_ms)
        return self._look(now_ms)

    def _take_epoch(self, now_ms: int, epoch: int, time_ms: int) -> None:
        """The newest report tells the connection's number, also where numbering began anew."""
        if time_ms >= self._feed_ms:
            self._feed_ms = time_ms
            self._take_feed(now_ms, Feed(epoch, self._feed.fresh_after_ms))

    def _take_feed(self, now_ms: int, feed: Feed) -> None:
        if feed != self._feed:
            self._feed = feed
            self._tell(now_ms, feed)

    def _on_started(self, now_ms: int, _: Started) -> Iterable[Message]:
        """What was restored counts from the first lease on."""
        misfits = [learnt_anew(part) for part in self._memory.settle()]
        for coin in self._coins.values():
            misfits += coin.settle()
        self._tell(now_ms, Resumed(self._halt.forgiven_ms))
        if self._account is not None:
            self._tell_account(now_ms, self._account)
        return [*misfits, *self._look_at_everything(now_ms)]

    def _on_account(self, now_ms: int, _: AccountStatus) -> Iterable[Message]:
        return self._look(now_ms)

    def _on_command(self, now_ms: int, msg: Command) -> Iterable[Message]:
        forgiven_ms = self._halt.forgiven_ms
        out = [*self._halt.on_command(now_ms, msg)]
        if self._halt.forgiven_ms != forgiven_ms:
            self._tell(now_ms, Resumed(self._halt.forgiven_ms))
        return [*out, *self._look(now_ms)]

    def _tell(self, now_ms: int, notice: Feed | Resumed) -> None:
        """Every check there is."""
        for watch in (*self._watches, *(watch for coin in self._coins.values() for watch in coin.watches)):
            watch.check.hear(now_ms, notice)

    def _on_halt_state(self, now_ms: int, msg: HaltState) -> Iterable[Message]:
        return [*self._halt.on_state(now_ms, msg), *self._look(now_ms)]

    def _on_tick(self, now_ms: int, msg: Tick) -> Iterable[Message]:
        out = self._look(now_ms)
        if now_ms >= self._next_report_ms:
            self._next_report_ms = now_ms + REPORT_EVERY_MS
            out.append(self._report(now_ms))
        return [*out, *self._remember(now_ms)]

    def _remember(self, now_ms: int) -> Iterable[Message]:
        """A few coins a tick, those that have waited longest: all at once would keep a lease waiting."""
        if now_ms >= self._next_memory_ms:
            self._next_memory_ms = now_ms + MEMORY_EVERY_MS
            yield GuardMemory(run_id=self._config.run_id, **self._memory.told(now_ms))
        due = (coin for coin in self._coins.values() if now_ms - coin.remembered_ms >= MEMORY_EVERY_MS)
        for coin in nsmallest(MEMORIES_A_TICK, due, key=attrgetter("remembered_ms")):
            yield coin.remember(now_ms)

    # ---- what follows ----

    def _look_at(self, now_ms: int, coin: CoinRisk) -> list[Message]:
        """Something of one coin came. The end of a stall concerns them all."""
        if self._stall_watch.reading.fired:
            return self._look(now_ms)
        events = coin.look(now_ms)
        return [*self._stops(now_ms, coin.watches), *self._leases(now_ms, (coin,)), *events]

    def _look(self, now_ms: int) -> list[Message]:
        """Read every rule."""
        events = self._look_at_everything(now_ms)
        for coin in self._coins.values():
            events += coin.look(now_ms)
        watches = [*self._watches, *(watch for coin in self._coins.values() for watch in coin.watches)]
        stops = self._stops(now_ms, watches)
        return [*stops, *self._leases(now_ms, self._coins.values()), *self._panic(now_ms), *events]

    def _look_at_everything(self, now_ms: int) -> list[Message]:
        """Read the rules that no coin has."""
        events: list[Message] = [event for watch in self._watches for event in watch.look(now_ms)]
        self._general = [fired for watch in self._watches if (fired := watch.fired) is not None]
        self._take_feed(now_ms, Feed(self._feed.epoch, self._stall.fresh_after_ms))
        return events

    def _stops(self, now_ms: int, watches: Iterable[Watch]) -> list[Message]:
        """What fires at the level of a halt halts; the first one gives the reason."""
        for watch in watches:
            if watch.level == "halt" and watch.reading.fired and not self._halt.state.halted:
                reason = watch.reason_to_halt
                line = f"🛑 [GLOBAL STOP] {reason}. Halting all quoting."
                return [*self._halt.stop(now_ms, reason, line)]
        return []

    def _panic(self, now_ms: int) -> list[Message]:
        if not self._stall_watch.began or self._stall_watch.level == "off":
            return []
        reason = f"no market data for {self._config.stall_timeout_s:g} s"
        return [
            Command(id=f"guard-stall-{now_ms}", action="cancel_all", who="guard", reason=reason, time_ms=now_ms)
        ]

    def _leases(self, now_ms: int, coins: Iterable[CoinRisk]) -> list[Message]:
        general = [_HALTED, *self._general] if self._halt.state.halted else self._general
        leases = (coin.lease(now_ms, general, self._latency_p95_ms, self._latency_samples) for coin in coins)
        return [lease for lease in leases if lease is not None]

    # ---- what is told ----

    def _report(self, now_ms: int) -> RiskReport:
        by_rule = zip(*(coin.watches for coin in self._coins.values()), strict=True)
        watches = [*self._watches, *(watch for same in by_rule for watch in foremost(same))]
        balance_usd = self._account.starting_balance_usd if self._account else self._config.starting_balance_usd
        stop_usd = nearest_stop_usd(self._config, self._levels, balance_usd)
        return RiskReport(
            time_ms=now_ms,
            rules=tuple(watch.status() for watch in watches),
            loss=self._loss.possible(stop_usd),
        )


def _said_ms(msg: Any, now_ms: int) -> int:
    """When, by our clock or the venue's; configs carry the time under a name of their own."""
    for name in ("received_ms", "time_ms", "published_ms"):
        if hasattr(msg, name):
            return int(getattr(msg, name))
    return now_ms
