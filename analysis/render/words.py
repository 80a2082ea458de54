"""How numbers are written: `1.23 [0.98, 1.51]`, `12,345`; what is not known is a dash."""

from math import isfinite
from typing import NamedTuple

from analysis.estimates import Estimate, Judgement
from analysis.tables import Cell, Column, Table
from shared.clock import utc

UNKNOWN = "–"
HOUR_MS = 3_600_000


def number(value: float | None, digits: int) -> str:
    """Rounded; a zero has no sign."""
    if value is None or not isfinite(value):
        return UNKNOWN
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not any(digit in "123456789" for digit in text) else text


def estimate(found: Estimate, digits: int) -> str:
    """Without an interval where there is none: `1.23 [–]`."""
    if found.value is None or not isfinite(found.value):
        return UNKNOWN
    if found.low is None and found.high is None:
        return f"{number(found.value, digits)} [{UNKNOWN}]"
    return f"{number(found.value, digits)} [{number(found.low, digits)}, {number(found.high, digits)}]"


def cell(value: Cell, column: Column) -> str:
    match value:
        case Estimate():
            return estimate(value, column.digits)
        case Judgement():
            return value.verdict
        case float():
            return number(value, column.digits)
        case int():
            return f"{value:,}"
        case None:
            return UNKNOWN
    return str(value)


def head(column: Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit else column.name


def span(first_ms: int, last_ms: int) -> str:
    """`2025-09-04 19:46 to 20:07 UTC (21 min)`."""
    first, last = utc(first_ms), utc(last_ms)
    end = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M} to {end} UTC ({length((last_ms - first_ms) / HOUR_MS)})"


def length(hours: float) -> str:
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.1f} days"


class Shown(NamedTuple):
    """A table with the sample sizes of its estimates in sight."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def with_samples(table: Table) -> Shown:
    """With a column `n` after the last estimate where a row's estimates rest on the same sample and no column says
    it yet. Where they do not, each says its own (`needs_own_n`)."""
    sizes = [_sizes(row) for row in table.rows]
    if not any(sizes) or any(len(found) > 1 for found in sizes):
        return Shown(table.columns, table.rows)
    shared = [next(iter(found), None) for found in sizes]
    if any([row[i] for row in table.rows] == shared for i in range(len(table.columns))):
        return Shown(table.columns, table.rows)
    place = 1 + max(i for row in table.rows for i, value in enumerate(row) if isinstance(value, Estimate))
    rows = tuple((*row[:place], n, *row[place:]) for row, n in zip(table.rows, shared, strict=True))
    return Shown((*table.columns[:place], Column("n"), *table.columns[place:]), rows)


def needs_own_n(table: Table) -> bool:
    return any(len(_sizes(row)) > 1 for row in table.rows)


def _sizes(row: tuple[Cell, ...]) -> set[int]:
    return {value.n for value in row if isinstance(value, Estimate) and value.value is not None}
