"""One look at everything: what the bus holds at this moment, for `status`, progress lines and summaries."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services import SERVICES
from shared.bus import Bus
from shared.messages import (
    SILENT_MS,
    AccountStatus,
    Book,
    CoinStatus,
    FeedHealth,
    HaltState,
    Heartbeat,
    Message,
    Reason,
    RiskLease,
    RiskReport,
    TargetQuotes,
    Universe,
)
from shared.streams import BOOK, FEED, LAST_STATUS, RISK, RISK_REPORT, STATUS, TARGET, UNIVERSE

STALE_BOOK_MS = 5_000
IN_FLIGHT = "in_flight"
"""Wanted, allowed and sent, but not resting yet: no reason code, a matter of milliseconds."""
EXECUTOR_SILENT = "executor_silent"
"""In place of a reason: nobody tells whether anything rests."""
_STATUS_ENTRIES = 60
"""Ten services and the account, once a second each: the last five seconds, enough while nobody is silent."""


@dataclass(frozen=True)
class Snapshot:
    """The newest message of each kind."""

    time_ms: float
    coins: tuple[str, ...] = ()
    books: dict[str, Book] = field(default_factory=dict)
    targets: dict[str, TargetQuotes] = field(default_factory=dict)
    leases: dict[str, RiskLease] = field(default_factory=dict)
    heartbeats: dict[str, Heartbeat] = field(default_factory=dict)
    account: AccountStatus | None = None
    feed: FeedHealth | None = None
    halt: HaltState = HaltState(halted=False)
    risk: RiskReport | None = None

    @property
    def fresh_books(self) -> list[str]:
        return [coin for coin, book in self.books.items() if self.time_ms - book.received_ms <= STALE_BOOK_MS]

    @property
    def executor_silent(self) -> bool:
        """Is it unknown what rests and what is held now?"""
        return self.account is None or self.time_ms - self.account.time_ms > SILENT_MS

    @property
    def silent(self) -> list[str]:
        """Services that have not been heard of lately, those that should be there included."""
        heard = {name for name, beat in self.heartbeats.items() if self.time_ms - beat.time_ms <= SILENT_MS}
        return sorted((_expected(self.account) | self.heartbeats.keys()) - heard)

    @property
    def quoted(self) -> dict[str, CoinStatus]:
        """The executor's line of each coin."""
        return {status.coin: status for status in self.account.coins} if self.account else {}

    @property
    def listed(self) -> tuple[str, ...]:
        """The coins of the universe, and those that left it with a position or a result in this session."""
        return (*self.coins, *(coin for coin in self.quoted if coin not in self.coins))

    @property
    def resting_both_sides(self) -> list[str]:
        if self.executor_silent:
            return []
        return [coin for coin, status in self.quoted.items() if status.resting_bids and status.resting_asks]

    @property
    def resting(self) -> int:
        """Orders that rest, of all coins."""
        return sum(status.resting_bids + status.resting_asks for status in self.quoted.values())

    @property
    def unknown_orders(self) -> int:
        """Orders of which nobody knows at present whether they rest (live)."""
        return self.account.live.unknown_orders if self.account and self.account.live else 0

    @property
    def reasons(self) -> dict[str, int]:
        """How many sides are without a quote, by reason code."""
        counts: dict[str, int] = {}
        for coin in self.coins:
            for reason in side_reasons(self, coin):
                if reason:
                    counts[reason] = counts.get(reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def side_reasons(snapshot: Snapshot, coin: str) -> tuple[str, str]:
    """Why bid and ask show no order: the executor's word first, else the quoter's; empty where one rests."""
    status, target = snapshot.quoted.get(coin), snapshot.targets.get(coin)
    if coin not in snapshot.coins:
        return Reason.NO_UNIVERSE, Reason.NO_UNIVERSE
    if target is None:
        return Reason.NO_BOOK, Reason.NO_BOOK
    if snapshot.executor_silent:
        return EXECUTOR_SILENT, EXECUTOR_SILENT
    bid = (status and status.bid_reason) or target.bid_reason or IN_FLIGHT
    ask = (status and status.ask_reason) or target.ask_reason or IN_FLIGHT
    return (
        "" if status and status.resting_bids else str(bid),
        "" if status and status.resting_asks else str(ask),
    )


def _expected(account: AccountStatus | None) -> set[str]:
    """Services that every run has; the watchdog belongs to live trading."""
    watched = account is not None and account.mode == "live"
    return set(SERVICES) - {"venue"} - (set() if watched else {"watchdog"})


async def _told(bus: Bus) -> list[Message]:
    """The newest word of every service and of the account; all there is, where somebody has been silent."""
    newest = await bus.stored(STATUS, (), last=_STATUS_ENTRIES)
    account = next((message for message in reversed(newest) if isinstance(message, AccountStatus)), None)
    heard = {message.service for message in newest if isinstance(message, Heartbeat)}
    complete = account is not None and heard >= _expected(account)
    return newest if complete else [*await _last_words(bus), *await bus.stored(STATUS, ())]


async def _last_words(bus: Bus) -> list[Message]:
    """Of the account, the newest last: a silent executor's may have left the stream long ago."""
    kept = await bus.stored(LAST_STATUS, ())
    return sorted(kept, key=lambda status: status.time_ms if isinstance(status, AccountStatus) else 0)


async def look(bus: Bus, now_ms: float) -> Snapshot:
    """Read everything.

    Raises:
        BusError: Redis does not answer.
    """
    universe = await bus.stored(UNIVERSE, (), last=1)
    coins = tuple(meta.coin for message in universe if isinstance(message, Universe) for meta in message.coins)
    books = await bus.stored(BOOK, coins, last=1)
    targets = await bus.stored(TARGET, coins, last=1)
    leases = await bus.stored(RISK, coins, last=1)
    status = await _told(bus)
    feed = await bus.stored(FEED, (), last=20)
    risk = await bus.stored(RISK_REPORT, (), last=1)
    return assemble(now_ms, coins, [*books, *targets, *leases, *status, *feed, *risk], await bus.halt_state())


def assemble(now_ms: float, coins: tuple[str, ...], messages: Sequence[Message], halt: HaltState) -> Snapshot:
    """The snapshot of messages given oldest first."""
    snapshot = Snapshot(now_ms, coins, halt=halt)
    account, feed, risk = None, None, None
    for message in messages:
        match message:
            case Book():
                snapshot.books[message.coin] = message
            case TargetQuotes():
                snapshot.targets[message.coin] = message
            case RiskLease():
                snapshot.leases[message.coin] = message
            case Heartbeat():
                snapshot.heartbeats[message.service] = message
            case AccountStatus():
                account = message
            case FeedHealth():
                feed = message
            case RiskReport():
                risk = message
    return replace(snapshot, account=account, feed=feed, risk=risk)


async def beginning(bus: Bus, coins: Sequence[str]) -> list[Message]:
    """Books and targets from the oldest still there: right after a start that is from the very first."""
    return [*await bus.stored(BOOK, coins), *await bus.stored(TARGET, coins)]
