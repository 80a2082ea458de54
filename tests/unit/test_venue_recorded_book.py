"""Orders of accounts in a recorded book: where they stand in the queue, what reaches them, what is shown."""

import pytest

from services.venue.market.book import Order, Taker
from services.venue.market.feed import Hole
from services.venue.market.recorded_book import RecordedBook
from tests.fixtures.venue_books import COIN, Desk, recorded_book, snapshot, touch, trade

BIDS = [(9_990, 100), (9_980, 200), (9_970, 300)]
ASKS = [(10_000, 100), (10_010, 200), (10_020, 300)]
FLOW = Taker(1 << 50, 0)
Opened = tuple[RecordedBook, Desk]


@pytest.fixture
def opened() -> Opened:
    book, desk = recorded_book()
    book.quoted(snapshot(BIDS, ASKS))
    return book, desk


def filled(desk: Desk) -> list[tuple[int, int, int]]:
    return [(fill.maker.oid, fill.px, fill.lots) for fill in desk.fills]


# ---- queue position ------------------------------------------------------------------------------------------


def test_a_new_order_stands_behind_everything_displayed_and_earlier_accounts(opened: Opened) -> None:
    book, desk = opened
    first = desk.rest(book, 1, 9_990, 50)
    second = desk.rest(book, 1, 9_990, 10, account=1)
    alone = desk.rest(book, 1, 9_995, 10)
    assert [book.ahead(order) for order in (first, second, alone)] == [100, 150, 0]


def test_prints_at_the_price_eat_the_queue_first_and_then_accounts_in_time_order(opened: Opened) -> None:
    book, desk = opened
    first = desk.rest(book, 1, 9_990, 50)
    second = desk.rest(book, 1, 9_990, 40, account=1)
    book.printed(trade("A", 9_990, 60), FLOW)
    assert (book.ahead(first), filled(desk)) == (40, [])
    book.printed(trade("A", 9_990, 70, tid=8), FLOW)
    assert filled(desk) == [(first.oid, 9_990, 30)]
    book.printed(trade("A", 9_990, 30, tid=9), FLOW)
    assert filled(desk)[1:] == [(first.oid, 9_990, 20), (second.oid, 9_990, 10)]
    assert [fill.tid for fill in desk.fills] == [8, 9, 9]
    assert (first.lots, second.lots, book.ahead(second)) == (0, 30, 0)


def test_recorded_size_between_two_accounts_is_eaten_between_them(opened: Opened) -> None:
    book, desk = opened
    first = desk.rest(book, -1, 10_000, 10)
    book.quoted(snapshot(BIDS, [(10_000, 160)]))
    second = desk.rest(book, -1, 10_000, 10, account=1)
    assert (book.ahead(first), book.ahead(second)) == (100, 170)
    book.printed(trade("B", 10_000, 130), FLOW)
    assert filled(desk) == [(first.oid, 10_000, 10)]
    assert book.ahead(second) == 40
    book.printed(trade("B", 10_000, 45), FLOW)
    assert filled(desk)[1:] == [(second.oid, 10_000, 5)]


def test_a_print_on_the_other_side_reaches_nobody(opened: Opened) -> None:
    book, desk = opened
    bid = desk.rest(book, 1, 9_990, 50)
    book.printed(trade("B", 9_990, 500), FLOW)
    assert (filled(desk), book.ahead(bid)) == ([], 100)


def test_a_print_through_the_price_fills_whole_orders_best_price_first_within_its_size(opened: Opened) -> None:
    book, desk = opened
    near, far = desk.rest(book, 1, 9_990, 50), desk.rest(book, 1, 9_980, 50)
    at = desk.rest(book, 1, 9_970, 50)
    book.printed(trade("A", 9_970, 80), FLOW)
    assert filled(desk) == [(near.oid, 9_990, 50), (far.oid, 9_980, 30)]
    assert book.ahead(at) == 300, "nothing of the print was left for its own price"
    book.printed(trade("A", 9_970, 100), FLOW)
    assert filled(desk)[2:] == [(far.oid, 9_980, 20)]
    assert book.ahead(at) == 220


def test_an_order_inside_the_spread_is_reached_by_any_print_at_the_touch(opened: Opened) -> None:
    book, desk = opened
    inside = desk.rest(book, 1, 9_995, 30)
    book.printed(trade("A", 9_990, 20), FLOW)
    assert filled(desk) == [(inside.oid, 9_995, 20)]


def test_a_smaller_displayed_size_was_taken_from_behind(opened: Opened) -> None:
    book, desk = opened
    order = desk.rest(book, 1, 9_990, 50)
    book.quoted(touch((9_990, 130), (10_000, 100)))
    assert book.ahead(order) == 100, "what came later stands behind"
    book.quoted(touch((9_990, 105), (10_000, 100)))
    assert book.ahead(order) == 100
    book.quoted(touch((9_990, 70), (10_000, 100)))
    assert book.ahead(order) == 70
    book.printed(trade("A", 9_990, 30), FLOW)
    book.quoted(touch((9_990, 40), (10_000, 100)))
    assert book.ahead(order) == 40, "the print is not counted twice"
    book.quoted(touch((9_990, 400), (10_000, 100)))
    assert book.ahead(order) == 40


def test_a_touch_that_moved_away_leaves_nobody_ahead(opened: Opened) -> None:
    book, desk = opened
    order = desk.rest(book, 1, 9_990, 50)
    book.quoted(touch((9_980, 200), (10_000, 100)))
    assert book.ahead(order) == 0
    assert book.best_px(1) == 9_990


def test_out_of_sight_only_prints_through_fill_until_the_price_comes_into_view(opened: Opened) -> None:
    book, desk = opened
    order = desk.rest(book, 1, 9_960, 50)
    book.printed(trade("A", 9_960, 400), FLOW)
    assert filled(desk) == [] and book.ahead(order) is None
    book.printed(trade("A", 9_950, 10), FLOW)
    assert filled(desk) == [(order.oid, 9_960, 10)]
    book.quoted(snapshot([(9_970, 20), (9_960, 80), (9_950, 10)], ASKS))
    assert book.ahead(order) == 80
    book.printed(trade("A", 9_960, 85), FLOW)
    assert filled(desk)[1:] == [(order.oid, 9_960, 5)]


def test_a_known_position_is_kept_while_the_price_is_out_of_sight(opened: Opened) -> None:
    book, desk = opened
    order = desk.rest(book, 1, 9_970, 50)
    book.quoted(snapshot([(9_990, 100), (9_980, 200)], ASKS))
    assert book.ahead(order) == 300
    book.quoted(snapshot([(9_980, 200), (9_970, 900)], ASKS))
    assert book.ahead(order) == 300


def test_after_a_hole_an_order_stands_at_the_back(opened: Opened) -> None:
    book, desk = opened
    first, second = desk.rest(book, 1, 9_990, 50), desk.rest(book, 1, 9_990, 50, account=1)
    book.printed(trade("A", 9_990, 90), FLOW)
    book.quoted(Hole(COIN, 0, 60_000))
    assert book.best_px(-1) is None, "nothing recorded is known"
    assert (book.ahead(first), book.ahead(second)) == (None, None)
    book.printed(trade("A", 9_990, 500), FLOW)
    assert filled(desk) == []
    book.quoted(snapshot([(9_990, 250)], ASKS))
    assert (book.ahead(first), book.ahead(second)) == (250, 300)


def test_shrinking_keeps_the_place_and_leaving_gives_it_to_the_next(opened: Opened) -> None:
    book, desk = opened
    first, second = desk.rest(book, 1, 9_990, 50), desk.rest(book, 1, 9_990, 40, account=1)
    book.reduce(first, 20)
    assert (book.ahead(first), book.ahead(second)) == (100, 120)
    desk.cancel(book, first)
    assert book.ahead(second) == 100


def test_who_may_not_trade_leaves_the_book_and_the_next_is_asked(opened: Opened) -> None:
    book, desk = opened
    poor, rich = desk.rest(book, 1, 9_995, 50, account=1), desk.rest(book, 1, 9_995, 50, account=2)
    desk.broke.add(poor.owner)
    book.printed(trade("A", 9_990, 20), FLOW)
    assert desk.ended == [poor.oid]
    assert filled(desk) == [(rich.oid, 9_995, 20)]


# ---- what is shown -------------------------------------------------------------------------------------------


def test_accounts_are_added_to_what_is_displayed(opened: Opened) -> None:
    book, desk = opened
    desk.rest(book, 1, 9_990, 50)
    desk.rest(book, 1, 9_995, 5)
    assert list(book.levels(1)) == [(9_995, 5, 1), (9_990, 150, 2), (9_980, 200, 1), (9_970, 300, 1)]
    assert list(book.depth(-1)) == ASKS


def test_recorded_quotes_at_or_through_an_order_are_not_shown_and_fill_nothing(opened: Opened) -> None:
    book, desk = opened
    order = desk.rest(book, 1, 9_995, 50)
    book.quoted(snapshot([(9_980, 100)], [(9_985, 10), (9_995, 20), (10_005, 30)]))
    assert (book.best_px(1), book.best_px(-1)) == (9_995, 10_005)
    assert list(book.depth(-1)) == [(10_005, 30)]
    assert filled(desk) == []
    desk.cancel(book, order)
    assert list(book.depth(-1)) == [(9_985, 10), (9_995, 20), (10_005, 30)]


# ---- takers of accounts --------------------------------------------------------------------------------------


def test_a_taker_walks_displayed_levels_and_orders_as_they_stand(opened: Opened) -> None:
    book, desk = opened
    inside = desk.rest(book, -1, 9_999, 5)
    queued = desk.rest(book, -1, 10_000, 7)
    book.quoted(snapshot(BIDS, [(10_000, 130), (10_010, 200)]))
    fills = desk.take(book, 1, 160, 10_010, account=1)
    assert [(fill.px, fill.lots, fill.maker.oid in (inside.oid, queued.oid)) for fill in fills] == [
        (9_999, 5, True), (10_000, 100, False), (10_000, 7, True), (10_000, 30, False), (10_010, 18, False),
    ]  # fmt: skip
    assert filled(desk) == [(inside.oid, 9_999, 5), (queued.oid, 10_000, 7)]
    assert len({fill.tid for fill in fills}) == len(fills)


def test_a_taker_stops_at_its_limit_and_at_the_end_of_the_display(opened: Opened) -> None:
    book, desk = opened
    assert sum(fill.lots for fill in desk.take(book, 1, 1_000, 10_010)) == 300
    assert sum(fill.lots for fill in desk.take(book, -1, 1_000, None)) == 600
    assert (book.best_px(1), book.best_px(-1)) == (None, 10_020)


def test_what_was_taken_is_not_sold_twice_until_the_level_is_quoted_anew(opened: Opened) -> None:
    book, desk = opened
    desk.take(book, 1, 150, None)
    assert list(book.depth(-1)) == [(10_010, 150), (10_020, 300)]
    book.quoted(touch((9_990, 100), (10_000, 40)))
    assert list(book.depth(-1)) == [(10_000, 40), (10_010, 150), (10_020, 300)]
    book.quoted(snapshot(BIDS, ASKS))
    assert list(book.depth(-1)) == ASKS


def test_an_account_that_takes_the_queue_ahead_moves_those_behind_forward(opened: Opened) -> None:
    book, desk = opened
    order = desk.rest(book, -1, 10_000, 10)
    desk.take(book, 1, 60, None, account=1)
    assert book.ahead(order) == 40
    later = desk.rest(book, -1, 10_000, 10, account=2)
    assert book.ahead(later) == 40 + 10


def test_quotes_that_wait_unread_are_the_same_as_read_at_once() -> None:
    quotes = [snapshot(BIDS, ASKS), *(touch((9_990 - 10 * (i % 3), 10 + i), (10_000, 5)) for i in range(2_000))]
    lazy, _ = recorded_book()
    eager, _ = recorded_book()
    for quote in quotes:
        lazy.quoted(quote)
        eager.quoted(quote)
        eager.best_px(1)
    assert list(lazy.depth(1)) == list(eager.depth(1))
    assert list(lazy.depth(-1)) == list(eager.depth(-1))


def test_an_unknown_order_has_no_place(opened: Opened) -> None:
    book, desk = opened
    desk.rest(book, 1, 9_990, 1)
    with pytest.raises(KeyError):
        book.ahead(Order(99, 1_000, 1, 9_990, 1))
