"""`python -m services NAME` runs one service until SIGTERM; the command of every container."""

import sys
from typing import TypeVar

import uvloop

from services import DECIDING, SERVICES, load, trading_settings
from shared.bus import RedisBus
from shared.config import EngineConfig, load_assets
from shared.config import load as load_settings
from shared.confirmation import REMEDY, boot_id, code_version, configuration_hash
from shared.errors import ConfigError, MarketMakerError
from shared.runtime import serve

Config = TypeVar("Config", bound=EngineConfig)
CANCELS_ONLY = "watchdog"
"""It needs no confirmation and stays at the venue after a reboot: somebody has to cancel what was left there."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(f"usage: python -m services NAME\n  NAME: {', '.join(SERVICES)}", file=sys.stderr)
        return 0 if arguments else 4
    try:
        service = load(arguments[0])
        config = after_reboot(arguments[0], load_settings(service.config))
        require_as_confirmed(arguments[0], config)
        bus = RedisBus(config.redis_url) if service.uses_bus else None
        uvloop.run(serve(service, config, bus))
    except ConfigError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 4
    except MarketMakerError as error:
        print(f"{arguments[0]}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def after_reboot(name: str, config: Config) -> Config:
    """The settings of a service whose container came back by itself: live trading was confirmed before, and nobody
    has asked for it since. Every service comes to the same end, so the whole stack is in shadow mode."""
    confirmed = config.confirmed_boot
    if config.shadow_mode or not confirmed or name == CANCELS_ONLY or confirmed == boot_id():
        return config
    print(
        f"{name}: in shadow mode, as live trading was confirmed before the machine rebooted; to trade live again"
        f" stop it with ./start_mm_bot.sh --stop, then {REMEDY}",
        file=sys.stderr,
        flush=True,
    )
    return config.model_copy(update={"shadow_mode": True})


def require_as_confirmed(name: str, config: EngineConfig) -> None:
    """The executor looks at the confirmation; the others who decide are told what it is for, so that one that is
    started anew brings no limit into a live run that nobody has confirmed.

    Raises:
        ConfigError: settings or code are others than those of the confirmed start.
    """
    confirmed = config.confirmed_trading
    if config.shadow_mode or not confirmed or name not in DECIDING:
        return
    here = f"{configuration_hash(trading_settings(), load_assets())} {code_version()}"
    if here != confirmed:
        raise ConfigError(
            f"configuration or code have changed since live trading was confirmed ({confirmed} then, {here} now);"
            f" stop it with ./start_mm_bot.sh --stop, then {REMEDY}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
