"""Whatever the network and the venue do to requests, answers and frames: our orders are the venue's orders."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.live_venue import ACCOUNT, COINS, WILD, LiveSession, LiveVenue, Network

chance = st.sampled_from([0.0, 0.0, 0.1, 0.3, 0.6])
networks = st.one_of(st.just(WILD), st.builds(Network, *[chance] * 8))
coins = st.sampled_from(COINS)
bid_or_ask = st.sampled_from(["bid", "ask"])
steps = st.one_of(
    st.tuples(st.just("quote"), coins, bid_or_ask, st.integers(-3, 12), st.integers(1, 3)),
    st.tuples(st.just("quote"), coins, bid_or_ask, st.integers(0, 3), st.integers(1, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("replace"), st.integers(0, 30), st.integers(-2, 8)),
    st.tuples(st.just("replace"), st.integers(0, 30), st.integers(0, 3)),
    st.tuples(st.just("ladder"), coins, st.integers(0, 4)),
    st.tuples(st.just("move all"), st.integers(0, 4)),
    st.tuples(st.just("cancel all")),
    st.tuples(st.just("wait"), st.sampled_from([70, 200, 700, 2_500])),
    st.tuples(st.just("cut")),
    st.tuples(st.just("fault"), st.sampled_from([
        {"fault": "dark_fill", "for_s": 5.0},
        {"fault": "reject", "share": 0.5, "count": 2},
        {"fault": "reject", "text": "A text that nobody has ever seen", "count": 1},
        {"fault": "halt", "coin": "BTC", "for_s": 1.0},
        {"fault": "external_cancel", "user": ACCOUNT},
        {"fault": "lose_answer", "for_s": 2.0},
        {"fault": "slow_block", "ms": 900, "count": 1},
        {"fault": "stall", "channel": "orderUpdates", "for_s": 2.0},
        {"fault": "stall", "channel": "userFills", "for_s": 2.0, "then": "drop"},
        {"fault": "drop"},
    ])),
)  # fmt: skip


def play(session, step):
    match step:
        case ("quote", coin, side, ticks, level):
            session.quote(coin, side, ticks, level=level)
        case ("cancel", number) if session.orders:
            session.cancel(list(session.orders)[number % len(session.orders)])
        case ("replace", number, ticks) if session.orders:
            old = session.orders[list(session.orders)[number % len(session.orders)]]
            session.cancel(old.new.cloid)
            session.quote(old.new.coin, old.new.side, ticks, level=old.new.level)
        case ("ladder", coin, ticks):
            for level in (1, 2, 3):
                session.quote(coin, "bid", ticks + level, level=level)
                session.quote(coin, "ask", ticks + level, level=level)
        case ("move all", ticks):
            for old in list(session.orders.values()):
                session.cancel(old.new.cloid)
                session.quote(old.new.coin, old.new.side, ticks + old.new.level, level=old.new.level)
        case ("cancel all",):
            for key in list(session.orders):
                session.cancel(key)
        case ("wait", ms):
            session.wait(ms)
        case ("cut",):
            session.venue.disconnect()
        case ("fault", fault):
            session.venue.fault(**fault)
    session.flush()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), networks, st.lists(steps, min_size=10, max_size=50))
def test_our_orders_are_the_venues_orders(seed, network, script):
    session = LiveSession(LiveVenue(seed, network))
    for step in script:
        play(session, step)
    session.calm_down()
    assert session.exchange.quiet and session.exchange.unknown == 0
    assert {key: order.remaining_sz for key, order in session.orders.items()} == session.resting()
    assert {order.state for order in session.orders.values()} <= {"open"}
    everything = session.orders | session.over
    assert {key: order.filled_sz for key, order in everything.items() if order.filled_sz} == session.filled()
    assert not session.unclaimed
    assert all(len(oids) == 1 for oids in session.oids().values())
    assert max(Counter(session.placed()).values(), default=1) == 1
