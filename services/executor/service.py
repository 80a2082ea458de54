"""The executor: the only service that touches an exchange."""

from services.executor.config import ExecutorConfig
from services.executor.mode import build_core, open_door
from shared.service import Service
from shared.streams import (
    ACCOUNT,
    ASSET_CONFIG,
    BOOK,
    COMMAND,
    CTX,
    DEPTH,
    EVENTS,
    FILLS,
    HALT,
    LAST_STATUS,
    ORDERS,
    POSITION,
    RISK,
    STATUS,
    TARGET,
    TRADES,
)

SERVICE = Service(
    name="executor",
    config=ExecutorConfig,
    core=build_core,
    door=open_door,
    reads=(TARGET, RISK, BOOK, DEPTH, TRADES, CTX, ASSET_CONFIG, COMMAND, HALT),
    writes=(ORDERS, FILLS, POSITION, ACCOUNT, STATUS, LAST_STATUS, EVENTS),
    restores=(POSITION, ACCOUNT, FILLS),
    tick_ms=100,
    metrics_port=9106,
)
