"""The guard: what each side of each coin may do, second by second."""

from services.guard.config import GuardConfig
from services.guard.core import Guard
from services.guard.door import MachineDoor
from shared.service import Service
from shared.streams import (
    ASSET_CONFIG,
    BOOK,
    COMMAND,
    CTX,
    EVENTS,
    FEED,
    FILLS,
    GUARD_MEMORY,
    HALT,
    ORDERS,
    RISK,
    RISK_MEMORY,
    RISK_REPORT,
    STATUS,
    TRADES,
)

SERVICE = Service(
    name="guard",
    config=GuardConfig,
    core=Guard,
    door=MachineDoor,
    reads=(
        FEED,
        BOOK.relaxed(),
        TRADES,
        CTX.relaxed(),
        ASSET_CONFIG,
        FILLS,
        ORDERS,
        STATUS,
        COMMAND,
        HALT,
    ),
    writes=(RISK, RISK_REPORT, RISK_MEMORY, GUARD_MEMORY, COMMAND, HALT, EVENTS),
    restores=(
        GUARD_MEMORY,
        RISK_MEMORY,
        FEED,
        STATUS,
        COMMAND,
        ASSET_CONFIG,
        BOOK,
        CTX,
        TRADES,
        FILLS,
        ORDERS,
    ),
    tick_ms=250,
    metrics_port=9105,
)
