"""What the data folder tells: evidence of the gates, the nightly verdicts, recordings, the disk.

Files of others, read for show: what cannot be read tells nothing, and seals are left to those who act on them.
"""

import shutil
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from shared.data_files import CONVERTED, FAMILIES

EVIDENCE = Path("state") / "gates.json"
ANALYSIS = Path("state") / "analysis.json"
VERDICTS = {"GO": 1.0, "NOT ENOUGH DATA": 0.0, "NO-GO": -1.0}

SAMPLE_MS = 600_000
TREND_MS = 86_400_000
"""A whole day: the nightly conversion gives back what the day has taken."""
ENOUGH_MS = 6 * 3_600_000
FORESIGHT = 12
"""Before enough was seen, it says something about so many times as long: two hours after ten minutes, three days
after six hours."""
LATELY_MS = 3_600_000

Verdict = Literal["GO", "NOT ENOUGH DATA", "NO-GO"]
T = TypeVar("T")


class _Result(msgspec.Struct, frozen=True):
    verdict: Verdict


class Evidence(msgspec.Struct, frozen=True):
    """Of `market_maker gates`."""

    made_ms: int
    until_ms: int
    gates: Mapping[str, _Result]


class _Sealed(msgspec.Struct, frozen=True):
    evidence: Evidence


class _Judged(msgspec.Struct, frozen=True):
    verdict: Verdict
    coins: Mapping[str, Verdict]


class Analysis(msgspec.Struct, frozen=True):
    """Of the nightly analysis."""

    made_ms: int
    gates: Mapping[str, _Judged]


@dataclass(frozen=True, slots=True)
class Disk:
    """Of the data folder, in bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class FilesSeen:
    """One look at the data folder; None: nothing is known. `written_ms`: newest file of each family;
    `converted_ms`: when everything was last made Parquet."""

    evidence: Evidence | None = None
    analysis: Analysis | None = None
    disk: Disk | None = None
    converted_ms: float | None = None
    written_ms: Mapping[str, float] = field(default_factory=dict)


def look(data_dir: Path) -> FilesSeen:
    """Costs a directory listing per family and coin."""
    sealed = _read(data_dir / EVIDENCE, _Sealed)
    return FilesSeen(
        evidence=sealed.evidence if sealed is not None else None,
        analysis=_read(data_dir / ANALYSIS, Analysis),
        disk=_disk(data_dir),
        converted_ms=_touched_ms(data_dir / CONVERTED),
        written_ms={
            family.name: written
            for family in FAMILIES
            if (written := _written_ms(data_dir / family.name)) is not None
        },
    )


def _read(file: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeError):
        return None


def _disk(folder: Path) -> Disk | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Disk(usage.free, usage.total)


def _touched_ms(file: Path) -> float | None:
    try:
        return file.stat().st_mtime_ns / 1e6
    except OSError:
        return None


def _written_ms(folder: Path) -> float | None:
    """When the newest day of any coin was written last."""
    try:
        newest = [max(coin.glob("*.csv"), default=None) for coin in folder.iterdir()]
        return max((path.stat().st_mtime_ns / 1e6 for path in newest if path is not None), default=None)
    except OSError:
        return None


class DiskTrend:
    """How long the disk lasts, by what the last day has taken of it, and the last hour: what was copied to it once
    does not fill it."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque()
        self._now = 0, 0

    def take(self, now_ms: int, free: int) -> None:
        self._now = now_ms, free
        if not self._samples or now_ms - self._samples[-1][0] >= SAMPLE_MS:
            self._samples.append(self._now)
        while now_ms - self._samples[0][0] > TREND_MS:
            self._samples.popleft()

    @property
    def left_s(self) -> float | None:
        """None while it does not fill, and where too little was seen to look so far ahead."""
        if len(self._samples) < 2:
            return None
        begun, now = self._samples[0], self._now
        lately = max((sample for sample in self._samples if now[0] - sample[0] >= LATELY_MS), default=begun)
        slowest = min(_per_ms(begun, now), _per_ms(lately, now))
        if slowest <= 0:
            return None
        seen_ms, left_ms = now[0] - begun[0], now[1] / slowest
        return left_ms / 1000 if left_ms <= FORESIGHT * seen_ms or seen_ms >= ENOUGH_MS else None


def _per_ms(begun: tuple[int, int], ended: tuple[int, int]) -> float:
    """Bytes that went between two samples."""
    (begun_ms, begun_free), (ended_ms, ended_free) = begun, ended
    return (begun_free - ended_free) / (ended_ms - begun_ms) if ended_ms > begun_ms else 0.0
