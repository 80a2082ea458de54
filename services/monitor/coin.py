"""What the monitor knows of one coin: the newest of everything, and what has to be summed up."""

from collections import Counter, defaultdict

from services.monitor.estimators import Markouts, Volatility
from shared.messages import (
    AssetConfig,
    AssetCtx,
    Book,
    CoinStatus,
    Fill,
    OrderUpdate,
    Reason,
    RiskLease,
    TargetQuotes,
)
from shared.units import Side

SIDES: tuple[Side, Side] = ("bid", "ask")
LONGEST_STEP_S = 5.0
"""Time between two statuses that is still known; a longer silence of the executor is nobody's quoting time."""
_RESOLVE_AFTER_MS = 1000
_REASONS = frozenset(Reason)


class Coin:
    """One row of the grid."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.book: Book | None = None
        self.ctx: AssetCtx | None = None
        self.config: AssetConfig | None = None
        self.target: TargetQuotes | None = None
        self.lease: RiskLease | None = None
        self.status: CoinStatus | None = None
        self.noquote_s: defaultdict[tuple[Side, str], float] = defaultdict(float)
        self.rejected: Counter[str] = Counter()
        self.volatility = Volatility()
        self.markouts = Markouts()
        self._longest_gap_ms = 0.0
        self._slowest_cycle_ms: float | None = None

    # ---- inputs ----

    def take_book(self, book: Book) -> None:
        if self.book is not None:
            self._longest_gap_ms = max(self._longest_gap_ms, book.received_ms - self.book.received_ms)
        self.markouts.resolve(book.received_ms, self.book)
        self.volatility.update(book)
        self.book = book

    def take_target(self, target: TargetQuotes) -> None:
        self.target = target
        if target.trigger == "book" and target.source_ms > 0:
            cycle_ms = max(0.0, target.computed_ms - target.source_ms)
            self._slowest_cycle_ms = max(self._slowest_cycle_ms or 0.0, cycle_ms)

    def take_fill(self, now_ms: int, fill: Fill) -> None:
        self.markouts.add(now_ms, fill.time_ms, fill.side, float(fill.mid_px))

    def take_order(self, order: OrderUpdate) -> None:
        if order.status == "rejected":
            self.rejected[order.reason if order.reason in _REASONS else "other"] += 1

    def take_status(self, status: CoinStatus, step_s: float) -> None:
        """The executor's newest line; `step_s` since the one before counts for how that one was."""
        if 0 < step_s <= LONGEST_STEP_S:
            for side in SIDES:
                reason = self.blocked(side)
                if reason is not None:
                    self.noquote_s[side, reason] += step_s
        self.status = status

    def tick(self, now_ms: int) -> None:
        self.markouts.resolve(now_ms - _RESOLVE_AFTER_MS, self.book)

    # ---- what follows from them ----

    @property
    def max_inv_usd(self) -> float | None:
        if self.target is not None:
            return self.target.max_inv_usd
        return self.config.max_inv_usd if self.config is not None else None

    @property
    def mark_px(self) -> float | None:
        """The mid, or the executor's last mark while there is no book."""
        if self.book is not None:
            return self.book.mid_px
        return float(self.status.mark_px) if self.status is not None and self.status.mark_px > 0 else None

    def resting(self, side: Side) -> int:
        if self.status is None:
            return 0
        return self.status.resting_bids if side == "bid" else self.status.resting_asks

    def blocked(self, side: Side) -> str | None:
        """Why a side shows no order: the executor's word first, else the quoter's; None while one rests."""
        if self.status is None or self.resting(side):
            return None
        reason = self.status.bid_reason if side == "bid" else self.status.ask_reason
        if reason is None and self.target is not None:
            reason = self.target.bid_reason if side == "bid" else self.target.ask_reason
        return reason.value if reason is not None else None

    def take_staleness_s(self, now_ms: float) -> float | None:
        """Greatest age of the book since this was last asked."""
        if self.book is None:
            return None
        age_ms = max(self._longest_gap_ms, now_ms - self.book.received_ms, 0.0)
        self._longest_gap_ms = 0.0
        return age_ms / 1000

    def take_cycle_ms(self) -> float | None:
        """Slowest frame-to-target since this was last asked."""
        slowest, self._slowest_cycle_ms = self._slowest_cycle_ms, None
        return slowest
