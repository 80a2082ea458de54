"""A recording as the files that harvesting it would have left, made by the real ingestor and harvester.

Prices of another market never mix with what was harvested: a folder takes a recording only if it is new, or holds
nothing but recordings of the same venue.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.recordings import open_any
from analysis.recordings.foreign import Foreign
from services.harvester.archive import Archive, Result
from services.harvester.config import HarvesterConfig
from services.harvester.core import Close, Failed, Flush, Harvester
from services.harvester.rows import Row
from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import Connected, EventReceived
from services.venue.market.feed import Hole
from services.venue.market.frames import Frames
from services.venue.market.replay import Recording
from shared.config import load
from shared.data_files import DEPTH_LEVELS, IMPORT_NOTES, MARKET_FAMILIES, VENUE_MARKER, import_notes, venue_of
from shared.errors import DataError
from shared.messages import Book, Trades, Universe

Effect = Row | Flush | Close
SLICES = 200
"""How often progress is told."""


@dataclass(frozen=True)
class Imported:
    """What came into the folder. `warnings` name what the recording lacks or what was inferred."""

    name: str
    venue: str
    coins: tuple[str, ...]
    first_ms: int
    last_ms: int
    rows: int
    warnings: tuple[str, ...]


def import_recording(folder: Path, data_dir: Path, progress: Callable[[float], None] = lambda _: None) -> Imported:
    """Write the ticks, trades and depth of a recording; doing it twice adds nothing.

    Raises:
        DataError: no recording, a damaged one, or the data folder holds another market.
    """
    venue, recording = open_any(folder)
    _claim(data_dir, venue)
    archive = Archive(data_dir)
    for effects in _rows(recording, data_dir, progress):
        _carried_out(archive.apply(effects), data_dir)
    _carried_out(archive.apply([Close()]), data_dir)
    progress(1.0)
    coins = tuple(meta.coin for meta in recording.coins)
    warnings = tuple(recording.warnings)
    _note(data_dir, [f"{folder.name}: {warning}" for warning in warnings])
    return Imported(folder.name, venue, coins, recording.start_ms, recording.end_ms, archive.rows, warnings)


def _claim(data_dir: Path, venue: str) -> None:
    occupied = any(
        (data_dir / name).is_dir() for family in MARKET_FAMILIES for name in (family.name, family.parquet)
    )
    if occupied and venue_of(data_dir) != venue:
        raise DataError(
            f"{data_dir} holds data of venue {venue_of(data_dir)}; a recording of {venue} needs a new folder, "
            "or its prices would be taken for the venue's"
        )
    _write(data_dir / VENUE_MARKER, f"{venue}\n")


def _note(data_dir: Path, notes: list[str]) -> None:
    """For whoever looks at the folder later; each once."""
    known = import_notes(data_dir)
    if new := [note for note in notes if note not in known]:
        _write(data_dir / IMPORT_NOTES, "".join(f"{note}\n" for note in [*known, *new]))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be written: {error.strerror}; choose another folder") from error


def _rows(
    recording: Recording | Frames | Foreign, data_dir: Path, progress: Callable[[float], None]
) -> Iterator[list[Effect]]:
    """What the harvester wants done; a hole is a connection that was lost."""
    ingestor = Ingestor(load(IngestorConfig))
    harvester = Harvester(
        load(HarvesterConfig, data_dir=data_dir, harvest_ticks=True, harvest_depth_levels=DEPTH_LEVELS)
    )
    start_ms, span_ms = recording.start_ms, max(recording.end_ms - recording.start_ms, 1)
    for message in (Universe(coins=recording.coins, time_ms=start_ms), Connected()):
        list(ingestor.step(start_ms, message))
    told, connected_ms = 0, start_ms
    for time_ms, raw in recording.raw():
        if isinstance(raw, Hole):
            if raw.end_ms > connected_ms:
                connected_ms = raw.end_ms
                list(ingestor.step(time_ms, Connected()))
            continue
        for output in ingestor.step(time_ms, EventReceived(raw, float(time_ms))):
            if isinstance(output, (Book, Trades)):
                yield [effect for effect in harvester.step(time_ms, output) if isinstance(effect, Effect)]
        if (time_ms - start_ms) * SLICES // span_ms > told:
            told = (time_ms - start_ms) * SLICES // span_ms
            progress(min(told / SLICES, 1.0))


def _carried_out(results: list[Result], data_dir: Path) -> None:
    for result in results:
        if isinstance(result, Failed):
            raise DataError(f"{data_dir}: cannot be written: {result.reason}; free space or choose another folder")
