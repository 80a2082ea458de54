"""Whatever happens to the account, the network or the process: afterwards our books are the venue's."""

from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.messages import Fill
from tests.fixtures.live_books import LiveBooks
from tests.fixtures.live_venue import ACCOUNT, COINS, WILD, LiveVenue, Network

chance = st.sampled_from([0.0, 0.0, 0.1, 0.3])
networks = st.one_of(st.just(Network()), st.just(WILD), st.builds(Network, *[chance] * 8))
coins = st.sampled_from(COINS)
bid_or_ask = st.sampled_from(["bid", "ask"])
steps = st.one_of(
    st.tuples(st.just("quote"), coins, bid_or_ask, st.integers(-1, 3), st.sampled_from([60, 300])),
    st.tuples(st.just("quote"), coins, bid_or_ask, st.integers(0, 1), st.sampled_from([60, 300])),
    st.tuples(st.just("busy"), coins, st.sampled_from([300, 3_000])),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.sampled_from([70, 300, 1_000, 4_000, 20_000])),
    st.tuples(st.just("kill")),
    st.tuples(st.just("cut")),
    st.tuples(st.just("taken"), coins, st.sampled_from(["buy", "sell"]), st.sampled_from([20, 500])),
    st.tuples(st.just("rests"), coins, st.sampled_from(["buy", "sell"])),
    st.tuples(st.just("deposit"), st.sampled_from([1, 5_000])),
    st.tuples(st.just("fault"), st.sampled_from([
        {"fault": "dark_fill", "for_s": 5.0},
        {"fault": "drop"},
        {"fault": "stall", "channel": "userFills", "for_s": 2.0},
        {"fault": "external_cancel", "user": ACCOUNT},
        {"fault": "lose_answer", "for_s": 2.0},
        {"fault": "slow_block", "ms": 900, "count": 1},
    ])),
)  # fmt: skip


def play(session, step):
    match step:
        case ("quote", coin, side, ticks, usd) if session.ready:
            session.quote(coin, side, ticks, usd=usd)
        case ("busy", coin, ms) if session.ready:
            for level, ticks in enumerate((0, 0, 1, 6), 1):
                session.quote(coin, "bid", ticks, level=level)
                session.quote(coin, "ask", ticks, level=level)
            session.wait(ms)
        case ("cancel", number) if session.orders:
            session.cancel(list(session.orders)[number % len(session.orders)])
        case ("wait", ms):
            session.wait(ms)
        case ("kill",):
            return session.kill()
        case ("cut",):
            session.venue.disconnect()
        case ("taken", coin, side, usd):
            session.by_another_hand(coin, side, usd)
        case ("rests", coin, side):
            session.by_another_hand(coin, side, 60, bps=30)
        case ("deposit", usd):
            session.deposit(usd)
        case ("fault", fault):
            session.venue.fault(**fault)
    session.flush()
    return session


def settled(session):
    """Mishaps end, differences are noticed; a person removes the orders of the other hand and lets us go on."""
    session.venue.calm()
    session.wait(80_000)
    session.cancel_foreign()
    session.wait(1_000)
    session.resume()
    session.until_ready()
    session.wait(5_000)


def audit(session):
    assert session.ready, session.lines("RECONCILE")[-3:]
    assert session.positions() == session.true_positions()
    assert abs(session.cash_usd() - session.true_cash_usd()) <= Decimal("0.01")
    assert set(session.resting()) == {cloid for cloid, order in session.orders.items() if order.rests}
    fills = [message for message in session.store.bookings if isinstance(message, Fill)]
    assert len({(fill.coin, fill.fill_id) for fill in fills}) == len(fills)
    assert not any(desk.unproven for desk in session.desks.values())


@settings(max_examples=25, deadline=None)
@given(networks, st.integers(1, 10_000), st.lists(steps, max_size=25))
@example(
    Network(lose_lookup=0.1), 3794, [("taken", "NIL", "sell", 20), ("quote", "NIL", "bid", -1, 60), ("kill",)]
).via("an order found resting whose fill had been told before it was found")
def test_after_anything_positions_cash_and_orders_are_the_venues(network, seed, happenings):
    session = LiveBooks(LiveVenue(seed, network)).until_ready()
    for step in happenings:
        session = play(session, step)
    settled(session)
    audit(session)
    again = session.kill().until_ready()
    audit(again)
    assert again.books.dark_fills == 0 or session.orders, "everything was booked before"
    for coin, desk in again.desks.items():
        assert desk.ledger.total_usd == session.desks[coin].ledger.total_usd or session.orders
