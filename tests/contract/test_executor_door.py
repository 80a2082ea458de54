"""The executor's door at the bundled venue: what goes out, what comes back, and what faults and the end of the
process do to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from services.executor import door as door_module
from services.executor.config import ExecutorConfig
from services.executor.door import ClosedDoor, VenueDoor, open_door
from services.executor.live import stream
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
from services.venue.faults import kinds
from shared.errors import ConfigError, InvariantError
from shared.hyperliquid.account import UserFills
from shared.hyperliquid.actions import CancelByCloid, CancelByCloidWire, OrderWire
from shared.hyperliquid.orders import limit_order
from shared.hyperliquid.replies import Answered, Cancelled, Filled, NotSent, Resting, Throttled, Unknown
from shared.secrets import Credentials, Secret
from shared.units import Side, floor_sz, round_px
from tests.fixtures.venue_client import alone, new_cloid
from tests.fixtures.venue_sdk import Trader, new_wallet
from tests.fixtures.venue_server import WAIT_S, RunningVenue

I = TypeVar("I")  # noqa: E741
COIN = "ETH"


@dataclass
class Core:
    """Takes the place of the runtime and the core: remembers inputs, wakes who waits for one."""

    bus: None = None
    inputs: list[Any] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, *inputs: Any) -> None:
        async with self.news:
            self.inputs += inputs
            self.news.notify_all()

    def stop(self, error: Exception | None = None) -> None:
        raise AssertionError(f"the door stopped the service: {error}")

    async def first(self, kind: type[I], fits: Callable[[I], bool] = lambda _: True) -> I:
        """Waits until there is one."""

        def found() -> list[I]:
            return [told for told in self.inputs if isinstance(told, kind) and fits(told)]

        async with asyncio.timeout(WAIT_S), self.news:
            await self.news.wait_for(found)
        return found()[0]


@dataclass
class Live:
    """A door that is open, and the account behind it."""

    venue: RunningVenue
    door: VenueDoor
    core: Core
    address: str
    running: "asyncio.Task[None]"
    sent: int = 0

    def order(self, share: str = "-0.1", usd: int = 100, side: Side = "bid", **more: Any) -> OrderWire:
        listing = self.venue.do(lambda server: server.world.listings[COIN])
        px = round_px(listing.px(listing.mark_px) * (1 + Decimal(share)), listing.sz_decimals, side)
        sz = floor_sz(usd / px, listing.sz_decimals)
        return limit_order(listing.asset, listing.sz_decimals, side, px, sz, cloid=new_cloid(), **more)

    def place(self, *orders: OrderWire) -> Send:
        self.sent += 1
        return Send(self.sent, alone(*orders))

    def cancel(self, *orders: OrderWire) -> Send:
        self.sent += 1
        return Send(
            self.sent, CancelByCloid(tuple(CancelByCloidWire(o.a, o.c or "") for o in orders)), urgent=True
        )

    async def outcome(self, request: Send) -> Any:
        return (await self.core.first(Outcome, lambda told: told.number == request.number)).result

    async def act(self, request: Send) -> Any:
        assert await self.door.apply([request]) == ()
        return await self.outcome(request)

    async def up(self, number: int) -> None:
        await self.core.first(StreamUp, lambda told: told.connection == number)

    async def leave(self) -> None:
        """As the runtime does before the last input."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    def disturb(self, fault: kinds.AnyFault) -> None:
        self.venue.do(lambda server: server.faults.start(server.fault_ms(), fault))

    def resting(self) -> set[str]:
        """Cloids of what rests, asked at the venue itself."""
        account = self.venue.do(lambda server: server.world.accounts.get(self.address))
        assert account is not None
        return {order.cloid for order in account.orders.values() if order.cloid is not None}


@asynccontextmanager
async def opened(venue: RunningVenue, **settings: Any) -> AsyncIterator[Live]:
    trader = Trader(venue)
    await asyncio.to_thread(trader.exists)
    reply, key = await asyncio.to_thread(trader.exchange.approve_agent, "desk")
    assert reply["status"] == "ok"
    config = ExecutorConfig(venue="sim", venue_url=venue.url, **{"request_timeout_s": 1.0, **settings})
    door, core = VenueDoor(config, Credentials(trader.address, Secret(key))), Core()
    live = Live(venue, door, core, trader.address, asyncio.create_task(door.run(core)))
    try:
        yield live
    finally:
        await live.leave()
        await door.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


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
        assert not live.core.inputs or all(isinstance(told, Outcome) for told in live.core.inputs)


async def test_many_are_under_way_at_once_and_nothing_waits(live: Live) -> None:
    live.disturb(kinds.DelayAnswer(ms=600, for_s=60))
    requests = [live.place(live.order()) for _ in range(20)]
    assert await live.door.apply(requests) == ()
    assert not any(isinstance(told, Outcome) for told in live.core.inputs), "apply does not wait for answers"
    await eventually(lambda: live.door._transport.limits.posts == len(requests))
    outcomes = [await live.outcome(request) for request in requests]
    assert all(isinstance(outcome, Answered) for outcome in outcomes)


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
    door, core = VenueDoor(config, Credentials(wallet.address.lower(), Secret(wallet.key.hex()))), Core()
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
