"""The ledger against an independent recomputation in fractions, and against its own restarts."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.executor.ledger import Ledger
from shared.messages import Fill

prices = st.decimals("0.000001", "99999", places=6)
sizes = st.decimals("0.00001", "5000", places=5)
fills = st.tuples(st.sampled_from(["bid", "ask"]), prices, sizes, st.decimals("-1", "1", places=6), prices)


def independent(rows, mark):
    """Position, cash and average-cost realised result, all exact."""
    position = cash = realized = average = fees = Fraction(0)
    for side, px, sz, fee, _ in rows:
        px, signed, fee = Fraction(px), Fraction(sz) * (1 if side == "bid" else -1), Fraction(fee)
        cash -= px * signed
        fees += fee
        if position * signed >= 0:
            average = (average * position + px * signed) / (position + signed)
        else:
            closed = min(abs(signed), abs(position)) * (1 if position > 0 else -1)
            realized += closed * (px - average)
            if abs(signed) > abs(position):
                average = px
            elif abs(signed) == abs(position):
                average = Fraction(0)
        position += signed
    return position, cash + position * Fraction(mark) - fees, realized, average


@given(st.lists(fills, min_size=1, max_size=30), prices)
def test_totals_are_exact_and_realised_is_average_cost(rows, mark):
    ledger = Ledger("X")
    for row in rows:
        ledger.fill(*row)
    ledger.mark(mark)
    ledger.check()
    position, total, realized, average = independent(rows, mark)
    assert Fraction(ledger.position_sz) == position
    assert Fraction(ledger.total_usd) == total
    assert abs(Fraction(ledger.realized_usd) - realized) < Fraction(1, 10**9)
    assert abs(Fraction(ledger.cost_usd) - average * position) < Fraction(1, 10**9)
    attributed = ledger.capture_usd + ledger.inventory_usd - ledger.fees_usd
    assert abs(attributed - ledger.total_usd) < Decimal("1e-9")


@given(st.lists(st.tuples(fills, st.decimals("-9", "9", places=6)), min_size=1, max_size=30), prices)
def test_the_venues_word_on_what_was_realised_moves_cost_and_never_the_total(rows, mark):
    ledger = Ledger("X")
    for row, closed_usd in rows:
        before = ledger.position_sz
        realized_usd = ledger.fill(*row, closed_usd)
        if abs(ledger.position_sz) < abs(before) and ledger.position_sz:
            assert realized_usd == closed_usd or before * ledger.position_sz < 0
        if not ledger.position_sz:
            assert ledger.cost_usd == 0
    ledger.mark(mark)
    ledger.check()
    position, total, _, _ = independent([row for row, _ in rows], mark)
    assert (Fraction(ledger.position_sz), Fraction(ledger.total_usd)) == (position, total)
    assert ledger.total_usd == ledger.cash_usd + ledger.position_sz * mark


@given(st.lists(fills, min_size=1, max_size=20), st.data())
def test_a_restart_anywhere_equals_never_restarting(rows, data):
    """Position stored after `stored` fills, process gone after `died`: the stream brings the rest back."""
    whole = Ledger("X")
    states, stream = [whole.state(0)], []
    for number, (side, px, sz, fee, mid) in enumerate(rows, start=1):
        realized = whole.fill(side, px, sz, fee, mid)
        states.append(whole.state(0))
        stream.append(message(number, side, px, sz, fee, mid, realized, whole.position_sz))
    stored = data.draw(st.integers(0, len(rows)))
    again = Ledger.restored(states[stored])
    for fill in stream + stream[data.draw(st.integers(0, len(rows) - 1)) :]:  # some entries twice
        again.replay(fill)
    again.check()
    assert again.state(0) == whole.state(0)


def message(seq, side, px, sz, fee, mid, realized, position):
    return Fill(
        coin="X",
        fill_id=str(seq),
        seq=seq,
        cloid="0x0",
        mode="shadow",
        side=side,
        level=1,
        px=px,
        sz=sz,
        fee_usd=fee,
        mid_px=mid,
        realized_usd=realized,
        position_sz=position,
        time_ms=seq,
    )
