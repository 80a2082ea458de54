"""One data folder, one market: prices of a simulation and of the real venue never end in the same file.

`data/VENUE` names the venue that the folder belongs to. Starting another one puts what lies there into
`data/by-venue/<old>/` and brings back what the new venue had left there. A folder without the marker was
filled by hand or by the predecessor of this bot: it counts as real Hyperliquid data.
"""

from pathlib import Path

MARKER = "VENUE"
SHELF = "by-venue"
UNMARKED = "hyperliquid"
FAMILIES = (
    "ticks", "trades", "depth", "parquet", "parquet_trades", "parquet_depth", "quarantine",
)  # fmt: skip


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
    """All families go; one whose place is taken (after a crash) goes beside it rather than stay and mix."""
    present = [family for family in FAMILIES if (data_dir / family).is_dir()]
    for family in present:
        shelf.mkdir(parents=True, exist_ok=True)
        place, number = shelf / family, 1
        while place.exists():
            number += 1
            place = shelf / f"{family}-{number}"
        (data_dir / family).rename(place)
    return bool(present)


def _bring_back(shelf: Path, data_dir: Path) -> bool:
    waiting = [family for family in FAMILIES if (shelf / family).is_dir() and not (data_dir / family).exists()]
    for family in waiting:
        (shelf / family).rename(data_dir / family)
    return bool(waiting)
