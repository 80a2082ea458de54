"""The executor: keeps resting orders equal to targets, within leases, and the ledger equal to fills.

Everything that is not certain ends in cancelled orders: lapsed lease, halt, stale or crossed book, silent
quoter, lost bus, reconnected feed, end of the process.
"""

from collections.abc import Callable
from typing import Any

from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.exchange import build_exchange
from services.executor.trader import Trader
from shared.messages import (
    AssetCtx,
    Book,
    Command,
    Depth,
    HaltState,
    Message,
    Reason,
    RiskLease,
    TargetQuotes,
    Trades,
    Universe,
)
from shared.recent import Recent
from shared.service import BusBack, BusLost, Started, Stopping, Tick

_REMEMBERED_COMMANDS = 256


class Executor:
    """Pure: market, targets, leases and time in; order updates, fills and states out."""

    def __init__(self, config: ExecutorConfig) -> None:
        self.desks = Desks()
        self._bookkeeper = Bookkeeper(config, self.desks)
        self._exchange = build_exchange(config)
        self._trader = Trader(config, self._exchange, self.desks, self._bookkeeper)
        self._epoch_since_ms = 0.0
        self._halt = HaltState(halted=False)
        self._halt_ordered = False
        self._bus_up = True
        self._acting = False
        self._commands = Recent(_REMEMBERED_COMMANDS)
        self._handlers: dict[type, Callable[[int, Any], list[Any]]] = {
            Universe: self._on_universe,
            Book: self._on_book,
            Depth: self._on_market,
            Trades: self._on_market,
            AssetCtx: self._on_ctx,
            TargetQuotes: self._on_target,
            RiskLease: self._on_lease,
            Command: self._on_command,
            HaltState: self._on_halt,
            Started: self._on_started,
            Tick: self._on_tick,
            BusLost: self._on_bus_lost,
            BusBack: self._on_bus_back,
            Stopping: self._on_stopping,
        }

    def restore(self, now_ms: int, msg: Message) -> None:
        (self._bookkeeper.admit if self._acting else self._bookkeeper.restore)(msg)

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        handler = self._handlers.get(type(msg))
        return handler(now_ms, msg) if handler else []

    # ---- life ----

    def _on_started(self, now_ms: int, _: Started) -> list[Any]:
        """Nothing of a previous life rests in shadow; what remains is to prove the positions."""
        self._acting = True
        self._decide_stop()
        self._trader.sequence = 1000 * max(now_ms, self._bookkeeper.restored_to_ms + 1)
        return self._bookkeeper.begin(now_ms) + self._bookkeeper.reconcile()

    def _on_tick(self, now_ms: int, tick: Tick) -> list[Any]:
        out = self._trader.take(now_ms, self._exchange.step(now_ms, tick))
        if not self._acting:
            return out
        for desk in self.desks.values():
            out += self._bookkeeper.settle(now_ms, desk)
            if desk.orders or desk.unfinished:
                out += self._trader.align(now_ms, desk)
        return out + self._bookkeeper.report(now_ms)

    def _on_stopping(self, now_ms: int, _: Stopping) -> list[Any]:
        if not self._acting:
            return []
        out = self._trader.cancel_all(now_ms, "stopping")
        out += self._trader.take(now_ms, self._exchange.close(now_ms))
        self._acting = False
        self._decide_stop()
        book = self._bookkeeper
        return [*out, *book.open_positions(now_ms), *book.status(now_ms), book.session_line()]

    def _decide_stop(self) -> None:
        """What stops everything, the strongest reason first."""
        halted = self._halt.halted or self._halt_ordered
        self._trader.stopped = (
            Reason.NO_LEASE
            if not self._acting
            else Reason.BUS_LOST
            if not self._bus_up
            else Reason.HALTED
            if halted
            else None
        )

    # ---- market ----

    def _on_universe(self, now_ms: int, universe: Universe) -> list[Any]:
        metas = {meta.coin: meta for meta in universe.coins}
        out = self._trader.take(now_ms, self._exchange.step(now_ms, universe))
        for coin in metas:
            self._bookkeeper.prove(self.desks[coin])
        for coin, desk in self.desks.items():
            if desk.meta is not None and coin not in metas:
                out += self._bookkeeper.last_state(now_ms, desk)
            desk.meta = metas.get(coin)
            out += self._trader.align(now_ms, desk)
        return out

    def _on_book(self, now_ms: int, book: Book) -> list[Any]:
        desk = self.desks.get(book.coin)
        if desk is None:
            return []
        out: list[Any] = []
        if book.epoch != self._trader.epoch:
            if not self._is_newer_connection(book):
                return []
            out = self._new_connection(now_ms, book)
        desk.take_book(book)
        reports = self._exchange.step(now_ms, book)
        out += self._trader.take(now_ms, reports)
        return out + self._trader.align(now_ms, desk) if reports or desk.unfinished else out

    def _is_newer_connection(self, book: Book) -> bool:
        """A later connection number, or a lower one received later: then the ingestor began counting anew."""
        return book.epoch > self._trader.epoch or book.received_ms > self._epoch_since_ms

    def _new_connection(self, now_ms: int, book: Book) -> list[Any]:
        first = self._epoch_since_ms == 0
        self._trader.epoch, self._epoch_since_ms = book.epoch, book.received_ms
        if first:
            return []
        return self._trader.cancel_all(now_ms, "feed reconnected") + self._bookkeeper.reconcile()

    def _on_market(self, now_ms: int, msg: Depth | Trades) -> list[Any]:
        reports = self._exchange.step(now_ms, msg)
        out = self._trader.take(now_ms, reports)
        return out + self._trader.align(now_ms, self.desks[msg.coin]) if reports else out

    def _on_ctx(self, now_ms: int, ctx: AssetCtx) -> list[Any]:
        """An hour that is over is settled with the context of before, if that is close enough."""
        desk = self.desks.get(ctx.coin)
        if desk is None:
            return []
        out = self._bookkeeper.settle(now_ms, desk) if self._acting else []
        desk.ctx = ctx
        return out

    # ---- decisions of others ----

    def _on_target(self, now_ms: int, target: TargetQuotes) -> list[Any]:
        desk = self.desks.get(target.coin)
        if desk is None:
            return []
        desk.take_target(target)
        return self._trader.align(now_ms, desk)

    def _on_lease(self, now_ms: int, lease: RiskLease) -> list[Any]:
        desk = self.desks.get(lease.coin)
        if desk is None:
            return []
        desk.lease = lease
        return self._trader.align(now_ms, desk)

    def _on_command(self, now_ms: int, command: Command) -> list[Any]:
        """A repeated command changes nothing. `halt` holds until `resume`, even if the guard is silent."""
        if not self._commands.add(command.id):
            return []
        if command.action == "resume":
            self._halt_ordered = False
            self._decide_stop()
            return self._bookkeeper.resume(command.time_ms) if self._acting else []
        self._halt_ordered = self._halt_ordered or command.action == "halt"
        self._decide_stop()
        return self._trader.cancel_all(now_ms, f"{command.action} by {command.who}: {command.reason}")

    def _on_halt(self, now_ms: int, halt: HaltState) -> list[Any]:
        self._halt = halt
        self._decide_stop()
        return self._trader.cancel_all(now_ms, f"halted by {halt.who}: {halt.reason}") if halt.halted else []

    # ---- the bus ----

    def _on_bus_lost(self, now_ms: int, _: BusLost) -> list[Any]:
        """Without the bus there is no lease. Arrives again with every tick while it lasts."""
        self._bus_up = False
        self._decide_stop()
        for desk in self.desks.values():
            desk.drop_inputs()
        out = self._trader.cancel_all(now_ms, "bus lost")
        return out + self._trader.take(now_ms, self._exchange.step(now_ms, Tick()))

    def _on_bus_back(self, now_ms: int, _: BusBack) -> list[Any]:
        """Orders follow when a book, a lease and a target of after the loss have come."""
        self._bus_up = True
        self._decide_stop()
        return []
