"""Execution, written by the executor: orders, fills, positions, the account."""

from decimal import Decimal
from typing import Literal

import msgspec

from shared.messages.base import ZERO, Message, Mode, Reason
from shared.messages.decisions import ExitWay
from shared.units import Side


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
