"""Numbers as people read them, in the units that the dashboards use, and the colours that go with them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

COLOURS = {
    "text": "#d0d3da", "green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "yellow": "#fade2a",
    "blue": "#5794f2", "purple": "#b877d9", "white": "#ffffff", "dark-red": "#c4162a",
    "semi-dark-green": "#56a64b", "semi-dark-red": "#e02f44",
}  # fmt: skip
PALETTE = (
    "#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#96d98d", "#70dbed", "#fade2a",
    "#e0752d", "#ca95e5", "#f9ba8f", "#65c5db", "#f29191", "#b7dbab", "#f4d598", "#aea2e0", "#badff4", "#e5a8e2",
)  # fmt: skip
_CLOCK = {"time:HH:mm": "%H:%M"}
_SPANS = ((604_800.0, "weeks"), (86_400.0, "days"), (3_600.0, "hours"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))


def colour(name: str) -> str:
    return COLOURS.get(name, name)


def spelled(value: float, unit: str, decimals: int | None = None) -> str:
    """With `decimals` where it has a unit of its own scale; times and sizes choose their scale."""
    if unit == "s":
        return _span(value, decimals)
    if unit == "ms":
        return _span(value / 1000, decimals)
    if unit == "percentunit":
        return f"{_plain(value * 100, decimals)} %"
    if unit == "bytes":
        return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))
    if unit in ("currencyUSD", "prefix:$"):
        return f"{'-' if value < 0 else ''}${_plain(abs(value), decimals)}"
    if unit.startswith("time:"):
        return datetime.fromtimestamp(value / 1000, UTC).strftime(_CLOCK[unit])
    if unit == "short":
        return _scaled(value, 1000, ("", "K", "M", "G")) if abs(value) >= 1000 else f"{value:.3g}"
    suffix = {"ops": "/s", "d": " days", "none": "", "string": "", "sci": ""}.get(
        unit, unit.removeprefix("suffix:")
    )
    text = f"{value:.1e}" if unit == "sci" else _plain(value, decimals)
    return f"{text}{suffix if suffix.startswith((' ', 'x', '/')) or not suffix else ' ' + suffix}"


def _plain(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    return f"{value:,.6g}" if abs(value) < 1e9 else f"{value:.3e}"


def _span(seconds: float, decimals: int | None) -> str:
    for size, name in _SPANS:
        if abs(seconds) >= size:
            return f"{seconds / size:.{1 if decimals is None else decimals}f} {name}"
    return "0 s" if not seconds else f"{seconds * 1e6:.0f} µs"


def _scaled(value: float, base: int, names: tuple[str, ...]) -> str:
    for name in names[:-1]:
        if abs(value) < base:
            return f"{value:.0f} {name}".strip() if value == int(value) else f"{value:.1f} {name}".strip()
        value /= base
    return f"{value:.1f} {names[-1]}"


def threshold(value: float, config: Mapping[str, Any]) -> str:
    """The colour of the highest step that the value reaches."""
    steps = config.get("thresholds", {}).get("steps", [])
    reached = [step["color"] for step in steps if step.get("value") is None or value >= step["value"]]
    return colour(reached[-1]) if reached else COLOURS["text"]


def told(value: float | str, config: Mapping[str, Any]) -> tuple[str, str]:
    """Text and colour of a value by its field's mappings, unit and thresholds."""
    text = value if isinstance(value, str) else f"{value:g}"
    for mapping in config.get("mappings", []):
        if mapping["type"] == "value" and text in mapping["options"]:
            found = mapping["options"][text]
            return found["text"], colour(found.get("color", "text"))
        if (
            mapping["type"] == "regex"
            and isinstance(value, str)
            and re.fullmatch(mapping["options"]["pattern"], text)
        ):
            return text, colour(mapping["options"]["result"].get("color", "text"))
    if isinstance(value, str):
        return text, COLOURS["text"]
    return spelled(value, config.get("unit", "none"), config.get("decimals")), threshold(value, config)


def legend(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), template)
