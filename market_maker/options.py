"""The flags of a start, turned into the settings that every service reads, and checked before anything runs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from market_maker.config import LauncherConfig
from services import SERVICES
from services import load as load_service
from services.guard.checks.table import levels
from services.guard.config import GuardConfig
from services.venue.config import VenueConfig
from services.venue.market.replay import open_recording
from shared import config as settings
from shared.errors import ConfigError, DataError
from shared.service import Service

BUNDLED = ("sim", "replay")
"""Venues that this project brings along; a run on them begins anew each time."""
VENUES = ("hyperliquid", "testnet", *BUNDLED)
_OF_EACH = {"log_level", "log_format", "metrics_host", "metrics_port", "data_dir", "run_dir"}
"""What one service may have otherwise than the rest, also in live trading."""


@dataclass(frozen=True)
class Options:
    """Flags as given; None where the user said nothing."""

    venue: str | None = None
    recording: Path | None = None
    speed: str | None = None
    seed: int | None = None
    loop: bool = False
    fill_universe: bool = False
    coins: str | None = None
    top_n: int | None = None
    dex: str | None = None
    config: Path | None = None
    deployment: Literal["local", "docker"] | None = None
    duration_s: float | None = None
    as_json: bool = False
    accept_missing: tuple[str, ...] = ()

    def settings(self) -> dict[str, str]:
        """The flags as environment variables, which is how they reach every process.

        Raises:
            ConfigError: flags that exclude each other.
        """
        venue = self.venue or ("replay" if self.recording else None)
        if venue is not None and venue not in VENUES:
            raise ConfigError(f"--venue {venue}: unknown; there are {', '.join(VENUES)}")
        if self.recording and venue != "replay":
            raise ConfigError(f"--recording belongs to --venue replay, not to {venue}")
        given: dict[str, Any] = {
            "MM_VENUE": venue,
            "MM_SOURCE": self.recording or ("modelled" if venue == "sim" else None),
            "MM_SPEED": self.speed,
            "MM_SEED": self.seed,
            "MM_LOOP": "true" if self.loop else None,
            "MM_FILL_UNIVERSE": "true" if self.fill_universe else None,
            "MM_COINS": self.coins,
            "MM_TOP_N": self.top_n,
            "MM_DEX": self.dex,
            "MM_CONFIG": self.config,
        }
        return {name: str(value) for name, value in given.items() if value is not None}


def venue_url(config: VenueConfig) -> str:
    """Base URL of the venue; the bundled one listens on a port of its own (MM_VENUE_PORT)."""
    if config.venue in BUNDLED and not config.venue_url:
        return f"http://127.0.0.1:{config.venue_port}"
    return config.url


@dataclass(frozen=True)
class Checked:
    """Everything that a start needs to know, after every setting of every service has been looked at."""

    launcher: LauncherConfig
    services: tuple[Service[Any], ...]
    configs: Mapping[str, settings.EngineConfig]

    @property
    def bundled_venue(self) -> bool:
        """Does this start bring its venue along? With MM_VENUE_URL it is one that somebody else runs."""
        return self.launcher.venue in BUNDLED and not self.launcher.venue_url

    @property
    def venue(self) -> VenueConfig:
        config = self.configs["venue"]
        assert isinstance(config, VenueConfig)
        return config


def check(options: Options) -> Checked:
    """Apply the flags to this process's environment and validate all settings of all services.

    Raises:
        ConfigError: the first thing that is wrong, in one line.
    """
    os.environ.update(options.settings())
    services = tuple(load_service(name) for name in SERVICES)
    launcher = settings.load(LauncherConfig)
    settings.check_environment([LauncherConfig, *(service.config for service in services)])
    configs = {service.name: _load(service) for service in services}
    settings.load_assets()
    _check_rules(configs["guard"])
    if launcher.shadow_mode and options.accept_missing:
        raise ConfigError("--accept-missing belongs to live trading (MM_SHADOW_MODE=false)")
    checked = Checked(launcher, services, configs)
    if not launcher.shadow_mode:
        _require_one_value(checked)
        _require_named_venue(launcher)
    if checked.bundled_venue:
        _check_bundled(checked)
    return checked


def _check_rules(config: settings.EngineConfig) -> None:
    """
    Raises:
        ConfigError: a level for a rule that does not exist.
    """
    assert isinstance(config, GuardConfig)
    levels(config)


def _check_bundled(checked: Checked) -> None:
    """
    Raises:
        ConfigError: live on a venue that begins anew with this start, or a recording that cannot be played.
    """
    if not checked.launcher.shadow_mode:
        raise ConfigError(
            f"live trading on --venue {checked.launcher.venue} needs a venue that runs already: start"
            " `market_maker venue`, open the account (`market_maker venue account ADDRESS --deposit 1000`),"
            " approve both keys (`market_maker venue agent ADDRESS AGENT --name executor`, and the watchdog's)"
            " and set MM_VENUE_URL=http://127.0.0.1:3001; docs/live.md has every step"
        )
    if checked.launcher.venue == "replay":
        _check_recording(checked.venue.recording)


def _require_one_value(checked: Checked) -> None:
    """A person is shown the launcher's settings before live trading: the guard must stop at the same loss.

    Raises:
        ConfigError: a table of the settings file gives one service another value of what all share.
    """
    for name, config in checked.configs.items():
        for field in settings.EngineConfig.model_fields.keys() - _OF_EACH:
            ours, its = getattr(checked.launcher, field), getattr(config, field)
            if ours != its:
                raise ConfigError(
                    f"{field} (MM_{field.upper()}) is {its} for the {name} and {ours} for the launcher:"
                    f" live trading needs one value for all, so set it in [engine] of {settings.config_file()}"
                )


def _require_named_venue(config: LauncherConfig) -> None:
    """
    Raises:
        ConfigError: real money under the name of a simulated venue, or of the test network.
    """
    for name in VENUES:
        if name not in BUNDLED and name != config.venue and config.url == settings.VENUE_URLS[name]:
            raise ConfigError(
                f"MM_VENUE_URL={config.url} is {name}, and MM_VENUE is {config.venue}:"
                f" set MM_VENUE={name} and leave MM_VENUE_URL empty"
            )


def _load(service: Service[Any]) -> settings.EngineConfig:
    try:
        config: settings.EngineConfig = settings.load(service.config)
    except ConfigError as error:
        raise ConfigError(f"settings of the {service.name}: {error}") from error
    return config


def _check_recording(folder: Path | None) -> None:
    if folder is None:
        raise ConfigError("--venue replay needs --recording DIR, the folder of a recording")
    try:
        recording = open_recording(folder)
    except DataError as error:
        raise ConfigError(f"--recording: {error}") from error
    if not recording.coins:
        raise ConfigError(f"--recording {folder}: no coin in it")
