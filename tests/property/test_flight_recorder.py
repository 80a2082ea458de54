"""The recorder gives the same flight however the streams interleave, and keeps a bounded past."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.harvester.recorder import MAX_PENDING, SETTLE_MS, Heard, Recorder
from shared.flights import Flight
from shared.messages import (
    AssetConfig,
    Book,
    Fill,
    Level,
    OrderUpdate,
    QuoteLevel,
    RiskLease,
    SidePermit,
    TargetQuotes,
    Trade,
    Trades,
)

T = 1_771_733_346_000


def book(time_ms: int) -> Book:
    levels = tuple((Level(Decimal(px), Decimal(1)),) for px in ("100", "100.2"))
    return Book(coin="BTC", time_ms=time_ms, received_ms=time_ms + 5, epoch=1, bids=levels[0], asks=levels[1])


def target(computed_ms: int, source_ms: int) -> TargetQuotes:
    return TargetQuotes(
        coin="BTC", source_ms=source_ms, computed_ms=computed_ms, mid_px=100.1, half_spread_bps=10.0,
        shift_bps=0.0, multiplier=1.0, regime="calm", bids=(QuoteLevel(1, Decimal(100), Decimal(1)),),
    )  # fmt: skip


def lease(issued_ms: int) -> RiskLease:
    permit = SidePermit()
    return RiskLease(coin="BTC", issued_ms=issued_ms, valid_until_ms=issued_ms + 3000, bid=permit, ask=permit)


def order(cloid: str, time_ms: int, status: Any, reason: str = "", source_ms: float = T - 995) -> OrderUpdate:
    return OrderUpdate(
        coin="BTC", cloid=cloid, side="bid", level=1, px=Decimal(100), sz=Decimal(1), status=status, reason=reason,
        filled_sz=Decimal(status == "filled"), time_ms=time_ms, source_ms=source_ms,
    )  # fmt: skip


def fill(number: int = 1, cloid: str = "0xa", time_ms: int = T) -> Fill:
    return Fill(
        coin="BTC", fill_id=f"{cloid}-{number}", seq=number, cloid=cloid, mode="shadow", side="bid", level=1,
        px=Decimal(100), sz=Decimal(1), fee_usd=Decimal("0.015"), mid_px=Decimal("100.1"), realized_usd=Decimal(0),
        position_sz=Decimal(1), time_ms=time_ms,
    )  # fmt: skip


def trades(time_ms: int, *tids: int) -> Trades:
    prints = tuple(Trade(Decimal("99.9"), Decimal(3), "A", time_ms, tid) for tid in tids)
    return Trades(coin="BTC", received_ms=time_ms + 5, epoch=1, trades=prints)


STREAMS: tuple[Sequence[Heard], ...] = (
    [book(T - 1000), book(T - 400), book(T - 100), book(T), book(T + 300)],
    [trades(T - 100, 1), trades(T, 2, 3), trades(T + 300, 4)],
    [target(T - 990, T - 995), target(T - 950, T - 995), target(T - 850, T - 395), target(T - 90, T - 95)],
    [lease(T - 2000), lease(T - 1000), lease(T), lease(T + 1000)],
    [AssetConfig(coin="BTC", published_ms=T - 5000), AssetConfig(coin="BTC", published_ms=T + 50)],
    [
        order("0xb", T - 30_000, "pending", source_ms=T - 30_005),
        order("0xb", T - 940, "canceled", "requote", source_ms=T - 30_005),
        order("0xa", T - 940, "pending"), order("0xa", T - 350, "open"), order("0xa", T + 40, "filled"),
    ],
    [fill()],
)  # fmt: skip
"""Each as it was written."""


def flight_of(places: Sequence[int]) -> Flight:
    """Entries come from the streams in this order, all within the time in which they settle."""
    recorder, waiting = Recorder(), [list(stream) for stream in STREAMS]
    for place in places:
        recorder.take(T, waiting[place].pop(0))
    assert not any(waiting) and not recorder.due(T + SETTLE_MS - 1)
    (flight,) = recorder.due(T + SETTLE_MS)
    assert not recorder.rest()
    return msgspec.structs.replace(flight, prints=tuple(sorted(flight.prints, key=lambda trade: trade.tid)))


@settings(deadline=None)
@given(st.permutations([place for place, stream in enumerate(STREAMS) for _ in stream]))
def test_the_flight_does_not_depend_on_which_stream_is_read_first(places: list[int]) -> None:
    assert flight_of(places) == Flight(
        fill=fill(),
        order=order("0xa", T - 940, "pending"),
        steps=flight_of(sorted(places)).steps,
        placed_1m=1,
        config=AssetConfig(coin="BTC", published_ms=T - 5000),
        target=target(T - 950, T - 995),
        lease=lease(T - 1000),
        target_at_fill=target(T - 90, T - 95),
        lease_at_fill=lease(T),
        book_at_rest=book(T - 400),
        book_before=book(T - 100),
        book_after=book(T),
        prints=trades(T, 2, 3).trades,
    )


def test_the_steps_of_the_order_are_told_in_their_order() -> None:
    steps = flight_of([place for place, stream in enumerate(STREAMS) for _ in stream]).steps
    assert [(step.time_ms - T, step.status) for step in steps] == [
        (-940, "pending"),
        (-350, "open"),
        (40, "filled"),
    ]


def test_a_fill_of_which_nothing_else_is_known_makes_no_flight() -> None:
    recorder = Recorder()
    recorder.take(T, fill())
    assert recorder.rest() == []


def test_more_fills_than_can_wait_are_told_at_once() -> None:
    recorder = Recorder()
    recorder.take(T, book(T - 10))
    for number in range(MAX_PENDING + 1):
        recorder.take(T, fill(number))
    assert len(recorder.due(T)) == MAX_PENDING + 1


def test_the_grounds_of_an_order_that_rests_for_long_are_kept() -> None:
    """A thousand other orders come and go meanwhile; the oldest that live are not the first to go."""
    recorder = Recorder()
    recorder.take(T, target(T - 50, T - 60))
    recorder.take(T, order("0xa", T, "pending", source_ms=T - 60))
    for number in range(1000):
        at_ms = T + 1000 * number
        recorder.take(at_ms, target(at_ms, at_ms))
        recorder.take(at_ms, order(f"0x{number}", at_ms, "pending", source_ms=at_ms))
        recorder.take(at_ms, order(f"0x{number}", at_ms + 500, "canceled", "requote", source_ms=at_ms))
    recorder.take(T + 1_000_000, fill(time_ms=T + 1_000_000))
    (flight,) = recorder.rest()
    assert flight.target == target(T - 50, T - 60) and flight.target_at_fill is not None
