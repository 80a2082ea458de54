"""From not knowing the account to quoting on it, step by step, and what stops on the way."""

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from services.executor.live.recovery import ANSWER_WITHIN_MS, PAUSES_MS, PHASES, Recovery
from services.executor.live.wiring import AskState, OrderUpdates, Reconnect, StateRead, StateUnread, StreamUp
from shared.errors import InvariantError
from shared.funding import HOUR_MS
from shared.hyperliquid.account import AssetPosition, CumFunding, Leverage, Position, UserFundings
from shared.hyperliquid.account import Fill as AccountFill
from shared.hyperliquid.account import Funding as AccountFunding
from shared.messages import Event, Fill, Funding, Opening, Reason
from shared.service import BusLost, Tick
from tests.fixtures.live_books import LiveBooks
from tests.fixtures.live_venue import ACCOUNT, LIFETIME_MS, START_MS, LiveVenue, Network


def started(**venue):
    return LiveBooks(LiveVenue(**venue)).until_ready()


def with_position(**venue):
    """A session that holds a position and has nothing resting."""
    session = started(**venue)
    session.by_another_hand("BTC", "buy", 300)
    session.wait(2_000)
    assert session.position("BTC") == session.true_positions()["BTC"] > 0
    assert "does somebody else trade here?" in session.lines("DARK FILL")[-1]
    return session.until_ready()


# ---- the start ----


def test_the_first_start_opens_the_books_and_says_so():
    session = started()
    assert session.lines("RECONCILE")[-2:] == [
        "Books opened on an account with $100000.000000 of cash.",
        "✅ Inventory matches. No dark fills detected.",
    ]


def test_an_account_with_a_position_begins_with_an_opening_balance_that_is_no_result_of_ours():
    venue = LiveVenue()
    before = LiveBooks(venue).until_ready()
    before.by_another_hand("NIL", "sell", 900)
    before.wait(2_000)
    held = before.true_positions()
    session = LiveBooks(venue).until_ready()
    opening = next(message for message in session.published if isinstance(message, Opening))
    assert {opening.coin: opening.position_sz} == held == session.positions()
    assert "NIL: opening balance" in session.lines("RECONCILE")[1]
    status = session.books.status(venue.now_ms, None)[0]
    assert status.pnl_usd == status.day_pnl_usd == 0
    session.by_another_hand("NIL", "buy", 500)
    session.wait(2_000)
    session.until_ready()
    again = session.kill().until_ready()
    assert again.positions() == again.true_positions() == session.positions()
    assert again.books.dark_fills == 0


def test_orders_of_an_earlier_process_are_swept_and_its_last_request_is_waited_for():
    """The process dies right after an order left; the network holds the order back for half of its life."""
    venue = LiveVenue()
    session = LiveBooks(venue).until_ready()
    session.quote("BTC", "bid", 90)
    session.wait(1_000)
    assert len(session.resting()) == 1
    venue.network = Network(late=1.0)
    session.quote("BTC", "ask", 90)
    session.flush()
    again = session.kill()
    venue.network = Network()
    begun_ms = venue.now_ms
    again.until_ready()
    assert venue.now_ms - begun_ms > LIFETIME_MS
    assert again.resting() == {}
    assert set(again.cancelled()) == set(again.oids())
    again.wait(2 * LIFETIME_MS)
    assert again.resting() == {}


def test_what_filled_while_nobody_was_there_is_booked_once_and_alerted():
    session = started()
    session.quote("NIL", "bid", 0, usd=300)
    session.wait(300)
    session.venue.forget()
    while not session.true_positions():
        session.wait_alone(1_000)
    again = LiveBooks(session.venue, session.store, run=1).until_ready()
    assert again.positions() == again.true_positions()
    dark = [event for event in again.published if isinstance(event, Event) and event.tag == "DARK FILL"]
    assert dark and {event.level for event in dark} == {"error"}
    assert all("from before this start, found by asking" in event.text for event in dark)
    assert again.lines("RECONCILE")[-1].startswith(f"⚠️ Inventory matches. ⚠️ {len(dark)} dark fills booked")
    fills = [message for message in again.store.bookings if isinstance(message, Fill)]
    assert len({fill.fill_id for fill in fills}) == len(fills) == len(dark)
    assert again.kill().until_ready().books.dark_fills == 0


def test_a_deposit_while_nobody_was_there_is_stated_and_not_taken_for_a_result():
    session = started()
    session.venue.forget()
    session.deposit(250)
    again = LiveBooks(session.venue, session.store, run=1).until_ready()
    assert "changed by $250.000000 besides trading" in again.lines("RECONCILE")[-2]
    assert again.cash_usd() == again.true_cash_usd()
    assert again.books.status(again.venue.now_ms, None)[0].pnl_usd == 0


# ---- refusals ----


def test_orders_of_another_hand_are_refused_with_their_list_until_a_person_resumes():
    venue = LiveVenue()
    LiveBooks(venue).by_another_hand("BTC", "buy", 60, bps=50)
    for _ in range(20):
        venue.block()
    session = LiveBooks(venue)
    session.wait(20_000)
    assert session.recovery.fault is Reason.UNRECONCILED
    (refusal,) = [line for line in session.lines("RECONCILE") if "🛑" in line]
    (order,) = venue.account.orders.values()
    assert f"BTC buy 0.00078 @ {order.listing.px(order.px)} (oid {order.oid})" in refusal
    venue.disconnect()
    session.wait(20_000)
    assert session.recovery.phase == "refused" and len(session.resting()) == 1
    session.cancel_foreign()
    session.wait(20_000)
    assert session.recovery.phase == "refused"
    session.resume()
    assert session.until_ready().ready


@pytest.mark.parametrize("disturbed_by", ["a refusal", "the network"])
def test_what_was_found_before_a_recovery_was_disturbed_is_told_at_its_end(disturbed_by):
    session = started()
    session.venue.forget()
    session.by_another_hand("BTC", "buy", 300)
    if disturbed_by == "a refusal":
        session.by_another_hand("BTC", "sell", 60, bps=50)
    session.wait_alone(1_000)
    again = LiveBooks(session.venue, session.store, run=1)
    while not again.books.dark_fills:
        again.wait(70)
    if disturbed_by == "a refusal":
        again.wait(20_000)
        assert again.recovery.phase == "refused"
        again.cancel_foreign()
        again.wait(1_000)
        again.resume()
    else:
        again.venue.disconnect()
    assert not again.ready
    again.until_ready().wait(1_000)
    assert again.lines("RECONCILE")[-1] == "⚠️ Inventory matches. ⚠️ 1 dark fills booked."
    again.venue.disconnect()
    again.wait(1_000)
    assert again.until_ready().lines("RECONCILE")[-1] == "✅ Inventory matches. No dark fills detected."


def test_an_order_of_another_hand_while_we_quote_stops_us():
    session = started()
    session.quote("BTC", "bid", 5)
    session.wait(1_000)
    session.by_another_hand("BTC", "sell", 60, bps=50)
    session.wait(20_000)
    assert session.recovery.phase == "refused"
    assert list(session.resting()) == [None]


def test_a_position_that_is_not_the_sum_of_the_fills_is_refused_with_the_numbers():
    session = with_position()
    session.desks["BTC"].ledger.position_sz += Decimal("0.00001")
    ours, theirs = session.position("BTC"), session.true_positions()["BTC"]
    session.venue.disconnect()
    session.wait(60_000)
    assert session.recovery.phase == "refused"
    refusal = session.lines("RECONCILE")[-1]
    assert f"BTC: position {ours} by our fills, {theirs}" in refusal
    session.resume()
    session.wait(60_000)
    assert session.recovery.phase == "refused", "a position is never restated"


def test_money_that_came_unseen_is_refused_and_counts_as_equity_until_a_person_says_it_is_right():
    session = started()
    session.deposit(-250)
    session.venue.disconnect()
    session.wait(60_000)
    assert session.recovery.phase == "refused"
    equity_usd = session.books.status(session.venue.now_ms, None)[0].equity_usd
    assert equity_usd == session.true_cash_usd() != session.cash_usd()
    session.resume()
    session.until_ready()
    assert session.books.status(session.venue.now_ms, None)[0].equity_usd == equity_usd == session.cash_usd()


def with_money_that_was_told():
    session = started()
    session.deposit(-250)
    session.wait(80_000)
    assert list(session.tie_out.differences) == [""]
    return session


def equity_usd(session):
    return session.books.status(session.venue.now_ms, None)[0].equity_usd


def test_money_that_nobody_could_explain_is_not_explained_by_a_new_process():
    again = with_money_that_was_told().kill()
    again.wait(60_000)
    assert again.recovery.phase == "refused"
    assert "(-250.000000)" in again.lines("RECONCILE")[-1]
    assert equity_usd(again) == again.true_cash_usd()
    third = again.kill()
    assert equity_usd(third) == third.true_cash_usd(), "also before the account is read"
    third.wait(60_000)
    assert third.recovery.phase == "refused"
    third.resume()
    assert third.until_ready().ready and equity_usd(third) == third.cash_usd() == third.true_cash_usd()
    assert third.kill().until_ready().ready


def test_a_word_on_what_was_told_counts_while_the_account_is_being_read():
    again = with_money_that_was_told().kill()
    again.wait(1_000)
    assert again.recovery.phase in ("asking", "waiting")
    again.resume()
    assert again.until_ready().ready and again.cash_usd() == again.true_cash_usd()


def test_a_word_given_while_the_account_is_being_read_is_none_on_what_comes_to_light_there():
    session = started()
    session.deposit(-250)
    session.venue.disconnect()
    session.wait(1_000)
    assert session.recovery.phase in ("asking", "waiting")
    session.resume()
    session.wait(60_000)
    assert session.recovery.phase == "refused"


# ---- bounds ----


class Bench:
    """A recovery fed by hand."""

    def __init__(self):
        self.session = LiveBooks(LiveVenue())
        self.now_ms = self.session.venue.now_ms
        self.quiet = True
        self.adopted = []
        self.it = Recovery(ACCOUNT, self.session.statement, self.adopted.append, lambda: self.quiet)
        self.out = self.it.begin(self.now_ms, self.now_ms)

    def feed(self, msg, after_ms=0):
        self.now_ms += after_ms
        self.out = self.it.step(self.now_ms, msg)
        return self.effects()

    def effects(self):
        return [type(effect) for effect in self.out if isinstance(effect, (AskState, Reconnect))]

    def read(self, after_ms=10):
        self.now_ms += after_ms
        venue = self.session.venue
        return StateRead(**{
            name: getattr(venue._state(self.now_ms, 0), name)
            for name in ("asked_ms", "open_orders", "fills", "fundings", "clearinghouse", "rate_limit")
        })  # fmt: skip


def test_a_stream_that_does_not_come_up_is_opened_again():
    bench = Bench()
    assert bench.effects() == [Reconnect]
    assert bench.feed(Tick(), 59_000) == []
    assert bench.feed(Tick(), 1_000) == [Reconnect]


@pytest.mark.parametrize("silence", [StateUnread("503"), None])
def test_a_question_without_an_answer_is_asked_again(silence):
    bench = Bench()
    assert bench.feed(StreamUp(1)) == [AskState]
    assert bench.feed(Tick(), ANSWER_WITHIN_MS - 1) == []
    assert bench.feed(silence or Tick(), 1) == []
    assert bench.feed(Tick(), 499) == []
    assert bench.feed(Tick(), 1) == [AskState]
    bench.feed(bench.read())
    assert bench.it.fault is None


def test_a_question_of_somebody_else_does_not_answer_ours():
    bench = Bench()
    earlier = bench.read(-1_000)
    bench.now_ms += 1_000
    bench.feed(StreamUp(1))
    bench.feed(earlier)
    assert bench.it.phase == "asking"


def test_nothing_thaws_while_an_order_is_under_way():
    bench = Bench()
    bench.quiet = False
    bench.feed(StreamUp(1))
    bench.feed(bench.read())
    assert bench.it.fault is Reason.RECONNECTING
    bench.quiet = True
    bench.feed(Tick(), 500)
    bench.feed(bench.read())
    assert bench.it.fault is None


def test_an_order_under_way_is_waited_for_and_not_for_ever():
    """A look weighs as much as sixty actions."""
    bench = Bench()
    bench.quiet = False
    bench.feed(StreamUp(1))
    bench.feed(bench.read())
    assert bench.feed(Tick(), PAUSES_MS[-1] - 1) == []
    assert bench.feed(Tick(), 1) == [AskState]
    bench.feed(bench.read())
    assert bench.feed(Tick(), 1_000) == []
    bench.quiet = True
    assert bench.feed(Tick(), 1) == [AskState]


def test_every_phase_begins_anew_when_the_stream_is_lost_and_a_refusal_stays():
    assert {phase for phase, steps in PHASES.items() if steps["down"] == "down"} == set(PHASES) - {"refused"}
    assert PHASES["refused"]["down"] == "refused"
    assert [phase for phase, steps in PHASES.items() if "ready" in steps.values()] == ["asking"]


def test_what_cannot_happen_is_an_error():
    with pytest.raises(InvariantError, match="resume while down"):
        Bench().it._meet("resume")


def test_updates_of_other_markets_are_nobodys_business():
    session = started()
    session.by_another_hand("BTC", "buy", 60, bps=50)
    updates = []
    while not updates:
        updates = [msg for msg in session.venue.block() if isinstance(msg, OrderUpdates)]
    (update,) = updates[0].updates
    for coin, fault in (("PURR/USDC", None), ("@107", None), ("xyz:GOLD", None), ("BTC", Reason.RECONNECTING)):
        moved = type(update)(
            type(update.order)(
                **{**{f: getattr(update.order, f) for f in update.order.__struct_fields__}, "coin": coin}
            ),
            update.status,
            update.status_timestamp,
        )
        session.recovery.step(session.venue.now_ms, OrderUpdates((moved,)))
        assert session.recovery.fault is fault


@pytest.mark.parametrize(("coin", "phase"), [("PURR/USDC", "ready"), ("xyz:GOLD", "ready"), ("BTC", "refused")])
def test_only_orders_of_our_market_are_a_reason_to_refuse(coin, phase):
    bench = Bench()
    bench.session.by_another_hand("BTC", "buy", 60, bps=50)
    while not bench.session.resting():
        bench.session.venue.block()
    bench.feed(StreamUp(1))
    read = bench.read()
    (order,) = read.open_orders
    bench.feed(replace(read, open_orders=(msgspec.structs.replace(order, coin=coin),)))
    assert bench.it.phase == phase


# ---- payments ----


def test_funding_is_the_venues_own_and_booked_once():
    session = with_position(start_ms=START_MS - START_MS % HOUR_MS + HOUR_MS - 20_000)
    venue = session.venue
    session.wait(15_000)
    (payment,) = [message for message in session.published if isinstance(message, Funding)]
    truth = [fact for fact in venue.facts if type(fact).__name__ == "FundingPaid" and fact.user == ACCOUNT]
    assert [(payment.usd, payment.position_sz)] == [(fact.usd, fact.szi) for fact in truth]
    assert payment.mode == "live" and payment.hour_ms % 3_600_000 == 0
    session.feed(UserFundings(ACCOUNT, venue._state(venue.now_ms, 0).fundings, True))
    again = session.kill().until_ready()
    assert again.desks["BTC"].ledger.funding_usd == payment.usd
    assert again.cash_usd() == again.true_cash_usd()


def test_a_payment_of_the_hour_in_which_the_books_were_opened_is_booked_if_it_came_after():
    hour_ms = START_MS - START_MS % HOUR_MS
    session = LiveBooks(LiveVenue())
    held = Position(
        coin="BTC", szi=Decimal(-1), position_value=Decimal(50_000), unrealized_pnl=Decimal(0),
        leverage=Leverage("cross", 20), margin_used=Decimal(0), cum_funding=CumFunding(*[Decimal(0)] * 3),
    )  # fmt: skip
    state = msgspec.structs.replace(
        session.venue._state(session.venue.now_ms, 0).clearinghouse,
        asset_positions=(AssetPosition(held),),
        time=hour_ms + 10,
    )
    session.statement.open(session.venue.now_ms, state)
    for time_ms, usd in ((hour_ms + 9, 1), (hour_ms + 40, 2), (hour_ms + 40, 2)):
        paid = AccountFunding(time_ms, "BTC", Decimal(usd), held.szi, Decimal("0.0001"))
        session.statement.book(session.venue.now_ms, (), [paid])
    assert session.desks["BTC"].ledger.funding_usd == 2


def test_the_fee_of_a_builder_is_part_of_the_fee_and_told_beside_it():
    """Somebody trades on the account by an application that takes one."""
    session = started()
    record = AccountFill(
        coin="BTC", px=Decimal(50_000), sz=Decimal("0.001"), side="B", time=session.venue.now_ms + 1, tid=1, oid=7,
        start_position=Decimal(0), dir="Open Long", closed_pnl=Decimal(0), hash="0x", crossed=True,
        fee=Decimal("0.0275"), builder_fee=Decimal("0.005"),
    )  # fmt: skip
    (fill, *_) = session.statement.book(session.venue.now_ms, [record])
    assert (fill.fee_usd, fill.builder_fee_usd) == (Decimal("0.0275"), Decimal("0.005"))
    assert session.desks["BTC"].ledger.cash_usd == -50 - Decimal("0.0275")


def test_fills_whose_ids_are_forgotten_are_not_booked_again(monkeypatch):
    """Thirty coins have more fills in the stream than ids are kept; a snapshot tells the newest 2,000 again."""
    session = started()
    for side in ("buy", "sell", "buy"):
        session.by_another_hand("BTC", side, 300)
        session.wait(2_000)
    session.until_ready().wait(150_000)
    assert session.tie_out.proven_ms > START_MS + 90_000
    monkeypatch.setattr("services.executor.journal._IDS", 1)
    again = session.kill().until_ready()
    assert again.ready and again.positions() == again.true_positions() == session.positions()
    assert not [message for message in again.published if isinstance(message, Fill)]


def test_the_sweep_goes_on_while_the_bus_is_lost():
    session = started()
    session.quote("BTC", "bid", 90)
    session.wait(1_000)
    session.venue.network = Network(lose_lookup=1.0)
    again = session.kill()
    again.wait(3_000)
    again.venue.calm()
    until_ms = again.venue.now_ms + 20_000
    while again.venue.now_ms < until_ms:
        for msg in again.venue.block():
            again.feed(msg)
        again.feed(BusLost())
    assert not again.resting()
