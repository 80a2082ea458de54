"""What the quoter knows of one coin, and whether it may quote at all."""

from decimal import Decimal

import msgspec

from services.quoter.config import QuoterConfig
from services.quoter.governor import MIN_LATENCY_SAMPLES, Governor, Inputs
from shared.book_check import book_fault
from shared.messages import (
    ZERO,
    AssetConfig,
    AssetCtx,
    Book,
    Fill,
    Opening,
    PositionState,
    Reason,
    RiskLease,
    SidePermit,
    TargetQuotes,
)

BUILT_IN_ATR_FRACTION = AssetConfig(coin="").atr_fraction
_DENY = {reason: SidePermit("none", reason) for reason in Reason}


class Coin:
    """Newest inputs of one coin and the last answer given for it."""

    def __init__(self, name: str, config: QuoterConfig, defaults: AssetConfig, now_ms: int) -> None:
        self.name, self.known_since_ms = name, now_ms
        self.sz_decimals: int | None = None
        self.defaults = defaults
        self._sizes = {name: getattr(defaults, name) for name in config.sizes_that_follow}
        self.config = defaults
        self.has_config = False
        self.book: Book | None = None
        self.books_seen = 0
        self.lease: RiskLease | None = None
        self.ctx: AssetCtx | None = None
        self.position_sz, self.fill_seq, self.fill_ms = ZERO, 0, 0
        self.governor = Governor(
            config.max_cancel_fill_ratio,
            config.funding_halt_8h_frac,
            config.governor_fall_per_s,
            config.governor_recovery_s,
        )
        self.last_key: object = None
        self.last_target: TargetQuotes | None = None

    # ---- taking in ----

    def take_config(self, config: AssetConfig) -> None:
        """Sizes that follow from the capital are ours: a config of before may speak of another one."""
        self.config, self.has_config = msgspec.structs.replace(config, **self._sizes), True
        self.measure()

    def take_fill(self, fill: Fill) -> bool:
        """Did the fill change what we hold? A repeat does not; `seq` 1 at a later time is a new ledger."""
        if fill.seq <= self.fill_seq and not (fill.seq == 1 and fill.time_ms > self.fill_ms):
            return False
        self.position_sz, self.fill_seq, self.fill_ms = fill.position_sz, fill.seq, fill.time_ms
        return True

    def take_opening(self, opening: Opening) -> bool:
        """The ledger begins with a position; fills count from 1."""
        if self.fill_seq:
            return False
        self.position_sz, self.fill_ms = opening.position_sz, opening.time_ms
        return True

    def take_position(self, state: PositionState) -> None:
        """The executor's stored ledger, read once at start."""
        if state.seq >= self.fill_seq:
            self.position_sz, self.fill_seq, self.fill_ms = state.position_sz, state.seq, state.time_ms

    def measure(self) -> None:
        """Show the governor the newest measurements; what has not arrived yet counts as harmless."""
        config, lease = self.config, self.lease
        built_in = not config.atr_measured and config.atr_fraction == BUILT_IN_ATR_FRACTION
        enough = lease is not None and lease.latency_samples >= MIN_LATENCY_SAMPLES
        self.governor.observe(
            Inputs(
                config.atr_fraction,
                "default" if built_in else "measured",
                config.regime,
                lease.cancels_1h if lease else 0,
                lease.fills_1h if lease else 0,
                lease.latency_p95_ms if lease and enough else 0.0,
                self.ctx.funding_1h_frac * 8 if self.ctx else 0.0,
            )
        )

    @property
    def widening(self) -> float:
        """How much wider than wanted the guard lets us quote; 1 without a lease, where nothing is quoted."""
        return max(self.lease.spread_multiplier, 1.0) if self.lease is not None else 1.0

    @property
    def size_frac(self) -> float:
        """What the guard leaves of every order's size; 1 without a lease, where nothing is quoted."""
        return min(max(self.lease.size_multiplier, 0.0), 1.0) if self.lease is not None else 1.0

    # ---- may it quote? ----

    def permits(self, now_ms: int, pause_after_ms: float, epoch: int) -> tuple[SidePermit, SidePermit]:
        """What each side may do, from the data, the lease, the coin's settings and the governor."""
        reason = self._data_problem(now_ms, pause_after_ms, epoch) or self._lease_problem(now_ms)
        if reason is None:
            reason = self._switched_off()
        if reason is not None:
            return _DENY[reason], _DENY[reason]
        assert self.lease is not None
        return self.lease.bid, self.lease.ask

    def _data_problem(self, now_ms: int, pause_after_ms: float, epoch: int) -> Reason | None:
        if self.sz_decimals is None:
            return Reason.NO_UNIVERSE
        return book_fault(now_ms, self.book, epoch, pause_after_ms)

    def _lease_problem(self, now_ms: int) -> Reason | None:
        if self.lease is None:
            return Reason.NO_LEASE
        return None if self.lease.holds(now_ms) else Reason.LEASE_EXPIRED

    def _switched_off(self) -> Reason | None:
        config = self.config
        if not config.enabled:
            by_hand = not self.defaults.enabled
            losing = config.edge_bps is not None and config.edge_bps < 0
            return Reason.NEGATIVE_EDGE if losing and not by_hand else Reason.COIN_DISABLED
        if self.governor.regime_halt:
            return Reason.REGIME_HALT
        return Reason.FUNDING_HALT if self.governor.funding_halt else None

    @property
    def mid_px(self) -> Decimal:
        """Mid of the newest book; zero without one."""
        if self.book is None or not self.book.bids or not self.book.asks:
            return ZERO
        return (self.book.bids[0].px + self.book.asks[0].px) / 2
