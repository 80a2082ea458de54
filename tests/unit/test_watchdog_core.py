"""When the watchdog acts, on what, and when it does not; the clock is ours."""

import inspect
from types import ModuleType
from typing import Any

import pytest

from services.watchdog import client, core, door, switch
from services.watchdog.config import WatchdogConfig
from services.watchdog.core import Watchdog
from services.watchdog.exposition import WatchdogCollector
from services.watchdog.service import SERVICE
from services.watchdog.wiring import (
    Answer,
    Cancelled,
    CancelOrders,
    CheckKey,
    GiveUp,
    LoadAssets,
    Look,
    Schedule,
    Unanswered,
)
from shared.errors import ConfigError
from shared.hyperliquid import actions
from shared.hyperliquid.account import RoleData, UserRole
from shared.hyperliquid.limits import URGENT_FRAC, WINDOW_S, weight_of_action, weight_of_info
from shared.hyperliquid.replies import Answered, Reason, Refused, Throttled, Unknown
from shared.service import Started, Stopping
from tests.fixtures.watchdog_bench import ACCOUNT, GONE, START_MS, Bench, order, status


def test_a_living_executor_is_left_alone_however_much_rests() -> None:
    bench = Bench()
    bench.resting = [order(number) for number in range(180)]
    bench.run(600)
    assert not bench.cancelled() and not bench.commands()
    assert len(bench.sent(Look)) == pytest.approx(600 / 15, abs=2)


def test_silence_while_orders_rest_cancels_all_of_them_within_ten_seconds() -> None:
    bench = Bench()
    bench.run(20)
    bench.resting = [order(number, "ETH" if number % 2 else "BTC") for number in range(250)]
    bench.alive, dead_ms = False, bench.now_ms
    bench.run(10)
    assert not bench.resting
    assert len(bench.cancelled()) == len(set(bench.cancelled())) == 250
    assert max(len(request.cancels) for effect in bench.sent(CancelOrders) for request in effect.requests) <= 200
    assert bench.asked[-1][0] - dead_ms <= 10_000
    assert bench.said("🛑 [WATCHDOG] No live executor for 4 s, and 250 orders rest") == 1
    assert [command.action for command in bench.commands()] == ["cancel_all"]
    assert bench.said("All cancelled") == 1


def test_redis_away_is_silence_and_the_line_says_so() -> None:
    bench = Bench()
    bench.run(20)
    bench.resting, bench.bus = [order(1)], False
    bench.run(8)
    assert not bench.resting
    assert bench.said("Redis does not answer, and 1 orders rest") == 1


def test_an_executor_in_shadow_mode_speaks_for_no_order_at_the_venue() -> None:
    bench = Bench()
    bench.mode, bench.resting = "shadow", [order(1)]
    bench.run(8)
    assert not bench.resting


def test_an_executor_that_talks_and_cannot_cancel_is_as_good_as_silent() -> None:
    """Its key was revoked or has expired: its orders would rest for as long as it goes on talking."""
    bench = Bench()
    bench.run(20)
    bench.resting = [order(1), order(2, "ETH")]
    since_ms = bench.leaving_since_ms = bench.now_ms
    bench.run(10)
    assert not bench.resting and bench.asked[-1][0] - since_ms <= 10_000
    assert bench.said("The executor has not got an order away for") == 2
    bench.leaving_since_ms = 0
    bench.run(3)
    assert bench.said("The executor is back.") == 1
    bench.resting = [order(3)]
    bench.run(30)
    assert len(bench.resting) == 1


def test_cancels_that_take_a_moment_are_nothing_to_it() -> None:
    bench = Bench()
    bench.resting = [order(1)]
    for _ in range(20):
        bench.leaving_since_ms = bench.now_ms
        bench.run(3.5)
        bench.leaving_since_ms = 0
        bench.run(1)
    assert bench.resting and not bench.commands()


def test_an_executor_that_never_spoke_gets_the_same_time_from_our_start() -> None:
    bench = Bench()
    bench.alive, bench.resting = False, [order(1)]
    bench.run(3.5)
    assert not bench.cancelled()
    bench.run(2.5)
    assert not bench.resting


def test_orders_of_others_are_told_of_once_and_left_alone() -> None:
    bench = Bench()
    bench.resting = [order(1), order(2, own=False), order(3, "ETH", own=False)]
    bench.run(20)
    bench.alive = False
    bench.run(60)
    assert [rest.oid for rest in bench.resting] == [2, 3]
    assert bench.said("2 orders on the account are not ours") == 1
    bench.resting = []
    bench.run(20)
    assert bench.said("No orders of somebody else") == 1


def test_an_order_that_arrives_after_its_executor_has_died_goes_too() -> None:
    bench = Bench()
    bench.run(20)
    bench.alive = False
    bench.run(12)
    bench.resting = [order(7)]
    bench.run(5)
    assert not bench.resting and len(bench.commands()) == 1


@pytest.mark.parametrize("outcome", [Throttled(), Unknown("no answer within 2 s")])
def test_what_fails_is_tried_again_until_the_venue_shows_none(outcome: Any) -> None:
    bench = Bench()
    bench.run(20)
    bench.resting, bench.alive = [order(1), order(2)], False
    tries = 0

    def answer(effect: Any) -> Answer | None:
        nonlocal tries
        if isinstance(effect, CancelOrders) and tries < 4:
            tries += 1
            return Cancelled((outcome,))
        return bench.fair(effect)

    bench.answer = answer
    bench.run(20)
    assert tries == 4 and not bench.resting
    assert bench.said("Cancelling failed") == 1 and bench.said("All cancelled") == 1
    times = [at_ms for at_ms, effect in bench.asked if isinstance(effect, CancelOrders)]
    assert min(after - before for before, after in zip(times, times[1:], strict=False)) >= 500


def test_cancels_that_the_venue_calls_gone_are_not_hammered_while_it_still_shows_the_order() -> None:
    bench = Bench()
    bench.run(20)
    bench.resting, bench.alive = [order(1)], False

    def answer(effect: Any) -> Answer | None:
        return Cancelled((Answered((GONE,)),)) if isinstance(effect, CancelOrders) else bench.fair(effect)

    bench.answer = answer
    bench.run(30)
    assert 10 <= len(bench.sent(CancelOrders)) <= 26


def test_a_venue_that_does_not_answer_is_told_of_once_and_asked_on() -> None:
    bench = Bench()
    bench.resting, bench.answer = [order(1)], lambda effect: Unanswered(effect, "HTTP 502")
    bench.run(60)
    assert bench.said("🛑") == 0 and bench.said("HTTP 502") == 1
    bench.alive = False
    bench.run(30)
    assert bench.said("🛑") == 1 and bench.said("HTTP 502") == 2
    bench.answer = bench.fair
    bench.run(8)
    assert not bench.resting and bench.said("The account is seen again.") == 1


def unanswered(effect: Any) -> Answer:
    if isinstance(effect, CancelOrders):
        return Cancelled((Unknown("no answer"),) * len(effect.requests))
    return Unanswered(effect, "HTTP 502")


@pytest.mark.parametrize("alive", [True, False], ids=["calm", "silent executor"])
@pytest.mark.parametrize("fails", [(), (CancelOrders,), (Look, LoadAssets, CheckKey), (CancelOrders, Look)])
def test_its_weight_is_never_used_up_so_that_it_sees_and_cancels_when_it_is_needed(
    alive: bool, fails: tuple[type, ...]
) -> None:
    bench = Bench()
    bench.run(120)
    bench.resting, bench.alive = [order(number) for number in range(60)], alive
    bench.answer = lambda effect: unanswered(effect) if isinstance(effect, fails) else bench.fair(effect)
    bench.run(180)
    assert greatest_weight(bench) <= ALLOWED


@pytest.mark.parametrize(("hangs_s", "lives_s"), [(12, 4), (8, 4), (5, 2), (30, 5)])
def test_an_executor_that_hangs_again_and_again_finds_it_awake_each_time(hangs_s: int, lives_s: int) -> None:
    bench = Bench()
    for number in range(20):
        bench.alive = True
        bench.run(lives_s)
        bench.resting = [order(100 * number + level) for level in range(20)]
        bench.alive = False
        bench.run(hangs_s)
        assert not bench.resting and bench.core.alarm_since_ms is None
    assert greatest_weight(bench) <= ALLOWED


ALLOWED = (1 - URGENT_FRAC) * WatchdogConfig(shadow_mode=False).watchdog_weight


def greatest_weight(bench: Bench) -> int:
    """Of a minute."""
    spent = [(at_ms, weight(effect)) for at_ms, effect in bench.asked]
    window_ms = 1000 * WINDOW_S
    return max(sum(cost for at_ms, cost in spent if 0 <= at_ms - since_ms < window_ms) for since_ms, _ in spent)


def weight(effect: Any) -> int:
    """Of the venue's request weight per minute."""
    match effect:
        case CancelOrders(requests):
            return sum(weight_of_action(len(request.cancels)) for request in requests)
        case CheckKey():
            return weight_of_info("userRole")
        case Look():
            return weight_of_info("openOrders")
        case LoadAssets():
            return weight_of_info("meta")
    return 1


def test_before_its_start_nothing_is_said_of_the_last_look() -> None:
    core = Watchdog(WatchdogConfig(shadow_mode=False), ACCOUNT)
    assert "mm_watchdog_look_age_seconds" not in {family.name for family in WatchdogCollector(core).collect()}
    list(core.step(START_MS, Started()))
    ages = [
        family.samples[0].value
        for family in WatchdogCollector(core, lambda: START_MS + 2_000).collect()
        if family.name == "mm_watchdog_look_age_seconds"
    ]
    assert ages == [2.0]


def test_a_coin_listed_later_is_asked_for_before_its_cancel() -> None:
    bench = Bench()
    bench.run(20)
    bench.assets["NEW"] = 7
    bench.resting, bench.alive = [order(1, "NEW"), order(2)], False
    bench.run(8)
    assert not bench.resting and len(bench.sent(LoadAssets)) == 2 and len(bench.sent(CancelOrders)) == 2


def test_the_executor_returning_ends_the_alarm() -> None:
    bench = Bench()
    bench.run(20)
    bench.resting, bench.alive = [order(1)], False
    bench.answer = lambda effect: None if isinstance(effect, CancelOrders) else bench.fair(effect)
    bench.run(6)
    assert bench.core.alarm_since_ms is not None
    bench.alive, bench.answer = True, bench.fair
    bench.run(2)
    bench.resting = [order(2)]
    bench.run(60)
    assert bench.core.alarm_since_ms is None and [rest.oid for rest in bench.resting] == [2]
    assert bench.said("The executor is back.") == 1


def test_a_clock_set_back_does_not_keep_a_dead_executor_alive() -> None:
    bench = Bench()
    bench.run(20)
    bench.now_ms -= 3_600_000
    bench.resting, bench.alive = [order(1)], False
    bench.run(8)
    assert not bench.resting


def test_old_statuses_read_at_the_start_are_no_sign_of_life() -> None:
    bench = Bench()
    bench.alive, bench.resting = False, [order(1)]
    for age_s in range(60, 0, -1):
        bench.step(status(START_MS - age_s * 1000))
    bench.run(7)
    assert not bench.resting


def test_one_request_at_a_time_and_the_cancel_before_all_others() -> None:
    bench = Bench()
    bench.run(20)
    bench.resting, bench.alive = [order(1)], False
    bench.answer = lambda effect: None
    bench.run(30)
    assert len(bench.waiting) == 1


# ---- key and switch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "role",
    [UserRole("missing"), UserRole("user"), UserRole("agent", RoleData(user="0x" + "cd" * 20))],
    ids=["unknown", "an account's own", "somebody else's agent"],
)
def test_a_key_that_could_not_cancel_ends_the_service_at_its_start(role: UserRole) -> None:
    bench = Bench()
    bench.role = role
    bench.run(3)
    assert len(bench.sent(GiveUp)) == 1 and "HL_ADDRESS" in bench.sent(GiveUp)[0].reason


def test_a_permission_that_ends_later_is_noticed_within_minutes_and_is_an_alarm_not_an_end() -> None:
    bench = Bench()
    bench.run(20)
    bench.role = UserRole("missing")
    bench.run(100)
    assert not bench.sent(GiveUp) and bench.said("🛑") == 1
    bench.run(600)
    assert not bench.sent(GiveUp) and bench.said("🛑") == 1 and len(bench.sent(CheckKey)) <= 9


def test_each_second_it_says_that_it_could_cancel_from_the_first_proof_on() -> None:
    bench = Bench()
    assert not bench.words()
    bench.run(30)
    assert 27 <= len(bench.words()) <= 30
    assert all(word.able_ms == word.time_ms and not word.fault for word in bench.words())


def test_with_a_key_that_was_revoked_it_says_that_it_cannot_cancel_and_since_when() -> None:
    bench = Bench()
    bench.run(20)
    bench.role, before_ms = UserRole("missing"), bench.now_ms
    bench.run(150)
    last = bench.words()[-1]
    assert before_ms <= last.able_ms <= before_ms + 92_000 and last.time_ms >= bench.now_ms - 1_000
    assert "agent of no account" in last.fault
    bench.role = UserRole("agent", RoleData(user=ACCOUNT))
    bench.run(95)
    assert bench.words()[-1].able_ms == bench.words()[-1].time_ms and not bench.words()[-1].fault


def test_blind_for_a_minute_it_does_not_count_on_itself() -> None:
    bench = Bench()
    bench.run(20)
    blind_ms, bench.answer = bench.now_ms, lambda effect: Unanswered(effect, "HTTP 502")
    bench.run(90)
    last = bench.words()[-1]
    assert blind_ms + 40_000 <= last.able_ms <= blind_ms + 61_000 and "does not show" in last.fault
    bench.answer = bench.fair
    bench.run(12)
    assert not bench.words()[-1].fault


def test_the_volume_gate_is_no_error_and_is_tried_once_an_hour() -> None:
    bench = Bench()
    bench.run(3 * 3600)
    assert 3 <= len(bench.sent(Schedule)) <= 4
    assert bench.said("not for this account yet") == 1 and not bench.said("🛑")


def test_once_eligible_the_switch_is_always_ahead_of_us() -> None:
    bench = Bench()
    bench.scheduling = Answered()
    bench.run(5)
    for _ in range(600):
        bench.run(1)
        assert bench.core.armed_until_ms - bench.now_ms > 30_000
    assert len(bench.sent(Schedule)) <= 605 / 20 + 2
    assert bench.said("switch armed") == 1


def test_the_switch_is_not_renewed_for_a_dead_executor_and_is_cleared_when_nothing_rests() -> None:
    bench = Bench()
    bench.scheduling = Answered()
    bench.run(20)
    bench.alive = False
    bench.run(10)
    assert bench.sent(Schedule)[-1] == Schedule(None) and bench.core.armed_until_ms == 0
    count = len(bench.sent(Schedule))
    bench.run(300)
    assert len(bench.sent(Schedule)) == count


def test_a_switch_used_up_for_the_day_waits_for_midnight() -> None:
    bench = Bench()
    text = "Too many scheduled cancels triggered for the day. Limit is 10."
    bench.scheduling = Refused(Reason.SCHEDULED_CANCEL, text)
    bench.run(120)
    assert len(bench.sent(Schedule)) == 1 and bench.said("until midnight UTC") == 1
    bench.scheduling = Answered()
    bench.run(24 * 3600)
    assert bench.core.armed_until_ms > bench.now_ms


def stop(bench: Bench) -> None:
    """As the runtime stops: what is under way is given up, later effects are carried out at once."""
    bench.waiting.clear()
    bench.step(Stopping())
    while bench.waiting:
        bench.now_ms += 100
        answer = bench.answer(bench.waiting.pop())
        assert answer is not None
        bench.step(answer)


def test_an_orderly_stop_clears_the_switch_when_nothing_rests() -> None:
    bench = Bench()
    bench.scheduling = Answered()
    bench.run(21)
    stop(bench)
    assert bench.sent(Schedule)[-1] == Schedule(None)


def test_a_stop_while_the_executor_trades_leaves_orders_and_switch_alone() -> None:
    bench = Bench()
    bench.scheduling, bench.resting = Answered(), [order(1)]
    bench.run(21)
    stop(bench)
    assert bench.resting and bench.core.armed_until_ms > bench.now_ms


def test_a_stop_after_the_executor_has_died_cancels_first() -> None:
    bench = Bench()
    bench.scheduling = Answered()
    bench.run(21)
    bench.alive = False
    bench.answer = lambda effect: None
    bench.resting = [order(1)]
    bench.run(6)
    bench.answer = bench.fair
    stop(bench)
    assert not bench.resting and bench.sent(Schedule)[-1] == Schedule(None)


def test_a_stop_right_after_the_executor_has_died_cancels_too() -> None:
    """As when it comes back, refuses its settings, and the whole run ends: more patience would leave orders."""
    bench = Bench()
    bench.run(20)
    bench.alive, bench.resting = False, [order(1), order(2, "ETH")]
    bench.run(2)
    assert bench.resting
    stop(bench)
    assert not bench.resting and bench.said("No live executor for 2 s, and 2 orders rest") == 1


# ---- by construction -----------------------------------------------------------------------------------------


def names_of_actions(module: ModuleType) -> set[str]:
    return {
        name for name, value in inspect.getmembers(module) if getattr(value, "__module__", "") == actions.__name__
    }


def test_no_module_of_the_watchdog_knows_an_action_that_is_no_cancel() -> None:
    known = set().union(*(names_of_actions(module) for module in (client, core, door, switch)))
    assert known == {"CancelByCloid", "CancelByCloidWire", "ScheduleCancel"}


def test_it_has_no_business_in_shadow() -> None:
    with pytest.raises(ConfigError, match="shadow"):
        SERVICE.core(WatchdogConfig())


def test_without_a_key_of_its_own_it_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HL_ADDRESS", ACCOUNT)
    monkeypatch.setenv("HL_PRIVATE_KEY", "0x" + "1" * 64)
    config = WatchdogConfig(shadow_mode=False)
    assert SERVICE.door is not None
    with pytest.raises(ConfigError, match="HL_WATCHDOG_KEY_FILE"):
        SERVICE.door(config, SERVICE.core(config))


def test_nothing_waits_on_the_bus_for_a_watchdog_while_the_bot_trades_in_shadow() -> None:
    """A group that nobody reads falls behind for ever, and the next live start would be told of what it missed."""
    assert SERVICE.reads and all(stream.policy != "every" for stream in SERVICE.reads)
