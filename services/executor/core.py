"""The executor: keeps resting orders equal to targets, within leases, and the ledger equal to fills.

Everything that is not certain ends in cancelled orders: lapsed lease, halt, stale or crossed book, silent
quoter, lost bus, reconnected feed, an account that is not known, end of the process.
"""

from collections.abc import Callable
from typing import Any

from services.executor import lines
from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.reports import EndProcess
from services.executor.side import SideOf
from services.executor.trader import Trader
from shared.book_check import dated_ahead
from shared.messages import (
    AssetConfig,
    AssetCtx,
    Book,
    CoinMeta,
    Command,
    Depth,
    HaltState,
    Message,
    OrderUpdate,
    Reason,
    RiskLease,
    TargetQuotes,
    Trades,
    Universe,
)
from shared.recent import Recent
from shared.service import BusBack, BusLost, Started, Stopping, Tick

_REMEMBERED_COMMANDS = 256
GUARD = "guard"
END_WITHIN_MS = 10_000


class Executor:
    """Pure: market, targets, leases and time in; order updates, fills and states out."""

    def __init__(self, config: ExecutorConfig, side_of: SideOf, account: str = "") -> None:
        """`account`: the address traded for; none in shadow."""
        self.desks = Desks()
        self.held: Reason | None = None
        """Why somebody else wants nothing placed."""
        self._bookkeeper = Bookkeeper(config, self.desks)
        self._side = side_of(self.desks, self._bookkeeper)
        self._exchange = self._side.exchange
        self._trader = Trader(config, self._exchange, self.desks, self._bookkeeper, self._side.planner, account)
        self._epoch_since_ms = 0.0
        self._metas: dict[str, CoinMeta] = {}
        self._halt = HaltState(halted=False)
        self._halt_ordered = False
        self._end_by_ms: int | None = None
        """The guard has halted everything: until then this process may cancel."""
        self._bus_up = True
        self._acting = self._stopping = False
        self._commands = Recent(_REMEMBERED_COMMANDS)
        self._handlers: dict[type, Callable[[int, Any], list[Any]]] = {
            Universe: self._on_universe,
            Book: self._on_book,
            Depth: self._on_market,
            Trades: self._on_market,
            AssetCtx: self._on_ctx,
            AssetConfig: self._on_asset_config,
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
        out = self._handlers.get(type(msg), self._on_news)(now_ms, msg)
        out += self._side.step(now_ms, msg, self._trader.take_unclaimed())
        out += self._freeze(now_ms)
        out += self._side.effects(now_ms, self._trader.take_requests())
        if self._stopping and self._side.closed:
            self._stopping = False
            out += self._last_words(now_ms)
        return out

    @property
    def stopped(self) -> Reason | None:
        """Why nothing may be quoted."""
        return self._trader.stopped

    @property
    def frozen(self) -> Reason | None:
        """Why nothing at all may rest, not even what works a position off during a halt."""
        return self._trader.frozen

    # ---- life ----

    def _on_started(self, now_ms: int, _: Started) -> list[Any]:
        self._acting = True
        self._decide_stop(now_ms)
        self._trader.sequence = 1000 * max(now_ms, self._bookkeeper.restored_to_ms + 1)
        out = self._bookkeeper.begin(now_ms) + self._side.begin(now_ms)
        if self._halt_ordered or self._halt.halted:
            out += self._note_halt()
        self._trader.exits = self._bookkeeper.exits
        return out

    def _on_tick(self, now_ms: int, tick: Tick) -> list[Any]:
        out = self._trader.take(now_ms, self._exchange.step(now_ms, tick))
        if not self._acting:
            return out
        for desk in self.desks.values():
            out += self._bookkeeper.settle(now_ms, desk)
            if desk.orders or desk.unfinished:
                out += self._trader.align(now_ms, desk)
        out += self._bookkeeper.report(now_ms, self._side.status)
        return [*out, *self._end_of_process(now_ms)]

    def _end_of_process(self, now_ms: int) -> list[Any]:
        """After a halt by the guard: the final state, and the wish to end, once."""
        resting = sum(len(desk.orders) for desk in self.desks.values())
        if self._end_by_ms is None or (resting and now_ms < self._end_by_ms):
            return []
        self._end_by_ms = None
        held = {coin: desk.ledger.position_sz for coin, desk in self.desks.items() if desk.ledger.position_sz}
        reason = self._halt.reason
        line = lines.killed(reason, resting, held)
        return [line, *self._last_words(now_ms), EndProcess(reason)]

    def _on_stopping(self, now_ms: int, _: Stopping) -> list[Any]:
        if not self._acting:
            return []
        self._acting, self._stopping = False, True
        self._decide_stop(now_ms)
        out = self._trader.cancel_all(now_ms, "stopping")
        return [*out, *self._trader.take(now_ms, self._exchange.close(now_ms)), *self._side.close(now_ms)]

    def _last_words(self, now_ms: int) -> list[Any]:
        book = self._bookkeeper
        status = book.status(now_ms, self._side.status(now_ms))
        return [*book.open_positions(now_ms), *status, book.session_line()]

    def _on_news(self, now_ms: int, msg: Any) -> list[Any]:
        """Of the exchange. What it leaves open elsewhere is looked at with the next book or tick."""
        out = self._trader.take(now_ms, self._exchange.step(now_ms, msg))
        self._list_coins()
        concerned = dict.fromkeys(said.coin for said in out if isinstance(said, OrderUpdate))
        for desk in (self.desks[coin] for coin in concerned):
            if self._acting and desk.unfinished:
                out += self._trader.align(now_ms, desk)
        return out

    def _decide_stop(self, now_ms: int) -> None:
        """What stops everything, the strongest reason first."""
        trader = self._trader
        halted = self._halt.halted or self._halt_ordered
        if not self._acting or not self._bus_up:
            trader.frozen = trader.stopped = Reason.BUS_LOST if self._acting else Reason.NO_LEASE
        else:
            trader.frozen = self.held or self._side.fault(now_ms)
            trader.stopped = Reason.HALTED if halted else trader.frozen

    def _freeze(self, now_ms: int) -> list[Any]:
        """The exchange's side has become uncertain, or certain again."""
        trader = self._trader
        before = trader.stopped, trader.frozen
        self._decide_stop(now_ms)
        for was, now in zip(before, (trader.stopped, trader.frozen), strict=True):
            if now and not was:
                return trader.cancel_all(now_ms, now)
        return []

    # ---- market ----

    def _on_universe(self, now_ms: int, universe: Universe) -> list[Any]:
        self._metas = {meta.coin: meta for meta in universe.coins}
        out = self._trader.take(now_ms, self._exchange.step(now_ms, universe))
        for coin in self._metas:
            self._bookkeeper.prove(self.desks[coin])
        for coin, desk in self.desks.items():
            if desk.meta is not None and coin not in self._metas:
                out += self._bookkeeper.last_state(now_ms, desk)
        self._list_coins()
        for desk in self.desks.values():
            out += self._trader.align(now_ms, desk)
        return out

    def _list_coins(self) -> None:
        """A coin is traded as long as it is in the universe and the exchange knows it."""
        for coin, desk in self.desks.items():
            desk.meta = self._metas.get(coin) if self._side.lists(coin) else None

    def _on_book(self, now_ms: int, book: Book) -> list[Any]:
        desk = self.desks.get(book.coin)
        if desk is None or dated_ahead(now_ms, book):
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

    def _on_asset_config(self, now_ms: int, config: AssetConfig) -> list[Any]:
        desk = self.desks.get(config.coin)
        if desk is not None:
            desk.take_limit(config.max_inv_usd)
        if self._side.planner is not None:
            self._side.planner.note_edge(config.coin, config.edge_bps)
        return []

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
        if self._acting and self._side.quoted_for:
            desk.require_followed(target)
        return self._trader.align(now_ms, desk)

    def _on_lease(self, now_ms: int, lease: RiskLease) -> list[Any]:
        desk = self.desks.get(lease.coin)
        if desk is None:
            return []
        desk.granted = lease
        return self._trader.align(now_ms, desk)

    def _on_command(self, now_ms: int, command: Command) -> list[Any]:
        """A repeated command changes nothing. `halt` holds until `resume`, even if the guard is silent."""
        if not self._commands.add(command.id):
            return []
        if command.action == "resume":
            return self._on_resume(now_ms, command)
        if command.action in ("reduce_only", "flatten"):
            return self._on_exit(now_ms, command) if self._acting else []
        out: list[Any] = []
        if command.action == "halt":
            self._halt_ordered = True
            out = self._note_halt()
        self._decide_stop(now_ms)
        return out + self._trader.cancel_all(now_ms, f"{command.action} by {command.who}: {command.reason}")

    def _on_resume(self, now_ms: int, command: Command) -> list[Any]:
        self._halt_ordered = False
        self._decide_stop(now_ms)
        if not self._acting:
            return []
        out = [*self._bookkeeper.resume(command), *self._side.resume(now_ms)]
        self._trader.exits = self._bookkeeper.exits
        return out

    def _on_exit(self, now_ms: int, command: Command) -> list[Any]:
        out = [lines.exits_ordered(command), *self._bookkeeper.order(command)]
        self._trader.exits = self._bookkeeper.exits
        for desk in self.desks.values():
            out += self._trader.align(now_ms, desk)
        return out

    def _on_halt(self, now_ms: int, halt: HaltState) -> list[Any]:
        """A halt by the guard, when it begins, ends this process as soon as nothing rests; the next one comes up
        halted."""
        begins = halt.halted and not self._halt.halted
        if self._acting and begins and halt.who == GUARD:
            self._end_by_ms = now_ms + END_WITHIN_MS
        elif not halt.halted:
            self._end_by_ms = None
        self._halt = halt
        self._decide_stop(now_ms)
        if not halt.halted:
            return []
        return self._note_halt() + self._trader.cancel_all(now_ms, f"halted by {halt.who}: {halt.reason}")

    def _note_halt(self) -> list[Any]:
        """A halt from before our time is noted when we begin."""
        return self._bookkeeper.note_halt() if self._acting else []

    # ---- the bus ----

    def _on_bus_lost(self, now_ms: int, _: BusLost) -> list[Any]:
        """Without the bus there is no lease. Arrives again with every tick while it lasts."""
        self._bus_up = False
        self._decide_stop(now_ms)
        for desk in self.desks.values():
            desk.drop_inputs()
        out = self._trader.cancel_all(now_ms, "bus lost")
        return out + self._trader.take(now_ms, self._exchange.step(now_ms, Tick()))

    def _on_bus_back(self, now_ms: int, _: BusBack) -> list[Any]:
        """Orders follow when a book, a lease and a target of after the loss have come."""
        self._bus_up = True
        self._decide_stop(now_ms)
        return []
