"""What was booked lately: every record of the venue once, and the books as they stood a moment ago.

The venue's answers are a little older than our books, or a little newer. Both are compared as of the venue's time.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from shared.messages import ZERO
from shared.recent import Recent

_IDS = 20_000
"""The venue tells at most its newest 10,000 fills again (reference page §3.5)."""
_REWIND_MS = 120_000


@dataclass(frozen=True, slots=True)
class _Entry:
    time_ms: int
    coin: str
    sz: Decimal
    usd: Decimal


class Journal:
    """Entries of the last two minutes; ids for longer. Times are the venue's."""

    def __init__(self) -> None:
        self._ids = Recent(_IDS)
        self._entries: deque[_Entry] = deque()
        self._newest_ms = 0

    def knows(self, fill_id: str) -> bool:
        return fill_id in self._ids

    def note_id(self, fill_id: str) -> None:
        self._ids.add(fill_id)

    def note(self, time_ms: int, coin: str, sz: Decimal, usd: Decimal) -> None:
        """A booking changed the position by `sz` and the cash by `usd`."""
        self._newest_ms = max(self._newest_ms, time_ms)
        self._entries.append(_Entry(time_ms, coin, sz, usd))
        while self._entries[0].time_ms < self._newest_ms - _REWIND_MS:
            self._entries.popleft()

    def sz_after(self, time_ms: int, coin: str) -> Decimal:
        return sum((entry.sz for entry in self._after(time_ms) if entry.coin == coin), ZERO)

    def usd_after(self, time_ms: int) -> Decimal:
        return sum((entry.usd for entry in self._after(time_ms)), ZERO)

    def _after(self, time_ms: int) -> Iterator[_Entry]:
        return (entry for entry in self._entries if entry.time_ms > time_ms)
