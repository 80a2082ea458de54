"""The checklist before money: every threshold at, just under and just over, and what counts at all."""

from collections.abc import Iterable
from dataclasses import replace
from math import sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.estimates import Estimate
from market_maker.gates.checklist import Recorded, checklist, saturday
from market_maker.gates.items import Item, above, below, worst
from market_maker.gates.runs import UNKNOWN, Run, kill_switches, runs_of, stalls
from market_maker.gates.shadow import HORIZON_MS, Fill, Minute, Shadow, counted, returns, window_sums
from market_maker.live.gates import Subject
from shared.incidents import Incident

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SUNDAY_MS = 1_790_467_200_000  # 2026-09-27 00:00 UTC
SATURDAY_MS = SUNDAY_MS - DAY_MS
MONDAY_MS = SUNDAY_MS + DAY_MS
SUBJECT = Subject(venue="hyperliquid", configuration="c", code="d", account="0xabc")
RUN = Run("r1", MONDAY_MS, "hyperliquid", "shadow", "c", "d")


def minutes(
    hours: float, *, begin_ms: int = MONDAY_MS, usd: float = 0.01, canceled: int = 5
) -> tuple[Minute, ...]:
    """PnL that swings around `usd` a minute."""
    return tuple(
        Minute("r1", begin_ms + i * MINUTE_MS, 60, 0, False, usd * (1 + 2 * sin(i * i)), canceled)
        for i in range(round(hours * 60))
    )


def fills(hours: float, an_hour: int, edges: Iterable[float | None] = (3.0, 1.0, 2.0)) -> tuple[Fill, ...]:
    """Evenly spread, with the edges in turn."""
    every, turn = HOUR_MS // an_hour, list(edges)
    return tuple(
        Fill("r1", MONDAY_MS + i * every, "BTC", turn[i % len(turn)]) for i in range(round(hours * an_hour))
    )


def recorded(hours: float = 121, an_hour: int = 20, **changes: object) -> Recorded:
    shadow = Shadow(minutes(hours), fills(hours, an_hour), {}, {"d": round(hours * 60)})
    made = Recorded(
        subject=SUBJECT,
        now_ms=MONDAY_MS + round(hours * HOUR_MS),
        balance_usd=1000.0,
        shadow=shadow,
        incidents=(incident("stall", HOUR_MS), incident("stall_recovered", HOUR_MS + MINUTE_MS)),
        runs={"r1": RUN},
        data_hours=hours,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def incident(kind: str, after_ms: int, run_id: str = "r1", text: str = "") -> Incident:
    return Incident(time_ms=MONDAY_MS + after_ms, kind=kind, run_id=run_id, text=text)  # type: ignore[arg-type]


def by_name(found: Recorded) -> dict[str, Item]:
    return {item.name: item for item in checklist(found)}


def with_shadow(**changes: object) -> Recorded:
    made = recorded()
    return replace(made, shadow=replace(made.shadow, **changes))  # type: ignore[arg-type]


def test_five_good_days_are_go_in_everything_and_each_says_what_it_rests_on() -> None:
    found = by_name(recorded())
    assert {name: item.verdict for name, item in found.items() if item.verdict != "GO"} == {}
    assert all(item.gate == "gate5" and item.judgement.reason and item.more for item in found.values())
    edge = found["edge per fill"].measured
    assert edge is not None and edge.n == 121 * 20 and edge.value == pytest.approx(2.0, abs=0.01)
    assert edge.low is not None and edge.high is not None and edge.low <= edge.value <= edge.high


def test_nothing_recorded_is_not_enough_data_everywhere() -> None:
    for item in checklist(Recorded(subject=SUBJECT, now_ms=MONDAY_MS, balance_usd=1000.0)):
        assert item.verdict == "NOT ENOUGH DATA" and item.judgement.needs, item.name


# ---- how long ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hours"),
    [("paper session", 24), ("shadow period", 120), ("present code", 4), ("position limits", 24)],
)
def test_a_minute_less_than_asked_is_not_enough(name: str, hours: int) -> None:
    exactly, less = recorded(hours), recorded(hours - 1 / 60)
    assert by_name(exactly)[name].verdict == "GO"
    assert by_name(less)[name].verdict == "NOT ENOUGH DATA"
    assert "0.0 h more in shadow" in by_name(less)[name].judgement.needs


def test_hours_under_other_code_count_but_are_listed_and_the_present_code_needs_four() -> None:
    found = by_name(with_shadow(codes={"old": 7000, "d": 239}))
    assert found["shadow period"].verdict == "GO"
    assert found["present code"].verdict == "NOT ENOUGH DATA"
    assert "counted too: 116.7 h under old" in found["present code"].judgement.reason
    assert by_name(with_shadow(codes={"old": 7000, "d": 240}))["present code"].verdict == "GO"


def test_minutes_that_did_not_count_are_named() -> None:
    found = by_name(with_shadow(left_out={UNKNOWN: 45, "under another configuration": 1312}))
    assert "not counted: 45 min of runs without a start" in found["paper session"].judgement.reason
    assert "1,312 min under another configuration" in found["shadow period"].judgement.reason


@pytest.mark.parametrize(("hours", "verdict"), [(20, "GO"), (20 - 1 / 60, "NOT ENOUGH DATA")])
def test_a_saturday_is_twenty_hours_of_one(hours: float, verdict: str) -> None:
    two = minutes(hours, begin_ms=SATURDAY_MS) + minutes(19, begin_ms=SATURDAY_MS + 7 * DAY_MS)
    assert saturday(with_shadow(minutes=two)).verdict == verdict


def test_friday_and_sunday_are_no_saturday() -> None:
    around = minutes(24, begin_ms=SATURDAY_MS - DAY_MS) + minutes(24, begin_ms=SUNDAY_MS)
    item = saturday(with_shadow(minutes=around))
    assert item.verdict == "NOT ENOUGH DATA" and item.measured is not None and item.measured.value == 0


# ---- fills ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edges", "verdict"),
    [
        ((3.0, 1.0, 2.0), "GO"),
        ((-3.0, -1.0, -2.0), "NO-GO"),
        ((-30.0, 40.0, -9.5), "NOT ENOUGH DATA"),
        ((0.0,), "NO-GO"),
    ],
)
def test_edge_is_judged_by_its_whole_interval(edges: tuple[float, ...], verdict: str) -> None:
    rng = np.random.default_rng(1)
    drawn = [edge + wobble for edge in edges for wobble in (rng.normal(0, 1, 40) if edge else [0.0])]
    rng.shuffle(drawn)
    assert by_name(with_shadow(fills=fills(121, 20, drawn)))["edge per fill"].verdict == verdict


@pytest.mark.parametrize(("an_hour", "verdict"), [(11, "GO"), (10, "NO-GO"), (9, "NO-GO")])
def test_more_than_ten_fills_an_hour(an_hour: int, verdict: str) -> None:
    assert by_name(recorded(an_hour=an_hour))["fill rate"].verdict == verdict


def test_no_fill_in_days_is_a_no_and_in_ten_minutes_nothing() -> None:
    rate = by_name(with_shadow(fills=()))["fill rate"]
    assert rate.verdict == "NO-GO" and rate.measured is not None
    assert rate.measured.value == 0 and rate.measured.high == pytest.approx(3 / 121)
    short = replace(recorded(0.2), shadow=Shadow(minutes(0.2), (), {}, {"d": 12}))
    assert by_name(short)["fill rate"].verdict == "NOT ENOUGH DATA"


@pytest.mark.parametrize(("bad", "verdict"), [(34, "GO"), (40, "NOT ENOUGH DATA"), (50, "NO-GO")])
def test_fewer_than_four_in_ten_fills_may_be_adverse(bad: int, verdict: str) -> None:
    edges = np.repeat([-1.0, 1.0], [bad, 100 - bad])
    np.random.default_rng(2).shuffle(edges)
    item = by_name(with_shadow(fills=fills(121, 20, edges.tolist())))["adverse fills"]
    assert item.verdict == verdict and item.measured is not None
    assert item.measured.value == pytest.approx(bad, abs=0.5)


def test_a_fill_without_any_edge_is_not_adverse() -> None:
    item = by_name(with_shadow(fills=fills(121, 20, [0.0])))["adverse fills"]
    assert item.measured is not None and item.measured.value == 0


@pytest.mark.parametrize(("canceled", "verdict"), [(49, "GO"), (50, "NO-GO"), (51, "NO-GO")])
def test_fewer_than_fifty_cancels_a_fill(canceled: int, verdict: str) -> None:
    made = minutes(121, canceled=canceled)
    once_a_minute = fills(121, 60)
    assert by_name(with_shadow(minutes=made, fills=once_a_minute))["cancels per fill"].verdict == verdict


@pytest.mark.parametrize(("n", "verdict"), [(100, "GO"), (99, "NOT ENOUGH DATA")])
def test_a_hundred_fills_at_least(n: int, verdict: str) -> None:
    found = by_name(with_shadow(fills=fills(121, 1)[:n]))
    assert found["edge per fill"].verdict == found["adverse fills"].verdict == verdict
    if n < 100:
        assert found["edge per fill"].judgement.needs == "1 more fills"


@pytest.mark.parametrize(("hidden", "verdict"), [(10, "GO"), (11, "NOT ENOUGH DATA")])
def test_many_fills_without_a_later_book_decide_nothing(hidden: int, verdict: str) -> None:
    edges = [None] * hidden + [2.0] * (100 - hidden)
    found = by_name(with_shadow(fills=fills(100, 20, edges)))
    assert found["edge per fill"].verdict == found["adverse fills"].verdict == verdict
    assert found["fill rate"].measured is not None and found["fill rate"].measured.n == 2000


# ---- money ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("usd", "verdict"), [(0.01, "GO"), (-0.01, "NO-GO"), (0.0, "NO-GO")])
def test_five_days_of_pnl_are_positive_or_not(usd: float, verdict: str) -> None:
    assert by_name(with_shadow(minutes=minutes(121, usd=usd)))["shadow PnL"].verdict == verdict
    short = with_shadow(minutes=minutes(119.9, usd=usd))
    assert by_name(short)["shadow PnL"].verdict == "NOT ENOUGH DATA"


def test_a_sharpe_ratio_of_five_days_needs_the_days_and_the_probability() -> None:
    good, bad = recorded(), with_shadow(minutes=minutes(121, usd=-0.01))
    assert by_name(good)["Sharpe of five days"].verdict == by_name(good)["Sharpe above 0"].verdict == "GO"
    assert by_name(bad)["Sharpe of five days"].verdict == by_name(bad)["Sharpe above 0"].verdict == "NO-GO"
    short = by_name(recorded(119))
    assert short["Sharpe above 0"].verdict == "GO" and short["Sharpe of five days"].verdict == "NOT ENOUGH DATA"


def of_ratio(a_year: float) -> dict[str, Item]:
    """Five days with that Sharpe ratio; one standard error is 8.5."""
    noise = np.random.default_rng(7).normal(0, 1, 121 * 60)
    usd = (noise - noise.mean()) / noise.std() + a_year / (525_600**0.5)
    made = tuple(minute._replace(pnl_usd=each) for minute, each in zip(minutes(121), usd.tolist(), strict=True))
    return by_name(with_shadow(minutes=made))


@pytest.mark.parametrize(
    ("a_year", "verdict"), [(1.0, "NOT ENOUGH DATA"), (-5.0, "NOT ENOUGH DATA"), (-60, "NO-GO")]
)
def test_below_the_threshold_perhaps_by_chance_is_no_no_go(a_year: float, verdict: str) -> None:
    found = of_ratio(a_year)
    ratio, pnl = found["Sharpe of five days"], found["shadow PnL"]
    assert ratio.verdict == verdict
    assert pnl.verdict == ("GO" if a_year > 0 else verdict)
    if verdict == "NOT ENOUGH DATA":
        assert "perhaps by chance" in ratio.judgement.reason and ratio.judgement.needs == "a better result"


def test_a_high_ratio_that_may_be_luck_is_not_enough() -> None:
    item = of_ratio(9)["Sharpe of five days"]
    assert item.measured is not None and item.measured.value is not None and item.measured.value > 1.5
    assert item.verdict == "NOT ENOUGH DATA" and "more, if it stays so" in item.judgement.needs


def test_equity_that_never_moves_has_no_ratio() -> None:
    assert by_name(with_shadow(minutes=minutes(121, usd=0.0)))["Sharpe above 0"].verdict == "NOT ENOUGH DATA"


def test_returns_carry_the_last_value_within_a_run_and_leave_out_what_is_between_runs() -> None:
    rows = [("r1", 0, 10.0), ("r1", 3, 20.0), ("r2", 100, -10.0)]
    made = tuple(Minute(run, MONDAY_MS + at * MINUTE_MS, 60, 0, False, usd, 0) for run, at, usd in rows)
    assert returns(Shadow(made), 1000.0).tolist() == pytest.approx([10 / 1000, 0, 0, 20 / 1010, -10 / 1030])


# ---- what happened -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after_h", "verdict"), [(97.0, "NO-GO"), (97 - 1 / 60, "GO"), (120.9, "NO-GO"), (1, "GO")]
)
def test_a_kill_switch_within_the_last_day_of_shadow(after_h: float, verdict: str) -> None:
    """121 hours: the last 24 begin with the minute that is 97 hours after the first."""
    halt = incident("halt", round(after_h * HOUR_MS), text="guard: daily loss")
    assert by_name(recorded(incidents=(halt,)))["kill switch"].verdict == verdict


def test_the_last_day_is_counted_in_minutes_of_shadow_not_by_the_clock() -> None:
    """Halted, left alone for a week, and run for an hour: that is not a day without a halt."""
    later = minutes(20, begin_ms=MONDAY_MS + 7 * DAY_MS)
    halt = incident("halt", 120 * HOUR_MS, text="guard: daily loss")
    made = replace(with_shadow(minutes=minutes(121) + later), incidents=(halt,), now_ms=later[-1].time_ms)
    assert by_name(made)["kill switch"].verdict == "NO-GO"


def test_time_spent_halted_is_no_time_in_shadow() -> None:
    """A kill switch, five days of waiting, and an hour of quoting."""
    ran, waited = minutes(1), minutes(120, begin_ms=MONDAY_MS + HOUR_MS)
    later = minutes(1, begin_ms=MONDAY_MS + 121 * HOUR_MS)
    made = (*ran, *(minute._replace(halted=True) for minute in waited), *later)
    halt = incident("halt", HOUR_MS, text="guard: daily loss")
    items = by_name(replace(with_shadow(minutes=made), incidents=(halt,), now_ms=later[-1].time_ms))
    assert items["kill switch"].verdict == "NOT ENOUGH DATA"
    assert {items[name].verdict for name in ("paper session", "shadow period", "shadow PnL")} == {
        "NOT ENOUGH DATA"
    }
    usd = sum(minute.pnl_usd for minute in made)
    assert f"${usd:,.2f} net in 2.0 h" in items["shadow PnL"].judgement.reason


def test_whose_halt_it_was_matters() -> None:
    runs = {"r1": RUN, "sim": replace(RUN, run_id="sim", venue="sim")}
    halts = [
        incident("halt", 1, text="guard: drawdown"),
        incident("halt", 2, text="alice: lunch"),
        incident("halt", 3, "sim", text="guard: drawdown"),
        incident("halt", 4, "nobody-knows", text="watchdog: silence"),
        incident("halt", 5),
        incident("stall", 6),
    ]
    assert kill_switches(halts, runs, "hyperliquid") == tuple(MONDAY_MS + i for i in (1, 4, 5))


def test_one_second_at_a_limit_is_too_much() -> None:
    made = list(minutes(121))
    made[7] = made[7]._replace(at_limit_s=1)
    item = by_name(with_shadow(minutes=tuple(made)))["position limits"]
    assert item.verdict == "NO-GO" and "1 of 435,600 coin seconds" in item.judgement.reason


@pytest.mark.parametrize(("gaps", "verdict"), [(4, "GO"), (5, "NO-GO")])
def test_fewer_than_five_critical_gaps_in_five_days(gaps: int, verdict: str) -> None:
    assert by_name(recorded(critical_gaps=gaps))["critical gaps"].verdict == verdict
    short = by_name(recorded(critical_gaps=gaps, data_hours=119.9))["critical gaps"]
    assert short.verdict == ("NO-GO" if verdict == "NO-GO" else "NOT ENOUGH DATA")


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        ((), "NOT ENOUGH DATA"),
        (("stall", "stall_recovered"), "GO"),
        (("stall",), "NO-GO"),
        (("stall", "stop"), "NOT ENOUGH DATA"),
        (("stall", "stall_recovered", "stall"), "NO-GO"),
        (("stall", "stall", "stall_recovered"), "GO"),
        (("stall", "stall_recovered", "stall", "stop"), "GO"),
    ],
)
def test_a_stall_has_to_be_seen_and_recovered_from(kinds: tuple[str, ...], verdict: str) -> None:
    happened = tuple(incident(kind, i * MINUTE_MS) for i, kind in enumerate(kinds))
    assert by_name(recorded(incidents=happened))["stall recovery"].verdict == verdict


def test_stalls_of_a_simulation_prove_nothing_here() -> None:
    runs = {"sim": replace(RUN, run_id="sim", venue="sim")}
    happened = [incident("stall", 0, "sim"), incident("stall_recovered", 1, "sim")]
    assert stalls(happened, runs, "hyperliquid").recovered == 0 and stalls(happened, runs, "sim").recovered == 1


# ---- what counts ---------------------------------------------------------------------------------------------


def test_runs_are_known_by_their_start_lines() -> None:
    fields = {"venue": "hyperliquid", "mode": "shadow", "configuration": "c", "code": "d"}
    start = Incident(time_ms=MONDAY_MS, kind="start", run_id="r1", fields=fields)
    bare = Incident(time_ms=1, kind="start", run_id="r2")
    found = runs_of([start, bare, Incident(time_ms=2, kind="start", fields=fields), incident("halt", 1)])
    assert found == {"r1": RUN, "r2": Run("r2", 1, "", "", "", "")}


def test_only_shadow_minutes_and_fills_under_the_present_settings_on_this_venue_count() -> None:
    runs = {
        "r1": RUN,
        "older-code": replace(RUN, run_id="older-code", code="old"),
        "set": replace(RUN, run_id="set", configuration="x"),
        "sim": replace(RUN, run_id="sim", venue="sim"),
        "live": replace(RUN, run_id="live", mode="live"),
    }
    rows = [(run, "shadow", MONDAY_MS, 60, 0, False, 1.0, 0) for run in (*runs, "nobody-knows", "")]
    rows += [("r1", "live", MONDAY_MS, 60, 0, False, 1.0, 0)]
    filled = [(run, mode, "BTC", MONDAY_MS, 2.0, MONDAY_MS + HORIZON_MS) for run, mode, *_ in rows]
    found = counted(rows, filled, runs, SUBJECT)
    assert [minute.run_id for minute in found.minutes] == ["r1", "older-code"]
    assert [fill.run_id for fill in found.fills] == ["r1", "older-code"]
    assert found.codes == {"d": 1, "old": 1}
    assert found.left_out == {
        UNKNOWN: 2, "under another configuration": 1, "on venue sim": 1, "of live trading": 2,
    }  # fmt: skip


@pytest.mark.parametrize(("age_ms", "known"), [(0, True), (2000, True), (2001, False)])
def test_a_book_older_than_two_seconds_at_the_horizon_says_nothing(age_ms: int, known: bool) -> None:
    row = ("r1", "shadow", "BTC", MONDAY_MS, 2.0, MONDAY_MS + HORIZON_MS - age_ms)
    (fill,) = counted([], [row], {"r1": RUN}, SUBJECT).fills
    assert (fill.edge_bps is not None) is known


def test_windows_hold_every_fill_cancel_and_minute_once() -> None:
    sums = window_sums(recorded(25).shadow)
    assert sums.shape == (150, 7)
    edge, labelled, adverse, filled, canceled, usd, hours = sums.sum(axis=0)
    assert (labelled, adverse, filled, canceled) == (500, 0, 500, 25 * 60 * 5)
    assert hours == pytest.approx(25) and usd == pytest.approx(sum(each.pnl_usd for each in minutes(25)))


# ---- verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 2, "GO"),
        (0.0, 2, "NOT ENOUGH DATA"),
        (-2, 0.0, "NO-GO"),
        (-2, -0.1, "NO-GO"),
        (-1, 2, "NOT ENOUGH DATA"),
    ],
)
def test_the_interval_decides_on_both_sides(low: float, high: float, verdict: str) -> None:
    found = Estimate((low + high) / 2, low, high, 100, 50.0)
    assert above(found, 0.0, 24.0, "x").verdict == verdict
    mirrored = Estimate(-(low + high) / 2, -high, -low, 100, 50.0)
    assert below(mirrored, 0.0, 24.0, "x").verdict == verdict


def test_how_much_more_is_needed_follows_the_square_root_of_time() -> None:
    """An interval of ±2 around 1 has to shrink to a half: four times the hours."""
    assert above(Estimate(1.0, -1.0, 3.0, 9, 9.0), 0.0, 10.0, "x").needs == "about 30.0 h more, if it stays so"
    assert above(Estimate(-0.5, -2.0, 1.0, 9, 9.0), 0.0, 10.0, "x").needs == "a better number"
    hopeless = above(Estimate(1e-300, -2.0, 2.0, 9, 9.0), 0.0, 10.0, "x")
    assert hopeless.needs == "more than can be waited for, or a better number"
    assert above(Estimate(1.0, None, None, 9, 9.0), 0.0, 10.0, "x").verdict == "NOT ENOUGH DATA"


@given(centre=st.floats(-9, 9), half=st.floats(0, 9), threshold=st.floats(-9, 9))
def test_go_is_never_said_of_an_interval_that_holds_the_threshold(
    centre: float, half: float, threshold: float
) -> None:
    found = Estimate(centre, centre - half, centre + half, 100, 50.0)
    verdicts = above(found, threshold, 24.0, "x").verdict, below(found, threshold, 24.0, "x").verdict
    if centre - half <= threshold <= centre + half:
        assert "GO" not in verdicts
    else:
        assert set(verdicts) == {"GO", "NO-GO"}


def test_one_no_outweighs_everything_and_nothing_is_no_go() -> None:
    assert worst(["GO", "NOT ENOUGH DATA", "NO-GO"]) == "NO-GO"
    assert worst(["GO", "NOT ENOUGH DATA"]) == "NOT ENOUGH DATA"
    assert worst(["GO"]) == "GO" and worst([]) == "NOT ENOUGH DATA"
