"""What the executor's live core adds to its parts: consent, the request budget, the shadow twin, the end."""

import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from services.executor.live.wiring import AskState, OrderUpdates, StreamDown
from services.executor.reports import EndProcess
from services.venue.exchange.budget import cap
from services.venue.exchange.transfers import deposit
from shared.errors import ConfigError
from shared.hyperliquid.account import OpenOrder
from shared.hyperliquid.account import OrderUpdate as AccountOrderUpdate
from shared.hyperliquid.actions import CancelByCloid, PlaceOrders
from shared.hyperliquid.cloids import own_prefix
from shared.messages import (
    AccountStatus,
    Command,
    Event,
    Fill,
    HaltState,
    OrderUpdate,
    PositionState,
    QuoteLevel,
    Reason,
    Trade,
    Trades,
)
from tests.fixtures.live_core import OPERATING_MS, LiveWorld, confirmation
from tests.fixtures.live_venue import ACCOUNT, AGENT, COINS, LiveVenue, Network

DEAF = Network(lose_request=1.0, lose_lookup=1.0)


def quoting(venue, **settings):
    world = LiveWorld(venue, **settings).until_ready()
    for coin in COINS:
        world.want(coin, 2)
    return world.wait(3_000)


def test_without_a_confirmation_the_account_is_known_and_nothing_is_placed():
    world = LiveWorld(LiveVenue(), confirmed=False)
    for coin in COINS:
        world.want(coin, 2)
    world.wait(15_000)
    assert world.status.live.phase == "ready"
    assert world.stopped is Reason.UNCONFIRMED
    assert not [send for send in world.venue.sent if isinstance(send.action, PlaceOrders)]
    world.feed(confirmation(world.venue.now_ms, without=("gate3", "gate5")))
    world.wait(2_000)
    assert world.resting()
    assert world.status.live.without == ("gate3", "gate5")
    assert world.lines("CONFIRM LIVE")[0].startswith(f"LIVE on account {ACCOUNT} WITHOUT gate3, gate5")


def test_when_the_confirmation_ends_everything_is_cancelled_and_positions_are_kept():
    world = quoting(LiveVenue())
    assert world.resting()
    given_ms = world.venue.now_ms + 5_000 - OPERATING_MS
    world.feed(confirmation(given_ms))
    world.wait(4_000)
    assert world.resting()
    world.wait(4_000)
    assert world.stopped is Reason.UNCONFIRMED
    assert not world.resting() and not world.known()
    assert "expired" in world.lines("CONFIRM LIVE")[-1]
    assert world.positions() == world.true_positions()


def test_books_of_another_account_are_not_gone_on_with(monkeypatch):
    world = quoting(LiveVenue())
    monkeypatch.setattr("tests.fixtures.live_core.ACCOUNT", "0x" + "c3" * 20)
    with pytest.raises(ConfigError, match=f"those of account {ACCOUNT}"):
        world.kill()


def test_the_twin_fills_by_prints_and_tells_fills_and_states_only():
    world = quoting(LiveVenue())
    coin = COINS[0]
    order = next(order for order in world.core.twin.desks[coin].orders.values() if order.rests)
    world.venue.block()
    now_ms, bid = world.venue.now_ms, order.new.side == "bid"
    through = Trade(
        px=order.new.px * (Decimal("0.9") if bid else Decimal("1.1")),
        sz=Decimal(10**6),
        side="A" if bid else "B",
        time_ms=now_ms,
        tid=1,
    )
    said = world.feed(Trades(coin=coin, received_ms=float(now_ms), epoch=1, trades=(through,)))
    fills = [message for message in said if isinstance(message, Fill)]
    assert {fill.mode for fill in fills} == {"shadow"}
    assert order.new.cloid in {fill.cloid for fill in fills}
    assert {message.mode for message in said if isinstance(message, PositionState)} == {"shadow"}
    assert not [message for message in said if isinstance(message, OrderUpdate)]
    world.wait(61_000)
    assert {status.mode for status in world.said(AccountStatus)} == {"live"}
    assert any(line.startswith("Shadow PnL: ") for line in world.lines("SHADOW SESSION"))
    assert world.positions() == world.true_positions()


def test_the_twin_is_frozen_with_live():
    world = quoting(LiveVenue())
    assert world.core.twin.stopped is None
    world.venue.disconnect()
    world.venue.network = Network(lose_lookup=1.0)
    world.wait(1_000)
    assert world.stopped is Reason.RECONNECTING
    assert world.core.twin.stopped is Reason.RECONNECTING


def leave(world, requests):
    """The address has so many requests left, and the executor is told so within a minute."""
    planner = world.core.live._side.planner
    for coin in COINS:
        world.want(coin, 400)
    world.wait(2_000)
    world.venue.account.requests_used = cap(world.venue.account) - 1 - requests
    while planner.budget.left > 2 * requests:
        world.wait(500)
    return world.wait(2_000)


def working(world, coin):
    return {order.new.cloid: order for order in world.core.live.desks[coin].orders.values() if not order.leaving}


def test_below_a_tenth_of_the_budget_only_orders_towards_flat_are_placed():
    world = leave(quoting(LiveVenue()), 900)
    assert world.status.live.budget.mode == "reducing"
    assert world.status.live.budget.widening > 3
    for coin in world.status.coins:
        towards_flat = {"ask"} if coin.position_sz > 0 else {"bid"} if coin.position_sz < 0 else set()
        assert {order.new.side for order in working(world, coin.coin).values()} <= towards_flat
        refused = {side for side, reason in (("bid", coin.bid_reason), ("ask", coin.ask_reason)) if reason}
        assert {"bid", "ask"} - towards_flat <= refused


def test_an_order_whose_successor_must_wait_stays_unless_it_is_too_close_to_the_mid():
    coin = COINS[0]
    world = quoting(LiveVenue(), budget_burst_requests=100)
    planner = world.core.live._side.planner

    world.want(coin, 400).wait(2_000)
    far = working(world, coin)
    planner.note_sent(world.venue.now_ms, coin, 200, 0)
    world.want(coin, 2).wait(500)
    assert far and working(world, coin).keys() <= far.keys()
    assert Reason.REQUEST_BUDGET in world.core.live.desks[coin].refused.values()

    near = quoting(LiveVenue(), budget_burst_requests=100)
    planner = near.core.live._side.planner
    before = working(near, coin)
    planner.note_sent(near.venue.now_ms, coin, 200, 0)
    near.want(coin, 400).wait(500)
    assert before and not working(near, coin).keys() & before.keys()


def test_every_request_that_leaves_is_counted():
    """Also the repeated ones, and those of orders that a process before this one left behind."""
    venue = LiveVenue()
    world = quoting(venue)
    venue.network = Network(lose_answer=0.3, refuse=0.3)
    world.wait(10_000)
    world = world.kill()
    world.wait(10_000)
    venue.calm()
    world.until_ready().wait(5_000)
    budget = world.core.live._side.planner.budget
    assert budget is not None
    assert 0 <= budget.used - venue.account.requests_used <= 30


def test_the_end_of_a_process_whose_venue_does_not_answer_is_an_error():
    world = quoting(LiveVenue())
    world.venue.network = DEAF
    world.stop()
    assert world.given_up == "the venue does not answer"
    told = world.lines("RECONCILE")[-1]
    assert "🛑 The session ends although the venue does not answer, and may leave " in told
    named, more = told.count(" @ "), re.search(r"and (\d+) more; look", told)
    assert named + (int(more[1]) if more else 0) == len(world.resting()) > 0 and named <= 5


def test_the_end_of_a_process_that_never_reached_the_venue_says_so_as_well():
    venue = LiveVenue(network=DEAF)
    world = LiveWorld(venue)
    world.stop()
    assert world.given_up


def test_the_last_words_come_when_nothing_rests_and_the_account_is_proven():
    world = quoting(LiveVenue())
    before = len(world.out)
    world.stop()
    assert not world.resting() and not world.given_up
    tags = [said.tag for said in world.out[before:] if isinstance(said, Event)]
    assert tags.index("CANCEL ALL") < tags.index("TIE OUT") < tags.index("LIVE SESSION")


def test_fills_and_cancels_that_are_told_in_time_cost_no_reading_of_the_account():
    """Each reading is 80 of the 1,200 weights a minute that all processes behind one address share."""
    world = quoting(LiveVenue())
    before = len(world.out)
    world.wait(50_000)
    assert len(world.fills("live")) > 5
    assert not [said for said in world.out[before:] if isinstance(said, AskState)]


@pytest.mark.parametrize("answers", [1, 9])
def test_what_differs_at_the_end_is_told_when_two_answers_say_so(monkeypatch, answers):
    """One may be of a moment between two questions."""
    world = quoting(LiveVenue())
    honest, left = world.venue._state, [answers]

    def poorer(asked_ms, since_ms):
        read = honest(asked_ms, since_ms)
        left[0] -= 1
        margin = read.clearinghouse.margin_summary
        less = msgspec.structs.replace(margin, total_raw_usd=margin.total_raw_usd - (left[0] >= 0))
        return replace(read, clearinghouse=msgspec.structs.replace(read.clearinghouse, margin_summary=less))

    monkeypatch.setattr(world.venue, "_state", poorer)
    world.stop()
    assert not world.given_up
    assert ("(-1.000000)" in world.lines("TIE OUT")[-1]) is (answers > 1)


def test_the_end_before_the_stream_was_ever_up_cancels_what_a_process_before_it_left(monkeypatch):
    venue = LiveVenue()
    world = quoting(venue)
    assert world.resting()
    monkeypatch.setattr(venue, "_connect", lambda: [StreamDown(9, "no websocket")])
    world = world.kill()
    world.wait(1_000).stop()
    assert not world.resting() and not world.given_up


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_last_look_is_taken_when_no_lost_order_can_arrive_any_more(seed, killed):
    """Of this process, or of one before it."""
    venue = LiveVenue(seed)
    world = quoting(venue)
    venue.network = Network(late=0.9, lose_answer=0.9)
    for coin in COINS:
        world.want(coin, 3)
    world.wait(300)
    venue.calm()
    world = world.kill() if killed else world
    world.stop()
    for _ in range(200):
        venue.block()
    assert not world.resting() and not world.given_up


def placed_by_side(world, coin):
    return Counter(
        update.side for update in world.said(OrderUpdate) if (update.coin, update.status) == (coin, "pending")
    )


def test_where_requests_are_scarce_neither_side_takes_them_all():
    world = LiveWorld(LiveVenue(), budget_burst_requests=2).until_ready()
    for ticks in range(150, 60, -1):
        for coin in COINS:
            world.want(coin, ticks)
        world.wait(1_000)
    for coin in COINS:
        placed = placed_by_side(world, coin)
        assert placed.total() >= 4 and abs(placed["bid"] - placed["ask"]) <= 2


def test_orders_that_are_not_approved_cost_no_requests(monkeypatch):
    """One side asks in vain at every tick; the other one has the coin's requests."""
    world = quoting(LiveVenue(), budget_burst_requests=20)
    coin, honest = COINS[0], world.target

    def huge_bids(coin, ticks):
        target = honest(coin, ticks)
        bids = tuple(QuoteLevel(quote.level, quote.px, quote.sz * 20) for quote in target.bids)
        return msgspec.structs.replace(target, bids=bids)

    monkeypatch.setattr(world, "target", huge_bids)
    world.want(coin, 3).wait(3_000)
    assert world.core.live.desks[coin].refused["bid"] is Reason.ORDER_CAP
    before = len(world.out)
    world.want(coin, 100).wait(1_000)
    moved = [said for said in world.out[before:] if isinstance(said, OrderUpdate) and said.status == "pending"]
    assert {update.side for update in moved if update.coin == coin} == {"ask"}


def test_cancels_that_the_venue_refuses_are_told_with_its_words():
    """The key was revoked: nothing else would say that orders cannot be taken away."""
    venue = LiveVenue()
    world = quoting(venue)
    venue.world.accounts.remove_agent(venue.account, "")
    world.leasing = False
    world.wait(30_000)
    told = [line for line in world.lines("REJECTED") if "Cancels are refused" in line]
    assert 2 <= len(told) <= 4 and all(f"User or API Wallet {AGENT} does not exist." in line for line in told)
    waited_ms = world.status.time_ms - world.status.live.leaving_since_ms
    assert 20_000 <= waited_ms <= 30_000, "the watchdog hears it"


def test_an_account_that_cannot_be_read_is_told_once_a_minute_with_the_reason():
    world = quoting(LiveVenue())
    world.venue.network = DEAF
    world.wait(180_000)
    told = [line for line in world.lines("RECONCILE") if "cannot be read" in line]
    assert 1 <= len(told) <= 3 and all(line.endswith(": lost") for line in told)


def test_books_that_nobody_compares_are_not_shown_as_proven():
    world = quoting(LiveVenue())
    proven_ms = world.status.live.tied_out_ms
    assert proven_ms
    world.venue.disconnect()
    world.venue.network = DEAF
    world.wait(20_000)
    assert world.stopped is Reason.RECONNECTING
    assert world.status.live.tied_out_ms == proven_ms


def test_a_new_process_knows_when_the_books_were_last_equal():
    world = quoting(LiveVenue())
    proven_ms = world.status.live.tied_out_ms
    world.venue.network = DEAF
    again = world.kill().wait(20_000)
    assert again.status.live.phase != "ready"
    assert abs(again.status.live.tied_out_ms - proven_ms) < 2_000


def test_a_deposit_while_quoting_stops_everything_until_a_person_says_resume():
    world = quoting(LiveVenue())
    deposit(world.venue.world, world.venue.account, 250 * 1_000_000)
    world.wait(90_000)
    assert not world.resting() and set(world.status.live.untied) == {""}
    assert "(+250.000000). Nothing is quoted; if it is a deposit" in world.lines("TIE OUT")[-1]
    at_ms = world.venue.now_ms
    world.feed(Command(id="1", action="resume", who="test", reason="deposit", time_ms=at_ms))
    world.until_ready().wait(2_000)
    assert world.resting() and not world.status.live.untied


def test_with_no_request_left_a_position_can_still_be_taken_to_flat():
    """The venue lets one request through each ten seconds, and each USD traded earns another."""
    venue = LiveVenue()
    world = LiveWorld(venue).until_ready()
    coin = COINS[0]
    venue.fault(fault="external_order", user=ACCOUNT, coin=coin, side="buy", sz="0.001")
    world.wait(5_000).until_ready()
    world.show(coin)
    world.want(coin, 400).wait(1_000)
    held_sz = world.positions()[coin]
    venue.account.requests_used = cap(venue.account) + 50
    world.wait(61_000)
    assert world.status.live.budget.left == 0
    at_ms = venue.now_ms
    world.feed(Command(id="1", action="flatten", now=True, who="test", reason="test", time_ms=at_ms))
    world.wait(30_000)
    assert held_sz and not world.positions() and not world.true_positions()


def test_an_order_of_this_engine_on_another_dex_is_left_to_whoever_trades_there():
    """Its coin has no number here, and a request with a wrong one is refused as a whole, other cancels with it."""
    world = quoting(LiveVenue())
    now_ms = world.venue.now_ms
    order = OpenOrder(
        "xyz:TSLA", "B", Decimal(300), Decimal(1), 10**9, now_ms, Decimal(1), own_prefix(ACCOUNT) + "0" * 24
    )
    world.feed(OrderUpdates((AccountOrderUpdate(order, "open", now_ms),)))
    world.wait(2_000)
    assert world.stopped is None and world.resting()
    cancels = [send.action for send in world.venue.sent if isinstance(send.action, CancelByCloid)]
    assert order.cloid not in {cancel.cloid for action in cancels for cancel in action.cancels}


def test_a_halt_by_the_guard_ends_the_live_process_when_the_venue_shows_no_order():
    world = quoting(LiveVenue())
    assert world.resting()
    world.feed(HaltState(halted=True, reason="daily loss", who="guard", since_ms=world.venue.now_ms))
    world.wait(3_000)
    assert not world.resting()
    assert [effect.reason for effect in world.said(EndProcess)] == ["daily loss"], "the twin does not end it"
    assert "no order rests" in world.lines("KILL SWITCH")[0]


def test_a_halt_that_the_venue_does_not_hear_is_cancelled_again_and_again_and_ends_the_process_all_the_same():
    venue = LiveVenue()
    world = quoting(venue)
    venue.network, since = DEAF, len(venue.sent)
    world.feed(HaltState(halted=True, reason="daily loss", who="guard", since_ms=venue.now_ms))
    world.wait(11_000)
    tries = Counter(
        cancel.cloid
        for send in venue.sent[since:]
        if isinstance(send.action, CancelByCloid)
        for cancel in send.action.cancels
    )
    assert world.resting() and all(tries[cloid] > 3 for cloid in world.resting())
    assert [effect.reason for effect in world.said(EndProcess)] == ["daily loss"]
    assert "no order rests" not in world.lines("KILL SWITCH")[0]
    venue.calm()
    world.stop()
    assert not world.resting() and not world.given_up
