"""Flights on the disk: each once, so many bytes a coin and day, so many days."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import msgspec

from shared import flights, json_lines
from shared.flights import Flight, Key

MAX_DAYS_OPEN = 640
"""Days of coins whose fills are remembered."""


@dataclass(slots=True)
class _Day:
    size: int
    known: set[Key]
    full: bool = False


@dataclass(slots=True)
class FlightFiles:
    """Raises (every method): OSError as the system says it; what was written stays, given again it is known."""

    data_dir: Path
    keep_days: int
    _days: dict[Path, _Day] = field(default_factory=dict)
    _newest: date | None = None

    def write(self, batch: Sequence[Flight]) -> list[Path]:
        """Durable when this returns; gives the files that became full by it."""
        by_file: dict[Path, list[Flight]] = {}
        for flight in batch:
            by_file.setdefault(flights.file_of(self.data_dir, flight.fill), []).append(flight)
        return [file for file, of_file in by_file.items() if self._write(file, of_file)]

    def _write(self, file: Path, batch: Sequence[Flight]) -> bool:
        """Has the file become full by it?"""
        day = self._day(file)
        fresh = {key: flight for flight in batch if (key := flights.key_of(flight.fill)) not in day.known}
        lines = b"".join(msgspec.json.encode(flight) + b"\n" for flight in fresh.values())
        if not lines or day.full:
            return False
        if day.size + len(lines) > flights.MAX_DAY_BYTES:
            day.full = True
            return True
        json_lines.append(file, lines)
        day.size += len(lines)
        day.known |= fresh.keys()
        return False

    def _day(self, file: Path) -> _Day:
        if file not in self._days:
            self._sweep(date.fromisoformat(file.stem))
            size = file.stat().st_size if file.exists() else 0
            self._days[file] = _Day(size, flights.keys(file))
            if len(self._days) > MAX_DAYS_OPEN:
                del self._days[next(iter(self._days))]
        return self._days[file]

    def _sweep(self, newest: date) -> None:
        """With the first fill of a new day the oldest go."""
        if self._newest is not None and newest <= self._newest:
            return
        self._newest = newest
        oldest = (newest - timedelta(days=self.keep_days - 1)).isoformat()
        for file in flights.files(self.data_dir):
            if file.stem < oldest:
                file.unlink()
                self._days.pop(file, None)
