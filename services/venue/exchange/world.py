"""What all parts of the exchange share: its coins, its accounts, its clock, and the two doors through which
anything changes on the record: `note` for what happened and `move` for money."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from services.venue.config import VenueConfig
from services.venue.exchange.account import ORDERS_KEPT, Account, Accounts
from services.venue.exchange.facts import (
    AnyFact,
    BalanceChanged,
    Filled,
    FundingPaid,
    LedgerUpdated,
    MoneyReason,
    OrderChanged,
)
from services.venue.exchange.listing import Listing, PerpDex, usd
from services.venue.exchange.nonces import Nonces

SPOT = "spot"
ISOLATED = "isolated:"


class Refused(Exception):
    """A request is refused as a whole; its text is the venue's own (`{"status": "err", "response": text}`)."""


@dataclass(slots=True)
class Switches:
    """What an operator of the venue can turn while it runs."""

    post_only: bool = False
    """Only post-only orders are taken, as after a network upgrade."""
    address_budget: bool = True
    """Hold addresses to their request budget (only where the setting `limits` is on)."""
    reject_order: Callable[[Account, Listing], str | None] = lambda account, listing: None
    """Error text for an order that is otherwise fine, to disturb clients."""


@dataclass(slots=True)
class World:
    """The state of the exchange. `emit` gets every fact in order."""

    config: VenueConfig
    listings: dict[str, Listing]
    """By coin, in the order of their asset ids."""
    dexs: tuple[PerpDex, ...]
    """The first dex is number 0."""
    emit: Callable[[AnyFact], None]
    accounts: Accounts = field(default_factory=Accounts)
    nonces: Nonces = field(default_factory=Nonces)
    switches: Switches = field(default_factory=Switches)
    now_ms: int = 0
    """Time of the block, as clients see it; never goes back."""
    by_asset: dict[int, Listing] = field(init=False)
    _by_dex: dict[str, tuple[Listing, ...]] = field(init=False)
    last_oid: int = 0
    last_transaction: int = 0
    deposited: int = 0
    """Micro-dollars that came from outside minus those that left, over all accounts."""
    fees: int = 0
    """Fees the venue has kept (rebates taken off)."""
    funding_pool: int = 0
    """What rounding left over when funding was paid from one side to the other."""

    def __post_init__(self) -> None:
        listed = self.listings.values()
        self.by_asset = {listing.asset: listing for listing in listed}
        self._by_dex = {
            dex.name: tuple(listing for listing in listed if listing.dex.name == dex.name) for dex in self.dexs
        }

    def dex(self, name: str) -> PerpDex | None:
        return next((dex for dex in self.dexs if dex.name == name), None)

    def listings_of(self, dex: str) -> tuple[Listing, ...]:
        return self._by_dex.get(dex, ())

    def next_oid(self) -> int:
        self.last_oid += 1
        return self.last_oid

    def next_hash(self) -> str:
        """Hash of a new transaction."""
        self.last_transaction += 1
        return "0x" + blake2b(f"transaction {self.last_transaction}".encode(), digest_size=32).hexdigest()

    def note(self, fact: AnyFact) -> None:
        """Remember a fact where the account's history is asked for, and pass it on."""
        if isinstance(fact, OrderChanged):
            if not fact.resized:
                self._remember(fact)
        elif isinstance(fact, (Filled, FundingPaid, LedgerUpdated)):
            account = self.accounts.get(fact.user)
            if account is not None:
                if isinstance(fact, Filled):
                    account.fills.append(fact)
                elif isinstance(fact, FundingPaid):
                    account.fundings.append(fact)
                else:
                    account.ledger.append(fact)
        self.emit(fact)

    def move(self, account: Account, pool: str, amount: int, reason: MoneyReason) -> None:
        """Change a balance by `amount` micro-dollars. The caller moves the other side, or counts it in
        `deposited`, `fees` or `funding_pool`, so that the sum over everything stays what it was.

        `pool`: name of a dex, `SPOT`, or `ISOLATED` + coin.
        """
        account.stirred = True
        if pool == SPOT:
            account.spot_usd += amount
            after = account.spot_usd
        elif pool.startswith(ISOLATED):
            listing = self.listings[pool.removeprefix(ISOLATED)]
            position = account.pool(listing.dex.name).positions[listing.coin]
            after = position.isolated_usd = (position.isolated_usd or 0) + amount
        else:
            margin = account.pool(pool)
            margin.raw_usd += amount
            after = margin.raw_usd
        if amount and account is not self.accounts.market:
            self.note(
                BalanceChanged(
                    time_ms=self.now_ms,
                    user=account.address,
                    pool=pool,
                    reason=reason,
                    usd=usd(amount),
                    after_usd=usd(after),
                )
            )

    def _remember(self, fact: OrderChanged) -> None:
        account = self.accounts.get(fact.user)
        if account is None:
            return
        known = account.known
        known[fact.oid] = fact
        if fact.cloid is not None:
            account.by_cloid[fact.cloid] = fact.oid
        if fact.oid not in account.orders:
            account.ended.append(fact.oid)
        if len(account.ended) > ORDERS_KEPT:
            gone = known.pop(account.ended.popleft())
            if gone.cloid is not None and account.by_cloid.get(gone.cloid) == gone.oid:
                del account.by_cloid[gone.cloid]
