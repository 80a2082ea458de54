"""Decisions: how a coin may be quoted, what is wanted, what is permitted, what a person or the guard orders."""

from decimal import Decimal
from typing import Any, Literal

import msgspec

from shared.clock import SET_BACK_MS
from shared.messages.base import Message, Mode, Reason, Regime


class SpreadParts(msgspec.Struct, frozen=True, kw_only=True):
    """What a published half spread and its edge were made from; costs are positive, `funding_bps` is one."""

    wanted_bps: float
    """Where the spread is going by bounded steps."""
    touch_bps: float
    """Half of the market's mean spread."""
    reach_bps: float
    """1/κ: how far market orders go beyond the touch."""
    break_even_bps: float
    """Fee and adverse selection that the price must cover."""
    rung: float
    """The compared spread that was chosen, as a multiple of the formula's."""
    hour_multiplier: float
    weekend_multiplier: float
    adverse_bps: float
    """At 5 s, of orders that trade beyond our quote, or where those are few of the deepest there were."""
    adverse_n: int
    """How many orders it rests on, live and from history."""
    funding_bps: float
    se_bps: float
    """Standard error of the edge."""
    fills_per_hour: float
    """Orders that trade beyond our quote and so reach us behind everybody else."""
    fills_n: int
    """How many of them were seen, live and in history."""
    usd_per_hour: float
    usd_per_hour_low: float
    """One standard error of the edge below."""
    orders: int
    """Market orders measured, live and from history."""
    missing_orders: int
    """How many more it takes until the edge is told."""
    live_min: float
    history_h: float


class AssetConfig(Message, tag="asset_config.1", frozen=True, kw_only=True):
    """`config.MmAssetConfig` on the bus: one coin's quoting parameters, published by the screener."""

    coin: str
    enabled: bool = True
    strategy: str = "grid"
    base_spread_bps: float = 1.5
    """Half spread of the tightest level (V6's name kept)."""
    tier_multipliers: tuple[float, ...] = (1.0, 2.5, 5.0)
    min_order_usd: float = 12.0
    tier_sizes: tuple[float, ...] = (1.0, 2.0, 3.0)
    max_inv_usd: float = 200.0
    atr_fraction: float = 0.002
    atr_measured: bool = False
    """False: `atr_fraction` is the built-in default, and the governor trusts the label instead."""
    regime: Regime = "calm"
    maker_fee_bps: float = 1.5
    edge_bps: float | None = None
    """Expected net edge per fill; None until there is enough data to say."""
    rank: int | None = None
    version: int = 0
    published_ms: int = 0
    reason: str = ""
    """Why it is not enabled, or enabled in spite of its edge, or without one; for people."""
    parts: SpreadParts | None = None
    """None in settings that were not measured."""


class AssetConfigList(Message, tag="asset_config_list.1", frozen=True, kw_only=True):
    """All coins at once, for people on V6's channel `mm:asset_config`."""

    configs: tuple[AssetConfig, ...]
    published_ms: int


class QuoteLevel(msgspec.Struct, frozen=True, gc=False):
    """One order we want to rest; `level` counts from 1, tightest first."""

    level: int
    px: Decimal
    sz: Decimal


class TargetQuotes(Message, tag="target.1", frozen=True, kw_only=True):
    """The whole ladder we want for a coin. Each one replaces the last, so losing one is harmless."""

    coin: str
    source_ms: float
    """`received_ms` of the book it was computed from; 0 when there was none."""
    computed_ms: int
    trigger: Literal["book", "time"] = "book"
    """What caused this computation; only book-driven ones are measured as tick-to-target."""
    mid_px: float
    half_spread_bps: float
    shift_bps: float
    multiplier: float
    regime: Regime
    bids: tuple[QuoteLevel, ...] = ()
    asks: tuple[QuoteLevel, ...] = ()
    bid_reason: Reason | None = None
    """Set exactly when `bids` is empty."""
    ask_reason: Reason | None = None
    max_inv_usd: float = 200.0
    position_sz: Decimal | None = None
    """What it leans against; None: not told."""


class SidePermit(msgspec.Struct, frozen=True):
    """What one side may do: "quote", "reduce" (only towards flat) or "none"; with the reason unless "quote"."""

    allow: Literal["quote", "reduce", "none"] = "quote"
    reason: Reason | None = None


class RiskLease(Message, tag="risk.1", frozen=True, kw_only=True):
    """What each side of a coin may do until `valid_until_ms`; silence of the guard means: nothing."""

    coin: str
    issued_ms: int
    valid_until_ms: int
    bid: SidePermit
    ask: SidePermit
    ofi: float | None = None
    """Taker order-flow imbalance, -1..1; None while too few trades are known."""
    latency_p95_ms: float = 0.0
    latency_samples: int = 0
    cancels_1h: int = 0
    fills_1h: int = 0
    spread_multiplier: float = 1.0
    """How much wider than wanted the quotes must be; 1: as wanted."""
    size_multiplier: float = 1.0
    """What is left of their size."""

    def holds(self, now_ms: float) -> bool:
        """One dated ahead was given before our clock was set back: it would seem to last until then."""
        return self.issued_ms - SET_BACK_MS <= now_ms < self.valid_until_ms


class RuleStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the guard, on one coin or (coin "") on everything."""

    rule: str
    coin: str = ""
    value: float | None
    """None: not known."""
    limit: float
    unit: str
    level: Literal["off", "widen", "reduce", "pull", "halt"]
    fired: bool
    fired_ms: int = 0
    """When it fired last; 0: not as far as is known."""
    fired_total: int = 0
    """How often it has begun to fire."""
    detail: str = ""


class PossibleLoss(msgspec.Struct, frozen=True, kw_only=True):
    """What can be lost from here, in USD; positive is a loss."""

    day_left_usd: Decimal | None
    """Until the daily stop; None: there is none."""
    exposure_usd: Decimal
    """Σ |position|."""
    resting_usd: Decimal
    """Orders that may still fill, the larger side of each coin."""
    gaps_usd: dict[str, Decimal]
    """By size of the gap ("0.01", "0.03", "0.10"): every position against us, and what rests filled before it."""
    liquidation_frac: float | None
    """Adverse move of all coins at which the account is liquidated; None: nothing is held."""


class RiskReport(Message, tag="risk_report.1", frozen=True, kw_only=True):
    """Once a second from the guard: each rule on everything, and of each rule on coins the coin that is closest to
    its limit and all where it fires."""

    time_ms: int
    rules: tuple[RuleStatus, ...]
    loss: PossibleLoss | None
    """None: the executor has not told."""


class CoinMemory(Message, tag="risk_memory.1", frozen=True, kw_only=True):
    """What the guard's rules know of a coin beyond what the streams still hold, kept in `mm:risk_memory:{C}` for
    the guard that comes after it."""

    coin: str
    mode: Mode
    venue: str
    time_ms: int
    heard: dict[str, float]
    """How far it goes: time, or number, of the newest message of each kind."""
    parts: dict[str, Any]
    """By rule; what a part holds is its own affair (`services/guard/memory.py`)."""


class GuardMemory(Message, tag="guard_memory.1", frozen=True, kw_only=True):
    """The same of what is watched on everything."""

    mode: Mode
    venue: str
    run_id: str
    time_ms: int
    heard: dict[str, float]
    parts: dict[str, Any]


Action = Literal["halt", "resume", "cancel_all", "reduce_only", "flatten"]
ExitWay = Literal["off", "maker", "taker"]
"""How the executor works a position off: not at all, resting at the touch, or taking what the book offers."""


class Command(Message, tag="command.1", frozen=True, kw_only=True):
    """An order from the operator or the guard. `id` makes a repeat harmless.

    `reduce_only` keeps orders towards flat alone and `flatten` works positions off, both until `resume`. The
    newest word on a coin counts: `reduce_only` ends a flatten of before.
    """

    id: str
    action: Action
    who: str
    reason: str
    time_ms: int
    coins: tuple[str, ...] = ()
    """Of `reduce_only` and `flatten`; empty: all."""
    now: bool = False
    """Of `flatten`: take what the book offers, instead of resting at the touch."""


class HaltState(Message, tag="halt.1", frozen=True, kw_only=True):
    """The value of `mm:halt`; absent key = not halted. Survives restarts; only `resume` clears it."""

    halted: bool
    reason: str = ""
    who: str = ""
    since_ms: int = 0
