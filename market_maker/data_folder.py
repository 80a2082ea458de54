"""One data folder, one market: prices of a simulation and of the real venue never end in the same file, and what
was found in one is no evidence for the other.

`data/VENUE` names the venue that the folder belongs to. Starting another one puts what lies there into
`data/by-venue/<old>/` and brings back what the new venue had left there. A folder without the marker was
filled by hand or by the predecessor of this bot: it counts as real Hyperliquid data.
"""

from pathlib import Path

from market_maker.live import gates
from shared import flights, incidents, market_profile
from shared.data_files import FAMILIES, IMPORT_NOTES

MARKER = "VENUE"
SHELF = "by-venue"
UNMARKED = "hyperliquid"
PLACES = (
    *(Path(name) for family in FAMILIES for name in (family.name, family.parquet)), Path("quarantine"),
    Path(IMPORT_NOTES), Path(flights.FOLDER), incidents.FILE, market_profile.FILE, gates.FILE,
)  # fmt: skip
"""Folders and files that belong to one venue. Drills prove rules of the guard, not a market: their files stay."""


def owner(data_dir: Path) -> str:
    """The venue whose prices lie in the folder."""
    marker = data_dir / MARKER
    return marker.read_text().strip() if marker.exists() else UNMARKED


def claim(data_dir: Path, venue: str) -> str | None:
    """Make the folder that of `venue`; returns the line to show when something was moved.

    Each step is one rename and can be repeated after a crash: the marker changes only after the old venue's
    data is away, and bringing back is done again on every start.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    before = owner(data_dir)
    put_away = before != venue and _put_away(data_dir, data_dir / SHELF / before)
    if before != venue or not (data_dir / MARKER).exists():
        fresh = data_dir / f"{MARKER}.new"
        fresh.write_text(f"{venue}\n")
        fresh.replace(data_dir / MARKER)
    brought_back = _bring_back(data_dir / SHELF / venue, data_dir)
    parts = [f"{before} data moved to {data_dir.name}/{SHELF}/{before}/"] if put_away else []
    parts += [f"{venue} data brought back"] if brought_back else []
    return f"{data_dir.name}/ now holds venue {venue}: {', '.join(parts)}" if parts else None


def _put_away(data_dir: Path, shelf: Path) -> bool:
    """Everything goes; what finds its place taken (after a crash) goes beside it rather than stay and mix."""
    present = [place for place in PLACES if (data_dir / place).exists()]
    for place in present:
        target, number = shelf / place, 1
        target.parent.mkdir(parents=True, exist_ok=True)
        while target.exists():
            number += 1
            target = (shelf / place).with_name(f"{place.name}-{number}")
        (data_dir / place).rename(target)
    return bool(present)


def _bring_back(shelf: Path, data_dir: Path) -> bool:
    waiting = [place for place in PLACES if (shelf / place).exists() and not (data_dir / place).exists()]
    for place in waiting:
        (data_dir / place).parent.mkdir(parents=True, exist_ok=True)
        (shelf / place).rename(data_dir / place)
    return bool(waiting)
