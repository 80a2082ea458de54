"""Money: ledgers, funding, session and day, and the proof that positions are the sum of fills."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from services.executor import lines
from services.executor.account import Account
from services.executor.config import ExecutorConfig
from services.executor.desk import Desk
from services.executor.exits import Exits
from services.executor.journal import Journal
from services.executor.ledger import Ledger
from services.executor.orders import LiveOrder
from services.executor.payments import settle
from services.executor.reports import Filled
from shared.hyperliquid.cloids import is_own, own_prefix
from shared.messages import (
    ZERO,
    AccountState,
    Baseline,
    CoinSession,
    Command,
    Event,
    Fill,
    Funding,
    LiveStatus,
    Message,
    Mode,
    Opening,
    PositionState,
    Totals,
)
from shared.units import Side

STATUS_EVERY_MS = 1_000
SESSION_LINE_EVERY_MS = 60_000
OVERLAP_MS = 60_000
"""Records from so long before the last proof on are asked for again."""


class Desks(dict[str, Desk]):
    """The coins of this process; one is made when it is first heard of."""

    def __missing__(self, coin: str) -> Desk:
        desk = self[coin] = Desk(coin)
        return desk


class Bookkeeper:
    """Writes every ledger; nobody else changes one.

    In live the venue's own records are booked, each once, and only those since the books were opened.
    """

    def __init__(self, config: ExecutorConfig, desks: Desks) -> None:
        self.mode: Mode = config.mode
        self.journal = Journal()
        self.suspicious = False
        """A fill began from another position than ours: something is missing (live)."""
        self.dark_fills = 0
        """Fills that the venue had not told us of, since the start."""
        self._desks = desks
        self._account = Account(self.mode, config.run_id, config.starting_balance_usd)
        self.untied: dict[str, str] = {}
        """Differences from the venue's account, by coin; "" is the account as a whole (live)."""
        self._published: AccountState | None = None
        self._sessions: dict[str, CoinSession] = {}
        """Of each coin as the bus has it."""
        self._next_status_ms = self._next_session_ms = 0
        self.restored_to_ms = 0
        """Newest time found in what was restored."""

    # ---- start ----

    def restore(self, msg: Message) -> None:
        """Positions first, then the account, then the fills; those after the stored position are booked. What the
        other mode has stored is not ours."""
        if getattr(msg, "mode", self.mode) != self.mode:
            return
        if isinstance(msg, AccountState):
            self._account.state = self._published = msg
        elif isinstance(msg, PositionState):
            self._desks[msg.coin].ledger = Ledger.restored(msg)
            self._sessions[msg.coin] = msg.session
            self.restored_to_ms = max(self.restored_to_ms, msg.time_ms)
        elif isinstance(msg, (Fill, Funding, Opening)):
            desk = self._desks[msg.coin]
            desk.ledger.replay(msg)
            if isinstance(msg, Fill):
                desk.chain.add(msg)
                if self.mode == "live" and msg.time_ms >= self.records_from_ms:
                    self.journal.note_id(msg.fill_id)
                self.restored_to_ms = max(self.restored_to_ms, msg.time_ms)
            elif isinstance(msg, Opening):
                desk.chain.open(msg)

    def admit(self, msg: Message) -> None:
        """`restore` for a coin that joins while we run, with results of an earlier day."""
        before_usd = self._life_usd()
        self.restore(msg)
        self._account.admit(self._life_usd() - before_usd)
        if isinstance(msg, (PositionState, Fill, Funding, Opening)):
            desk = self._desks[msg.coin]
            desk.ledger.join(self._account.current.session_start_ms)
            self._count()
            self.prove(desk)

    def begin(self, now_ms: int) -> list[Any]:
        self._account.begin(now_ms, self._life_usd())
        self._next_status_ms = now_ms
        self._next_session_ms = now_ms + SESSION_LINE_EVERY_MS
        self._join()
        self._count()
        return self._changed_states(now_ms)

    def prove(self, desk: Desk) -> None:
        untied = self.untied.get(desk.coin) or self.untied.get("", "")
        desk.unproven = desk.chain.difference(desk.ledger) or untied

    def object(self, differences: Mapping[str, str]) -> None:
        """What the venue's account says otherwise (live); it replaces what was said before."""
        self.untied = dict(differences)
        for desk in self._desks.values():
            self.prove(desk)

    def reconcile(self, well: Event | None = None) -> list[Any]:
        """Compare every ledger with its fills and say how it went; `well` is the line when it went well."""
        for desk in self._desks.values():
            self.prove(desk)
        faults = [desk for desk in self._desks.values() if desk.unproven]
        return [lines.unreconciled(desk.coin, desk.unproven) for desk in faults] or [well or lines.reconciled()]

    # ---- bookings ----

    def book_fill(self, now_ms: int, desk: Desk, order: LiveOrder, filled: Filled) -> list[Any]:
        """The fill, the position after it, and the line for people, in this order."""
        return self.book(now_ms, filled, desk.coin, order.new.side, order.new.level)

    def book(self, now_ms: int, filled: Filled, coin: str, side: Side, level: int = 0) -> list[Any]:
        """The same, of an order that need not be known. What is booked already (live) changes nothing."""
        desk, record = self._desks[coin], filled.record
        if record and self.journal.knows(filled.fill_id):
            return []
        ledger = desk.ledger
        self.suspicious |= record is not None and record.start_position != ledger.position_sz
        cash_usd = ledger.cash_usd
        ledger.join(self._account.current.session_start_ms)
        mid_px = desk.mid_before(filled.time_ms) or filled.px
        closed_usd = record.closed_pnl if record else None
        realized_usd = ledger.fill(side, filled.px, filled.sz, filled.fee_usd, mid_px, closed_usd)
        ledger.mark(desk.newest_mid)
        fill = Fill(
            coin=desk.coin,
            fill_id=filled.fill_id,
            seq=ledger.seq,
            cloid=filled.cloid,
            mode=self.mode,
            side=side,
            level=level,
            px=filled.px,
            sz=filled.sz,
            fee_usd=filled.fee_usd,
            mid_px=mid_px,
            realized_usd=realized_usd,
            position_sz=ledger.position_sz,
            time_ms=filled.time_ms,
            builder_fee_usd=record.builder_fee or ZERO if record else ZERO,
        )
        desk.chain.add(fill)
        self.journal.note_id(filled.fill_id)
        signed_sz = filled.sz if side == "bid" else -filled.sz
        self.journal.note(filled.time_ms, desk.coin, signed_sz, ledger.cash_usd - cash_usd)
        if desk.coin not in self._account.current.coins:
            self._count()
        said = [lines.filled(fill, self._session().fees_usd)]
        if filled.dark:
            self.dark_fills += 1
            said.append(lines.dark_fill(fill, self._is_ours(fill.cloid)))
        return [fill, self._state(now_ms, desk), *self._changed_account(), *said]

    def settle(self, now_ms: int, desk: Desk) -> list[Any]:
        """Hourly funding of one coin, when it is due; in live the venue says what it was (`book_funding`)."""
        if self.mode == "live":
            return []
        paid, missed = settle(now_ms, desk.ledger, desk.ctx)
        out: list[Any] = [lines.funding_missed(desk.coin, missed)] if missed else []
        if paid is not None:
            out += [paid, self._state(now_ms, desk), lines.funding_paid(paid)]
        return out

    def book_funding(self, now_ms: int, paid: Funding, time_ms: int) -> list[Any]:
        """A payment as the venue made it at `time_ms`; nothing if that hour, or a later one, is booked."""
        desk = self._desks[paid.coin]
        if paid.hour_ms <= desk.ledger.funding_hour_ms:
            return []
        desk.ledger.join(self._account.current.session_start_ms)
        desk.ledger.fund(paid.hour_ms, paid.usd)
        self.journal.note(time_ms, paid.coin, ZERO, paid.usd)
        return [paid, self._state(now_ms, desk), lines.funding_paid(paid)]

    def note_halt(self) -> list[Any]:
        """Kept for the `resume` to come, whoever hears it."""
        self._account.note_halt()
        return self._changed_account()

    def resume(self, command: Command) -> list[Any]:
        """Every coin may hold positions again. The day's loss budget begins anew only where a halt is ended."""
        if self._account.resume():
            self._account.rebase(command.time_ms, self._session().pnl_usd, self._life_usd())
        return self.order(command)

    def order(self, command: Command) -> list[Any]:
        """What the operator says about positions."""
        self._account.order(command)
        return self._changed_account()

    @property
    def exits(self) -> Exits:
        return self._account.exits

    # ---- the account at the venue ----

    @property
    def baseline(self) -> Baseline | None:
        return self._account.current.baseline

    @property
    def records_from_ms(self) -> int:
        """The venue's records of before then are in the books, whether their ids are still remembered or not: they
        are older than the books, or than the last proof by far."""
        baseline = self._account.state.baseline if self._account.state else None
        return max(baseline.opened_ms + 1, baseline.proven_ms - OVERLAP_MS) if baseline else 0

    def _is_ours(self, cloid: str) -> bool:
        return self.baseline is not None and is_own(cloid, own_prefix(self.baseline.account))

    @property
    def cash_usd(self) -> Decimal:
        """What all ledgers have brought."""
        return sum((desk.ledger.cash_usd for desk in self._desks.values()), ZERO)

    def open(self, now_ms: int, openings: Iterable[Opening]) -> list[Any]:
        """Begin the ledgers with positions that are there already. What they had won or lost is not ours."""
        before_usd, out = self._life_usd(), list[Any]()
        for opening in openings:
            desk = self._desks[opening.coin]
            desk.ledger.open(opening)
            desk.ledger.session = CoinSession()
            desk.ledger.join(self._account.current.session_start_ms)
            desk.chain.open(opening)
            out += [opening, self._state(now_ms, desk), lines.opened(opening)]
        self._account.admit(self._life_usd() - before_usd)
        self._count()
        return [*out, *self._changed_account()]

    def state_baseline(self, baseline: Baseline) -> list[Any]:
        self._account.state_baseline(baseline)
        return self._changed_account()

    # ---- reports ----

    def report(self, now_ms: int, live: Callable[[int], LiveStatus | None]) -> list[Any]:
        """What is due of status (every second) and session line (every minute)."""
        out: list[Any] = []
        if now_ms >= self._next_status_ms:
            self._next_status_ms = now_ms + STATUS_EVERY_MS
            out += self.status(now_ms, live(now_ms))
        if now_ms >= self._next_session_ms:
            self._next_session_ms = now_ms + SESSION_LINE_EVERY_MS
            out.append(self.session_line())
        return out

    def status(self, now_ms: int, live: LiveStatus | None) -> list[Any]:
        self._update(now_ms)
        coins = tuple(desk.status() for desk in self._shown())
        exits = self.exits
        leaving = (desk for desk in self._desks.values() if exits.way(desk.coin) != "off")
        flattening = tuple(desk.coin for desk in leaving if desk.ledger.position_sz or desk.orders)
        status = self._account.status(
            now_ms, self._session(), self._life_usd(), self._held_usd(), coins, flattening, live
        )
        return [status, *self._changed_states(now_ms)]

    def session_line(self) -> Any:
        return lines.session(self.mode, self._session())

    def last_state(self, now_ms: int, desk: Desk) -> list[Any]:
        """Of a coin that leaves the universe: no book will mark it any more, not even after a restart."""
        return [self._state(now_ms, desk)] if desk.ledger.position_sz else []

    def open_positions(self, now_ms: int) -> list[Any]:
        """The states of all open positions with their newest marks."""
        return [self._state(now_ms, desk) for desk in self._desks.values() if desk.ledger.position_sz]

    def _shown(self) -> Iterable[Desk]:
        """Coins of the universe, and others with a position or a result in this session."""
        return (
            desk
            for desk in self._desks.values()
            if desk.meta is not None or desk.ledger.position_sz or desk.ledger.session_totals != Totals()
        )

    # ---- sums ----

    def _session(self) -> Totals:
        """All coins since the session began."""
        return sum((desk.ledger.session_totals for desk in self._desks.values()), Totals())

    def _life_usd(self) -> Decimal:
        """All coins over the life of their ledgers, net."""
        return sum((desk.ledger.total_usd for desk in self._desks.values()), ZERO)

    def _held_usd(self) -> Decimal | None:
        """Equity of the account at the venue, at our marks: equal positions and cash are equal equity. Cash that
        nobody can explain is there, or is missing, all the same."""
        baseline = self.baseline
        if baseline is None:
            return None
        worth_usd = sum((desk.ledger.position_sz * desk.ledger.mark_px for desk in self._desks.values()), ZERO)
        return baseline.cash_usd + self.cash_usd + baseline.untied_usd + worth_usd

    # ---- what a restart needs ----

    def _state(self, now_ms: int, desk: Desk) -> PositionState:
        return desk.ledger.state(now_ms, self.mode)

    def _join(self) -> None:
        """Every coin takes part in the session."""
        for desk in self._desks.values():
            desk.ledger.join(self._account.current.session_start_ms)

    def _update(self, now_ms: int) -> None:
        """Peaks and day are up to date; a peak is the best of what was shown."""
        self._join()
        for desk in self._desks.values():
            desk.ledger.note_peak()
        self._account.update(now_ms, self._session(), self._life_usd())

    def _count(self) -> None:
        """Name the coins that a restart must find again, whatever the universe is then."""
        held = (coin for coin, desk in self._desks.items() if desk.ledger.seq or desk.ledger.position_sz)
        self._account.count(tuple(held))

    def _changed_states(self, now_ms: int) -> list[Any]:
        """The account's state and those of coins whose session moved on; a plain new mark is not written."""
        out = self._changed_account()
        for coin, desk in self._desks.items():
            session = desk.ledger.session
            if self._sessions.get(coin) != session:
                self._sessions[coin] = session
                out.append(self._state(now_ms, desk))
        return out

    def _changed_account(self) -> list[Any]:
        state = self._account.current
        if state == self._published:
            return []
        self._published = state
        return [state]
