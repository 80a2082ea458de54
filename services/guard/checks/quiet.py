"""A coin whose book has been silent for seconds: still quotable, but not as tight as on fresh news.

The venue sends every book again about twice a second, changed or not, so seconds without one are never normal. At
the longer `guard_stale_book_s` nothing is quoted at all.
"""

from typing import Any, ClassVar

from services.guard.checks.streak import Streak
from services.guard.config import GuardConfig
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import Book, Reason

RULE = Rule(
    "quiet_book", "no book of the coin for seconds", "coin", "widen", Reason.STALE_BOOK, "s", "guard_quiet_book_s"
)


class QuietBook:
    """Age of the newest book; a silence that has ended is held against the coin a little longer."""

    rule = RULE
    remembers: ClassVar = {"_received_ms": float | None, "_streak": PARTS}

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit_s = config.guard_quiet_book_s
        self._streak = Streak(0.0, config.rule_hold_s)
        self._received_ms: float | None = None

    def hear(self, now_ms: int, msg: Any) -> None:
        if not isinstance(msg, Book):
            return
        if self._received_ms is not None and msg.received_ms - self._received_ms > self._limit_s * 1000:
            self._streak.note(msg.received_ms, True)
        self._streak.note(msg.received_ms, False)
        self._received_ms = max(self._received_ms or 0.0, msg.received_ms)

    def read(self, now_ms: int) -> Reading:
        if self._received_ms is None:
            return Reading(None, self._limit_s)
        age_s = max(now_ms - self._received_ms, 0.0) / 1000
        return Reading(age_s, self._limit_s, age_s > self._limit_s or self._streak.on(now_ms))
