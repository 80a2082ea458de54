"""Requests that the venue throttles, refuses or does not answer, counted by the executor over its life."""

from collections import deque
from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.memory import PARTS
from services.guard.rules import Reading, Resumed, Rule
from shared.messages import AccountStatus, Reason

REDELIVERED_MS = 120_000
"""A status older than the last one by less is a repeat; by more, the clock was set back."""


class ErrorWindow:
    """How many requests ended in one of `kinds` in the last `window_ms`.

    Statuses carry counts since the executor began: what a count has grown by happened just then, and a smaller
    count than before is that of a new process. Before the first status nothing is known of when.
    """

    remembers: ClassVar = {"_news": list[tuple[int, int]], "_count": int | None, "_heard_ms": int}

    def __init__(self, kinds: tuple[str, ...], window_ms: float) -> None:
        self._kinds, self._window_ms = kinds, window_ms
        self._news: deque[tuple[int, int]] = deque()
        self._count: int | None = None
        self._heard_ms = 0

    def hear(self, msg: Any) -> None:
        """What came before a halt was ended does not halt once more."""
        if isinstance(msg, Resumed):
            while self._news and self._news[0][0] <= msg.time_ms:
                self._news.popleft()
        elif isinstance(msg, AccountStatus) and msg.live is not None:
            self._note(msg.time_ms, sum(msg.live.errors.get(kind, 0) for kind in self._kinds))

    def _note(self, time_ms: int, count: int) -> None:
        if 0 <= self._heard_ms - time_ms < REDELIVERED_MS:
            return
        clock_set_back, before = time_ms < self._heard_ms, self._count
        self._heard_ms, self._count = time_ms, count
        if before is not None and not clock_set_back and count != before:
            self._news.append((time_ms, count - before if count > before else count))

    def total(self, now_ms: int) -> int | None:
        while self._news and self._news[0][0] <= now_ms - self._window_ms:
            self._news.popleft()
        return None if self._count is None else sum(errors for _, errors in self._news)


class RateLimitErrors:
    """The venue throttles us: whoever goes on is banned. Each request counts once, whatever it carried."""

    rule = Rule(
        name="rate_limit_errors",
        about="requests throttled by the venue, in the window",
        scope="all",
        level="halt",
        reason=Reason.RATE_LIMITED,
        unit="requests",
        limit="rate_limit_errors",
    )
    remembers: ClassVar = {"_errors": PARTS}

    def __init__(self, config: GuardConfig) -> None:
        self._limit = config.rate_limit_errors
        self._errors = ErrorWindow(("throttled",), config.rate_limit_window_s * 1000)

    def hear(self, now_ms: int, msg: Any) -> None:
        self._errors.hear(msg)

    def read(self, now_ms: int) -> Reading:
        return _reading(self._errors.total(now_ms), self._limit)


class VenueErrors:
    """Requests refused as a whole or without an answer: quotes stay away until a window has passed without."""

    rule = Rule(
        name="venue_errors",
        about="requests refused or not answered by the venue, in the window",
        scope="all",
        level="pull",
        reason=Reason.VENUE_ERRORS,
        unit="requests",
        limit="venue_errors",
    )
    remembers: ClassVar = {"_errors": PARTS}

    def __init__(self, config: GuardConfig) -> None:
        self._limit = config.venue_errors
        self._errors = ErrorWindow(("refused", "unknown"), config.venue_errors_window_s * 1000)

    def hear(self, now_ms: int, msg: Any) -> None:
        self._errors.hear(msg)

    def read(self, now_ms: int) -> Reading:
        return _reading(self._errors.total(now_ms), self._limit)


def _reading(total: int | None, limit: int) -> Reading:
    return Reading(total, limit, fired=total is not None and total >= limit)
