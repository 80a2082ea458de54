"""How long the disk lasts: what is free, against what the files of the last days say about a day.

CSV comes and goes (`csv_retention_days`, and one day more until midnight's conversion is through), so what stays
is Parquet; a CSV that is never converted stays as well, and is what fills disks. What explains fills goes after a
setting of the harvester, which is not known here: its default is taken, or no end where older files are there.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from pathlib import Path

from services.converter.config import ConverterConfig
from shared import flights
from shared.clock import ms_of_day, utc_day
from shared.data_files import FAMILIES
from shared.words import counted

DAY_MS = 86_400_000
LOOKED_AT_DAYS = 7
"""The fullest of so many finished days is the forecast: the first and the last of a recording are parts."""
LEAST_SEEN_MS = 1_800_000
"""A part of today stands for a day after this long."""
ASSUMED_RATIO = 7.5
"""CSV to Parquet, as long as no finished day has both."""
LEAST_FREE_BYTES = 2 * 10**9
LONGEST_DAYS = 3650
EXPECTED = "30 coins take 0.25 to 0.5 GB a day (docs/data.md)"


@dataclass(frozen=True, slots=True)
class Stock:
    """What lies there. `csv_per_day` and `parquet_per_day` (bytes) are None before anything was recorded;
    `csv_days`, `parquet_days` and `explain_days` are how many UTC days have such files."""

    free: int
    csv_per_day: float | None = None
    parquet_per_day: float | None = None
    csv_days: int = 0
    parquet_days: int = 0
    explain_per_day: float = 0.0
    explain_days: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """`days_left` is infinite where what comes equals what goes; None before anything was recorded."""

    stock: Stock
    days_left: float | None
    unconverted_days: int
    """Days of CSV beyond those that should be there."""

    def is_low(self, warn_days: int) -> bool:
        return self.stock.free < LEAST_FREE_BYTES or (self.days_left is not None and self.days_left < warn_days)

    def fields(self) -> dict[str, float | None]:
        """For scripts; `days_left` is None where nothing says an end."""
        ends = self.days_left is not None and self.days_left < inf
        days_left = round(self.days_left or 0.0, 2) if ends else None
        return {"free_gb": round(self.stock.free / 1e9, 2), "days_left": days_left}

    def text(self, warn_days: int) -> str:
        """One line for people, with the remedy when it is needed."""
        free = f"{self.stock.free / 1e9:.1f} GB free"
        if self.days_left is None:
            return f"{free}; too little was recorded lately to say for how long, {EXPECTED}"
        csv, parquet = self.stock.csv_per_day or 0.0, self.stock.parquet_per_day or 0.0
        parts = [f"{free}, {parquet / 1e9:.2g} GB a day and {csv / 1e9:.2g} GB of CSV: {self._until()}"]
        if self.unconverted_days:
            parts.append(
                f"CSV of {counted(self.unconverted_days, 'day')} waits to be converted, see market_maker convert"
            )
        if self.is_low(warn_days):
            parts.append(
                "MM_PARQUET_RETENTION_DAYS ends the history, MM_TOP_N records fewer coins, docs/data.md has more"
            )
        return "; ".join(parts)

    def _until(self) -> str:
        assert self.days_left is not None
        if self.days_left > LONGEST_DAYS:
            return "lasts"
        return (
            f"full in {self.days_left:.0f} days" if self.days_left >= 2 else f"full in {self.days_left * 24:.0f} h"
        )


def forecast(stock: Stock, config: ConverterConfig) -> Forecast:
    """Days until nothing is free, if every day is like the fullest of late."""
    if stock.csv_per_day is None or stock.parquet_per_day is None:
        return Forecast(stock, None, 0)
    unconverted = max(0, stock.csv_days - config.csv_retention_days - 1)
    csv_room = inf if unconverted else config.csv_retention_days + 1 - stock.csv_days
    parquet_room = config.parquet_retention_days - stock.parquet_days if config.parquet_retention_days else inf
    explain_room = flights.KEPT_DAYS - stock.explain_days if stock.explain_days <= flights.KEPT_DAYS else inf
    free = float(stock.free)
    for day in range(LONGEST_DAYS):
        more = stock.csv_per_day * (day < csv_room) + stock.parquet_per_day * (day < parquet_room)
        more += stock.explain_per_day * (day < explain_room)
        if more > free:
            return Forecast(stock, day + free / more, unconverted)
        free -= more
    return Forecast(stock, inf, unconverted)


def look(data_dir: Path, config: ConverterConfig, now_ms: float) -> Forecast:
    """Measure and forecast. Costs a file status per coin, family and day of the last week.

    Raises:
        OSError: the folder cannot be read.
    """
    return forecast(_measure(data_dir, now_ms), config)


def _measure(data_dir: Path, now_ms: float) -> Stock:
    today = utc_day(now_ms)
    csv = _by_day((data_dir / family.name for family in FAMILIES), "csv")
    explain = _by_day([data_dir / flights.FOLDER], "jsonl")
    parquet = _by_day((data_dir / family.parquet for family in FAMILIES), "parquet")
    lately = [today - timedelta(days=ago) for ago in range(1, LOOKED_AT_DAYS + 1)]
    csv_rates = [_size(csv[day]) for day in lately if day in csv]
    csv_rates += _part_of_today(csv.get(today, []), now_ms)
    parquet_rates = [_size(parquet[day]) for day in lately if day in parquet]
    csv_per_day = max(csv_rates, default=None)
    parquet_per_day = max(parquet_rates, default=csv_per_day / ASSUMED_RATIO if csv_per_day else None)
    if csv_per_day is None and parquet_per_day is not None:
        csv_per_day = parquet_per_day * ASSUMED_RATIO
    free = shutil.disk_usage(data_dir).free
    explain_per_day = max((_size(explain[day]) for day in [today, *lately] if day in explain), default=0.0)
    return Stock(free, csv_per_day, parquet_per_day, len(csv), len(parquet), explain_per_day, len(explain))


def _by_day(folders: Iterable[Path], ending: str) -> dict[date, list[Path]]:
    found: dict[date, list[Path]] = {}
    for folder in folders:
        for path in folder.glob(f"*/????-??-??.{ending}"):
            try:
                found.setdefault(date.fromisoformat(path.stem), []).append(path)
            except ValueError:
                continue  # no day of ours; the conversion names it
    return found


def _size(paths: Iterable[Path]) -> float:
    return float(sum(path.stat().st_size for path in paths))


def _part_of_today(paths: list[Path], now_ms: float) -> list[float]:
    """What today will have taken, once enough of it has been seen."""
    begun_ms = min(filter(None, map(_first_ms, paths)), default=now_ms)
    seen_ms = now_ms - max(begun_ms, ms_of_day(utc_day(now_ms)))
    return [_size(paths) * DAY_MS / seen_ms] if seen_ms >= LEAST_SEEN_MS else []


def _first_ms(path: Path) -> int | None:
    with path.open("rb") as file:
        file.readline(4096)
        field = file.readline(4096).split(b",")[0]
    return int(field) if field.isdigit() else None
