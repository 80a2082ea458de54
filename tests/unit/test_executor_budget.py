"""The request budget: what the venue's numbers mean, what is paced, kept and refused."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from services.executor.config import ExecutorConfig
from services.executor.live import budget as arithmetic
from services.executor.live.budget import Budget
from services.executor.live.endurance import Expected, Plan, Refusal, check_lasts
from services.executor.live.forecast import FORECAST_MS, Forecast, Rate
from services.executor.live.planner import BEYOND_EVERY_MS, IN_FLIGHT_MS, Mode, Planner
from shared.hyperliquid.account import RateLimit

CONFIG = ExecutorConfig()
T0 = 1_790_000_000_000
HOUR_MS = 3_600_000


def told(used: int, volume: int = 0, bought: int = 0) -> RateLimit:
    return RateLimit(
        cum_vlm=Decimal(volume), n_requests_used=used, n_requests_cap=10_000 + volume, n_requests_surplus=bought
    )


def planner(used: int = 0, volume: int = 0, bought: int = 0) -> Planner:
    made = Planner(CONFIG)
    made.learn(T0, told(used, volume, bought))
    return made


# ---- what the numbers mean -----------------------------------------------------------------------------------


def test_the_request_that_would_reach_the_cap_is_not_let_through() -> None:
    assert Budget(9_998, 10_000).left == 1
    assert Budget(9_999, 10_000).left == 0
    assert Budget(0, 10_000, bought=5).left == 10_004


def test_cancels_have_twice_the_cap_and_at_most_100_000_more() -> None:
    assert Budget(0, 10_000).cancel_cap == 20_000
    assert Budget(0, 1_000_000).cancel_cap == 1_100_000


def test_headroom_does_not_shrink_with_the_volume_an_address_has_ever_traded() -> None:
    old = Budget(used=4_990_000, cap=5_000_000)
    assert arithmetic.headroom(old, 10_000) == pytest.approx(0.9999)


def test_a_reserve_that_leaves_nothing_to_reduce_with_is_refused() -> None:
    with pytest.raises(ValidationError, match="budget_cancel_reserve must be below a tenth"):
        ExecutorConfig(budget_cancel_reserve=1_000)


def test_shares_follow_the_edge_and_leave_nobody_without() -> None:
    shared_out = arithmetic.shares(("BTC", "ETH", "SOL", "NEW"), {"BTC": 3.0, "ETH": 1.0, "SOL": -2.0})
    assert sum(shared_out.values()) == pytest.approx(1)
    assert shared_out["BTC"] > shared_out["NEW"] > shared_out["ETH"] > shared_out["SOL"] > 0
    assert arithmetic.shares(("BTC", "ETH"), {}) == {"BTC": 0.5, "ETH": 0.5}


# ---- the planner ---------------------------------------------------------------------------------------------


def test_before_the_venue_has_told_only_cancels_go() -> None:
    unknowing = Planner(CONFIG)
    allowed = unknowing.allow(T0, "BTC", 6, 6)
    assert (allowed.places, allowed.cancels, allowed.only_reducing) == (0, 6, True)
    assert unknowing.status(T0).mode == Mode.UNKNOWN


def test_a_sweep_before_the_venue_has_told_is_no_reason_to_only_reduce() -> None:
    unknowing = Planner(CONFIG)
    unknowing.note_sent(T0, "", 0, 5)
    unknowing.learn(T0 + 1, told(8_800))
    assert unknowing.mode == Mode.QUOTING


def test_asking_spends_nothing_and_sending_does() -> None:
    made = planner()
    assert made.allow(T0, "BTC", 6, 0) == made.allow(T0, "BTC", 6, 0)
    made.note_sent(T0, "BTC", 6, 2)
    assert made.allow(T0, "BTC", 6, 0).places == CONFIG.budget_burst_requests - 8
    assert made.status(T0).left == 9_999 - 8


def test_a_coin_that_spent_its_purse_waits_while_another_trades() -> None:
    made = planner()
    burst = CONFIG.budget_burst_requests
    made.allow(T0, "BTC", burst, 0)
    made.note_sent(T0, "BTC", burst, 0)
    assert made.allow(T0, "BTC", 1, 0).places == 0
    assert made.allow(T0, "ETH", 6, 0).places == 6


def test_an_empty_purse_fills_at_the_pace() -> None:
    made = planner()
    made.allow(T0, "BTC", 12, 0)
    made.note_sent(T0, "BTC", 12, 0)
    per_hour = arithmetic.pace_per_hour(CONFIG, 9_999 - 12, 0)
    one_ms = int(HOUR_MS / per_hour) + 1
    assert made.allow(T0 + one_ms - 100, "BTC", 6, 0).places == 0
    assert made.allow(T0 + one_ms + 1_000, "BTC", 6, 0).places == 1


def test_coins_that_do_not_want_to_place_get_no_share() -> None:
    crowded, alone = planner(), planner()
    for coin in ("ETH", "SOL", "DOGE"):
        crowded.allow(T0, coin, 1, 0)
    for made in (crowded, alone):
        made.allow(T0, "BTC", 12, 0)
        made.note_sent(T0, "BTC", 12, 0)
    later_ms = T0 + 100_000
    assert alone.allow(later_ms, "BTC", 12, 0).places > 3 * crowded.allow(later_ms, "BTC", 12, 0).places
    assert crowded.allow(later_ms + HOUR_MS, "BTC", 12, 0).places == 12


def test_what_a_late_answer_may_not_have_counted_is_counted_on_top() -> None:
    made = planner()
    asked_ms = T0 + 60_000
    made.note_sent(asked_ms - IN_FLIGHT_MS - 1, "BTC", 3, 0)
    made.note_sent(asked_ms - 100, "BTC", 2, 0)
    made.note_sent(asked_ms + 100, "BTC", 1, 0)
    made.learn(asked_ms, told(used=5))
    assert made.status(asked_ms).used == 5 + 3
    made.learn(T0 + 1, told(used=0))
    assert made.status(asked_ms).used == 5 + 3


def test_below_a_tenth_only_reducing_and_not_back_at_once() -> None:
    made = planner(used=9_999 - 999)
    assert made.allow(T0, "BTC", 3, 0).only_reducing
    assert made.allow(T0, "BTC", 3, 0).places == 3
    made.learn(T0 + 1, told(9_999 - 1_200))
    assert made.status(T0).mode == Mode.REDUCING
    made.learn(T0 + 2, told(9_999 - 1_500))
    assert made.status(T0).mode == Mode.QUOTING


def test_the_reserve_is_for_cancels() -> None:
    reserve = CONFIG.budget_cancel_reserve
    made = planner(used=9_999 - reserve - 2)
    assert made.allow(T0, "BTC", 6, 0).places == 2
    assert made.allow(T0, "BTC", 6, 1).places == 1
    made.note_sent(T0, "BTC", 2, 0)
    allowed = made.allow(T0, "ETH", 6, 6)
    assert (allowed.places, allowed.cancels) == (0, 6)
    assert made.status(T0).mode == Mode.CANCELS


def test_an_empty_budget_still_cancels_up_to_the_cap_for_cancels() -> None:
    made = planner(used=19_999 - 4)
    allowed = made.allow(T0, "BTC", 6, 6)
    assert (allowed.places, allowed.cancels) == (0, 4)


def test_beyond_every_cap_one_request_with_cancels_goes_at_a_time() -> None:
    made = planner(used=25_000)
    assert made.status(T0).mode == Mode.BEYOND
    assert made.allow(T0, "BTC", 6, 6).cancels == 6
    made.note_sent(T0, "BTC", 0, 6)
    assert made.allow(T0, "ETH", 0, 6).cancels == 6, "the same request"
    made.note_sent(T0, "ETH", 0, 6)
    assert made.allow(T0 + BEYOND_EVERY_MS - 1, "SOL", 0, 6).cancels == 0
    assert made.allow(T0 + BEYOND_EVERY_MS, "SOL", 6, 6).cancels == 6


def test_a_refusal_by_the_venue_stops_places_until_it_is_asked_again() -> None:
    made = planner()
    made.note_refused(T0, cancels=False)
    allowed = made.allow(T0, "BTC", 6, 6)
    assert (allowed.places, allowed.cancels) == (0, 6)
    made.note_refused(T0, cancels=True)
    assert made.allow(T0, "BTC", 0, 6).cancels == 0
    assert made.allow(T0 + 1_000, "BTC", 0, 6).cancels == 6
    made.learn(T0 + 2_000, told(0))
    assert made.allow(T0 + 2_000, "BTC", 6, 0).places == 6


def test_what_trading_earns_is_what_the_venue_adds_to_the_cap() -> None:
    """A fill of a dollar is no whole request on every coin, and what was earned before us is no rate of now."""
    made = planner(volume=50_000)
    before = made.status(T0)
    assert before.earned_per_hour == 0
    made.learn(T0 + 600_000, told(0, volume=50_500))
    after = made.status(T0 + 600_000)
    assert after.left == before.left + 500
    assert after.earned_per_hour == pytest.approx(500 * 6, rel=0.2)
    assert after.pace_per_hour > before.pace_per_hour
    made.learn(T0 + 601_000, told(0, volume=50_000))
    assert made.status(T0 + 601_000).earned_per_hour <= after.earned_per_hour, (
        "a cap that shrinks takes nothing back"
    )


# ---- rates and forecasts -------------------------------------------------------------------------------------


def test_a_steady_stream_is_measured_as_what_it_is() -> None:
    rate = Rate()
    for second in range(0, 7_200, 10):
        rate.add(T0 + second * 1_000, 5)
    assert rate.per_hour(T0 + 7_200_000) == pytest.approx(1_800, rel=0.01)


def test_one_early_fill_is_not_a_rate() -> None:
    rate = Rate()
    rate.add(T0, 30.0)
    assert rate.per_hour(T0 + 1_000) < 30 * 15


def test_hours_to_empty_from_measured_rates() -> None:
    made = planner()
    for second in range(0, 7_200, 10):
        made.note_sent(T0 + second * 1_000, "BTC", 1, 0)
    made.learn(T0 + 7_200_000, told(720))
    status = made.status(T0 + 7_200_000)
    assert status.hours_to_empty == pytest.approx((9_999 - 720 - CONFIG.budget_cancel_reserve) / 360, rel=0.02)
    made.learn(T0 + 7_200_000, told(720, volume=14_400))
    assert made.status(T0 + 7_200_000).hours_to_empty is None


def test_an_empty_budget_is_empty_however_much_was_earned_before() -> None:
    made = planner()
    made.learn(T0 + 1_000, told(60_000 - CONFIG.budget_cancel_reserve, volume=50_000))
    status = made.status(T0 + 1_000)
    assert status.earned_per_hour > status.spent_per_hour and status.hours_to_empty == 0


def test_without_rates_nothing_is_forecast() -> None:
    forecast = Forecast()
    forecast.observe(T0, 9_000, 0.0, 0.0)
    forecast.observe(T0 + 50_000, 8_990, 720.0, 0.0)
    forecast.observe(T0 + FORECAST_MS, 8_880, 720.0, 0.0)
    assert forecast.score.forecasts == 0
    forecast.observe(T0 + 50_000 + FORECAST_MS, 8_870, 720.0, 0.0)
    assert (forecast.score.forecasts, forecast.score.error_requests) == (1, 0.0)


def test_a_forecast_is_settled_by_what_the_venue_says_then() -> None:
    forecast = Forecast()
    forecast.observe(T0, 9_000, 600.0, 0.0)
    forecast.observe(T0 + FORECAST_MS - 1, 8_000, 600.0, 0.0)
    assert forecast.score.forecasts == 0
    forecast.observe(T0 + FORECAST_MS, 8_880, 600.0, 0.0)
    score = forecast.score
    assert (score.forecasts, score.bias_requests, score.error_requests) == (1, -20.0, 20.0)
    assert score.error_frac == pytest.approx(0.2)


# ---- before the start ----------------------------------------------------------------------------------------


def test_thirty_coins_replaced_every_second_burn_the_budget_in_seconds() -> None:
    verdict = check_lasts(CONFIG, told(0), Expected(30, 6, 3_600, 2_000))
    assert isinstance(verdict, Refusal) and verdict.hours is not None
    assert verdict.hours * 3600 == pytest.approx(9_319 / 1_294_500 * 3600)
    assert verdict.text.splitlines() == [
        "The request budget would last 26 s.",
        "  needs  30 coins x 6 orders x 3,600 replacements/h x 2 requests = 1,296,000 requests/h",
        "  earns  $2,000/h traded, of which 75% is spent again = 1,500 requests/h",
        "  has    10,000 allowed - 1 never let through - 0 used - 500 kept for cancels"
        " - 180 to place the orders once = 9,319",
        "  lasts  9,319 / 1,294,500 per h = 26 s; 24 h are asked for, which allow 1,888 requests/h",
    ]
    assert "one alone needs 43,200 requests/h" in verdict.remedies[0]
    assert "max_bps_diff" in verdict.remedies[1]
    assert "$15,529.34" in verdict.remedies[2]


def test_the_reference_quoter_lasts_forty_minutes() -> None:
    """§7: two sides replaced by cancel and place every second."""
    verdict = check_lasts(CONFIG, told(0), Expected(1, 2, 3_600, 0))
    assert isinstance(verdict, Refusal)
    assert verdict.text.startswith("The request budget would last 40 min.")


def test_a_quiet_quoter_lasts() -> None:
    verdict = check_lasts(CONFIG, told(0), Expected(30, 6, 4, 2_000))
    assert isinstance(verdict, Plan)
    assert verdict.hours is None
    assert "= 1,440 requests/h" in verdict.text


def test_more_orders_than_could_be_cancelled_are_refused() -> None:
    verdict = check_lasts(CONFIG, told(0, volume=10_000_000), Expected(100, 6, 1, 0))
    assert isinstance(verdict, Refusal)
    assert verdict.text.startswith("600 orders may rest, but only 500 requests are kept to cancel them.")


def test_an_almost_empty_budget_is_refused_even_for_a_quoter_that_earns_more_than_it_spends() -> None:
    verdict = check_lasts(CONFIG, told(9_100), Expected(2, 6, 1, 2_000))
    assert isinstance(verdict, Refusal)
    assert verdict.text.startswith("899 requests are left, and 1,000 are needed to start")
    assert "9,101 to fill the budget cost $4.55" in verdict.remedies[0]
