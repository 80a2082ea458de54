"""A market that accounts can trade in, block by block: modelled, recorded, or both side by side."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from services.venue.market.book import Book, Fill, Sign
from services.venue.market.feed import Raw
from services.venue.market.scale import Scale
from shared.hyperliquid.wire import L2Book, WireTrade
from shared.messages import CoinMeta


class Owners(Protocol):
    """Who stands behind an account's number, for the `users` of a public trade."""

    def address(self, owner: int) -> str: ...


class Market(Protocol):
    """Pure: time is data (milliseconds since the start of the market) and a seed decides everything random.

    In one block the venue calls `advance`, lets accounts trade in the books, and then `news`.
    """

    coins: tuple[CoinMeta, ...]
    """In the order of their asset ids; coins of builder-deployed dexes (`xyz:TSLA`) after those of the first."""

    def book(self, coin: str) -> Book:
        """Where the coin's orders stand; the same object for the market's whole life."""
        ...

    def full_book(self, coin: str, now_ms: int) -> L2Book | None:
        """The coin's book as it stands, for whoever asks; None: as it was shown last."""
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

    def push(self, coin: str, log_move: float, takers: int) -> None:
        """Move a coin's fair value, and send so many market orders that way; a recorded coin does not listen."""
        ...

    def news(self, now_ms: int, owners: Owners) -> Iterator[Raw]:
        """What changed since the last call and is due to be seen, trades before books."""
        ...


class NoAccounts:
    """The `Owners` of a market in which only its own flow trades."""

    def address(self, owner: int) -> str:
        raise AssertionError("nobody trades here but the flow")


def blocks(market: Market) -> Iterator[tuple[int, list[Raw]]]:
    """A market in which no account trades: (time, everything that becomes public) wherever something does."""
    owners = NoAccounts()
    while (now_ms := market.next_ms()) is not None:
        market.advance(now_ms)
        news = list(market.news(now_ms, owners))
        if news:
            yield now_ms, news


def public_trade(coin: str, scale: Scale, fill: Fill, now_ms: int, address: Callable[[int], str]) -> WireTrade:
    """The print of a fill; `address` is that of an `Order.owner`."""
    taker, maker = address(fill.taker.owner), address(fill.maker.owner)
    bought = fill.maker.sign == -1
    return WireTrade(
        coin,
        "B" if bought else "A",
        scale.px(fill.px),
        scale.sz(fill.lots),
        now_ms,
        fill.tid,
        fill.taker.hash,
        (taker, maker) if bought else (maker, taker),
    )
