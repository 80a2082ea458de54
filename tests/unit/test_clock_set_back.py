"""What a new start finds when the clock was set back: streams that end with books of the hour to come."""

import msgspec

from market_maker.rules_drill.path import TradingPath
from market_maker.rules_drill.scenes import METAS, MIDS
from shared.messages import AccountStatus, Book

HOUR_MS = 3_600_000


def begun_before() -> TradingPath:
    """All get the newest books of an earlier connection first, as a new reader does."""
    path = TradingPath(METAS)
    for coin, mid_px in MIDS.items():
        book: Book = path.book_of(coin, mid_px)
        path.say(msgspec.structs.replace(book, received_ms=book.received_ms + HOUR_MS, epoch=7))
    return path


def resting(path: TradingPath) -> int:
    status = path.newest(AccountStatus)
    assert status is not None
    return sum(coin.resting_bids + coin.resting_asks for coin in status.coins)


def test_nothing_is_quoted_on_books_of_before_and_all_is_on_those_of_now() -> None:
    path = begun_before().wait(3_000)
    assert resting(path) == 0
    path.run(3_000, MIDS).wait(500)
    assert resting(path) == 6 * len(MIDS)
