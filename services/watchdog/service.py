"""The watchdog: cancels what the executor has left at the venue. Beside live trading only."""

from services.watchdog.config import WatchdogConfig
from services.watchdog.core import Watchdog
from services.watchdog.door import WatchdogDoor
from services.watchdog.exposition import WatchdogCollector
from shared.errors import ConfigError
from shared.hyperliquid.signing import require_fast_signing
from shared.private_files import keep_memory_private
from shared.secrets import WATCHDOG_KEY, read_address, read_credentials
from shared.service import Service
from shared.streams import COMMAND, EVENTS, STATUS


def build_core(config: WatchdogConfig) -> Watchdog:
    """
    Raises:
        ConfigError: shadow mode, where nothing rests at the venue.
    """
    if config.shadow_mode:
        raise ConfigError("shadow_mode (MM_SHADOW_MODE) is true: in shadow nothing rests at the venue")
    return Watchdog(config, read_address())


def build_door(config: WatchdogConfig, core: Watchdog) -> WatchdogDoor:
    """
    Raises:
        ConfigError: no key of its own.
    """
    require_fast_signing()
    keep_memory_private()
    return WatchdogDoor(config, read_credentials(WATCHDOG_KEY))


SERVICE = Service(
    name="watchdog",
    config=WatchdogConfig,
    core=build_core,
    door=build_door,
    reads=(STATUS.unconflated(),),  # in no group: while the bot trades in shadow, that would wait for nobody
    writes=(STATUS, COMMAND, EVENTS),
    tick_ms=250,
    metrics_port=9108,
    collector=WatchdogCollector,
    starts_alone=True,
)
