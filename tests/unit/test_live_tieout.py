"""Positions and cash against the account, every minute and at the end."""

from decimal import Decimal
from itertools import pairwise

from services.executor.live.tieout import EVERY_MS, LAPSE_MS
from shared.messages import Event, Reason
from tests.fixtures.live_books import LiveBooks
from tests.fixtures.live_venue import LiveVenue, Network


def quoting(seed=1, **network):
    session = LiveBooks(LiveVenue(seed, Network(**network))).until_ready()
    for coin in ("BTC", "NIL"):
        session.quote(coin, "bid", 0)
        session.quote(coin, "ask", 0)
    return session


def proven_ms(session):
    return session.books.baseline.proven_ms


def not_earned_usd(session):
    """Equity that is no result of ours."""
    status, *_ = session.books.status(session.venue.now_ms, None)
    return status.equity_usd - status.pnl_usd


def test_the_books_are_proven_every_minute_while_orders_fill():
    session = quoting()
    proofs = set()
    for _ in range(40):
        session.wait(5_000)
        session.quote("NIL", "bid", 0)
        session.quote("NIL", "ask", 0)
        proofs.add(proven_ms(session))
    assert session.positions() and session.tie_out.differences == {}
    assert len(proofs) == 4
    assert all(later - earlier < EVERY_MS + 10_000 for earlier, later in pairwise(sorted(proofs)))


def test_a_position_that_differs_stops_its_coin_alone_until_it_agrees_again():
    session = quoting()
    session.wait(20_000)
    session.desks["NIL"].ledger.position_sz += 1
    session.wait(EVERY_MS + 20_000)
    assert list(session.tie_out.differences) == ["NIL"]
    assert session.desks["NIL"].unproven and not session.desks["BTC"].unproven
    (alert,) = [event for event in session.published if isinstance(event, Event) and event.tag == "TIE OUT"
                and event.level == "error"]  # fmt: skip
    assert alert.coin == "NIL" and f"position {session.position('NIL')} by our fills" in alert.text
    session.desks["NIL"].ledger.position_sz -= 1
    session.wait(EVERY_MS + 10_000)
    assert session.tie_out.differences == {}
    assert session.lines("TIE OUT")[-2] == "✅ NIL: equal to the venue again."


def test_money_that_nobody_can_explain_stops_everything_until_a_person_says_it_is_right():
    session = quoting()
    before_usd = not_earned_usd(session)
    session.deposit(3)
    session.wait(EVERY_MS + 20_000)
    assert list(session.tie_out.differences) == [""]
    assert all(desk.unproven for desk in session.desks.values())
    assert not_earned_usd(session) == before_usd + 3
    assert "(+3.000000). Nothing is quoted; if it is a deposit" in session.lines("TIE OUT")[-1]
    session.resume()
    session.until_ready()
    assert not any(desk.unproven for desk in session.desks.values())
    assert session.cash_usd() == session.true_cash_usd()
    assert not_earned_usd(session) == before_usd + 3


def test_a_fill_that_does_not_follow_on_our_position_is_looked_into_at_once():
    session = quoting()
    session.venue.fault(fault="dark_fill", for_s=3.0)
    while not session.true_positions():
        session.wait(500)
    session.venue.calm()
    while session.positions() != session.true_positions():
        session.quote("BTC", "bid", 0)
        session.quote("NIL", "bid", 0)
        session.wait(1_000)
        assert session.venue.now_ms - proven_ms(session) < EVERY_MS, "not before the minute was over"


def test_a_cent_is_a_difference_and_less_is_not():
    for dollars, differs in (("0.01", False), ("0.010001", True)):
        session = quoting()
        session.desks["BTC"].ledger.fees_usd += Decimal(dollars)
        session.wait(EVERY_MS + 20_000)
        assert bool(session.tie_out.differences) is differs


def test_books_that_cannot_be_compared_for_long_stop_everything():
    session = quoting()
    session.venue.network = Network(lose_lookup=1.0)
    session.wait(LAPSE_MS + 30_000)
    assert session.recovery.fault is Reason.RECONNECTING
    assert session.resting() == {}
    session.venue.network = Network()
    assert session.until_ready().ready


def test_a_known_difference_of_one_coin_does_not_excuse_the_others_from_being_compared():
    session = quoting()
    session.desks["NIL"].ledger.position_sz += 1
    session.wait(EVERY_MS + 20_000)
    assert list(session.tie_out.differences) == ["NIL"] and session.ready
    session.venue.network = Network(lose_lookup=1.0)
    session.wait(LAPSE_MS + 30_000)
    assert session.recovery.fault is Reason.RECONNECTING


def test_the_last_word_of_a_session_names_cash_and_positions_or_what_differs():
    session = quoting()
    session.wait(30_000)
    state = session.venue._state(session.venue.now_ms, 0).clearinghouse
    assert "our books are equal to the venue's" in session.tie_out.final(session.venue.now_ms, state)[-1].text
    session.desks["BTC"].ledger.fees_usd += 1
    kept, line = session.tie_out.final(session.venue.now_ms, state)
    assert line.level == "error" and "(+1.000000)" in line.text
    assert kept.baseline.untied_usd == 1, "the next process knows"
