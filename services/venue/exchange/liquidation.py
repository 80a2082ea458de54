"""Who is liquidated, and what of theirs (reference page §9). Sending the orders is the exchange's.

What a pool owes in the end, since prices jumped past the point where it was worth nothing or fees took the rest,
the backstop pays: nobody is in debt, and no money comes or goes by it.
"""

from dataclasses import dataclass
from typing import Literal

from services.venue.exchange.account import Account
from services.venue.exchange.listing import Listing, micro
from services.venue.exchange.margin import PoolState, cross_state, isolated_state
from services.venue.exchange.positions import Change, book_trade
from services.venue.exchange.world import World
from services.venue.market.book import Sign

PARTIAL_SHARE = 5
"""A large position is first sold by one in so many of its lots."""
WHOLE_MS = 30_000
"""For so long after a partial liquidation the user's further liquidation orders are for whole positions."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one pool (the cross pool of a dex, or one isolated position) stands; micro-dollars."""

    kind: Literal["none", "market", "backstop"]
    account_value: int
    maintenance: int
    dex: str
    coins: tuple[str, ...]
    """The positions at stake."""
    isolated: bool


@dataclass(frozen=True, slots=True)
class Sale:
    """An order to close all or, when `partial`, a fifth of a position. `sign` is the order's."""

    coin: str
    sign: Sign
    lots: int
    partial: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """A position that went to the backstop at the mark price; `sign` and `change` are the liquidated user's."""

    coin: str
    sign: Sign
    px: int
    lots: int
    change: Change
    backstop_change: Change


def verdict(world: World, account: Account, dex: str) -> Verdict:
    """The cross pool: under maintenance it is sold on the book, under two thirds of it the backstop takes it."""
    positions = account.pool(dex).positions
    coins = tuple(coin for coin, position in positions.items() if position.isolated_usd is None)
    return _judge(cross_state(world, account, dex), dex, coins, isolated=False)


def isolated_verdict(world: World, account: Account, listing: Listing) -> Verdict:
    """The same for one isolated position, which the account must have."""
    position = account.pool(listing.dex.name).positions[listing.coin]
    return _judge(isolated_state(listing, position), listing.dex.name, (listing.coin,), isolated=True)


def judged_again(world: World, account: Account, found: Verdict) -> Verdict:
    """How the pool of an earlier verdict stands now; all its positions may have changed since, but none is new."""
    if not found.isolated:
        return verdict(world, account, found.dex)
    return isolated_verdict(world, account, world.listings[found.coins[0]])


def _judge(state: PoolState, dex: str, coins: tuple[str, ...], *, isolated: bool) -> Verdict:
    kind: Literal["none", "market", "backstop"] = "none"
    if coins and state.value < state.maintenance:
        kind = "backstop" if 3 * state.value < 2 * state.maintenance else "market"
    return Verdict(kind, state.value, state.maintenance, dex, coins, isolated)


def sales(world: World, account: Account, found: Verdict) -> tuple[Sale, ...]:
    """What a `market` verdict sends to the book, largest position first. After sending any partial one set
    `account.liquidate_whole_until_ms` to now + `WHOLE_MS`."""
    positions = account.pool(found.dex).positions
    sizes = sorted(
        ((abs(positions[coin].lots) * world.listings[coin].mark_px, coin) for coin in found.coins), reverse=True
    )
    split_above = micro(world.config.partial_liquidation_usd)
    may_split = world.now_ms >= account.liquidate_whole_until_ms
    made = []
    for ntl, coin in sizes:
        held = positions[coin].lots
        partial = may_split and ntl > split_above and abs(held) > 1
        lots = max(abs(held) // PARTIAL_SHARE, 1) if partial else abs(held)
        made.append(Sale(coin, _against(held), lots, partial))
    return tuple(made)


def take_over(world: World, account: Account, backstop: Account, found: Verdict) -> tuple[Taken, ...]:
    """Hand the positions at stake, at mark, and what is left of their margin to the backstop: the user keeps none
    of it, and owes nothing if it was negative. The verdict must be of this very moment.
    """
    taken = []
    for coin in found.coins:
        listing = world.listings[coin]
        held = account.pool(found.dex).positions[coin].lots
        sign, px, lots = _against(held), listing.mark_px, abs(held)
        change = book_trade(world, account, listing, sign, px, lots)
        taken.append(
            Taken(coin, sign, px, lots, change, book_trade(world, backstop, listing, _against(-held), px, lots))
        )
    _hand(world, account, backstop, found.dex, found.account_value)
    return tuple(taken)


def debt(account: Account, dex: str) -> int:
    """What a pool that holds no cross position owes."""
    pool = account.pool(dex)
    holds = any(position.isolated_usd is None for position in pool.positions.values())
    return 0 if holds else max(-pool.raw_usd, 0)


def pay_debt(world: World, account: Account, backstop: Account, dex: str) -> None:
    _hand(world, account, backstop, dex, -debt(account, dex))


def _hand(world: World, account: Account, backstop: Account, dex: str, amount: int) -> None:
    world.move(account, dex, -amount, "backstop")
    world.move(backstop, dex, amount, "backstop")


def _against(held: int) -> Sign:
    """The side that closes a position."""
    return -1 if held > 0 else 1
