"""What lies in a data folder: day files by coin and day, and everything that should not be there."""

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from analysis.integrity.findings import Finding
from services.converter.parquet import TEMPORARY
from services.converter.source import DayCsv
from shared.data_files import FAMILIES, Family, coin_folder, coin_of


@dataclass
class Files:
    """The files of one family, coin and day."""

    csv: DayCsv | None = None
    parquet: Path | None = None

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in (self.csv and self.csv.path, self.parquet) if path)


Days = dict[date, dict[str, Files]]
"""By day and family name, families in the order of FAMILIES."""


@dataclass
class Folder:
    """The day files of a data folder by coin, and findings about the rest."""

    coins: dict[str, Days] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def list_folder(data_dir: Path, coins: Collection[str] | None, since: date | None, today: date) -> Folder:
    """Everything in the family folders; of `coins` and days since `since` only, where given."""
    found = Folder()
    for family in FAMILIES:
        for root, suffix in ((data_dir / family.name, ".csv"), (data_dir / family.parquet, ".parquet")):
            for folder in _entries(root, data_dir, found):
                if coins is not None and coin_of(folder.name) not in coins:
                    continue
                if not folder.is_dir():
                    found.findings.append(_foreign(folder, data_dir))
                elif coin_folder(coin_of(folder.name)) != folder.name:
                    text = f"no folder of a coin; {coin_of(folder.name)} has {coin_folder(coin_of(folder.name))}"
                    found.findings.append(_of("foreign_file", folder, data_dir, text))
                else:
                    _list_coin(folder, suffix, family, found, data_dir, since, today)
    for coin in found.coins:
        found.coins[coin] = dict(sorted(found.coins[coin].items()))
    found.coins = dict(sorted(found.coins.items()))
    return found


def _list_coin(
    folder: Path, suffix: str, family: Family, found: Folder, data_dir: Path, since: date | None, today: date
) -> None:
    coin = coin_of(folder.name)
    for path in _entries(folder, data_dir, found):
        day = _day_of(path, suffix)
        if day is None:
            found.findings.append(_foreign(path, data_dir, coin))
        elif since is not None and day < since:
            continue
        elif not stat.S_ISREG(path.lstat().st_mode):
            found.findings.append(_of("not_a_file", path, data_dir, _what(path), coin))
        elif day > today:
            found.findings.append(_of("future_file", path, data_dir, "", coin))
        else:
            days = found.coins.setdefault(coin, {})
            files = days.setdefault(day, {}).setdefault(family.name, Files())
            if suffix == ".csv":
                files.csv = DayCsv(family, path)
            else:
                files.parquet = path


def _entries(folder: Path, data_dir: Path, found: Folder) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        found.findings.append(_of("unreadable", folder, data_dir, error.strerror or str(error)))


def _day_of(path: Path, suffix: str) -> date | None:
    if path.suffix != suffix:
        return None
    try:
        day = date.fromisoformat(path.stem)
    except ValueError:
        return None
    return day if day.isoformat() == path.stem else None


def _foreign(path: Path, data_dir: Path, coin: str = "") -> Finding:
    left = path.name.endswith(TEMPORARY) and stat.S_ISREG(path.lstat().st_mode)
    return _of(
        "leftover" if left else "foreign_file", path, data_dir, "" if left else "no name of a day file", coin
    )


def _what(path: Path) -> str:
    if path.is_symlink():
        return f"a link to {os.readlink(path)}"
    return "a folder" if path.is_dir() else "a device or pipe"


def _of(kind: str, path: Path, data_dir: Path, text: str = "", coin: str = "") -> Finding:
    return Finding(kind, str(path.relative_to(data_dir)), coin, text=text)


def by_coin_and_day(coins: dict[str, Days]) -> Iterator[tuple[str, date, dict[str, Files]]]:
    """In the order in which they are looked at."""
    for coin, days in coins.items():
        for day, families in days.items():
            yield coin, day, families
