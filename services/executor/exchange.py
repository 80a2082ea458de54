"""The one place where shadow and live part."""

from services.executor.config import ExecutorConfig
from services.executor.reports import Exchange
from services.executor.sim import SimExchange
from shared.errors import ConfigError


def build_exchange(config: ExecutorConfig) -> Exchange:
    """The simulated exchange in shadow mode.

    Raises:
        ConfigError: live trading was asked for.
    """
    if not config.shadow_mode:
        raise ConfigError(
            "shadow_mode (MM_SHADOW_MODE) is false, but live execution is not part of this version;"
            " set MM_SHADOW_MODE=true"
        )
    return SimExchange(config)
