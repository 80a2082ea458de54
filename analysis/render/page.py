"""An answer as one HTML file that needs nothing else: no network, no library, readable and printable."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.answer import Answer
from analysis.estimates import Estimate, Judgement
from analysis.render import words
from analysis.render.charts import svg
from analysis.tables import Cell, Column, Section, Table
from shared.clock import utc
from shared.errors import ConfigError
from shared.fees import FEE_TIERS

TEMPLATE = "report.html"


def write(answer: Answer, file: Path) -> None:
    """
    Raises:
        ConfigError: the file cannot be written.
    """
    text = html(answer)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--report {file}: cannot be written ({error.strerror}); name another file") from error


def html(answer: Answer) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(slug=_slug, length=words.length)
    return environment.get_template(TEMPLATE).render(
        answer=answer,
        about=answer.about,
        span=words.span(answer.about.first_ms, answer.about.last_ms),
        made=f"{utc(answer.about.made_ms):%Y-%m-%d %H:%M} UTC",
        maker_bps=f"{FEE_TIERS[answer.about.fee_tier].maker * 10_000:.2f}",
        sections=[_section(section) for section in answer.sections],
    )


def _slug(verdict: str) -> str:
    return verdict.lower().replace(" ", "-")


def _section(section: Section) -> dict[str, Any]:
    return {
        "name": section.name,
        "title": section.title,
        "judgement": section.judgement,
        "by_coin": section.by_coin,
        "tables": [_table(table) for table in section.tables],
        "charts": [
            {"title": chart.title, "about": chart.about, "svg": Markup(svg(chart, f"{section.name}-{number}"))}
            for number, chart in enumerate(section.charts)
        ],
    }  # fmt: skip


def _table(table: Table) -> dict[str, Any]:
    columns, rows = words.with_samples(table)
    own_n = words.needs_own_n(table)
    return {
        "title": table.title,
        "about": table.about,
        "columns": columns,
        "rows": [
            [_cell(value, column, own_n) for value, column in zip(row, columns, strict=True)] for row in rows
        ],
    }


def _cell(value: Cell, column: Column, own_n: bool) -> dict[str, Any]:
    """Text, what it is sorted by, and what more there is to say when one points at it."""
    number = value.value if isinstance(value, Estimate) else value if isinstance(value, (int, float)) else None
    more = ""
    if isinstance(value, Estimate):
        more = f"{value.level:.0%} interval, n = {value.n:,}, worth {value.n_effective:,.0f} independent ones"
    elif isinstance(value, Judgement):
        more = value.said
    text = words.cell(value, column)
    return {
        "text": text,
        "n": f"{value.n:,}" if isinstance(value, Estimate) and own_n and value.n else "",
        "more": more,
        "sort": text if number is None else f"{number}",
        "verdict": value.verdict if isinstance(value, Judgement) else "",
        "number": number is not None or text == words.UNKNOWN,
    }
