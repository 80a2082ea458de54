"""An answer as JSON: names stay as they are, every estimate with its sample sizes and interval."""

from typing import Any

import msgspec

from analysis.answer import Answer
from analysis.estimates import Estimate, Judgement
from analysis.tables import Cell, Chart, Section, Table


def encode(answer: Answer) -> bytes:
    """One object; numbers that are not finite are null."""
    return msgspec.json.format(msgspec.json.encode(_plain(answer), enc_hook=_scalar), indent=1) + b"\n"


def judgement(found: Judgement | None) -> dict[str, str] | None:
    return found and found._asdict()


def _plain(answer: Answer) -> dict[str, Any]:
    return {
        "headline": answer.headline,
        "about": answer.about._asdict(),
        "sections": [_section(section) for section in answer.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "name": section.name,
        "title": section.title,
        "judgement": judgement(section.judgement),
        "by_coin": {coin: judgement(found) for coin, found in section.by_coin.items()},
        "tables": [_table(table) for table in section.tables],
        "charts": [_chart(chart) for chart in section.charts],
    }


def _table(table: Table) -> dict[str, Any]:
    names = [column.name for column in table.columns]
    names = [name if name not in names[:i] else f"{name} ({names[i - 1]})" for i, name in enumerate(names)]
    return {
        "title": table.title,
        "about": table.about,
        "columns": [{"name": column.name, "unit": column.unit} for column in table.columns],
        "rows": [dict(zip(names, map(_cell, row), strict=True)) for row in table.rows],
    }


def _cell(value: Cell) -> Any:
    return value._asdict() if isinstance(value, (Estimate, Judgement)) else value


def _chart(chart: Chart) -> dict[str, Any]:
    return {**chart._asdict(), "series": [series._asdict() for series in chart.series]}


def _scalar(value: Any) -> Any:
    """A number of numpy's."""
    return value.item()
