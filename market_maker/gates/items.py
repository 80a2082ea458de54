"""One line of the checklist, and how numbers with an interval become a verdict."""

from collections.abc import Iterable
from typing import NamedTuple

from analysis.estimates import Estimate, Judgement, Verdict
from analysis.render.words import length

WORST_FIRST: tuple[Verdict, ...] = ("NO-GO", "NOT ENOUGH DATA", "GO")
HOPELESS = 30
"""An interval so many times as wide as what is to be shown asks for a thousand times the data."""


class Item(NamedTuple):
    """`threshold` and `unit` as people read them; `measured` is None where nothing is a number; `more` is the
    command that shows more."""

    gate: str
    name: str
    asked: str
    threshold: str
    judgement: Judgement
    more: str
    measured: Estimate | None = None
    unit: str = ""
    digits: int = 2

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Of nothing at all: not enough data."""
    found = set(verdicts) or {"NOT ENOUGH DATA"}
    return next(verdict for verdict in WORST_FIRST if verdict in found)


def above(measured: Estimate, threshold: float, hours: float, words: str) -> Judgement:
    """GO when the whole interval lies above the threshold, NO-GO when none of it does. `hours` is what the
    estimate rests on; `words` is the measured number as people read it."""
    return _by_interval(measured, threshold, hours, words, 1)


def below(measured: Estimate, threshold: float, hours: float, words: str) -> Judgement:
    """The same for what must stay below."""
    return _by_interval(measured, threshold, hours, words, -1)


def not_above(high: float | None, threshold: float, words: str) -> Judgement:
    """Of a number that is not above its threshold: NO-GO only if the end of its interval is not either."""
    if high is not None and high <= threshold:
        return Judgement("NO-GO", f"{words}: not by chance, the whole interval is on the wrong side")
    return Judgement("NOT ENOUGH DATA", f"{words}: on the wrong side, perhaps by chance", "a better result")


def _by_interval(measured: Estimate, threshold: float, hours: float, words: str, sign: int) -> Judgement:
    value, low, high = measured.value, measured.low, measured.high
    if value is None:
        return Judgement("NOT ENOUGH DATA", words, "hours in shadow")
    if low is None or high is None:
        return Judgement("NOT ENOUGH DATA", f"{words}: too little for an interval", "more hours in shadow")
    near, far = (low, high) if sign > 0 else (-high, -low)
    if near > sign * threshold:
        return Judgement("GO", words)
    if far <= sign * threshold:
        return Judgement("NO-GO", f"{words}: not by chance, the whole interval is on the wrong side")
    gap, half = abs(value - threshold), (high - low) / 2
    if sign * (value - threshold) <= 0:
        return Judgement("NOT ENOUGH DATA", f"{words}: on the wrong side, perhaps by chance", "a better number")
    reason = f"{words}: the interval still holds the threshold"
    if half > HOPELESS * gap:
        return Judgement("NOT ENOUGH DATA", reason, "more than can be waited for, or a better number")
    more_h = max(1.0, hours * ((half / gap) ** 2 - 1))
    return Judgement("NOT ENOUGH DATA", reason, f"about {length(more_h)} more, if it stays so")
