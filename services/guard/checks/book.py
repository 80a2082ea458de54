"""Is there a book to quote on?"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.book_check import book_fault
from shared.messages import Book, Event, Reason


@dataclass(frozen=True, slots=True)
class Feed:
    """Which connection the feed runs on, and from when on a book counts as received after the last stall."""

    epoch: int
    fresh_after_ms: float


class StaleBook:
    """Old, crossed, of an earlier connection, or none at all: no side is quoted."""

    rule = Rule(
        "stale_book", "age of the newest book", "coin", "pull", Reason.STALE_BOOK, "s", "guard_stale_book_s"
    )

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit_s = config.guard_stale_book_s
        self._book: Book | None = None
        self._feed = Feed(0, 0.0)

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Book):
            self._book = msg
        elif isinstance(msg, Feed):
            self._feed = msg

    def read(self, now_ms: int) -> Reading:
        book, feed = self._book, self._feed
        reason = book_reason(book, now_ms, feed.epoch, feed.fresh_after_ms, self._limit_s * 1000)
        age_s = None if book is None else max(now_ms - book.received_ms, 0.0) / 1000
        return Reading(age_s, self._limit_s, reason is not None, reason=reason, detail=reason or "")

    def lines(self, now_ms: int) -> Iterable[Event]:
        """None: the quoter says which side is not quoted, and why."""
        return ()


def book_reason(
    book: Book | None, now_ms: float, epoch: int, fresh_after_ms: float, max_age_ms: float
) -> Reason | None:
    """Why `book` does not carry a quote, or None.

    `epoch` is the newest connection that the feed has told of; a book may know of a newer one first. After a
    stall only books received later than `fresh_after_ms` count, however young the last one from before may be.
    """
    fault = book_fault(now_ms, book, max(epoch, book.epoch) if book else epoch, max_age_ms)
    if fault is None and book is not None and book.received_ms <= fresh_after_ms:
        return Reason.STALE_BOOK
    return fault
