"""Curves as SVG: lines over time with axes, strips of states, and the small ones of table cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from grafana.picture.source import Points
from grafana.picture.words import spelled

HOLE_S = 20
"""A line goes on over a shorter hole, as in the dashboards."""
AXIS_W, AXIS_H = 74, 20
UNIT_SIZE = {"percentunit": 0.01}
"""Where what is written is not the value."""
GRID, FAINT = "#2a2d34", "#9096a1"


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    points: Points
    color: str
    width: float = 1
    dash: str = ""
    dots: bool = False
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What of time and values a curve is drawn on; in pixels from the left upper corner."""

    left_s: float
    right_s: float
    low: float
    high: float
    width: float
    height: float

    def x(self, time_s: float) -> float:
        return (time_s - self.left_s) / (self.right_s - self.left_s) * self.width

    def y(self, value: float) -> float:
        return self.height - (value - self.low) / (self.high - self.low) * self.height


def path(points: Points, frame: Frame, hole_s: float) -> str:
    parts, before = [], -math.inf
    for time_s, value in points:
        parts.append(f"{'M' if time_s - before > hole_s else 'L'}{frame.x(time_s):.1f} {frame.y(value):.1f}")
        before = time_s
    return "".join(parts)


def spark(
    points: Points, left_s: float, right_s: float, width: int, height: int, color: str, step_s: float
) -> str:
    values = [value for _, value in points]
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or 1.0
    frame = Frame(left_s, right_s, low - room, high + room, width, height)
    line = path(points, frame, max(HOLE_S, 3 * step_s))
    return (
        f'<svg width="{width}" height="{height}"><path d="{line}" fill="none"'
        f' stroke="{color}" stroke-width="1.5"/></svg>'
    )


def ticks(low: float, high: float, wanted: int, finest: float = 0) -> list[float]:
    """Round numbers within, about so many, no closer than `finest`."""
    raw = max((high - low) / max(wanted, 1), finest)
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def bounds(
    curves: Sequence[Curve], low: float | None, high: float | None, at_least: float | None
) -> tuple[float, float]:
    values = [value for curve in curves for _, value in curve.points]
    bottom = min(values) if low is None else low
    top = max([*values, *([] if at_least is None else [at_least])]) if high is None else high
    if top <= bottom:
        bottom, top = (bottom, bottom + 1) if low is not None else (bottom - 0.5, bottom + 0.5)
    room = (top - bottom) * 0.06
    return bottom if low is not None else bottom - room, top if high is not None else top + room


def chart(
    curves: Sequence[Curve], frame: Frame, unit: str, decimals: int | None, step_s: float, time_ticks: int = 6
) -> str:
    """`frame` is the whole picture; the axes take their part of it."""
    inner = Frame(
        frame.left_s, frame.right_s, frame.low, frame.high, frame.width - AXIS_W - 8, frame.height - AXIS_H - 8
    )
    parts = [f'<svg width="{frame.width:.0f}" height="{frame.height:.0f}"><g transform="translate({AXIS_W},6)">']
    finest = 0 if decimals is None else 10.0**-decimals * UNIT_SIZE.get(unit, 1)
    for value in ticks(inner.low, inner.high, max(2, int(inner.height / 42)), finest):
        y = inner.y(value)
        parts.append(
            f'<line x1="0" x2="{inner.width:.0f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
            f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{escape(spelled(value, unit, decimals))}</text>'
        )
    every = (inner.right_s - inner.left_s) / time_ticks
    for index in range(time_ticks):
        time_s = inner.left_s + (index + 0.5) * every
        x, y = inner.x(time_s), inner.height + 17
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{clock(time_s)}</text>')
    for curve in curves:
        parts.append(_drawn(curve, inner, max(HOLE_S, 3 * step_s)))
    return "".join(parts) + "</g></svg>"


def _drawn(curve: Curve, frame: Frame, hole_s: float) -> str:
    if curve.dots:
        return "".join(
            f'<circle cx="{frame.x(time_s):.1f}" cy="{frame.y(value):.1f}" r="5" fill="{curve.color}"/>'
            for time_s, value in curve.points
        )
    line = path(curve.points, frame, hole_s)
    dash = f' stroke-dasharray="{curve.dash}"' if curve.dash else ""
    area = ""
    if curve.filled:
        first, last = frame.x(curve.points[0][0]), frame.x(curve.points[-1][0])
        floor = frame.y(frame.low)
        area = (
            f'<path d="{path(curve.points, frame, frame.right_s)}L{last:.1f} {floor:.1f}L{first:.1f} {floor:.1f}Z"'
            f' fill="{curve.color}" opacity="0.2"/>'
        )
    return f'{area}<path d="{line}" fill="none" stroke="{curve.color}" stroke-width="{curve.width * 1.4}"{dash}/>'


def clock(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%H:%M:%S")


def strips(rows: Sequence[tuple[str, list[tuple[float, float, str]]]], frame: Frame) -> str:
    """Named rows of (from, to, colour)."""
    name_w = 150.0
    tall = frame.height / max(len(rows), 1)
    inner = Frame(frame.left_s, frame.right_s, 0, 1, frame.width - name_w, frame.height)
    parts = [f'<svg width="{frame.width:.0f}" height="{frame.height:.0f}">']
    for index, (name, spans) in enumerate(rows):
        y, size = index * tall, min(12.0, tall * 0.8)
        parts.append(
            f'<text x="{name_w - 8}" y="{y + tall / 2 + size / 3:.1f}" text-anchor="end"'
            f' style="font-size:{size:.0f}px">{escape(name)}</text>'
        )
        for start, end, color in spans:
            x = inner.x(max(start, frame.left_s))
            parts.append(
                f'<rect x="{name_w + x:.1f}" y="{y + 1:.1f}" width="{max(inner.x(end) - x, 1):.1f}"'
                f' height="{max(tall - 2, 1):.1f}" fill="{color}" opacity="0.85"/>'
            )
    return "".join(parts) + "</svg>"
