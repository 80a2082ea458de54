"""One coin's book: the newest `bbo` laid over the newest full snapshot.

The venue sends the touch in every block that changed it, but depth behind it only about twice a second. A newer
touch therefore replaces the old one: levels better than it no longer exist, an equal price gets its new size.
Depth that is not known any more is left out until the next snapshot, never guessed.
"""

from collections.abc import Sequence
from enum import StrEnum

from shared.hyperliquid.wire import Bbo, L2Book, WireLevel
from shared.messages import Book, Depth, Level

LEVELS = 5
DEPTH_LEVELS = 20
MAX_AHEAD_MS = 60_000
"""A frame dated further ahead of our clock is damaged; taken, it would make all that follow look old."""
Side = tuple[Level, ...]


class Refusal(StrEnum):
    """Why a frame was not used."""

    MALFORMED = "malformed"
    CROSSED = "crossed"
    OLD = "older than the last of its kind"
    ONE_SIDED = "one side is empty"
    UNKNOWN_COIN = "coin not subscribed"


class CoinBook:
    """The book of one coin on one connection; a new connection starts with a new `CoinBook`."""

    def __init__(self, coin: str, epoch: int) -> None:
        self._coin, self._epoch = coin, epoch
        self._bids: Side = ()
        self._asks: Side = ()
        self._levels_ms = 0
        self._touch: tuple[Level | None, Level | None] = None, None
        self._bbo_ms = self._fast_ms = self._slow_ms = 0

    def on_bbo(self, frame: Bbo, received_ms: float) -> tuple[Book, ...] | Refusal:
        """The book with this touch; nothing when a newer snapshot is known already."""
        bid, ask = frame.bbo
        levels = () if bid is None else (bid,), () if ask is None else (ask,)
        sides = _checked(levels, frame.time, self._bbo_ms, received_ms)
        if isinstance(sides, Refusal):
            return sides
        bids, asks = sides
        self._bbo_ms = frame.time
        self._touch = bids[0] if bids else None, asks[0] if asks else None
        if frame.time < self._levels_ms:
            return ()
        self._lay_touch_over()
        return self._book(received_ms)

    def on_fast(self, frame: L2Book, received_ms: float) -> tuple[Book, ...] | Refusal:
        """The book with these levels behind the newest touch."""
        sides = _checked(frame.levels, frame.time, self._fast_ms, received_ms)
        if isinstance(sides, Refusal):
            return sides
        bids, asks = sides
        self._fast_ms = frame.time
        return self._with_levels(bids, asks, frame.time, received_ms)

    def on_slow(self, frame: L2Book, received_ms: float) -> tuple[Book | Depth, ...] | Refusal:
        """The depth, and the book where this snapshot is newer than the fast ones: it is as true as they are."""
        sides = _checked(frame.levels, frame.time, self._slow_ms, received_ms)
        if isinstance(sides, Refusal):
            return sides
        bids, asks = sides
        self._slow_ms = frame.time
        newer = frame.time > self._levels_ms
        books = self._with_levels(bids, asks, frame.time, received_ms) if newer else ()
        if isinstance(books, Refusal):
            return books
        depth = Depth(
            coin=self._coin,
            time_ms=frame.time,
            received_ms=received_ms,
            epoch=self._epoch,
            bids=bids[:DEPTH_LEVELS],
            asks=asks[:DEPTH_LEVELS],
        )
        return *books, depth

    def _with_levels(self, bids: Side, asks: Side, time_ms: int, received_ms: float) -> tuple[Book, ...] | Refusal:
        if time_ms < self._levels_ms:
            return ()
        self._bids, self._asks, self._levels_ms = bids[:LEVELS], asks[:LEVELS], time_ms
        if self._bbo_ms >= time_ms:
            self._lay_touch_over()
        return self._book(received_ms)

    def _lay_touch_over(self) -> None:
        bid, ask = self._touch
        behind_bid = [] if bid is None else [level for level in self._bids if level.px < bid.px]
        behind_ask = [] if ask is None else [level for level in self._asks if level.px > ask.px]
        self._bids = () if bid is None else (bid, *behind_bid[: LEVELS - 1])
        self._asks = () if ask is None else (ask, *behind_ask[: LEVELS - 1])

    def _book(self, received_ms: float) -> tuple[Book, ...] | Refusal:
        if not self._bids or not self._asks:
            return Refusal.ONE_SIDED
        return (
            Book(
                coin=self._coin,
                time_ms=max(self._levels_ms, self._bbo_ms),
                received_ms=received_ms,
                epoch=self._epoch,
                bids=self._bids,
                asks=self._asks,
            ),
        )


def _checked(
    levels: tuple[Sequence[WireLevel], Sequence[WireLevel]], time_ms: int, last_ms: int, received_ms: float
) -> tuple[Side, Side] | Refusal:
    """Both sides as ours, or why the frame must not be used."""
    bids, asks = _side(levels[0], -1), _side(levels[1], 1)
    if bids is None or asks is None or time_ms > received_ms + MAX_AHEAD_MS:
        return Refusal.MALFORMED
    if time_ms < last_ms:
        return Refusal.OLD
    if bids and asks and bids[0].px >= asks[0].px:
        return Refusal.CROSSED
    return bids, asks


def _side(levels: Sequence[WireLevel], away: int) -> Side | None:
    """One side, best first; None unless every number is positive and every price is worse than the one before.

    `away` is the direction in which prices get worse: -1 for bids, 1 for asks.
    """
    side = []
    last_px = None
    for level in levels:
        px, sz = level.px, level.sz
        if not (px.is_finite() and sz.is_finite() and px > 0 and sz > 0):
            return None
        if last_px is not None and not (px < last_px if away < 0 else px > last_px):
            return None
        last_px = px
        side.append(Level(px, sz))
    return tuple(side)
