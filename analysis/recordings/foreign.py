"""What the readers of other exchanges' recordings share."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import dropwhile
from typing import Any

from services.venue.market.feed import Raw
from services.venue.market.universe import KNOWN_COINS
from shared.errors import DataError
from shared.hyperliquid.wire import Bbo, L2Book, WireLevel, WireTrade
from shared.messages import CoinMeta

Item = tuple[int, Raw]
Opener = Callable[[], Iterable[Item]]
Side = tuple[WireLevel, ...]


@dataclass(frozen=True)
class Foreign:
    """A `feed.Source` over a folder. `warnings` names what had to be left out or inferred."""

    name: str
    coins: tuple[CoinMeta, ...]
    start_ms: int
    end_ms: int
    openers: tuple[Opener, ...]
    """One a coin; may be called again."""
    warnings: tuple[str, ...] = ()

    def raw(self) -> Iterator[Item]:
        return heapq.merge(*(_from_first_book(opener()) for opener in self.openers), key=lambda item: item[0])


def in_memory(name: str, by_coin: Mapping[str, list[Item]], warnings: tuple[str, ...] = ()) -> Foreign:
    """Of short recordings: everything read already.

    Raises:
        DataError: there is no book in it.
    """
    begun = {coin: items for coin, all_items in by_coin.items() if (items := list(_from_first_book(all_items)))}
    if not begun:
        raise DataError(f"{name}: the recording holds no book; nothing can be measured")
    first = min(items[0][0] for items in begun.values())
    last = max(items[-1][0] for items in begun.values())
    return Foreign(name, tuple(map(meta, begun)), first, last, tuple(map(_reopened, begun.values())), warnings)


def _reopened(items: list[Item]) -> Opener:
    return lambda: items


def _from_first_book(items: Iterable[Item]) -> Iterator[Item]:
    """Prints of before are those that an exchange repeats at the beginning."""
    return dropwhile(lambda item: isinstance(item[1], tuple), items)


def meta(coin: str) -> CoinMeta:
    """The grid of the coin's namesake at the venue."""
    return KNOWN_COINS.get(coin) or CoinMeta(coin, 0, 3)


def coin_of(symbol: str) -> str:
    """`BTC` of `BTCUSDT.csv.gz`."""
    return symbol.split(".")[0].removesuffix("USDT")


def level(px: Any, sz: Any) -> WireLevel:
    return WireLevel(Decimal(str(px)), Decimal(str(sz)), 1)


def book(coin: str, time_ms: int, bids: Side, asks: Side) -> Iterator[Item]:
    """A snapshot; its touch is also the `bbo`."""
    if bids and asks:
        yield time_ms, Bbo(coin, time_ms, (bids[0], asks[0]))
        yield time_ms, L2Book(coin, time_ms, (bids, asks))


def trade(coin: str, bought: bool, px: Any, sz: Any, time_ms: int, tid: int) -> Item:
    """A print; `bought`: the aggressor did."""
    return time_ms, (WireTrade(coin, "B" if bought else "A", Decimal(str(px)), Decimal(str(sz)), time_ms, tid),)
