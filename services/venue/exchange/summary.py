"""What the venue tells about an account's margin in one dex (`clearinghouseState`), in micro-dollars."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from services.venue.exchange.account import Account, Leverage, Pool, Position
from services.venue.exchange.listing import Listing
from services.venue.exchange.margin import (
    PoolState,
    cross_state,
    isolated_state,
    leverage_of,
    max_leverage_at,
    withdrawable,
)
from services.venue.exchange.reserves import margin_used
from services.venue.exchange.world import World


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
    pool = account.pools.get(dex, Pool())
    state = cross_state(world, account, dex)
    held = sorted(
        ((world.listings[coin], at) for coin, at in pool.positions.items()), key=lambda pair: pair[0].asset
    )
    positions = tuple(_position_summary(world, account, state, listing, position) for listing, position in held)
    isolated = [position for position in positions if position.isolated_usd is not None]
    isolated_value = sum(position.margin_used for position in isolated)
    cross_used = sum(position.margin_used for position in positions) - isolated_value
    return Summary(
        all=Totals(
            state.value + isolated_value,
            sum(position.ntl for position in positions),
            pool.raw_usd + sum(position.isolated_usd or 0 for position in isolated),
            cross_used + isolated_value,
        ),
        cross=Totals(state.value, state.ntl, pool.raw_usd, cross_used),
        cross_maintenance=state.maintenance,
        withdrawable=withdrawable(world, account, dex),
        positions=positions,
    )


def _position_summary(
    world: World, account: Account, pool: PoolState, listing: Listing, position: Position
) -> PositionSummary:
    leverage = leverage_of(world, account, listing)
    signed_ntl = position.lots * listing.mark_px
    cost = position.entry_ntl if position.lots > 0 else -position.entry_ntl
    state = pool if position.isolated_usd is None else isolated_state(listing, position)
    sign = -1 if world.config.cum_funding_positive == "paid" else 1
    entry_px = Decimal(position.entry_ntl) / abs(position.lots) * listing.px(1)
    return PositionSummary(
        listing=listing,
        lots=position.lots,
        leverage=leverage,
        isolated_usd=position.isolated_usd,
        entry_px=entry_px.quantize(listing.px(1)),
        ntl=abs(signed_ntl),
        unrealized_pnl=signed_ntl - cost,
        return_on_equity=_cut(Decimal((signed_ntl - cost) * leverage.value) / position.entry_ntl, 10),
        liquidation_px=liquidation_px(listing, position, state.value - state.maintenance),
        margin_used=margin_used(listing, position, leverage.value),
        funding_all=sign * account.funding_ever.get(listing.coin, 0),
        funding_open=sign * position.funding_open,
        funding_change=sign * position.funding_change,
    )


def liquidation_px(listing: Listing, position: Position, margin_available: int) -> Decimal | None:
    """The mark price at which `margin_available` (value less maintenance, of the pool that holds the position) is
    used up while all other marks stay; None when no price above zero is."""
    size, side = abs(position.lots), 1 if position.lots > 0 else -1
    per_margin = 2 * max_leverage_at(listing, size * listing.mark_px)
    distance = Decimal(margin_available * per_margin) / (size * (per_margin - side))
    px = _cut((listing.mark_px - side * distance) * listing.px(1), 8)
    return px if px > 0 else None


def _cut(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)
