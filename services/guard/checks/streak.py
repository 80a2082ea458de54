"""When a condition counts and how much: in steps, because every change of a lease moves orders.

A permit that comes and goes costs a cancel and a new order each time; what is held for some seconds costs them
once.
"""

import math
from typing import ClassVar

STEP = 0.25


def widening(value: float, limit: float) -> float:
    """1 up to the limit, 2 from twice the limit on; in steps between them, rounded up."""
    return min(max(math.ceil(value / limit / STEP) * STEP, 1.0), 2.0)


class Streak:
    """On once samples in a row have said so for `after_ms`, off `hold_ms` after the first that does not.

    Driven by samples alone, so that the same messages give the same answer however often it is asked for. Two
    samples are needed unless `after_ms` is 0: what was seen once and never again has not lasted.
    """

    remembers: ClassVar = {"_since_ms": float | None, "_on": bool, "_until_ms": float}
    __slots__ = ("_after_ms", "_hold_ms", "_on", "_since_ms", "_until_ms")

    def __init__(self, after_s: float, hold_s: float) -> None:
        self._after_ms, self._hold_ms = after_s * 1000, hold_s * 1000
        self._since_ms: float | None = None
        self._on = False
        self._until_ms = 0.0

    def note(self, time_ms: float, over: bool) -> None:
        if over:
            self._since_ms = time_ms if self._since_ms is None else self._since_ms
            self._on = self._on or time_ms - self._since_ms >= self._after_ms
            return
        if self._on:
            self._until_ms = time_ms + self._hold_ms
        self._since_ms, self._on = None, False

    def on(self, now_ms: float) -> bool:
        return self._on or now_ms < self._until_ms
