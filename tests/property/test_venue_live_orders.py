"""The sums over resting orders of one side, against counting order by order."""

from hypothesis import given
from hypothesis import strategies as st

from services.venue.exchange.live_orders import RestingSide

orders = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 50)), max_size=12)
"""(price, lots); prices often meet."""
signs = st.sampled_from([1, -1])


def beyond(sign: int, resting: list[tuple[int, int]], closable: int) -> int:
    """Notional of what is left when the best priced have closed as many lots."""
    total = 0
    for px, lots in sorted(resting, key=lambda order: -sign * order[0]):
        closing = min(lots, closable)
        closable -= closing
        total += px * (lots - closing)
    return total


@given(signs, orders, orders, st.integers(0, 400), st.tuples(st.integers(1, 20), st.integers(0, 80)), st.data())
def test_the_best_priced_close_first_and_the_rest_opens(sign, staying, leaving, closable, new, data):
    side = RestingSide(sign)
    for px, lots in staying + leaving:
        side.add(px, lots)
    for px, lots in data.draw(st.permutations(leaving)):
        first = data.draw(st.integers(0, lots - 1))
        for part in (first, lots - first):
            side.add(px, -part)
    assert (side.lots, side.ntl) == (sum(lots for _, lots in staying), sum(px * lots for px, lots in staying))
    assert side.opening_ntl(closable) == beyond(sign, staying, closable)
    assert side.opening_ntl(closable, *new) == beyond(sign, [*staying, new], closable)
    assert side.ntl_from(new[0]) == sum(max(px, new[0]) * lots for px, lots in staying)
