"""`market_maker analyze` and `import-recording`: from recorded data to numbers, verdicts, a page and a profile."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from market_maker.arguments import STARTED_IN, AsJson, Config, absolute, day, listed, use
from shared.errors import ConfigError

if TYPE_CHECKING:
    from rich.progress import Progress

    from analysis.importing import Imported

app = typer.Typer()


@app.command("import-recording")
def import_recording(
    recording: Annotated[Path, typer.Argument(callback=absolute, help="Folder of a recording.")],
    data: Annotated[Path, typer.Option(callback=absolute, help="Data folder to write; new, or of this venue.")],
    as_json: AsJson = False,
) -> int:
    """Bring a recording into a data folder, as files that harvesting it would have left.

    Known by their files: Hyperliquid CSVs (prices_, orderbooks_, trades_COIN) and raw frames, Aster, Binance
    USD-M, StandX. The folder then works with analyze, check-data, convert and replay. Doing it twice adds nothing.

    \b
    market_maker import-recording DIR --data /tmp/recorded
    market_maker analyze --data /tmp/recorded
    """
    import msgspec

    from analysis.importing import import_recording as bring
    from analysis.render import words

    with _bar() as bar:
        done = bring(recording, data, _advance(bar, f"importing {recording.name}"))
    if as_json:
        print(msgspec.json.encode(done).decode())
        return 0
    print(f"{done.name}: {done.rows:,} rows of {', '.join(done.coins)}, {words.span(done.first_ms, done.last_ms)}")
    for warning in done.warnings:
        print(f"  note: {warning}")
    print(f"  written to {data}, venue {done.venue}")
    return 0


@app.command()
def analyze(
    data: Annotated[
        Path | None, typer.Option(callback=absolute, help="Data folder; default that of the settings.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option(callback=absolute, help="Folder of a recording instead, of any known shape.")
    ] = None,
    asset: Annotated[str, typer.Option("--asset", "--coin", "--coins", help="Only these, comma separated.")] = "",
    gate: Annotated[
        list[int] | None, typer.Option(min=1, max=5, help="Only this gate; may be repeated. Default: everything.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Only from this UTC day on.")] = None,
    dex: Annotated[str | None, typer.Option(help="Only coins of this HIP-3 perp dex.")] = None,
    report: Annotated[
        Path | None, typer.Option(callback=absolute, help="Also write everything, with charts, to this HTML file.")
    ] = None,
    write_profile: Annotated[
        bool, typer.Option("--write-profile", help="Also write the market profile that the screener reads.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """What recorded data say about each coin, gate by gate, with sample sizes and intervals.

    \b
    gate 1  adverse selection against spread: which coins pay?         from 3 h of data
    gate 2  hours of the day: which are chaotic?                       from 2 days
    gate 3  which half spread earns most?                              from 36 h
    gate 4  weekends against weekdays                                  from a weekend and two weekdays
    gate 5  go or no-go: gates 1 to 4, whole data, shadow results      from 5 days in shadow

    Exit code 0: every gate asked for is GO; 2: one is NO-GO or has NOT ENOUGH DATA.

    \b
    market_maker analyze                                    all gates and profiles, of data/
    market_maker analyze --gate 1 --asset BTC,ETH           one question, two coins
    market_maker analyze --report out.html                  a page with charts, needs no network
    market_maker analyze --recording DIR                    a recording, imported for the moment
    market_maker analyze --since 2026-01-01 --json          for a script
    """
    from analysis.answer import GATES
    from analysis.profile import build
    from analysis.render import machine, page, terminal
    from analysis.run import Asked, find
    from analysis.store import open_store
    from shared import market_profile

    use(config)
    if recording is not None and (data is not None or write_profile):
        raise ConfigError(
            "--recording is analysed by itself: without --data and --write-profile; see import-recording"
        )
    gates = frozenset(gate or GATES)
    if write_profile and not {1, 2, 3, 4} <= gates:
        raise ConfigError("--write-profile needs gates 1 to 4; leave --gate out")
    first_day, coins = day("--since", since), listed(asset)
    with ExitStack() as stack:
        bar = stack.enter_context(_bar())
        imported = None
        if recording is not None:
            data, imported = _imported(stack, recording, bar)
        folder = data or _data_dir()
        store = stack.enter_context(open_store(folder, coins or _of_dex(folder, dex), first_day))
        source = imported.name if imported else _shown(folder)
        found = find(store, Asked(gates, not gate, source=source), _advance(bar, "analysing"))
        if write_profile:
            market_profile.write(folder, build(found))
    if report is not None:
        page.write(found.answer, report)
    if as_json:
        sys.stdout.write(machine.encode(found.answer).decode())
    else:
        terminal.show(found.answer, terminal.stdout())
        if report is not None:
            print(f"Report: {report}")
    return found.answer.exit_code


def _imported(stack: ExitStack, recording: Path, bar: "Progress") -> tuple[Path, "Imported"]:
    """A folder for as long as the analysis takes."""
    from analysis.importing import import_recording as bring

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mm-recording-"))) / "data"
    return folder, bring(recording, folder, _advance(bar, f"importing {recording.name}"))


def _data_dir() -> Path:
    from shared.config import EngineConfig, load

    return load(EngineConfig).data_dir


def _shown(folder: Path) -> str:
    """As short as it can be said from where the user stands."""
    folder = folder.resolve()
    return str(folder.relative_to(STARTED_IN) if folder.is_relative_to(STARTED_IN) else folder)


def _of_dex(folder: Path, dex: str | None) -> list[str]:
    """The recorded coins of a dex; none where none is asked for, which means all."""
    if not dex:
        return []
    from analysis.store import recorded_coins

    found = [coin for coin in recorded_coins(folder) if coin.startswith(f"{dex}:")]
    if not found:
        raise ConfigError(f"--dex {dex}: {folder} holds no coin of it; market_maker list-dexs names the dexes")
    return found


@contextmanager
def _bar() -> "Iterator[Progress]":
    """On a terminal's standard error; silent elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield bar


def _advance(bar: "Progress", text: str) -> Callable[..., None]:
    """Called with the fraction done and what is done next."""
    task = bar.add_task(text, total=1.0)

    def advance(done: float, now: str = "") -> None:
        bar.update(task, completed=done, description=f"{text}: {now}" if now else text, visible=done < 1.0)

    return advance
