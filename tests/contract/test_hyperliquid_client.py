"""The trading client on the bundled venue: every action both ways, every question, and what faults do to them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from services.venue.faults import kinds
from shared.clock import monotonic_s, wall_ms
from shared.errors import VenueError
from shared.hyperliquid.account import SocketError, Subscribed, UserEvent, UserFills, UserFundings
from shared.hyperliquid.account_info import AccountInfo, exchange_status
from shared.hyperliquid.account_ws import AccountSocket, open_account_socket
from shared.hyperliquid.actions import (
    BatchModify,
    Cancel,
    CancelByCloid,
    CancelByCloidWire,
    CancelWire,
    Modify,
    ModifyWire,
    Noop,
    ScheduleCancel,
    UpdateLeverage,
)
from shared.hyperliquid.exchange import ExchangeClient
from shared.hyperliquid.limits import CONNECTIONS, MESSAGES_A_MINUTE, WEIGHT_A_MINUTE, IpLimits
from shared.hyperliquid.nonces import NonceCounter
from shared.hyperliquid.orders import limit_order
from shared.hyperliquid.replies import (
    Answered,
    Cancelled,
    Filled,
    NotSent,
    Reason,
    Refused,
    Rejected,
    Resting,
    Throttled,
    Unknown,
)
from shared.hyperliquid.signing import load_account
from tests.fixtures.venue_client import Desk, alone, desk, new_cloid, status, statuses
from tests.fixtures.venue_sdk import Trader, new_wallet
from tests.fixtures.venue_server import WAIT_S, RunningVenue

SHORT_S = 0.5


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
def faulty() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
async def at(venue: RunningVenue) -> AsyncIterator[Desk]:
    async with desk(venue) as made:
        yield made


@pytest.fixture(params=["rest", "websocket"])
def way(request: pytest.FixtureRequest, at: Desk) -> AccountSocket | None:
    return at.socket if request.param == "websocket" else None


async def rest_order(at: Desk, way: AccountSocket | None = None, **terms: Any) -> Resting:
    placed = status(await at.client.send(alone(at.order(**terms)), way))
    assert isinstance(placed, Resting), placed
    return placed


def cancel(at: Desk, *oids: int) -> Cancel:
    return Cancel(tuple(CancelWire(at.order().a, oid) for oid in oids))


def cancel_cloid(at: Desk, cloid: str) -> CancelByCloid:
    return CancelByCloid((CancelByCloidWire(at.order().a, cloid),))


def rejected(outcome: Any) -> Reason:
    answer = status(outcome)
    assert isinstance(answer, Rejected), answer
    return answer.reason


# ---- actions -------------------------------------------------------------------------------------------------


async def test_orders_rest_and_are_seen_exactly_as_sent(at: Desk, way: AccountSocket | None) -> None:
    cloid = new_cloid()
    sent = at.order("ask", "0.1", cloid=cloid)
    placed = status(await at.client.send(alone(sent), way))
    assert isinstance(placed, Resting) and placed.cloid == cloid
    (seen,) = await at.account.open_orders()
    assert (seen.coin, seen.side, seen.limit_px, seen.sz, seen.oid, seen.cloid, seen.reduce_only) == (
        "ETH", "A", Decimal(sent.p), Decimal(sent.s), placed.oid, cloid, False,
    )  # fmt: skip
    (frontend,) = await at.account.frontend_open_orders()
    assert (frontend.tif, frontend.order_type, frontend.orig_sz) == ("Alo", "Limit", Decimal(sent.s))
    for key in (placed.oid, cloid):
        state = await at.account.order_status(key)
        assert state is not None and (state.status, state.order.oid) == ("open", placed.oid)


async def test_cancels_by_oid_and_by_cloid(at: Desk, way: AccountSocket | None) -> None:
    cloid = new_cloid()
    placed = await at.client.send(alone(at.order(), at.order(cloid=cloid), at.order()), way)
    first, second, third = (item.oid for item in statuses(placed) if isinstance(item, Resting))
    assert status(await at.client.send(cancel_cloid(at, cloid), way)) == Cancelled()
    done, known, gone = statuses(await at.client.send(cancel(at, first, third, second), way))
    assert (done, known) == (Cancelled(), Cancelled())
    assert isinstance(gone, Rejected) and gone.reason is Reason.NOT_OPEN
    assert await at.account.open_orders() == ()
    state = await at.account.order_status(cloid)
    assert state is not None and state.status == "canceled"


async def test_a_modify_keeps_the_cloid_and_makes_a_new_oid(at: Desk, way: AccountSocket | None) -> None:
    cloid = new_cloid()
    old = await rest_order(at, way, cloid=cloid)
    modify = BatchModify((ModifyWire(cloid, at.order(share="-0.12", cloid=cloid)),))
    new = status(await at.client.send(modify, way))
    assert isinstance(new, Resting) and new.oid != old.oid and new.cloid == cloid
    assert await at.client.send(Modify(new.oid, at.order(share="-0.13", cloid=cloid)), way) == Answered()
    (left,) = await at.account.open_orders()
    assert left.cloid == cloid and left.oid not in (old.oid, new.oid)
    gone = await at.client.send(BatchModify((ModifyWire(old.oid, at.order()),)), way)
    assert rejected(gone) is Reason.NOT_MODIFIABLE


async def test_leverage_is_set_where_no_position_is(at: Desk, way: AccountSocket | None) -> None:
    asset = at.order().a
    assert await at.client.send(UpdateLeverage(asset, is_cross=False, leverage=3), way) == Answered()
    data = await at.account.active_asset_data("ETH")
    assert (data.leverage.type, data.leverage.value, data.user) == ("isolated", 3, at.address)
    assert data.available_to_trade[0] > 0 and data.mark_px > 0 and data.max_trade_szs[1] > 0
    outcome = await at.client.send(UpdateLeverage(asset, is_cross=True, leverage=10_000), way)
    assert isinstance(outcome, Refused) and outcome.reason is Reason.LEVERAGE


async def test_the_dead_mans_switch_needs_volume(at: Desk, way: AccountSocket | None) -> None:
    outcome = await at.client.send(ScheduleCancel(), way)
    assert isinstance(outcome, Refused) and outcome.reason is Reason.SCHEDULED_CANCEL


async def test_a_noop_overtakes_the_action_of_its_nonce(at: Desk, way: AccountSocket | None) -> None:
    nonce = at.client.next_nonce()
    assert await at.client.send(Noop(), way, nonce=nonce) == Answered()
    late = await at.client.send(alone(at.order()), way, nonce=nonce)
    assert isinstance(late, Refused) and late.reason is Reason.BAD_NONCE
    assert await at.account.open_orders() == ()


async def test_refusals_name_their_reason(at: Desk, way: AccountSocket | None) -> None:
    crossing = await at.client.send(alone(at.order("bid", "0.05")), way)
    assert rejected(crossing) is Reason.POST_ONLY_WOULD_MATCH
    no_position = await at.client.send(alone(at.order("ask", "0.05", reduce_only=True)), way)
    assert rejected(no_position) is Reason.REDUCE_ONLY
    too_much = statuses(await at.client.send(alone(at.order(usd=900_000), at.order()), way))
    assert isinstance(too_much[0], Rejected) and too_much[0].reason is Reason.MARGIN
    assert isinstance(too_much[1], Resting)
    unlisted = limit_order(9999, 2, "bid", Decimal(100), Decimal(1))
    outcome = await at.client.send(alone(at.order(), unlisted), way)
    assert [type(item) for item in statuses(outcome)] == [Rejected, Rejected]


async def test_an_expired_action_is_refused(venue: RunningVenue) -> None:
    async with desk(venue, lifetime_ms=-2000) as late:
        for way in (None, late.socket):
            outcome = await late.client.send(alone(late.order()), way)
            assert isinstance(outcome, Refused) and outcome.reason is Reason.EXPIRED


async def test_a_clock_minutes_behind_places_nothing_and_cancels_all(venue: RunningVenue) -> None:
    wallet, cloid = new_wallet(), new_cloid()
    async with desk(venue, wallet=wallet) as before:
        assert isinstance(status(await before.client.send(alone(before.order(cloid=cloid)))), Resting)
    async with desk(venue, wallet=wallet, lifetime_ms=5_000, now_ms=lambda: wall_ms() - 300_000) as behind:
        for way in (None, behind.socket):
            late = await behind.client.send(alone(behind.order()), way)
            assert isinstance(late, Refused) and late.reason is Reason.EXPIRED
        assert statuses(await behind.client.send(cancel_cloid(behind, cloid))) == (Cancelled(),)


async def test_fifty_at_once_have_fifty_nonces(at: Desk) -> None:
    orders = (at.order(share=f"-0.{10 + n}", usd=20) for n in range(50))
    ways = (None, at.socket)
    sent = [at.client.send(alone(order), ways[n % 2]) for n, order in enumerate(orders)]
    oids = {item.oid for outcome in await asyncio.gather(*sent) if isinstance(item := status(outcome), Resting)}
    assert len(oids) == 50


async def test_a_clock_that_was_set_back_over_a_restart_costs_one_refusal(venue: RunningVenue) -> None:
    wallet = new_wallet()
    async with desk(venue, wallet=wallet, now_ms=lambda: wall_ms() + 3_600_000) as before:
        oldest = [await before.client.send(Noop()) for _ in range(100)]
        assert set(map(type, oldest)) == {Answered}
    async with desk(venue, wallet=wallet) as after:
        refused = await after.client.send(alone(after.order()))
        assert isinstance(refused, Refused) and refused.reason is Reason.BAD_NONCE
        assert isinstance(status(await after.client.send(alone(after.order()))), Resting)


async def test_a_clock_that_was_days_ahead_for_a_while_costs_only_what_was_sent_meanwhile(
    venue: RunningVenue,
) -> None:
    ahead_ms = 3 * 86_400_000
    async with desk(venue, now_ms=lambda: wall_ms() + ahead_ms) as at:
        assert isinstance(await at.client.send(alone(at.order())), Refused)
        ahead_ms = 0
        assert isinstance(status(await at.client.send(alone(at.order()))), Resting)


# ---- who signs, for whom -------------------------------------------------------------------------------------


async def test_an_agent_acts_for_its_master(venue: RunningVenue) -> None:
    master = Trader(venue)
    reply, key = await asyncio.to_thread(master.exchange.approve_agent, "desk")
    assert reply["status"] == "ok"
    async with desk(venue, wallet=load_account(key), address=master.address) as at:
        for way in (None, at.socket):
            assert isinstance(status(await at.client.send(alone(at.order()), way)), Resting)
        assert len(await at.account.open_orders()) == 2
        (agent,) = await at.account.extra_agents()
        assert (agent.name, agent.address) == ("desk", load_account(key).address.lower())
        role = await AccountInfo(at.info, agent.address).role()
        assert (role.role, role.data.user) == ("agent", at.address)
        assert (await at.account.role()).role == "user"


async def test_a_sub_account_is_named_in_the_signature(venue: RunningVenue) -> None:
    master = Trader(venue)
    master.count_as_traded(200_000)
    await asyncio.to_thread(master.exchange.create_sub_account, "grid")
    (sub,) = await asyncio.to_thread(master.info.query_sub_accounts, master.address)
    address = sub["subAccountUser"]
    await asyncio.to_thread(master.exchange.sub_account_transfer, address, True, 1000 * 10**6)
    async with desk(
        venue, wallet=master.wallet, address=address, vault_address=address.upper().replace("X", "x")
    ) as at:
        for way in (None, at.socket):
            assert isinstance(status(await at.client.send(alone(at.order()), way)), Resting)
        assert len(await at.account.open_orders()) == 2
        assert await AccountInfo(at.info, master.address).open_orders() == ()
        role = await at.account.role()
        assert (role.role, role.data.master) == ("subAccount", master.address)


async def test_a_stranger_is_told_so() -> None:
    with RunningVenue(fund=0) as poor:
        async with desk(poor) as at:
            for way in (None, at.socket):
                outcome = await at.client.send(alone(at.order()), way)
                assert isinstance(outcome, Refused) and outcome.reason is Reason.UNKNOWN_SIGNER
                assert at.address in outcome.text


# ---- questions and streams -----------------------------------------------------------------------------------


async def heard(at: Desk, kind: type[Any]) -> Any:
    """The next event of a kind."""
    async with asyncio.timeout(WAIT_S):
        async for event in at.socket.events():
            if isinstance(event, kind):
                return event


async def test_a_trade_is_told_the_same_everywhere(at: Desk) -> None:
    for kind in ("userFills", "orderUpdates", "userEvents", "userFundings"):
        await at.socket.subscribe(kind, at.address)
        assert (await heard(at, Subscribed)).subscription.type == kind
    cloid = new_cloid()
    order = at.order("bid", "0.01", tif="Ioc", cloid=cloid)
    taken = status(await at.client.send(alone(order), at.socket))
    assert isinstance(taken, Filled) and taken.cloid == cloid
    streamed, updates, events = (), (), ()
    async with asyncio.timeout(WAIT_S):
        async for event in at.socket.events():
            if isinstance(event, UserFills):
                streamed += event.fills
            elif isinstance(event, UserEvent):
                events += event.fills
            elif isinstance(event, tuple):
                updates += tuple(update for update in event if update.status == "filled")
            if streamed and events and updates:
                break
    queried = await at.account.fills()
    assert streamed == events == await at.account.fills_since(0)
    assert sorted(queried, key=lambda fill: fill.tid) == sorted(streamed, key=lambda fill: fill.tid)
    assert sum(fill.sz for fill in queried) == taken.total_sz
    assert all(fill.crossed and fill.cloid == cloid and fill.fee > 0 for fill in queried)
    (update,) = updates
    assert (update.order.oid, update.order.sz) == (taken.oid, 0)
    state = await at.account.clearinghouse_state()
    (held,) = state.asset_positions
    assert (held.position.coin, held.position.szi) == ("ETH", taken.total_sz)
    limit = await at.account.rate_limit()
    assert limit.n_requests_used >= 1 and limit.cum_vlm > 0
    assert await at.account.fundings_since(0) == ()
    assert (await at.account.fees()).user_add_rate == Decimal("0.00015")


async def test_the_snapshot_says_that_it_is_one(at: Desk) -> None:
    await at.client.send(alone(at.order("bid", "0.01", tif="Ioc")))
    await at.socket.subscribe("userFills", at.address)
    snapshot = await heard(at, UserFills)
    assert snapshot.is_snapshot and snapshot.user == at.address and snapshot.fills
    await at.socket.subscribe("userFundings", at.address)
    assert (await heard(at, UserFundings)).is_snapshot


async def test_what_is_wrong_with_a_subscription_is_heard(at: Desk) -> None:
    await at.socket.subscribe("userFills", "nobody")
    assert "Invalid subscription" in (await heard(at, SocketError)).text


async def test_the_venue_tells_its_time(at: Desk) -> None:
    assert abs((await exchange_status(at.info)).time - wall_ms()) < 60_000


async def test_an_unknown_order_is_none(at: Desk) -> None:
    assert await at.account.order_status(new_cloid()) is None
    assert await at.account.order_status(10**12) is None


# ---- faults --------------------------------------------------------------------------------------------------


async def test_a_lost_answer_leaves_the_fate_open_and_the_cloid_finds_it(faulty: RunningVenue) -> None:
    async with desk(faulty, timeout_s=SHORT_S) as at:
        at.disturb(kinds.LoseAnswer())
        for way in (None, at.socket):
            cloid = new_cloid()
            outcome = await at.client.send(alone(at.order(cloid=cloid)), way)
            assert isinstance(outcome, Unknown) and outcome.expires_after > wall_ms()
            state = await at.account.order_status(cloid)
            assert state is not None and state.status == "open"
        assert len(await at.account.open_orders()) == 2


async def test_429_means_that_nothing_was_done(faulty: RunningVenue) -> None:
    async with desk(faulty) as at:
        at.disturb(kinds.Http429(path="/exchange", count=1))
        cloid = new_cloid()
        assert await at.client.send(alone(at.order(cloid=cloid))) == Throttled()
        assert await at.account.order_status(cloid) is None
        assert isinstance(status(await at.client.send(alone(at.order(cloid=cloid)))), Resting)


@pytest.mark.parametrize("http_status", [500, 502, 503])
async def test_5xx_leaves_the_fate_open(faulty: RunningVenue, http_status: int) -> None:
    async with desk(faulty) as at:
        at.disturb(kinds.Http5xx(path="/exchange", status=http_status, count=1))
        cloid = new_cloid()
        outcome = await at.client.send(alone(at.order(cloid=cloid)))
        assert isinstance(outcome, Unknown) and str(http_status) in outcome.why
        assert await at.account.order_status(cloid) is None


async def test_a_dropped_socket_leaves_its_posts_open_and_sends_no_more(faulty: RunningVenue) -> None:
    async with desk(faulty) as at:
        at.disturb(kinds.DelayAnswer(ms=600_000))
        cloid = new_cloid()
        posted = asyncio.create_task(at.client.send(alone(at.order(cloid=cloid)), at.socket))
        async with asyncio.timeout(WAIT_S):
            while await at.account.order_status(cloid) is None:
                await asyncio.sleep(0.01)
        assert at.limits.posts == 1
        at.disturb(kinds.Drop())
        assert isinstance(await posted, Unknown)
        with pytest.raises(VenueError, match="connection lost"):
            await heard(at, UserFills)
        assert at.limits.posts == 0 and not at.socket.is_open
        assert isinstance(await at.client.send(alone(at.order()), at.socket), NotSent)
        assert len(await at.account.open_orders()) == 1


async def test_an_answer_that_comes_twice_counts_once(faulty: RunningVenue) -> None:
    async with desk(faulty) as at:
        at.disturb(kinds.Duplicate(channel="post"))
        for _ in range(3):
            assert isinstance(status(await at.client.send(alone(at.order()), at.socket)), Resting)
        assert at.limits.posts == 0 and at.socket.is_open


async def test_a_late_answer_is_nobodys_but_frees_its_place(faulty: RunningVenue) -> None:
    async with desk(faulty, timeout_s=SHORT_S) as at:
        at.disturb(kinds.DelayAnswer(ms=800, count=1))
        assert isinstance(await at.client.send(alone(at.order()), at.socket), Unknown)
        assert at.limits.posts == 1
        async with asyncio.timeout(WAIT_S):
            while at.limits.posts:
                await asyncio.sleep(0.01)
        assert isinstance(status(await at.client.send(alone(at.order()), at.socket)), Resting)


async def test_without_a_venue_nothing_is_sent() -> None:
    limits = IpLimits()
    client = ExchangeClient(
        "http://127.0.0.1:9", new_wallet(), NonceCounter(), limits, timeout_s=WAIT_S, lifetime_ms=60_000
    )
    async with client:
        assert isinstance(await client.send(Noop()), NotSent)
    with pytest.raises(VenueError):
        async with open_account_socket("http://127.0.0.1:9", WAIT_S, limits):
            pass
    assert limits.connections == 0


# ---- limits --------------------------------------------------------------------------------------------------


async def test_our_count_of_the_weight_is_the_venues() -> None:
    with RunningVenue() as strict:
        async with desk(strict) as at:
            await at.client.send(alone(*(at.order(share=f"-0.{10 + n}", usd=20) for n in range(45))))
            await at.client.send(alone(at.order(share="-0.06")), at.socket)
            await at.client.send(alone(*(at.order("bid", "0.01", usd=15, tif="Ioc") for _ in range(40))))
            await at.account.open_orders()
            await at.account.fills()
            await at.account.fills_since(0)
            await at.account.role()
            await exchange_status(at.info)
            assert at.limits.weight.used(monotonic_s()) == at.used()


async def test_cancels_go_out_when_orders_may_not(venue: RunningVenue) -> None:
    async with desk(venue) as at:
        placed = await rest_order(at)
        at.limits.weight.charge(monotonic_s(), WEIGHT_A_MINUTE * 9 // 10)
        for way in (None, at.socket):
            outcome = await at.client.send(alone(at.order()), way)
            assert isinstance(outcome, NotSent) and 0 < outcome.retry_after_s < 62
        assert status(await at.client.send(cancel(at, placed.oid))) == Cancelled()
        with pytest.raises(VenueError, match="weight"):
            await at.account.open_orders()


async def test_no_more_posts_in_flight_than_allowed_and_the_last_are_for_cancels(faulty: RunningVenue) -> None:
    async with desk(faulty) as at:
        placed = await rest_order(at)
        at.disturb(kinds.DelayAnswer(ms=700, action="order"))
        orders = (at.order(share=f"-0.{10 + n}", usd=20) for n in range(92))
        posted = [asyncio.create_task(at.client.send(alone(order), at.socket)) for order in orders]
        await asyncio.sleep(0)
        assert at.limits.posts == 90
        assert status(await at.client.send(cancel(at, placed.oid), at.socket)) == Cancelled()
        outcomes = await asyncio.gather(*posted)
        assert sum(isinstance(outcome, NotSent) for outcome in outcomes) == 2
        assert sum(isinstance(outcome, Answered) for outcome in outcomes) == 90
        assert at.limits.posts == 0


async def test_messages_are_counted_and_the_last_are_for_cancels(at: Desk) -> None:
    placed = await rest_order(at)
    at.limits.messages.charge(monotonic_s(), MESSAGES_A_MINUTE * 9 // 10)
    outcome = await at.client.send(alone(at.order()), at.socket)
    assert isinstance(outcome, NotSent) and outcome.retry_after_s > 0
    assert status(await at.client.send(cancel(at, placed.oid), at.socket)) == Cancelled()


async def test_connections_are_counted(venue: RunningVenue) -> None:
    limits = IpLimits()
    async with AsyncExitStack() as opened:
        for _ in range(CONNECTIONS):
            await opened.enter_async_context(open_account_socket(venue.url, WAIT_S, limits))
        with pytest.raises(VenueError, match="too many"):
            async with open_account_socket(venue.url, WAIT_S, limits):
                pass
    assert limits.connections == 0
