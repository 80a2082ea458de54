"""The executor's door at the bundled venue: what goes out, what comes back, and what faults do to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client import CollectorRegistry

from services.executor.config import ExecutorConfig
from services.executor.live import stream
from services.executor.live.door import VenueDoor
from services.executor.live.transport import REMEMBERED_S, SLOW_S, Ways
from services.executor.live.wiring import (
    AskOrder,
    AskState,
    Listed,
    OrderFound,
    OrderUnfound,
    OrderUpdates,
    Outcome,
    Reconnect,
    Send,
    StateRead,
    StateUnread,
    StreamDown,
    StreamUp,
)
from services.executor.mode import ClosedDoor, open_door
from services.venue.faults import kinds
from shared.clock import monotonic_s, wall_ms
from shared.errors import ConfigError, InvariantError
from shared.hyperliquid.account import UserFills
from shared.hyperliquid.actions import CancelByCloid, CancelByCloidWire
from shared.hyperliquid.replies import Answered, Cancelled, Filled, NotSent, Resting, Throttled, Unknown
from shared.metrics import ServiceMetrics
from shared.secrets import Credentials, Secret
from tests.fixtures.live_door import COIN, Core, Live, eventually, opened, permit
from tests.fixtures.venue_client import new_cloid
from tests.fixtures.venue_sdk import new_wallet
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


# ---- shadow --------------------------------------------------------------------------------------------------


async def test_in_shadow_there_is_no_door() -> None:
    door = open_door(ExecutorConfig(venue="sim"), None)
    assert isinstance(door, ClosedDoor)
    await door.run(Core())
    with pytest.raises(InvariantError, match="AskState"):
        await door.apply([AskState(0)])


def test_live_needs_account_and_key() -> None:
    with pytest.raises(ConfigError, match="HL_ADDRESS"):
        open_door(ExecutorConfig(venue="sim", shadow_mode=False), None)


# ---- there and back ------------------------------------------------------------------------------------------


async def test_the_numbers_of_the_coins_come_before_the_stream_and_snapshots_after_it(live: Live) -> None:
    await live.core.first(UserFills)
    kinds_told = [type(told) for told in live.core.inputs]
    assert kinds_told.index(Listed) < kinds_told.index(StreamUp) < kinds_told.index(UserFills)
    listed = await live.core.first(Listed)
    listings = live.venue.do(lambda server: dict(server.world.listings))
    assert listed.assets == {name: one.asset for name, one in listings.items() if ":" not in name}


async def test_orders_are_placed_followed_and_cancelled(live: Live) -> None:
    orders = live.order(), live.order("-0.2")
    placed = await live.act(live.place(*orders))
    assert [type(status) for status in placed.statuses] == [Resting, Resting]
    update = await live.core.first(OrderUpdates)
    assert update.updates[0].order.cloid in {order.c for order in orders}
    assert (await live.act(live.cancel(*orders))) == Answered((Cancelled(), Cancelled()))
    assert live.resting() == set()


async def test_how_long_each_kind_of_request_takes_is_measured(live: Live) -> None:
    registry = CollectorRegistry()
    live.door.measure(ServiceMetrics(registry))
    order = live.order()
    await live.act(live.place(order))
    await live.act(live.cancel(order))
    for action in ("place", "cancel"):
        assert registry.get_sample_value("mm_exchange_request_seconds_count", {"action": action}) == 1


async def test_a_fill_is_told_and_found(live: Live) -> None:
    taker = live.order("0.01", tif="Ioc")
    placed = await live.act(live.place(taker))
    assert isinstance(placed.statuses[0], Filled)
    told = await live.core.first(UserFills, lambda frame: not frame.is_snapshot)
    assert {fill.cloid for fill in told.fills} == {taker.c}

    await live.door.apply([AskState(0), AskOrder(taker.c or ""), AskOrder(new_cloid())])
    state = await live.core.first(StateRead)
    assert set(state.fills) >= set(told.fills) and state.open_orders == ()
    held = {held.position.coin: held.position.szi for held in state.clearinghouse.asset_positions}
    assert held == {COIN: sum(fill.sz for fill in state.fills)}
    found = await live.core.first(OrderFound, lambda answer: answer.cloid == taker.c)
    assert found.state is not None and found.state.status == "filled"
    assert (await live.core.first(OrderFound, lambda answer: answer.cloid != taker.c)).state is None


async def test_without_a_stream_rest_does_it(venue: RunningVenue) -> None:
    async with opened(venue) as live:
        placed = await live.act(live.place(order := live.order()))
        assert isinstance(placed.statuses[0], Resting)
        assert await live.act(live.cancel(order)) == Answered((Cancelled(),))
        assert not any(isinstance(told, (StreamUp, StreamDown)) for told in live.core.inputs)


async def test_an_account_that_is_read_before_the_stream_comes_up_brings_the_numbers_first(
    venue: RunningVenue,
) -> None:
    """Or own orders that are found could not be cancelled."""
    async with opened(venue) as live:
        await live.door.apply([AskState(0)])
        await live.core.first(StateRead)
        kinds_told = [type(told) for told in live.core.inputs]
        assert kinds_told.index(Listed) < kinds_told.index(StateRead)


async def test_an_account_is_read_when_its_time_has_come(venue: RunningVenue) -> None:
    async with opened(venue) as live:
        at_ms = wall_ms() + 300
        await live.door.apply([AskState(0, at_ms)])
        assert (await live.core.first(StateRead)).asked_ms >= int(at_ms)


async def test_many_are_under_way_at_once_and_nothing_waits(live: Live) -> None:
    live.disturb(kinds.DelayAnswer(ms=200, for_s=60))
    requests = [live.place(live.order()) for _ in range(20)]
    assert await live.door.apply(requests) == ()
    assert not any(isinstance(told, Outcome) for told in live.core.inputs), "apply does not wait for answers"
    await eventually(lambda: live.door._transport.limits.posts == len(requests))
    outcomes = [await live.outcome(request) for request in requests]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Answered)] == []


async def test_cancels_leave_before_orders(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[bool] = []

    async def send(request: Send) -> Outcome:
        left.append(request.urgent)
        return Outcome(request.number, NotSent("only to see the order"))

    monkeypatch.setattr(live.door._transport, "send", send)
    requests = [live.place(live.order()), live.place(live.order()), cancel := live.cancel(live.order())]
    await live.door.apply(requests)
    for request in requests:
        await live.outcome(request)
    assert left == [True, False, False] and cancel.urgent


async def test_what_is_not_on_record_is_not_placed_but_cancelled(live: Live) -> None:
    resting, late = live.order(), live.order()
    await live.act(live.place(resting))
    place, cancel = live.place(late), live.cancel(resting)
    (kept,) = await live.door.apply_unrecorded([place, cancel])
    assert kept.number == place.number and "Redis" in kept.result.why
    assert await live.outcome(cancel) == Answered((Cancelled(),))
    assert live.resting() == set()


# ---- faults --------------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_unknown_nothing_is_sent_twice_and_the_order_is_found(live: Live) -> None:
    live.disturb(kinds.LoseAnswer(count=1))
    order = live.order()
    lost = await live.act(live.place(order))
    assert isinstance(lost, Unknown) and lost.expires_after > 0
    await live.door.apply([AskOrder(order.c or "")])
    found = await live.core.first(OrderFound)
    assert found.state is not None and found.state.status == "open"
    assert len(live.resting()) == 1


async def test_after_a_lost_answer_actions_go_the_other_way(live: Live) -> None:
    live.disturb(kinds.LoseAnswer(count=1))
    assert isinstance(await live.act(live.place(live.order())), Unknown)
    live.disturb(kinds.Http429(path="/exchange", count=1))
    assert isinstance(await live.act(live.place(live.order())), Throttled), "this one went by REST"
    assert isinstance(await live.act(live.place(live.order())), Answered)


async def test_where_rest_is_quicker_but_away_the_websocket_does_it(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = live.door._transport
    transport._ways.socket.note(monotonic_s(), 2 * SLOW_S)
    monkeypatch.setattr(transport._exchange, "_url", "http://127.0.0.1:9/exchange")
    assert isinstance(await live.act(live.place(live.order())), Answered)


@pytest.mark.parametrize("fault", [kinds.Http429(), kinds.Http5xx(), kinds.ClockSkew(ms=0)])
async def test_answers_of_rest_under_faults(venue: RunningVenue, fault: kinds.AnyFault) -> None:
    expected = {kinds.Http429: Throttled, kinds.Http5xx: Unknown, kinds.ClockSkew: Answered}[type(fault)]
    async with opened(venue) as live:
        live.disturb(fault)
        assert isinstance(await live.act(live.place(order := live.order())), expected)
        await live.door.apply([AskOrder(order.c or ""), AskState(0)])
        if expected is Answered:
            await live.core.first(StateRead)
        else:
            assert "HTTP" in (await live.core.first(StateUnread)).reason
            assert "HTTP" in (await live.core.first(OrderUnfound)).reason


async def test_a_late_answer_is_no_answer_and_changes_nothing_later(live: Live) -> None:
    live.disturb(kinds.DelayAnswer(ms=1500, count=1))
    assert isinstance(await live.act(first := live.place(live.order())), Unknown)
    assert isinstance(await live.act(live.place(live.order())), Answered)
    assert sum(isinstance(told, Outcome) and told.number == first.number for told in live.core.inputs) == 1


async def test_frames_that_come_twice_are_told_twice_and_answers_once(live: Live) -> None:
    live.disturb(kinds.Duplicate(for_s=60))
    assert isinstance(await live.act(live.place(live.order("0.01", tif="Ioc"))), Answered)

    def news() -> list[UserFills]:
        return [told for told in live.core.inputs if isinstance(told, UserFills) and not told.is_snapshot]

    await eventually(lambda: len(news()) == 2)
    assert news()[0] == news()[1]
    assert sum(isinstance(told, Outcome) for told in live.core.inputs) == 1


async def test_the_venue_is_not_there() -> None:
    config = ExecutorConfig(venue="sim", venue_url="http://127.0.0.1:9", request_timeout_s=1.0)
    wallet = new_wallet()
    credentials = Credentials(wallet.address.lower(), Secret(wallet.key.hex()))
    door, core = VenueDoor(config, credentials, permit()), Core()
    running = asyncio.create_task(door.run(core))
    cancel = Send(1, CancelByCloid((CancelByCloidWire(0, new_cloid()),)), urgent=True)
    await door.apply([Reconnect("start"), cancel, AskState(0), AskOrder(new_cloid())])
    assert "no connection" in (await core.first(StreamDown)).reason
    assert isinstance((await core.first(Outcome)).result, NotSent)
    await core.first(StateUnread)
    await core.first(OrderUnfound)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await door.close()


# ---- connections ---------------------------------------------------------------------------------------------


async def test_a_broken_connection_is_told_and_the_next_has_everything_again(live: Live) -> None:
    live.disturb(kinds.Drop())
    down = await live.core.first(StreamDown)
    assert (down.connection, down.reason != "") == (1, True)
    assert not [told for told in live.core.inputs if told == StreamUp(2)], "only when it is asked for"
    await live.door.apply([Reconnect("lost")])
    await live.up(2)
    assert isinstance(await live.act(live.place(order := live.order())), Answered)
    await live.core.first(OrderUpdates, lambda told: told.updates[0].order.cloid == order.c)


async def test_posts_on_a_broken_connection_are_unknown(live: Live) -> None:
    live.disturb(kinds.DelayAnswer(ms=900, count=1))
    await live.door.apply([request := live.place(order := live.order())])
    await eventually(lambda: order.c in live.resting())
    live.disturb(kinds.Drop())
    assert isinstance(await live.outcome(request), Unknown)


async def test_reconnect_gives_up_the_present_connection_once(live: Live) -> None:
    """The core answers every end with the same wish, also that which its wish has brought about."""
    await live.door.apply([Reconnect("silent")])
    assert (await live.core.first(StreamDown)).reason == "silent"
    await live.door.apply([Reconnect("lost")])
    await live.up(2)
    await live.act(live.place(live.order()))
    assert [told.connection for told in live.core.inputs if isinstance(told, StreamUp)] == [1, 2]
    assert [told.connection for told in live.core.inputs if isinstance(told, StreamDown)] == [1]


async def test_refused_connections_are_each_told(live: Live) -> None:
    live.disturb(kinds.RefuseConnections(count=2))
    live.disturb(kinds.Drop())
    for number in (1, 2, 3):
        await live.core.first(StreamDown, lambda told, number=number: told.connection == number)  # type: ignore[misc]
        await live.door.apply([Reconnect("again")])
    await live.up(4)


async def test_a_connection_that_says_nothing_is_given_up(
    venue: RunningVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PING_AFTER_S", 0.2)
    async with opened(venue) as live:
        await live.door.apply([Reconnect("start")])
        await live.up(1)
        live.disturb(kinds.Stall(for_s=60))
        assert "silent" in (await live.core.first(StreamDown)).reason


async def test_a_subscription_that_is_not_confirmed_is_no_stream(venue: RunningVenue) -> None:
    async with opened(venue) as live:
        live.disturb(kinds.Stall(for_s=60, channel="subscriptionResponse"))
        await live.door.apply([Reconnect("start")])
        assert "no confirmation" in (await live.core.first(StreamDown)).reason


# ---- which way -----------------------------------------------------------------------------------------------


def test_the_websocket_is_used_while_it_is_quick() -> None:
    ways = Ways()
    assert ways.prefer_socket(0.0)
    ways.socket.note(1.0, 0.3)
    ways.rest.note(1.0, 0.1)
    assert ways.prefer_socket(1.0)


def test_a_slow_websocket_is_left_for_a_quicker_way_and_tried_again_later() -> None:
    ways = Ways()
    ways.socket.note(1.0, 2 * SLOW_S)
    assert not ways.prefer_socket(1.1)
    ways.rest.note(1.2, 0.3)
    assert not ways.prefer_socket(1.3)
    ways.rest.note(1.4, 9 * SLOW_S)
    assert ways.prefer_socket(1.5), "the other way is slower still"
    ways.rest.note(2.0, 0.3)
    assert ways.prefer_socket(1.0 + REMEMBERED_S + 0.1)
