"""Settings: flags win over environment (and `.env`), environment over `market_maker.toml`, that over defaults.

One frozen pydantic model per service, each a subclass of `EngineConfig`. In the TOML file, table `[engine]`
holds what all services share and a table with the service's name holds its own; unknown tables and keys are
refused. Environment names are `MM_` + the field in capitals.
"""

import os
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.environment import read_env_file
from shared.errors import ConfigError
from shared.messages import AssetConfig, Mode, Regime, Severity

VENUE_URLS = {
    "hyperliquid": "https://api.hyperliquid.xyz",
    "testnet": "https://api.hyperliquid-testnet.xyz",
    "sim": "http://127.0.0.1:3001",
    "replay": "http://127.0.0.1:3001",
}
DEFAULT_FILE = Path("market_maker.toml")
_OTHER_ENVIRONMENT = {"MM_CONFIG"}


def _comma_separated(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Coins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]


class EngineConfig(BaseSettings):
    """What every service knows."""

    model_config = SettingsConfigDict(
        env_prefix="MM_", extra="forbid", frozen=True, populate_by_name=True, env_ignore_empty=True
    )
    section: ClassVar[str] = "engine"

    shadow_mode: bool = Field(True, description="true: simulated orders, no key. false: live trading.")
    venue: Literal["hyperliquid", "testnet", "sim", "replay"] = Field(
        "hyperliquid", description="Where prices come from."
    )
    venue_url: str = Field("", description="Base URL of the venue; empty: the one that belongs to `venue`.")
    redis_url: str = Field(
        "redis://127.0.0.1:6380",
        validation_alias=AliasChoices("redis_url", "REDIS_URL"),
        description="Redis of the bus (redis:// or unix://).",
    )
    coins: Coins = Field((), description="Coins to quote, comma separated; empty: the top_n by 24 h volume.")
    top_n: int = Field(30, ge=1, le=200, description="How many coins when `coins` is empty.")
    dex: str = Field("", description="HIP-3 perp dex; empty: the main one.")
    log_level: Severity = Field("info", description="Least severe line shown.")
    log_format: Literal["pretty", "json"] = Field("pretty", description="Lines for people or for machines.")
    run_id: str = Field("", description="Set by the launcher; a restart inside one run continues its session.")
    data_dir: Path = Field(Path("data"), description="Ticks, trades, depth, parquet and state live here.")
    run_dir: Path = Field(Path("data/state"), description="Health marks and other small state files.")
    confirmation_dir: Path = Field(
        Path(".secrets/live"), description="The typed confirmation of live trading and the key of its seal."
    )
    confirmed_boot: str = Field(
        "",
        description="Set by the launcher: the boot of the machine in which live trading was confirmed. After"
        " another one everything comes up in shadow mode.",
    )
    confirmed_trading: str = Field(
        "", description="Set by the launcher: the configuration and the code that were confirmed; no other trades."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of the metrics endpoint.")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Its port; empty: the service's own, 0: none."
    )

    starting_balance_usd: Decimal = Field(
        Decimal(1000), gt=0, description="Balance that the daily stop refers to (shadow)."
    )
    fee_tier: int = Field(
        0,
        ge=0,
        le=6,
        description="The venue's fee tier by 14-day volume, 0 base … 6 (> $7B): what spreads must cover and"
        " shadow fills pay.",
    )
    global_halt_drawdown_pct: float = Field(
        0.05, gt=0, lt=1, description="Daily loss, as fraction of the balance, that halts everything."
    )
    max_cancel_fill_ratio: float = Field(
        50.0, gt=0, description="Cancels per fill (rolling hour) above which spreads widen."
    )
    ofi_halt_threshold: float = Field(
        0.70, gt=0, le=1, description="|OFI| above which the threatened side is suppressed."
    )
    ofi_window_trades: int = Field(200, ge=50, description="Trades in the OFI window.")
    stall_timeout_s: float = Field(30.0, gt=0, description="Feed silence after which everything is cancelled.")
    quote_interval_ms: int = Field(
        100,
        ge=100,
        description="Longest time (ms) between two looks at a coin's quotes; a book is answered at once.",
    )

    @property
    def mode(self) -> Mode:
        return "shadow" if self.shadow_mode else "live"

    @property
    def url(self) -> str:
        return (self.venue_url or VENUE_URLS[self.venue]).rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        tables = read_file()
        values = {**tables.get("engine", {}), **tables.get(cls.section, {})}
        return init_settings, env_settings, InitSettingsSource(settings_cls, values)


_BUILT_IN = AssetConfig(coin="")
"""A coin nobody has said anything about; the one place of these defaults is the message."""


class MmAssetConfig(BaseModel):
    """One coin's quoting parameters as people write them (table `[assets.BTC]`); same fields as on the bus."""

    model_config = {"extra": "forbid", "frozen": True}

    enabled: bool = Field(_BUILT_IN.enabled, description="false: the coin is never quoted.")
    strategy: str = Field(_BUILT_IN.strategy, description="Name in the quoter's strategy registry.")
    base_spread_bps: float = Field(
        _BUILT_IN.base_spread_bps, gt=0, le=500, description="Half spread of the tightest level."
    )
    tier_multipliers: tuple[float, ...] = Field(
        _BUILT_IN.tier_multipliers, description="Depth of each level in base spreads."
    )
    min_order_usd: float = Field(
        _BUILT_IN.min_order_usd, ge=10, description="Size of level 1; the venue refuses less than $10."
    )
    tier_sizes: tuple[float, ...] = Field(_BUILT_IN.tier_sizes, description="Size of each level in min_order_usd.")
    max_inv_usd: float = Field(
        _BUILT_IN.max_inv_usd, gt=0, description="Inventory at which the increasing side stops."
    )
    atr_fraction: float = Field(
        _BUILT_IN.atr_fraction, gt=0, lt=1, description="Expected 1-minute ATR / price until it is measured."
    )
    regime: Regime = Field(_BUILT_IN.regime, description="calm, uncertain or halt.")

    def to_message(self, coin: str) -> AssetConfig:
        return AssetConfig(coin=coin, **self.model_dump())


Config = TypeVar("Config", bound=EngineConfig)


def config_file() -> Path:
    return Path(os.environ.get("MM_CONFIG") or DEFAULT_FILE)


def read_file(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """The tables of the TOML file; `{}` when the default file does not exist.

    Raises:
        ConfigError: not TOML, a table nobody knows, or a named file that is missing.
    """
    path = path or config_file()
    if not path.exists():
        if "MM_CONFIG" in os.environ:
            raise ConfigError(f"{path}: configuration file not found (from MM_CONFIG or --config)")
        return {}
    try:
        tables = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
    for name, value in tables.items():
        if name not in SECTIONS or not isinstance(value, dict):
            raise ConfigError(
                f"{path}: unknown entry {name!r}{_suggest(name, SECTIONS)};"
                " settings belong into tables such as [engine]"
            )
    return tables


SECTIONS = (
    "engine", "assets", "ingestor", "harvester", "screener", "quoter", "guard", "executor", "watchdog",
    "converter", "monitor", "venue", "launcher",
)  # fmt: skip


def load(model: type[Config], **flags: Any) -> Config:
    """The settings of one service.

    Raises:
        ConfigError: naming each field, what is wrong with it and what would be right.
    """
    read_env_file()
    try:
        return model(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(explain(model, error)) from error


def load_assets() -> dict[str, AssetConfig]:
    """Per-coin overrides from `[assets.COIN]` tables."""
    assets = {}
    for coin, values in read_file().get("assets", {}).items():
        try:
            assets[coin] = MmAssetConfig.model_validate(values).to_message(coin)
        except ValidationError as error:
            raise ConfigError(explain(MmAssetConfig, error, f"assets.{coin}.")) from error
    return assets


def explain(model: type[BaseModel], error: ValidationError, prefix: str = "") -> str:
    """A validation error in the operator's words: field, environment name, reason, remedy."""
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "(settings)"
        field: FieldInfo | None = model.model_fields.get(name)
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown setting {prefix}{name}{_suggest(name, model.model_fields)}")
        else:
            given = f", got {item['input']!r}" if field and "key" not in name else ""
            about = f" ({field.description})" if field and field.description else ""
            lines.append(f"{prefix}{name} (MM_{name.upper()}): {item['msg']}{given}{about}")
    return "; ".join(lines)


def check_environment(models: Iterable[type[EngineConfig]]) -> None:
    """Refuse `MM_…` variables that no service knows: a typo must not silently mean the default.

    Raises:
        ConfigError: naming the variable and the closest known one.
    """
    known = _OTHER_ENVIRONMENT | {f"MM_{name.upper()}" for model in models for name in model.model_fields}
    for name in sorted(os.environ):
        if name.startswith("MM_") and name not in known:
            raise ConfigError(f"unknown environment variable {name}{_suggest(name, known)}")


def _suggest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
