"""Repairs what can be proven, and says what it did, file by file.

Good rows stay byte by byte and each once; lines that are no rows, rows that cannot be true and repetitions go; a
row of another day or coin goes to its file if its price fits there, else it goes too; a Parquet file that differs
from its CSV is made again. Every file that changes is kept in `quarantine/originals` as it was. A file that
somebody writes, and today's, are left alone. A crash at any point loses nothing, and the next run goes on.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from analysis.integrity.content import NO_TOUCH, Touch
from analysis.integrity.examine import Advance
from analysis.integrity.folder import Files, by_coin_and_day, list_folder
from analysis.integrity.originals import is_open, put_away, writers
from analysis.integrity.parquets import UNPROVEN, fault_of, sound_rows
from analysis.integrity.reading import BLOCK_ROWS, Reading, read_csv
from analysis.integrity.rewrite import TIME_DIGITS, Plan, plan, rewrite
from services.converter.convert import only_one
from services.converter.days import Day
from services.converter.source import DAY_MS, DayCsv
from shared.clock import utc_day, wall_ms
from shared.data_files import FAMILIES, TICKS, Family
from shared.errors import DataError

_MIDNIGHT_MS = 600_000
_PRICES = {"ticks": "mid", "trades": "px", "depth": "bid_px_1", "fills": "px", "account": "mark_px"}
"""By family: the column that is held against the touch before a row goes to another file."""
_FITS_FRAC = 0.05
_STANDS_MS = 600_000
"""A touch further away in time says nothing about a price."""


class Step(NamedTuple):
    """What was done with a file; `left` where something is wrong that was not dealt with."""

    place: str
    text: str
    left: bool = False


def repair(
    data_dir: Path,
    coins: Collection[str] | None = None,
    since: date | None = None,
    now_ms: int | None = None,
    advance: Advance | None = None,
) -> list[Step]:
    """Everything that can be repaired in a data folder; nothing is left to do for a second run.

    Raises:
        DataError: a conversion is running, or there is no such folder.
        OSError: as the system says it.
    """
    if not data_dir.is_dir():
        raise DataError(f"{data_dir}: no such folder; nothing was recorded there yet (--data, MM_DATA_DIR)")
    with only_one(data_dir):
        return _Repair(data_dir, int(wall_ms()) if now_ms is None else now_ms).run(coins, since, advance)


class _Repair:
    def __init__(self, data_dir: Path, now_ms: int) -> None:
        self._data_dir, self._now_ms, self._today = data_dir, now_ms, utc_day(now_ms)
        self._open = writers()
        everything = list_folder(data_dir, None, None, self._today).coins
        self._coins = set(everything)
        self._days = {day for days in everything.values() for day in days}
        self._steps: list[Step] = []

    def run(self, coins: Collection[str] | None, since: date | None, advance: Advance | None) -> list[Step]:
        folder = list_folder(self._data_dir, coins, since, self._today)
        for finding in folder.findings:
            if finding.kind == "leftover":
                put_away(self._data_dir, self._data_dir / finding.place)
                self._note(self._data_dir / finding.place, "moved to the originals")
        work = list(by_coin_and_day(folder.coins))
        for i, (coin, day, families) in enumerate(work):
            if advance:
                advance(f"{coin}/{day}", i, len(work))
            touch = NO_TOUCH
            for family in FAMILIES:
                if family.name in families:
                    found = self._file(families[family.name], family, touch)
                    touch = found if family is TICKS else touch
        if advance:
            advance("", len(work), len(work))
        return self._steps

    def _file(self, files: Files, family: Family, touch: Touch) -> Touch:
        """One family, coin and day; returns the touch that its ticks give."""
        reading = self._read(files.csv, touch) if files.csv else None
        if reading is None:
            fault = fault_of(files.parquet, family, None) if files.parquet else None
            if files.parquet and fault and fault != UNPROVEN:
                self._note(files.parquet, f"{fault[1]}; there is no CSV to convert it from", left=True)
            rows = sound_rows(files.parquet, family, self._now_ms) if files.parquet and family is TICKS else None
            return rows.touch if rows else NO_TOUCH
        changed, is_past = self._csv(reading), reading.csv.day < self._today
        if files.parquet and is_past and (changed or fault_of(files.parquet, family, files.csv)):
            self._parquet(reading)
        return reading.rows.touch

    def _read(self, csv: DayCsv, touch: Touch) -> Reading | None:
        try:
            reading = read_csv(csv, self._now_ms, touch, still_written=csv.day >= self._today)
        except (OSError, DataError):
            return None
        return None if reading.body is None else reading

    # ---- CSV ----

    def _csv(self, reading: Reading) -> bool:
        """Was the file changed?"""
        path = reading.csv.path
        if reading.is_empty and not reading.header:
            return False
        planned = self._plan(reading)
        if not planned.changes:
            return False
        if reason := self._in_use(reading.csv):
            self._note(path, f"left alone: {reason}", left=True)
            return False
        if reading.is_empty:  # its missing header would stop the converter
            put_away(self._data_dir, path)
            self._note(path, "no header and no rows: moved to the originals")
            return True
        self._send_home(planned)
        rewrite(planned, self._data_dir)
        self._note(path, _told(planned))
        return True

    def _plan(self, reading: Reading) -> Plan:
        """What is to be done, with what becomes of each row of another file."""
        planned = plan(reading, self._data_dir)
        for home, numbers in _by_home(planned):
            fitting = self._fitting(home, numbers, planned) if self._is_likely(home, numbers, planned) else set()
            for number in set(numbers) - fitting:
                planned.drop_stray(number)
            if fitting and (self._in_use(home) or not self._takes(home)):
                planned.staying.update(fitting)
        return planned

    def _is_likely(self, home: DayCsv, numbers: list[int], planned: Plan) -> bool:
        """Was the row meant for that file? Its coin and day are known, or those of most of the file, or the day is
        the one before or after and the rows are several or near midnight. One damaged digit makes another day."""
        if home.day > self._today:
            return False
        if len(numbers) * 2 > planned.lines:
            return True
        csv, time_ms = planned.reading.csv, int(planned.strays[numbers[0]].line[:TIME_DIGITS])
        near = abs((home.day - csv.day).days) <= 1
        rolled = near and (len(numbers) >= BLOCK_ROWS or (time_ms + _MIDNIGHT_MS) % DAY_MS < 2 * _MIDNIGHT_MS)
        return home.coin in self._coins and (home.day in self._days or rolled)

    def _fitting(self, home: DayCsv, numbers: list[int], planned: Plan) -> set[int]:
        """Rows whose price is near the touch that stood there then. A damaged coin field looks like a row of the
        other coin, so where no touch tells, nothing goes to another coin."""
        column = list(home.family.columns).index(_PRICES[home.family.name])
        rows = [home.values(planned.strays[number].line) for number in numbers]
        time_ms = np.array([row[0] for row in rows], np.int64)
        px = np.array([np.nan if row[column] is None else row[column] for row in rows], np.float64)
        mid = self._touch_there(home).near(time_ms, _STANDS_MS)
        known = np.isfinite(mid) & np.isfinite(px)
        fits = known & (np.abs(px - mid) <= _FITS_FRAC * mid)
        if home.coin == planned.reading.csv.coin:
            fits |= ~known
        return {number for number, fit in zip(numbers, fits.tolist(), strict=True) if fit}

    def _touch_there(self, home: DayCsv) -> Touch:
        """Of the coin's ticks of the day, with those that are going to be mended."""
        ticks = DayCsv(TICKS, TICKS.csv_path(self._data_dir, home.coin, home.day))
        if (reading := self._read(ticks, NO_TOUCH) if ticks.path.is_file() else None) is None:
            parquet = Day(self._data_dir, ticks).parquet
            rows = sound_rows(parquet, TICKS, self._now_ms) if parquet.is_file() else None
            return rows.touch if rows else NO_TOUCH
        column = list(TICKS.columns).index("mid")
        mended = [ticks.values(line) for line in plan(reading, self._data_dir).mended.values()]
        found = reading.rows.touch
        time_ms = np.concatenate([found.time_ms, np.array([row[0] for row in mended], np.int64)])
        mid = np.concatenate([found.mid, np.array([row[column] for row in mended], np.float64)])
        order = np.argsort(time_ms, kind="stable")
        return Touch(time_ms[order], mid[order])

    def _in_use(self, csv: DayCsv) -> str:
        if csv.day >= self._today:
            return "it is today's and grows; repair it tomorrow"
        if csv.path.is_symlink() or (csv.path.exists() and not csv.path.is_file()):
            return "something else lies in its place"
        return "another process has it open for writing" if is_open(csv.path, self._open) else ""

    def _takes(self, home: DayCsv) -> bool:
        """Can rows be added? Not where only the Parquet file is left, nor to a CSV that is not ours."""
        if not home.path.exists():
            return not Day(self._data_dir, home).parquet.exists()
        return self._read(home, NO_TOUCH) is not None

    def _send_home(self, planned: Plan) -> None:
        """Into their own file first, out of the wrong one afterwards: a crash between leaves them twice."""
        for home, numbers in _by_home(planned):
            lines = [planned.strays[number].line for number in numbers if number not in planned.staying]
            reading = self._read(home, self._touch_of(home)) if home.path.exists() else Reading(home, 0, body=0)
            if not lines or reading is None:
                continue
            own = self._plan(reading)
            if came := rewrite(own, self._data_dir, lines, keep_strays=True):
                source = f"{came} rows came in from {self._place(planned.reading.csv.path)}"
                self._note(home.path, "; ".join(filter(None, [source, _told(own, keep_strays=True)])))
                if Day(self._data_dir, home).parquet.exists():
                    self._parquet(reading)

    def _touch_of(self, csv: DayCsv) -> Touch:
        ticks = DayCsv(TICKS, TICKS.csv_path(self._data_dir, csv.coin, csv.day))
        reading = self._read(ticks, NO_TOUCH) if csv.family is not TICKS and ticks.path.is_file() else None
        return reading.rows.touch if reading else NO_TOUCH

    # ---- Parquet ----

    def _parquet(self, reading: Reading) -> None:
        """Convert again, unless the Parquet file has good rows that the CSV, as it was read, never had."""
        day = Day(self._data_dir, reading.csv)
        rows = sound_rows(day.parquet, reading.csv.family, self._now_ms)
        if rows is not None and len(only := np.setdiff1d(rows.full[rows.good], reading.rows.full)):
            now = self._read(reading.csv, NO_TOUCH) if reading.csv.path.exists() else None
            if now is not None and not len(np.setdiff1d(now.rows.full[now.rows.good], rows.full)):
                put_away(self._data_dir, reading.csv.path)
                self._note(day.parquet, f"holds all rows of the CSV and {len(only)} more: the CSV was moved away")
            else:
                text = f"has {len(only)} rows that the CSV has not, and lacks others: compare them by hand"
                self._note(day.parquet, text, left=True)
            return
        put_away(self._data_dir, day.parquet)
        if not reading.csv.path.exists():
            self._note(day.parquet, "moved to the originals, as its CSV")
            return
        try:
            done = day.convert(still_written=False)
        except (DataError, OSError, pa.ArrowException) as error:
            self._note(day.parquet, f"moved to the originals, not made again: {error}", left=True)
        else:
            self._note(day.parquet, f"made again from the CSV, {done.rows if done else 0} rows")

    def _note(self, path: Path, text: str, left: bool = False) -> None:
        self._steps.append(Step(self._place(path), text, left))

    def _place(self, path: Path) -> str:
        return str(path.relative_to(self._data_dir))


def _by_home(planned: Plan) -> list[tuple[DayCsv, list[int]]]:
    found: dict[Path, list[int]] = defaultdict(list)
    for number, stray in planned.strays.items():
        found[stray.home.path].append(number)
    return [(planned.strays[numbers[0]].home, numbers) for numbers in found.values()]


def _told(planned: Plan, keep_strays: bool = False) -> str:
    gone = 0 if keep_strays else len(planned.strays) - len(planned.staying)
    parts = [planned.reading.header and "header written anew"]
    parts += [f"{n} {kind} removed" for kind, n in planned.dropped.items()]
    parts += [f"{len(planned.mended)} rows mended" if planned.mended else ""]
    parts += [f"{gone} rows moved to their own file" if gone else ""]
    parts += [f"{len(planned.staying)} rows of other files stay" if planned.staying else ""]
    parts += ["sorted" if planned.sorts else ""]
    return "; ".join(part for part in parts if part)
