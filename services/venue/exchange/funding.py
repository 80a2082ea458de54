"""Hourly funding (reference page §8.2)."""

from decimal import Decimal

from services.venue.exchange.account import Account, Position
from services.venue.exchange.facts import FundingPaid
from services.venue.exchange.listing import Listing, usd
from services.venue.exchange.positions import holding
from services.venue.exchange.world import World

HOUR_MS = 3_600_000
_HASH = "0x" + "0" * 64
"""Funding belongs to no transaction."""


def due(before_ms: int, now_ms: int) -> bool:
    """An hour has begun in (before, now]."""
    return now_ms // HOUR_MS > before_ms // HOUR_MS


def settle(world: World) -> None:
    """Pay one hour on every open position, the market's included: size x oracle price x rate, longs pay when it is
    positive. Payments are cut to micro-dollars; what that leaves over is in `world.funding_pool`.

    Notes a `FundingPaid` for every position of an account.
    """
    rates = {coin: listing.rate_1h * listing.funding_multiplier for coin, listing in world.listings.items()}
    for account in (world.accounts.market, *world.accounts):
        for pool in account.pools.values():
            for coin, position in pool.positions.items():
                _pay(world, account, world.listings[coin], position, rates[coin])


def _pay(world: World, account: Account, listing: Listing, position: Position, rate: Decimal) -> None:
    amount = -int(position.lots * listing.oracle_px * rate)
    world.move(account, holding(account, listing), amount, "funding")
    world.funding_pool -= amount
    position.funding_open += amount
    position.funding_change += amount
    account.funding_ever[listing.coin] = account.funding_ever.get(listing.coin, 0) + amount
    if account is not world.accounts.market:
        world.note(
            FundingPaid(
                time_ms=world.now_ms,
                user=account.address,
                coin=listing.coin,
                usd=usd(amount),
                szi=listing.sz(position.lots),
                rate=rate,
                hash=_HASH,
            )
        )
