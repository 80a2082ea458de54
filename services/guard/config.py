"""Settings of the guard, beside what every service knows."""

from decimal import Decimal
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.config import EngineConfig

_SEVERITIES = (
    "cascade_widen_severity", "cascade_shrink_severity", "cascade_pull_severity", "cascade_kill_severity",
)  # fmt: skip


class GuardConfig(EngineConfig):
    """Table `[guard]`."""

    section: ClassVar[str] = "guard"

    rule_levels: dict[str, Literal["off", "widen", "reduce", "pull", "halt"]] = Field(
        {},
        description="What a rule does when it fires, in place of its own level: off, widen, reduce, pull or halt,"
        " by its name in `market_maker status`.",
    )
    guard_stale_book_s: float = Field(
        15.0, gt=0, description="Age of a coin's newest book, in seconds, at which its lease ends."
    )
    ofi_min_trades: int = Field(50, ge=1, description="Trades below which the OFI says nothing.")
    ofi_max_age_s: float = Field(
        600.0, gt=0, description="Trades older than this leave the OFI window, in seconds: a quiet coin recovers."
    )

    rule_hold_s: float = Field(
        10.0,
        ge=0,
        description="Seconds a rule on a coin's book, prices or position goes on after what it saw ended.",
    )
    guard_quiet_book_s: float = Field(
        5.0, gt=0, description="Age of a coin's newest book, in seconds, above which its quotes are twice as wide."
    )
    frozen_book_bps: float = Field(
        5.0,
        gt=0,
        description="Distance, in bps, of mark price or prints beyond a touch that stands still, above which the"
        " coin's quotes are pulled.",
    )
    frozen_book_s: float = Field(2.0, ge=0, description="Seconds that has to last.")
    prices_apart_bps: float = Field(
        50.0, gt=0, description="Distance between book mid and mark price, in bps, above which quotes are pulled."
    )
    prices_apart_s: float = Field(5.0, ge=0, description="Seconds that has to last.")
    toxicity_ratio: float = Field(
        1.5, ge=1, description="RV/BV of five minutes above which quotes widen, to double at twice as much."
    )
    adverse_loss_bps: float = Field(
        1.0,
        gt=0,
        description="Mean loss of a side's own fills after 5 s, in bps net of fees, above which quotes widen, to"
        " double at twice as much.",
    )
    adverse_min_fills: int = Field(
        10, ge=1, le=15, description="Fills of a side, the older counting less, below which its loss is not known."
    )
    cascade_widen_severity: float = Field(
        0.3, gt=0, le=1, description="Cascade severity (0 to 1) from which quotes are 1.5 times as wide."
    )
    cascade_shrink_severity: float = Field(
        0.5, gt=0, le=1, description="Cascade severity from which they are 2.5 times as wide and half as large."
    )
    cascade_pull_severity: float = Field(
        0.8, gt=0, le=1, description="Cascade severity from which the coin's quotes are pulled."
    )
    cascade_kill_severity: float = Field(
        0.95, gt=0, le=1, description="Cascade severity above which everything is halted."
    )
    cascade_least_orders_per_s: float = Field(
        0.5,
        gt=0,
        description="Taker orders a second of one side that count as usual on the quietest coin: a handful of"
        " orders is no cascade.",
    )
    cascade_least_move_bps: float = Field(
        5.0,
        gt=0,
        description="Move in 5 s, in bps, that counts as usual in the calmest market; six times it may be one.",
    )

    max_daily_loss_usd: Decimal = Field(
        Decimal(500), gt=0, description="Loss of a UTC day (or since `resume`), in USD, that halts everything."
    )
    max_drawdown_frac: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Fall of the PnL from its peak, as a fraction of the account value, that halts everything."
        " It counts once the peak is above $1 and above 2 % of max_position_value_usd.",
    )
    max_position_value_usd: Decimal = Field(
        Decimal(10_000),
        gt=0,
        description="Sum of |position| x mid over all coins, in USD, above which all reduce.",
    )
    rate_limit_errors: int = Field(
        10, ge=1, description="Requests throttled by the venue, within the window, that halt everything."
    )
    rate_limit_window_s: float = Field(600.0, gt=0, description="Length of that window, in seconds.")
    venue_errors: int = Field(
        5, ge=1, description="Requests refused or without an answer, within the window, that pull all quotes."
    )
    venue_errors_window_s: float = Field(
        60.0, gt=0, description="Length of that window, in seconds: so long quotes stay away after the last error."
    )
    ledger_mismatch_s: float = Field(
        120.0, gt=0, description="Seconds an unexplained difference from the venue's account may last; then halt."
    )
    foreign_orders: int = Field(
        1,
        ge=1,
        description="Things a person has to look at on the account, such as orders of another hand, from which on"
        " nothing is quoted.",
    )
    clock_skew_s: float = Field(
        2.0,
        gt=0,
        description="Difference of our clock from the venue's, in seconds, above which quotes are pulled.",
    )
    disk_max_used_frac: float = Field(
        0.98, gt=0, lt=1, description="Used part of the disk of data_dir above which all positions are reduced."
    )
    disk_min_free_mb: float = Field(
        500.0, ge=0, description="The same for free megabytes; whichever limit comes first."
    )
    redis_max_memory_frac: float = Field(
        0.9, gt=0, le=1, description="Used part of Redis' memory limit above which all positions are reduced."
    )
    machine_look_s: float = Field(10.0, gt=0, description="Seconds between two looks at disk and Redis memory.")
    watchdog_lost_s: float = Field(
        10.0, gt=1, description="Live: seconds without a watchdog that can cancel, after which quotes are pulled."
    )

    @model_validator(mode="after")
    def _no_rule_is_switched_off_by_its_neighbour(self) -> Self:
        severities = [getattr(self, name) for name in _SEVERITIES]
        if severities != sorted(severities):
            given = ", ".join(f"{value:g}" for value in severities)
            raise ValueError(f"{', '.join(_SEVERITIES)}: none may be above the one after it, got {given}")
        if self.ofi_min_trades > self.ofi_window_trades:
            raise ValueError(
                f"ofi_min_trades: a window of {self.ofi_window_trades} trades (ofi_window_trades) never holds"
                f" {self.ofi_min_trades}"
            )
        return self
