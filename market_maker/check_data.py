"""`market_maker check-data`, also scripts/check_data_integrity.py: is the recorded data whole, and repairs."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from market_maker.arguments import absolute
from shared.clock import utc_day, wall_ms
from shared.config import EngineConfig, load
from shared.errors import ConfigError, MarketMakerError
from shared.words import counted

if TYPE_CHECKING:
    from analysis.integrity import Finding, Report, Step

OK, ERROR, CRITICAL, CONFIGURATION, INTERRUPTED = 0, 1, 2, 4, 130
SHOWN = 5
"""Worst places of a kind, and gaps of a class, that the table lists; --json has all."""

EXAMPLES = """
examples:
  market_maker check-data                          everything under data/
  market_maker check-data --asset BTC,ETH --days 7
  market_maker check-data --fix                    repair; originals are kept in data/quarantine/originals
  market_maker check-data --json | jq .counts

exit codes: 0 nothing critical, 1 an error, 4 settings,
            2 NO-GO, or something critical (a gap of ten minutes, damaged files)
"""


class _Parser(argparse.ArgumentParser):
    """Exit code 2 belongs to damaged data, not to a mistyped flag."""

    def error(self, message: str) -> NoReturn:
        self.exit(CONFIGURATION, f"error: {message}; see --help\n")


def parser() -> argparse.ArgumentParser:
    about = _Parser(
        prog="check-data",
        description="Look for gaps, damage, and differences of Parquet and CSV in the recorded data.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    about.add_argument("--data", type=Path, metavar="DIR", help="the data folder (default: MM_DATA_DIR)")
    about.add_argument("--asset", "--coin", default="", metavar="C,…", help="only these coins, comma separated")
    period = about.add_mutually_exclusive_group()
    period.add_argument("--days", type=_days, metavar="N", help="only the last N UTC days, today included")
    period.add_argument("--since", type=_day, metavar="DAY", help="only from this UTC day on")
    about.add_argument("--fix", action="store_true", help="repair what can be proven, then look again")
    about.add_argument("--json", action="store_true", help="the report as JSON on standard output")
    about.add_argument(
        "--config", "-c", type=Path, metavar="FILE", help="settings file (default: market_maker.toml)"
    )
    return about


def _days(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of days such as 7")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no day such as 2026-02-22") from error


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    given = parser().parse_args(argv)
    if given.config:
        os.environ["MM_CONFIG"] = str(absolute(given.config))
    try:
        data_dir = absolute(given.data) or load(EngineConfig).data_dir
        return _run(data_dir, given)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (MarketMakerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return CONFIGURATION if isinstance(error, ConfigError) else ERROR


def _run(data_dir: Path, given: argparse.Namespace) -> int:
    from analysis.integrity import examine, repair

    now_ms = int(wall_ms())
    coins = {coin for coin in given.asset.split(",") if coin} or None
    since = utc_day(now_ms) - timedelta(days=given.days - 1) if given.days else given.since
    steps: list[Step] = []
    with _Bar() as bar:
        if given.fix:
            bar.begin("repairing")
            steps = repair(data_dir, coins, since, now_ms, bar.advance)
        bar.begin("checking")
        report = examine(data_dir, coins, since, now_ms, bar.advance)
    if given.json:
        print(as_json(report, steps))
    else:
        show(report, steps, Console(), was_fixed=given.fix)
    return CRITICAL if report.is_critical or report.judgement.verdict == "NO-GO" else OK


class _Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[at]}"),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, what: str) -> None:
        self._task = self._progress.add_task(what, total=None, at="")

    def advance(self, place: str, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total, at=place)


# ---- for machines ----


def as_json(report: "Report", steps: "Sequence[Step]") -> str:
    """One object; the names stay as they are."""
    judgement = report.judgement
    values: dict[str, Any] = {
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "needs": judgement.needs,
        "critical": report.is_critical,
        "critical_gaps": report.critical_gaps,
        "data_dir": str(report.data_dir),
        "coins": report.coins,
        "days": [str(day) for day in report.days],
        "files": report.files,
        "rows": report.rows,
        "span_ms": report.span_ms,
        "recorded_ms": report.recorded_ms,
        "counts": report.counts(),
        "gaps": [{**gap._asdict(), "class": gap.name, "length_ms": gap.length_ms} for gap in report.gaps],
        "findings": [{**finding._asdict(), "severity": finding.severity} for finding in report.findings],
        "steps": [step._asdict() for step in steps],
    }
    return msgspec.json.format(msgspec.json.encode(values), indent=2).decode()


# ---- for people ----


def show(report: "Report", steps: "Sequence[Step]", console: Console, was_fixed: bool) -> None:
    """The verdict in one line, then what was done, gaps and findings, the worst first."""
    judgement = report.judgement
    colour = {"GO": "green", "NO-GO": "red"}.get(judgement.verdict, "yellow")
    console.print(f"[bold {colour}]{judgement.verdict}[/] ", judgement.reason, style="bold", highlight=False)
    if judgement.needs:
        console.print(judgement.needs, highlight=False)
    rows = ", ".join(f"{n:,} {family}" for family, n in report.rows.items() if n)
    days = f"{report.days[0]} to {report.days[-1]}" if report.days else "no days"
    console.print(
        f"{counted(len(report.coins), 'coin')}, {days}, {counted(report.files, 'file')}: {rows or 'no'} rows",
        highlight=False,
    )
    if was_fixed:
        _show_steps(steps, console)
    if report.gaps:
        console.print(_gaps(report))
    if report.findings:
        _show_findings(report, console, was_fixed)
    if any(_is_fixable(finding) for finding in report.findings) and not was_fixed:
        console.print("repair: the same command with --fix; every original is kept", highlight=False)


def _show_steps(steps: "Sequence[Step]", console: Console) -> None:
    for step in steps:
        console.print(
            f"{'left ' if step.left else 'fixed'} {step.place}: {step.text}", markup=False, highlight=False
        )
    done = sum(not step.left for step in steps)
    text = (
        f"{counted(done, 'file')} repaired, originals in quarantine/originals/" if done else "nothing was changed"
    )
    console.print(text, highlight=False)


def _gaps(report: "Report") -> Table:
    from analysis.integrity.gaps import CLASSES, EVERY, shown

    table = Table(title="Gaps in the ticks", title_justify="left", show_lines=False)
    for name in ("class", "gaps", "worst"):
        table.add_column(name, justify="right" if name == "gaps" else "left")
    for name, least_ms in CLASSES:
        gaps = sorted((gap for gap in report.gaps if gap.name == name), key=lambda gap: -gap.length_ms)
        worst = [f"{'all coins' if gap.coin == EVERY else gap.coin}, {gap.text()}: {gap.cause}" for gap in gaps]
        more = [f"and {len(gaps) - SHOWN} more (--json has all)"] if len(gaps) > SHOWN else []
        if gaps:
            table.add_row(f"{name}, {shown(least_ms)}", str(len(gaps)), "\n".join(worst[:SHOWN] + more))
    return table


def _show_findings(report: "Report", console: Console, was_fixed: bool) -> None:
    from analysis.integrity import KINDS

    by_kind: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    order = ("critical", "warning", "notice")
    for kind, found in sorted(by_kind.items(), key=lambda item: order.index(KINDS[item[0]].severity)):
        found.sort(key=lambda finding: -finding.n)
        total = sum(finding.n for finding in found)
        severity, title, remedy, fixable = KINDS[kind]
        remedy = "not dealt with: see above" if was_fixed and fixable else remedy
        colour = {"critical": "red", "warning": "yellow"}.get(severity, "dim")
        console.print(f"[{colour}]{severity}[/] {total:,} {title} ({kind}): {remedy}", highlight=False)
        for finding in found[:SHOWN]:
            console.print(f"    {_where(finding)}", markup=False, highlight=False)
        if len(found) > SHOWN:
            console.print(f"    and {len(found) - SHOWN} more (--json has all)", highlight=False)


def _where(finding: "Finding") -> str:
    line = f":{finding.line}" if finding.line else ""
    number = f" ({finding.n:,})" if finding.n > 1 else ""
    text = f": {finding.text}" if finding.text else ""
    return f"{finding.place}{line}{number}{text}"


def _is_fixable(finding: "Finding") -> bool:
    from analysis.integrity import KINDS

    return KINDS[finding.kind].fixable
