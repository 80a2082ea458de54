"""The checklist on a terminal and as a page to keep: the verdict first, then gate by gate."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from analysis.answer import About, Answer
from analysis.estimates import Judgement
from analysis.render import page, words
from analysis.render.terminal import BRIEF, STYLES
from analysis.tables import Cell, Column, Section, Table
from market_maker.gates.assembly import Findings, Gate
from market_maker.gates.items import Item
from market_maker.gates.runs import OTHER_SETTINGS
from market_maker.live.gates import GATES
from shared.clock import utc
from shared.words import counted


def show(findings: Findings, kept: Path, console: Console) -> None:
    for line in top(findings):
        console.print(line, soft_wrap=True)
    width = max(len(_asked(item)) for gate in findings.gates for item in gate.items)
    for gate in findings.gates:
        console.print(_gate(gate, width))
    until = f"{utc(findings.until_ms):%Y-%m-%d %H:%M} UTC"
    console.print(f"\nEvidence: {kept}, valid until {until} for these settings and this code.", soft_wrap=True)


def top(findings: Findings) -> Iterator[Text]:
    verdict, subject, shadow = findings.verdict, findings.subject, findings.shadow
    yield Text.assemble((verdict, STYLES[verdict]), f"  {findings.green} of {len(findings.gates)} gates are GO")
    span = words.span(*findings.span_ms) if findings.span_ms else "nothing recorded"
    yield Text(f"data: venue {subject.venue}, {span}, {counted(len(findings.coins), 'coin')}")
    yield Text(f"shadow: {words.length(shadow.hours)} counted, {len(shadow.fills):,} fills")
    for why, minutes in sorted((shadow.left_out or {}).items()):
        hint = ": give the flags of that start" if why == OTHER_SETTINGS and not shadow.minutes else ""
        yield Text(f"  not counted: {words.length(minutes / 60)} {why}{hint}", style="yellow")
    yield Text(f"settings {subject.configuration}, code {subject.code}, account {subject.account or 'none'}")


def _gate(gate: Gate, width: int) -> RenderableType:
    """`width` of the column of items: the same in all gates."""
    title = Text.assemble(
        "\n", (f"{gate.name}: {GATES[gate.name]}", "bold"), "  ", (gate.verdict, STYLES[gate.verdict])
    )
    grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    grid.add_column(width=max(map(len, BRIEF.values())), no_wrap=True)
    grid.add_column(width=width, no_wrap=True)
    grid.add_column()
    for item in gate.items:
        grid.add_row(Text(BRIEF[item.verdict], style=STYLES[item.verdict]), _asked(item), _why(item))
    more = dict.fromkeys(item.more for item in gate.items if item.verdict != "GO")
    return Group(title, grid, *([Text(f"see: {'; '.join(more)}", style="dim")] if more else ()))


def _asked(item: Item) -> str:
    return f"{item.name} {item.threshold}"


def _why(item: Item) -> Text:
    judgement = item.judgement
    n = f" (n = {item.measured.n:,})" if item.measured is not None and item.measured.low is not None else ""
    text = Text(f"{judgement.reason.rstrip('.')}{n}")
    if judgement.needs:
        text.append(f"; needs {judgement.needs.rstrip('.')}", style="dim")
    return text


def write_page(findings: Findings, about: About, file: Path) -> None:
    """The checklist and under each gate what the analysis measured.

    Raises:
        ConfigError: the file cannot be written.
    """
    measured = {section.name: section for section in findings.sections}
    sections = [_section(gate, measured.get(gate.name)) for gate in findings.gates]
    page.write(Answer(about, tuple(sections)), file)


def _section(gate: Gate, measured: Section | None) -> Section:
    table = Table(
        "Checklist",
        (
            Column("item"),
            Column("asked"),
            Column("threshold"),
            Column("measured"),
            Column("verdict"),
            Column("why"),
        ),
        tuple(_row(item) for item in gate.items),
    )
    return Section(
        gate.name,
        f"{gate.name}: {GATES[gate.name]}",
        Judgement(gate.verdict, gate.reason),
        measured.by_coin if measured else {},
        (table, *(measured.tables if measured else ())),
        measured.charts if measured else (),
    )


def _row(item: Item) -> tuple[Cell, ...]:
    judgement = item.judgement
    why = f"{judgement.reason.rstrip('.')}."
    if judgement.needs:
        why += f" Needs {judgement.needs.rstrip('.')}."
    return item.name, item.asked, item.threshold, item.measured, item.judgement, why
