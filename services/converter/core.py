"""When to convert: once soon after the start, for what an earlier stop left over, and daily after midnight UTC."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.converter.config import ConverterConfig
from shared.clock import ms_of_day, utc, utc_day
from shared.messages import Event, Message
from shared.service import Started, Tick

DAY_MS = 86_400_000
START_DELAY_MS = 60_000
"""The first minute belongs to the first quotes."""
RETRY_MS = 3_600_000
TAG = "CONVERTER"


@dataclass(frozen=True, slots=True)
class Convert:
    """Run a conversion."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A conversion ended well; all zero when there was nothing to do."""

    files: int = 0
    rows: int = 0
    bad_lines: int = 0
    ratio: float = 0.0
    seconds: float = 0.0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """A conversion failed, wholly or for some files; the CSVs concerned are untouched."""

    reason: str


class Converter:
    """One conversion at a time; a failed one is repeated within the hour."""

    def __init__(self, config: ConverterConfig) -> None:
        hours, minutes = config.converter_daily_utc.split(":")
        self._daily_ms = (int(hours) * 60 + int(minutes)) * 60_000
        self._next_ms: int | None = None
        self._running = False

    def step(self, now_ms: int, msg: object) -> Iterable[Message | Convert]:
        match msg:
            case Started():
                self._next_ms = now_ms + START_DELAY_MS
            case Tick() if self._next_ms is not None and now_ms >= self._next_ms and not self._running:
                self._running = True
                return (Convert(),)
            case Finished():
                self._running, self._next_ms = False, self._next_daily_ms(now_ms)
                return (self._done(now_ms, msg),)
            case Broken():
                self._running, self._next_ms = False, min(now_ms + RETRY_MS, self._next_daily_ms(now_ms))
                again = utc(self._next_ms).strftime("%H:%M")
                text = f"conversion failed: {msg.reason}; CSV files are kept, next try {again} UTC"
                return (Event(level="error", tag=TAG, text=text),)
        return ()

    def _next_daily_ms(self, now_ms: int) -> int:
        today_ms = ms_of_day(utc_day(now_ms)) + self._daily_ms
        return today_ms if today_ms > now_ms else today_ms + DAY_MS

    def _done(self, now_ms: int, done: Finished) -> Event:
        if not (done.files or done.removed or done.bad_lines):
            return Event(tag=TAG, text="nothing to convert yet", fields={"success_ms": now_ms})
        fields = {
            "success_ms": now_ms,
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
        return Event(level="warning" if done.bad_lines else "info", tag=TAG, text=text, fields=fields)
