"""Accounts: balances, positions, orders and everything the venue remembers about an address.

Money is in micro-dollars, sizes in lots, prices in price units (see `listing`).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from services.venue.exchange.facts import Filled, FundingPaid, LedgerUpdated, OrderChanged
from services.venue.exchange.live_orders import LiveOrders
from services.venue.market.book import FIRST_ACCOUNT

FILLS_KEPT = 10_000
ORDERS_KEPT = 2_000
EVENTS_KEPT = 10_000

Role = Literal["user", "subAccount", "vault", "market"]


@dataclass(frozen=True, slots=True)
class Leverage:
    """The setting of one coin; it exists without a position too."""

    value: int
    is_cross: bool = True


@dataclass(slots=True)
class Position:
    """A signed position; `entry_ntl` is what its open part cost (always positive)."""

    lots: int = 0
    entry_ntl: int = 0
    isolated_usd: int | None = None
    """Cash of an isolated position (the venue's `rawUsd`); None when it is in the cross pool."""
    funding_open: int = 0
    """Funding received (+) or paid (-), micro-dollars: since the opening, since the last change of size."""
    funding_change: int = 0


@dataclass(slots=True)
class Pool:
    """An account's margin in one dex. `raw_usd` is the cash of the cross pool: deposits and transfers, minus what
    was bought, plus what was sold, minus fees, plus funding. It is negative for a leveraged long."""

    raw_usd: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    """Only coins whose position is not zero."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A key that may sign for the account. The unnamed one has the name ""."""

    name: str
    address: str
    valid_until_ms: int


@dataclass(slots=True)
class DayVolume:
    """Traded on one UTC day, micro-dollars of notional."""

    taker_ntl: int = 0
    maker_ntl: int = 0


@dataclass(slots=True)
class Account:
    """One address that can trade."""

    address: str
    owner: int
    """Its number in the books (`Order.owner`), `FIRST_ACCOUNT` or more; the market itself has a lower one."""
    role: Role = "user"
    master: "Account | None" = None
    sub_name: str = ""
    opened_ms: int = 0
    spot_usd: int = 0
    pools: dict[str, Pool] = field(default_factory=dict)
    leverage: dict[str, Leverage] = field(default_factory=dict)
    orders: LiveOrders = field(default_factory=LiveOrders)
    """Live ones, resting or waiting for their trigger, by oid in the order of placement."""
    known: dict[int, OrderChanged] = field(default_factory=dict)
    """The last state of all live orders and of the `ORDERS_KEPT` that ended last, in the order of placement."""
    ended: deque[int] = field(default_factory=deque)
    """Those of them that have ended, in that order."""
    by_cloid: dict[str, int] = field(default_factory=dict)
    """oid of the newest order with a client id, for orders in `known`."""
    fills: deque[Filled] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    fundings: deque[FundingPaid] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    ledger: deque[LedgerUpdated] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    agents: dict[str, Agent] = field(default_factory=dict)
    sub_accounts: list["Account"] = field(default_factory=list)
    builders: dict[str, int] = field(default_factory=dict)
    """Approved builders: highest fee in tenths of a basis point."""
    referrer: str | None = None
    abstraction: str = "disabled"
    days: dict[str, DayVolume] = field(default_factory=dict)
    """Volume by UTC day, `2026-11-21`; the last 15 are kept."""
    cum_ntl: int = 0
    """Traded since the account was opened, micro-dollars."""
    funding_ever: dict[str, int] = field(default_factory=dict)
    """By coin, as `Position.funding_open`, over all positions there have been."""
    stirred: bool = True
    """Its money or positions may have changed since it was last judged (see `liquidating`)."""
    liquidate_whole_until_ms: int = 0
    """Until then its liquidation orders are for whole positions (see `liquidation`)."""
    requests_used: int = 0
    requests_bought: int = 0
    over_budget_ms: int | None = None
    """When the last request beyond the budget was let through (see `budget`)."""
    scheduled_cancel_ms: int | None = None
    scheduled_today: tuple[str, int] = ("", 0)
    """UTC day and how many scheduled cancels were triggered on it."""

    def pool(self, dex: str = "") -> Pool:
        return self.pools.setdefault(dex, Pool())

    def position(self, dex: str, coin: str) -> Position | None:
        pool = self.pools.get(dex)
        return pool.positions.get(coin) if pool else None


class Accounts:
    """All addresses. Address text is lower-cased on the way in."""

    def __init__(self) -> None:
        self.market = Account("market", 0, "market")
        """The other side of every trade with the modelled or recorded flow; it never runs out of money."""
        self._by_address: dict[str, Account] = {}
        self._by_owner: dict[int, Account] = {}
        self._agents: dict[str, tuple[Account, Agent]] = {}
        self._agents_ever: set[str] = set()

    def __iter__(self) -> Iterator[Account]:
        """Everybody but the market, oldest first."""
        return iter(self._by_address.values())

    def get(self, address: str) -> Account | None:
        return self._by_address.get(address.lower())

    def of_owner(self, owner: int) -> Account:
        return self._by_owner[owner] if owner >= FIRST_ACCOUNT else self.market

    def open(self, address: str, now_ms: int, role: Role = "user", master: Account | None = None) -> Account:
        """A new account without money."""
        account = Account(address.lower(), FIRST_ACCOUNT + len(self._by_owner), role, master, opened_ms=now_ms)
        self._by_address[account.address] = account
        self._by_owner[account.owner] = account
        return account

    def agent(self, address: str, now_ms: int) -> Account | None:
        """The account that approved this key, while the approval lasts."""
        found = self._agents.get(address.lower())
        return found[0] if found is not None and found[1].valid_until_ms > now_ms else None

    def approve(self, account: Account, agent: Agent) -> None:
        """Let a key sign for the account; the one of the same name loses that right."""
        self.remove_agent(account, agent.name)
        account.agents[agent.name] = agent
        self._agents[agent.address] = account, agent
        self._agents_ever.add(agent.address)

    def was_agent(self, address: str) -> bool:
        """This key has signed for somebody, or still may: it is nobody's account."""
        return address.lower() in self._agents_ever

    def remove_agent(self, account: Account, name: str) -> None:
        old = account.agents.pop(name, None)
        if old is not None:
            self._agents.pop(old.address, None)
