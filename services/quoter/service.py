"""Declaration of the quoter."""

from services.quoter.config import QuoterConfig
from services.quoter.core import TICK_MS, Quoter
from shared.config import load_assets
from shared.service import Service
from shared.streams import ASSET_CONFIG, BOOK, CTX, EVENTS, FILLS, POSITION, RISK, TARGET

SERVICE = Service(
    name="quoter",
    config=QuoterConfig,
    core=lambda config: Quoter(config, load_assets(config)),
    reads=(BOOK, CTX, ASSET_CONFIG, RISK, FILLS),
    writes=(TARGET, EVENTS),
    restores=(POSITION,),
    tick_ms=TICK_MS,
    metrics_port=9104,
)
