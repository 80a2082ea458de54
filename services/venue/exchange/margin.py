"""Margin of an account (reference page §3.3, §9), in micro-dollars.

One cross pool a dex; an isolated position is a pool of its own. Marks come from `Listing.mark_px`.

Resting orders reserve initial margin at their limit price for the part that would open: of the orders of one side
the best priced close an open position first, and margin that closing frees is theirs. Reduce-only orders and
sleeping triggers reserve nothing.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.venue.exchange.account import Account, Leverage, Position
from services.venue.exchange.listing import Listing
from services.venue.exchange.orders import AccountOrder
from services.venue.exchange.world import World
from services.venue.market.book import Sign


@dataclass(frozen=True, slots=True)
class PositionSummary:
    """One entry of `assetPositions`."""

    listing: Listing
    lots: int
    leverage: Leverage
    isolated_usd: int | None
    entry_px: Decimal
    ntl: int
    """At mark, always positive."""
    unrealized_pnl: int
    return_on_equity: Decimal
    liquidation_px: Decimal | None
    margin_used: int
    funding_all: int
    """`cumFunding`, with the sign that the setting asks for: ever, since the opening, since the last change."""
    funding_open: int
    funding_change: int


@dataclass(frozen=True, slots=True)
class Totals:
    """`marginSummary` or `crossMarginSummary`. Value = raw_usd + sum of signed notionals."""

    account_value: int
    total_ntl: int
    raw_usd: int
    margin_used: int
    """Of positions, without resting orders."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of `clearinghouseState`."""

    all: Totals
    cross: Totals
    cross_maintenance: int
    withdrawable: int
    positions: tuple[PositionSummary, ...]


def summary(world: World, account: Account, dex: str) -> Summary:
    """All of it for one dex; an account that never used the dex has zeros."""
    raise NotImplementedError


def leverage_of(world: World, account: Account, listing: Listing) -> Leverage:
    """The account's setting, or the venue's default."""
    raise NotImplementedError


def max_leverage_at(listing: Listing, ntl: int) -> int:
    """The highest leverage that the tier of a position of `ntl` allows."""
    raise NotImplementedError


def maintenance_of(listing: Listing, ntl: int) -> int:
    """Maintenance margin of a position: half the initial margin at the highest leverage, by tiers."""
    raise NotImplementedError


def account_value(world: World, account: Account, dex: str) -> int:
    """Cash and positions at mark, isolated ones included (`marginSummary.accountValue`)."""
    raise NotImplementedError


def initial_margin_used(world: World, account: Account, dex: str) -> int:
    """Of cross positions, and what resting orders reserve."""
    raise NotImplementedError


def withdrawable(world: World, account: Account, dex: str) -> int:
    """What may leave the cross pool: its value less the larger of the initial margin (resting orders included) and
    a tenth of its notional; never negative."""
    raise NotImplementedError


def available(world: World, account: Account, dex: str) -> int:
    """What new orders may use: the value of the cross pool less the initial margin used; never negative."""
    raise NotImplementedError


def available_to_trade(world: World, account: Account, listing: Listing) -> tuple[int, int]:
    """(buy, sell) margin for one coin: what closing a position frees, on the side that closes it, included."""
    raise NotImplementedError


def max_trade_lots(world: World, account: Account, listing: Listing) -> tuple[int, int]:
    """(buy, sell) lots that `available_to_trade` carries at mark and the coin's leverage."""
    raise NotImplementedError


def may_place(
    world: World, account: Account, listing: Listing, sign: Sign, px: int, lots: int, reduce_only: bool
) -> bool:
    """There is margin for a new order at limit price `px` beside the resting ones (a sell under the mark is
    measured at mark). Orders that only close need none."""
    raise NotImplementedError


def may_fill(world: World, account: Account, order: AccountOrder) -> bool:
    """There is margin for what a resting order would do now if it filled; other resting orders do not count."""
    raise NotImplementedError


def within_tier(world: World, account: Account, listing: Listing, sign: Sign, lots: int) -> bool:
    """The position that a new order and those resting on its side can lead to has a tier that allows the coin's
    leverage setting."""
    raise NotImplementedError


def may_set_leverage(world: World, account: Account, listing: Listing, leverage: int) -> bool:
    """The margin suffices for another leverage of the same mode: of the isolated position, else of the pool."""
    raise NotImplementedError


def may_move_isolated(world: World, account: Account, listing: Listing, amount: int) -> bool:
    """`amount` may go from the pool to the isolated position, or back when negative: what stays there must be the
    initial margin and a tenth of the notional; never back where the coin is `strictIsolated`."""
    raise NotImplementedError


def liquidation_px(listing: Listing, position: Position, margin_available: int) -> Decimal | None:
    """The mark price at which `margin_available` (value less maintenance, of the pool that holds the position) is
    used up while all other marks stay; None when no price above zero is."""
    raise NotImplementedError
