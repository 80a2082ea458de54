"""One coin's trades, each of them once.

After every (re)subscription the venue sends its last trades again, so what was published before is remembered
for a while, and on a new connection nothing older than the newest print of the old one is new.
"""

from services.ingestor.book import MAX_AHEAD_MS, Refusal
from shared.hyperliquid.wire import WireTrade
from shared.messages import Trade
from shared.recent import Recent

REMEMBERED = 2000
"""The venue repeats some 30 trades; within a connection it repeats none."""


class Prints:
    """Memory of what was published; survives reconnects, and restarts by way of `remember`."""

    def __init__(self) -> None:
        self._seen = Recent(REMEMBERED)
        self._newest_ms = 0
        self._floor_ms = 0

    def reconnected(self) -> None:
        """From here on, prints older than the newest one are repeats."""
        self._floor_ms = self._newest_ms

    def remember(self, time_ms: int, tid: int) -> bool:
        """Note a print; False when it was known."""
        if not self._seen.add((time_ms, tid)):
            return False
        self._newest_ms = max(self._newest_ms, time_ms)
        return True

    def fresh(self, frame: tuple[WireTrade, ...], received_ms: float) -> tuple[Trade, ...] | Refusal:
        """The trades of a frame that were not seen before, in order of time."""
        if not all(_is_sound(trade, frame[0].coin, received_ms) for trade in frame):
            return Refusal.MALFORMED
        return tuple(
            Trade(px=trade.px, sz=trade.sz, side=trade.side, time_ms=trade.time, tid=trade.tid)
            for trade in sorted(frame, key=lambda trade: trade.time)
            if trade.time >= self._floor_ms and self.remember(trade.time, trade.tid)
        )


def _is_sound(trade: WireTrade, coin: str, received_ms: float) -> bool:
    px, sz = trade.px, trade.sz
    return (
        trade.coin == coin
        and px.is_finite()
        and sz.is_finite()
        and px > 0
        and sz > 0
        and trade.time <= received_ms + MAX_AHEAD_MS
    )
