"""Trades as they change positions and cash.

The cash of a trade goes to the cross pool, or to the position's own cash where the coin is set to isolated margin.
"""

from dataclasses import dataclass

from services.venue.exchange.account import Account
from services.venue.exchange.listing import Listing
from services.venue.exchange.world import World
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
    raise NotImplementedError


def holding(account: Account, listing: Listing) -> str:
    """The pool, as `World.move` names it, that holds the position in a coin or would hold none: the dex's."""
    raise NotImplementedError
