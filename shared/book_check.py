"""May a book be quoted on? One rule for quoter, guard and executor, each with its own greatest age."""

from shared.clock import SET_BACK_MS
from shared.messages import Book, Reason


def dated_ahead(now_ms: float, book: Book) -> bool:
    """Received before our clock was set back: no book of now, and its connection is not the newest one."""
    return book.received_ms > now_ms + SET_BACK_MS


def book_fault(now_ms: float, book: Book | None, newest_epoch: int, max_age_ms: float) -> Reason | None:
    """Why not, or None. `newest_epoch` is the number of the connection that the feed runs on now."""
    if book is None or not book.bids or not book.asks:
        return Reason.NO_BOOK
    if book.epoch != newest_epoch:
        return Reason.RECONNECTING
    if dated_ahead(now_ms, book) or now_ms - book.received_ms > max_age_ms:
        return Reason.STALE_BOOK
    return Reason.CROSSED_BOOK if book.bids[0].px >= book.asks[0].px else None
