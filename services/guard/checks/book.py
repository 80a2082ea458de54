"""Is there a book to quote on?"""

from shared.messages import Book, Reason


def book_reason(
    book: Book | None, now_ms: float, epoch: int, fresh_after_ms: float, max_age_ms: float
) -> Reason | None:
    """Why `book` does not carry a quote, or None.

    `epoch` is the number of the newest connection; after a stall only books received later than
    `fresh_after_ms` count, however young the last one from before may be.
    """
    if book is None:
        return Reason.NO_BOOK
    if book.epoch < epoch:
        return Reason.RECONNECTING
    if now_ms - book.received_ms > max_age_ms or book.received_ms <= fresh_after_ms:
        return Reason.STALE_BOOK
    if not book.bids or not book.asks or book.bids[0].px >= book.asks[0].px:
        return Reason.CROSSED_BOOK
    return None
