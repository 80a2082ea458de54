"""What the venue says of the account and of the keys, and whether one may trade with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from market_maker.findings import Finding
from market_maker.preflight import LARGEST_CLOCK_ERROR_S
from services.executor.config import ExecutorConfig
from services.executor.live.budget import Budget, headroom, widening
from services.executor.live.endurance import Expected, Refusal, check_lasts
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
WORRYING_WIDENING = 2.0
BALANCE_TOLERANCE = Decimal("0.1")
STANDARD_MODES = ("disabled", "default", "dexAbstraction")
"""Account modes in which the margin of a perp account is its own (reference page §3.3)."""
_SHOWN_ORDERS = 5


class Credentials(Protocol):
    """Addresses in lower case, of the account and of the executor's key, which signs for it."""

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
    """How long the keys must be good."""
    executor: ExecutorConfig
    quoting: Expected
    """What has to be affordable in requests."""


@dataclass(frozen=True)
class AccountFacts:
    """Answers of the venue. `clock_ahead_ms`: of the venue's clock to ours."""

    clock_ahead_ms: float
    clock_error_ms: float
    account_role: UserRole
    key_role: UserRole
    watchdog_role: UserRole | None
    """None: its key is missing."""
    agents: tuple[ExtraAgent, ...]
    mode: str
    state: ClearinghouseState
    orders: tuple[OpenOrder, ...]
    budget: RateLimit
    fees: UserFees


# ---- asking --------------------------------------------------------------------------------------------------


async def ask(client: InfoClient, credentials: Credentials, watchdog: str | None, dex: str) -> AccountFacts:
    """`watchdog`: the address of its key.

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
        watchdog_role=await AccountInfo(client, watchdog).role() if watchdog else None,
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


def judge(facts: AccountFacts, credentials: Credentials, watchdog: str | None, needs: Needs) -> Iterator[Finding]:
    """`watchdog`: the address of its key; nothing is said of one that is missing."""
    yield _clock(facts)
    yield _account(facts, credentials)
    yield _key("key", facts.key_role, credentials.agent, credentials.address, facts.agents, needs)
    if watchdog is not None and facts.watchdog_role is not None:
        yield _watchdog(facts, facts.watchdog_role, credentials, watchdog, needs)
    yield _mode(facts)
    yield from _margin(facts, needs)
    yield _positions(facts)
    yield _orders(facts, credentials)
    yield budget(facts.budget, needs)
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


def _watchdog(
    facts: AccountFacts, role: UserRole, credentials: Credentials, watchdog: str, needs: Needs
) -> Finding:
    """Its own key: it must work while the executor's does not, and each key counts its own nonces."""
    if watchdog == credentials.agent:
        return Finding("FAIL", "watchdog", "it has the executor's key; approve an agent of its own for it")
    return _key("watchdog", role, watchdog, credentials.address, facts.agents, needs)


def _key(
    subject: str, role: UserRole, agent: str, account: str, agents: tuple[ExtraAgent, ...], needs: Needs
) -> Finding:
    fault = _key_fault(role, agent, account)
    if fault:
        return Finding("FAIL", subject, fault)
    listed = next((each for each in agents if each.address.lower() == agent), None)
    if listed is None:
        text = "the venue does not list it, so when it expires is not known; approve one with a name"
        return Finding("FAIL", subject, text)
    text = f"agent {listed.name!r}, valid until {utc(listed.valid_until):%Y-%m-%d %H:%M} UTC"
    if listed.valid_until >= needs.until_ms:
        return Finding("ok", subject, text)
    return Finding("FAIL", subject, f"{text}, too soon: without it nothing can be cancelled; approve a new one")


def _key_fault(role: UserRole, agent: str, account: str) -> str | None:
    """Only an agent of the account will do: it can trade and not withdraw."""
    if agent == account or role.role not in ("agent", "missing"):
        return "it belongs to an account and could withdraw; approve an agent (API wallet) and give its key"
    if role.role == "missing":
        return f"its address {agent} is no agent, or no more: approve it for {account}"
    if (role.data.user or "").lower() != account:
        return f"it is an agent of {role.data.user}, not of HL_ADDRESS {account}"
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
        return Finding(
            "warning",
            "orders",
            f"{own} of ours rest, and the start cancels them; if another bot trades this account, stop that first",
        )
    return Finding("ok", "orders", "none open")


def _order(order: OpenOrder) -> str:
    side = "buy" if order.side == "B" else "sell"
    return f"{order.coin} {side} {order.sz} @ {order.limit_px} (oid {order.oid})"


def budget(rate_limit: RateLimit, needs: Needs) -> Finding:
    """Does the least quoting that is worth it last? The planner never lets the budget run out, so what it cannot
    afford shows as coins that are not quoted most of the time: this is told before, not found out."""
    found = check_lasts(needs.executor, rate_limit, needs.quoting)
    text = f"With each order moved every {60 / needs.quoting.replacements_per_hour:.0f} minutes: {found.text}"
    if isinstance(found, Refusal):
        remedies = "\n".join(f"  or     {remedy}" for remedy in found.remedies)
        return Finding("FAIL", "budget", f"{text}\n{remedies.replace('or', 'do', 1)}")
    wider = widening(headroom(Budget.told(rate_limit), needs.executor.budget_full_requests))
    if wider < WORRYING_WIDENING:
        return Finding("ok", "budget", text)
    return Finding(
        "warning", "budget", f"{text}\n  but    spreads begin {wider:.1f} times as wide: little is left"
    )


def _fees(facts: AccountFacts, needs: Needs) -> Finding:
    assumed, paid = FEE_TIERS[needs.fee_tier].maker, facts.fees.user_add_rate
    text = f"maker {paid * 10_000:.2f} bps, taker {facts.fees.user_cross_rate * 10_000:.2f} bps"
    if paid <= assumed:
        return Finding("ok", "fees", text)
    remedy = f"spreads are made for {assumed * 10_000:.2f} bps: lower MM_FEE_TIER"
    return Finding("FAIL", "fees", f"{text}; {remedy}")
