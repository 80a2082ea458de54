"""What can be lost: by hand, and for all positions, orders and gaps."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.guard.loss import GAPS, SETTLED_MS, LossWatch, Resting, gap_loss, possible_loss
from shared import messages as m
from shared.hyperliquid.cloids import SHADOW_PREFIX, own_prefix

D = Decimal
NOW_MS = 1_700_000_000_000


def line(
    coin: str, position_sz: str | Decimal = "0", mark_px: str | Decimal = "100", resting: int = 1
) -> m.CoinStatus:
    return m.CoinStatus(
        coin=coin, position_sz=D(position_sz), mark_px=D(mark_px), realized_usd=m.ZERO, unrealized_usd=m.ZERO,
        fees_usd=m.ZERO, funding_usd=m.ZERO, volume_usd=m.ZERO, fills=0, orders_placed=0, orders_canceled=0,
        orders_rejected=0, resting_bids=resting, resting_asks=resting,
    )  # fmt: skip


def account(*coins: m.CoinStatus, **changed: Any) -> m.AccountStatus:
    plain = m.AccountStatus(
        time_ms=NOW_MS, mode="shadow", session_start_ms=0, day_start_ms=0, starting_balance_usd=D(1000),
        pnl_usd=m.ZERO, day_pnl_usd=m.ZERO, peak_pnl_usd=m.ZERO, fees_usd=m.ZERO, funding_usd=m.ZERO,
        volume_usd=m.ZERO, fills=0, coins=coins,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changed)


def order(cloid: str, side: str = "bid", px: str = "99", status: str = "open", **changed: Any) -> m.OrderUpdate:
    plain = m.OrderUpdate(
        coin="BTC", cloid=cloid, side=side, level=1, px=D(px), sz=D(2), filled_sz=m.ZERO, status=status,
        time_ms=NOW_MS,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changed)


def beat(started_ms: int, service: str = "executor") -> m.Heartbeat:
    return m.Heartbeat(
        service=service, time_ms=NOW_MS, started_ms=started_ms, pid=1, handled_total=0, skipped_total=0,
        lost_total=0, rss_mb=1.0,
    )  # fmt: skip


# ---- by hand ---------------------------------------------------------------------------------------------------


def test_an_account_by_hand():
    """Long 2 at 100, short 1 at 50; one bid of 1 at 99 on the long: at -3 % it fills and is worth 97."""
    told = account(line("BTC", "2"), line("ETH", "-1", "50"), day_pnl_usd=D(-20), equity_usd=D(500))
    loss = possible_loss(told, D(50), {"BTC": [Resting("bid", D(99), D(1))]}, {"BTC": 40, "ETH": 25})
    assert (loss.day_left_usd, loss.exposure_usd, loss.resting_usd) == (30, 250, 99)
    assert loss.gaps_usd == {"0.01": D("2.5"), "0.03": D("7.5") + 2, "0.10": D(25) + 9}
    margin, move = 200 / 80 + 50 / 50, loss.liquidation_frac
    assert move is not None and 500 - 250 * move == pytest.approx(margin - 200 / 80 * move + 50 / 50 * move)


def test_nothing_held_is_nothing_to_lose_and_no_liquidation():
    loss = possible_loss(account(line("BTC"), line("NEW", mark_px="0")), D(50), {}, {})
    assert loss.gaps_usd == dict.fromkeys(GAPS, m.ZERO) and loss.liquidation_frac is None


def test_an_account_below_its_maintenance_is_at_its_liquidation():
    assert possible_loss(account(line("BTC", "100"), equity_usd=D(10)), D(50), {}, {}).liquidation_frac == 0


def test_equity_is_the_starting_balance_and_all_pnl_where_nobody_says_better():
    told = account(line("BTC", "10"), pnl_usd=D(-100))
    stated = msgspec.structs.replace(told, equity_usd=D(900), pnl_usd=m.ZERO)
    assert (
        possible_loss(told, D(1), {}, {}).liquidation_frac == possible_loss(stated, D(1), {}, {}).liquidation_frac
    )


def test_a_day_that_is_lost_leaves_nothing():
    assert possible_loss(account(day_pnl_usd=D(-51)), D(50), {}, {}).day_left_usd == 0


def test_where_no_loss_ends_the_day_nothing_is_promised():
    assert possible_loss(account(), None, {}, {}).day_left_usd is None


# ---- for all ---------------------------------------------------------------------------------------------------

SIZES = st.integers(-500, 500).map(lambda lots: D(lots) / 100)
GAP = st.integers(0, 40).map(lambda percent: D(percent) / 100)
SIDE = st.sampled_from(("bid", "ask"))
ORDERS = st.lists(
    st.builds(
        Resting,
        side=SIDE,
        px=st.integers(80, 120).map(D),
        sz=st.integers(1, 300).map(lambda lots: D(lots) / 100),
    ),
    max_size=6,
)


@given(position=SIZES, orders=ORDERS, one=GAP, other=GAP)
def test_a_larger_gap_never_costs_less(position: Decimal, orders: Sequence[Resting], one: Decimal, other: Decimal):
    small, large = sorted((one, other))
    assert 0 <= gap_loss(position, D(100), orders, small) <= gap_loss(position, D(100), orders, large)


@given(position=SIZES, orders=ORDERS, more=SIDE, sz=SIZES, gap=GAP)
def test_another_order_never_costs_less(position, orders, more, sz, gap):
    another = [*orders, Resting(more, D(99), abs(sz))]
    assert gap_loss(position, D(100), orders, gap) <= gap_loss(position, D(100), another, gap)


@given(position=SIZES, more=SIZES, gap=GAP)
def test_a_larger_position_never_costs_less_and_alone_it_costs_its_part(position, more, gap):
    grown = position + abs(more) if position >= 0 else position - abs(more)
    assert gap_loss(position, D(100), [], gap) == abs(position) * 100 * gap
    assert gap_loss(position, D(100), [], gap) <= gap_loss(grown, D(100), [], gap)


@given(position=SIZES, orders=ORDERS, gap=GAP)
def test_what_fills_on_the_way_loses_no_more_than_the_move_beyond_its_price(position, orders, gap):
    worst = sum((o.sz * (100 * gap + abs(o.px - 100)) for o in orders), abs(position) * 100 * gap)
    assert gap_loss(position, D(100), orders, gap) <= worst


@given(
    st.lists(SIZES.filter(bool), min_size=1, max_size=4),
    st.integers(2, 50),
    st.integers(1, 5_000),
    st.integers(0, 50),
)
def test_more_equity_is_farther_from_liquidation_and_more_position_nearer(positions, leverage, equity, more):
    coins = [f"C{number}" for number in range(len(positions))]
    highest = dict.fromkeys(coins, leverage)

    def distance(scale: int, usd: int) -> float:
        lines = [line(coin, sz * scale) for coin, sz in zip(coins, positions, strict=True)]
        found = possible_loss(account(*lines, equity_usd=D(usd)), D(1), {}, highest).liquidation_frac
        assert found is not None and found >= 0
        return found

    assert distance(1, equity) <= distance(1, equity + more)
    assert distance(2, equity) <= distance(1, equity)


# ---- what rests, as it is told ---------------------------------------------------------------------------------


def watch(*messages: Any) -> LossWatch:
    loss = LossWatch("shadow")
    for message in messages:
        loss.hear(message)
    return loss


def resting_usd(loss: LossWatch) -> Decimal:
    found = loss.possible(D(50))
    assert found is not None
    return found.resting_usd


def cloid(number: int, mode: str = "shadow") -> str:
    prefix = SHADOW_PREFIX if mode == "shadow" else own_prefix("0x" + "ab" * 20)
    return f"{prefix}{number:024x}"


def test_nothing_is_said_before_the_executor_has():
    assert watch(order(cloid(1))).possible(D(50)) is None


@pytest.mark.parametrize(
    ("told", "usd"),
    [
        ([order(cloid(1)), order(cloid(2), "ask", "101")], 202),
        ([order(cloid(1), status="sent"), order(cloid(2), status="cancelling")], 396),
        ([order(cloid(1), filled_sz=D("0.5"))], D("148.5")),
        ([order(cloid(1)), order(cloid(1), status="filled")], 0),
        ([order(cloid(1)), order(cloid(1), status="canceled"), order(cloid(1))], 0),
        ([order(cloid(1, "live"))], 0),
        ([order(cloid(1)), beat(NOW_MS + 1)], 0),
        ([beat(NOW_MS + 1), order(cloid(1))], 0),
        ([order(cloid(1)), beat(NOW_MS), beat(NOW_MS + 1, "quoter")], 198),
    ],
    ids=[
        "larger side", "what may still fill", "what is left", "filled", "told again", "of the other mode",
        "before a restart", "told after a restart", "same life",
    ],
)  # fmt: skip
def test_what_counts_as_resting(told, usd):
    assert resting_usd(watch(account(line("BTC")), *told)) == usd


@pytest.mark.parametrize(("late_ms", "usd"), [(SETTLED_MS, 198), (SETTLED_MS + 1, 0)])
def test_an_order_whose_end_was_lost_is_over_when_the_executor_shows_none(late_ms, usd):
    empty = account(line("BTC", resting=0), time_ms=NOW_MS + late_ms)
    assert resting_usd(watch(order(cloid(1)), empty)) == usd
    assert resting_usd(watch(order(cloid(1)), msgspec.structs.replace(empty, coins=(line("BTC"),)))) == 198


def test_an_older_status_and_one_of_the_other_mode_change_nothing():
    told = account(line("BTC", "1"))
    older = account(line("BTC", "9"), time_ms=NOW_MS - 1)
    loss = watch(told, older, account(line("BTC", "9"), mode="live")).possible(D(1))
    assert loss is not None and loss.exposure_usd == 100


UPDATES = st.tuples(
    st.integers(1, 4),
    st.sampled_from(("sent", "open", "cancelling", "unknown", "filled", "canceled", "rejected")),
    st.integers(0, 2),
)


@given(st.lists(UPDATES, max_size=12))
def test_what_is_delivered_again_changes_nothing_and_an_end_is_an_end(told):
    updates = [order(cloid(number), status=state, filled_sz=D(filled)) for number, state, filled in told]
    once = resting_usd(watch(account(line("BTC")), *updates))
    assert resting_usd(watch(account(line("BTC")), *updates, *updates)) == once
    ended = {number for number, state, _ in told if state in ("filled", "canceled", "rejected")}
    left = {number: 2 - filled for number, _, filled in told if number not in ended}
    assert once == 99 * sum(left.values())
