"""All open files of the harvester; the only code of it that touches the disk."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from services.harvester.core import (
    Closed,
    Effect,
    Failed,
    Flush,
    Full,
    MovedAside,
    Note,
    Repaired,
    Resumed,
    is_journal,
)
from services.harvester.dayfile import DayFile
from services.harvester.flightfiles import FlightFiles
from services.harvester.rows import Row, day_path
from shared import incidents
from shared.clock import utc_day
from shared.data_files import JOURNAL_FAMILIES
from shared.flights import KEPT_DAYS, Flight

MAX_OPEN_FILES = 640
"""30 coins need 150 files; a process may usually open 1024. Of 200 coins (the most `top_n` allows) those that were
written least lately are closed meanwhile."""
MAX_PENDING_ROWS = 1000
"""Per file; more than that is written without waiting for the next `Flush`."""
MAX_NOTES_KNOWN = 10_000

Result = Repaired | MovedAside | Full | Failed | Resumed | Closed


class Archive:
    """Writes rows to their day's file. Bounded: open files, rows remembered and rows pending per file."""

    def __init__(
        self, data_dir: Path, max_open_files: int = MAX_OPEN_FILES, explain_days: int = KEPT_DAYS
    ) -> None:
        self._data_dir, self._max_open_files = data_dir, max_open_files
        self._files: OrderedDict[tuple[str, str], DayFile] = OrderedDict()
        self._known_notes: OrderedDict[tuple[str, int, str], None] | None = None
        self._results: list[Result] = []
        self._flights = FlightFiles(data_dir, explain_days)
        self._failing = False
        self.rows = 0
        """Rows handed to the operating system."""

    def apply(self, effects: Sequence[Effect]) -> list[Result]:
        """Carry out `effects` in order; trades and the journal are with the operating system when this returns."""
        self._results = []
        lost = len([effect for effect in effects if isinstance(effect, Row | Flight) and not is_journal(effect)])
        try:
            for effect in effects:
                if isinstance(effect, Row):
                    file = self._file_of(effect)
                    lost -= not is_journal(effect)
                    if file is not None:
                        file.append(effect)
                        if file.pending_rows >= MAX_PENDING_ROWS:
                            self._flush([file])
                elif isinstance(effect, Note):
                    self._note(effect.incident)
                elif isinstance(effect, Flight):
                    continue
                elif isinstance(effect, Flush):
                    self._flush(list(self._files.values()))
                else:
                    self._close_all()
            self._flush([file for file in self._files.values() if file.family.written_at_once])
            flights = [effect for effect in effects if isinstance(effect, Flight)]
            self._results += [Full(path) for path in self._flights.write(flights)]
            lost -= len(flights)
        except OSError as error:
            lost += self._abandon()
            self._failing = True
            where = error.filename or self._data_dir
            waiting = tuple(effect for effect in effects if is_journal(effect))
            self._results.append(Failed(f"{error.strerror or error} ({where})", lost, waiting))
        return self._results

    def _note(self, incident: incidents.Incident) -> None:
        if self._known_notes is None:
            self._known_notes = OrderedDict.fromkeys(known.key for known in incidents.newest(self._data_dir))
        if incident.key in self._known_notes:
            return
        incidents.append(self._data_dir, incident)
        self._known_notes[incident.key] = None
        if len(self._known_notes) > MAX_NOTES_KNOWN:
            self._known_notes.popitem(last=False)
        self._written()

    def _file_of(self, row: Row) -> DayFile | None:
        """None for a day that is Parquet alone: it was whole when its CSV went."""
        place = (row.family.name, row.coin)
        path = day_path(self._data_dir, row)
        file = self._files.get(place)
        if file is None or file.path != path:
            parquet = row.family.parquet_path(self._data_dir, row.coin, utc_day(row.time_ms))
            if parquet.exists() and not path.exists():
                return None
        if file is not None and file.path != path:  # the day rolls
            self._close(place)
            file = None
        if file is None:
            while len(self._files) >= self._max_open_files:
                self._close(next(iter(self._files)))
            file = self._files[place] = DayFile(path, row.family)
            self._results += file.notices
        self._files.move_to_end(place)
        return file

    def _flush(self, files: Sequence[DayFile]) -> None:
        for file in files:
            before = file.pending_rows
            try:
                file.flush()
            finally:
                self.rows += before - file.pending_rows
            if before:
                self._written()

    def _written(self) -> None:
        if self._failing:
            self._failing = False
            self._results.append(Resumed())

    def _close(self, place: tuple[str, str]) -> None:
        file = self._files[place]
        self._flush([file])
        file.sync()
        del self._files[place]
        file.close()

    def _close_all(self) -> None:
        for place in list(self._files):
            self._close(place)
        self._results.append(Closed(self.rows))

    def _abandon(self) -> int:
        """Drop every file and its pending rows; opening them again repairs what was written in part. What waits
        in files of the journal is of this batch, which says it itself."""
        lost = 0
        for file in self._files.values():
            lost += 0 if file.family in JOURNAL_FAMILIES else file.pending_rows
            try:
                file.close()
            except OSError as error:
                self._results.append(Failed(f"{error.strerror or error} ({file.path})", 0))
        self._files.clear()
        return lost
