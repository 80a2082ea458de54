"""The only module that reads clocks (a linter rule holds everyone else to that).

Wall time dates facts and is shared between processes; monotonic time measures how long something took.
Cores never call this: time reaches them as an argument.
"""

import time
from datetime import UTC, date, datetime

SET_BACK_MS = 2_000
"""What is dated so much ahead of now was written before the wall clock was set back: it is not of now, but old."""


def wall_ms() -> float:
    """Unix time in milliseconds, with microsecond resolution."""
    return time.time_ns() / 1e6


def monotonic_s() -> float:
    """Seconds since an arbitrary start; never goes back."""
    return time.monotonic()


def utc(ms: float) -> datetime:
    """The UTC datetime of a Unix time in milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def utc_day(ms: float) -> date:
    """The UTC calendar day of a Unix time in milliseconds; trading and file days are UTC days."""
    return utc(ms).date()


def ms_of_day(day: date) -> int:
    """Unix milliseconds at which a UTC day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def day_name(day_start_ms: int) -> str:
    """What PnL counted from then on is called (UTC): a resume begins the day anew."""
    return "today" if day_start_ms == ms_of_day(utc_day(day_start_ms)) else f"since {utc(day_start_ms):%H:%M}"
