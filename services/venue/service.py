"""The bundled venue: a Hyperliquid-compatible exchange for tests, demo and drills. It knows no bus."""

from services.venue.config import VenueConfig
from services.venue.core import VenueCore
from services.venue.door import VenueDoor
from shared.service import Service

SERVICE = Service(
    name="venue",
    config=VenueConfig,
    core=VenueCore,
    door=VenueDoor,
    metrics_port=0,
    uses_bus=False,
    background=True,
)
