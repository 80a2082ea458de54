"""Rules: each watches one thing, on each coin or on everything, and takes one level when it fires.

    off < widen < reduce < pull < halt

`widen` makes quotes wider (and smaller where the reading says so), `reduce` leaves only orders towards flat,
`pull` none at all, `halt` stops everything until a person resumes. What fires together is combined to the
tightest of all: no rule can loosen another. The level of a rule is a setting (`rule_levels`), and so is its limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from shared.messages import Event, Reason, SidePermit
from shared.units import Side

Level = Literal["off", "widen", "reduce", "pull", "halt"]
LEVELS: tuple[Level, ...] = get_args(Level)
MAX_SPREAD = 4.0
"""Stacked rules stay within the governor's own range."""
WIDER = 2.0
"""Factor of a rule that widens without saying how much."""
FREE = SidePermit()


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` names the setting that holds the threshold, in `unit`; `about` is a line for people."""

    name: str
    about: str
    scope: Literal["coin", "all"]
    level: Level
    reason: Reason
    unit: str
    limit: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule sees now. `value` None: not known (yet), which never fires by itself."""

    value: float | None
    limit: float
    fired: bool = False
    side: Side | None = None
    """The side concerned; None: both."""
    spread: float = WIDER
    """At `widen`: how many times wider."""
    size: float = 1.0
    """At `widen`: what is left of the size."""
    detail: str = ""
    """For the line, where the numbers alone do not tell; of a halt, the reason that `resume` asks back."""
    reason: Reason | None = None
    """In place of the rule's own, where it knows better."""

    @property
    def closeness_frac(self) -> float | None:
        """How much of the way to the limit is gone; 1 and more: there."""
        return None if self.value is None or not self.limit else abs(self.value / self.limit)


@dataclass(frozen=True, slots=True)
class Resumed:
    """A person has ended a halt: what led to it is forgiven, and counts anew from here. Every check hears it."""

    time_ms: int


class Check(Protocol):
    """One rule at work: on one coin, or on everything. Pure: messages and time in, a reading out."""

    rule: Rule

    def hear(self, now_ms: int, msg: Any) -> None:
        """Take in what matters of any message; a check of a coin hears only that coin's."""

    def read(self, now_ms: int) -> Reading: ...


@runtime_checkable
class Speaking(Protocol):
    """A check with words of its own, in place of the line that every rule gets when it begins and ends to fire."""

    def lines(self, now_ms: int) -> Iterable[Event]:
        """News since the last call; asked after each reading."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for a coin."""

    bid: SidePermit = FREE
    ask: SidePermit = FREE
    spread: float = 1.0
    size: float = 1.0


def combine(fired: Iterable[tuple[Rule, Level, Reading]]) -> Verdict:
    """The tightest of all. Of equally tight permits the first one's reason is told."""
    bid, ask, spread, size = FREE, FREE, 1.0, 1.0
    for rule, level, reading in fired:
        if level == "widen":
            spread = min(spread * max(reading.spread, 1.0), MAX_SPREAD)
            size *= min(max(reading.size, 0.0), 1.0)
            continue
        permit = _permit(level, reading.reason or rule.reason)
        if reading.side != "ask":
            bid = tighter(bid, permit)
        if reading.side != "bid":
            ask = tighter(ask, permit)
    return Verdict(bid, ask, spread, size)


_TIGHTNESS = {"quote": 0, "reduce": 1, "none": 2}


def tighter(one: SidePermit, other: SidePermit) -> SidePermit:
    return other if _TIGHTNESS[other.allow] > _TIGHTNESS[one.allow] else one


def _permit(level: Level, reason: Reason) -> SidePermit:
    if level == "off":
        return FREE
    return SidePermit("reduce" if level == "reduce" else "none", reason)
