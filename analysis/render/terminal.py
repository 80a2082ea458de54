"""An answer as text, readable at 100 columns: verdicts first, then what they rest on."""

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from analysis.answer import Answer
from analysis.estimates import Estimate, Judgement, Verdict
from analysis.render import words
from analysis.tables import Cell, Column, Section, Table

WIDTH = 100
"""Where the output is no terminal."""
GAP = 2
COINS_WIDTH = 28
MOST_ROWS = 60
"""Of a table; two for each of 30 coins. Longer ones are for a single coin, the page and programs."""
STYLES: dict[Verdict, str] = {"GO": "bold green", "NO-GO": "bold red", "NOT ENOUGH DATA": "bold yellow"}
BRIEF: dict[Verdict, str] = {"GO": "GO", "NO-GO": "NO-GO", "NOT ENOUGH DATA": "NOT ENOUGH"}


def show(answer: Answer, console: Console) -> None:
    console.print(_top(answer))
    for section in answer.sections:
        console.print(_section(section, console.width))
    if any(section.charts for section in answer.sections):
        console.print(Text("Charts: --report FILE.html", style="dim"))


def stdout() -> Console:
    """Colours and the terminal's width on a terminal, else plain text of 100 columns."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH, color_system=None)


def _top(answer: Answer) -> RenderableType:
    about, hours = answer.about, answer.about.hours
    lines: list[RenderableType] = [
        Text(f"{about.source} (venue {about.venue}): {words.span(about.first_ms, about.last_ms)}", style="bold"),
        Text(_coins(hours)),
    ]
    lines += [Text(f"note: {note}", style="dim") for note in about.notes]
    grid = Grid.grid(padding=(0, GAP, 0, 0))
    for section in answer.gates:
        if section.judgement:
            grid.add_row(section.name, _verdict(section.judgement.verdict), section.judgement.said)
    return Group(*lines, Text(""), grid)


def _coins(hours: dict[str, float]) -> str:
    shown = ", ".join(f"{coin} {words.length(found)}" for coin, found in list(hours.items())[:6])
    rest = f" and {len(hours) - 6} more" if len(hours) > 6 else ""
    return f"{len(hours)} coin{'s' if len(hours) != 1 else ''}: {shown}{rest}"


def _section(section: Section, width: int) -> RenderableType:
    parts: list[RenderableType] = [Text(""), Text(f"── {section.title} ".ljust(width, "─"), style="bold")]
    if section.judgement:
        parts.append(_judged(section.judgement))
    if section.by_coin:
        parts += [Text(""), _by_coin(section)]
    for table in section.tables:
        parts += [Text(""), *_table(table, width)]
    return Group(*parts)


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict, style=STYLES[verdict])


def _judged(judgement: Judgement) -> Text:
    return Text.assemble(_verdict(judgement.verdict), "  ", judgement.said)


def _by_coin(section: Section) -> Grid:
    """Coins with the same answer share a line."""
    grid = Grid(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("coin", max_width=COINS_WIDTH)
    grid.add_column("verdict", no_wrap=True)
    grid.add_column("why")
    alike: dict[Judgement, list[str]] = {}
    for coin, judgement in section.by_coin.items():
        alike.setdefault(judgement, []).append(coin)
    for judgement, coins in alike.items():
        grid.add_row(", ".join(coins), _verdict(judgement.verdict), judgement.said)
    return grid


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    """A table wider than the screen goes on below, with the columns again that say what a row is."""
    yield Text(table.title, style="bold")
    if table.about:
        yield Text(table.about, style="dim")
    if len(table.rows) > MOST_ROWS:
        yield Text(
            f"{len(table.rows)} rows: --asset COIN shows those of one coin, --report and --json all of them"
        )
        return
    columns, rows = words.with_samples(table)
    own_n = words.needs_own_n(table)
    texts = [[_text(value, column, own_n) for value, column in zip(row, columns, strict=True)] for row in rows]
    two_lines = any(column.unit for column in columns)
    heads = [f"{column.name}\n{column.unit}" if two_lines else column.name for column in columns]
    widths = [
        max(max(map(len, heads[i].splitlines())), *(len(row[i].plain) for row in texts), 0)
        for i in range(len(columns))
    ]
    for chunk in _chunks(widths, width, _keys(texts)):
        grid = Grid(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
        for i in chunk:
            grid.add_column(heads[i], justify="left" if _is_word(rows, i) else "right", overflow="fold")
        for row in texts:
            grid.add_row(*(row[i] for i in chunk))
        yield grid


def _keys(rows: Sequence[Sequence[Text]]) -> int:
    """How many leading columns tell the rows apart, two at most."""
    return 1 if len({row[0].plain for row in rows}) == len(rows) else 2


def _chunks(widths: Sequence[int], width: int, keys: int) -> Iterator[list[int]]:
    """Indexes of columns that fit side by side, the first ones in each."""
    first = list(range(min(keys, len(widths))))
    chunk, used = first[:], sum(widths[: len(first)]) + GAP * (len(first) - 1)
    for i in range(len(first), len(widths)):
        if used + GAP + widths[i] > width and len(chunk) > len(first):
            yield chunk
            chunk, used = first[:], sum(widths[: len(first)]) + GAP * (len(first) - 1)
        chunk.append(i)
        used += GAP + widths[i]
    yield chunk


def _text(value: Cell, column: Column, own_n: bool) -> Text:
    if isinstance(value, Judgement):
        return Text(BRIEF[value.verdict], style=STYLES[value.verdict])
    text = words.cell(value, column)
    return Text(f"{text} n={value.n:,}" if own_n and isinstance(value, Estimate) and value.n else text)


def _is_word(rows: Sequence[tuple[Cell, ...]], i: int) -> bool:
    return any(isinstance(row[i], (str, Judgement)) for row in rows)
