"""Our clock against the venue's, as books show it.

    skew = our time when a book arrived - the venue's time of its block        + ours is ahead, or the book is late

Of each second counts the book that was quickest, and of those seconds the median: a feed that is slow now and
then does not look like a clock, nor does one damaged frame. Nothing arrives before it is sent, so a negative skew
is our clock alone. A positive one that lasts may be the feed as well; either way what we quote on is that old.
"""

from statistics import median_low
from typing import Any

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import Book, Reason

SECONDS = 20
LEAST_SECONDS = 5
OTHER_TIME_MS = 86_400_000
"""Further apart it is a recording of another day, not a clock."""


class ClockSkew:
    """None before books of five seconds are known, and where none come."""

    rule = Rule(
        name="clock_skew",
        about="difference of our clock from the venue's",
        scope="all",
        level="pull",
        reason=Reason.CLOCK_SKEW,
        unit="s",
        limit="clock_skew_s",
    )

    def __init__(self, config: GuardConfig) -> None:
        self._limit_s = config.clock_skew_s
        self._quickest_ms: dict[int, float] = {}
        """By second of arrival."""

    def hear(self, now_ms: int, msg: Any) -> None:
        if not isinstance(msg, Book):
            return
        took_ms = msg.received_ms - msg.time_ms
        second = int(msg.received_ms) // 1000
        known_ms = self._quickest_ms.get(second)
        if known_ms is None and len(self._quickest_ms) > 2 * SECONDS:
            self._forget(now_ms)
        if abs(took_ms) < OTHER_TIME_MS and (known_ms is None or took_ms < known_ms):
            self._quickest_ms[second] = took_ms

    def _forget(self, now_ms: int) -> None:
        """What is older than the window, and what a clock that was set back has not reached yet."""
        now_s = now_ms // 1000
        self._quickest_ms = {
            second: took_ms for second, took_ms in self._quickest_ms.items() if -SECONDS < second - now_s <= 1
        }

    def read(self, now_ms: int) -> Reading:
        self._forget(now_ms)
        if len(self._quickest_ms) < LEAST_SECONDS:
            return Reading(None, self._limit_s)
        skew_s = median_low(self._quickest_ms.values()) / 1000
        if skew_s < 0:
            detail = f"our clock is {-skew_s:.2f} s behind the venue's"
        else:
            detail = f"our clock is ahead of the venue's, or its books are late, by {skew_s:.2f} s"
        return Reading(skew_s, self._limit_s, fired=abs(skew_s) > self._limit_s, detail=detail)
