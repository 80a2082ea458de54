"""The items of gate 5, from what was recorded: no files, no clock, nothing asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from analysis.bootstrap import Floats, intervals
from analysis.estimates import Estimate, Judgement
from analysis.gate5 import (
    LEAST_PSR,
    LEAST_SHARPE,
    MOST_CANCELS_PER_FILL,
    SEED,
    SHADOW_H,
)
from analysis.integrity.examine import MOST_CRITICAL_GAPS
from analysis.render.words import length
from analysis.sharpe import MIN_RETURNS, Sharpe, cautious
from market_maker.gates.items import Item, above, below
from market_maker.gates.runs import Run, Stalls, kill_switches, stalls
from market_maker.gates.shadow import COLUMNS, DAY_MS, Shadow, returns, window_sums
from market_maker.live.gates import Subject
from shared.clock import utc
from shared.incidents import Incident

PAPER_H, CODE_H, QUIET_H = 24.0, 4.0, 24.0
LEAST_EDGE_BPS, LEAST_FILLS_PER_HOUR, MOST_ADVERSE_PCT = 0.0, 10.0, 40.0
LEAST_FILLS = 100
MOST_UNLABELLED_FRAC = 0.10
SATURDAY, LEAST_SATURDAY_H = 5, 20.0
MORE_TRADING = "market_maker analyze --gate 5"
NOTHING = Estimate(None, None, None, 0, 0.0)


@dataclass(frozen=True)
class Recorded:
    """What the folder holds about us."""

    subject: Subject
    now_ms: int
    balance_usd: float
    shadow: Shadow = Shadow()
    incidents: Sequence[Incident] = ()
    runs: Mapping[str, Run] = field(default_factory=dict)
    data_hours: float = 0.0
    """From the first tick to the last."""
    critical_gaps: int = 0
    damage: str = ""
    """What else is wrong with the files."""


def checklist(recorded: Recorded) -> Iterator[Item]:
    """Everything of gate 5 that files can answer."""
    shadow = recorded.shadow
    yield _length("paper session", "24 h in shadow under these settings", PAPER_H, shadow)
    yield _length("shadow period", "5 days in shadow under these settings", SHADOW_H, shadow)
    yield _present_code(recorded)
    yield from _fills(shadow)
    yield from _money(recorded)
    yield _kill_switch(recorded)
    yield _limits(shadow)
    yield _gaps(recorded)
    yield _stalls(stalls(recorded.incidents, recorded.runs, recorded.subject.venue))


def saturday(recorded: Recorded) -> Item:
    """Part of gate 4: the bot itself must have been through one."""
    days: dict[int, int] = {}
    for time_ms in {minute.time_ms for minute in recorded.shadow.minutes}:
        if utc(time_ms).weekday() == SATURDAY:
            days[time_ms // DAY_MS] = days.get(time_ms // DAY_MS, 0) + 1
    hours = max(days.values(), default=0) / 60
    if hours >= LEAST_SATURDAY_H:
        judgement = Judgement("GO", f"{hours:.1f} h of a Saturday in shadow")
    else:
        needs = f"a Saturday (UTC) in shadow, {LEAST_SATURDAY_H:.0f} h of it"
        judgement = Judgement("NOT ENOUGH DATA", f"at most {hours:.1f} h of a Saturday in shadow", needs)
    return Item(
        "gate4", "Saturday", "ran through a Saturday", f">= {LEAST_SATURDAY_H:.0f} h", judgement,
        "market_maker analyze --gate 4", _count(hours, len(days)), "h", 1,
    )  # fmt: skip


# ---- how long ------------------------------------------------------------------------------------------------


def _length(name: str, asked: str, needed_h: float, shadow: Shadow) -> Item:
    return _hours(name, asked, needed_h, shadow.hours, _not_counted(shadow))


def _not_counted(shadow: Shadow) -> str:
    without = [f"{minutes:,} min {why}" for why, minutes in sorted((shadow.left_out or {}).items())]
    return f" (not counted: {'; '.join(without)})" if without else ""


def _present_code(recorded: Recorded) -> Item:
    codes = dict(recorded.shadow.codes or {})
    hours = codes.pop(recorded.subject.code, 0) / 60
    others = ", ".join(f"{minutes / 60:.1f} h under {code}" for code, minutes in sorted(codes.items()))
    note = f" (counted too: {others})" if others else ""
    asked = f"{CODE_H:.0f} h in shadow with the code as it is"
    return _hours("present code", asked, CODE_H, hours, f" under {recorded.subject.code}{note}")


def _hours(name: str, asked: str, needed_h: float, hours: float, note: str) -> Item:
    words = f"{length(hours)}{note}"
    missing_h = needed_h - hours
    judgement = (
        Judgement("GO", words)
        if missing_h <= 0
        else Judgement("NOT ENOUGH DATA", words, f"{missing_h:.1f} h more in shadow")
    )
    measured = _count(hours, round(hours * 60))
    return Item(
        "gate5", name, asked, f">= {needed_h:.0f} h", judgement, "data/state/incidents.jsonl", measured, "h", 1
    )


# ---- fills ---------------------------------------------------------------------------------------------------


def _fills(shadow: Shadow) -> Iterator[Item]:
    """Where the book five seconds later is missing the market may have been wild: many such fills say nothing."""
    sums = window_sums(shadow)
    total = dict(zip(COLUMNS, sums.sum(axis=0).tolist(), strict=True))
    hours, fills, labelled = total["hours"], int(total["fills"]), int(total["labelled"])
    few = _few(fills, labelled)
    edge = _ratio(sums, "edge_bps", "labelled", labelled)
    words = _words(edge, "bps")
    yield _trading(
        "edge per fill", "mean edge at 5 s, after fee", f"> {LEAST_EDGE_BPS:.0f} bps",
        few or above(edge, LEAST_EDGE_BPS, hours, words), edge, "bps",
    )  # fmt: skip
    rate = _rate(sums, fills, hours)
    yield _trading(
        "fill rate", "fills an hour, all coins together", f"> {LEAST_FILLS_PER_HOUR:.0f} /h",
        above(rate, LEAST_FILLS_PER_HOUR, hours, _words(rate, "/h")), rate, "/h",
    )  # fmt: skip
    adverse = _within(_ratio(sums, "adverse", "labelled", labelled, 100.0), 0.0, 100.0)
    words = _words(adverse, "%")
    yield _trading(
        "adverse fills", "fills whose edge at 5 s, after fee, is negative", f"< {MOST_ADVERSE_PCT:.0f} %",
        few or below(adverse, MOST_ADVERSE_PCT, hours, words), adverse, "%",
    )  # fmt: skip
    cancels = _within(_ratio(sums, "canceled", "fills", fills), 0.0, inf)
    words = _words(cancels, "")
    yield _trading(
        "cancels per fill", "orders cancelled for each fill", f"< {MOST_CANCELS_PER_FILL:.0f}",
        _too_few(fills) or below(cancels, MOST_CANCELS_PER_FILL, hours, words), cancels, "",
    )  # fmt: skip


def _few(fills: int, labelled: int) -> Judgement | None:
    if fills - labelled > MOST_UNLABELLED_FRAC * fills:
        reason = (
            f"{fills - labelled} of {fills} fills have no book five seconds later: the rest may not be like them"
        )
        return Judgement("NOT ENOUGH DATA", reason, "fewer holes in the data: market_maker check-data")
    return _too_few(labelled)


def _too_few(fills: int) -> Judgement | None:
    if fills >= LEAST_FILLS:
        return None
    return Judgement("NOT ENOUGH DATA", f"{fills} fills", f"{LEAST_FILLS - fills} more fills")


def _ratio(sums: Floats, above: str, beneath: str, n: int, factor: float = 1.0) -> Estimate:
    """A sum over windows by another, of `n` observations."""
    top, bottom = COLUMNS.index(above), COLUMNS.index(beneath)
    if not sums[:, bottom].any():
        return NOTHING

    def statistic(drawn: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return factor * drawn[..., [top]] / drawn[..., [bottom]]

    return intervals(sums, statistic, [n], seed=SEED)[0]


def _within(found: Estimate, least: float, most: float) -> Estimate:
    """No rate is negative, no share beyond 100 %."""
    if found.low is None or found.high is None:
        return found
    return found._replace(low=max(found.low, least), high=min(found.high, most))


def _rate(sums: Floats, fills: int, hours: float) -> Estimate:
    """Without a single fill the bootstrap knows no spread: then the rule of three, which is exact for 95 %."""
    if fills or not hours:
        return _within(_ratio(sums, "fills", "hours", fills), 0.0, inf)
    return Estimate(0.0, 0.0, 3 / hours, 0, 0.0)


def _words(measured: Estimate, unit: str, digits: int = 2) -> str:
    """`1.23 [0.98, 1.51] bps`."""
    if measured.value is None:
        return "nothing to measure"
    interval = "" if measured.low is None else f" [{measured.low:,.{digits}f}, {measured.high:,.{digits}f}]"
    return f"{measured.value:,.{digits}f}{interval} {unit}".rstrip()


def _trading(
    name: str, asked: str, threshold: str, judgement: Judgement, measured: Estimate | None, unit: str
) -> Item:
    return Item("gate5", name, asked, threshold, judgement, MORE_TRADING, measured, unit)


# ---- money ---------------------------------------------------------------------------------------------------


def _money(recorded: Recorded) -> Iterator[Item]:
    shadow = recorded.shadow
    yield _pnl(shadow)
    changes = returns(shadow, recorded.balance_usd)
    found = cautious(changes) if len(changes) >= MIN_RETURNS else None
    measured = found and Estimate(found.sr_annual, *found.ci95_annual, len(changes), float(len(changes)))
    yield _trading(
        "Sharpe above 0", "probability that the true Sharpe ratio is above 0", f"(PSR(0) >= {LEAST_PSR:.0%})",
        _psr(found, shadow.hours), measured, "a year",
    )  # fmt: skip
    yield _trading(
        "Sharpe of five days", "Sharpe ratio a year, over 5 days, and PSR(0) as above", f"> {LEAST_SHARPE}",
        _five_days(found, shadow.hours), measured, "a year",
    )  # fmt: skip


def _pnl(shadow: Shadow) -> Item:
    """The sum has to be positive; whether by chance is what Sharpe ratio and edge ask."""
    usd, hours = sum(minute.pnl_usd for minute in shadow.minutes), shadow.hours
    words = f"${usd:,.2f} net in {length(hours)}"
    if hours < SHADOW_H:
        judgement = Judgement("NOT ENOUGH DATA", words, f"{SHADOW_H - hours:.1f} h more in shadow")
    else:
        judgement = Judgement("GO" if usd > 0 else "NO-GO", words)
    total = _ratio(window_sums(shadow), "pnl_usd", "hours", round(hours * 60), hours)
    return _trading("shadow PnL", "net of fees and funding, over 5 days", "> $0", judgement, total, "USD")


def _psr(found: Sharpe | None, hours: float) -> Judgement:
    if found is None:
        reason = f"fewer than {MIN_RETURNS} minutes, or none in which equity moved"
        return Judgement("NOT ENOUGH DATA", reason, "hours in shadow")
    words = f"PSR(0) {found.psr:.1%} at a Sharpe ratio of {found.sr_annual:,.1f} a year"
    if found.psr >= LEAST_PSR:
        return Judgement("GO", words)
    if found.psr <= 1 - LEAST_PSR:
        return Judgement("NO-GO", f"{words}: it loses, and not by chance")
    if found.min_track_record_periods is None:
        return Judgement("NOT ENOUGH DATA", f"{words}: it loses, perhaps by chance", "a better result")
    more_h = max(1.0, found.min_track_record_periods / 60 - hours)
    return Judgement("NOT ENOUGH DATA", words, f"about {length(more_h)} more, if it stays so")


def _five_days(found: Sharpe | None, hours: float) -> Judgement:
    """Over five days the standard error is 8.5: the point alone would say nothing."""
    sure = _psr(found, hours)
    if found is None or sure.verdict == "NO-GO":
        return sure
    words = (
        f"{found.sr_annual:,.1f} [{found.ci95_annual[0]:,.1f}, {found.ci95_annual[1]:,.1f}] a year, {sure.reason}"
    )
    if hours < SHADOW_H:
        return Judgement("NOT ENOUGH DATA", words, f"{SHADOW_H - hours:.1f} h more in shadow")
    if found.sr_annual <= LEAST_SHARPE:
        return Judgement("NO-GO", words)
    return sure._replace(reason=words)


# ---- what happened -------------------------------------------------------------------------------------------


def _kill_switch(recorded: Recorded) -> Item:
    fired = kill_switches(recorded.incidents, recorded.runs, recorded.subject.venue)
    begin_ms = recorded.shadow.since(QUIET_H)
    late = [time_ms for time_ms in fired if time_ms >= (begin_ms or 0)]
    within = [time_ms for time_ms in late if begin_ms is not None or time_ms > recorded.now_ms - DAY_MS]
    if within:
        reason = f"{len(within)} in the last {QUIET_H:.0f} h of shadow, the last at {_at(within[-1])}"
        judgement = Judgement("NO-GO", reason)
    elif begin_ms is None:
        needs = f"{QUIET_H - recorded.shadow.hours:.1f} h more in shadow"
        judgement = Judgement("NOT ENOUGH DATA", f"none in {recorded.shadow.hours:.1f} h of shadow", needs)
    else:
        judgement = Judgement("GO", f"none since {_at(begin_ms)}")
    return Item(
        "gate5", "kill switch", "never fired in the last 24 h of shadow", "0", judgement,
        "data/state/incidents.jsonl", _count(len(within), len(fired)), "", 0,
    )  # fmt: skip


def _limits(shadow: Shadow) -> Item:
    at_limit, seen = (sum(column) for column in _seconds(shadow))
    share = f"{at_limit:,} of {seen:,} coin seconds with a side blocked by its inventory limit"
    if at_limit:
        judgement = Judgement("NO-GO", share)
    elif shadow.hours < PAPER_H:
        judgement = Judgement("NOT ENOUGH DATA", share, f"{PAPER_H - shadow.hours:.1f} h more in shadow")
    else:
        judgement = Judgement("GO", share)
    return Item(
        "gate5", "position limits", "inventory limits are never hit", "0 s", judgement,
        "data/account: at_limit_s, by coin and minute", _count(at_limit, seen), "s", 0,
    )  # fmt: skip


def _seconds(shadow: Shadow) -> tuple[list[int], list[int]]:
    return [minute.at_limit_s for minute in shadow.minutes], [minute.seen_s for minute in shadow.minutes]


def _gaps(recorded: Recorded) -> Item:
    gaps, hours = recorded.critical_gaps, recorded.data_hours
    words = f"{gaps} in {length(hours)} of data{'; besides: ' * bool(recorded.damage)}{recorded.damage}"
    if gaps > MOST_CRITICAL_GAPS:
        judgement = Judgement("NO-GO", words)
    elif hours < SHADOW_H:
        judgement = Judgement("NOT ENOUGH DATA", words, f"{SHADOW_H - hours:.1f} h more of data")
    else:
        judgement = Judgement("GO", words)
    return Item(
        "gate5", "critical gaps", "holes of ten minutes, in 5 days", f"<= {MOST_CRITICAL_GAPS}", judgement,
        "market_maker check-data", _count(gaps, gaps), "", 0,
    )  # fmt: skip


def _stalls(found: Stalls) -> Item:
    if found.open_ms:
        reason = f"the feed fell silent at {_at(found.open_ms[-1])}, and no recovery is on record"
        judgement = Judgement("NO-GO", reason)
    elif found.recovered:
        judgement = Judgement("GO", f"{found.recovered} recovered")
    else:
        needs = "one: take the network away for 40 s while it runs in shadow"
        judgement = Judgement("NOT ENOUGH DATA", "no stall on record", needs)
    return Item(
        "gate5", "stall recovery", "a silent feed was seen, and recovered from", ">= 1", judgement,
        "data/state/incidents.jsonl", _count(found.recovered, found.recovered + len(found.open_ms)), "", 0,
    )  # fmt: skip


def _count(value: float, n: int) -> Estimate:
    """A number without an interval: it was counted, not estimated."""
    return Estimate(value, None, None, n, float(n))


def _at(time_ms: int) -> str:
    return f"{utc(time_ms):%Y-%m-%d %H:%M} UTC"
