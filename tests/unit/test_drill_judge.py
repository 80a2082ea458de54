"""When a drill calls an account safe, on looks that are made up."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from market_maker.drill.judge import (
    LAG_MS,
    WORD_MS,
    Lag,
    Sample,
    Words,
    danger,
    doubled_levels,
    gone_after,
    safe_since,
)
from services.venue.exchange.facts import OrderChanged
from shared.messages import (
    AccountStatus,
    Event,
    Heartbeat,
    LiveStatus,
    OrderUpdate,
    PositionState,
    RequestBudget,
)

BEGAN = 1_000_000.0
ZERO, ONE = Decimal(0), Decimal(1)


def look(at_ms: float, **fields: Any) -> Sample:
    """All is well, and the executor has just said so."""
    well: dict[str, Any] = {
        "resting": 6, "strange": (), "unknown": 0, "phase": "ready", "word_ms": int(at_ms), "apart": (),
        "heard": True,
    }  # fmt: skip
    return Sample(at_ms=at_ms, **well | fields)


DANGERS: tuple[dict[str, Any], ...] = (
    {"strange": ("0xab",)},
    {"unknown": 1},
    {"phase": "asking"},
    {"phase": ""},
    {"heard": False},
    {"apart": ("BTC",)},
    {"word_ms": int(BEGAN) - 1},
    {"word_ms": int(BEGAN) + 9_000 - WORD_MS - 1},
)


def test_orders_that_are_known_since_the_fault_began_are_safe() -> None:
    assert danger(look(BEGAN + 9_000), BEGAN) == ""


def test_each_thing_that_is_not_known_is_a_danger_while_orders_rest() -> None:
    for fields in DANGERS:
        assert danger(look(BEGAN + 9_000, **fields), BEGAN), fields


def test_without_orders_only_the_position_can_be_wrong() -> None:
    for fields in DANGERS:
        assert bool(danger(look(BEGAN + 9_000, resting=0, **fields), BEGAN)) == ("apart" in fields), fields


@given(st.lists(st.booleans(), min_size=1))
def test_safe_since_begins_the_last_stretch_without_danger(safe: list[bool]) -> None:
    looks = [look(BEGAN + i, unknown=int(not well)) for i, well in enumerate(safe)]
    found = safe_since(looks, BEGAN)
    if not safe[-1]:
        assert found is None
        return
    assert found is not None
    first = int(found - BEGAN)
    assert all(safe[first:]) and (first == 0 or not safe[first - 1])


def test_gone_is_the_first_look_at_which_nothing_rests() -> None:
    looks = [look(BEGAN + at_ms, resting=resting) for at_ms, resting in ((0, 3), (400, 0), (800, 2), (900, 0))]
    assert gone_after(looks, BEGAN) == 0.4
    assert gone_after(looks[:1], BEGAN) is None


# ---- the ledger behind the venue -----------------------------------------------------------------------------


def test_a_ledger_may_be_as_far_behind_as_a_fill_takes_and_no_farther() -> None:
    lag = Lag()
    assert lag.apart(0, {"BTC": ZERO}, {}) == ()
    for at_ms in range(100, LAG_MS + 100, 100):
        assert lag.apart(at_ms, {"BTC": ONE}, {}) == (), at_ms
    assert lag.apart(LAG_MS + 100, {"BTC": ONE}, {}) == ("BTC",)
    assert lag.apart(LAG_MS + 200, {"BTC": ONE}, {"BTC": ONE}) == ()


def test_a_position_that_the_venue_never_had_differs_at_once() -> None:
    assert Lag().apart(0, {"BTC": ONE}, {"BTC": Decimal(2), "ETH": ONE}) == ("BTC", "ETH")


# ---- what the executor says ----------------------------------------------------------------------------------

UPDATE = OrderUpdate(
    coin="BTC", cloid="0x01", side="bid", level=1, px=ONE, sz=ONE, filled_sz=ZERO, status="pending", time_ms=1000
)
BUDGET = RequestBudget(
    mode="quoting", used=0, cap=0, left=0, headroom_frac=1.0, widening=1.0, spent_per_hour=0.0,
    earned_per_hour=0.0, pace_per_hour=0.0, hours_to_empty=None,
)  # fmt: skip
LIVE = LiveStatus(
    account="", phase="ready", confirmed_until_ms=0, without=(), unknown_orders=0, rejects={}, dark_fills=0,
    tied_out_ms=0, untied={}, budget=BUDGET,
)  # fmt: skip
STATUS = AccountStatus(
    time_ms=5000, mode="live", session_start_ms=0, day_start_ms=0, starting_balance_usd=ONE, pnl_usd=ZERO,
    day_pnl_usd=ZERO, peak_pnl_usd=ZERO, fees_usd=ZERO, funding_usd=ZERO, volume_usd=ZERO, fills=0, coins=(),
    live=LIVE,
)  # fmt: skip


def beat(started_ms: int) -> Heartbeat:
    return Heartbeat(
        service="executor", time_ms=started_ms, started_ms=started_ms, pid=1, handled_total=0, skipped_total=0,
        lost_total=0, rss_mb=0.0,
    )  # fmt: skip


def test_an_order_is_known_from_the_decision_until_it_is_over() -> None:
    words = Words()
    assert not words.knows("0x01", 1000) and not words.knows(None, 1000)
    words.take(UPDATE)
    assert words.knows("0x01", 1000 + LAG_MS)
    assert not words.knows("0x01", 1000 + LAG_MS + 1), "it rests for long, and nobody has told"
    words.take(changed(UPDATE, status="open"))
    assert words.knows("0x01", 9000)
    words.take(changed(UPDATE, status="canceled", time_ms=2000))
    assert words.knows("0x01", 1900), "it rested at the look and was over when the executor was read"
    assert not words.knows("0x01", 2000 + LAG_MS + 1)


def test_what_an_earlier_process_knew_the_living_one_does_not() -> None:
    words = Words()
    words.take(UPDATE)
    words.take(changed(UPDATE, status="unknown"))
    assert words.unknown == 1
    words.take(beat(1500))
    assert not words.knows("0x01", 1600)
    assert words.unknown == 0


def test_an_old_update_told_again_does_not_bring_an_order_back() -> None:
    words = Words()
    words.take(UPDATE)
    words.take(changed(UPDATE, status="filled", time_ms=2000))
    words.take(changed(UPDATE, status="open", time_ms=1500))
    assert words.orders["0x01"].status == "filled"


def test_ready_must_be_said_after_the_account_was_last_in_doubt() -> None:
    words = Words()
    assert words.phase == ""
    words.take(STATUS)
    assert words.phase == "ready"
    words.take(Event(service="executor", tag="RECONCILE", text="", time_ms=5500))
    assert words.phase == ""
    words.take(changed(STATUS, time_ms=5600))
    assert words.phase == "ready"


def test_only_what_is_said_of_live_trading_counts() -> None:
    words = Words()
    words.take(changed(STATUS, mode="shadow"))
    words.take(
        PositionState(
            coin="BTC", seq=1, position_sz=ONE, cost_usd=ONE, realized_usd=ZERO, fees_usd=ZERO, funding_usd=ZERO,
            volume_usd=ZERO, fills=1,
        )
    )  # fmt: skip
    assert words.status is None and not words.positions


def test_a_level_with_two_orders_is_doubled_unless_one_is_leaving() -> None:
    words = Words()
    words.take(UPDATE)
    words.take(changed(UPDATE, cloid="0x02"))
    own = [
        OrderChanged(
            time_ms=0, user="", coin="BTC", oid=oid, side="B", limit_px=ONE, sz=ONE, orig_sz=ONE, tif="Alo",
            status="open", placed_ms=0, cloid=cloid,
        )
        for oid, cloid in ((1, "0x01"), (2, "0x02"))
    ]  # fmt: skip
    assert doubled_levels(own, words) == ["BTC bid L1"]
    assert doubled_levels(own[:1], words) == []
    words.take(changed(UPDATE, status="cancelling"))
    assert doubled_levels(own, words) == []
