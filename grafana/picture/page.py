"""One dashboard as a page: every panel at its place, drawn from what Prometheus answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from grafana.picture.curves import FAINT, HOLE_S, Curve, Frame, bounds, chart, spark, strips
from grafana.picture.source import Points, Series, Source
from grafana.picture.words import COLOURS, PALETTE, colour, legend, spelled, told
from grafana.questions import filled

WIDTH = 1920
MARGIN, GAP, UNIT, HEAD = 14, 8, 30, 36
COLUMN = (WIDTH - 2 * MARGIN - 23 * GAP) / 24
LEGEND_W, LEGEND_MOST_W, LEGEND_ROWS_H = 210, 360, 19
MOST_POINTS = 300
ROW_H = 36

STYLE = f"""
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: #0f1013; color: {COLOURS["text"]}; font: 13px Inter, "DejaVu Sans", sans-serif; }}
svg text {{ fill: {FAINT}; font: 11px Inter, "DejaVu Sans", sans-serif; }}
.panel {{ position: absolute; background: #181b1f; border: 1px solid #2a2d34; border-radius: 3px;
  overflow: hidden; }}
.panel h3 {{ margin: 0; padding: 8px 10px 4px; font-size: 13px; font-weight: 500; white-space: nowrap; }}
.row {{ position: absolute; font-size: 15px; font-weight: 500; padding-top: 6px; }}
.stat {{ position: absolute; inset: 30px 6px 6px 6px; display: flex; gap: 4px; }}
.stat div {{ flex: 1; display: flex; align-items: center; justify-content: center; font-weight: 500;
  border-radius: 3px; white-space: nowrap; text-align: center; }}
.empty {{ position: absolute; inset: 30px 10px 6px; display: flex; align-items: center; justify-content: center;
  color: {FAINT}; text-align: center; }}
.legend {{ font-size: 11px; }} .legend span {{ margin-right: 12px; white-space: nowrap; }}
.legend i {{ display: inline-block; width: 12px; height: 3px; margin-right: 5px; vertical-align: middle; }}
table {{ border-collapse: collapse; width: 100%; font-size: 13px; }}
th {{ text-align: left; font-weight: 500; color: #8ab8ff; padding: 4px 8px; white-space: nowrap; }}
td {{ border-top: 1px solid #24272d; padding: 0 8px; height: {ROW_H}px; white-space: nowrap; }}
td svg {{ display: block; }}
.bar {{ display: flex; align-items: center; height: 22px; margin: 4px 10px; font-size: 12px; }}
.bar b {{ font-weight: 400; width: 45%; text-align: right; padding-right: 8px; }}
.bar i {{ height: 16px; border-radius: 2px; }} .bar u {{ text-decoration: none; padding-left: 8px; }}
"""


@dataclass(frozen=True, slots=True)
class View:
    """Whom to ask, and for which coin."""

    source: Source
    coin: str

    @property
    def left_s(self) -> float:
        return self.source.end_s - self.source.range_s

    def step_s(self, most_points: float = MOST_POINTS) -> float:
        return max(5.0, round(self.source.range_s / most_points / 5) * 5.0)

    def ask(self, target: Mapping[str, Any], most_points: float = MOST_POINTS) -> list[Series]:
        step_s = self.step_s(most_points)
        expr = filled(target["expr"], self.coin, step_s, self.source.range_s)
        return self.source.now(expr) if target.get("instant") else self.source.course(expr, step_s)


Panel = Mapping[str, Any]
Size = tuple[float, float]


def render(board: Panel, view: View) -> tuple[str, int]:
    """The page, and its height in pixels."""
    parts, bottom = [], 0.0
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, top = MARGIN + place["x"] * (COLUMN + GAP), MARGIN + HEAD + place["y"] * (UNIT + GAP)
        width = place["w"] * COLUMN + (place["w"] - 1) * GAP
        height = place["h"] * UNIT + (place["h"] - 1) * GAP
        at = f"left:{left:.0f}px;top:{top:.0f}px;width:{width:.0f}px;height:{height:.0f}px"
        bottom = max(bottom, top + height)
        if panel["type"] == "row":
            parts.append(f'<div class="row" style="{at}">{escape(panel["title"])}</div>')
            continue
        body = DRAWN[panel["type"]](panel, view, (width, height - 30))
        if not body:
            text = panel["fieldConfig"]["defaults"].get("noValue", "no data")
            body = f'<div class="empty">{escape(text)}</div>'
        parts.append(f'<div class="panel" style="{at}"><h3>{escape(panel["title"])}</h3>{body}</div>')
    coin = f" · {escape(view.coin)}" if any(v["name"] == "coin" for v in board["templating"]["list"]) else ""
    title = f'<div class="row" style="left:{MARGIN}px;top:{MARGIN}px"><b>{escape(board["title"])}{coin}</b></div>'
    page = f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><body>{title}{''.join(parts)}"
    return page, int(bottom + MARGIN)


def _field(panel: Panel, name: str) -> dict[str, Any]:
    """The field's settings: the panel's, and those of every override that its name matches."""
    field = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"].get("overrides", []):
        matcher = override["matcher"]
        by_name = matcher["id"] == "byName" and matcher["options"] == name
        if by_name or (matcher["id"] == "byRegexp" and re.search(matcher["options"].strip("/"), name)):
            field |= {setting["id"]: setting["value"] for setting in override["properties"]}
    return field


def _named(panel: Panel, view: View) -> list[tuple[str, Series]]:
    return [
        (legend(target.get("legendFormat", ""), series.labels), series)
        for target in panel["targets"]
        for series in view.ask(target)
    ]


def _stat(panel: Panel, view: View, size: Size) -> str:
    options, cells = panel["options"], []
    found, rows = _named(panel, view), options.get("orientation") == "horizontal"
    for name, series in found:
        field = _field(panel, name)
        text, color = told(series.last, field)
        color = colour(field["color"].get("fixedColor", color))
        if options["textMode"] == "name":
            text = name
        elif options["textMode"] == "value_and_name":
            text = f"{name} {text}"
        room = size[0] / (1 if rows else len(found)) - 16
        font = min(size[1] * 0.62 / (len(found) if rows else 1), room / max(len(text), 1) * 1.6, 52)
        solid = options["colorMode"] == "background_solid"
        paint = f"background:{color};color:#fff" if solid else f"color:{color}"
        cells.append(f'<div style="{paint};font-size:{font:.0f}px">{escape(text)}</div>')
    flow = "column" if rows else "row"
    return f'<div class="stat" style="flex-direction:{flow}">{"".join(cells)}</div>' if cells else ""


def _lines(panel: Panel, view: View, size: Size) -> str:
    found, curves = _named(panel, view), []
    custom = panel["fieldConfig"]["defaults"]["custom"]
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    below: dict[float, float] = {}
    for index, (name, series) in enumerate(found):
        field = _field(panel, name)
        color = field["color"].get("fixedColor") or PALETTE[index % len(PALETTE)]
        points = _on_top(series.points, below) if stacked else series.points
        curves.append(
            Curve(
                name, points, colour(color), field.get("custom.lineWidth", 1),
                " ".join(map(str, field.get("custom.lineStyle", {}).get("dash", []))),
                field.get("custom.drawStyle") == "points", stacked,
            )
        )  # fmt: skip
    if not curves:
        return ""
    defaults = panel["fieldConfig"]["defaults"]
    low, high = bounds(curves, defaults.get("min"), defaults.get("max"), custom.get("axisSoftMax"))
    beside = panel["options"]["legend"]["placement"] == "right"
    key_w = (
        min(LEGEND_MOST_W, LEGEND_W + 6 * max(0, max(len(curve.name) for curve in curves) - 15)) if beside else 0
    )
    width = size[0] - key_w
    height = size[1] - (0 if beside else 24)
    frame = Frame(view.left_s, view.source.end_s, low, high, width - 4, height)
    unit, decimals = defaults.get("unit", "none"), defaults.get("decimals")
    picture = chart(list(reversed(curves)), frame, unit, decimals, view.step_s())
    lasts = [(curve, series.last) for curve, (_, series) in zip(curves, found, strict=True)]
    key = _legend(lasts, key_w, size, unit, decimals)
    return f'<div style="display:{"flex" if beside else "block"}">{picture}{key}</div>'


def _on_top(points: Points, below: dict[float, float]) -> Points:
    """Values upon those of the curves before."""
    for time_s, value in points:
        below[time_s] = below.get(time_s, 0.0) + value
    return [(time_s, below[time_s]) for time_s, _ in points]


def _legend(lasts: list[tuple[Curve, float]], width: int, size: Size, unit: str, decimals: int | None) -> str:
    """`width` of one beside the chart; 0 below it."""

    def key(curve: Curve) -> str:
        return f'<i style="background:{curve.color}"></i>{escape(curve.name)}'

    if not width:
        return '<div class="legend" style="padding:0 12px">' + "".join(
            f"<span>{key(curve)}</span>" for curve, _ in lasts
        ) + "</div>"  # fmt: skip
    shown = sorted(lasts, key=lambda pair: -pair[1])[: int(size[1] / LEGEND_ROWS_H) - 1]
    rows = "".join(
        f'<tr><td style="border:0;height:{LEGEND_ROWS_H}px">{key(curve)}</td>'
        f'<td style="border:0;height:{LEGEND_ROWS_H}px;text-align:right">'
        f"{escape(spelled(last, unit, decimals))}</td></tr>"
        for curve, last in shown
    )
    return f'<div class="legend" style="width:{width}px"><table style="font-size:11px">{rows}</table></div>'


def _bars(panel: Panel, view: View, size: Size) -> str:
    found = _named(panel, view)[: int(size[1] / 30)]
    longest = max((abs(series.last) for _, series in found), default=0) or 1
    return "".join(
        f'<div class="bar"><b>{escape(name)}</b>'
        f'<i style="width:{abs(series.last) / longest * 40:.1f}%;background:{color}"></i>'
        f"<u>{escape(text)}</u></div>"
        for name, series in found
        for text, color in [told(series.last, panel["fieldConfig"]["defaults"])]
    )


def _timeline(panel: Panel, view: View, size: Size) -> str:
    config = panel["fieldConfig"]["defaults"]
    rows = [(name, _spans(series.points, view.step_s(), config)) for name, series in _named(panel, view)]
    return strips(rows, Frame(view.left_s, view.source.end_s, 0, 1, size[0] - 10, size[1] - 8)) if rows else ""


def _spans(points: Points, step_s: float, config: Mapping[str, Any]) -> list[tuple[float, float, str]]:
    """From, to and colour; what follows in the same colour, or after a small hole, belongs together."""
    spans: list[tuple[float, float, str]] = []
    for time_s, value in points:
        color = told(value, config)[1]
        goes_on = bool(spans) and time_s - spans[-1][1] <= HOLE_S
        start = spans[-1][0] if goes_on and spans[-1][2] == color else time_s
        if goes_on:
            before = spans.pop()
            spans += [] if start == before[0] else [(before[0], time_s, before[2])]
        spans.append((start, time_s + step_s, color))
    return spans


def _table(panel: Panel, view: View, size: Size) -> str:
    options = {item["id"]: item["options"] for item in panel["transformations"]}
    organized = options["organize"]
    names: dict[str, str] = {name: organized["renameByName"][name] for name in _in_order(organized["indexByName"])}
    key = next(iter(names))
    cells: dict[str, dict[str, Any]] = {}
    for target in panel["targets"]:
        ref = target["refId"]
        heading = names.get(f"Value #{ref}") or names.get(f"Trend #{ref}")
        for series in view.ask(target, panel["maxDataPoints"]):
            row = cells.setdefault(series.labels[key], {})
            if heading:
                row[heading] = series if f"Trend #{ref}" in names else series.last
            for label, text in series.labels.items():
                if label != key and label in names:
                    row[names[label]] = text
    sort = options["sortBy"]["sort"][0]
    rows = [{names[key]: value, **row} for value, row in sorted(cells.items())]
    if sort["field"] != names[key]:
        rows.sort(key=lambda row: -row.get(sort["field"], -1) if sort.get("desc") else row.get(sort["field"], 1e9))
    step_s = view.step_s(panel["maxDataPoints"])
    fields = {heading: _field(panel, heading) for heading in names.values()}
    head = "".join(f'<th style="{_aligned(fields[heading])}">{escape(heading)}</th>' for heading in fields)
    body = "".join(
        "<tr>"
        + "".join(_cell(row.get(heading), field, view, step_s) for heading, field in fields.items())
        + "</tr>"
        for row in rows[: int(size[1] / ROW_H) - 1]
    )
    return f"<table><tr>{head}</tr>{body}</table>" if rows else ""


def _in_order(index: Mapping[str, int]) -> list[str]:
    return sorted(index, key=lambda name: index[name])


def _aligned(field: Mapping[str, Any]) -> str:
    return f"text-align:{field.get('custom.align', 'left')}"


def _cell(value: Any, field: Mapping[str, Any], view: View, step_s: float) -> str:
    kind = field.get("custom.cellOptions", {}).get("type")
    if value is None:
        return f'<td style="color:{FAINT};{_aligned(field)}">{escape(field.get("noValue", ""))}</td>'
    if isinstance(value, Series):
        width = int(field.get("custom.width", 150)) - 16
        color = colour(field["color"]["fixedColor"])
        return f"<td>{spark(value.points, view.left_s, view.source.end_s, width, ROW_H - 5, color, step_s)}</td>"
    text, color = told(value, field)
    if kind == "gauge":
        part = min(max(float(value) / field.get("max", 1), 0), 1) * 60
        style = f"display:inline-block;width:{part:.0f}%;height:12px;margin-right:6px;background:{color}"
        bar = f'<i style="{style}"></i>'
        return f"<td>{bar}{escape(text)}</td>"
    paint = f"color:{color};" if kind == "color-text" else ""
    return f'<td style="{paint}{_aligned(field)}">{escape(text)}</td>'


DRAWN: dict[str, Callable[[Panel, View, Size], str]] = {
    "stat": _stat,
    "timeseries": _lines,
    "bargauge": _bars,
    "state-timeline": _timeline,
    "table": _table,
}
