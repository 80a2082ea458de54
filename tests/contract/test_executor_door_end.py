"""The end of a live process at the bundled venue: the last cancels arrive, and it does end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.executor.live import door as door_module
from services.executor.live.wiring import (
    AskOrder,
    AskState,
    OrderUnfound,
    OrderUpdates,
    Outcome,
    Reconnect,
    StateRead,
    StateUnread,
)
from services.venue.faults import kinds
from shared.hyperliquid.replies import Answered, Cancelled, NotSent, Resting, Unknown
from tests.fixtures.live_door import Live, opened
from tests.fixtures.venue_client import new_cloid
from tests.fixtures.venue_server import RunningVenue


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
async def live(venue: RunningVenue) -> AsyncIterator[Live]:
    """Connected."""
    async with opened(venue) as made:
        await made.door.apply([Reconnect("start")])
        await made.up(1)
        yield made


# ---- the end -------------------------------------------------------------------------------------------------


async def test_the_last_cancels_are_answered_before_the_end(live: Live) -> None:
    await live.act(live.place(*(orders := [live.order() for _ in range(3)])))
    await live.leave()
    told = await live.door.finish([cancel := live.cancel(*orders), AskState(0), Reconnect("no more")])
    assert Outcome(cancel.number, Answered((Cancelled(),) * 3)) in told
    state = next(answer for answer in told if isinstance(answer, StateRead))
    assert live.resting() == set() and state.fills == ()


@pytest.mark.parametrize(
    "fault",
    [
        kinds.LoseAnswer(action="cancelByCloid", count=2),
        kinds.Http5xx(path="/exchange", count=2),
        kinds.Http429(path="/exchange", count=2),
    ],
)
async def test_the_last_cancels_are_tried_three_times(venue: RunningVenue, fault: kinds.AnyFault) -> None:
    async with opened(venue) as live:
        await live.act(live.place(order := live.order()))
        live.disturb(fault)
        await live.leave()
        (outcome,) = await live.door.finish([live.cancel(order)])
        assert isinstance(outcome, Outcome) and isinstance(outcome.result, Answered)
        assert live.resting() == set()


async def test_a_venue_that_stays_away_does_not_keep_the_process(live: Live) -> None:
    live.disturb(kinds.Http5xx(for_s=600))
    live.disturb(kinds.LoseAnswer(for_s=600))
    await live.leave()
    told = await live.door.finish([cancel := live.cancel(live.order()), AskState(0), AskOrder(new_cloid())])
    assert {type(answer) for answer in told} == {Outcome, StateUnread, OrderUnfound}
    outcome = next(answer for answer in told if isinstance(answer, Outcome))
    assert outcome.number == cancel.number and isinstance(outcome.result, Unknown)


async def test_orders_on_their_way_arrive_before_the_last_cancels() -> None:
    """The venue lets cancels overtake orders that could take."""
    with RunningVenue(limits=False, taker_delay_ms=400) as venue:
        async with opened(venue) as live:
            await live.door.apply([place := live.place(order := live.order(tif="Gtc"))])
            await live.leave()
            told = await live.door.finish([cancel := live.cancel(order)])
            outcomes = {answer.number: answer.result for answer in told if isinstance(answer, Outcome)}
            assert isinstance(outcomes[place.number].statuses[0], Resting)  # type: ignore[union-attr]
            assert outcomes[cancel.number] == Answered((Cancelled(),))
            assert live.resting() == set()


async def test_no_order_leaves_at_the_end(live: Live) -> None:
    await live.leave()
    assert await live.door.finish([live.place(live.order())]) == [Outcome(1, NotSent("the process ends"))]
    assert live.resting() == set()


async def test_the_end_has_an_end(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    await live.act(live.place(order := live.order()))
    monkeypatch.setattr(door_module, "FINISH_WITHIN_S", 0)
    await live.leave()
    told = await live.door.finish([live.cancel(order), AskState(0), AskOrder(order.c or "")])
    assert [type(answer) for answer in told] == [Outcome, StateUnread, OrderUnfound]
    assert order.c in live.resting(), "the watchdog's now"


async def test_what_the_core_had_no_time_for_is_not_lost(live: Live) -> None:
    """The runtime ends the door while it waits for its turn: the answer comes with the last effects."""
    busy = asyncio.Event()

    async def handle(*inputs: Any) -> None:
        busy.set()
        await asyncio.Event().wait()

    live.core.handle = handle  # type: ignore[method-assign]
    await live.door.apply([place := live.place(order := live.order())])
    await busy.wait()
    await live.leave()
    told = await live.door.finish([live.cancel(order)])
    assert place.number in {answer.number for answer in told if isinstance(answer, Outcome)}
    updates = [update for frame in told if isinstance(frame, OrderUpdates) for update in frame.updates]
    assert [update.status for update in updates if update.order.cloid == order.c][0] == "open"


async def test_a_question_that_takes_too_long_is_not_waited_for(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask_state(question: AskState) -> StateRead:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(live.door._transport, "ask_state", ask_state)
    monkeypatch.setattr(door_module, "FINISH_WITHIN_S", 0.3)
    await live.door.apply([AskState(0)])
    await live.leave()
    told = await live.door.finish([AskState(1)])
    assert [type(answer) for answer in told] == [StateUnread] * 2
