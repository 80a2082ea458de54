"""Trading fees (reference page §8.1): rates by 14-day volume, discounts, builder-deployed dexs, builders.

A rebate for a maker's share of the exchange's volume is left out: the volume of the whole exchange over 14 days
is not known here.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from services.venue.exchange.account import Account, DayVolume
from services.venue.exchange.listing import MICRO, Listing, usd
from services.venue.exchange.orders import Builder
from services.venue.exchange.positions import holding
from services.venue.exchange.world import World
from shared.clock import utc_day
from shared.fees import FEE_TIERS, REFERRAL_DISCOUNT, REFERRAL_DISCOUNT_USD, builder_dex_factor, tier_of

DAYS_COUNTED = 14
TENTH_BPS = Decimal("0.00001")
"""Unit of builders' fees, as a fraction of the notional."""


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
    today = utc_day(now_ms)
    first = today - timedelta(days=DAYS_COUNTED)
    counted = (volume for day, volume in account.days.items() if first.isoformat() <= day < today.isoformat())
    return sum(volume.taker_ntl + volume.maker_ntl for volume in counted)


def tier(account: Account, now_ms: int) -> int:
    """Number of today's row in the fee table."""
    return tier_of(usd(volume_14d(account, now_ms)))


def referral_discount(account: Account) -> Decimal:
    """Of a referred account while its volume is small, else 0."""
    discounted = account.referrer is not None and account.cum_ntl < REFERRAL_DISCOUNT_USD * MICRO
    return REFERRAL_DISCOUNT if discounted else Decimal(0)


def rates(account: Account, listing: Listing | None, now_ms: int) -> Rates:
    """What the account pays now, discounts taken off; for None a coin of the first dex."""
    row = FEE_TIERS[tier(account, now_ms)]
    factor = 1 - referral_discount(account)
    if listing is not None and listing.dex.index:
        factor *= builder_dex_factor(listing.dex.fee_scale, listing.growth_mode)
    return Rates(row.taker * factor, row.maker * factor)


def charge(
    world: World, account: Account, listing: Listing, px: int, lots: int, *, crossed: bool, builder: Builder | None
) -> Fee:
    """Take the fee of one fill from the pool that holds the position (after `positions.book_trade`).

    Each part is cut to micro-dollars. A builder without an account here leaves its part to the venue.
    """
    now = rates(account, listing, world.now_ms)
    own = int(px * lots * (now.taker if crossed else now.maker))
    builder_part = int(px * lots * builder.tenth_bps * TENTH_BPS) if builder is not None else 0
    pool = holding(account, listing)
    world.move(account, pool, -own, "fee")
    world.fees += own
    if builder is not None:
        world.move(account, pool, -builder_part, "builderFee")
        receiver = world.accounts.get(builder.address)
        if receiver is None:
            world.fees += builder_part
        else:
            world.move(receiver, listing.dex.name, builder_part, "builderFee")
    return Fee(own + builder_part, builder_part)


def note_volume(account: Account, listing: Listing, now_ms: int, ntl: int, *, crossed: bool) -> None:
    """Count a fill of `ntl` micro-dollars; in growth mode a tenth of it towards the request budget (`cum_ntl`)."""
    account.cum_ntl += ntl // 10 if listing.growth_mode else ntl
    today = utc_day(now_ms).isoformat()
    if today not in account.days:
        account.days[today] = DayVolume()
        for day in sorted(account.days)[: -DAYS_COUNTED - 1]:
            del account.days[day]
    if crossed:
        account.days[today].taker_ntl += ntl
    else:
        account.days[today].maker_ntl += ntl
