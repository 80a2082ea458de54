"""A recording as the CSV files that harvesting it would have left, made by the real ingestor and harvester."""

from pathlib import Path

from services.harvester.archive import Archive
from services.harvester.config import HarvesterConfig
from services.harvester.core import Close, Harvester
from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import Connected, EventReceived
from services.venue.market.replay import open_recording
from shared.messages import Book, Trades, Universe


def write_csvs(recording: Path, data_dir: Path, copies: int = 1) -> None:
    """The recording's coins, and the same again under other names, so that start-up is not what is measured."""
    opened = open_recording(recording)
    ingestor, harvester = Ingestor(IngestorConfig()), Harvester(HarvesterConfig(data_dir=data_dir))
    archive = Archive(data_dir)
    for message in (Universe(coins=opened.coins, time_ms=opened.start_ms), Connected()):
        list(ingestor.step(opened.start_ms, message))
    for time_ms, event in opened.events():
        for output in ingestor.step(time_ms, EventReceived(event, float(time_ms))):
            if isinstance(output, (Book, Trades)):
                archive.apply(list(harvester.step(time_ms, output)))  # type: ignore[arg-type]
    archive.apply([Close()])
    for path in list(data_dir.rglob("*.csv")):
        coin = path.parent.name
        for number in range(1, copies):
            twin = path.parents[1] / f"{coin}{number}" / path.name
            twin.parent.mkdir(parents=True, exist_ok=True)
            twin.write_text(path.read_text().replace(f",{coin},", f",{coin}{number},"))
