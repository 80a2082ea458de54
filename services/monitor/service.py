"""The monitor: one place that shows what everyone does."""

from importlib.metadata import PackageNotFoundError, version

from services.monitor.config import MonitorConfig
from services.monitor.core import NAME, Monitor
from services.monitor.door import COUNTED, MonitorDoor
from services.monitor.exposition import GridCollector
from shared.service import Service
from shared.streams import (
    ASSET_CONFIG,
    BOOK,
    CTX,
    EVENTS,
    FEED,
    FILLS,
    HALT,
    LAST_STATUS,
    ORDERS,
    RISK,
    RISK_REPORT,
    STATUS,
    TARGET,
)


def running_version() -> str:
    """The version of the installed distribution, or that this runs from a source tree."""
    try:
        return version("hyperliquid-market-maker")
    except PackageNotFoundError:
        return "source"


def build_door(config: MonitorConfig, core: Monitor) -> MonitorDoor:
    return MonitorDoor(config, coins=lambda: tuple(core.coins))


SERVICE = Service(
    name=NAME,
    config=MonitorConfig,
    core=Monitor,
    metrics_port=9090,
    reads=(BOOK, CTX, ASSET_CONFIG, TARGET, RISK, RISK_REPORT, ORDERS, FILLS, FEED, STATUS, EVENTS, HALT),
    writes=(EVENTS,),
    restores=(LAST_STATUS, STATUS, FILLS),
    looks_at=COUNTED,
    door=build_door,
    collector=lambda core: GridCollector(core, core.venue, running_version()),
    background=True,
)
