"""A recording as a market in which accounts trade.

Without accounts in a coin its frames are the recorded ones, unchanged. With them every book and touch is shown as
it stands at the end of the block, and trades of accounts are printed beside the recorded ones, which never change.
"""

from collections.abc import Iterator, Sequence
from itertools import count, islice

import msgspec

from services.venue.market.book import FIRST_ACCOUNT, Fill, Sign, Taker
from services.venue.market.feed import BOOK_LEVELS, Hole, Raw, Source
from services.venue.market.market import Owners, public_trade
from services.venue.market.recorded_book import RecordedBook
from services.venue.market.scale import Scale
from shared.hyperliquid.wire import Bbo, L2Book, WireLevel, WireTrade

LOOP_PAUSE_MS = 1000
TID_RANGE = 2**50
RECORDED_ADDRESS = "0x" + "e" * 40
"""Recordings do not say who traded."""


class _Coin:
    """A coin's book and what of it has been shown."""

    def __init__(self, name: str, scale: Scale, book: RecordedBook, book_ms: int) -> None:
        self.name, self.scale, self.book = name, scale, book
        self.prints: list[Fill] = []
        self._book_ms = book_ms
        self._touch: tuple[WireLevel | None, WireLevel | None] | None = None
        self._shown_ms = 0
        self._owed = False
        """Accounts have changed the book since it was last shown in full."""

    def recorded(self, raw: Raw, now_ms: int) -> Iterator[Raw]:
        """A recorded frame as it is shown."""
        if isinstance(raw, Bbo):
            if self.book.touched:
                yield from self._bbo(now_ms)
            else:
                self._touch = raw.bbo
                yield raw
        elif isinstance(raw, L2Book):
            self._shown_ms, self._owed = now_ms, False
            yield self.full(now_ms) if self.book.touched else raw
        else:
            yield raw

    def own(self, now_ms: int) -> Iterator[Raw]:
        """Frames that only accounts have given rise to; full books no oftener than books are sent."""
        if self.book.changed:
            yield from self._bbo(now_ms)
            self.book.changed = False
            self._owed = True
        if self._owed and now_ms - self._shown_ms >= self._book_ms:
            self._shown_ms, self._owed = now_ms, False
            yield self.full(now_ms)

    def _bbo(self, now_ms: int) -> Iterator[Bbo]:
        bids, asks = self._levels(1, 1), self._levels(-1, 1)
        touch = bids[0] if bids else None, asks[0] if asks else None
        if touch != self._touch:
            self._touch = touch
            yield Bbo(self.name, now_ms, touch)

    def full(self, now_ms: int) -> L2Book:
        return L2Book(self.name, now_ms, (self._levels(1, BOOK_LEVELS), self._levels(-1, BOOK_LEVELS)))

    def _levels(self, sign: Sign, depth: int) -> tuple[WireLevel, ...]:
        return tuple(
            WireLevel(self.scale.px(px), self.scale.sz(lots), n)
            for px, lots, n in islice(self.book.levels(sign), depth)
        )


class ReplayMarket:
    """A `market.Market`. It is played once or, with `loop`, again and again; each round has trade ids of its own,
    since clients take an id only once, and nothing is carried from one to the next.

    Raises (from `next_ms` and `advance`):
        DataError: the recording is damaged in the middle.
    """

    def __init__(self, recording: Source, *, loop: bool, book_ms: int, oids: Iterator[int]) -> None:
        self.coins = recording.coins
        self._recording, self._loop, self._oids = recording, loop, oids
        self._coins: dict[str, _Coin] = {}
        for meta in recording.coins:
            scale = Scale(meta.sz_decimals)
            book = RecordedBook(scale, lambda: next(oids))
            self._coins[meta.coin] = _Coin(meta.coin, scale, book, book_ms)
        self._events = self._rounds()
        self._next: tuple[int, Raw | None] | None = None
        self._pending: list[Raw] = []
        self.over = False

    def _rounds(self) -> Iterator[tuple[int, Raw | None]]:
        """Everything recorded by its time since the start; None is the beginning of another round."""
        begin_ms = 0
        for turn in count():
            last_ms = begin_ms
            for time_ms, raw in self._recording.raw():
                last_ms = begin_ms + time_ms - self._recording.start_ms
                yield last_ms, _renumbered(raw, turn) if turn else raw
            if not self._loop:
                return
            begin_ms = last_ms + LOOP_PAUSE_MS
            yield begin_ms, None

    def book(self, coin: str) -> RecordedBook:
        return self._coins[coin].book

    def full_book(self, coin: str, now_ms: int) -> L2Book | None:
        """Of a book without orders of accounts the recorded frames say more than what is kept of them."""
        return self._coins[coin].full(now_ms) if self._coins[coin].book.touched else None

    def next_ms(self) -> int | None:
        if self._next is None and not self.over:
            self._next = next(self._events, None)
            self.over = self._next is None
        return self._next[0] if self._next is not None else None

    def advance(self, to_ms: int) -> None:
        while (due_ms := self.next_ms()) is not None and due_ms <= to_ms:
            assert self._next is not None
            raw = self._next[1]
            self._next = None
            if raw is None:
                for coin in self._coins.values():
                    coin.book.quoted(Hole(coin.name, due_ms, due_ms))
            else:
                self._apply(raw)
                self._pending.append(raw)

    def _apply(self, raw: Raw) -> None:
        if isinstance(raw, tuple):
            book = self._coins[raw[0].coin].book
            takers: dict[tuple[str, str], Taker] = {}
            for trade in raw:
                key = trade.side, trade.hash
                if key not in takers:
                    takers[key] = Taker(next(self._oids), 0, trade.hash)
                book.printed(trade, takers[key])
        elif isinstance(raw, (Bbo, L2Book, Hole)):
            self._coins[raw.coin].book.quoted(raw)

    def took(self, coin: str, sign: Sign, fills: Sequence[Fill]) -> None:
        self._coins[coin].prints += fills

    def push(self, coin: str, log_move: float, takers: int) -> None:
        """What was recorded has happened."""

    def news(self, now_ms: int, owners: Owners) -> Iterator[Raw]:
        pending, self._pending = self._pending, []
        for raw in pending:
            coin = self._coins[raw[0].coin if isinstance(raw, tuple) else raw.coin]
            if coin.prints and isinstance(raw, (Bbo, L2Book)):
                yield self._trades(coin, now_ms, owners)
            yield from coin.recorded(raw, now_ms)
        for coin in self._coins.values():
            if coin.prints:
                yield self._trades(coin, now_ms, owners)
            yield from coin.own(now_ms)

    def _trades(self, coin: _Coin, now_ms: int, owners: Owners) -> tuple[WireTrade, ...]:
        def address(owner: int) -> str:
            return RECORDED_ADDRESS if owner < FIRST_ACCOUNT else owners.address(owner)

        trades = tuple(public_trade(coin.name, coin.scale, fill, now_ms, address) for fill in coin.prints)
        coin.prints.clear()
        return trades


def _renumbered(raw: Raw, turn: int) -> Raw:
    if not isinstance(raw, tuple):
        return raw
    return tuple(
        msgspec.structs.replace(trade, tid=(trade.tid + turn * 2_654_435_761) % TID_RANGE) for trade in raw
    )
