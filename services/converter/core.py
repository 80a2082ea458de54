"""When to convert: once soon after the start, for what an earlier stop left over, and daily after midnight UTC.

What was converted is analysed at once, and every hour there is a look at the disk.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.converter.budget import Forecast
from services.converter.config import ConverterConfig
from shared.clock import ms_of_day, utc, utc_day
from shared.messages import Event, Message, Severity
from shared.service import Started, Tick

DAY_MS = 86_400_000
START_DELAY_MS = 60_000
"""The first minute belongs to the first quotes."""
RETRY_MS = 3_600_000
LOOK_MS = 3_600_000
TAG = "CONVERTER"
ANALYSIS_TAG = "ANALYSIS"
DISK_TAG = "DISK"


@dataclass(frozen=True, slots=True)
class Convert:
    """Run a conversion."""


@dataclass(frozen=True, slots=True)
class Analyze:
    """Bring the market profile up to date."""


@dataclass(frozen=True, slots=True)
class Look:
    """See how long the disk lasts."""


Command = Convert | Analyze | Look


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A conversion ended well; all zero when there was nothing to do."""

    files: int = 0
    rows: int = 0
    bad_lines: int = 0
    ratio: float = 0.0
    seconds: float = 0.0
    removed: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """A conversion failed, wholly or for some files; the CSVs concerned are untouched."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Analyzed:
    """The nightly analysis ended well."""

    coins: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NotAnalyzed:
    """The nightly analysis failed; the profile is the one before."""

    reason: str


class Converter:
    """One conversion at a time; a failed one is repeated within the hour."""

    def __init__(self, config: ConverterConfig) -> None:
        hours, minutes = config.converter_daily_utc.split(":")
        self._daily_ms = (int(hours) * 60 + int(minutes)) * 60_000
        self._config = config
        self._next_ms: int | None = None
        self._running = False
        self._next_look_ms: int | None = None
        self._warn_again_ms: int | None = None
        """None: the disk is large enough."""

    def step(self, now_ms: int, msg: object) -> Iterable[Message | Command]:
        match msg:
            case Started():
                self._next_ms = self._next_look_ms = now_ms + START_DELAY_MS
            case Tick():
                return list(self._due(now_ms))
            case Finished():
                self._running, self._next_ms = False, self._next_daily_ms(now_ms)
                again = self._config.nightly_analysis and msg.files > 0
                return (self._done(msg), *((Analyze(),) if again else ()))
            case Broken():
                self._running, self._next_ms = False, min(now_ms + RETRY_MS, self._next_daily_ms(now_ms))
                again_at = utc(self._next_ms).strftime("%H:%M")
                text = f"conversion failed: {msg.reason}; CSV files are kept, next try {again_at} UTC"
                return (Event(level="error", tag=TAG, text=text),)
            case Analyzed():
                text = "market profile brought up to date"
                return (Event(tag=ANALYSIS_TAG, text=text, fields={"coins": msg.coins, "seconds": msg.seconds}),)
            case NotAnalyzed():
                text = f"nightly analysis failed: {msg.reason}; the market profile stays as it was"
                return (Event(level="warning", tag=ANALYSIS_TAG, text=text),)
            case Forecast():
                return list(self._disk(now_ms, msg))
        return ()

    def _due(self, now_ms: int) -> Iterator[Command]:
        if self._next_ms is not None and now_ms >= self._next_ms and not self._running:
            self._running = True
            yield Convert()
        if self._next_look_ms is not None and now_ms >= self._next_look_ms:
            self._next_look_ms = now_ms + LOOK_MS
            yield Look()

    def _next_daily_ms(self, now_ms: int) -> int:
        today_ms = ms_of_day(utc_day(now_ms)) + self._daily_ms
        return today_ms if today_ms > now_ms else today_ms + DAY_MS

    def _done(self, done: Finished) -> Event:
        if not (done.files or done.removed or done.bad_lines or done.expired):
            return Event(tag=TAG, text="nothing to convert yet")
        fields = {
            "files": done.files,
            "rows": done.rows,
            "ratio": round(done.ratio, 1),
            "seconds": round(done.seconds, 1),
            "removed": done.removed,
            "bad_lines": done.bad_lines,
        }
        text = "CSV converted to Parquet and verified"
        if done.bad_lines:
            text += f"; {done.bad_lines} damaged lines kept in quarantine/"
        if done.expired:
            text += f"; {done.expired} Parquet files older than {self._config.parquet_retention_days} days removed"
        return Event(level="warning" if done.bad_lines else "info", tag=TAG, text=text, fields=fields)

    def _disk(self, now_ms: int, seen: Forecast) -> Iterator[Event]:
        """A warning when the disk becomes too small and daily after that, hourly in the last day."""
        warn_days = self._config.disk_warn_days
        if not seen.is_low(warn_days):
            if self._warn_again_ms is not None:
                yield Event(tag=DISK_TAG, text=seen.text(warn_days), fields=seen.fields())
            self._warn_again_ms = None
            return
        urgent = seen.days_left is not None and seen.days_left < 1
        if urgent or self._warn_again_ms is None or now_ms >= self._warn_again_ms:
            self._warn_again_ms = now_ms + DAY_MS
            level: Severity = "error" if urgent else "warning"
            yield Event(level=level, tag=DISK_TAG, text=seen.text(warn_days), fields=seen.fields())
