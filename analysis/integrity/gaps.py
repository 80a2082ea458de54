"""Silence in the ticks. A book that does not change is written every 500 ms, so silence is no quiet market.

Where all coins that are recorded at the time are silent, the recorder or the venue was away: one outage, counted
once. A gap that only some coins have is theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.integrity.content import Integers
from shared.clock import utc
from shared.incidents import Incident

CLASSES = (("severe", 7_200_000), ("critical", 600_000), ("long", 120_000), ("short", 30_000))
"""Names and least lengths in milliseconds."""
CRITICAL_MS = 600_000
SHORTEST_MS = 30_000
EVERY = "*"
_NEAR_MS = 120_000
_CAUSES = (
    ("recording_stopped", "the disk refused what was to be recorded"),
    ("stall", "the venue's feed stalled"),
    ("stop", "the bot was stopped"),
    ("start", "the bot had ended without saying so (crash, power cut, kill) and was started again"),
    ("service_restarted", "a service was restarted"),
)
UNKNOWN = "recorder or venue away; no incident is noted, see the logs of that time"
ALONE = "this coin only: did it leave the universe, or its subscription fail?"


class Gap(NamedTuple):
    """`coin` is `*` where all coins recorded at the time are silent."""

    coin: str
    from_ms: int
    to_ms: int
    cause: str = ""

    @property
    def length_ms(self) -> int:
        return self.to_ms - self.from_ms

    @property
    def name(self) -> str:
        """The class of the gap."""
        return next(name for name, least_ms in CLASSES if self.length_ms >= least_ms)

    @property
    def is_critical(self) -> bool:
        return self.length_ms >= CRITICAL_MS

    def text(self) -> str:
        start = utc(self.from_ms).strftime("%Y-%m-%d %H:%M:%S")
        return f"{start} UTC, {shown(self.length_ms)}"


class Span(NamedTuple):
    """First and last tick of a coin."""

    from_ms: int
    to_ms: int


def shown(length_ms: int) -> str:
    """A length as a person says it."""
    seconds = length_ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def silences(coin: str, times: Integers, last_ms: int | None) -> list[Gap]:
    """Between sorted times, and since `last_ms`, the last tick of the day before."""
    if last_ms is not None:
        times = np.concatenate([np.array([last_ms], np.int64), times])
    wide = np.flatnonzero(np.diff(times) >= SHORTEST_MS)
    return [Gap(coin, int(times[i]), int(times[i + 1])) for i in wide]


def with_causes(
    gaps: Mapping[str, Sequence[Gap]], spans: Mapping[str, Span], incidents: Sequence[Incident]
) -> list[Gap]:
    """The gaps of all coins, what is common told once, by time."""
    common = _outages(gaps, spans)
    found = [gap._replace(cause=_cause(gap, incidents)) for gap in common]
    for own in gaps.values():
        for gap in own:
            if not _is_covered(gap, common):
                found.append(gap._replace(cause=ALONE))
    return sorted(found, key=lambda gap: (gap.from_ms, gap.coin))


def _is_covered(gap: Gap, outages: Sequence[Gap]) -> bool:
    """Is at least half of the gap everybody's?"""
    shared_ms = sum(max(0, min(o.to_ms, gap.to_ms) - max(o.from_ms, gap.from_ms)) for o in outages)
    return shared_ms * 2 >= gap.length_ms


def _outages(gaps: Mapping[str, Sequence[Gap]], spans: Mapping[str, Span]) -> list[Gap]:
    """When every coin between its first and last tick is silent: at least two, if there are two."""
    least = min(2, len(spans))
    changes = [(span.from_ms, 1, 0) for span in spans.values()] + [(span.to_ms, -1, 0) for span in spans.values()]
    for own in gaps.values():
        changes += [change for gap in own for change in ((gap.from_ms, 0, 1), (gap.to_ms, 0, -1))]
    found, recorded, silent, since = [], 0, 0, None
    for time_ms, more_recorded, more_silent in sorted(changes):
        was = recorded == silent >= least
        recorded, silent = recorded + more_recorded, silent + more_silent
        now = recorded == silent >= least
        if now and not was:
            since = time_ms
        elif was and not now and since is not None and time_ms - since >= SHORTEST_MS:
            found.append(Gap(EVERY, since, time_ms))
    return found


def _cause(gap: Gap, incidents: Iterable[Incident]) -> str:
    near = {i.kind for i in incidents if gap.from_ms - _NEAR_MS <= i.time_ms <= gap.to_ms + _NEAR_MS}
    return next((text for kind, text in _CAUSES if kind in near), UNKNOWN)
