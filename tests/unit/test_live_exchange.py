"""The live exchange, told by hand what the venue says, in the order that hurts."""

from decimal import Decimal
from itertools import count
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.approve import Approved, Surroundings, approve, approve_exit
from services.executor.live.batches import MOST_CANCELS, MOST_ORDERS
from services.executor.live.exchange import CLOCK_MARGIN_MS, LiveExchange
from services.executor.live.fates import TOLD_WITHIN_MS
from services.executor.live.hearing import OTHERS_READ_MS
from services.executor.live.pace import TokenBucket
from services.executor.live.wiring import (
    AskOrder,
    AskState,
    Listed,
    OrderFound,
    OrderUnfound,
    OrderUpdates,
    Outcome,
    Send,
    StateRead,
    StreamUp,
)
from services.executor.orders import NewOrder, cloid
from services.executor.reports import Accepted, Canceled, Filled, Lost, Rejected, Unclaimed
from shared.errors import InvariantError
from shared.hyperliquid import account, replies
from shared.hyperliquid.actions import BatchModify, CancelByCloid, PlaceOrders
from shared.hyperliquid.cloids import own_prefix
from shared.messages import Book, CoinMeta, Level, Reason, RiskLease, SidePermit, Universe
from shared.service import Tick

ACCOUNT = "0x" + "a1" * 20
NOW_MS = 1_790_000_000_000
META = CoinMeta("SOL", 2, 20)
D = Decimal
BBO = "Post only order would have immediately matched, bbo was 99.90@99.94."
NOT_OPEN = replies.Rejected(
    replies.Reason.NOT_OPEN, "Order was never placed, already canceled, or filled. asset=5"
)


class Desk:
    """One exchange, its clock, and what came out of it last."""

    def __init__(self, pace=None):
        self.now_ms = NOW_MS
        self.exchange = LiveExchange(ACCOUNT, pace)
        self.said = []
        self.done = []
        self.sequence = count(1)
        self.oids = count(1000)
        self.feed(Universe(coins=(META,), time_ms=NOW_MS))
        self.feed(Listed({"SOL": 5}))

    def feed(self, *msgs, after_ms=0):
        self.now_ms += after_ms
        self.said, self.done = [], []
        for msg in msgs:
            self.said += self.exchange.step(self.now_ms, msg)
            self.done += self.exchange.effects()
        return self.said

    def wait(self, ms):
        return self.feed(Tick(), after_ms=ms)

    def place(self, px="99.90", sz="1", side="bid", level=1, tif="Alo", reduce_only=False):
        key = cloid(own_prefix(ACCOUNT), "r", "SOL", side, level, next(self.sequence))
        new = NewOrder(key, "SOL", side, level, D(px), D(sz), 0.0, tif, reduce_only)
        lease = RiskLease(coin="SOL", issued_ms=0, valid_until_ms=10**15, bid=SidePermit(), ask=SidePermit())
        book = Book(
            coin="SOL", time_ms=self.now_ms, received_ms=float(self.now_ms), epoch=1,
            bids=(Level(D("90"), D(1)),), asks=(Level(D("110"), D(1)),),
        )  # fmt: skip
        held_sz = D(-100 if side == "bid" else 100) if reduce_only else D(0)
        around = Surroundings(META, book, 1, lease, False, held_sz, D(0), 1e6, slippage_bps=1_000.0)
        verdict = (approve_exit if reduce_only else approve)(self.now_ms, new, around)
        assert isinstance(verdict, Approved)
        self.exchange.place(self.now_ms, verdict)
        return key

    def cancel(self, *keys, urgent=True):
        for key in keys:
            self.exchange.cancel(self.now_ms, key, urgent=urgent)

    def flush(self):
        self.done = self.exchange.effects()
        return self.done

    def send(self):
        """The one request that has just left."""
        (send,) = [effect for effect in self.flush() if isinstance(effect, Send)]
        return send

    def open(self, *keys_of_place, **terms):
        """An order that rests for sure."""
        key = self.place(**terms)
        send, oid = self.send(), next(self.oids)
        assert self.feed(Outcome(send.number, replies.Answered((replies.Resting(oid, key),)))) == [Accepted(key)]
        return key, oid

    def lose(self, send, expires_in_ms=5_000):
        return self.feed(Outcome(send.number, replies.Unknown("no answer", self.now_ms + expires_in_ms)))


def order(key, oid, sz="1", left="1", px="99.90", side="B"):
    return account.OpenOrder("SOL", side, D(px), D(left), oid, NOW_MS, D(sz), key)


def update(status, key, oid, **terms):
    return OrderUpdates((account.OrderUpdate(order(key, oid, **terms), status, NOW_MS),))


def found(key, oid, status, asked_ms, left="1"):
    fields = msgspec.structs.asdict(order(key, oid, left=left))
    return OrderFound(key, account.OrderState(account.FrontendOrder(**fields), status, NOW_MS), asked_ms)


def fill(key, oid, sz="1", tid=1, time=NOW_MS):
    return account.Fill(
        "SOL", D("99.90"), D(sz), "B", time, D(0), "Open Long", D(0), "0x0", oid, False, D("0.01"), tid, cloid=key
    )


def fills(*items, snapshot=False):
    return account.UserFills(ACCOUNT, items, snapshot)


def state(asked_ms, orders=(), booked=()):
    margin = account.MarginSummary(D(0), D(0), D(0), D(0))
    clearinghouse = account.ClearinghouseState(margin, margin, D(0), D(0), (), asked_ms)
    shown = tuple(account.FrontendOrder(**msgspec.structs.asdict(each)) for each in orders)
    return StateRead(asked_ms, shown, tuple(booked), (), clearinghouse, account.RateLimit(D(0), 0, 10_000))


def kinds(items):
    return [type(item) for item in items]


# ---- requests -----------------------------------------------------------------------------------------------


def test_orders_of_a_step_leave_together_as_post_only_orders_with_their_cloids():
    desk = Desk()
    keys = [desk.place(level=level) for level in (1, 2, 3)]
    send = desk.send()
    assert isinstance(send.action, PlaceOrders) and not send.urgent
    assert [wire.c for wire in send.action.orders] == keys
    assert {(wire.a, wire.t.limit.tif, wire.r) for wire in send.action.orders} == {(5, "Alo", False)}
    assert desk.flush() == []


def test_cancels_leave_first_and_urgent_and_in_one_request():
    desk = Desk()
    (one, _), (two, _) = desk.open(), desk.open(level=2)
    desk.place(side="ask", px="100.1")
    desk.cancel(one, two)
    first, second = desk.flush()
    assert isinstance(first.action, CancelByCloid) and first.urgent
    assert [(wire.asset, wire.cloid) for wire in first.action.cancels] == [(5, one), (5, two)]
    assert isinstance(second.action, PlaceOrders)


def test_no_request_is_heavier_than_the_venue_takes():
    desk = Desk()
    keys = [desk.place(level=level) for level in range(2 * MOST_CANCELS + 1)]
    sends = desk.flush()
    assert [len(send.action.orders) for send in sends] == [MOST_ORDERS] * 4 + [1]
    for send in sends:
        statuses = tuple(replies.Resting(next(desk.oids), wire.c) for wire in send.action.orders)
        desk.feed(Outcome(send.number, replies.Answered(statuses)))
    desk.cancel(*keys)
    assert [len(send.action.cancels) for send in desk.flush()] == [MOST_CANCELS, MOST_CANCELS, 1]


def test_an_order_that_never_left_is_withdrawn_without_a_request():
    desk = Desk()
    key = desk.place()
    desk.cancel(key)
    assert desk.flush() == []
    assert desk.wait(0) == [Canceled(key)]


def test_the_same_order_is_never_placed_twice():
    desk = Desk()
    key, oid = desk.open()
    desk.feed(fills(fill(key, oid)))
    desk.sequence = count(1)
    with pytest.raises(InvariantError, match="twice"):
        desk.place()


# ---- replacing ----------------------------------------------------------------------------------------------


def test_an_order_that_rests_is_replaced_in_one_request():
    desk = Desk()
    old, _ = desk.open()
    desk.cancel(old)
    new = desk.place(px="99.80")
    send = desk.send()
    assert isinstance(send.action, BatchModify) and not send.urgent
    (item,) = send.action.modifies
    assert (item.oid, item.order.c, item.order.p) == (old, new, "99.8")


def test_an_order_that_may_not_rest_is_cancelled_by_itself():
    desk = Desk()
    old = desk.place()
    desk.flush()
    desk.cancel(old)
    desk.place()
    assert kinds(send.action for send in desk.flush()) == [CancelByCloid, PlaceOrders]


def replaced(desk):
    old, oid = desk.open()
    desk.cancel(old)
    new = desk.place()
    return old, oid, new, desk.send()


@pytest.mark.parametrize("old_first", [True, False])
def test_a_replacement_is_told_of_in_either_order_and_before_the_answer(old_first):
    desk = Desk()
    old, oid, new, send = replaced(desk)
    told = [update("canceled", old, oid), update("open", new, oid + 1)]
    said = desk.feed(*(told if old_first else told[::-1]))
    said += desk.feed(Outcome(send.number, replies.Answered((replies.Resting(oid + 1, new),))))
    assert sorted(said, key=str) == [Accepted(new), Canceled(old)]
    assert desk.exchange.quiet


def test_a_refused_successor_leaves_neither_order_and_says_which_price_it_met():
    desk = Desk()
    old, oid, new, send = replaced(desk)
    refused = replies.Rejected(
        replies.Reason.REPLACEMENT_REFUSED, f"Error placing new order during modify: {BBO} asset=5"
    )
    assert desk.feed(Outcome(send.number, replies.Answered((refused,)))) == [
        Rejected(new, Reason.WOULD_CROSS, D("99.94"))
    ]
    assert desk.done == []
    assert desk.feed(update("canceled", old, oid)) == [Canceled(old)]


def test_a_replacement_of_what_has_just_filled_is_not_placed_and_says_why():
    desk = Desk()
    old, oid, new, send = replaced(desk)
    refused = replies.Rejected(replies.Reason.NOT_MODIFIABLE, "Cannot modify canceled or filled order. asset=5")
    assert desk.feed(Outcome(send.number, replies.Answered((refused,)))) == [
        Rejected(new, Reason.REPLACED_TOO_LATE)
    ]  # fmt: skip
    assert kinds(desk.feed(fills(fill(old, oid)))) == [Filled] and desk.exchange.quiet


def test_an_order_that_no_modify_could_touch_is_cancelled_after_all():
    desk = Desk()
    old, _, new, send = replaced(desk)
    refused = replies.Rejected(replies.Reason.BAD_MODIFY, "Attempted to modify to invalid new order asset=5")
    assert desk.feed(Outcome(send.number, replies.Answered((refused,)))) == [
        Rejected(new, Reason.VENUE_REFUSED)
    ]  # fmt: skip
    desk.wait(500)
    assert [send.action.cancels[0].cloid for send in desk.done if isinstance(send, Send)] == [old]


def test_after_a_lost_modify_both_orders_are_looked_up_and_the_old_one_is_cancelled_again():
    desk = Desk()
    old, oid, new, send = replaced(desk)
    assert desk.lose(send) == [Lost(old), Lost(new)]
    again, *asked = desk.done
    assert [wire.cloid for wire in again.action.cancels] == [old]
    assert asked == [AskOrder(old), AskOrder(new)]
    said = desk.feed(found(old, oid, "canceled", desk.now_ms), found(new, oid + 1, "open", desk.now_ms))
    assert said == [Accepted(old), Canceled(old), Accepted(new)]
    assert desk.feed(Outcome(again.number, replies.Answered((NOT_OPEN,)))) == []
    assert desk.exchange.quiet


# ---- lost answers -------------------------------------------------------------------------------------------


def test_a_lost_order_is_asked_for_until_it_cannot_arrive_any_more():
    desk = Desk()
    key = desk.place()
    assert desk.lose(desk.send(), 5_000) == [Lost(key)]
    assert desk.done == [AskOrder(key)]
    assert desk.feed(OrderFound(key, None, desk.now_ms), after_ms=100) == []
    assert desk.wait(4_000) == [] and desk.done == []
    assert desk.wait(1_000 + CLOCK_MARGIN_MS) == [] and desk.done == [AskOrder(key)]
    assert desk.feed(OrderFound(key, None, desk.now_ms), after_ms=50) == [Rejected(key, Reason.NEVER_ARRIVED)]


def test_no_answer_about_a_lost_order_is_asked_for_again_with_growing_pauses():
    desk = Desk()
    key = desk.place()
    desk.lose(desk.send())
    asked = []
    for _ in range(400):
        if AskOrder(key) in desk.done:
            asked.append(desk.now_ms)
            desk.feed(OrderUnfound(key, "no answer"))
        desk.wait(100)
    pauses = [later - before for before, later in zip(asked, asked[1:], strict=False)]
    assert pauses[:5] == [500, 1_000, 2_000, 4_000, 8_000] and set(pauses[5:]) == {10_000}


@pytest.mark.parametrize(
    "result",
    [
        replies.Answered((replies.Resting(1),)),
        replies.Refused(replies.Reason.UNRECOGNISED, "something nobody has seen"),
        replies.Refused(replies.Reason.BAD_NONCE, "Invalid nonce: duplicate nonce 7"),
        replies.Answered((replies.Waiting("waitingForFill"), replies.Cancelled())),
    ],
)
def test_what_an_answer_does_not_say_of_each_order_is_not_known_of_any(result):
    desk = Desk()
    keys = [desk.place(level=level) for level in (1, 2)]
    send = desk.send()
    assert desk.feed(Outcome(send.number, result)) == [Lost(key) for key in keys]
    assert {effect.cloid for effect in desk.done} == set(keys)


def test_one_error_for_a_batch_rejects_all_of_it_and_is_counted_by_reason():
    desk = Desk()
    keys = [desk.place(level=level) for level in (1, 2)]
    refused = replies.Refused(replies.Reason.REQUEST_BUDGET, "Too many cumulative requests sent (9 > 8) for …")
    assert desk.feed(Outcome(desk.send().number, refused)) == [
        Rejected(key, Reason.REQUEST_BUDGET) for key in keys
    ]  # fmt: skip
    assert desk.exchange.rejects == {Reason.REQUEST_BUDGET: 2}


def test_an_order_that_the_stream_shows_is_not_lost_with_its_answer():
    desk = Desk()
    key = desk.place()
    send = desk.send()
    assert desk.feed(update("open", key, 7)) == [Accepted(key)]
    assert desk.lose(send) == []
    desk.feed(found(key, 7, "open", desk.now_ms))
    assert desk.exchange.quiet


def test_a_refusal_of_an_order_that_is_known_to_rest_is_not_believed():
    desk = Desk()
    key = desk.place()
    send = desk.send()
    desk.feed(update("open", key, 7))
    margin = replies.Rejected(replies.Reason.MARGIN, "Insufficient margin to place order. asset=5")
    assert desk.feed(Outcome(send.number, replies.Answered((margin,)))) == []
    assert desk.done == [AskOrder(key)]


def test_a_refusal_that_the_stream_tells_first_waits_for_the_price_in_its_answer():
    desk = Desk()
    key = desk.place()
    send = desk.send()
    assert desk.feed(update("badAloPxRejected", key, 7)) == []
    crossed = replies.Rejected(replies.Reason.POST_ONLY_WOULD_MATCH, BBO)
    assert desk.feed(Outcome(send.number, replies.Answered((crossed,)))) == [
        Rejected(key, Reason.WOULD_CROSS, D("99.94"))
    ]  # fmt: skip
    assert desk.feed(update("badAloPxRejected", key, 7)) == [] and desk.exchange.empty


def test_a_refusal_that_the_stream_tells_stands_when_its_answer_is_lost():
    desk = Desk()
    key = desk.place()
    send = desk.send()
    desk.feed(update("badAloPxRejected", key, 7))
    assert desk.lose(send) == [Lost(key)]
    assert desk.feed(found(key, 7, "badAloPxRejected", desk.now_ms)) == [Rejected(key, Reason.WOULD_CROSS)]
    assert desk.exchange.quiet


# ---- cancels ------------------------------------------------------------------------------------------------


def test_a_cancel_that_overtakes_its_order_is_repeated_when_the_order_rests():
    desk = Desk()
    key = desk.place()
    place = desk.send()
    desk.cancel(key)
    desk.feed(Outcome(desk.send().number, replies.Answered((NOT_OPEN,))))
    assert desk.done == []
    desk.feed(Outcome(place.number, replies.Answered((replies.Resting(7, key),))))
    assert desk.said == [Accepted(key)]
    assert kinds(send.action for send in desk.done) == [CancelByCloid]


def test_a_cancel_that_was_not_sent_is_sent_again_after_the_pause_it_was_given():
    desk = Desk()
    key, _ = desk.open()
    desk.cancel(key)
    desk.feed(Outcome(desk.send().number, replies.NotSent("weight", 1.5)))
    desk.wait(1_400)
    assert desk.done == []
    desk.wait(100)
    assert kinds(send.action for send in desk.done) == [CancelByCloid]


def test_after_a_cut_network_cancels_and_look_ups_do_not_wait_for_their_turn():
    desk = Desk()
    (resting, _), lost = desk.open(), desk.place(level=2)
    desk.lose(desk.send())
    desk.cancel(resting)
    desk.feed(OrderUnfound(lost, "cut"))
    for _ in range(100):
        for effect in desk.done:
            silent = OrderUnfound(lost, "cut") if isinstance(effect, AskOrder) else None
            desk.feed(silent or Outcome(effect.number, replies.NotSent("no connection")))
        desk.wait(500)
    desk.wait(500)
    assert desk.done == []
    desk.feed(StreamUp(2))
    cancel, look = desk.done
    assert [wire.cloid for wire in cancel.action.cancels] == [resting] and look == AskOrder(lost)


def test_a_cancelled_order_is_over_when_what_it_filled_before_is_booked():
    desk = Desk()
    key, oid = desk.open(sz="3")
    desk.cancel(key)
    desk.feed(Outcome(desk.send().number, replies.Answered((replies.Cancelled(),))))
    assert desk.feed(update("canceled", key, oid, sz="3", left="2")) == []
    assert kinds(desk.feed(fills(fill(key, oid)))) == [Filled, Canceled]


def test_how_much_had_filled_is_looked_up_when_the_stream_does_not_tell():
    desk = Desk()
    key, oid = desk.open()
    desk.cancel(key)
    desk.feed(Outcome(desk.send().number, replies.Answered((replies.Cancelled(),))))
    assert desk.wait(TOLD_WITHIN_MS - 1) == [] and desk.done == []
    desk.wait(1)
    assert desk.done == [AskOrder(key)]
    assert desk.feed(found(key, oid, "canceled", desk.now_ms)) == [Canceled(key)]


# ---- fills --------------------------------------------------------------------------------------------------


def test_fills_may_come_before_the_answer_and_again_in_a_snapshot():
    desk = Desk()
    key = desk.place(sz="2")
    send = desk.send()
    first, second = fill(key, 7, tid=1), fill(key, 7, tid=2)
    assert kinds(desk.feed(fills(first))) == [Accepted, Filled]
    assert desk.feed(Outcome(send.number, replies.Answered((replies.Resting(7, key),)))) == []
    assert desk.feed(fills(first)) == []
    assert [report.sz for report in desk.feed(fills(second, first, snapshot=True))] == [D(1)]
    assert desk.exchange.quiet


def test_matches_with_the_same_tid_in_two_orders_are_two_fills():
    desk = Desk()
    (one, first), (two, second) = desk.open(), desk.open(level=2)
    said = desk.feed(fills(fill(one, first, tid=9), fill(two, second, tid=9)))
    assert len({report.fill_id for report in said}) == 2


def test_a_filled_order_whose_fill_does_not_come_is_a_dark_fill_that_is_asked_for():
    desk = Desk()
    key, oid = desk.open()
    assert desk.feed(update("filled", key, oid, left="0")) == []
    desk.wait(TOLD_WITHIN_MS)
    assert kinds(desk.done) == [AskState]
    (report,) = desk.feed(state(desk.now_ms, booked=[fill(key, oid, time=NOW_MS - 1)]), after_ms=1_000)
    assert isinstance(report, Filled) and report.dark
    assert desk.feed(fills(fill(key, oid, time=NOW_MS - 1))) == []
    assert desk.exchange.quiet


def test_a_fill_of_nobody_here_is_handed_on():
    desk = Desk()
    foreign = fill("0x" + "9" * 32, 3)
    assert desk.feed(fills(foreign)) == [Unclaimed(foreign)]


# ---- other hands --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"), [("canceled", "external"), ("marginCanceled", "marginCanceled"),
                           ("selfTradeCanceled", "selfTradeCanceled")],
)  # fmt: skip
def test_an_order_that_ends_without_our_wish_says_why(status, reason):
    desk = Desk()
    key, oid = desk.open()
    assert desk.feed(update(status, key, oid)) == [Canceled(key, reason)]


@pytest.mark.parametrize("old_first", [True, False])
def test_an_order_whose_terms_another_hand_changed_is_cancelled(old_first):
    desk = Desk()
    key, oid = desk.open()
    told = [update("canceled", key, oid), update("open", key, oid + 5, px="99.99")]
    desk.feed(*(told if old_first else told[::-1]))
    (send,) = [effect for effect in desk.done if isinstance(effect, Send)]
    assert send.action.cancels[0].cloid == key
    answer = Outcome(send.number, replies.Answered((replies.Cancelled(),)))
    desk.feed(answer, update("canceled", key, oid + 5, px="99.99"))
    assert desk.exchange.quiet


def test_an_order_of_this_engine_that_nobody_placed_here_is_cancelled_and_a_foreign_one_left_alone():
    desk = Desk()
    ours = own_prefix(ACCOUNT) + "7" * 24
    desk.feed(update("open", "0x" + "9" * 32, 3))
    assert desk.done == []
    assert desk.feed(update("open", ours, 4)) == []
    (send,) = desk.done
    assert send.action.cancels[0].cloid == ours
    assert desk.feed(update("canceled", ours, 4)) == []
    desk.feed(Outcome(send.number, replies.Answered((replies.Cancelled(),))))
    assert desk.exchange.quiet


def test_what_happened_while_nobody_listened_is_found_after_a_reconnection():
    desk = Desk()
    (gone, oid), (stays, _) = desk.open(), desk.open(level=2)
    desk.feed(StreamUp(2), after_ms=1_000)
    assert not desk.done, "whoever keeps the books reads the account now"
    desk.wait(OTHERS_READ_MS)
    assert kinds(desk.done) == [AskState]
    desk.feed(state(desk.now_ms, [order(stays, oid + 1)]))
    assert desk.done == [AskOrder(gone)]
    assert desk.feed(found(gone, oid, "canceled", desk.now_ms)) == [Canceled(gone, "external")]
    assert desk.exchange.quiet


def test_late_news_of_an_order_that_is_over_changes_nothing():
    desk = Desk()
    key, oid = desk.open()
    desk.feed(update("canceled", key, oid))
    assert desk.feed(update("open", key, oid), update("canceled", key, oid)) == []
    assert desk.done == [] and desk.exchange.quiet


def test_an_order_that_arrives_after_all_is_cancelled_and_its_fills_are_handed_on():
    """The venue's clock was further behind ours than anybody thought."""
    desk = Desk()
    key = desk.place()
    desk.lose(desk.send(), 1_000)
    desk.feed(OrderFound(key, None, desk.now_ms + 1_001 + CLOCK_MARGIN_MS))
    assert desk.said == [Rejected(key, Reason.NEVER_ARRIVED)]
    desk.feed(update("open", key, 7))
    (send,) = desk.done
    assert send.action.cancels[0].cloid == key
    assert desk.feed(fills(fill(key, 7, sz="0.4"))) == [Unclaimed(fill(key, 7, sz="0.4"))]
    desk.feed(
        Outcome(send.number, replies.Answered((replies.Cancelled(),))), update("canceled", key, 7, left="0.6")
    )
    assert desk.said == [] and desk.exchange.quiet


def test_a_cancel_beyond_the_budget_is_counted_and_tried_again_with_growing_pauses():
    desk = Desk()
    key, oid = desk.open()
    desk.cancel(key)
    refused = replies.Refused(replies.Reason.REQUEST_BUDGET, "Too many cumulative requests sent (9 > 8) for …")
    sent, send = [], desk.send()
    for _ in range(100):
        if send is not None:
            sent.append(desk.now_ms)
            desk.feed(Outcome(send.number, refused), found(key, oid, "open", desk.now_ms))
        desk.wait(100)
        send = next((effect for effect in desk.done if isinstance(effect, Send)), None)
    pauses = [later - before for before, later in zip(sent, sent[1:], strict=False)]
    assert pauses == [500, 1_000, 2_000, 4_000]
    assert desk.exchange.cancel_refusals == {Reason.REQUEST_BUDGET: 5}


def test_a_replacement_beyond_the_budget_does_not_mean_that_cancels_are():
    """They are let through for much longer (§7)."""
    desk = Desk()
    key, _ = desk.open()
    desk.cancel(key)
    new = desk.place()
    refused = replies.Refused(replies.Reason.REQUEST_BUDGET, "Too many cumulative requests sent (9 > 8) for …")
    desk.feed(Outcome(desk.send().number, refused))
    assert desk.said == [Rejected(new, Reason.REQUEST_BUDGET)]
    assert not desk.exchange.cancel_refusals
    desk.wait(1_000)
    assert kinds(send.action for send in desk.done if isinstance(send, Send)) == [CancelByCloid]


def test_an_order_that_was_too_old_on_arrival_is_a_refusal_to_pause_after():
    """It cost five requests, and the next one would not be younger: our clock or the way is slow."""
    desk = Desk()
    key = desk.place()
    expired = replies.Refused(replies.Reason.EXPIRED, "Action already expired")
    assert desk.feed(Outcome(desk.send().number, expired)) == [Rejected(key, Reason.VENUE_REFUSED)]


@pytest.mark.parametrize("asked_before_cancel", [True, False])
def test_a_look_up_older_than_the_confirmed_cancel_is_not_believed(asked_before_cancel):
    desk = Desk()
    key, oid = desk.open()
    desk.cancel(key)
    asked_ms = desk.now_ms
    desk.feed(Outcome(desk.send().number, replies.Answered((replies.Cancelled(),))), after_ms=100)
    desk.feed(found(key, oid, "open", asked_ms if asked_before_cancel else desk.now_ms + 1), after_ms=100)
    assert kinds(desk.done) == ([] if asked_before_cancel else [Send])
    desk.wait(500)
    assert (AskOrder(key) in desk.done) is asked_before_cancel


# ---- orders that take, and those that only reduce -----------------------------------------------------------

TAKE = {"tif": "Ioc", "reduce_only": True}


def taken(desk, total_sz, oid=7, **terms):
    """An order that takes, answered: so much of it has traded."""
    key = desk.place(**TAKE, **terms)
    send = desk.send()
    desk.feed(Outcome(send.number, replies.Answered((replies.Filled(oid, D(total_sz), D("99.9"), key),))))
    return key, oid


def test_what_takes_leaves_in_a_request_of_its_own_and_replaces_nothing():
    desk = Desk()
    old, _ = desk.open()
    desk.cancel(old)
    resting, taking = desk.place(level=2), desk.place(**TAKE)
    replace, take = [send.action for send in desk.flush()]
    assert isinstance(replace, BatchModify) and replace.modifies[0].order.c == resting
    assert isinstance(take, PlaceOrders)
    assert [(wire.c, wire.t.limit.tif, wire.r) for wire in take.orders] == [(taking, "Ioc", True)]


def test_post_only_orders_leave_before_those_that_take():
    desk = Desk()
    desk.place(**TAKE)
    desk.place(level=2, reduce_only=True)
    kinds_of = [[(wire.t.limit.tif, wire.r) for wire in send.action.orders] for send in desk.flush()]
    assert kinds_of == [[("Alo", True)], [("Ioc", True)]]


def test_the_rest_of_what_took_in_part_is_gone_as_soon_as_its_fills_are_booked():
    desk = Desk()
    key, oid = taken(desk, "0.6")
    assert desk.said == [Accepted(key)] and not desk.exchange.empty
    one, two, rest = desk.feed(fills(fill(key, oid, "0.4", tid=1)), fills(fill(key, oid, "0.2", tid=2)))
    assert (one.sz, two.sz, rest) == (D("0.4"), D("0.2"), Canceled(key))
    assert desk.exchange.empty and desk.exchange.quiet


def test_what_took_all_it_wanted_is_filled():
    desk = Desk()
    key, oid = taken(desk, "1")
    (filled,) = desk.feed(fills(fill(key, oid)))
    assert filled.sz == 1 and desk.exchange.empty


def test_the_stream_may_tell_of_it_before_the_answer_does():
    desk = Desk()
    key = desk.place(**TAKE)
    send = desk.send()
    desk.feed(update("open", key, 7), fills(fill(key, 7, "0.4")), update("filled", key, 7, left="0.6"))
    assert not desk.exchange.empty
    said = desk.feed(Outcome(send.number, replies.Answered((replies.Filled(7, D("0.4"), D("99.9"), key),))))
    assert said == [Canceled(key)] and desk.exchange.empty


def test_what_found_nothing_to_take_is_refused():
    desk = Desk()
    key = desk.place(**TAKE)
    text = "Order could not immediately match against any resting orders. asset=5"
    refused = replies.Rejected(replies.reason_of(text), text)
    assert desk.feed(Outcome(desk.send().number, replies.Answered((refused,)))) == [Rejected(key, Reason.NO_MATCH)]
    assert desk.feed(update("iocCancelRejected", key, 7)) == []


def test_how_much_was_taken_without_an_answer_only_the_fills_of_afterwards_tell():
    desk = Desk()
    key = desk.place(**TAKE)
    desk.lose(desk.send())
    desk.feed(found(key, 7, "filled", desk.now_ms, left="0"), after_ms=100)
    asked_before = desk.now_ms - 50
    desk.wait(TOLD_WITHIN_MS)
    assert [type(effect) for effect in desk.done] == [AskState]
    assert desk.feed(state(asked_before)) == [] and not desk.exchange.empty
    desk.wait(500)
    assert [type(effect) for effect in desk.done] == [AskState]
    (filled, rest) = desk.feed(state(desk.now_ms, booked=[fill(key, 7, "0.4")]))
    assert (filled.sz, rest) == (D("0.4"), Canceled(key, "filled")) and desk.exchange.empty


def test_a_lost_order_that_takes_is_looked_up_like_any_other():
    desk = Desk()
    key = desk.place(**TAKE)
    assert desk.lose(desk.send()) == [Lost(key)] and desk.done == [AskOrder(key)]
    desk.wait(5_000 + CLOCK_MARGIN_MS + 1)
    assert desk.feed(OrderFound(key, None, desk.now_ms)) == [Rejected(key, Reason.NEVER_ARRIVED)]


def test_a_reduce_only_order_that_the_venue_cut_is_over_when_its_fills_are_read():
    desk = Desk()
    key, oid = desk.open(sz="10", reduce_only=True)
    desk.feed(fills(fill(key, oid, "6")), update("filled", key, oid, sz="10", left="0"))
    assert not desk.exchange.empty
    desk.wait(TOLD_WITHIN_MS)
    assert desk.feed(state(desk.now_ms, booked=[fill(key, oid, "6")])) == [Canceled(key, "filled")]


def test_a_reduce_only_order_that_was_not_cut_needs_no_reading():
    desk = Desk()
    key, oid = desk.open(sz="10", reduce_only=True)
    desk.cancel(key)
    said = desk.feed(fills(fill(key, oid, "6")), update("canceled", key, oid, sz="10", left="4"))
    assert said[1:] == [Canceled(key)] and desk.exchange.empty


def test_a_reading_of_somebody_elses_saves_our_own_after_a_reconnection():
    desk = Desk()
    (gone, _), (stays, oid) = desk.open(), desk.open(level=2)
    desk.feed(StreamUp(2), after_ms=1_000)
    desk.feed(state(desk.now_ms + 1, [order(stays, oid)]), after_ms=100)
    assert kinds(desk.done) == [AskOrder] and desk.done[0].cloid == gone
    desk.wait(2 * OTHERS_READ_MS)
    assert AskState not in kinds(desk.done)


# ---- many requests -------------------------------------------------------------------------------------------


def sent(desk, kind, after_ms=0):
    desk.wait(after_ms)
    return [effect.action for effect in desk.done if isinstance(effect, Send) and isinstance(effect.action, kind)]


def test_after_many_requests_orders_wait_for_each_other_and_leave_in_one():
    desk = Desk(TokenBucket(per_s=5, burst=2))
    for _ in range(2):
        desk.place()
        assert len(sent(desk, PlaceOrders)) == 1
    for _ in range(3):
        desk.place()
        assert not sent(desk, PlaceOrders, after_ms=30)
    assert desk.exchange.waiting and not desk.exchange.quiet
    [action] = sent(desk, PlaceOrders, after_ms=200)
    assert len(action.orders) == 3
    assert not desk.exchange.waiting


def test_urgent_cancels_do_not_wait_but_one_that_is_replaced_waits_for_its_order():
    desk = Desk(TokenBucket(per_s=5, burst=2))
    (old, _), (other, _) = desk.open(), desk.open(side="ask", px="101")
    desk.cancel(old, other)
    new = desk.place()
    desk.flush()
    [cancel] = [effect.action for effect in desk.done if isinstance(effect, Send)]
    assert isinstance(cancel, CancelByCloid) and [wire.cloid for wire in cancel.cancels] == [other]
    [modify] = sent(desk, BatchModify, after_ms=1_000)
    assert [(wire.oid, wire.order.c) for wire in modify.modifies] == [(old, new)]


def test_cancels_that_are_not_urgent_wait_until_they_become_so():
    desk = Desk(TokenBucket(per_s=5, burst=3))
    first, second, third = (desk.open(px=px)[0] for px in ("99.90", "99.80", "99.70"))
    desk.cancel(first, second, urgent=False)
    assert not sent(desk, CancelByCloid)
    desk.cancel(second)
    [action] = sent(desk, CancelByCloid)
    assert [wire.cloid for wire in action.cancels] == [second]
    desk.cancel(third, urgent=False)
    [action] = sent(desk, CancelByCloid, after_ms=300)
    assert [wire.cloid for wire in action.cancels] == [first, third]


@given(st.integers(0, 10**6))
def test_orders_get_their_turn_however_many_cancels_there_are(seed):
    """More cancels than the pace allows must not keep all orders waiting."""
    desk, random = Desk(TokenBucket(per_s=5, burst=2)), Random(seed)
    resting = [desk.open()[0] for _ in range(2)]
    resting += [desk.open()[0] for _ in range(28) if not desk.wait(1_000)]
    placed = 0
    for key in resting:
        desk.cancel(key, urgent=random.random() < 0.5)
        desk.place()
        desk.wait(100)
        placed += sum(len(getattr(effect.action, "orders", ())) + len(getattr(effect.action, "modifies", ()))
                      for effect in desk.done if isinstance(effect, Send))  # fmt: skip
    assert placed >= len(resting) - 6


def test_an_order_that_is_not_wanted_any_more_while_it_waits_never_leaves():
    desk = Desk(TokenBucket(per_s=5, burst=1))
    desk.place()
    assert sent(desk, PlaceOrders)
    late = desk.place()
    assert not sent(desk, PlaceOrders)
    desk.cancel(late)
    assert not sent(desk, PlaceOrders, after_ms=1_000)
    assert desk.feed(Tick()) == [Canceled(late)]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 3)), max_size=60))
def test_a_bucket_never_gives_more_than_it_was_filled_with(steps):
    bucket, now_ms, taken = TokenBucket(per_s=4, burst=3), 0, 0
    for after_ms, amount in steps:
        now_ms += after_ms
        taken += amount if bucket.take(now_ms, amount) else 0
        assert taken <= 3 + 4 * now_ms / 1000 + 1e-9


def test_after_a_clock_was_set_back_orders_go_on():
    bucket = TokenBucket(per_s=4, burst=3)
    assert bucket.take(3_600_000, 3) and not bucket.take(1_000, 1)
    assert bucket.take(1_250, 1) and not bucket.take(1_250, 1)


def test_requests_that_go_wrong_are_counted_by_how_whatever_they_carried():
    desk = Desk()
    results = (
        replies.Throttled(),
        replies.Refused(replies.Reason.UNKNOWN_SIGNER, "it does not exist"),
        replies.NotSent("request weight is used up", 1.0),
        replies.Unknown("no answer", NOW_MS + 5_000),
    )
    for result in results:
        desk.place(), desk.place(level=2)
        outcome = Outcome(desk.send().number, result)
        desk.feed(outcome)
        desk.feed(outcome)
    assert desk.exchange.errors == {"throttled": 1, "refused": 1, "not_sent": 1, "unknown": 1}


def test_what_went_wrong_is_told_apart_by_action_and_questions_are_no_errors():
    desk = Desk()
    first = desk.place()
    desk.feed(Outcome(desk.send().number, replies.Unknown("no answer", NOW_MS + 5_000)))
    desk.feed(OrderUnfound(first, "HTTP 502"))
    resting, _ = desk.open()
    desk.cancel(resting)
    desk.feed(Outcome(desk.send().number, replies.Throttled()))
    told = {action: +by_how for action, by_how in desk.exchange.faults.items()}
    assert told == {"place": {"unknown": 1}, "cancel": {"throttled": 1}, "modify": {}, "ask": {"unanswered": 1}}
    assert desk.exchange.errors == {"unknown": 1, "throttled": 1}


def test_an_order_refused_within_a_request_is_no_error_of_the_request():
    desk = Desk()
    desk.place()
    refused = replies.Rejected(replies.Reason.POST_ONLY_WOULD_MATCH, BBO)
    desk.feed(Outcome(desk.send().number, replies.Answered((refused,))))
    assert not desk.exchange.errors
