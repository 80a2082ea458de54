"""Records market, fills and what led to them, account and incidents to `data/`; whatever the disk does, nobody
waits for it."""

from services.harvester.config import HarvesterConfig
from services.harvester.core import Harvester
from services.harvester.door import ArchiveDoor
from shared.service import Service
from shared.streams import ACCOUNT, ASSET_CONFIG, BOOK, EVENTS, FILLS, HALT, ORDERS, RISK, STATUS, TARGET, TRADES

SERVICE = Service(
    name="harvester",
    config=HarvesterConfig,
    core=Harvester,
    door=ArchiveDoor,
    reads=(
        BOOK.unconflated(),
        TRADES,
        FILLS.unconflated(),
        ASSET_CONFIG,
        TARGET.unconflated(),
        RISK.unconflated(),
        ORDERS.unconflated(),
        STATUS.unconflated(),
        EVENTS.unconflated(),
        HALT,
    ),
    writes=(EVENTS,),
    restores=(ACCOUNT,),
    tick_ms=1000,
    metrics_port=9102,
    background=True,
)
