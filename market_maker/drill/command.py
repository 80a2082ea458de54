"""`market_maker drill`: choose, run, show, keep."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from market_maker import redis_server
from market_maker.config import LauncherConfig
from market_maker.drill import report as reports
from market_maker.drill.calm import calm
from market_maker.drill.drill import Drill
from market_maker.drill.faults import FAULTS, Fault
from market_maker.drill.report import Report
from market_maker.drill.results import Result, Row, failed, row
from market_maker.drill.stack import Setup
from shared.clock import wall_ms
from shared.config import load
from shared.confirmation import code_version
from shared.errors import ConfigError, MarketMakerError

OK, FAILED, INTERRUPTED = 0, 2, 130
CUT = "interrupted"
FEW_COINS, ALL_COINS = 4, 30
FAST = 4.0


@dataclass(frozen=True)
class Wanted:
    """The options as given; None where nothing was said."""

    faults: tuple[str, ...] = ()
    repetitions: int = 20
    seed: int = 1
    calm: bool = False
    minutes: float = 60.0
    speed: float | None = None
    coins: int | None = None
    keep: Path | None = None
    report: Path | None = None
    join: tuple[Path, ...] = ()
    as_json: bool = False


def run(wanted: Wanted) -> int:
    """
    Raises:
        ConfigError: no such fault, or a report of no known kind.
    """
    faults = chosen(wanted.faults)
    if wanted.report is not None and wanted.report.suffix not in reports.WRITERS:
        raise ConfigError(f"--report {wanted.report}: its name must end in {' or '.join(reports.WRITERS)}")
    data_dir = load(LauncherConfig).data_dir.resolve()
    reports.read_evidence(data_dir)
    if wanted.join:
        return _tell(wanted, data_dir, reports.join([reports.read(file) for file in wanted.join]))
    folder = _folder(wanted.keep)
    console = Console(stderr=True)
    console.print(f"Drill with seed {wanted.seed}; logs in {folder}", highlight=False)
    report = _calm(wanted, folder, console) if wanted.calm else _faults(wanted, faults, folder, console)
    if report.passed and wanted.keep is None:
        shutil.rmtree(folder)
    return _tell(wanted, data_dir, report)


def _tell(wanted: Wanted, data_dir: Path, report: Report) -> int:
    """What covers all faults, or is a long run, becomes the evidence; the rest is only shown."""
    whole = report.calm is not None or {row.fault for row in report.faults if row.runs} == set(FAULTS)
    _show(wanted, report, reports.keep(data_dir, report) if whole and not report.cut_short else None)
    if report.cut_short == CUT:
        return INTERRUPTED
    return OK if report.passed else FAILED


def chosen(names: Sequence[str]) -> list[Fault]:
    """
    Raises:
        ConfigError: no such fault.
    """
    for name in names:
        if name not in FAULTS:
            raise ConfigError(f"--fault {name}: unknown; there are {', '.join(FAULTS)}")
    return [fault for name, fault in FAULTS.items() if not names or name in names]


def _folder(keep: Path | None) -> Path:
    """
    Raises:
        ConfigError: somebody's files are in it, or its path leaves no room for a socket.
    """
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="mm-drill-"))
    if keep.exists() and any(keep.iterdir()):
        raise ConfigError(f"--keep {keep}: it must be an empty or a new folder")
    try:
        redis_server.socket_path(keep / "stack-999" / "run")
    except ConfigError as error:
        raise ConfigError(f"--keep {keep}: too long a path for the sockets in it; choose a shorter one") from error
    keep.mkdir(parents=True, exist_ok=True)
    return keep


def _faults(wanted: Wanted, faults: list[Fault], folder: Path, console: Console) -> Report:
    setup = Setup(coins=wanted.coins or FEW_COINS, seed=wanted.seed, speed=wanted.speed or 1.0)
    results: list[Result] = []
    cut_short = ""
    with _progress(console, lambda: reports.table(rows(faults, results))) as say:

        def told(result: Result) -> None:
            results.append(result)
            say(_line(result, len(results), len(faults) * wanted.repetitions))

        try:
            asyncio.run(Drill(folder, setup, faults, wanted.repetitions).run(told))
        except KeyboardInterrupt:
            cut_short = CUT
        except MarketMakerError as error:
            if not results:
                raise
            cut_short = str(error)
    return Report(
        made_ms=int(wall_ms()), code=code_version(), seed=wanted.seed,
        faults=tuple(rows(faults, results)), failures=tuple(failed(results)), cut_short=cut_short,
    )  # fmt: skip


def rows(faults: Sequence[Fault], results: Sequence[Result]) -> list[Row]:
    of = {fault.name: [result for result in results if result.fault == fault.name] for fault in faults}
    return [row(fault.name, fault.about, fault.bound_s, of[fault.name]) for fault in faults]


def _line(result: Result, number: int, of: int) -> str:
    safe = "never safe" if result.safe_after_s is None else f"safe after {result.safe_after_s:.1f} s"
    failures = f"  FAILED: {'; '.join(result.failures)}" if result.failures else ""
    return f"{number}/{of}  {result.fault} {result.repetition}: {safe} ({result.what}){failures}"


def _calm(wanted: Wanted, folder: Path, console: Console) -> Report:
    setup = Setup(coins=wanted.coins or ALL_COINS, seed=wanted.seed, speed=wanted.speed or FAST)
    with _progress(console, Group) as say:
        found = asyncio.run(calm(folder / "stack-1", setup, wanted.minutes * 60, say))
    return Report(made_ms=int(wall_ms()), code=code_version(), seed=wanted.seed, calm=found)


@contextmanager
def _progress(console: Console, shown: Callable[[], object]) -> Iterator[Callable[[str], None]]:
    """Lines as they come; on a terminal the newest below a table that grows."""
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False, soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda text: live.update(Group(shown(), Text(text)), refresh=True)  # type: ignore[arg-type]


def _show(wanted: Wanted, report: Report, kept: Path | None) -> None:
    if wanted.report is not None:
        reports.write(wanted.report, report)
    if wanted.as_json:
        print(json.dumps(reports.to_json(report), indent=1))
        return
    console = Console()
    if report.faults:
        console.print(reports.table(report.faults))
    if report.calm is not None:
        for name, text in reports.calm_cells(report.calm):
            print(f"{name:<18} {text}")
    for word in reports.words(report):
        print(f"FAILED {word}")
    written = {"evidence": kept, "report": wanted.report}
    print(reports.verdict(report), *(f"{name}: {file}" for name, file in written.items() if file), sep="\n")
