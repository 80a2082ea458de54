"""What the venue says of the account and of the key, and whether one may trade with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from market_maker.doctor import LARGEST_CLOCK_ERROR_S, Finding
from shared.clock import utc, wall_ms
from shared.fees import FEE_TIERS
from shared.hyperliquid.account import (
    ClearinghouseState,
    ExtraAgent,
    OpenOrder,
    RateLimit,
    UserFees,
    UserRole,
)
from shared.hyperliquid.account_info import AccountInfo, exchange_status
from shared.hyperliquid.cloids import is_own, own_prefix
from shared.hyperliquid.rest import InfoClient

CLOCK_LOOKS = 3
LEAST_HEADROOM = Decimal("0.10")
"""Of the request budget: below it the executor only reduces."""
WORRYING_HEADROOM = Decimal("0.25")
BALANCE_TOLERANCE = Decimal("0.1")
STANDARD_MODES = ("disabled", "default", "dexAbstraction")
"""Account modes in which the margin of a perp account is its own (reference page §3.3)."""
_SHOWN_ORDERS = 5


class Credentials(Protocol):
    """Addresses in lower case, of the account and of the key that signs for it."""

    @property
    def address(self) -> str: ...
    @property
    def agent(self) -> str: ...


@dataclass(frozen=True)
class Needs:
    """What is to be traded."""

    balance_usd: Decimal
    daily_stop_usd: Decimal
    margin_usd: Decimal
    """For all coins at their inventory limits, at the highest leverage they allow."""
    fee_tier: int
    until_ms: float
    """How long the key must be good."""


@dataclass(frozen=True)
class AccountFacts:
    """Answers of the venue. `clock_ahead_ms`: of the venue's clock to ours."""

    clock_ahead_ms: float
    clock_error_ms: float
    account_role: UserRole
    key_role: UserRole
    agents: tuple[ExtraAgent, ...]
    mode: str
    state: ClearinghouseState
    orders: tuple[OpenOrder, ...]
    budget: RateLimit
    fees: UserFees


# ---- asking --------------------------------------------------------------------------------------------------


async def ask(client: InfoClient, credentials: Credentials, dex: str) -> AccountFacts:
    """
    Raises:
        VenueError: the venue does not answer one of the questions.
    """
    account = AccountInfo(client, credentials.address)
    ahead_ms, error_ms = await clock(client)
    orders = await account.open_orders()
    return AccountFacts(
        clock_ahead_ms=ahead_ms,
        clock_error_ms=error_ms,
        account_role=await account.role(),
        key_role=await AccountInfo(client, credentials.agent).role(),
        agents=await account.extra_agents(),
        mode=await client.ask(str, {"type": "userAbstraction", "user": credentials.address}),
        state=await account.clearinghouse_state(dex),
        orders=orders + (await account.open_orders(dex) if dex else ()),
        budget=await account.rate_limit(),
        fees=await account.fees(),
    )


async def clock(client: InfoClient) -> tuple[float, float]:
    """How far the venue's clock is ahead of ours, and how wrong that may be (ms); the quickest of some looks."""
    looks = []
    for _ in range(CLOCK_LOOKS):
        begun_ms = wall_ms()
        status = await exchange_status(client)
        ended_ms = wall_ms()
        looks.append(((ended_ms - begun_ms) / 2, status.time - (begun_ms + ended_ms) / 2))
    error_ms, ahead_ms = min(looks)
    return ahead_ms, error_ms


# ---- judging -------------------------------------------------------------------------------------------------


def judge(facts: AccountFacts, credentials: Credentials, needs: Needs) -> Iterator[Finding]:
    yield _clock(facts)
    yield _account(facts, credentials)
    yield from _key(facts, credentials, needs)
    yield _mode(facts)
    yield from _margin(facts, needs)
    yield _positions(facts)
    yield _orders(facts, credentials)
    yield _budget(facts)
    yield _fees(facts, needs)


def _clock(facts: AccountFacts) -> Finding:
    """Requests carry our time: nonces and expiry are measured against the venue's."""
    ahead_s, error_s = facts.clock_ahead_ms / 1000, facts.clock_error_ms / 1000
    text = f"the venue's is {ahead_s:+.2f} s from ours (±{error_s:.2f} s)"
    if abs(ahead_s) > LARGEST_CLOCK_ERROR_S:
        return Finding("FAIL", "clock", f"{text}; synchronise this machine")
    return Finding("ok", "clock", text)


def _account(facts: AccountFacts, credentials: Credentials) -> Finding:
    match facts.account_role.role:
        case "user":
            return Finding("ok", "account", credentials.address)
        case "agent":
            text = f"HL_ADDRESS is an agent's address; the account is {facts.account_role.data.user}"
        case "missing":
            text = f"the venue does not know HL_ADDRESS {credentials.address}: nothing was ever deposited"
        case role:
            text = f"HL_ADDRESS {credentials.address} is a {role}; only accounts of their own are traded"
    return Finding("FAIL", "account", text)


def _key(facts: AccountFacts, credentials: Credentials, needs: Needs) -> Iterator[Finding]:
    fault = _key_fault(facts, credentials)
    if fault:
        yield Finding("FAIL", "key", fault)
        return
    agent = next((agent for agent in facts.agents if agent.address.lower() == credentials.agent), None)
    if agent is None:
        remedy = "approve one with a name"
        yield Finding("FAIL", "key", f"the venue does not list it, so when it expires is not known; {remedy}")
        return
    text = f"agent {agent.name!r}, valid until {utc(agent.valid_until):%Y-%m-%d %H:%M} UTC"
    if agent.valid_until >= needs.until_ms:
        yield Finding("ok", "key", text)
    else:
        yield Finding("FAIL", "key", f"{text}, too soon: without it nothing can be cancelled; approve a new one")


def _key_fault(facts: AccountFacts, credentials: Credentials) -> str | None:
    """Only an agent of the account will do: it can trade and not withdraw."""
    role = facts.key_role
    if credentials.agent == credentials.address or role.role not in ("agent", "missing"):
        return "it belongs to an account and could withdraw; approve an agent (API wallet) and give its key"
    if role.role == "missing":
        return f"its address {credentials.agent} is no agent, or no more: approve it for {credentials.address}"
    if (role.data.user or "").lower() != credentials.address:
        return f"it is an agent of {role.data.user}, not of HL_ADDRESS {credentials.address}"
    return None


def _mode(facts: AccountFacts) -> Finding:
    if facts.mode in STANDARD_MODES:
        return Finding("ok", "mode", facts.mode)
    return Finding("FAIL", "mode", f"{facts.mode}: its margin cannot be read; set the account to standard mode")


def _margin(facts: AccountFacts, needs: Needs) -> Iterator[Finding]:
    value_usd = facts.state.margin_summary.account_value
    text = f"${value_usd:,.2f} in the account, ${facts.state.withdrawable:,.2f} of it free"
    if value_usd <= needs.daily_stop_usd:
        yield Finding("FAIL", "margin", f"{text}; the daily stop alone is ${needs.daily_stop_usd:,.2f}")
    elif value_usd < needs.margin_usd:
        need = f"${needs.margin_usd:,.2f} at their highest leverage"
        yield Finding("FAIL", "margin", f"{text}; all coins at their inventory limits need {need}")
    else:
        yield Finding("ok", "margin", text)
    if abs(value_usd - needs.balance_usd) > BALANCE_TOLERANCE * needs.balance_usd:
        remedy = f"the daily stop refers to ${needs.balance_usd:,.0f}: set MM_STARTING_BALANCE_USD"
        yield Finding("warning", "balance", remedy)


def _positions(facts: AccountFacts) -> Finding:
    held = [entry.position for entry in facts.state.asset_positions]
    if not held:
        return Finding("ok", "positions", "none")
    listed = ", ".join(f"{position.coin} {position.szi} (${position.position_value:,.2f})" for position in held)
    return Finding("warning", "positions", f"the session begins with {listed}")


def _orders(facts: AccountFacts, credentials: Credentials) -> Finding:
    """Orders of others on the account are never touched, so nothing can be proved beside them."""
    prefix = own_prefix(credentials.address)
    foreign = [order for order in facts.orders if not is_own(order.cloid, prefix)]
    own = len(facts.orders) - len(foreign)
    if foreign:
        listed = "; ".join(_order(order) for order in foreign[:_SHOWN_ORDERS])
        more = f" and {len(foreign) - _SHOWN_ORDERS} more" if len(foreign) > _SHOWN_ORDERS else ""
        return Finding("FAIL", "orders", f"{len(foreign)} are not ours, cancel them first: {listed}{more}")
    if own:
        return Finding("warning", "orders", f"{own} of an earlier session rest; the start cancels them")
    return Finding("ok", "orders", "none open")


def _order(order: OpenOrder) -> str:
    side = "buy" if order.side == "B" else "sell"
    return f"{order.coin} {side} {order.sz} @ {order.limit_px} (oid {order.oid})"


def _budget(facts: AccountFacts) -> Finding:
    budget = facts.budget
    left = max(budget.n_requests_cap - budget.n_requests_used, 0) + budget.n_requests_surplus
    headroom = Decimal(left) / max(budget.n_requests_cap, 1)
    text = f"{left:,} of {budget.n_requests_cap:,} requests left"
    if headroom < LEAST_HEADROOM:
        remedy = f"below {LEAST_HEADROOM:.0%} only reducing orders are sent; each dollar traded adds one"
        return Finding("FAIL", "budget", f"{text}; {remedy}")
    return Finding("ok" if headroom >= WORRYING_HEADROOM else "warning", "budget", text)


def _fees(facts: AccountFacts, needs: Needs) -> Finding:
    assumed, paid = FEE_TIERS[needs.fee_tier].maker, facts.fees.user_add_rate
    text = f"maker {paid * 10_000:.2f} bps, taker {facts.fees.user_cross_rate * 10_000:.2f} bps"
    if paid <= assumed:
        return Finding("ok", "fees", text)
    remedy = f"spreads are made for {assumed * 10_000:.2f} bps: lower MM_FEE_TIER"
    return Finding("FAIL", "fees", f"{text}; {remedy}")
