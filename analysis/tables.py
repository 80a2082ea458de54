"""What an analysis answers with: tables, charts and verdicts as data. Terminal, JSON and HTML render the same."""

from typing import Literal, NamedTuple

from analysis.estimates import Estimate, Judgement

Cell = str | int | float | Estimate | Judgement | None


class Column(NamedTuple):
    """`unit` stands in the head ("bps", "USD", "/h"); `digits` after the point."""

    name: str
    unit: str = ""
    digits: int = 2


class Table(NamedTuple):
    """`about` says what the numbers mean and how they were made, in a sentence or two."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    about: str = ""


class Series(NamedTuple):
    """One line or set of bars; `low` and `high` shade an interval where they are given."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Chart(NamedTuple):
    """`labels` name the places of x where they are no numbers (coins, hours)."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    kind: Literal["line", "bar", "step", "points"] = "line"
    labels: tuple[str, ...] = ()
    about: str = ""


class Section(NamedTuple):
    """One gate or profile: its answer on top, what it rests on below. `by_coin` holds a verdict for each coin."""

    name: str
    """`gate1` … `gate5`, or the profile's name."""
    title: str
    judgement: Judgement | None
    by_coin: dict[str, Judgement]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
