"""The ingestor: the venue's market data onto the bus."""

from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.door import VenueDoor
from shared.service import Service
from shared.streams import BOOK, CTX, DEPTH, EVENTS, FEED, TRADES, UNIVERSE

SERVICE = Service(
    name="ingestor",
    config=IngestorConfig,
    core=Ingestor,
    door=lambda config, core: VenueDoor(config),
    writes=(UNIVERSE, BOOK, DEPTH, CTX, TRADES, FEED, EVENTS),
    restores=(FEED, TRADES),
    tick_ms=1000,
    metrics_port=9101,
)
