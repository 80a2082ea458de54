"""Money: ledgers, funding, session and day, and the proof that positions are the sum of fills."""

from collections.abc import Iterable
from typing import Any

from services.executor import lines
from services.executor.account import Account, Totals
from services.executor.config import ExecutorConfig
from services.executor.desk import Desk
from services.executor.exchange import Filled
from services.executor.ledger import Ledger
from services.executor.orders import LiveOrder
from services.executor.payments import settle
from shared.messages import AccountState, Fill, Funding, Message, PositionState

STATUS_EVERY_MS = 1_000
SESSION_LINE_EVERY_MS = 60_000


class Desks(dict[str, Desk]):
    """The coins of this process; one is made when it is first heard of."""

    def __missing__(self, coin: str) -> Desk:
        desk = self[coin] = Desk(coin)
        return desk


class Bookkeeper:
    """Writes every ledger; nobody else changes one."""

    def __init__(self, config: ExecutorConfig, desks: Desks) -> None:
        self._desks = desks
        self._account = Account(config.run_id, config.starting_balance_usd)
        self._published: AccountState | None = None
        self._next_status_ms = self._next_session_ms = 0
        self.restored_to_ms = 0
        """Newest time found in what was restored."""

    # ---- start ----

    def restore(self, msg: Message) -> None:
        """Positions first, then the account, then the fills; those after the stored position are booked."""
        if isinstance(msg, AccountState):
            self._account.state = self._published = msg
        elif isinstance(msg, PositionState):
            self._desks[msg.coin].ledger = Ledger.restored(msg)
            self.restored_to_ms = max(self.restored_to_ms, msg.time_ms)
        elif isinstance(msg, (Fill, Funding)):
            desk = self._desks[msg.coin]
            desk.ledger.replay(msg)
            if isinstance(msg, Fill):
                desk.chain.add(msg)
                self.restored_to_ms = max(self.restored_to_ms, msg.time_ms)

    def admit(self, msg: Message) -> None:
        """`restore` for a coin that joins while we run, with results of an earlier day."""
        before = self.totals()
        self.restore(msg)
        self._account.admit(self.totals() - before)
        if isinstance(msg, (PositionState, Fill, Funding)):
            self.prove(self._desks[msg.coin])

    def begin(self, now_ms: int) -> list[Any]:
        self._account.begin(now_ms, self.totals())
        self._next_status_ms = now_ms
        self._next_session_ms = now_ms + SESSION_LINE_EVERY_MS
        return self._changed_state()

    def prove(self, desk: Desk) -> None:
        desk.unproven = desk.chain.difference(desk.ledger)

    def reconcile(self) -> list[Any]:
        """Compare every ledger with its fills and say how it went."""
        for desk in self._desks.values():
            self.prove(desk)
        faults = [desk for desk in self._desks.values() if desk.unproven]
        return [lines.unreconciled(desk.coin, desk.unproven) for desk in faults] or [lines.reconciled()]

    # ---- bookings ----

    def book_fill(self, now_ms: int, desk: Desk, order: LiveOrder, filled: Filled) -> list[Any]:
        """The fill, the position after it, and the line for people, in this order."""
        new, ledger = order.new, desk.ledger
        mid_px = desk.mid_before(filled.time_ms)
        realized_usd = ledger.fill(new.side, filled.px, filled.sz, filled.fee_usd, mid_px)
        ledger.mark(desk.newest_mid)
        fill = Fill(
            coin=desk.coin,
            fill_id=filled.fill_id,
            seq=ledger.seq,
            cloid=new.cloid,
            mode="shadow",
            side=new.side,
            level=new.level,
            px=filled.px,
            sz=filled.sz,
            fee_usd=filled.fee_usd,
            mid_px=mid_px,
            realized_usd=realized_usd,
            position_sz=ledger.position_sz,
            time_ms=filled.time_ms,
        )
        desk.chain.add(fill)
        session = self._account.session(self.totals())
        return [fill, ledger.state(now_ms), lines.shadow_fill(fill, session.fees_usd)]

    def settle(self, now_ms: int, desk: Desk) -> list[Any]:
        """Hourly funding of one coin, when it is due."""
        paid, missed = settle(now_ms, desk.ledger, desk.ctx)
        out: list[Any] = [lines.funding_missed(desk.coin, missed)] if missed else []
        if paid is not None:
            out += [paid, desk.ledger.state(now_ms), lines.funding_paid(paid)]
        return out

    def resume(self, at_ms: int) -> list[Any]:
        """A new daily loss budget."""
        self._account.resume(at_ms, self.totals())
        return self._changed_state()

    # ---- reports ----

    def totals(self) -> Totals:
        return Totals.of(desk.ledger for desk in self._desks.values())

    def report(self, now_ms: int) -> list[Any]:
        """What is due of status (every second) and session line (every minute)."""
        out: list[Any] = []
        if now_ms >= self._next_status_ms:
            self._next_status_ms = now_ms + STATUS_EVERY_MS
            out += self.status(now_ms)
        if now_ms >= self._next_session_ms:
            self._next_session_ms = now_ms + SESSION_LINE_EVERY_MS
            out.append(self.session_line())
        return out

    def status(self, now_ms: int) -> list[Any]:
        totals = self.totals()
        self._account.update(now_ms, totals)
        coins = tuple(desk.status() for desk in self._shown())
        return [self._account.status(now_ms, totals, "shadow", coins), *self._changed_state()]

    def session_line(self) -> Any:
        return lines.shadow_session(self._account.session(self.totals()))

    def open_positions(self, now_ms: int) -> list[Any]:
        """The states of all open positions with their newest marks."""
        return [desk.ledger.state(now_ms) for desk in self._desks.values() if desk.ledger.position_sz]

    def _shown(self) -> Iterable[Desk]:
        """Coins of the universe, and others that still count."""
        return (desk for desk in self._desks.values() if desk.meta is not None or desk.ledger.seq)

    def _changed_state(self) -> list[Any]:
        state = self._account.current
        if state == self._published:
            return []
        self._published = state
        return [state]
