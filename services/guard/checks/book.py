"""Is there a book to quote on?"""

from shared.book_check import book_fault
from shared.messages import Book, Reason


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
