"""The services: each folder declares one `SERVICE` in its `service.py` (see `shared.service`)."""

from importlib import import_module
from typing import Any

from shared.config import EngineConfig
from shared.config import load as load_settings
from shared.errors import ConfigError
from shared.service import Service

SERVICES = (
    "ingestor",
    "harvester",
    "screener",
    "quoter",
    "guard",
    "executor",
    "watchdog",
    "converter",
    "monitor",
    "venue",
)


def load(name: str) -> Service[Any]:
    """The declaration of one service; only its own modules are imported.

    Raises:
        ConfigError: no such service.
    """
    if name not in SERVICES:
        raise ConfigError(f"no service named {name!r}; there are: {', '.join(SERVICES)}")
    service = import_module(f"services.{name}.service").SERVICE
    assert isinstance(service, Service)
    return service


DECIDING = ("screener", "quoter", "guard", "executor")


def trading_settings() -> list[EngineConfig]:
    """The settings in force of the services that decide what is traded; imports nothing else of them.

    Raises:
        ConfigError: a setting is wrong.
    """
    modules = {name: import_module(f"services.{name}.config") for name in DECIDING}
    return [load_settings(getattr(module, f"{name.capitalize()}Config")) for name, module in modules.items()]
