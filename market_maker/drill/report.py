"""The results: a table for people, Markdown or HTML to keep, JSON, and evidence for whoever asks later."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from market_maker.drill.calm import CalmReport
from market_maker.drill.results import Result, Row, joined
from shared.clock import utc
from shared.errors import ConfigError

FILE = Path("state") / "drill.json"
"""In the data folder."""
MEANING = (
    "Seconds from a fault's beginning until the account was safe and stayed so: none of our orders rests, or the"
    " executor knows each that does; its ledger is the venue's position. The bound counts from the fault's end."
)
HEAD = ("fault", "runs", "failed", "p50 s", "max s", "bound s", "what")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill found, when, with which code (as a confirmation has it). Either part may be missing."""

    made_ms: int
    code: str
    seed: int
    """Of several that were joined, that of the first."""
    faults: tuple[Row, ...] = ()
    failures: tuple[Result, ...] = ()
    calm: CalmReport | None = None
    cut_short: str = ""
    """Why not all was committed that was to be."""

    @property
    def passed(self) -> bool:
        return not self.failures and not self.cut_short and not (self.calm is not None and self.calm.failures)


class Evidence(msgspec.Struct, kw_only=True):
    """The newest of each kind."""

    faults: Report | None = None
    calm: Report | None = None


def keep(data_dir: Path, report: Report) -> Path:
    """Into the evidence, in the place of the last report of its kind."""
    file = data_dir / FILE
    evidence = read_evidence(data_dir)
    if report.calm is not None:
        evidence.calm = report
    else:
        evidence.faults = report
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(evidence)) + b"\n")
    fresh.replace(file)
    return file


def read_evidence(data_dir: Path) -> Evidence:
    """Empty where there is none.

    Raises:
        ConfigError: there is a file, but it is not evidence.
    """
    file = data_dir / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Evidence)
    except FileNotFoundError:
        return Evidence()
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"{file} is no evidence of drills: {error}; remove it") from error


# ---- several drills as one ------------------------------------------------------------------------------------


def read(file: Path) -> Report:
    """What `--json` printed.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"--join {file}: no JSON of a drill: {error}") from error


def join(reports: Sequence[Report]) -> Report:
    """Groups of faults that were committed side by side, as one drill as old as its oldest part.

    Raises:
        ConfigError: they are not of the same code, not of faults, or one of them is there twice.
    """
    first = reports[0]
    if len({(report.made_ms, report.seed) for report in reports}) < len(reports):
        raise ConfigError("--join: the same drill twice; its repetitions would count twice")
    if any(report.code != first.code for report in reports):
        raise ConfigError(f"--join: drills of different code: {', '.join(report.code for report in reports)}")
    if any(report.calm is not None for report in reports):
        raise ConfigError("--join: joins drills of faults; a long run stands alone")
    rows: dict[str, Row] = {}
    for row in (row for report in reports for row in report.faults if row.runs):
        rows[row.fault] = joined(rows[row.fault], row) if row.fault in rows else row
    return Report(
        made_ms=min(report.made_ms for report in reports),
        code=first.code,
        seed=first.seed,
        faults=tuple(rows.values()),
        failures=tuple(failure for report in reports for failure in report.failures),
        cut_short="; ".join(report.cut_short for report in reports if report.cut_short),
    )


# ---- for people ----------------------------------------------------------------------------------------------


def cells(row: Row) -> tuple[str, ...]:
    p50, most = (_seconds(value) for value in (row.p50_s, row.max_s))
    return (row.fault, str(row.runs), str(row.failed), p50, most, f"{row.bound_s:g}", row.about)


def table(rows: Sequence[Row]) -> Table:
    """Time to the safe state, by fault; without the explanation, so that it fits."""
    made = Table(title="time until the account is safe", title_justify="left")
    for name in HEAD[:-1]:
        made.add_column(name, justify="left" if name == "fault" else "right")
    for row in rows:
        made.add_row(*cells(row)[:-1], style="red" if row.failed else "")
    return made


def calm_cells(calm: CalmReport) -> list[tuple[str, str]]:
    refused = ", ".join(f"{status} {count}" for status, count in sorted(calm.refused.items())) or "none"
    forecast = f"{calm.forecasts} forecasts, mean error {calm.forecast_error_frac:.1%}"
    if not calm.forecasts:
        forecast = "none: each looks ten minutes of our time ahead"
    return [
        ("market", f"{calm.coins} coins, {calm.market_s / 60:.0f} min at speed {calm.speed:g}"),
        ("orders", f"{calm.orders} rested, {calm.fills} fills, ${calm.volume_usd:,.0f} traded"),
        ("crossed", str(calm.crossed)),
        ("orphans", str(calm.orphans)),
        (
            "post-only refused",
            f"{calm.post_only_refused} ({calm.reject_frac:.2%} of orders); all refused: {refused}",
        ),
        (
            "requests",
            f"{calm.requests} by the venue, {calm.budget_used} used of the budget as the executor counts",
        ),
        ("budget forecast", forecast),
        ("dark fills", str(calm.dark_fills)),
        ("books", "equal to the venue's truth log" if not calm.failures else "see below"),
    ]


def words(report: Report) -> Iterator[str]:
    """Failures, one a line."""
    for result in report.failures:
        for failure in result.failures:
            yield f"{result.fault} {result.repetition} ({result.what}): {failure}; {result.logs}"
    for failure in report.calm.failures if report.calm is not None else ():
        yield failure


def write(file: Path, report: Report) -> None:
    """
    Raises:
        ConfigError: neither .md nor .html.
    """
    if file.suffix not in WRITERS:
        raise ConfigError(f"--report {file}: its name must end in {' or '.join(WRITERS)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(WRITERS[file.suffix](report))


def markdown(report: Report) -> str:
    lines = [f"# Drill of {utc(report.made_ms):%Y-%m-%d %H:%M} UTC", "", f"{verdict(report)}", ""]
    if report.faults:
        lines += [
            MEANING,
            "",
            _line(HEAD),
            _line(["---"] * len(HEAD)),
            *(_line(cells(row)) for row in report.faults),
            "",
        ]
    if report.calm is not None:
        lines += [_line(("", "")), _line(("---", "---")), *(_line(pair) for pair in calm_cells(report.calm)), ""]
    return "\n".join([*lines, *(f"- {word}" for word in words(report))]).rstrip() + "\n"


def _line(row: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


def html(report: Report) -> str:
    title = f"Drill of {utc(report.made_ms):%Y-%m-%d %H:%M} UTC"
    parts = [f"<h1>{title}</h1><p>{escape(verdict(report))}</p>"]
    if report.faults:
        body = "".join(_row("td", cells(row), "failed" if row.failed else "") for row in report.faults)
        parts.append(f"<p>{escape(MEANING)}</p><table>{_row('th', HEAD)}{body}</table>")
    if report.calm is not None:
        parts.append(f"<table>{''.join(_row('td', pair) for pair in calm_cells(report.calm))}</table>")
    parts.append("".join(f"<p class=failed>{escape(word)}</p>" for word in words(report)))
    return f'<!doctype html><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>{"".join(parts)}\n'


_STYLE = (
    "body{font:15px system-ui;margin:2em;max-width:70em}table{border-collapse:collapse;margin:1em 0}"
    "th,td{border:1px solid #ccc;padding:.3em .7em;text-align:left}.failed{color:#b00}"
)
WRITERS = {".md": markdown, ".html": html}


def _row(kind: str, texts: Sequence[str], style: str = "") -> str:
    return f'<tr class="{style}">{"".join(f"<{kind}>{escape(text)}</{kind}>" for text in texts)}</tr>'


def verdict(report: Report) -> str:
    runs, failed = sum(row.runs for row in report.faults), len(report.failures)
    parts = [f"{runs} faults committed, {failed} failed"] if report.faults else []
    if report.calm is not None:
        parts.append(f"long run: {len(report.calm.failures)} differences")
    parts += [f"cut short: {report.cut_short}"] if report.cut_short else []
    return (
        f"{'Passed' if report.passed else 'FAILED'}: {'; '.join(parts)}. Seed {report.seed}, code {report.code}."
    )


def to_json(report: Report) -> Any:
    return msgspec.to_builtins(report) | {"passed": report.passed}


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
