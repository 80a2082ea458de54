"""The items of gate 5, from what was recorded: no files, no clock, nothing asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.estimates import Estimate, Judgement
from analysis.gate5 import SHADOW_H
from analysis.integrity.examine import MOST_CRITICAL_GAPS
from analysis.render.words import length
from market_maker.gates import trading
from market_maker.gates.items import Item
from market_maker.gates.runs import Run, Stalls, kill_switches, stalls
from market_maker.gates.shadow import DAY_MS, Shadow
from market_maker.live.gates import Subject
from shared.clock import utc
from shared.incidents import Incident

PAPER_H, CODE_H, QUIET_H = 24.0, 4.0, 24.0
SATURDAY, LEAST_SATURDAY_H = 5, 20.0


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
    yield from trading.fills(shadow)
    yield from trading.money(shadow, recorded.balance_usd)
    yield _kill_switch(recorded)
    yield _limits(shadow)
    yield _gaps(recorded)
    yield _stalls(stalls(recorded.incidents, recorded.runs, recorded.subject.venue))


def saturday(recorded: Recorded) -> Item:
    """Part of gate 4: the bot itself must have been through one."""
    days: dict[int, int] = {}
    for time_ms in recorded.shadow.times_ms:
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
