"""What the monitor knows of one coin: the newest of everything, and what has to be summed up."""

from collections import Counter, defaultdict

from services.monitor.edge import Edge
from services.monitor.estimators import Highest, Markouts, Volatility
from services.monitor.microprice import Microprice
from services.monitor.uptime import Uptime
from shared.messages import (
    SILENT_MS,
    AccountStatus,
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
HORIZONS_MS = {"1s": 1_000, "5s": 5_000, "30s": 30_000}
HEADLINE = "5s"
"""The horizon by which adverse selection is told."""
WINDOW_MS = 10_000
"""Of greatest values: two scrapes of Prometheus, so that it misses none."""
_RESOLVE_AFTER_MS = 1000
_REASONS = frozenset(Reason)


class Coin:
    """One row of the grid."""

    def __init__(self, name: str, tight_bps: float) -> None:
        """`tight_bps`: our spread up to which quoting counts as tight."""
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
        self.microprice = Microprice()
        self.by_horizon = {name: Markouts(horizon_ms) for name, horizon_ms in HORIZONS_MS.items()}
        self.markouts = self.by_horizon[HEADLINE]
        self.edge = Edge()
        self.uptime = Uptime(tight_bps)
        self.last_fills: dict[Side, Fill] = {}
        self._gaps_ms, self._cycles_ms = Highest(WINDOW_MS), Highest(WINDOW_MS)

    # ---- inputs ----

    def take_book(self, book: Book) -> None:
        if self.book is not None:
            self._gaps_ms.add(book.received_ms, book.received_ms - self.book.received_ms)
        self._resolve(book.received_ms)
        self.volatility.update(book)
        self.microprice.take(self.book, book, self.flow_imbalance)
        self.book = book

    def take_target(self, target: TargetQuotes) -> None:
        self.target = target
        if target.trigger == "book" and target.source_ms > 0:
            self._cycles_ms.add(target.computed_ms, max(0.0, target.computed_ms - target.source_ms))

    def take_fill(self, now_ms: int, fill: Fill) -> None:
        self.edge.add(fill)
        self.last_fills[fill.side] = fill
        for markouts in self.by_horizon.values():
            markouts.add(now_ms, fill.time_ms, fill.side, float(fill.mid_px), float(fill.sz))

    def take_order(self, order: OrderUpdate) -> None:
        if order.status == "rejected":
            self.rejected[order.reason if order.reason in _REASONS else "other"] += 1

    def take_status(self, status: CoinStatus, account: AccountStatus, step_s: float) -> None:
        """The executor's newest line; `step_s` since the one before counts for how that one was."""
        if 0 < step_s <= LONGEST_STEP_S:
            if self.status is not None:
                self.uptime.add(step_s, account.time_ms, self.status)
            for side in SIDES:
                reason = self.blocked(side)
                if reason is not None:
                    self.noquote_s[side, reason] += step_s
        self.status = status
        self.edge.settle(account.session_start_ms, status)

    def tick(self, now_ms: int) -> None:
        self._resolve(now_ms - _RESOLVE_AFTER_MS)

    def _resolve(self, until_ms: float) -> None:
        for name, markouts in self.by_horizon.items():
            won_usd = markouts.resolve(until_ms, self.book)
            if name == HEADLINE:
                self.edge.moved(won_usd)

    # ---- what follows from them ----

    @property
    def flow_imbalance(self) -> float | None:
        """Of takers, as the newest lease has it."""
        return self.lease.ofi if self.lease is not None else None

    @property
    def kappa_per_frac(self) -> float | None:
        """Decay of the market orders' reach beyond the touch, by the screener's estimate."""
        parts = self.config.parts if self.config is not None else None
        return 1e4 / parts.reach_bps if parts is not None and parts.reach_bps > 0 else None

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

    def is_fresh(self, now_ms: float) -> bool:
        """Does the book still say something of the market now?"""
        return self.book is not None and now_ms - self.book.received_ms <= SILENT_MS

    def staleness_s(self, now_ms: float) -> float | None:
        """Greatest age of the book within the window; goes on growing while no book comes."""
        if self.book is None:
            return None
        return max(self._gaps_ms.at(now_ms) or 0.0, now_ms - self.book.received_ms, 0.0) / 1000

    def cycle_ms(self, now_ms: float) -> float | None:
        """Slowest frame-to-target within the window."""
        return self._cycles_ms.at(now_ms)
