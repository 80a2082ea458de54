"""Who is liquidated, and what of theirs (reference page §9). Sending the orders is the exchange's."""

from dataclasses import dataclass
from typing import Literal

from services.venue.exchange.account import Account
from services.venue.exchange.listing import Listing
from services.venue.exchange.positions import Change
from services.venue.exchange.world import World
from services.venue.market.book import Sign

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


@dataclass(frozen=True, slots=True)
class Sale:
    """An order to close all or, when `partial`, a fifth of a position. `sign` is the order's."""

    coin: str
    sign: Sign
    lots: int
    partial: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """A position that went to the backstop at the mark price; `sign` of the liquidated user's trade."""

    coin: str
    sign: Sign
    px: int
    lots: int
    change: Change
    """Of the liquidated user."""


def verdict(world: World, account: Account, dex: str) -> Verdict:
    """The cross pool: under maintenance it is sold on the book, under two thirds of it the backstop takes it."""
    raise NotImplementedError


def isolated_verdict(world: World, account: Account, listing: Listing) -> Verdict:
    """The same for one isolated position, which the account must have."""
    raise NotImplementedError


def sales(world: World, account: Account, found: Verdict) -> tuple[Sale, ...]:
    """What a `market` verdict sends to the book, largest position first. After sending any partial one set
    `account.liquidate_whole_until_ms` to now + `WHOLE_MS`."""
    raise NotImplementedError


def take_over(world: World, account: Account, backstop: Account, found: Verdict) -> tuple[Taken, ...]:
    """Hand the positions at stake, at mark, and what is left of their margin to the backstop: the user keeps none
    of it, and owes nothing if it was negative."""
    raise NotImplementedError
