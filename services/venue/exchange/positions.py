"""Trades as they change positions and cash.

The cash of a trade goes to the cross pool, or to the position's own cash where the coin is set to isolated margin.
"""

from dataclasses import dataclass

from services.venue.exchange.account import Account, Position
from services.venue.exchange.listing import Listing
from services.venue.exchange.margin import leverage_of
from services.venue.exchange.world import ISOLATED, World
from services.venue.market.book import Sign


@dataclass(frozen=True, slots=True)
class Change:
    """What a trade did to one account."""

    start_lots: int
    """Signed position before it."""
    closed_pnl: int
    """Micro-dollars won by the part that closed, at the average entry price; fees left out."""
    dir: str
    """`Open Long`, `Close Short`, `Long > Short` …, as fills show it."""


def book_trade(world: World, account: Account, listing: Listing, sign: Sign, px: int, lots: int) -> Change:
    """Book one side of a trade of `lots` > 0 at `px`. The caller books the other side and charges the fees.

    A part that closes takes its share of the entry notional with it; what goes beyond flat opens anew. An isolated
    position gets its initial margin (notional / leverage) from the pool as it opens or grows, and gives back its
    share of its equity at `px` as it shrinks, all of it at zero.
    """
    position = account.position(listing.dex.name, listing.coin)
    start = position.lots if position is not None else 0
    closed_pnl = closed = 0
    if position is not None and start * sign < 0:
        closed = min(lots, abs(start))
        closed_pnl = _close(world, account, listing, position, px, closed)
    if lots > closed:
        _open(world, account, listing, sign, px, lots - closed)
    if account is not world.accounts.market:
        end = start + sign * lots
        listing.long_lots += max(end, 0) - max(start, 0)
        listing.short_lots += max(-end, 0) - max(-start, 0)
    return Change(start, closed_pnl, _direction(start, sign, lots))


def holding(account: Account, listing: Listing) -> str:
    """The pool, as `World.move` names it, that holds the position in a coin or would hold none: the dex's."""
    position = account.position(listing.dex.name, listing.coin)
    isolated = position is not None and position.isolated_usd is not None
    return ISOLATED + listing.coin if isolated else listing.dex.name


def _open(world: World, account: Account, listing: Listing, sign: Sign, px: int, lots: int) -> None:
    positions = account.pool(listing.dex.name).positions
    leverage = leverage_of(world, account, listing)
    position = positions.get(listing.coin)
    if position is None:
        cross = leverage.is_cross or account is world.accounts.market
        position = positions[listing.coin] = Position(isolated_usd=None if cross else 0)
    ntl = px * lots
    position.lots += sign * lots
    position.entry_ntl += ntl
    position.funding_change = 0
    if position.isolated_usd is not None:
        _move_margin(world, account, listing, ntl // leverage.value)
    world.move(account, holding(account, listing), -sign * ntl, "trade")


def _close(world: World, account: Account, listing: Listing, position: Position, px: int, lots: int) -> int:
    """Close a part of the position and return what that won."""
    size, side = abs(position.lots), 1 if position.lots > 0 else -1
    entry = position.entry_ntl * lots // size
    world.move(account, holding(account, listing), side * px * lots, "trade")
    position.lots -= side * lots
    position.entry_ntl -= entry
    position.funding_change = 0
    if position.isolated_usd is not None:
        equity = position.isolated_usd + position.lots * px
        _move_margin(world, account, listing, -equity if lots == size else -(max(equity, 0) * lots // size))
    if position.lots == 0:
        del account.pool(listing.dex.name).positions[listing.coin]
    return side * (px * lots - entry)


def _move_margin(world: World, account: Account, listing: Listing, amount: int) -> None:
    """From the cross pool to the isolated position; back when negative."""
    world.move(account, listing.dex.name, -amount, "isolatedMargin")
    world.move(account, ISOLATED + listing.coin, amount, "isolatedMargin")


def _direction(start: int, sign: Sign, lots: int) -> str:
    after = start + sign * lots
    if start * sign >= 0:
        return "Open Long" if sign == 1 else "Open Short"
    if start * after < 0:
        return "Long > Short" if start > 0 else "Short > Long"
    return "Close Long" if start > 0 else "Close Short"
