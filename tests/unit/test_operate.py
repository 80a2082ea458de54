"""The operator's commands, as far as they are arithmetic and words: previews, reasons, what still rests."""

import dataclasses
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker import flatten, operate
from market_maker.exit_preview import (
    Exit,
    NoBook,
    Preview,
    Terms,
    facts,
    preview,
    previews,
    render,
    shown,
    slices,
    walk,
    within,
)
from market_maker.flatten import Wish
from market_maker.operator_bus import Sent
from market_maker.snapshot import Snapshot, assemble
from shared.errors import ConfigError
from shared.fees import maker_rate, taker_rate
from shared.messages import (
    ZERO,
    AccountStatus,
    Book,
    CoinStatus,
    Command,
    Depth,
    HaltState,
    Level,
    LiveStatus,
    Message,
    OrderUpdate,
    Reason,
    RequestBudget,
    TargetQuotes,
)
from shared.units import ORDER_CAP_FRAC

D = Decimal
NOW_MS = 1_700_000_000_000
TERMS = Terms(fee_tier=0, slippage_bps=50.0)
MID_TICKS, TICK_PX, LOT_SZ = 10_000, D("0.01"), D("0.001")


def status(coin: str, position_sz: Decimal, bid: Reason | None = None, ask: Reason | None = None) -> CoinStatus:
    return CoinStatus(
        coin=coin, position_sz=position_sz, mark_px=D(100), realized_usd=ZERO, unrealized_usd=ZERO, fees_usd=ZERO,
        funding_usd=ZERO, volume_usd=ZERO, fills=0, orders_placed=0, orders_canceled=0, orders_rejected=0,
        resting_bids=0, resting_asks=0, bid_reason=bid, ask_reason=ask,
    )  # fmt: skip


def account(*coins: CoinStatus, reduce_only: dict[str, str] | None = None, live: bool = False) -> AccountStatus:
    return AccountStatus(
        time_ms=NOW_MS, mode="live" if live else "shadow", session_start_ms=0, day_start_ms=0,
        starting_balance_usd=D(1000), pnl_usd=ZERO, day_pnl_usd=ZERO, peak_pnl_usd=ZERO, fees_usd=ZERO,
        funding_usd=ZERO, volume_usd=ZERO, fills=0, coins=coins, reduce_only=reduce_only or {},
    )  # fmt: skip


def book(
    bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]], coin: str = "BTC", epoch: int = 1
) -> Book:
    return Book(
        coin=coin, time_ms=1, received_ms=1.0, epoch=epoch,
        bids=tuple(Level(D(px), D(sz)) for px, sz in bids), asks=tuple(Level(D(px), D(sz)) for px, sz in asks),
    )  # fmt: skip


def depth_of(fast: Book, epoch: int = 1) -> Depth:
    return Depth(
        coin=fast.coin, time_ms=1, received_ms=1.0, epoch=epoch, bids=fast.bids, asks=fast.asks
    )  # fmt: skip


def snapshot(
    *messages: Message, coins: tuple[str, ...] = ("BTC", "ETH"), halt: HaltState | None = None
) -> Snapshot:
    return assemble(NOW_MS, coins, messages, halt or HaltState(halted=False))


# ---- what it would cost --------------------------------------------------------------------------------------

SIZES = st.integers(1, 5_000).map(lambda lots: lots * LOT_SZ)


@st.composite
def sides(draw: st.DrawFn, sign: int, most: int) -> tuple[Level, ...]:
    """Levels of one side, best first, on the grid around the mid."""
    steps = draw(st.lists(st.integers(1, 60), min_size=1, max_size=most))
    ticks, levels = MID_TICKS, []
    for step in steps:
        ticks += sign * step
        levels.append(Level(ticks * TICK_PX, draw(SIZES)))
    return tuple(levels)


@st.composite
def markets(draw: st.DrawFn) -> tuple[Book, Depth | None]:
    fast = Book(coin="BTC", time_ms=1, received_ms=1.0, epoch=1, bids=draw(sides(-1, 5)), asks=draw(sides(1, 5)))
    slow = Depth(
        coin="BTC", time_ms=0, received_ms=0.0, epoch=draw(st.sampled_from([0, 1])),
        bids=draw(sides(-1, 20)), asks=draw(sides(1, 20)),
    )  # fmt: skip
    return fast, draw(st.sampled_from([slow, None]))


POSITIONS = st.integers(-100_000, 100_000).filter(bool).map(lambda lots: lots * LOT_SZ)


@given(markets(), POSITIONS, st.floats(10, 5_000), st.integers(0, 6), st.floats(1, 1_000))
def test_nothing_of_a_position_is_lost_and_every_dollar_of_its_way_out_is_exact(
    market, position_sz, limit, tier, slippage_bps
):
    fast, slow = market
    out = preview(0.0, status("BTC", position_sz), fast, slow, limit, Terms(tier, slippage_bps))
    assert isinstance(out, Exit)
    levels = within(shown(fast, slow, out.direction), slippage_bps)
    shown_sz = sum((level.sz for level in levels), ZERO)
    assert out.take.sz + out.beyond_sz == abs(position_sz) and out.take.sz == min(abs(position_sz), shown_sz)

    sign = 1 if position_sz > 0 else -1
    ask_or_bid = fast.asks[0].px if position_sz > 0 else fast.bids[0].px
    assert out.rest.ntl_usd == abs(position_sz) * ask_or_bid and out.rest.px == ask_or_bid
    for way, rate in ((out.rest, maker_rate(tier, "BTC")), (out.take, taker_rate(tier, "BTC"))):
        assert way.cost_usd - way.fee_usd == sign * (way.sz * out.mid_px - way.ntl_usd)
        assert ZERO <= way.ntl_usd * rate - way.fee_usd < D("0.000001")
    assert out.rest.cost_usd - out.rest.fee_usd < 0 < out.take.cost_usd - out.take.fee_usd
    assert out.take.px is not None
    assert min(level.px for level in levels) <= out.take.px <= max(level.px for level in levels)


@given(markets(), st.sampled_from(["sell", "buy"]))
def test_the_slow_book_only_adds_worse_prices_to_the_fast_one(market, direction):
    fast, slow = market
    levels = shown(fast, slow, direction)
    own = fast.bids if direction == "sell" else fast.asks
    assert levels[: len(own)] == own
    assert all((a.px > b.px) if direction == "sell" else (a.px < b.px) for a, b in pairwise(levels))
    if slow is None or slow.epoch != fast.epoch:
        assert levels == own


def test_an_order_goes_no_further_through_the_touch_than_it_may():
    levels = TWO_LEVELS.asks
    assert within(levels, 19.981) == levels and within(levels, 19.98) == levels[:1]


@given(markets(), SIZES, SIZES)
def test_a_larger_order_never_gets_a_better_average(market, small_sz, more_sz):
    levels = shown(*market, "buy")
    (first_sz, first_usd), (all_sz, all_usd) = walk(levels, small_sz), walk(levels, small_sz + more_sz)
    assert first_usd * all_sz <= all_usd * first_sz


@given(st.decimals("0.01", "100000", places=4), st.decimals("10", "5000", places=2))
def test_slices_are_the_fewest_orders_under_the_cap(value_usd, max_inv_usd):
    cap_usd = ORDER_CAP_FRAC * max_inv_usd
    count = slices(value_usd, max_inv_usd)
    assert (count - 1) * cap_usd < value_usd <= count * cap_usd


TWO_LEVELS = book([("99.9", "1"), ("99.8", "1")], [("100.1", "1"), ("100.3", "4")])


def test_a_long_position_sold_into_two_levels():
    out = preview(0.0, status("BTC", D(3)), TWO_LEVELS, None, 200.0, TERMS)
    assert isinstance(out, Exit)
    assert (out.direction, out.value_usd, out.touch_bps, out.slices) == ("sell", D(300), D(10), 6)
    assert (out.take.sz, out.take.px, out.beyond_sz) == (D(2), D("99.85"), D(1))
    assert out.take.fee_usd == D("0.089865") and out.take.cost_usd == D("0.3") + D("0.089865")
    assert out.rest.fee_usd == D("0.045045") and out.rest.cost_usd == D("-0.3") + D("0.045045")
    assert out.cost_bps(now=True) == D("0.389865") / 200 * 10_000


def made(*, now: bool) -> Preview:
    books = {"BTC": TWO_LEVELS, "ETH": book([("9", "9")], [("11", "9")], "ETH")}
    statuses = [status("ETH", D(-1)), status("BTC", D(3)), status("SOL", D(0)), status("DOGE", D(7))]
    return previews(0.0, statuses, books, {}, dict.fromkeys(("ETH", "BTC", "DOGE"), 200.0), now=now, terms=TERMS)


def test_the_preview_of_many_adds_up_and_leaves_out_what_is_flat():
    found = made(now=True)
    assert [out.coin for out in found.exits] == ["BTC", "ETH"]
    assert [(out.coin, out.reason) for out in found.unpriced] == [("DOGE", Reason.NO_BOOK)]
    assert found.value_usd == 310 and found.cost_usd == D("0.389865") + D(1) + D("0.00495")
    said = json.loads(json.dumps(facts(found)))
    assert D(said["cost_usd"]) == found.cost_usd and said["coins"][0]["beyond_shown_depth_sz"] == "1"
    text = "\n".join(render(found, "shadow"))
    assert (
        "FLATTEN SHADOW: 3 positions, taking" in text
        and "beyond what the book shows up to 50 bps through the touch: BTC 1;" in text
    )
    assert "DOGE: 7, no price now (no_book)" in text and "taker fees of tier 0" in text


def test_a_patient_preview_names_what_haste_would_cost():
    text = "\n".join(render(made(now=False), "live"))
    assert text.startswith("FLATTEN LIVE: 3 positions, resting at the touch")
    assert "maker fees of tier 0, if it is filled there; taking it at once (--now) $1.3948" in text


@pytest.mark.parametrize(
    ("bids", "asks", "reason"),
    [([], [("1", "1")], Reason.NO_BOOK), ([("2", "1")], [("1", "1")], Reason.CROSSED_BOOK)],
)
def test_a_book_that_is_none_gives_no_price(bids, asks, reason):
    out = preview(0.0, status("BTC", D(1)), book(bids, asks), None, 200.0, TERMS)
    assert out == NoBook("BTC", D(1), reason)


def test_a_book_of_before_a_silence_gives_no_price():
    out = preview(5_002.0, status("BTC", D(1)), TWO_LEVELS, None, 200.0, TERMS)
    assert out == NoBook("BTC", D(1), Reason.STALE_BOOK)


def test_a_slow_book_of_before_a_reconnect_does_not_count():
    later = book([("99.9", "1")], [("100.1", "1")], epoch=2)
    assert shown(later, depth_of(TWO_LEVELS, epoch=1), "sell") == later.bids
    assert len(shown(later, depth_of(TWO_LEVELS, epoch=2), "sell")) == 2


# ---- which positions, and why they are still there -----------------------------------------------------------


def test_a_wish_is_for_positions_alone():
    now = snapshot(account(status("BTC", D(1)), status("ETH", D(-2)), status("SOL", D(0))))
    assert [found.coin for found in Wish((), False).positions(now)] == ["BTC", "ETH"]
    assert [found.coin for found in Wish(("ETH", "SOL"), False).positions(now)] == ["ETH"]


@pytest.mark.parametrize(
    ("report", "flat"),
    [
        ({}, True),
        ({"time_ms": NOW_MS}, False),
        ({"reduce_only": {}}, False),
        ({"reduce_only": {"BTC": "flatten"}}, True),
        ({"coins": (status("BTC", D("-0.1")),)}, False),
        ({"coins": (msgspec.structs.replace(status("BTC", ZERO), resting_bids=1),)}, False),
        ({"coins": (status("BTC", ZERO), status("ETH", D(1)))}, True),
    ],
    ids=[
        "flat",
        "not reported since",
        "not taken",
        "taken for this coin",
        "a position",
        "an order",
        "another coin",
    ],
)
def test_flat_is_neither_position_nor_order_after_the_executor_has_taken_the_command(report, flat):
    told = account(status("BTC", ZERO), reduce_only={"": "flatten"})
    now = snapshot(msgspec.structs.replace(told, **{"time_ms": NOW_MS + 1, **report}))
    command = Command(id="1", action="flatten", who="me", reason="flatten", time_ms=NOW_MS, coins=("BTC",))
    progress = flatten.Progress(Sent(command, now), Wish(("BTC",), False), io.StringIO())
    assert progress.flat(now) is flat


@pytest.mark.parametrize(
    ("position", "bid", "ask", "expected"),
    [
        ("1", None, Reason.LEASE_EXPIRED, "lease_expired"),
        ("-1", Reason.STALE_BOOK, None, "stale_book"),
        ("1", Reason.HALTED, Reason.FLATTENING, "flattening"),
    ],
)
def test_the_reason_is_that_of_the_side_that_closes(position, bid, ask, expected):
    target = TargetQuotes(
        coin="BTC", source_ms=1.0, computed_ms=1, mid_px=1.0, half_spread_bps=1, shift_bps=0, multiplier=1,
        regime="calm",
    )  # fmt: skip
    line = status("BTC", D(position), bid, ask)
    assert flatten.why(snapshot(account(line), target), line) == expected


@pytest.mark.parametrize("reason", [Reason.NO_LEASE, Reason.LEASE_EXPIRED])
def test_a_silent_guard_is_named_with_what_to_do(reason):
    line = status("BTC", D(1), ask=reason)
    target = TargetQuotes(
        coin="BTC", source_ms=1.0, computed_ms=1, mid_px=1.0, half_spread_bps=1, shift_bps=0, multiplier=1,
        regime="calm",
    )  # fmt: skip
    now = snapshot(account(line), target)
    text = "\n".join(flatten._still_open(now, [line], 60))
    assert f"BTC 1 {reason}" in text and "the guard is silent" in text and "market_maker status" in text
    assert text.endswith(flatten.GOES_ON)


def test_what_keeps_live_orders_from_trading_is_said_before_the_question():
    told = {state: account(live=True) for state in ("ready", "refused")}
    now = {
        state: snapshot(msgspec.structs.replace(status, live=live(state))) for state, status in told.items()
    }  # fmt: skip
    later = dataclasses.replace(now["ready"], time_ms=NOW_MS - 1.0)
    guard = "the guard is silent"
    assert [guard in line for line in flatten.warnings(later)] == [True]
    assert "confirmation of live trading is over" in flatten.warnings(now["ready"])[1]
    assert "resume first, then flatten" in flatten.warnings(now["refused"])[1]


# ---- reasons to type back ------------------------------------------------------------------------------------


def live(phase: str = "ready", untied: dict[str, str] | None = None) -> LiveStatus:
    return LiveStatus(
        account="0x" + "a" * 40, phase=phase, confirmed_until_ms=NOW_MS, without=(), unknown_orders=0, rejects={},
        dark_fills=0, tied_out_ms=NOW_MS, untied=untied or {},
        budget=RequestBudget(
            mode="quoting", used=0, cap=10_000, left=9_999, headroom_frac=1.0, widening=1.0, spent_per_hour=0.0,
            earned_per_hour=0.0, pace_per_hour=1.0, hours_to_empty=None,
        ),
    )  # fmt: skip


def words(now: Snapshot) -> list[str]:
    return [reason for _, reason in operate.holds(now)]


def test_everything_that_resume_ends_is_told_with_the_words_that_end_it():
    halt = HaltState(halted=True, reason="daily  drawdown\n5 %", who="guard", since_ms=1)
    held = account(reduce_only={"": "news", "BTC": "too wild"})
    assert words(snapshot(held, halt=halt)) == ["daily drawdown 5 %", "news", "too wild"]
    assert words(snapshot(account())) == []
    texts = [text for text, _ in operate.holds(snapshot(held))]
    assert texts == ["Reduce-only, all coins: news", "Reduce-only, BTC: too wild"]


def test_a_loss_that_resume_forgives_is_told_before_it_is():
    lost, halted = msgspec.structs.replace(account(), day_pnl_usd=D("-12.345")), HaltState(halted=True)
    assert operate.budget_lines(snapshot(lost, halt=halted)) == [
        "The daily loss budget begins anew: today's $-12.34 will no longer count"
    ]
    assert operate.budget_lines(snapshot(account(), halt=halted)) == operate.budget_lines(snapshot(lost)) == []


@pytest.mark.parametrize("state", [live("refused"), live(untied={"": "cash 0.5", "BTC": "-0.1"})])
def test_what_the_venue_contradicts_asks_for_a_look(state):
    told = operate.holds(snapshot(msgspec.structs.replace(account(live=True), live=state)))
    assert [reason for _, reason in told] == [operate.LOOKED]
    assert "refused" in told[0][0] or "account: cash 0.5; BTC: -0.1" in told[0][0]


@pytest.mark.parametrize("phase", ["down", "asking", "waiting", "refused", "ready"])
def test_an_account_that_is_being_read_is_not_yet_quoted_on(phase):
    told = operate.still_held(snapshot(msgspec.structs.replace(account(live=True), live=live(phase))))
    expected = {"ready": "", "refused": "Live trading is refused"}.get(phase, "the account at the venue is still")
    assert [text.startswith(expected) for text in told] == [True] * (phase != "ready")


def test_what_came_after_the_question_is_not_ended_by_its_answer():
    read = operate.holds(snapshot(account(reduce_only={"": "news"})))
    later = account(reduce_only={"": "news", "BTC": "news", "ETH": "too wild"})
    halt = HaltState(halted=True, reason="drawdown", who="guard", since_ms=1)
    assert operate.unread_holds(snapshot(account(reduce_only={"": "news"})), read) == []
    unread = operate.unread_holds(snapshot(later, halt=halt), read)
    assert unread == ["Halted by guard: drawdown", "Reduce-only, ETH: too wild"]


@given(st.text(max_size=60))
def test_every_reason_that_can_be_given_can_be_typed_back(reason):
    try:
        text = operate.stated(reason)
    except ConfigError as error:
        assert not operate.typable(reason) and "REASON is empty" in str(error)
        return
    assert text == text.strip() == operate.typable(text) and text.isprintable()


def test_a_reason_longer_than_anyone_types_back_is_refused():
    with pytest.raises(ConfigError, match="REASON has 201 characters, 200 at most"):
        operate.stated("x" * 201)


# ---- what rested before --------------------------------------------------------------------------------------


def update(cloid: str, state: str, time_ms: int = NOW_MS) -> OrderUpdate:
    return OrderUpdate(
        coin="BTC",
        cloid=cloid,
        side="bid",
        level=1,
        px=D(1),
        sz=D(1),
        filled_sz=ZERO,
        status=state,
        time_ms=time_ms,
    )


def test_cancel_all_waits_for_the_orders_of_this_life_that_were_there_and_no_others():
    resting = operate.Resting.of(
        [
            update("a", "pending", NOW_MS - 5),
            update("dead", "open", NOW_MS - 1_000),
            update("b", "pending"),
            update("a", "open"),
            update("b", "rejected"),
            update("c", "cancelling"),
            update("d", "unknown"),
        ],
        since_ms=NOW_MS - 10,
    )
    assert set(resting.open) == {"a", "c", "d"}
    resting.take([update("a", "open"), update("c", "canceled"), update("new", "canceled"), update("d", "filled")])
    resting.take([update("c", "canceled")])
    assert (set(resting.open), resting.canceled, resting.filled) == ({"a"}, 1, 1)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["open", "filled", "canceled", "rejected"]))))
def test_an_order_is_over_once_whatever_is_told_again(told):
    resting = operate.Resting.of([update(cloid, "open") for cloid in "abc"], 0)
    for cloid, state in told:
        resting.take([update(cloid, state)])
    assert len(resting.open) + resting.canceled + resting.filled == 3
    ended = {cloid for cloid, state in told if state != "open"}
    assert set(resting.open) == set("abc") - ended
