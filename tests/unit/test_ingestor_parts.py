"""Universe, backoff, latency and print memory, each on its own."""

from decimal import Decimal

import pytest

from services.ingestor.latency import WINDOW, LatencyAuditor, nearest_rank
from services.ingestor.pace import CONNECTIONS_PER_MINUTE, LONGEST_S, Pace
from services.ingestor.prints import REMEMBERED, Prints
from services.ingestor.universe import choose
from shared.errors import ConfigError
from shared.hyperliquid.wire import AssetMeta, Ctx, WireTrade


def asset(name: str, volume: int, delisted: bool = False) -> tuple[AssetMeta, Ctx]:
    one = Decimal(1)
    ctx = Ctx(funding=one, openInterest=one, prevDayPx=one, dayNtlVlm=Decimal(volume), oraclePx=one, markPx=one)
    return AssetMeta(name, 2, 10, isDelisted=delisted), ctx


ASSETS = (asset("BTC", 100), asset("MATIC", 999, delisted=True), asset("kPEPE", 5), asset("ETH", 300))


def test_top_coins_by_volume_leave_out_what_is_delisted() -> None:
    assert [meta.name for meta, _ in choose(ASSETS, (), 2)] == ["ETH", "BTC"]
    assert [meta.name for meta, _ in choose(ASSETS, (), 30)] == ["ETH", "BTC", "kPEPE"]


def test_named_coins_come_in_their_order_and_once() -> None:
    assert [meta.name for meta, _ in choose(ASSETS, ("kPEPE", "BTC", "kPEPE"), 1)] == ["kPEPE", "BTC"]


def test_an_unknown_coin_is_named_with_its_neighbours() -> None:
    with pytest.raises(ConfigError, match="no coin KPEPE .*did you mean kPEPE"):
        choose(ASSETS, ("KPEPE",), 30)


def test_a_delisted_coin_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="MATIC is delisted"):
        choose(ASSETS, ("BTC", "MATIC"), 30)


def test_more_coins_than_the_venue_has_subscriptions_for() -> None:
    many = tuple(asset(f"C{i}", i) for i in range(201))
    with pytest.raises(ConfigError, match="201 coins"):
        choose(many, tuple(meta.name for meta, _ in many), 30)


def test_backoff_doubles_with_jitter_up_to_its_cap_and_starts_over() -> None:
    pace = Pace()
    delays = [pace.delay_s(1000 + i, 150) for i in range(9)]
    for i, delay_s in enumerate(delays):
        full_s = min(LONGEST_S, 2.0**i)
        assert full_s / 2 <= delay_s <= full_s
    pace.succeeded()
    assert pace.delay_s(2000, 150) <= 1.0


def test_equal_times_give_equal_delays_and_others_give_others() -> None:
    assert Pace().delay_s(5, 150) == Pace().delay_s(5, 150)
    assert len({Pace().delay_s(now_ms, 150) for now_ms in range(20)}) == 20


@pytest.mark.parametrize("messages, allowed", [(5, CONNECTIONS_PER_MINUTE), (150, 12), (1000, 1)])
def test_a_venue_that_drops_us_at_once_sees_no_more_than_its_limits(messages: int, allowed: int) -> None:
    pace, now_ms, opened = Pace(), 0, []
    while now_ms < 600_000:
        pace.opened(now_ms)
        opened.append(now_ms)
        pace.succeeded()
        now_ms += max(1, int(pace.delay_s(now_ms, messages) * 1000))
    for start_ms in opened:
        in_a_minute = [t for t in opened if start_ms <= t < start_ms + 60_000]
        assert len(in_a_minute) <= allowed
        assert len(in_a_minute) * messages <= 2000


def test_percentiles_are_nearest_rank() -> None:
    ordered = [float(i) for i in range(1, 101)]
    assert nearest_rank(ordered, 0.95) == 95.0
    assert nearest_rank(ordered, 0.99) == 99.0
    assert nearest_rank([7.0], 0.95) == 7.0
    assert nearest_rank([], 0.99) == 0.0


def test_the_auditor_keeps_the_last_ten_thousand() -> None:
    auditor = LatencyAuditor()
    auditor.add([1000.0] * 500)
    auditor.add(1.0 for _ in range(WINDOW))
    assert auditor.report() == (1.0, 1.0, WINDOW)


def wire(time_ms: int, tid: int, px: str = "1") -> WireTrade:
    return WireTrade("BTC", "B", Decimal(px), Decimal(1), time_ms, tid)


def tids(prints: Prints, *trades: WireTrade) -> list[int]:
    fresh = prints.fresh(trades, 10_000.0)
    assert isinstance(fresh, tuple)
    return [trade.tid for trade in fresh]


def test_prints_of_one_frame_are_ordered_by_time_and_taken_once() -> None:
    assert tids(Prints(), wire(30, 3), wire(10, 1), wire(10, 9), wire(30, 3)) == [1, 9, 3]


def test_after_a_reconnect_old_prints_are_repeats_and_those_of_the_hole_are_new() -> None:
    prints = Prints()
    assert tids(prints, wire(10, 1), wire(20, 2)) == [1, 2]
    prints.reconnected()
    assert tids(prints, wire(15, 7), wire(20, 2), wire(20, 8), wire(25, 3)) == [8, 3]


def test_the_same_id_at_another_time_is_another_trade() -> None:
    assert tids(Prints(), wire(10, 1), wire(11, 1)) == [1, 1]


def test_the_memory_of_prints_is_bounded() -> None:
    prints = Prints()
    for tid in range(REMEMBERED + 500):
        prints.remember(tid, tid)
    assert not prints.remember(REMEMBERED + 499, REMEMBERED + 499)
    assert not prints.remember(500, 500)
    assert prints.remember(499, 499)
