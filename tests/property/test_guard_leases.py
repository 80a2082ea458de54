"""For every course of events: leases are short, a halt stops everything, the flow is what it says."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.guard.checks.ofi import OfiWindow
from services.guard.config import GuardConfig
from services.guard.core import Guard
from shared.messages import (
    AccountStatus,
    Book,
    CoinMeta,
    Command,
    FeedHealth,
    HaltState,
    Level,
    Reconnected,
    RiskLease,
    Trade,
    Trades,
    Universe,
)
from shared.service import BusBack, BusLost, Started, Tick

T0 = 1_700_000_000_000
ONE = Decimal(1)
COINS = ("BTC", "ETH", "SOL")

coins = st.sampled_from(COINS)
lags = st.integers(0, 40_000)
epochs = st.integers(1, 3)


def _book(now_ms: int, coin: str, lag_ms: int, epoch: int, bid: int) -> Book:
    bids, asks = (Level(Decimal(bid), ONE),), (Level(Decimal(100), ONE),)
    return Book(coin=coin, time_ms=now_ms, received_ms=float(now_ms - lag_ms), epoch=epoch, bids=bids, asks=asks)


def _trades(now_ms: int, coin: str, side: Any, count: int) -> Trades:
    prints = tuple(Trade(px=ONE, sz=ONE, side=side, time_ms=now_ms, tid=i) for i in range(count))
    return Trades(coin=coin, received_ms=float(now_ms), epoch=1, trades=prints)


def _status(now_ms: int, pnl: int) -> AccountStatus:
    zero = Decimal(0)
    return AccountStatus(
        time_ms=now_ms, mode="shadow", session_start_ms=T0, day_start_ms=T0, starting_balance_usd=Decimal(1000),
        pnl_usd=Decimal(pnl), day_pnl_usd=Decimal(pnl), peak_pnl_usd=zero, fees_usd=zero, funding_usd=zero,
        volume_usd=zero, fills=0, coins=(),
    )  # fmt: skip


def _health(now_ms: int, lag_ms: int, epoch: int) -> FeedHealth:
    return FeedHealth(
        time_ms=now_ms, connected=True, epoch=epoch, last_frame_ms=float(now_ms - lag_ms), frames_total=0,
        refused_total=0, reconnects_total=0, latency_p95_ms=1.0, latency_p99_ms=1.0, latency_samples=1,
    )  # fmt: skip


def _command(now_ms: int, action: Any) -> Command:
    return Command(id=f"{action}-{now_ms}", action=action, who="me", reason="", time_ms=now_ms)


happenings = st.one_of(
    st.builds(lambda c, g, e, b: lambda now: _book(now, c, g, e, b), coins, lags, epochs, st.integers(98, 101)),
    st.builds(lambda c: lambda now: _book(now, c, 0, 3, 99), coins),
    st.builds(lambda c, s, n: lambda now: _trades(now, c, s, n), coins, st.sampled_from("AB"), st.integers(1, 80)),
    st.builds(lambda pnl: lambda now: _status(now, pnl), st.integers(-100, 100)),
    st.builds(lambda lag, e: lambda now: _health(now, lag, e), lags, epochs),
    st.builds(lambda e: lambda now: Reconnected(epoch=e, time_ms=now), epochs),
    st.builds(lambda a: lambda now: _command(now, a), st.sampled_from(["halt", "resume", "cancel_all"])),
    st.builds(lambda h: lambda now: HaltState(halted=h, reason="x", who="y", since_ms=now), st.booleans()),
    st.sampled_from([lambda now: Tick(), lambda now: Tick(), lambda now: BusLost(), lambda now: BusBack()]),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 12_000), happenings), max_size=60))
def test_leases_are_short_and_a_halt_stops_everything(course: list[tuple[int, Any]]) -> None:
    guard, now_ms = Guard(GuardConfig()), T0
    universe = Universe(coins=tuple(CoinMeta(coin, 2, 10) for coin in COINS), time_ms=T0)
    newest: dict[str, Book] = {}
    last: dict[str, RiskLease] = {}
    for pause_ms, make in [(0, lambda now: universe), (0, lambda now: Started()), *course]:
        now_ms += pause_ms
        msg = make(now_ms)
        outputs = list(guard.step(now_ms, msg))
        if isinstance(msg, Book):
            newest[msg.coin] = msg
        halted = guard._halt.state.halted
        for output in outputs:
            if not isinstance(output, RiskLease):
                continue
            last[output.coin] = output
            assert output.issued_ms == now_ms
            assert output.valid_until_ms - now_ms <= 3000
            for side in (output.bid, output.ask):
                assert (side.allow == "quote") == (side.reason is None)
                if side.allow == "quote":
                    book = newest[output.coin]
                    assert not halted and not guard._stall_watch.reading.fired
                    assert now_ms - book.received_ms <= 15_000
                    assert book.bids[0].px < book.asks[0].px
        if isinstance(msg, Tick) or (halted and not isinstance(msg, (BusLost, BusBack, Started, Universe))):
            for lease in last.values():
                if halted and now_ms <= lease.valid_until_ms:
                    assert lease.bid.allow == lease.ask.allow == "none"
        if isinstance(msg, Tick):
            assert all(now_ms - last[coin].issued_ms < 1000 for coin in COINS)


sides = st.sampled_from(["A", "B"])
sizes = st.integers(1, 10_000).map(lambda lots: Decimal(lots) / 1000)
flows = st.lists(st.tuples(sides, sizes, st.integers(0, 5_000)), max_size=300)


@given(flows, st.integers(1, 60), st.integers(0, 700_000), st.data())
def test_the_window_equals_a_plain_recomputation(
    flow: list[tuple[Any, Decimal, int]], size: int, later_ms: int, data: st.DataObject
) -> None:
    window, time_ms = OfiWindow(size, max_age_ms=600_000), T0
    trades = []
    for tid, (side, sz, pause_ms) in enumerate(flow):
        time_ms += pause_ms
        trades.append(Trade(px=ONE, sz=sz, side=side, time_ms=time_ms, tid=tid))
        window.add(trades[-1], time_ms)
        window.add(trades[data.draw(st.integers(max(0, tid - 100), tid))], time_ms)
    now_ms = time_ms + later_ms
    kept = [trade for trade in trades[-size:] if trade.time_ms >= now_ms - 600_000]
    bought = float(sum(trade.sz for trade in kept if trade.side == "B"))
    sold = float(sum(trade.sz for trade in kept if trade.side == "A"))
    reading = window.flow(now_ms)
    assert reading.trades == len(kept)
    assert reading.ofi == pytest.approx((bought - sold) / (bought + sold) if kept else 0.0, abs=1e-9)
    assert reading.buy_share_frac == pytest.approx(bought / (bought + sold) if kept else 0.5, abs=1e-9)


def test_the_sums_do_not_drift_over_a_long_day() -> None:
    window = OfiWindow(200, max_age_ms=1e12)
    trades = [
        Trade(px=ONE, sz=Decimal(1 + i * 7919 % 9973) / 1000, side="AB"[i * 31 % 7 % 2], time_ms=i, tid=i)
        for i in range(25_000)
    ]
    for trade in trades:
        window.add(trade, trade.time_ms)
    bought = float(sum(trade.sz for trade in trades[-200:] if trade.side == "B"))
    sold = float(sum(trade.sz for trade in trades[-200:] if trade.side == "A"))
    assert window.flow(25_000).ofi == pytest.approx((bought - sold) / (bought + sold), abs=1e-9)
