"""The guard's decisions: per coin and side a lease, and when to stop everything.

A lease is valid for three seconds and renewed each second, at once when it changes. Nothing has to be revoked:
a guard that dies or loses Redis falls silent, and silence permits nothing.

A restarted guard is no looser than the one before: the halt stands in `mm:halt`; flow, cancels and fills of the
last hour and what the request budget asks for come back from their streams; a coin gets no lease before a fresh
book of it was seen. Leases do not wait for the first account status: a breached daily stop is latched in
`mm:halt`, and a breach that nobody saw is found with the status that the executor sends every second.

What is traded in the other mode does not count: in live the shadow trades on the same targets.
"""

from collections.abc import Callable, Iterable
from typing import Any

from services.guard.checks.budget import Widening
from services.guard.checks.drawdown import daily_stop
from services.guard.checks.stall import StallWatch
from services.guard.coin import CoinRisk
from services.guard.config import GuardConfig
from services.guard.halt import Halt
from shared.hyperliquid.cloids import mode_of
from shared.messages import (
    AccountStatus,
    Book,
    Command,
    Event,
    FeedHealth,
    Fill,
    HaltState,
    Message,
    OrderUpdate,
    Reason,
    Reconnected,
    Trades,
    Universe,
)
from shared.service import BusBack, Started, Tick

OLD_STATUS_MS = 60_000
"""An account status of before says nothing about today."""
REBASE_MS = 60_000
"""Time for the executor to begin a new daily budget after `resume`; then its old one counts again."""


class Guard:
    """See the module's text."""

    def __init__(self, config: GuardConfig) -> None:
        self._config = config
        self._coins: dict[str, CoinRisk] = {}
        self._halt = Halt()
        self._stall = StallWatch(config.stall_timeout_s)
        self._widening = Widening()
        self._epoch = 0
        self._feed_ms = 0
        self._latency_p95_ms = 0.0
        self._latency_samples = 0
        self._inputs: dict[type, Callable[[int, Any], Iterable[Message]]] = {
            Book: self._on_book,
            Trades: self._on_trades,
            Tick: self._on_tick,
            OrderUpdate: self._on_order,
            Fill: self._on_fill,
            FeedHealth: self._on_feed_health,
            Reconnected: self._on_reconnected,
            AccountStatus: self._on_account,
            Command: self._on_command,
            HaltState: self._on_halt_state,
            Universe: self._on_universe,
            Started: self._on_heard_nothing_yet,
            BusBack: self._on_heard_nothing_yet,
        }

    def restore(self, now_ms: int, msg: Message) -> None:
        """Flow, activity, the budget's wish and the last `resume`, from the streams."""
        if isinstance(msg, Command):
            self._halt.restore(msg)
        elif isinstance(msg, AccountStatus):
            if msg.mode == self._config.mode:
                list(self._widening.learn(now_ms, msg))
        elif isinstance(msg, (Trades, OrderUpdate, Fill)) and msg.coin in self._coins:
            coin = self._coins[msg.coin]
            if isinstance(msg, Trades):
                coin.on_trades(now_ms, msg)
            elif isinstance(msg, OrderUpdate):
                self._on_order(now_ms, msg)
            else:
                self._on_fill(now_ms, msg)

    def step(self, now_ms: int, msg: Any) -> Iterable[Message]:
        handler = self._inputs.get(type(msg))
        return handler(now_ms, msg) if handler is not None else ()

    # ---- per coin ----

    def _on_universe(self, now_ms: int, msg: Universe) -> Iterable[Message]:
        self._coins = {
            meta.coin: self._coins.get(meta.coin) or CoinRisk(meta.coin, self._config) for meta in msg.coins
        }
        return ()

    def _on_book(self, now_ms: int, msg: Book) -> Iterable[Message]:
        outputs = self._heard(now_ms, msg.received_ms)
        coin = self._coins.get(msg.coin)
        if coin is not None:
            coin.on_book(msg)
            outputs += self._leases(now_ms, (coin,))
        return outputs

    def _on_trades(self, now_ms: int, msg: Trades) -> Iterable[Message]:
        outputs = self._heard(now_ms, msg.received_ms)
        coin = self._coins.get(msg.coin)
        if coin is not None:
            coin.on_trades(now_ms, msg)
            outputs += coin.watch_flow(now_ms)
            outputs += self._leases(now_ms, (coin,))
        return outputs

    def _on_order(self, now_ms: int, msg: OrderUpdate) -> Iterable[Message]:
        if msg.coin in self._coins and mode_of(msg.cloid) == self._config.mode:
            self._coins[msg.coin].on_order(now_ms, msg)
        return ()

    def _on_fill(self, now_ms: int, msg: Fill) -> Iterable[Message]:
        if msg.coin in self._coins and msg.mode == self._config.mode:
            self._coins[msg.coin].on_fill(now_ms, msg)
        return ()

    # ---- feed ----

    def _on_heard_nothing_yet(self, now_ms: int, msg: Started | BusBack) -> Iterable[Message]:
        """Silence counts from here: what happened before could not be heard."""
        self._stall.restart(now_ms)
        return ()

    def _on_reconnected(self, now_ms: int, msg: Reconnected) -> Iterable[Message]:
        return self._on_epoch(now_ms, msg.epoch, msg.time_ms)

    def _on_feed_health(self, now_ms: int, msg: FeedHealth) -> Iterable[Message]:
        self._latency_p95_ms, self._latency_samples = msg.latency_p95_ms, msg.latency_samples
        return [*self._heard(now_ms, msg.last_frame_ms), *self._on_epoch(now_ms, msg.epoch, msg.time_ms)]

    def _on_epoch(self, now_ms: int, epoch: int, time_ms: int) -> Iterable[Message]:
        """The newest report tells the connection's number, also where numbering began anew."""
        if time_ms < self._feed_ms:
            return ()
        changed = epoch != self._epoch
        self._epoch, self._feed_ms = epoch, time_ms
        return self._leases(now_ms) if changed else ()

    def _heard(self, now_ms: int, received_ms: float) -> list[Message]:
        if not self._stall.heard(received_ms):
            return []
        return [Event(level="warning", tag="STALL", text="WS back. Reconciling."), *self._leases(now_ms)]

    def _panic(self, now_ms: int) -> list[Message]:
        reason = f"no market data for {self._config.stall_timeout_s:g} s"
        return [
            *self._leases(now_ms),
            Command(id=f"guard-stall-{now_ms}", action="cancel_all", who="guard", reason=reason, time_ms=now_ms),
            Event(level="error", tag="", text="🚨 STALL PANIC: cancel_all."),
        ]

    # ---- everything ----

    def _on_account(self, now_ms: int, msg: AccountStatus) -> Iterable[Message]:
        """What the request budget asks for, and the daily stop; an executor in the other mode is not ours."""
        if msg.mode != self._config.mode or msg.time_ms < now_ms - OLD_STATUS_MS:
            return ()
        return [*self._widening.learn(now_ms, msg), *self._watch_loss(now_ms, msg)]

    def _watch_loss(self, now_ms: int, msg: AccountStatus) -> Iterable[Message]:
        """A status whose day began before the last halt was ended still counts the forgiven."""
        forgiven_ms = self._halt.forgiven_ms
        not_rebased = msg.day_start_ms < forgiven_ms and now_ms - forgiven_ms < REBASE_MS
        if not_rebased:
            return ()
        cap_frac = self._config.global_halt_drawdown_pct
        stop = daily_stop(msg.day_pnl_usd, msg.starting_balance_usd, cap_frac)
        if not stop.breached or self._halt.state.halted:
            return ()
        reason = f"Daily drawdown {stop.drawdown_frac:.2%} >= cap {cap_frac:.2%}"
        line = f"🛑 [GLOBAL STOP] {reason}. Halting all quoting."
        return [*self._halt.stop(now_ms, reason, line), *self._leases(now_ms)]

    def _on_command(self, now_ms: int, msg: Command) -> Iterable[Message]:
        return [*self._halt.on_command(now_ms, msg), *self._leases(now_ms)]

    def _on_halt_state(self, now_ms: int, msg: HaltState) -> Iterable[Message]:
        return [*self._halt.on_state(now_ms, msg), *self._leases(now_ms)]

    def _on_tick(self, now_ms: int, msg: Tick) -> Iterable[Message]:
        outputs: list[Message] = []
        for coin in self._coins.values():
            outputs += coin.watch_flow(now_ms)
        outputs += self._panic(now_ms) if self._stall.overdue(now_ms) else self._leases(now_ms)
        return outputs

    def _leases(self, now_ms: int, coins: Iterable[CoinRisk] | None = None) -> list[Message]:
        general = Reason.HALTED if self._halt.state.halted else Reason.STALL if self._stall.stalled else None
        leases: list[Message] = []
        for coin in self._coins.values() if coins is None else coins:
            permits = coin.permits(now_ms, general, self._epoch, self._stall.since_ms)
            lease = coin.lease(
                now_ms, permits, self._latency_p95_ms, self._latency_samples, self._widening.factor(now_ms)
            )
            if lease is not None:
                leases.append(lease)
        return leases
