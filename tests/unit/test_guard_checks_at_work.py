"""The checks of everything inside the guard: what follows for leases, halt and report, and how it ends."""

from decimal import Decimal
from typing import Any

import pytest

from services.guard.checks.machine import MachineHealth
from services.guard.config import GuardConfig
from services.guard.core import Guard
from shared.messages import (
    AccountStatus,
    CoinMeta,
    Command,
    FeedHealth,
    HaltState,
    Heartbeat,
    Mode,
    Reason,
    RiskLease,
    RiskReport,
    RuleStatus,
    SidePermit,
    Universe,
    WatchdogStatus,
)
from shared.service import Started, Tick
from tests.fixtures.make import account_status, book, coin_status, live_status

T0 = 1_790_000_000_000
D = Decimal
FREE = SidePermit(), SidePermit()


class Watched:
    """A guard that is told every 250 ms that all is well, but for what a test says."""

    def __init__(self, **settings: Any) -> None:
        self.core = Guard(GuardConfig(**settings))
        self.mode = self.core._config.mode
        self.now_ms = T0
        self.said: list[Any] = []
        self.account: dict[str, Any] = {"day_start_ms": T0 - 1}
        self.machine = MachineHealth(100_000.0, 0.5, 0.1)
        self.late_ms = 50
        self.give(Universe(coins=(CoinMeta("BTC", 2, 10),), time_ms=T0))
        self.give(Started())
        self.wait(8)

    def give(self, msg: Any) -> None:
        self.said += self.core.step(self.now_ms, msg)

    def status(self) -> AccountStatus:
        live = {"live": live_status()} if self.mode == "live" else {}
        return account_status(self.now_ms, mode=self.mode, **live | self.account)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.now_ms += 250
            self.give(_arrived(self.now_ms, self.late_ms))
            if self.now_ms % 1_000 == 0:
                self.give(self.status())
                self.give(self.machine)
                self.give(_healthy(self.now_ms))
            self.give(Tick())

    def resume(self) -> None:
        self.give(Command(id=f"r{self.now_ms}", action="resume", who="me", reason="seen", time_ms=self.now_ms))

    @property
    def permits(self) -> tuple[SidePermit, SidePermit]:
        lease = [said for said in self.said if isinstance(said, RiskLease)][-1]
        return lease.bid, lease.ask

    @property
    def halts(self) -> list[str]:
        return [said.reason for said in self.said if isinstance(said, HaltState) and said.halted]

    def rule(self, name: str) -> RuleStatus:
        report = [said for said in self.said if isinstance(said, RiskReport)][-1]
        return next(status for status in report.rules if status.rule == name)


def _arrived(now_ms: int, late_ms: int) -> Any:
    made = book(time_ms=now_ms - late_ms)
    return type(made)(
        coin="BTC", time_ms=made.time_ms, received_ms=float(now_ms), epoch=1, bids=made.bids, asks=made.asks
    )


def _healthy(now_ms: int) -> FeedHealth:
    return FeedHealth(
        time_ms=now_ms, connected=True, epoch=1, last_frame_ms=float(now_ms), frames_total=1, refused_total=0,
        reconnects_total=0, latency_p95_ms=1.0, latency_p99_ms=1.0, latency_samples=1,
    )  # fmt: skip


def test_where_all_is_well_everything_is_quoted_and_every_rule_is_reported():
    watched = Watched()
    assert watched.permits == FREE and not watched.halts
    for name in ("daily_loss_usd", "position_value", "clock_skew", "disk", "redis_memory"):
        rule = watched.rule(name)
        assert rule.value is not None and not rule.fired, rule
    for name in ("rate_limit_errors", "venue_errors", "ledger_mismatch", "foreign_orders", "watchdog_lost"):
        assert watched.rule(name).value is None


@pytest.mark.parametrize(
    ("levels", "left_usd"),
    [({}, 30), ({"daily_loss": "off"}, 480), ({"daily_loss": "widen", "daily_loss_usd": "pull"}, 480),
     ({"daily_loss": "off", "daily_loss_usd": "reduce"}, None)],
)  # fmt: skip
def test_what_may_be_lost_today_counts_only_the_stops_that_end_quoting(levels, left_usd):
    watched = Watched(rule_levels=levels)
    watched.account |= {"day_pnl_usd": D(-20), "starting_balance_usd": D(1_000)}
    watched.wait(2)
    report = [said for said in watched.said if isinstance(said, RiskReport)][-1]
    assert report.loss is not None and report.loss.day_left_usd == left_usd


HALTING = {
    "daily_loss_usd": {"day_pnl_usd": D(-501), "starting_balance_usd": D(1_000_000)},
    "drawdown": {"drawdown_peak_usd": D(300), "pnl_usd": D(200)},
    "rate_limit_errors": {"live": live_status(errors={"throttled": 10})},
    "ledger_mismatch": {"live": live_status(untied={"BTC": "position 1 by our fills, 2 at the venue"})},
}


@pytest.mark.parametrize("name", HALTING)
def test_a_stop_halts_until_a_person_resumes_and_not_again_for_the_same(name):
    watched = Watched(shadow_mode="live" not in HALTING[name], rule_levels={"watchdog_lost": "off"})
    watched.account |= HALTING[name]
    watched.wait(125)
    assert len(watched.halts) == 1 and watched.rule(name).fired
    assert watched.permits == (SidePermit("none", Reason.HALTED),) * 2
    watched.resume()
    watched.wait(2)
    assert len(watched.halts) == 1
    rebased = {"day_pnl_usd": D(0), "drawdown_peak_usd": D(0), "drawdown_base_usd": D(200)}
    watched.account |= {"day_start_ms": watched.now_ms} | rebased
    watched.wait(100)
    assert len(watched.halts) == 1 and not watched.rule(name).fired
    assert watched.permits == FREE


@pytest.mark.parametrize(
    "account, reason, allow",
    [
        ({"coins": (coin_status("BTC", "101", "100"),)}, Reason.POSITION_VALUE, "reduce"),
        ({"live": live_status(errors={"unknown": 5})}, Reason.VENUE_ERRORS, "none"),
        ({"live": live_status(phase="refused", refused=("ETH buy 1 @ 2",))}, Reason.FOREIGN_ORDERS, "none"),
    ],
)
def test_what_needs_no_halt_ends_by_itself(account, reason, allow):
    watched = Watched(shadow_mode="live" not in account, rule_levels={"watchdog_lost": "off", "inventory": "off"})
    before = watched.account
    watched.account = before | account
    watched.wait(3)
    assert watched.permits == (SidePermit(allow, reason),) * 2 and not watched.halts
    watched.account = before
    watched.wait(65)
    assert watched.permits == FREE


def test_a_machine_that_is_full_takes_positions_down_and_nothing_more():
    watched = Watched()
    watched.machine = MachineHealth(499.0, 0.2, 0.1)
    watched.wait(2)
    assert watched.permits == (SidePermit("reduce", Reason.DISK_FULL),) * 2
    watched.machine = MachineHealth(5_000.0, 0.5, 0.95)
    watched.wait(2)
    assert watched.permits == (SidePermit("reduce", Reason.REDIS_MEMORY),) * 2
    watched.machine = MachineHealth(5_000.0, 0.5, 0.5)
    watched.wait(2)
    assert watched.permits == FREE


def test_a_clock_that_is_off_pulls_and_comes_back():
    watched = Watched()
    watched.late_ms = 2_500
    watched.wait(15)
    assert watched.permits == (SidePermit("none", Reason.CLOCK_SKEW),) * 2
    watched.late_ms = 50
    watched.wait(25)
    assert watched.permits == FREE


def test_live_without_a_watchdog_is_not_quoted_after_the_start():
    watched = Watched(shadow_mode=False)
    watched.wait(20)
    assert watched.permits == FREE
    watched.wait(12)
    assert watched.permits == (SidePermit("none", Reason.WATCHDOG_LOST),) * 2


def test_a_watchdog_s_word_of_before_the_clock_was_set_back_keeps_nothing_alive():
    watched = Watched(shadow_mode=False)
    ahead_ms = watched.now_ms + 3_600_000
    watched.give(WatchdogStatus(time_ms=ahead_ms, able_ms=ahead_ms))
    watched.wait(32)
    assert watched.permits == (SidePermit("none", Reason.WATCHDOG_LOST),) * 2


def test_beside_a_watchdog_whose_key_was_revoked_nothing_is_quoted_until_it_has_another():
    watched = Watched(shadow_mode=False)
    watched.give(WatchdogStatus(time_ms=watched.now_ms, able_ms=watched.now_ms))
    watched.wait(5)
    assert watched.permits == FREE
    fault = "its key is an agent of no account"
    watched.give(WatchdogStatus(time_ms=watched.now_ms, able_ms=watched.now_ms - 11_000, fault=fault))
    watched.wait(1)
    assert watched.permits == (SidePermit("none", Reason.WATCHDOG_LOST),) * 2
    assert watched.rule("watchdog_lost").detail == fault
    watched.give(WatchdogStatus(time_ms=watched.now_ms, able_ms=watched.now_ms))
    watched.wait(1)
    assert watched.permits == FREE


def beat(watched: Watched, service: str, run_id: str, mode: Mode) -> Heartbeat:
    return Heartbeat(
        service=service, time_ms=watched.now_ms, started_ms=T0, pid=1, handled_total=0, skipped_total=0,
        lost_total=0, rss_mb=1.0, run_id=run_id, mode=mode,
    )  # fmt: skip


@pytest.mark.parametrize("service", ["screener", "quoter", "executor"])
def test_live_beside_a_service_that_nobody_has_confirmed_nothing_is_quoted(service):
    """As `docker compose up -d quoter` makes one, while the others trade on."""
    watched = Watched(shadow_mode=False, run_id="confirmed", rule_levels={"watchdog_lost": "off"})
    watched.give(beat(watched, service, "confirmed", "live"))
    watched.wait(1)
    assert watched.permits == FREE and watched.rule("other_start").value == 0
    watched.give(beat(watched, service, "", "shadow"))
    watched.wait(1)
    assert watched.permits == (SidePermit("none", Reason.OTHER_START),) * 2
    assert watched.rule("other_start").detail == service
    watched.give(beat(watched, service, "confirmed", "live"))
    watched.wait(1)
    assert watched.permits == FREE


def test_a_guard_in_shadow_permits_a_live_executor_nothing():
    """It would not hear of one of its fills."""
    watched = Watched()
    watched.give(beat(watched, "executor", "", "shadow"))
    watched.give(beat(watched, "quoter", "another", "shadow"))
    watched.wait(1)
    assert watched.permits == FREE, "in shadow it does no harm"
    watched.give(beat(watched, "executor", "confirmed", "live"))
    watched.wait(1)
    assert watched.permits == (SidePermit("none", Reason.OTHER_START),) * 2
    watched.wait(10)
    assert watched.permits == FREE, "it has gone"


def test_a_level_that_a_person_chose_counts():
    watched = Watched(rule_levels={"disk": "off", "redis_memory": "pull"})
    watched.machine = MachineHealth(0.0, 0.0, 0.95)
    watched.wait(2)
    assert watched.permits == (SidePermit("none", Reason.REDIS_MEMORY),) * 2
