"""Answers of a Prometheus over its HTTP interface."""

import json
import math
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 20

Labels = Mapping[str, str]
Points = list[tuple[float, float]]
"""Unix seconds and value; what is not a number is left out."""


@dataclass(frozen=True, slots=True)
class Series:
    labels: Labels
    points: Points

    @property
    def last(self) -> float:
        return self.points[-1][1]


@dataclass(frozen=True, slots=True)
class Source:
    """One Prometheus; `address` is its URL, `end_s` the moment that is now for all questions."""

    address: str
    end_s: float
    range_s: float

    def now(self, expr: str) -> list[Series]:
        rows = self._ask("query", {"query": expr, "time": self.end_s})
        return [series for row in rows if (series := _series(row["metric"], [row["value"]])).points]

    def course(self, expr: str, step_s: float) -> list[Series]:
        start = math.floor((self.end_s - self.range_s) / step_s) * step_s
        rows = self._ask("query_range", {"query": expr, "start": start, "end": self.end_s, "step": step_s})
        return [series for row in rows if (series := _series(row["metric"], row["values"])).points]

    def _ask(self, what: str, parameters: Mapping[str, Any]) -> list[Any]:
        url = f"{self.address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            rows: list[Any] = json.load(answer)["data"]["result"]
        return rows


def _series(labels: Labels, values: list[Any]) -> Series:
    points = [(float(time), float(text)) for time, text in values]
    return Series(labels, [(time, value) for time, value in points if math.isfinite(value)])
