"""The guard's decisions, message by message."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.guard.config import GuardConfig
from services.guard.core import Guard
from shared.hyperliquid.cloids import own_prefix
from shared.messages import (
    AccountStatus,
    Book,
    CoinMeta,
    Command,
    Event,
    FeedHealth,
    Fill,
    HaltState,
    Level,
    Message,
    OrderUpdate,
    Reason,
    Reconnected,
    RiskLease,
    SidePermit,
    Trade,
    Trades,
    Universe,
)
from shared.service import BusBack, BusLost, Started, Tick
from tests.fixtures.make import live_status, request_budget

T0 = 1_700_000_000_000
COINS = ("BTC", "ETH")
ONE = Decimal(1)


class Bench:
    """A guard and its clock."""

    def __init__(self, *, begun: bool = True, **settings: Any) -> None:
        self.core = Guard(GuardConfig(**settings))
        self.now_ms = T0
        self.leases: dict[str, RiskLease] = {}
        self.events: list[str] = []
        universe = Universe(coins=tuple(CoinMeta(coin, 2, 10) for coin in COINS), time_ms=T0)
        self.give(universe)
        if begun:
            self.give(Started())

    def give(self, msg: Any, after_ms: int = 0) -> list[Message]:
        self.now_ms += after_ms
        outputs = list(self.core.step(self.now_ms, msg))
        for output in outputs:
            if isinstance(output, RiskLease):
                self.leases[output.coin] = output
            elif isinstance(output, Event):
                self.events.append(f"[{output.tag}] {output.text}" if output.tag else output.text)
        return outputs

    def book(self, coin: str = "BTC", after_ms: int = 0, epoch: int = 1, bid: str = "99") -> list[Message]:
        self.now_ms += after_ms
        level, ask = (Level(Decimal(bid), ONE),), (Level(Decimal(101), ONE),)
        book = Book(
            coin=coin, time_ms=self.now_ms, received_ms=float(self.now_ms), epoch=epoch, bids=level, asks=ask
        )
        return self.give(book)

    def trades(self, sides: str, sz: str = "1", first_tid: int = 1, coin: str = "BTC") -> list[Message]:
        prints = tuple(
            Trade(px=ONE, sz=Decimal(sz), side=side, time_ms=self.now_ms, tid=first_tid + i)
            for i, side in enumerate(sides)
        )
        return self.give(Trades(coin=coin, received_ms=float(self.now_ms), epoch=1, trades=prints))

    def account(self, day_pnl: str, day_start_ms: int = T0 - 1000, **changes: Any) -> list[Message]:
        status = AccountStatus(
            time_ms=self.now_ms,
            mode="shadow",
            session_start_ms=T0,
            day_start_ms=day_start_ms,
            starting_balance_usd=Decimal(1000),
            pnl_usd=Decimal(day_pnl),
            day_pnl_usd=Decimal(day_pnl),
            peak_pnl_usd=Decimal(0),
            fees_usd=Decimal(0),
            funding_usd=Decimal(0),
            volume_usd=Decimal(0),
            fills=0,
            coins=(),
        )
        return self.give(msgspec.structs.replace(status, **changes))

    def command(self, action: Any, command_id: str = "c1", after_ms: int = 0) -> list[Message]:
        self.now_ms += after_ms
        return self.give(Command(id=command_id, action=action, who="me", reason="tea", time_ms=self.now_ms))

    def permits(self, coin: str = "BTC") -> tuple[SidePermit, SidePermit]:
        lease = self.leases[coin]
        return lease.bid, lease.ask


def quoting(**settings: Any) -> Bench:
    bench = Bench(**settings)
    for coin in COINS:
        bench.book(coin)
    assert bench.permits() == bench.permits("ETH") == FREE
    return bench


FREE = (SidePermit(), SidePermit())


def nothing(reason: Reason) -> tuple[SidePermit, SidePermit]:
    return SidePermit("none", reason), SidePermit("none", reason)


def of(kind: type[Message], outputs: list[Message]) -> list[Any]:
    return [output for output in outputs if isinstance(output, kind)]


def health(bench: Bench, last_frame_ms: float, **changes: Any) -> FeedHealth:
    message = FeedHealth(
        time_ms=bench.now_ms,
        connected=True,
        epoch=1,
        last_frame_ms=last_frame_ms,
        frames_total=1,
        refused_total=0,
        reconnects_total=0,
        latency_p95_ms=12.5,
        latency_p99_ms=20.0,
        latency_samples=300,
    )
    return msgspec.structs.replace(message, **changes)


# ---- leases ----


def test_without_a_book_a_coin_may_do_nothing() -> None:
    bench = Bench()
    bench.give(Tick())
    assert bench.permits() == nothing(Reason.NO_BOOK)


def test_the_first_book_brings_a_lease_at_once() -> None:
    bench = Bench()
    [lease] = of(RiskLease, bench.book())
    assert (lease.issued_ms, lease.valid_until_ms) == (T0, T0 + 3000)
    assert (lease.bid, lease.ask) == FREE


def test_leases_are_renewed_each_second_and_not_more_often() -> None:
    bench = quoting()
    issued = []
    for _ in range(16):
        for coin in COINS:
            bench.book(coin)
        issued += of(RiskLease, bench.give(Tick(), after_ms=250))
    assert [lease.issued_ms - T0 for lease in issued if lease.coin == "BTC"] == [1000, 2000, 3000, 4000]


def test_a_stale_book_ends_the_lease_of_its_coin_only() -> None:
    bench = quoting()
    bench.book("ETH", after_ms=15_000)
    bench.give(Tick())
    assert bench.permits() == FREE
    bench.give(Tick(), after_ms=1)
    assert bench.permits() == nothing(Reason.STALE_BOOK)
    assert bench.permits("ETH") == FREE
    bench.book()
    assert bench.permits() == FREE


def test_a_crossed_book_ends_the_lease() -> None:
    bench = quoting()
    bench.book(bid="101")
    assert bench.permits() == nothing(Reason.CROSSED_BOOK)


def test_after_a_reconnect_a_book_of_the_new_connection_is_needed() -> None:
    bench = quoting()
    bench.give(Reconnected(epoch=2, time_ms=T0 + 5))
    assert bench.permits() == bench.permits("ETH") == nothing(Reason.RECONNECTING)
    bench.book(epoch=1)
    assert bench.permits() == nothing(Reason.RECONNECTING)
    bench.book(epoch=2)
    assert bench.permits() == FREE and bench.permits("ETH") == nothing(Reason.RECONNECTING)


def test_old_reports_about_the_connection_change_nothing() -> None:
    bench = quoting()
    bench.give(Reconnected(epoch=2, time_ms=T0 + 5))
    bench.book(epoch=2)
    bench.give(Reconnected(epoch=7, time_ms=T0 + 4))
    assert bench.permits() == FREE


def test_connections_that_are_numbered_anew_are_followed() -> None:
    """The bus was wiped: the newest report counts, not the highest number."""
    bench = quoting()
    bench.give(Reconnected(epoch=9, time_ms=T0 + 5))
    bench.give(Reconnected(epoch=1, time_ms=T0 + 6))
    bench.book(epoch=1)
    assert bench.permits() == FREE


def test_the_lease_carries_latency_and_the_activity_of_the_hour() -> None:
    bench = quoting()
    bench.give(health(bench, T0))
    for i, status in enumerate(("canceled", "filled", "canceled", "open")):
        for _ in range(2):
            bench.give(order(f"{i}", status, bench.now_ms))
    bench.give(fill("f1", bench.now_ms))
    bench.give(fill("f1", bench.now_ms))
    bench.give(Tick(), after_ms=1000)
    lease = bench.leases["BTC"]
    assert (lease.latency_p95_ms, lease.latency_samples) == (12.5, 300)
    assert (lease.cancels_1h, lease.fills_1h) == (2, 1)
    assert bench.leases["ETH"].cancels_1h == 0
    bench.give(Tick(), after_ms=3_700_000)
    assert (bench.leases["BTC"].cancels_1h, bench.leases["BTC"].fills_1h) == (0, 0)


def order(name: str, status: Any, time_ms: int, account: str = "") -> OrderUpdate:
    return OrderUpdate(
        coin="BTC", cloid=own_prefix(account) + name, side="bid", level=1, px=ONE, sz=ONE, filled_sz=Decimal(0),
        status=status, time_ms=time_ms,
    )  # fmt: skip


def fill(fill_id: str, time_ms: int, mode: Any = "shadow") -> Fill:
    return Fill(
        coin="BTC", fill_id=fill_id, seq=1, cloid="0x1", mode=mode, side="bid", level=1, px=ONE, sz=ONE,
        fee_usd=ONE, mid_px=ONE, realized_usd=ONE, position_sz=ONE, time_ms=time_ms,
    )  # fmt: skip


# ---- flow ----


def test_sell_dominance_suppresses_the_bids_in_the_words_of_the_log() -> None:
    bench = quoting()
    bench.trades("A" * 60, sz="0.8915")
    bench.give(Tick())
    assert bench.permits() == (SidePermit("none", Reason.OFI_SELL_DOMINANCE), SidePermit())
    bench = quoting()
    bench.trades("B" * 25, sz="0.1085", first_tid=1000)
    outputs = bench.trades("A" * 25, sz="0.8915")
    assert "[OFI] Sell dominance 78.3% > threshold. Bids suppressed for BTC." in bench.events
    [lease] = of(RiskLease, outputs)
    assert lease.ofi == pytest.approx(-0.783)
    assert lease.bid == SidePermit("none", Reason.OFI_SELL_DOMINANCE) and lease.ask == SidePermit()


def test_buy_dominance_suppresses_the_asks_and_recovers_by_itself() -> None:
    bench = quoting()
    bench.trades("B" * 50)
    assert bench.permits() == (SidePermit(), SidePermit("none", Reason.OFI_BUY_DOMINANCE))
    assert bench.permits("ETH") == FREE
    bench.trades("A" * 50, first_tid=100)
    assert bench.permits() == FREE
    assert bench.events == [
        "[OFI] Buy dominance 100.0% > threshold. Asks suppressed for BTC.",
        "[OFI] Buy dominance is over. Asks allowed again for BTC.",
    ]


def test_a_rule_that_a_person_set_to_halt_gives_its_numbers_as_the_reason() -> None:
    bench = quoting(rule_levels={"ofi": "halt"})
    [halt] = of(HaltState, bench.trades("B" * 50))
    assert halt.reason == "BTC taker order flow: 1 of the flow, limit 0.7 (50 trades)"


def test_too_few_trades_show_no_ofi() -> None:
    bench = quoting()
    bench.trades("A" * 49)
    bench.give(Tick(), after_ms=1000)
    assert bench.leases["BTC"].ofi is None and bench.permits() == FREE


def test_a_coin_that_stopped_trading_is_free_after_ten_minutes() -> None:
    bench = quoting()
    bench.trades("A" * 60)
    bench.book(after_ms=600_001)
    bench.give(Tick())
    assert bench.permits() == FREE


def test_a_restarted_guard_still_suppresses() -> None:
    bench = Bench(begun=False)
    prints = tuple(Trade(px=ONE, sz=ONE, side="A", time_ms=T0 - 1000, tid=tid) for tid in range(60))
    bench.core.restore(T0, Trades(coin="BTC", received_ms=T0 - 1000.0, epoch=1, trades=prints))
    bench.give(Started())
    bench.give(Tick())
    bench.book()
    assert bench.permits() == (SidePermit("none", Reason.OFI_SELL_DOMINANCE), SidePermit())


def test_a_restarted_guard_still_knows_the_cancels_of_the_hour() -> None:
    bench = Bench(begun=False)
    bench.core.restore(T0, order("1", "canceled", T0 - 5))
    bench.core.restore(T0, fill("f1", T0 - 5))
    bench.give(Started())
    bench.give(order("1", "canceled", T0 - 5))
    bench.book()
    assert (bench.leases["BTC"].cancels_1h, bench.leases["BTC"].fills_1h) == (1, 1)


# ---- live beside its shadow ----

ACCOUNT = "0x" + "ab" * 20


@pytest.mark.parametrize("ours", ["shadow", "live"])
def test_cancels_and_fills_of_the_other_mode_are_not_counted(ours: Any) -> None:
    """Neither as they happen nor as a restart finds them: a shadow session of before may be an hour's worth."""
    bench = Bench(begun=False, shadow_mode=ours == "shadow")
    said: list[Any] = []
    for number, (mode, account) in enumerate([("shadow", ""), ("live", ACCOUNT)] * 2):
        said += [order(f"{number}", "canceled", T0 - 5, account), fill(f"f{number}", T0 - 5, mode)]
    for msg in said[:4]:
        bench.core.restore(T0, msg)
    bench.give(Started())
    for msg in said:
        bench.give(msg)
    bench.book()
    assert (bench.leases["BTC"].cancels_1h, bench.leases["BTC"].fills_1h) == (2, 2)


def test_the_daily_stop_looks_at_live_money_in_live_and_at_nothing_else() -> None:
    bench = quoting(shadow_mode=False)
    assert bench.account("-500", mode="shadow") == []
    outputs = bench.account("-51.2", mode="live", live=live_status())
    assert of(HaltState, outputs)[0].halted and of(Command, outputs)[0].action == "halt"
    assert bench.permits() == nothing(Reason.HALTED)
    assert quoting().account("-500", mode="live", live=live_status()) == []


def told(bench: Bench, widening: float, after_ms: int = 0, mode: Any = "quoting") -> float:
    """The factor in the leases of the next second."""
    bench.now_ms += after_ms
    budget = request_budget(widening=widening, mode=mode)
    bench.account("0", mode="live", live=live_status(budget=budget))
    bench.give(Tick(), after_ms=1000)
    return bench.leases["BTC"].spread_multiplier


def test_leases_carry_what_the_request_budget_asks_for_in_steps() -> None:
    bench = quoting(shadow_mode=False, rule_levels={"quiet_book": "off"})
    assert bench.leases["BTC"].spread_multiplier == 1.0
    assert [told(bench, widening) for widening in (1.04, 1.05, 1.09, 2.5, 2.46, 1.2, 1.0)] == [
        1.0, 1.05, 1.05, 2.5, 2.5, 1.2, 1.0,
    ]  # fmt: skip
    assert bench.leases["ETH"].spread_multiplier == 1.0
    assert [line for line in bench.events if "BUDGET" in line][:2] == [
        "[BUDGET] Spreads 1.00x → 1.05x: 10,000 requests left, 100% of a full budget.",
        "[BUDGET] Spreads 1.05x → 2.50x: 10,000 requests left, 100% of a full budget.",
    ]


def test_an_executor_that_does_not_know_its_budget_yet_changes_nothing() -> None:
    bench = quoting(shadow_mode=False, rule_levels={"quiet_book": "off"})
    assert told(bench, 4.0, mode="unknown") == 1.0
    assert told(bench, 2.0) == 2.0
    assert told(bench, 4.0, mode="unknown") == 2.0


def test_the_last_word_on_the_budget_counts_for_a_minute() -> None:
    bench = quoting(shadow_mode=False, rule_levels={"quiet_book": "off"})
    assert told(bench, 2.0) == 2.0
    bench.give(Tick(), after_ms=59_000)
    assert bench.leases["BTC"].spread_multiplier == 2.0
    bench.give(Tick(), after_ms=1_000)
    assert bench.leases["BTC"].spread_multiplier == 1.0


def test_a_restarted_guard_widens_from_its_first_lease_on() -> None:
    before = quoting(shadow_mode=False)
    status = msgspec.structs.replace(
        AccountStatus(
            time_ms=T0, mode="live", session_start_ms=T0, day_start_ms=T0, starting_balance_usd=Decimal(1000),
            pnl_usd=ONE, day_pnl_usd=ONE, peak_pnl_usd=ONE, fees_usd=ONE, funding_usd=ONE, volume_usd=ONE, fills=0,
            coins=(),
        ),
        live=live_status(budget=request_budget(widening=3.0)),
    )  # fmt: skip
    before.give(status)
    after = Bench(begun=False, shadow_mode=False)
    after.core.restore(T0, status)
    after.give(Started())
    after.book(after_ms=500)
    assert after.leases["BTC"].spread_multiplier == 3.0


# ---- stall ----


def test_stall_panic_cancels_everything_and_ends_every_lease_at_once() -> None:
    bench = quoting(guard_stale_book_s=100)
    outputs = bench.give(Tick(), after_ms=30_001)
    [command] = of(Command, outputs)
    assert command.action == "cancel_all" and command.who == "guard"
    assert "🚨 STALL PANIC: cancel_all." in bench.events
    assert bench.permits() == bench.permits("ETH") == nothing(Reason.STALL)
    assert of(Command, bench.give(Tick(), after_ms=60_000)) == []


def test_after_a_stall_each_coin_waits_for_a_fresh_book() -> None:
    bench = quoting(guard_stale_book_s=100)
    bench.give(Tick(), after_ms=30_001)
    bench.book(after_ms=500)
    assert bench.events[-1] == "[STALL] WS back. Reconciling."
    assert bench.permits() == FREE
    assert bench.permits("ETH") == nothing(Reason.STALE_BOOK)
    bench.book("ETH")
    assert bench.permits("ETH") == FREE


def test_frames_that_the_ingestor_reports_end_a_stall_too() -> None:
    bench = quoting()
    bench.give(Tick(), after_ms=30_001)
    bench.give(health(bench, T0))
    assert bench.permits() == nothing(Reason.STALL)
    bench.now_ms += 10
    bench.give(health(bench, float(bench.now_ms)))
    assert bench.permits() == nothing(Reason.STALE_BOOK)


def test_an_ingestor_that_reports_an_old_frame_again_and_again_is_blind() -> None:
    bench = quoting()
    for _ in range(31):
        bench.now_ms += 1000
        bench.give(health(bench, T0))
        bench.give(Tick())
    assert "🚨 STALL PANIC: cancel_all." in bench.events


def test_silence_before_the_start_and_without_redis_is_not_a_stall() -> None:
    bench = Bench(begun=False)
    bench.now_ms += 100_000
    bench.give(Started())
    assert of(Command, bench.give(Tick())) == []
    for _ in range(100):
        assert bench.give(BusLost(), after_ms=1000) == []
    bench.give(BusBack())
    assert of(Command, bench.give(Tick(), after_ms=30_000)) == []
    assert len(of(Command, bench.give(Tick(), after_ms=1))) == 1


# ---- daily stop, halt, resume ----


def test_the_daily_stop_halts_latches_and_says_so() -> None:
    bench = quoting()
    outputs = bench.account("-51.2")
    state, command = of(HaltState, outputs)[0], of(Command, outputs)[0]
    assert state.halted and state.who == "guard" and state.since_ms == T0 and "5.12%" in state.reason
    assert command.action == "halt"
    assert bench.events == ["🛑 [GLOBAL STOP] Daily drawdown 5.12% >= cap 5.00%. Halting all quoting."]
    assert bench.permits() == bench.permits("ETH") == nothing(Reason.HALTED)
    assert bench.give(command) == []
    assert bench.account("500") == []
    bench.give(Tick(), after_ms=1000)
    assert bench.permits() == nothing(Reason.HALTED)


def test_a_loss_of_exactly_the_cap_goes_on() -> None:
    bench = quoting()
    assert bench.account("-50") == []


def test_a_status_of_long_ago_does_not_halt_today() -> None:
    bench = quoting()
    assert bench.account("-90", time_ms=T0 - 60_001) == []


def test_resume_gives_leases_back_and_a_new_daily_budget() -> None:
    bench = quoting()
    bench.account("-51.2")
    outputs = bench.command("resume", after_ms=5000)
    assert of(HaltState, outputs) == [HaltState(halted=False)]
    assert bench.permits() == FREE
    assert bench.account("-51.2") == []
    assert bench.account("-1", day_start_ms=bench.now_ms) == []
    assert of(HaltState, bench.account("-50.5", day_start_ms=bench.now_ms))[0].halted


def test_a_budget_that_is_never_renewed_does_not_disarm_the_stop() -> None:
    bench = quoting()
    bench.account("-51.2")
    bench.command("resume")
    bench.now_ms += 60_000
    assert of(HaltState, bench.account("-51.2"))[0].halted


def test_a_resume_that_ends_no_halt_forgives_no_loss() -> None:
    """It ends reduce-only: the daily stop must not sleep for it, not even until the executor has answered."""
    bench = quoting()
    bench.command("resume")
    assert of(HaltState, bench.account("-51.2"))[0].halted


def test_a_halt_goes_on_issuing_leases_that_permit_nothing() -> None:
    """A lease tells that the guard lives; positions are flattened while halted only if it does."""
    bench = quoting()
    bench.command("halt")
    for action in ("reduce_only", "flatten"):
        bench.command(action, action)
    for _ in range(10):
        bench.leases.clear()
        bench.give(Tick(), after_ms=1000)
        assert {coin: bench.permits(coin) for coin in COINS} == {coin: nothing(Reason.HALTED) for coin in COINS}
        assert all(lease.valid_until_ms == bench.now_ms + 3000 for lease in bench.leases.values())


def test_a_restarted_guard_remembers_the_last_resume() -> None:
    bench = Bench(begun=False)
    bench.core.restore(T0, Command(id="r", action="resume", who="me", reason="", time_ms=T0 - 10))
    bench.give(Started())
    assert of(HaltState, bench.account("-51.2")) == []


def test_the_operators_halt_and_its_repeat() -> None:
    bench = quoting()
    outputs = bench.command("halt")
    assert of(HaltState, outputs) == [HaltState(halted=True, reason="tea", who="me", since_ms=T0)]
    assert bench.permits() == nothing(Reason.HALTED)
    assert bench.command("halt") == []
    bench.command("resume", "c2", after_ms=100)
    assert bench.command("halt") == [], "the first halt delivered again must not undo the resume"
    assert bench.permits() == FREE


def test_a_second_halt_keeps_the_first_reason() -> None:
    bench = quoting()
    bench.account("-51.2")
    assert of(HaltState, bench.command("halt")) == []
    assert "drawdown" in bench.core._halt.state.reason


def test_a_resume_delivered_again_does_not_clear_a_later_halt() -> None:
    bench = quoting()
    resume = Command(id="r", action="resume", who="me", reason="", time_ms=T0 - 1)
    bench.give(HaltState(halted=True, reason="daily drawdown", who="guard", since_ms=T0))
    assert of(HaltState, bench.give(resume)) == []
    assert bench.permits() == nothing(Reason.HALTED)


def test_a_restarted_guard_that_is_told_an_old_halt_again_does_not_halt() -> None:
    bench = quoting()
    bench.core.restore(T0, Command(id="r", action="resume", who="me", reason="", time_ms=T0 - 10))
    old = Command(id="h", action="halt", who="me", reason="", time_ms=T0 - 20)
    assert of(HaltState, bench.give(old)) == []
    new = msgspec.structs.replace(old, id="h2", time_ms=T0 - 5)
    assert of(HaltState, bench.give(new)) != []


def test_a_restart_while_halted_stays_halted() -> None:
    bench = Bench(begun=False)
    bench.give(HaltState(halted=True, reason="broken promise", who="executor", since_ms=T0 - 1))
    bench.give(Started())
    bench.book()
    bench.give(Tick())
    assert bench.permits() == nothing(Reason.HALTED)
    assert bench.events == ["[HALT] Halted by executor: broken promise"]


def test_only_resume_clears_a_halt() -> None:
    bench = quoting()
    bench.command("halt")
    outputs = bench.give(HaltState(halted=False), after_ms=1001)
    assert of(HaltState, outputs)[0].halted
    assert bench.permits() == nothing(Reason.HALTED)


def test_a_reading_of_the_key_from_before_our_change_is_not_believed() -> None:
    bench = quoting()
    bench.command("halt")
    assert bench.give(HaltState(halted=False), after_ms=200) == []
    halted = bench.core._halt.state
    bench.command("resume", "c2", after_ms=5000)
    assert bench.give(halted, after_ms=200) == []
    assert bench.permits() == FREE
    bench.give(halted, after_ms=1000)
    assert bench.permits() == nothing(Reason.HALTED)


def test_cancel_all_is_the_executors_business() -> None:
    assert quoting().command("cancel_all") == []


def test_halted_stands_before_every_other_reason() -> None:
    bench = quoting()
    bench.command("halt")
    bench.give(Tick(), after_ms=31_000)
    assert bench.permits() == nothing(Reason.HALTED)


# ---- a clock set back ----


def test_what_was_said_before_the_clock_was_set_back_does_not_hide_a_silence():
    """A new guard finds books and a last frame of the hour to come, and then nothing arrives any more."""
    hour_ms = 3_600_000
    bench = Bench(begun=False)
    level = (Level(ONE, ONE),), (Level(Decimal(2), ONE),)
    ahead = Book(coin="BTC", time_ms=T0, received_ms=float(T0 + hour_ms), epoch=1, bids=level[0], asks=level[1])
    health = FeedHealth(
        time_ms=T0 + hour_ms, connected=True, epoch=1, last_frame_ms=float(T0 + hour_ms), frames_total=1,
        refused_total=0, reconnects_total=0, latency_p95_ms=1.0, latency_p99_ms=1.0, latency_samples=1,
    )  # fmt: skip
    for msg in (ahead, health):
        bench.core.restore(T0, msg)
    bench.give(Started())
    bench.give(ahead)
    bench.give(Tick(), after_ms=30_000)
    assert bench.permits()[0].reason is Reason.NO_BOOK
    bench.give(Tick(), after_ms=1)
    assert bench.permits()[0].reason is Reason.STALL
