"""Everything that is asked of a data folder, in one go: each coin is measured once, then gate by gate."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from analysis import edges, integrity, minutes
from analysis.answer import GATES, About, Answer
from analysis.edges import CoinEdges
from analysis.estimates import Judgement
from analysis.gate1 import Gate1, gate1
from analysis.gate2 import Gate2, gate2
from analysis.gate3 import Gate3, gate3
from analysis.gate4 import Gate4, gate4
from analysis.gate5 import SHADOW_H, gate5, read_shadow
from analysis.intensity import section as intensity
from analysis.minutes import CoinMinutes
from analysis.profiles import profiles
from analysis.store import HOUR_MS, Store
from analysis.tables import Section
from shared.clock import utc_day, wall_ms
from shared.config import EngineConfig, load
from shared.confirmation import code_version
from shared.data_files import UNMARKED, import_notes, venue_of

MOST_SKIPPED = 5
"""Notes on what was left out."""
FUNDING = "funding is left out of every edge: it is paid or earned by the side that is held"
FILLS_GATES, TIME_GATES = {1, 3, 5}, {2, 4, 5}


class Progress(Protocol):
    """Told the fraction done, and what is done next."""

    def __call__(self, done: float, now: str = "") -> None: ...


class Asked(NamedTuple):
    """`everything`: the profiles too. `queues`: what was displayed before orders, which takes longest. `source`
    names the data for people."""

    gates: frozenset[int] = frozenset(GATES)
    everything: bool = True
    queues: bool = True
    source: str = ""


class Found(NamedTuple):
    """The answer, and the typed results behind it as far as they were asked for."""

    answer: Answer
    gate1: Gate1 | None
    gate2: Gate2 | None
    gate3: Gate3 | None
    gate4: Gate4 | None


ALL = Asked()


def _silent(done: float, now: str = "") -> None:
    """Nobody looks."""


def analyse(store: Store, asked: Asked = ALL, progress: Progress = _silent) -> Answer:
    """See `find`."""
    return find(store, asked, progress).answer


def find(store: Store, asked: Asked = ALL, progress: Progress = _silent) -> Found:
    """The gates asked for, 1 to 4 also for gate 5, which rests on them.

    Raises:
        DataError: the data cannot be read.
    """
    config = load(EngineConfig)
    wanted = asked.gates | (set(GATES) if 5 in asked.gates else set())
    by_fills, by_time = _measure(store, wanted, asked, config.fee_tier, progress)
    first = gate1(by_fills) if 1 in wanted else None
    second = gate2(by_time) if 2 in wanted else None
    third = gate3(by_fills) if 3 in wanted else None
    fourth = gate4(by_time) if 4 in wanted else None
    sections = [gate.section for gate in (first, second, third, fourth) if gate is not None]
    if 5 in wanted:
        progress(0.85, "is the data whole?")
        sections.append(_gate5(store, sections, float(config.starting_balance_usd)))
    if asked.everything:
        progress(0.9, "profiles")
        sections += [intensity(by_fills), *profiles(store, by_time)]
    progress(0.95, "what was left out")
    answer = Answer(_about(store, asked, config.fee_tier), tuple(sections))
    progress(1.0)
    return Found(answer, first, second, third, fourth)


def _measure(
    store: Store, wanted: Collection[int], asked: Asked, fee_tier: int, progress: Progress
) -> tuple[dict[str, CoinEdges], dict[str, CoinMinutes]]:
    by_fills: dict[str, CoinEdges] = {}
    by_time: dict[str, CoinMinutes] = {}
    for number, coin in enumerate(store.coins):
        progress(0.8 * number / len(store.coins), coin)
        if asked.everything or FILLS_GATES & set(wanted):
            by_fills[coin] = edges.measure(store, coin, fee_tier, depth=asked.queues and 1 in wanted)
        if asked.everything or TIME_GATES & set(wanted):
            by_time[coin] = minutes.measure(store, coin)
    progress(0.8, "gates")
    return by_fills, by_time


def _gate5(store: Store, gates: Collection[Section], balance_usd: float) -> Section:
    first_ms, _ = store.span
    whole = integrity.examine(store.data_dir, store.coins, utc_day(first_ms))
    return gate5([*gates], _whole(whole), whole.critical_gaps, read_shadow(store), balance_usd)


def _whole(report: integrity.Report) -> Judgement:
    """Of less than the days that gate 5 asks for, holes only say that data is missing."""
    judgement, missing_h = report.judgement, SHADOW_H - report.recorded_ms / HOUR_MS
    if judgement.verdict == "NO-GO" and not report.critical_findings and missing_h > 0:
        return judgement._replace(verdict="NOT ENOUGH DATA", needs=f"{missing_h:.0f} h recorded with few holes")
    return judgement


def _about(store: Store, asked: Asked, fee_tier: int) -> About:
    venue, (first_ms, last_ms) = venue_of(store.data_dir), store.span
    return About(
        made_ms=int(wall_ms()),
        code=code_version(),
        source=asked.source or str(store.data_dir),
        venue=venue,
        first_ms=first_ms,
        last_ms=last_ms,
        hours=store.hours,
        fee_tier=fee_tier,
        notes=(*import_notes(store.data_dir), *_notes(store, venue)),
    )


def _notes(store: Store, venue: str) -> list[str]:
    skipped = [
        f"left out, {one.where}: {one.reason}" + (f" ({one.rows:,})" if one.rows is not None else "")
        for one in store.skipped
    ]
    if len(skipped) > MOST_SKIPPED:
        skipped[MOST_SKIPPED:] = [f"and {len(skipped) - MOST_SKIPPED} more of that kind: market_maker check-data"]
    elsewhere = f"prices of venue {venue}: they say nothing about what can be earned on {UNMARKED}"
    return [FUNDING, *([elsewhere] if venue != UNMARKED else []), *skipped]
