"""The account as the venue states it: its records booked, its positions and cash compared with our ledgers.

    position by coin = opening balance + fills          cash = baseline + what the ledgers have brought

Equal positions and equal cash are equal equity at any mark. Both are compared as of the time of the venue's
answer. Money that comes from outside or leaves is not in the ledgers: it is in the baseline, which is stated when
the books are opened and whenever the account has changed while nobody was there.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from services.executor import lines
from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.payments import funding_hour_ms
from services.executor.reports import Filled
from shared import messages
from shared.hyperliquid.account import ClearinghouseState, Fill, Funding, Position
from shared.messages import ZERO, Baseline, Opening

ACCOUNT = ""
"""Stands for the cash of the account where differences are listed by coin."""
TOLERANCE_USD = Decimal("0.01")


class Statement:
    """`dex` is the perp dex traded on: other markets of the account are not ours to book."""

    def __init__(self, bookkeeper: Bookkeeper, desks: Desks, dex: str, account: str) -> None:
        self.books = bookkeeper
        self._desks, self._dex, self._account = desks, dex, account

    @property
    def baseline(self) -> Baseline | None:
        return self.books.baseline

    @property
    def unexplained(self) -> bool:
        """Has a difference in cash been told, by this process or one before it, that no person has settled?"""
        return self.baseline is not None and self.baseline.untied_usd != 0

    def since_ms(self, now_ms: int) -> int:
        """From when on records are to be asked for."""
        return now_ms if self.baseline is None else self.books.records_from_ms

    def concerns(self, coin: str) -> bool:
        """Is it a perp of our dex? Spot pairs, outcomes and other dexs have names of their own (§2)."""
        dex, colon, _ = coin.partition(":")
        return (dex if colon else "") == self._dex and coin[0] not in "@#" and "/" not in coin

    # ---- booking ----

    def book(self, now_ms: int, fills: Iterable[Fill], fundings: Iterable[Funding] = ()) -> list[Any]:
        """What no order of ours has claimed, and payments; what is booked already changes nothing."""
        out: list[Any] = []
        for fill in sorted(filter(lambda record: self.concerns(record.coin), fills), key=lambda fill: fill.time):
            out += self._book_fill(now_ms, fill)
        for paid in sorted(
            filter(lambda record: self.concerns(record.coin), fundings), key=lambda paid: paid.time
        ):
            out += self._book_funding(now_ms, paid)
        return out

    def _book_fill(self, now_ms: int, record: Fill) -> list[Any]:
        told_before = record.time < self.books.records_from_ms or self.books.journal.knows(record.uid)
        if self.baseline is None or told_before:
            return []
        self._desks[record.coin].note_fill(now_ms)
        filled = Filled(
            cloid=record.cloid or "",
            fill_id=record.uid,
            px=record.px,
            sz=record.sz,
            fee_usd=record.fee,
            time_ms=record.time,
            record=record,
            dark=True,
        )
        return self.books.book(now_ms, filled, record.coin, "bid" if record.side == "B" else "ask")

    def _book_funding(self, now_ms: int, record: Funding) -> list[Any]:
        if not self._follows_opening(record.time):
            return []
        paid = messages.Funding(
            coin=record.coin,
            hour_ms=funding_hour_ms(record.time),
            usd=record.usdc,
            position_sz=record.szi,
            oracle_px=ZERO,
            rate_frac=record.funding_rate,
            mode="live",
        )
        return self.books.book_funding(now_ms, paid, record.time)

    def _follows_opening(self, time_ms: int) -> bool:
        return self.baseline is not None and time_ms > self.baseline.opened_ms

    def open(self, now_ms: int, state: ClearinghouseState) -> list[Any]:
        """Begin the books with what the account holds."""
        openings = [_opening(entry.position, state.time) for entry in state.asset_positions]
        out = self.books.open(now_ms, [opening for opening in openings if opening.position_sz])
        cash_usd = state.margin_summary.total_raw_usd
        baseline = Baseline(
            account=self._account,
            opened_ms=state.time,
            cash_usd=cash_usd - self.books.cash_usd,
            proven_ms=state.time,
        )
        return [*out, *self.books.state_baseline(baseline), lines.baseline(cash_usd, None)]

    def restate(self, state: ClearinghouseState) -> list[Any]:
        """Take the account's cash for what it should be."""
        difference_usd = self._cash_difference(state)
        baseline = self._opened
        cash_usd = baseline.cash_usd + difference_usd
        changed = msgspec.structs.replace(baseline, cash_usd=cash_usd, untied_usd=ZERO)
        return [
            *self.books.state_baseline(changed),
            lines.baseline(state.margin_summary.total_raw_usd, difference_usd),
        ]

    # ---- comparing ----

    def differences(self, state: ClearinghouseState) -> dict[str, str]:
        """What does not agree, by coin and for `ACCOUNT`, in numbers; empty when everything does."""
        theirs = {entry.position.coin: entry.position.szi for entry in state.asset_positions}
        found = {}
        for coin in {*theirs, *self._desks}:
            ours, held = self._position_sz(coin, state.time), theirs.get(coin, ZERO)
            if ours != held:
                found[coin] = f"position {ours} by our fills, {held} at the venue"
        cash_usd = self._cash_difference(state)
        if abs(cash_usd) > TOLERANCE_USD:
            held_usd = state.margin_summary.total_raw_usd
            found[ACCOUNT] = (
                f"cash ${held_usd - cash_usd:.6f} by our books, ${held_usd:.6f} at the venue ({cash_usd:+.6f})"
            )
        return found

    def object(self, differences: dict[str, str], state: ClearinghouseState) -> list[Any]:
        """They cannot be explained: quote none of these coins, and count the cash that is there."""
        self.books.object(differences)
        untied_usd = self._cash_difference(state) if ACCOUNT in differences else ZERO
        return self.books.state_baseline(msgspec.structs.replace(self._opened, untied_usd=untied_usd))

    def proven(self, state: ClearinghouseState) -> list[Any]:
        """Everything agreed."""
        self.books.object({})
        changed = msgspec.structs.replace(self._opened, proven_ms=state.time, untied_usd=ZERO)
        return self.books.state_baseline(changed)

    def summary(self, state: ClearinghouseState) -> tuple[Decimal, int]:
        """Cash and number of positions at the venue."""
        return state.margin_summary.total_raw_usd, len(state.asset_positions)

    def _position_sz(self, coin: str, at_ms: int) -> Decimal:
        desk = self._desks.get(coin)
        return desk.ledger.position_sz - self.books.journal.sz_after(at_ms, coin) if desk else ZERO

    def _cash_difference(self, state: ClearinghouseState) -> Decimal:
        """What the account has more than we say."""
        ours_usd = self._opened.cash_usd + self.books.cash_usd - self.books.journal.usd_after(state.time)
        return state.margin_summary.total_raw_usd - ours_usd

    @property
    def _opened(self) -> Baseline:
        assert self.baseline is not None, "the books are not open"
        return self.baseline


def _opening(position: Position, time_ms: int) -> Opening:
    """Cost is worth less unrealised result: the entry price is rounded, these are not."""
    worth_usd = position.position_value.copy_sign(position.szi)
    return Opening(
        coin=position.coin,
        position_sz=position.szi,
        cost_usd=worth_usd - position.unrealized_pnl,
        mark_px=worth_usd / position.szi if position.szi else ZERO,
        time_ms=time_ms,
    )
