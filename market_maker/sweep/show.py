"""A sweep's results for people and programs: a table, `sweep.csv`, `sweep.json` and `sweep.png`."""

import csv
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from market_maker.sweep.compare import Answer, Outcomes, Row, Spread
from market_maker.sweep.grid import Combination, Swept
from market_maker.sweep.job import Done, Outcome
from shared.errors import DataError

UNKNOWN = "–"
PIPED = 150
COLUMNS = (
    "day", "hours", "pnl_usd", "fees_usd", "funding_usd", "volume_usd", "fills", "cancels", "max_position_usd",
    "gross_bps", "net_bps", "cancels_per_fill",
)  # fmt: skip


class Report(NamedTuple):
    """Everything there is to say. `days` are those with data."""

    recording: str
    coins: tuple[str, ...]
    days: list[date]
    swept: tuple[Swept, ...]
    grid: list[Combination]
    outcomes: Outcomes
    rows: list[Row]
    failures: list[Done]
    answer: Answer


def write(report: Report, out: Path) -> None:
    """
    Raises:
        DataError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "sweep.json").write_bytes(encode(report))
        with open(out / "sweep.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*report.grid[0], *COLUMNS])
            for (i, _), day in sorted(report.outcomes.items()):
                writer.writerow([*report.grid[i].values(), *_day(_, day).values()])
        if any(row.days for row in report.rows):
            _plot(report, out / "sweep.png")
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; choose another --out") from error


def encode(report: Report) -> bytes:
    combinations = [
        {
            **{
                name: value._asdict() if isinstance(value, Spread) else value
                for name, value in row._asdict().items()
            },
            "by_day": [_day(day, outcome) for (j, day), outcome in sorted(report.outcomes.items()) if j == i],
        }
        for i, row in enumerate(report.rows)
    ]
    plain: dict[str, Any] = {
        "recording": report.recording,
        "coins": report.coins,
        "days": report.days,
        "swept": {name: values for name, values in report.swept},
        "best": None if report.answer.best is None else report.grid[report.answer.best],
        "verdict": report.answer.text,
        "combinations": combinations,
        "failures": [
            {"settings": report.grid[done.combination], "day": done.day, "error": done.error}
            for done in report.failures
        ],
    }
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def _day(day: date, outcome: Outcome) -> dict[str, Any]:
    values = {name: getattr(outcome, name) for name in COLUMNS if name != "day"}
    return {"day": day, **{name: round(v, 6) if isinstance(v, float) else v for name, v in values.items()}}


def show(report: Report) -> None:
    """The table, the answer, and what failed, on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED, color_system=None)
    days, coins = report.days, report.coins
    span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}, {len(days)} days" if days else "no data"
    named = ", ".join(coins[:6]) + (f" and {len(coins) - 6} more" if len(coins) > 6 else "")
    console.print(f"{report.recording}: {span}; {named}; each day from a flat start", markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for setting in report.swept:
        table.add_column(setting.name, justify="right", overflow="fold")
    heads = (
        "days",
        "PnL $/day",
        "PnL $",
        "fees $",
        "fills",
        "volume $",
        "gross bps",
        "net bps",
        "max pos $",
        "c/f",
    )
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            *row.settings.values(),
            f"{row.days}",
            _spread(row.pnl_per_day_usd),
            f"{row.pnl_usd:,.2f}",
            f"{row.fees_usd:,.2f}",
            f"{row.fills:,}",
            f"{row.volume_usd:,.0f}",
            _spread(row.gross_bps),
            _spread(row.net_bps),
            f"{row.max_position_usd:,.0f}",
            UNKNOWN if row.cancels_per_fill is None else f"{row.cancels_per_fill:.1f}",
        )
    console.print(table)
    console.print(
        "± one standard error over days; gross: before fees and funding, per volume; c/f: cancels a fill."
    )
    console.print(report.answer.text, markup=False)
    for done in report.failures:
        settings = " ".join(f"{name}={value}" for name, value in report.grid[done.combination].items())
        console.print(f"FAILED {done.day} {settings}: {done.error}", markup=False)


def _spread(found: Spread) -> str:
    if found.mean is None:
        return UNKNOWN
    return f"{found.mean:,.2f}" + ("" if found.se is None else f" ± {found.se:,.2f}")


def _plot(report: Report, path: Path) -> None:
    """PnL, fills and edge a day against the setting with most values, a line for each choice of the others."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    along = max(report.swept, key=lambda setting: len(setting.values))
    lines: dict[str, list[tuple[float, Row]]] = {}
    for row in report.rows:
        others = ", ".join(f"{name}={value}" for name, value in row.settings.items() if name != along.name)
        lines.setdefault(others, []).append((_place(along, row.settings[along.name]), row))
    style: dict[Any, Any] = {
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.2,
        "axes.axisbelow": True, "legend.frameon": False, "font.size": 9, "text.parse_math": False,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(12.6, 3.9), layout="constrained")
        pnl, fills, edge = figure.subplots(1, 3)
        for number, (name, points) in enumerate(lines.items()):
            points = sorted((point for point in points if point[1].days), key=lambda point: point[0])
            x, rows = [place for place, _ in points], [row for _, row in points]
            colour = f"C{number % 10}"
            _line(pnl, x, [row.pnl_per_day_usd for row in rows], colour, name)
            fills.plot(x, [row.fills / row.days for row in rows], "o-", color=colour, markersize=4)
            _line(edge, x, [row.net_bps for row in rows], colour, name)
            gross = [row.gross_bps.mean if row.gross_bps.mean is not None else float("nan") for row in rows]
            edge.plot(x, gross, ":", color=colour)
        for axes, label in ((pnl, "PnL, USD a day"), (fills, "fills a day"), (edge, "edge, bps of volume")):
            axes.set_xlabel(along.name)
            axes.set_title(label)
            if not _numeric(along):
                axes.set_xticks(range(len(along.values)), along.values)
        for axes in (pnl, edge):
            low, high = axes.get_ylim()
            if low < 0 < high:
                axes.axhline(0, color="black", linewidth=0.8)
        edge.plot([], [], "-", color="grey", label="net")
        edge.plot([], [], ":", color="grey", label="gross")
        edge.legend(handles=edge.get_lines()[-2:])
        if len(lines) > 1:
            pnl.legend(fontsize=8)
        days = len(report.days)
        figure.suptitle(f"{report.recording}, " + (f"{days} days; bars: ± one se" if days > 1 else "1 day"))
        figure.savefig(path, dpi=110, metadata={"Software": None})


def _line(axes: Any, x: list[float], found: list[Spread], colour: str, name: str) -> None:
    y = [spread.mean if spread.mean is not None else float("nan") for spread in found]
    bars = [spread.se or 0.0 for spread in found]
    axes.errorbar(
        x, y, yerr=bars if any(bars) else None, fmt="o-", color=colour, markersize=4, capsize=2, label=name
    )


def _place(along: Swept, value: str) -> float:
    return float(value) if _numeric(along) else float(along.values.index(value))


def _numeric(along: Swept) -> bool:
    try:
        return all(float(value) is not None for value in along.values)
    except ValueError:
        return False
