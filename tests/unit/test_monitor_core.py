"""The monitor's state: entries count once, reasons are summed up, silence is noticed."""

from decimal import Decimal

import msgspec

from services.monitor.config import MonitorConfig
from services.monitor.core import Monitor, RedisMemory, Show
from shared import messages as m
from shared.service import Started, Tick
from tests.fixtures.make import book, fill, live_status


def monitor(*coins: str, mode: m.Mode = "shadow") -> Monitor:
    core = Monitor(MonitorConfig(shadow_mode=mode == "shadow"))
    metas = tuple(m.CoinMeta(coin=coin, sz_decimals=2, max_leverage=5) for coin in coins or ("BTC",))
    assert list(core.step(0, m.Universe(coins=metas, time_ms=0))) == []
    return core


def beat(service: str = "quoter", time_ms: int = 1_000) -> m.Heartbeat:
    return m.Heartbeat(
        service=service, time_ms=time_ms, started_ms=0, pid=1, handled_total=0, skipped_total=0, lost_total=0,
        rss_mb=1.0,
    )  # fmt: skip


def line(coin: str = "BTC", **changes) -> m.CoinStatus:
    plain = m.CoinStatus(
        coin=coin, position_sz=Decimal(1), mark_px=Decimal(100), realized_usd=Decimal(0),
        unrealized_usd=Decimal(0), fees_usd=Decimal(0), funding_usd=Decimal(0), volume_usd=Decimal(0), fills=0,
        orders_placed=0, orders_canceled=0, orders_rejected=0, resting_bids=1, resting_asks=1,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def status(time_ms: int, *lines: m.CoinStatus, session_start_ms: int = 0) -> m.AccountStatus:
    return m.AccountStatus(
        time_ms=time_ms, mode="shadow", session_start_ms=session_start_ms, day_start_ms=0,
        starting_balance_usd=Decimal(1000), pnl_usd=Decimal(0), day_pnl_usd=Decimal(0), peak_pnl_usd=Decimal(0),
        fees_usd=Decimal(0), funding_usd=Decimal(0), volume_usd=Decimal(0), fills=0, coins=lines,
    )  # fmt: skip


def live(time_ms: int, *lines: m.CoinStatus, **changes) -> m.AccountStatus:
    return msgspec.structs.replace(status(time_ms, *lines), mode="live", live=live_status(**changes))


def event(**changes) -> m.Event:
    return msgspec.structs.replace(m.Event(service="guard", tag="", text="x", time_ms=1), **changes)


def test_events_of_others_are_shown_once_and_its_own_never():
    core = monitor()
    assert list(core.step(0, event())) == [Show(event())]
    assert list(core.step(0, event())) == []
    assert list(core.step(0, event(time_ms=2))) == [Show(event(time_ms=2))]
    assert list(core.step(0, event(service="monitor"))) == []


def test_stall_panics_are_read_from_their_events():
    core = monitor()
    for item in (event(text="🚨 STALL PANIC: cancel_all."),) * 2:
        list(core.step(0, item))
    assert core.stall_panics == 1


def test_a_silent_service_is_named_once_and_so_is_its_return():
    core = monitor()
    core.step(1_000, beat(time_ms=1_000))
    assert list(core.step(11_000, Tick())) == []
    [silent] = core.step(11_001, Tick())
    assert (silent.level, silent.tag, silent.text) == ("warning", "MONITOR", "quoter silent for 10 s")
    assert list(core.step(12_000, Tick())) == []
    core.step(13_000, beat(time_ms=13_000))
    assert [item.text for item in core.step(13_100, Tick())] == ["quoter is back"]


def test_we_do_not_call_ourselves_silent():
    core = monitor()
    core.step(1_000, beat(service="monitor", time_ms=1_000))
    assert list(core.step(60_000, Tick())) == []


def test_an_old_heartbeat_read_again_does_not_make_a_service_older():
    core = monitor()
    core.step(0, beat(time_ms=5_000))
    core.step(0, beat(time_ms=4_000))
    assert core.heartbeats["quoter"].time_ms == 5_000


def test_time_without_a_quote_goes_to_the_reason_that_was_shown():
    core, coin = monitor(), "BTC"
    blocked = line(resting_bids=0, bid_reason=m.Reason.STALE_BOOK)
    core.step(0, status(1_000, blocked))
    core.step(0, status(2_500, line()))
    core.step(0, status(3_500, line()))
    assert dict(core.coins[coin].noquote_s) == {("bid", "stale_book"): 1.5}


def test_silence_of_the_executor_and_repeated_statuses_are_nobodys_time():
    core = monitor()
    blocked = line(resting_bids=0, bid_reason=m.Reason.HALTED)
    core.step(0, status(1_000, blocked))
    core.step(0, status(1_000, blocked))
    core.step(0, status(61_000, blocked))
    assert not core.coins["BTC"].noquote_s


def test_the_time_between_two_sessions_is_nobodys_either():
    core = monitor()
    blocked = line(resting_bids=0, bid_reason=m.Reason.HALTED)
    core.step(0, status(1_000, blocked))
    core.step(0, status(2_000, blocked, session_start_ms=1_500))
    assert not core.coins["BTC"].noquote_s


def test_statuses_restored_from_an_earlier_life_are_not_summed_up_again():
    core = monitor()
    blocked = line(resting_bids=0, bid_reason=m.Reason.HALTED)
    core.restore(0, status(1_000, blocked))
    core.restore(0, status(2_000, blocked))
    assert not core.coins["BTC"].noquote_s
    core.step(0, status(3_000, blocked))
    assert dict(core.coins["BTC"].noquote_s) == {("bid", "halted"): 1.0}


def test_the_quoters_reason_stands_where_the_executor_has_none():
    core = monitor()
    target = m.TargetQuotes(
        coin="BTC", source_ms=0, computed_ms=0, mid_px=1, half_spread_bps=1, shift_bps=0, multiplier=1,
        regime="calm", bid_reason=m.Reason.MAX_INVENTORY,
    )  # fmt: skip
    core.step(0, target)
    core.step(0, status(1_000, line(resting_bids=0, resting_asks=0)))
    coin = core.coins["BTC"]
    assert (coin.blocked("bid"), coin.blocked("ask")) == ("max_inventory", None)


def test_rejections_are_counted_by_known_reasons_once_per_order():
    core = monitor()
    order = m.OrderUpdate(
        coin="BTC", cloid="0x1", side="bid", level=1, px=Decimal(1), sz=Decimal(1), filled_sz=Decimal(0),
        status="rejected", reason="would_cross", time_ms=1,
    )  # fmt: skip
    foreign = msgspec.structs.replace(order, cloid="0x2", reason="Order 0x2 was refused because of 7")
    placed = msgspec.structs.replace(order, cloid="0x3", status="open")
    for item in (order, order, foreign, placed):
        core.step(0, item)
    assert core.coins["BTC"].rejected == {"would_cross": 1, "other": 1}


def test_a_coin_that_leaves_the_universe_is_forgotten_and_the_others_stay():
    core = monitor("BTC", "ETH")
    core.step(0, book("ETH"))
    core.step(0, m.Universe(coins=(m.CoinMeta(coin="ETH", sz_decimals=2, max_leverage=5),), time_ms=1))
    core.step(0, book("BTC"))
    core.step(0, fill("BTC"))
    assert list(core.coins) == ["ETH"] and core.coins["ETH"].book is not None


def test_memory_without_a_limit_is_unknown_not_zero():
    core = monitor()
    core.step(0, RedisMemory(0.4))
    assert core.redis_memory_ratio == 0.4
    core.step(0, RedisMemory(0.0))
    assert core.redis_memory_ratio is None


# ---- live beside its shadow ----


def test_money_and_orders_are_those_of_our_own_mode():
    core = monitor(mode="live")
    list(core.step(1_000, live(1_000, line(position_sz=Decimal(3)))))
    list(core.step(2_000, status(2_000, line(position_sz=Decimal(7)))))
    core.restore(2_000, status(2_500, line(position_sz=Decimal(8))))
    assert core.account is not None and core.account.mode == "live"
    assert core.coins["BTC"].status.position_sz == 3


def test_an_executor_in_the_other_mode_is_named_once():
    core = monitor()
    [said] = core.step(1_000, live(1_000))
    assert (said.level, said.text) == (
        "error", "the executor is in live mode and we are in shadow: its money is not shown here",
    )  # fmt: skip
    assert list(core.step(2_000, live(2_000))) == [] and core.executor_mode == "live"
    assert list(core.step(3_000, status(3_000))) == [] and core.executor_mode == "shadow"


def test_what_an_executor_of_another_session_said_long_ago_tells_no_mode():
    core = monitor(mode="live")
    assert list(core.step(60_000, status(1_000))) == []
    assert core.executor_mode is None


def test_a_watchdog_left_over_from_live_trading_is_not_missed_in_shadow():
    shadow, in_live = monitor(), monitor(mode="live")
    for core in (shadow, in_live):
        core.restore(1_000, beat("watchdog"))
        list(core.step(1_000, beat("watchdog")))
    assert list(shadow.step(60_000, Tick())) == []
    assert [item.text for item in in_live.step(60_000, Tick())] == ["watchdog silent for 59 s"]


def test_the_line_of_the_twin_compares_the_last_ten_minutes():
    core = monitor(mode="live")
    list(core.step(0, Started()))
    mids = {"bid": Decimal("100.02"), "ask": Decimal("99.99")}
    for mode, seq, side in (("live", 1, "bid"), ("shadow", 1, "bid"), ("shadow", 2, "ask"), ("shadow", 2, "ask")):
        made = msgspec.structs.replace(fill(seq=seq, side=side, mode=mode), mid_px=mids[side])
        core.step(1_000, made)
    assert list(core.step(599_999, Tick())) == []
    [said] = core.step(600_000, Tick())
    assert (said.tag, said.text) == (
        "TWIN", "live 1 fills $20 edge +2.0 bps | shadow 2 fills $40 edge +1.5 bps",
    )  # fmt: skip
    [said] = core.step(1_200_000, Tick())
    assert said.text == "live 0 fills $0 | shadow 0 fills $0"
    assert core.twin.tallies["BTC", "shadow"].fills == 2


def test_fills_of_an_earlier_session_are_not_the_twins():
    core = monitor(mode="live")
    list(core.step(10, Started()))
    core.step(10, fill(seq=9, mode="shadow"))
    core.step(10, fill(seq=10, mode="shadow"))
    assert core.twin.tallies["BTC", "shadow"].fills == 1


def test_shadow_mode_has_no_twin():
    core = monitor()
    core.step(0, fill())
    assert list(core.step(10_000_000, Tick())) == [] and not core.twin.tallies


def test_dark_fills_are_counted_once_and_only_on_the_executors_word():
    core = monitor(mode="live")
    dark = event(service="executor", tag="DARK FILL", coin="BTC")
    for item in (dark, dark, event(service="screener", tag="DARK FILL", coin="BTC")):
        list(core.step(0, item))
    assert core.dark_fills == {"BTC": 1}
