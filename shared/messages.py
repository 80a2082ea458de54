"""Every message on the bus, in one place.

Structs are frozen and travel as JSON with a version tag (`book.1`), so `redis-cli` shows readable text.
Adding a field with a default keeps the tag; changing a meaning makes a new tag, and both are decoded for one
release. Prices, sizes and money are `Decimal` (JSON strings), never floats; estimates and ratios are floats.

Units ride in names. Signs: inventory + is long, OFI + is buying, a fee + is paid and - is a rebate.
Times `_ms` are Unix milliseconds; `received_ms` and `source_ms` keep microseconds as a fraction, because
tick-to-order latency is measured from them in production.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import msgspec

from shared.clock import SET_BACK_MS
from shared.units import Side

Regime = Literal["calm", "uncertain", "halt"]
Severity = Literal["debug", "info", "warning", "error"]
Mode = Literal["shadow", "live"]
ZERO = Decimal(0)


class Message(msgspec.Struct, frozen=True):
    """Base of everything that travels on a stream."""


class Reason(StrEnum):
    """Why a side shows no quote, an order was refused, or a quote is reduced: codes for log, metric and status."""

    NO_BOOK = "no_book"
    STALE_BOOK = "stale_book"
    CROSSED_BOOK = "crossed_book"
    RECONNECTING = "reconnecting"
    NO_UNIVERSE = "no_universe"
    NO_LEASE = "no_lease"
    LEASE_EXPIRED = "lease_expired"
    HALTED = "halted"
    COIN_DISABLED = "coin_disabled"
    NEGATIVE_EDGE = "negative_edge"
    REGIME_HALT = "regime_halt"
    FUNDING_HALT = "funding_halt"
    OFI_SELL_DOMINANCE = "ofi_sell_dominance"
    OFI_BUY_DOMINANCE = "ofi_buy_dominance"
    MAX_INVENTORY = "max_inventory"
    REDUCE_ONLY = "reduce_only"
    STALL = "stall"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    ORDER_CAP = "order_cap"
    WOULD_CROSS = "would_cross"
    INVALID_PX = "invalid_px"
    INVALID_SZ = "invalid_sz"
    BUS_LOST = "bus_lost"
    NO_TARGET = "no_target"
    UNRECONCILED = "unreconciled"
    UNKNOWN_ORDER = "unknown_order"
    NEVER_ARRIVED = "never_arrived"
    REPLACED_TOO_LATE = "replaced_too_late"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    REQUEST_BUDGET = "request_budget"
    THROTTLED = "throttled"
    VENUE_REFUSED = "venue_refused"
    UNCONFIRMED = "unconfirmed"
    FROZEN_BOOK = "frozen_book"
    PRICES_APART = "prices_apart"
    ADVERSE_SELECTION = "adverse_selection"
    TOXIC_FLOW = "toxic_flow"
    CASCADE = "cascade"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    POSITION_VALUE = "position_value"
    RATE_LIMITED = "rate_limited"
    VENUE_ERRORS = "venue_errors"
    LEDGER_MISMATCH = "ledger_mismatch"
    CLOCK_SKEW = "clock_skew"
    DISK_FULL = "disk_full"
    REDIS_MEMORY = "redis_memory"
    WATCHDOG_LOST = "watchdog_lost"
    OTHER_START = "other_start"
    FOREIGN_ORDERS = "foreign_orders"
    FLATTENING = "flattening"
    NO_MATCH = "no_match"


# ---- market data: written by the ingestor ------------------------------------------------------------------


class Level(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One price level, `[px, sz]` on the wire; sz in coins."""

    px: Decimal
    sz: Decimal


class CoinMeta(msgspec.Struct, frozen=True, gc=False):
    """What must be known of a coin before any price of it is rounded."""

    coin: str
    sz_decimals: int
    max_leverage: int


class Universe(Message, tag="universe.1", frozen=True, kw_only=True):
    """The coins of this run; every service takes its per-coin streams from the newest one."""

    coins: tuple[CoinMeta, ...]
    time_ms: int


class Book(Message, tag="book.1", frozen=True, kw_only=True):
    """The best (up to five) levels of a coin: the newest `bbo` laid over the newest fast `l2Book`."""

    coin: str
    time_ms: int
    """Venue block time of the newest part."""
    received_ms: float
    """Wall time at which the ingestor read the frame."""
    epoch: int
    """Connection number; rises with every reconnect. A book of an older epoch is never used."""
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def mid_px(self) -> float:
        return float(self.bids[0].px + self.asks[0].px) / 2

    @property
    def spread_bps(self) -> float:
        """Touch-to-touch spread."""
        return float(self.asks[0].px - self.bids[0].px) / self.mid_px * 1e4


class Depth(Message, tag="depth.1", frozen=True, kw_only=True):
    """The slow 20-level book: tells the queue at prices that the fast book does not show."""

    coin: str
    time_ms: int
    received_ms: float
    epoch: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One print. `side` is the aggressor: "B" bought, "A" sold. `tid` is unique per coin and time."""

    px: Decimal
    sz: Decimal
    side: Literal["B", "A"]
    time_ms: int
    tid: int


class Trades(Message, tag="trades.1", frozen=True, kw_only=True):
    """New prints of one coin in venue order, none of them sent before."""

    coin: str
    received_ms: float
    epoch: int
    trades: tuple[Trade, ...]


class AssetCtx(Message, tag="ctx.1", frozen=True, kw_only=True):
    """Funding and reference prices of a coin. `funding_1h_frac` is the hourly rate the venue predicts now."""

    coin: str
    received_ms: float
    funding_1h_frac: float
    oracle_px: Decimal
    mark_px: Decimal
    open_interest: float
    day_ntl_usd: float


class Reconnected(Message, tag="reconnected.1", frozen=True, kw_only=True):
    """A new connection carries data from here on; what came before is history."""

    epoch: int
    time_ms: int


class FeedHealth(Message, tag="feed.1", frozen=True, kw_only=True):
    """Once a second: is the feed alive, and how long do we take from frame to bus?"""

    time_ms: int
    connected: bool
    epoch: int
    last_frame_ms: float
    frames_total: int
    refused_total: int
    """Frames refused because crossed, malformed or older than the last of their kind."""
    reconnects_total: int
    latency_p95_ms: float
    latency_p99_ms: float
    latency_samples: int


# ---- decisions ---------------------------------------------------------------------------------------------


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


# ---- execution: written by the executor ---------------------------------------------------------------------


class OrderUpdate(Message, tag="order.1", frozen=True, kw_only=True):
    """A step in an order's life."""

    coin: str
    cloid: str
    side: Side
    level: int
    px: Decimal
    sz: Decimal
    filled_sz: Decimal
    status: Literal[
        "pending", "sent", "unknown", "open", "cancelling", "replacing", "filled", "canceled", "rejected"
    ]
    reason: str = ""
    time_ms: int
    source_ms: float = 0.0


class Fill(Message, tag="fill.1", frozen=True, kw_only=True):
    """One (partial) fill and the ledger right after it. `seq` counts the coin's fills from 1 without a gap."""

    coin: str
    fill_id: str
    seq: int
    cloid: str
    mode: Mode
    side: Side
    level: int
    """0: the order was not known when it filled (live)."""
    px: Decimal
    sz: Decimal
    fee_usd: Decimal
    """+ paid, - rebate; cut to micro-dollars as the venue does."""
    mid_px: Decimal
    """Mid before the fill: the reference of markouts."""
    realized_usd: Decimal
    """Closed PnL of this fill, gross of fees."""
    position_sz: Decimal
    """Signed position after the fill."""
    time_ms: int
    builder_fee_usd: Decimal = ZERO
    """Part of `fee_usd`."""


class Opening(Message, tag="opening.1", frozen=True, kw_only=True):
    """A position that was there when the live ledger of a coin began: its entry number 0."""

    coin: str
    position_sz: Decimal
    cost_usd: Decimal
    """Signed, by the venue."""
    mark_px: Decimal
    time_ms: int
    mode: Mode = "live"


class Funding(Message, tag="funding.1", frozen=True, kw_only=True):
    """One hourly funding payment, booked once per coin and hour. `usd` + received, - paid."""

    coin: str
    hour_ms: int
    usd: Decimal
    position_sz: Decimal
    oracle_px: Decimal
    """0 in live: the venue does not say it."""
    rate_frac: Decimal
    mode: Mode = "shadow"


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What trading brought: one coin or many, over the life of a ledger or over a session."""

    realized_usd: Decimal = ZERO
    unrealized_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO
    volume_usd: Decimal = ZERO
    fills: int = 0

    @property
    def pnl_usd(self) -> Decimal:
        return net_usd(self)

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            realized_usd=self.realized_usd + other.realized_usd,
            unrealized_usd=self.unrealized_usd + other.unrealized_usd,
            fees_usd=self.fees_usd + other.fees_usd,
            funding_usd=self.funding_usd + other.funding_usd,
            volume_usd=self.volume_usd + other.volume_usd,
            fills=self.fills + other.fills,
        )

    def __sub__(self, other: "Totals") -> "Totals":
        return Totals(
            realized_usd=self.realized_usd - other.realized_usd,
            unrealized_usd=self.unrealized_usd - other.unrealized_usd,
            fees_usd=self.fees_usd - other.fees_usd,
            funding_usd=self.funding_usd - other.funding_usd,
            volume_usd=self.volume_usd - other.volume_usd,
            fills=self.fills - other.fills,
        )


class CoinSession(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session found a coin: what people see are the totals since then."""

    start_ms: int = 0
    """The session, by `AccountState.session_start_ms`; another value is a session that is over."""
    base: Totals = Totals()
    peak_pnl_usd: Decimal = ZERO
    """Best PnL of the coin in the session; not below 0, where it began."""


class PositionState(Message, tag="position.1", frozen=True, kw_only=True):
    """The ledger of a coin, kept in the hash `mm:position:{C}`: what is needed to go on after a restart.

    Totals run over the ledger's life, through all sessions.
    """

    coin: str
    seq: int
    """Number of the last fill contained."""
    position_sz: Decimal
    cost_usd: Decimal
    """Signed cost of the open position; average entry = cost_usd / position_sz."""
    realized_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    volume_usd: Decimal
    fills: int
    funding_hour_ms: int = 0
    """Last hour whose funding is booked."""
    mark_px: Decimal = ZERO
    """Mid at which the position was last marked."""
    time_ms: int = 0
    session: CoinSession = CoinSession()
    mode: Mode = "shadow"


class CoinStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One coin's line in the executor's status: money, volume and fills of this session.

    Orders count from the start of the executor. `unrealized_usd` is the change since the session began.
    """

    coin: str
    position_sz: Decimal
    mark_px: Decimal
    realized_usd: Decimal
    unrealized_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    volume_usd: Decimal
    fills: int
    orders_placed: int
    orders_canceled: int
    orders_rejected: int
    resting_bids: int
    resting_asks: int
    best_bid_px: Decimal | None = None
    best_ask_px: Decimal | None = None
    bid_reason: Reason | None = None
    ask_reason: Reason | None = None
    peak_pnl_usd: Decimal = ZERO

    @property
    def pnl_usd(self) -> Decimal:
        return net_usd(self)


def net_usd(line: Totals | CoinStatus) -> Decimal:
    """Net result: closed and open PnL, less fees, plus funding."""
    return line.realized_usd + line.unrealized_usd - line.fees_usd + line.funding_usd


class RequestBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that the address may still send, as the executor counts and plans them."""

    mode: Literal["quoting", "reducing", "cancels", "beyond", "unknown"]
    """What is sent, from everything to one cancel each ten seconds."""
    used: int
    cap: int
    left: int
    headroom_frac: float
    widening: float
    """Factor on spreads and on the requote threshold."""
    spent_per_hour: float
    earned_per_hour: float
    pace_per_hour: float
    """Requests an hour that can be afforded."""
    hours_to_empty: float | None
    """None: it is not getting less."""
    forecasts: int = 0
    forecast_error_frac: float = 0.0
    """Mean error of forecasts ten minutes ahead, as part of the requests they were about."""


class LiveStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What only live trading has. Times are on our clock."""

    account: str
    phase: Literal["down", "asking", "waiting", "ready", "refused"]
    """Of the recovery; orders are placed in `ready` alone."""
    refused: tuple[str, ...] = ()
    """What a person has to look at in `refused`: orders of another hand, differences."""
    confirmed_until_ms: int
    without: tuple[str, ...]
    """Gates whose evidence was missing or not green when live trading was confirmed."""
    unknown_orders: int
    rejects: dict[str, int]
    """Orders that never came to rest, by reason, since the executor began."""
    errors: dict[str, int] = {}
    """Orders and cancels that went wrong since we began: `throttled`, `refused`, `unknown`, `not_sent`."""
    faults: dict[str, dict[str, int]] = {}
    """The same by action: `place`, `cancel`, `modify`; and questions of ours, `ask`, that were `unanswered`."""
    dark_fills: int
    tied_out_ms: int
    """When books and venue agreed last."""
    untied: dict[str, str]
    """Unexplained differences from the venue, by coin; "": in cash."""
    leaving_since_ms: int = 0
    """Since when the oldest order that rests and is to go has not been got away; 0: there is none."""
    budget: RequestBudget


class AccountStatus(Message, tag="account.1", frozen=True, kw_only=True):
    """Once a second from the executor: session PnL and every coin. Also published on `mm:engine_status`.

    `pnl_usd` = Σ realised + unrealised - fees + funding; `day_pnl_usd` the same since `day_start_ms`.
    PnL, fees, funding, volume and fills are exactly the sums over `coins`.
    """

    time_ms: int
    mode: Mode
    session_start_ms: int
    day_start_ms: int
    """When the daily loss budget began to count: UTC midnight, or the last `resume`."""
    starting_balance_usd: Decimal
    pnl_usd: Decimal
    day_pnl_usd: Decimal
    peak_pnl_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    volume_usd: Decimal
    fills: int
    coins: tuple[CoinStatus, ...]
    equity_usd: Decimal | None = None
    """Of the account now: live as the venue has it, in shadow the starting balance and all PnL."""
    drawdown_base_usd: Decimal = ZERO
    """Session PnL from which drawdown counts: 0, or what it was when the last `resume` ended a halt."""
    drawdown_peak_usd: Decimal = ZERO
    """Best PnL from there, not below 0."""
    reduce_only: dict[str, str] = {}
    """Why the operator allows only orders towards flat, by coin; "": all coins."""
    flattening: tuple[str, ...] = ()
    """Coins whose positions are being worked off."""
    live: LiveStatus | None = None


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Where the live ledgers and the account at the venue meet. Times are the venue's."""

    account: str
    """Address, lower case."""
    opened_ms: int
    """What happened up to here is not in the ledgers."""
    cash_usd: Decimal
    """The account's cash less what all ledgers have brought: deposits, and what was there before."""
    proven_ms: int
    """Up to here positions and cash have been compared and found equal."""
    untied_usd: Decimal = ZERO
    """How much more cash the account has than anybody can explain, until a person says that it is right."""


class AccountState(Message, tag="account_state.1", frozen=True, kw_only=True):
    """What the executor needs after a restart beyond the positions; one hash."""

    session_start_ms: int
    day_start_ms: int
    day_start_pnl_usd: Decimal
    peak_pnl_usd: Decimal
    run_id: str
    """The run this session belongs to; a new run starts a new session on the same positions."""
    coins: tuple[str, ...] = ()
    """Every coin that was ever filled: they count after a restart even if the universe has lost them."""
    mode: Mode = "shadow"
    baseline: Baseline | None = None
    """Live only; None until the account has been seen."""
    reduce_only: dict[str, str] = {}
    """As in `AccountStatus`: an operator's word outlives the process."""
    flattening: dict[str, ExitWay] = {}
    """How positions are worked off, by coin; "": all other coins."""
    drawdown_base_usd: Decimal = ZERO
    """As in `AccountStatus`."""
    drawdown_peak_usd: Decimal = ZERO
    halted: bool = False
    """Has there been a halt since the last `resume`? The one who ends it may find another process."""


# ---- everyone ------------------------------------------------------------------------------------------------

SILENT_MS = 10_000
"""Whoever has said nothing for longer is silent: what it told of the present is no longer so."""


class Heartbeat(Message, tag="heartbeat.1", frozen=True, kw_only=True):
    """Once a second from every service."""

    service: str
    time_ms: int
    started_ms: int
    pid: int
    handled_total: int
    skipped_total: int
    """Entries passed over by conflation of `latest` streams."""
    lost_total: int
    """Pending entries that were trimmed before anyone handled them."""
    rss_mb: float
    run_id: str = ""
    """Of the settings: another `started_ms` in the same run is a restart."""
    mode: Mode = "shadow"


class WatchdogStatus(Message, tag="watchdog.1", frozen=True, kw_only=True):
    """Once a second from the watchdog, from its first proof on that it can cancel."""

    time_ms: int
    able_ms: int
    """When it could cancel last, as far as it knows: now, while its key holds and the venue answers it."""
    fault: str = ""
    """Why it cannot."""


class Event(Message, tag="event.1", frozen=True, kw_only=True):
    """One line that people read; the log line is its rendering (see `shared.log`)."""

    service: str = ""
    """Filled in by the runtime."""
    level: Severity = "info"
    tag: str
    """The bracketed word that starts the line, for example SHADOW FILL."""
    text: str
    coin: str = ""
    time_ms: int = 0
    fields: dict[str, Any] = {}


def stamped(event: Event, service: str, now_ms: int) -> Event:
    """The event with the name and time that its core left out."""
    return msgspec.structs.replace(event, service=service, time_ms=event.time_ms or now_ms)
