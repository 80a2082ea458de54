"""Charts as SVG that stands in a page: its text takes the page's colour, light or dark.

Deterministic: the same chart gives the same bytes.
"""

import re
from io import StringIO
from math import isfinite
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.tables import Chart, Series

INK = "#010203"
"""Stands for the page's own colour until the SVG is written."""
COLOURS = ("#3b82f6", "#e8833a", "#2ea36b", "#c45ab3", "#b8960c", "#8a94a6", "#d1495b", "#16a3b8")
SIZE_INCHES = (8.4, 3.6)
LEGEND_COLUMN = 14
"""Names that fit below each other beside a chart."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10, "axes.edgecolor": INK,
    "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": INK, "grid.alpha": 0.12, "axes.axisbelow": True,
    "legend.frameon": False, "text.parse_math": False,
}  # fmt: skip


def svg(chart: Chart, identity: str) -> str:
    """`identity` keeps the ids of several charts in one page apart."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": identity}):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        for number, series in enumerate(chart.series):
            _draw(axes, chart, series, number)
        _label(axes, chart)
        written = StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    body = written.getvalue()
    body = body[body.index("<svg") :].replace(INK, "currentColor")
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # the same in each chart, and nothing refers to them
    return re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", body, count=1)


def _draw(axes: Axes, chart: Chart, series: Series, number: int) -> None:
    colour = COLOURS[number % len(COLOURS)]
    x, y = _finite(series.x), _finite(series.y)
    if chart.kind == "bar":
        width = 0.8 / len(chart.series)
        places = [value + (number - (len(chart.series) - 1) / 2) * width for value in x]
        axes.bar(places, y, width, color=colour, alpha=0.85, label=series.name)
        if series.low and series.high:
            axes.vlines(places, _finite(series.low), _finite(series.high), color=INK, linewidth=1)
        return
    style = "steps-mid" if chart.kind == "step" else "default"
    if chart.kind == "points":
        axes.plot(x, y, "o", color=colour, markersize=5, label=series.name)
    else:
        axes.plot(x, y, color=colour, drawstyle=style, label=series.name, linewidth=1.8)
    if series.low and series.high:
        low, high = _finite(series.low), _finite(series.high)
        if chart.kind == "points":
            axes.vlines(x, low, high, color=colour, linewidth=1.5)
        else:
            step: Literal["mid"] | None = "mid" if chart.kind == "step" else None
            axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0, step=step)


def _finite(values: tuple[float, ...]) -> list[float]:
    """What is not known is a gap in the line."""
    return [value if value is not None and isfinite(value) else float("nan") for value in values]


def _label(axes: Axes, chart: Chart) -> None:
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    if chart.labels:
        long = sum(map(len, chart.labels)) > 70
        axes.set_xticks(range(len(chart.labels)), chart.labels, rotation=60 if long else 0)
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0, color=INK, linewidth=0.8, alpha=0.6)
    if len(chart.series) > 1:
        columns = (len(chart.series) - 1) // LEGEND_COLUMN + 1
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9, ncols=columns)
