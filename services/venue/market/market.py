"""A market that accounts can trade in, block by block: modelled, recorded, or both side by side."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from services.venue.market.book import Book, Fill, Sign
from services.venue.market.feed import Raw
from shared.messages import CoinMeta


class Market(Protocol):
    """Pure: time is data (milliseconds since the start of the market) and a seed decides everything random.

    In one block the venue calls `advance`, lets accounts trade in the books, and then `news`.
    """

    coins: tuple[CoinMeta, ...]
    """In the order of their asset ids; coins of builder-deployed dexes (`xyz:TSLA`) after those of the first."""

    def book(self, coin: str) -> Book:
        """Where the coin's orders stand; the same object for the market's whole life."""
        ...

    def next_ms(self) -> int | None:
        """When something will next happen that is not an account's doing; None: never again."""
        ...

    def advance(self, to_ms: int) -> None:
        """Everything of the market's own that happens until `to_ms`, matches with accounts' orders included."""
        ...

    def took(self, coin: str, sign: Sign, fills: Sequence[Fill]) -> None:
        """An account's taker order has traded: the trades become public and the market feels them."""
        ...

    def news(self, now_ms: int, owners: "Owners") -> Iterator[Raw]:
        """What changed since the last call and is due to be seen, trades before books."""
        ...


class Owners(Protocol):
    """Who stands behind an account's number, for the `users` of a public trade."""

    def address(self, owner: int) -> str: ...
