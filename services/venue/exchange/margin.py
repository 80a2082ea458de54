"""Margin of an account (reference page §3.3, §9), in micro-dollars.

One cross pool a dex; an isolated position is a pool of its own. Marks come from `Listing.mark_px`. What resting
orders reserve is in `reserves`, the numbers that clients see are in `summary`.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from services.venue.exchange.account import Account, Leverage, Pool, Position
from services.venue.exchange.listing import Listing, MarginMode, MarginTier
from services.venue.exchange.orders import AccountOrder
from services.venue.exchange.reserves import margin_used, reserves_of
from services.venue.exchange.world import World
from services.venue.market.book import Sign

NOTHING = (0, 0)


class PoolState(NamedTuple):
    """Of a cross pool or of one isolated position."""

    value: int
    ntl: int
    maintenance: int


def lots_of(position: Position | None) -> int:
    """Signed; 0 without a position."""
    return position.lots if position is not None else 0


def leverage_of(world: World, account: Account, listing: Listing) -> Leverage:
    """The account's setting, or the venue's default."""
    return account.leverage.get(listing.coin) or default_leverage(world, listing)


def default_leverage(world: World, listing: Listing) -> Leverage:
    """Of a coin that the account has not set: cross where that is allowed."""
    return _default_leverage(world.config.default_leverage, listing.tiers[0].max_leverage, listing.margin_mode)


@cache
def _default_leverage(usual: int, highest: int, mode: MarginMode) -> Leverage:
    return Leverage(min(usual, highest), mode == "normal")


def max_leverage_at(listing: Listing, ntl: int) -> int:
    """The highest leverage that the tier of a position of `ntl` allows."""
    return next(tier.max_leverage for tier in reversed(listing.tiers) if ntl >= tier.lower_bound_ntl)


def maintenance_of(listing: Listing, ntl: int) -> int:
    """Maintenance margin of a position: half the initial margin at the highest leverage, by tiers."""
    if len(listing.tiers) == 1:
        return ntl // (2 * listing.tiers[0].max_leverage)
    for tier, deduction in reversed(_deductions(listing.tiers)):
        if ntl >= tier.lower_bound_ntl:
            return ntl // (2 * tier.max_leverage) - deduction
    raise AssertionError("the first tier begins at 0")


@cache
def _deductions(tiers: tuple[MarginTier, ...]) -> tuple[tuple[MarginTier, int], ...]:
    """What makes the maintenance margin continuous where a tier begins."""
    made = []
    total = rate = Fraction(0)
    for tier in tiers:
        rate, before = Fraction(1, 2 * tier.max_leverage), rate
        total += tier.lower_bound_ntl * (rate - before)
        made.append((tier, int(total)))
    return tuple(made)


def cross_state(world: World, account: Account, dex: str) -> PoolState:
    """Value, notional and maintenance margin of the cross pool."""
    pool = account.pools.get(dex) or Pool()
    value, ntl, maintenance = pool.raw_usd, 0, 0
    for coin, position in pool.positions.items():
        if position.isolated_usd is None:
            listing = world.listings[coin]
            signed_ntl = position.lots * listing.mark_px
            value += signed_ntl
            ntl += abs(signed_ntl)
            maintenance += maintenance_of(listing, abs(signed_ntl))
    return PoolState(value, ntl, maintenance)


def isolated_state(listing: Listing, position: Position) -> PoolState:
    """Value, notional and maintenance margin of an isolated position."""
    signed_ntl = position.lots * listing.mark_px
    ntl = abs(signed_ntl)
    return PoolState((position.isolated_usd or 0) + signed_ntl, ntl, maintenance_of(listing, ntl))


def account_value(world: World, account: Account, dex: str) -> int:
    """Cash and positions at mark, isolated ones included (`marginSummary.accountValue`)."""
    pool = account.pools.get(dex) or Pool()
    return pool.raw_usd + sum(
        position.lots * world.listings[coin].mark_px + (position.isolated_usd or 0)
        for coin, position in pool.positions.items()
    )


def initial_margin_used(world: World, account: Account, dex: str) -> int:
    """Of cross positions, and what resting orders reserve."""
    return cross_state(world, account, dex).value - _free(world, account, dex)


def withdrawable(world: World, account: Account, dex: str) -> int:
    """What may leave the cross pool: its value less the larger of the initial margin (resting orders included) and
    a tenth of its notional; never negative."""
    state = cross_state(world, account, dex)
    return max(0, state.value - max(initial_margin_used(world, account, dex), state.ntl // 10))


def available(world: World, account: Account, dex: str) -> int:
    """What new orders may use: the value of the cross pool less the initial margin used; never negative."""
    return max(0, _free(world, account, dex))


def available_to_trade(world: World, account: Account, listing: Listing) -> tuple[int, int]:
    """(buy, sell) margin for one coin: what closing a position frees, on the side that closes it, included.

    Beside resting orders on that side it may be a little more: they count at mark at least, since which of them
    close depends on the price of the new one.
    """
    position = account.position(listing.dex.name, listing.coin)
    leverage = leverage_of(world, account, listing).value
    orders = account.orders.of(listing.coin)
    reserves = reserves_of(listing, position, leverage, orders.opening(lots_of(position)))
    unused = available(world, account, listing.dex.name)

    def side(sign: Sign, reserved: int) -> int:
        freed, least_px = 0, 0
        if position is not None and position.lots * sign < 0:
            used = margin_used(listing, position, leverage)
            freed, least_px = max(used, 0) + abs(position.lots) * listing.mark_px // leverage, listing.mark_px
        resting_ntl = orders.side(sign).ntl_from(least_px)
        allowed = unused + (reserved if world.config.order_margin == "both_sides" else max(reserves))
        return max(0, allowed + freed + -resting_ntl // leverage)

    return side(1, reserves[0]), side(-1, reserves[1])


def max_trade_lots(world: World, account: Account, listing: Listing) -> tuple[int, int]:
    """(buy, sell) lots that `available_to_trade` carries at mark and the coin's leverage."""
    leverage = leverage_of(world, account, listing).value
    held = lots_of(account.position(listing.dex.name, listing.coin))
    orders, mark = account.orders.of(listing.coin), listing.mark_px
    if not mark:
        return 0, 0
    buy, sell = (usd * leverage // mark for usd in available_to_trade(world, account, listing))
    limit = next((tier.lower_bound_ntl for tier in listing.tiers if tier.max_leverage < leverage), None)
    if limit is not None:
        most = (limit - 1) // mark
        buy = min(buy, max(0, most - held - orders.bids.lots))
        sell = min(sell, max(0, most + held - orders.asks.lots))
    return buy, sell


def may_place(world: World, account: Account, listing: Listing, sign: Sign, px: int, lots: int) -> bool:
    """There is margin for a new order at limit price `px` beside the resting ones (a sell under the mark is
    measured at mark). Reduce-only orders need none."""
    position = account.position(listing.dex.name, listing.coin)
    leverage = leverage_of(world, account, listing).value
    orders, held = account.orders.of(listing.coin), lots_of(position)
    before = orders.opening(held)
    if sign == -1:
        px = max(px, listing.mark_px)
    opened = orders.side(sign).opening_ntl(max(-sign * held, 0), px, lots)
    after = (opened, before[1]) if sign == 1 else (before[0], opened)
    more = _need(world, listing, position, leverage, after) - _need(world, listing, position, leverage, before)
    return more <= 0 or more <= _free(world, account, listing.dex.name)


def may_fill(world: World, account: Account, order: AccountOrder) -> bool:
    """There is margin for what a resting order would do now if it filled; other resting orders do not count."""
    listing, sign, lots = order.listing, order.sign, order.lots
    position = account.position(listing.dex.name, listing.coin)
    held = position.lots if position is not None else 0
    after = held + sign * lots
    if order.reduce_only or (held * sign < 0 and after * sign <= 0):
        return True
    setting = leverage_of(world, account, listing)
    free = _free(world, account, listing.dex.name, orders=False)
    isolated = position.isolated_usd is not None if position is not None else not setting.is_cross
    if isolated:
        if position is not None and held * sign < 0:
            free += (position.isolated_usd or 0) + held * order.px
        return free >= min(lots, abs(after)) * order.px // setting.value
    own = margin_used(listing, position, setting.value) if position is not None else 0
    gain = sign * lots * (listing.mark_px - order.px)
    return free + gain + own >= abs(after) * listing.mark_px // setting.value


def within_tier(world: World, account: Account, listing: Listing, sign: Sign, lots: int) -> bool:
    """The position that a new order and those resting on its side can lead to has a tier that allows the coin's
    leverage setting."""
    if len(listing.tiers) == 1:
        return True
    held = lots_of(account.position(listing.dex.name, listing.coin))
    reach = abs(held + sign * (lots + account.orders.of(listing.coin).side(sign).lots))
    leverage = leverage_of(world, account, listing).value
    return reach <= abs(held) or leverage <= max_leverage_at(listing, reach * listing.mark_px)


def tier_allows(account: Account, listing: Listing, leverage: int) -> bool:
    """The position held, and what its resting orders can make of it, have a tier with this leverage."""
    held, orders = lots_of(account.position(listing.dex.name, listing.coin)), account.orders.of(listing.coin)
    reach = max(held + orders.bids.lots, orders.asks.lots - held)
    return leverage <= max_leverage_at(listing, reach * listing.mark_px)


def may_set_leverage(world: World, account: Account, listing: Listing, leverage: int) -> bool:
    """The margin suffices for another leverage of the same mode: of the isolated position, else of the pool."""
    position = account.position(listing.dex.name, listing.coin)
    opening = account.orders.of(listing.coin).opening(lots_of(position))
    current = leverage_of(world, account, listing).value
    if leverage >= current:
        return True
    if position is not None and position.isolated_usd is not None:
        state = isolated_state(listing, position)
        if state.value < state.ntl // leverage:
            return False
    more = _need(world, listing, position, leverage, opening) - _need(world, listing, position, current, opening)
    return more <= 0 or more <= _free(world, account, listing.dex.name)


def may_move_isolated(world: World, account: Account, listing: Listing, amount: int) -> bool:
    """`amount` may go from the pool to the isolated position, or back when negative: what stays there must be the
    initial margin and a tenth of the notional; never back where the coin is `strictIsolated`."""
    position = account.position(listing.dex.name, listing.coin)
    if position is None or position.isolated_usd is None:
        return False
    if amount >= 0:
        return amount <= available(world, account, listing.dex.name)
    state = isolated_state(listing, position)
    least = max(state.ntl // leverage_of(world, account, listing).value, state.ntl // 10)
    return listing.margin_mode != "strictIsolated" and state.value + amount >= least


def _free(world: World, account: Account, dex: str, *, orders: bool = True) -> int:
    """Value of the cross pool less initial margins, with or without what orders reserve; may be negative."""
    pool = account.pools.get(dex) or Pool()
    listings, positions, settings = world.listings, pool.positions, account.leverage
    free = pool.raw_usd
    for coin, position in positions.items():
        if position.isolated_usd is None:
            listing = listings[coin]
            ntl = position.lots * listing.mark_px
            free += ntl - abs(ntl) // (settings.get(coin) or default_leverage(world, listing)).value
    if orders:
        combined = _combined(world)
        for coin, resting in account.orders.by_coin():
            found = positions.get(coin)
            opening = resting.opening(lots_of(found))
            if opening != NOTHING and (listing := listings[coin]).dex.name == dex:
                leverage = (settings.get(coin) or default_leverage(world, listing)).value
                free -= combined(reserves_of(listing, found, leverage, opening))
    return free


def _need(
    world: World, listing: Listing, position: Position | None, leverage: int, opening: tuple[int, int]
) -> int:
    """Initial margin that one coin asks of the cross pool."""
    own = 0
    if position is not None and position.isolated_usd is None:
        own = margin_used(listing, position, leverage)
    return own + _combined(world)(reserves_of(listing, position, leverage, opening))


def _combined(world: World) -> Callable[[tuple[int, int]], int]:
    """How the reserves of (buys, sells) add up."""
    return sum if world.config.order_margin == "both_sides" else max
