"""`market_maker replay --set …`: the grid, its days, the work, the answer."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from market_maker.sweep import compare, grid, pool, show
from market_maker.sweep.job import Done, Job
from services.venue.market.feed import Part
from services.venue.market.replay import days_of, open_recording

FAILED = 1


@dataclass(frozen=True)
class Wanted:
    """`settings` as given to --set; without `workers` as many as there are cores."""

    recording: Path
    out: Path
    part: Part
    settings: tuple[str, ...]
    workers: int | None = None
    cluster: str | None = None
    as_json: bool = False


def run(wanted: Wanted) -> int:
    """Replay every day under every combination, write and show what came out; 1 when a job failed."""
    swept = grid.parse(wanted.settings)
    recording = open_recording(wanted.recording, wanted.part)
    coins = tuple(meta.coin for meta in recording.coins)
    combinations = grid.combinations(swept)
    setups = [grid.setup(combination, coins) for combination in combinations]
    jobs = [
        Job(i, day, wanted.recording, coins, setup)
        for day in days_of(recording)
        for i, setup in enumerate(setups)
    ]  # fmt: skip
    with _progress(len(jobs)) as advance:
        ended: list[Done] = []
        for done in pool.results(jobs, wanted.recording, wanted.workers, wanted.cluster):
            ended.append(done)
            advance()
    report = _report(wanted, swept, coins, combinations, ended)
    show.write(report, wanted.out)
    if wanted.as_json:
        sys.stdout.write(show.encode(report).decode())
    else:
        show.show(report)
        print(f"  written to {wanted.out}: sweep.csv, sweep.json, sweep.png")
    return FAILED if report.failures else 0


def _report(
    wanted: Wanted,
    swept: tuple[grid.Swept, ...],
    coins: tuple[str, ...],
    combinations: list[grid.Combination],
    ended: list[Done],
) -> show.Report:
    ended = sorted(ended, key=lambda done: (done.combination, done.day))
    outcomes = {(done.combination, done.day): done.outcome for done in ended if done.outcome is not None}
    days = sorted({done.day for done in ended if done.outcome or done.error})
    rows = [
        compare.row(settings, [outcome for (j, _), outcome in outcomes.items() if j == i])
        for i, settings in enumerate(combinations)
    ]
    failures = [done for done in ended if done.error]
    answer = compare.judge(combinations, outcomes, days)
    return show.Report(
        wanted.recording.name, coins, days, swept, combinations, outcomes, rows, failures, answer
    )  # fmt: skip


@contextmanager
def _progress(jobs: int) -> Iterator[Callable[[], None]]:
    """Jobs done and the time left, on a terminal's standard error; silent elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("replaying day by day", total=jobs)
        yield lambda: bar.advance(task)
