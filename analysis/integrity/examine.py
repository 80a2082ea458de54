"""Looks at every day file of a data folder, one coin and day after the other, and changes nothing."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa

from analysis.estimates import Judgement
from analysis.integrity.absence import missing
from analysis.integrity.content import FAULTS, NO_TOUCH, Touch
from analysis.integrity.findings import KINDS, Finding
from analysis.integrity.folder import Files, Folder, by_coin_and_day, list_folder
from analysis.integrity.gaps import EVERY, Gap, Span, shown, silences, with_causes
from analysis.integrity.parquets import UNPROVEN, fault_of
from analysis.integrity.reading import Reading, Rows, read_csv, read_parquet
from shared.clock import utc_day, wall_ms
from shared.data_files import FAMILIES, TICKS, Family
from shared.errors import DataError
from shared.incidents import FILE as INCIDENTS
from shared.incidents import Incident
from shared.incidents import read as read_incidents

MOST_CRITICAL_GAPS = 4
"""A recording with five or more is not stable enough to trade on."""
LEAST_RECORDED_FRAC = 0.9
"""Few long gaps may not pass for a stable recording."""
Advance = Callable[[str, int, int], None]
"""Called with the place looked at next, the bytes done and all bytes."""


@dataclass(frozen=True)
class Report:
    """What is in a data folder and what is wrong with it."""

    data_dir: Path
    coins: tuple[str, ...]
    days: tuple[date, ...]
    """With ticks of any coin."""
    files: int
    rows: dict[str, int]
    """Good rows by family."""
    span_ms: int
    """From the first tick to the last one."""
    gaps: tuple[Gap, ...]
    """What all coins share is told once, as coin `*`."""
    findings: tuple[Finding, ...]

    @property
    def critical_gaps(self) -> int:
        """Silences of ten minutes and more; an outage of all coins is one."""
        return sum(gap.is_critical for gap in self.gaps)

    @property
    def recorded_ms(self) -> int:
        """Of the span, without what all coins are silent in."""
        return self.span_ms - sum(gap.length_ms for gap in self.gaps if gap.coin == EVERY)

    @property
    def critical_findings(self) -> int:
        return sum(finding.severity == "critical" for finding in self.findings)

    @property
    def is_critical(self) -> bool:
        return bool(self.critical_gaps or self.critical_findings)

    def counts(self) -> dict[str, int]:
        """Rows, or files where a finding has no rows, by kind."""
        found: Counter[str] = Counter()
        for finding in self.findings:
            found[finding.kind] += finding.n
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def judgement(self) -> Judgement:
        if not self.rows.get(TICKS.name):
            return Judgement("NOT ENOUGH DATA", "there are no ticks", "record in shadow mode: ./start_mm_bot.sh")
        plural = "" if self.critical_gaps == 1 else "s"
        recorded = f"{shown(self.recorded_ms)} recorded of {shown(self.span_ms)}"
        gaps = f"{self.critical_gaps} critical gap{plural}, {recorded}"
        if self.critical_findings:
            kinds = {finding.kind for finding in self.findings if finding.severity == "critical"}
            what = ", ".join(title for kind, (_, title, _, _) in KINDS.items() if kind in kinds)
            return Judgement("NO-GO", f"{gaps}; {what}")
        if self.critical_gaps > MOST_CRITICAL_GAPS:
            return Judgement("NO-GO", f"{gaps}; at most {MOST_CRITICAL_GAPS} are acceptable")
        if self.recorded_ms < LEAST_RECORDED_FRAC * self.span_ms:
            return Judgement("NO-GO", f"{gaps}; at least {LEAST_RECORDED_FRAC:.0%} of the time is needed")
        return Judgement("GO", gaps)


@dataclass
class _Notes:
    """What is known so far."""

    now_ms: int
    data_dir: Path
    findings: list[Finding]
    rows: Counter[str] = field(default_factory=Counter)
    gaps: dict[str, list[Gap]] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    present: dict[str, dict[str, set[date]]] = field(default_factory=dict)
    """Days with good rows by family and coin."""


def examine(
    data_dir: Path,
    coins: Collection[str] | None = None,
    since: date | None = None,
    now_ms: int | None = None,
    advance: Advance | None = None,
) -> Report:
    """The files of a data folder, of `coins` and UTC days since `since` only where given. Reads, changes nothing.

    Raises:
        DataError: there is no such folder.
    """
    if not data_dir.is_dir():
        raise DataError(f"{data_dir}: no such folder; nothing was recorded there yet (--data, MM_DATA_DIR)")
    now_ms = int(wall_ms()) if now_ms is None else now_ms
    folder = list_folder(data_dir, coins, since, utc_day(now_ms))
    notes = _Notes(now_ms, data_dir, folder.findings)
    _look(folder, notes, advance)
    incidents = _incidents(notes)
    notes.findings += missing(notes.present, notes.spans, incidents, coins)
    first_ms = min((span.from_ms for span in notes.spans.values()), default=0)
    last_ms = max((span.to_ms for span in notes.spans.values()), default=0)
    return Report(
        data_dir=data_dir,
        coins=tuple(folder.coins),
        days=tuple(sorted({day for days in notes.present.get(TICKS.name, {}).values() for day in days})),
        files=sum(
            _count(files) for _, _, families in by_coin_and_day(folder.coins) for files in families.values()
        ),
        rows=dict(notes.rows),
        span_ms=last_ms - first_ms,
        gaps=tuple(with_causes(notes.gaps, notes.spans, incidents)),
        findings=tuple(notes.findings),
    )


def _count(files: Files) -> int:
    return (files.csv is not None) + (files.parquet is not None)


def _look(folder: Folder, notes: _Notes, advance: Advance | None) -> None:
    work = list(by_coin_and_day(folder.coins))
    total = sum(files.size for _, _, families in work for files in families.values())
    done = 0
    for coin, day, families in work:
        touch = NO_TOUCH
        for family in FAMILIES:
            files = families.get(family.name)
            if files is None:
                continue
            if advance:
                advance(f"{family.name}/{coin}/{day}", done, total)
            rows = _rows_of(files, family, coin, day, touch, notes)
            done += files.size
            if rows is not None:
                _note_rows(rows, family, coin, day, notes)
                touch = rows.touch if family is TICKS else touch
    if advance:
        advance("", total, total)


def _note_rows(rows: Rows, family: Family, coin: str, day: date, notes: _Notes) -> None:
    good = int(rows.good.sum())
    notes.rows[family.name] += good
    if good:
        notes.present.setdefault(family.name, {}).setdefault(coin, set()).add(day)
    if family is TICKS and good:
        times, span = rows.times, notes.spans.get(coin)
        notes.gaps.setdefault(coin, []).extend(silences(coin, times, span and span.to_ms))
        notes.spans[coin] = Span(span.from_ms if span else int(times[0]), int(times[-1]))


def _rows_of(files: Files, family: Family, coin: str, day: date, touch: Touch, notes: _Notes) -> Rows | None:
    """The rows of the CSV, or of the Parquet file where there is none that can be read."""
    rows = None
    if files.csv:
        place = str(files.csv.path.relative_to(notes.data_dir))
        try:
            reading = read_csv(files.csv, notes.now_ms, touch, still_written=day >= utc_day(notes.now_ms))
        except (OSError, DataError) as error:
            notes.findings.append(Finding("unreadable", place, coin, text=_said(error)))
        else:
            notes.findings += of_reading(reading, place, coin)
            rows = reading.rows if reading.body is not None else None
    if files.parquet:
        place = str(files.parquet.relative_to(notes.data_dir))
        try:
            fault = fault_of(files.parquet, family, files.csv)
            if rows is None and fault in (None, UNPROVEN):
                rows = read_parquet(files.parquet, family, notes.now_ms, touch)
                notes.findings += of_rows(rows, family, place, coin, first_line=0)
        except OSError as error:
            fault = "unreadable", _said(error)
        except (KeyError, pa.ArrowException) as error:
            fault = "parquet_damaged", str(error).split("\n")[0][:160]
        if fault:
            notes.findings.append(Finding(fault[0], place, coin, text=fault[1]))
    return rows


def of_reading(reading: Reading, place: str, coin: str) -> list[Finding]:
    """What is wrong with a CSV."""
    if reading.body is None:
        return [Finding("unknown_header", place, coin, line=1, text=reading.header)]
    if reading.is_empty:
        return [Finding("no_rows", place, coin, text=reading.header)]
    found = [Finding("bad_header", place, coin, line=1, text=reading.header)] if reading.header else []
    first_line = 0 if reading.header == "no header" else 1
    counts = Counter(kind for _, kind in reading.bad)
    firsts = {kind: number for number, kind in reversed(reading.bad)}
    found += [Finding(kind, place, coin, n, firsts[kind] + first_line) for kind, n in counts.items()]
    return found + of_rows(reading.rows, reading.csv.family, place, coin, first_line)


def of_rows(rows: Rows, family: Family, place: str, coin: str, first_line: int) -> list[Finding]:
    """What is wrong with rows that read well; `first_line` lines stand before them."""
    seen = [(fault, *rows.count(fault)) for fault in FAULTS if fault]
    if family.ordered:
        seen.append(("time_back", *rows.steps_back()))
    seen.append(("conflicting_rows", *rows.conflicts()))
    seen.append(("price_outlier", rows.outliers, 0))
    return [Finding(kind, place, coin, n, line and line + first_line) for kind, n, line in seen if n]


def _incidents(notes: _Notes) -> list[Incident]:
    try:
        return list(read_incidents(notes.data_dir))
    except (DataError, OSError) as error:
        notes.findings.append(Finding("bad_incidents", str(INCIDENTS), text=_said(error)))
        return []


def _said(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error).split(": ", 1)[-1]
