"""`python -m services NAME` runs one service until SIGTERM; the command of every container."""

import contextlib
import logging
import os
import sys
from typing import TypeVar

import uvloop

from services import DECIDING, SERVICES, load, trading_settings
from shared.clock import wall_ms
from shared.config import EngineConfig, load_assets, read_file
from shared.config import load as load_settings
from shared.confirmation import REMEDY, boot_id, code_version, configuration_hash
from shared.environment import read_env_file
from shared.errors import ConfigError, MarketMakerError
from shared.log import Form, render, trace
from shared.messages import Event, Severity
from shared.redis_bus import RedisBus
from shared.runtime import serve

Config = TypeVar("Config", bound=EngineConfig)
CANCELS_ONLY = "watchdog"
"""It needs no confirmation and stays at the venue after a reboot: somebody has to cancel what was left there."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(f"usage: python -m services NAME\n  NAME: {', '.join(SERVICES)}", file=sys.stderr)
        return 0 if arguments else 4
    name, form = arguments[0], stated_form()
    logging.captureWarnings(True)
    try:
        service = load(name)
        config = load_settings(service.config)
        form = config.log_format
        config = after_reboot(name, config)
        require_as_confirmed(name, config)
        bus = RedisBus(config.redis_url) if service.uses_bus else None
        uvloop.run(serve(service, config, bus))
    except ConfigError as error:
        say(name, form, "error", "CONFIG", str(error))
        return 4
    except MarketMakerError as error:
        say(name, form, "error", "ENDED", f"{type(error).__name__}: {error}")
        return 1
    except Exception as error:
        say(name, form, "error", "CRASH", f"{type(error).__name__}: {error}", traceback=trace(error))
        return 1
    return 0


def say(name: str, form: Form, level: Severity, tag: str, text: str, **fields: str) -> None:
    """A line of a process that has no log yet, or none any more."""
    event = Event(service=name, level=level, tag=tag, text=text, time_ms=int(wall_ms()), fields=fields)
    print(render(event, form), file=sys.stderr, flush=True)


def stated_form() -> Form:
    """How lines are to look, as far as that can be known of settings that may be wrong."""
    read_env_file()
    with contextlib.suppress(ConfigError):
        given = os.environ.get("MM_LOG_FORMAT") or read_file().get("engine", {}).get("log_format")
        return "json" if given == "json" else "pretty"
    return "pretty"


def after_reboot(name: str, config: Config) -> Config:
    """The settings of a service whose container came back by itself: live trading was confirmed before, and nobody
    has asked for it since. Every service comes to the same end, so the whole stack is in shadow mode."""
    confirmed = config.confirmed_boot
    if config.shadow_mode or not confirmed or name == CANCELS_ONLY or confirmed == boot_id():
        return config
    text = (
        "in shadow mode, as live trading was confirmed before the machine rebooted; to trade live again"
        f" stop it with ./start_mm_bot.sh --stop, then {REMEDY}"
    )
    say(name, config.log_format, "warning", "CONFIRM LIVE", text)
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
