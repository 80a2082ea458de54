"""Trading fees (reference page §8.1): rates by 14-day volume, discounts, builder-deployed dexs, builders.

A rebate for a maker's share of the exchange's volume is left out: the volume of the whole exchange over 14 days
is not known here.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.venue.exchange.account import Account
from services.venue.exchange.listing import Listing
from services.venue.exchange.orders import Builder
from services.venue.exchange.world import World


@dataclass(frozen=True, slots=True)
class Rates:
    """Fractions of the notional."""

    taker: Decimal
    maker: Decimal


@dataclass(frozen=True, slots=True)
class Fee:
    """Micro-dollars."""

    total: int
    """The builder's part included."""
    builder_part: int


def volume_14d(account: Account, now_ms: int) -> int:
    """Micro-dollars traded in the 14 UTC days before today; it decides today's tier."""
    raise NotImplementedError


def rates(account: Account, listing: Listing | None, now_ms: int) -> Rates:
    """What the account pays now, discounts taken off; for None a coin of the first dex."""
    raise NotImplementedError


def charge(
    world: World, account: Account, listing: Listing, px: int, lots: int, *, crossed: bool, builder: Builder | None
) -> Fee:
    """Take the fee of one fill from the pool that holds the position (after `positions.book_trade`).

    Each part is cut to micro-dollars. A builder without an account here leaves its part to the venue.
    """
    raise NotImplementedError


def note_volume(account: Account, listing: Listing, now_ms: int, ntl: int, *, crossed: bool) -> None:
    """Count a fill of `ntl` micro-dollars; in growth mode a tenth of it towards the request budget (`cum_ntl`)."""
    raise NotImplementedError
