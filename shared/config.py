"""Settings: flags win over environment (and `.env`), environment over `market_maker.toml`, that over defaults.

One frozen pydantic model per service, each a subclass of `EngineConfig`. In the TOML file, table `[engine]`
holds what all services share and a table with the service's name holds its own; unknown tables and keys are
refused. Environment names are `MM_` + the field in capitals.
"""

import os
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import msgspec
from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, ValidationError, model_validator
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
from shared.fees import maker_rate
from shared.funding import HALT_8H_FRAC
from shared.messages import AssetConfig, Mode, Regime, Severity
from shared.sizing import Derived, SpreadProfile, derive_usd, ladder_usd, too_small
from shared.units import exact, floor_sz

VENUE_URLS = {
    "hyperliquid": "https://api.hyperliquid.xyz",
    "testnet": "https://api.hyperliquid-testnet.xyz",
    "sim": "http://127.0.0.1:3001",
    "replay": "http://127.0.0.1:3001",
}
DEFAULT_FILE = Path("market_maker.toml")
SIZES = ("max_inv_usd", "min_order_usd", "tier_sizes")
"""Fields of a coin's settings that follow from the capital."""
STOPS = ("starting_balance_usd", "max_daily_loss_usd", "max_position_value_usd", "max_bps_diff")
"""Settings of services that follow from it."""
_OTHER_ENVIRONMENT = {"MM_CONFIG"}


def _comma_separated(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Coins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]


class EngineConfig(BaseSettings):
    """What every service knows."""

    model_config = SettingsConfigDict(
        env_prefix="MM_", extra="forbid", frozen=True, populate_by_name=True, env_ignore_empty=True,
        allow_inf_nan=False,
    )  # fmt: skip
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

    capital_usd: Decimal | None = Field(
        None,
        gt=0,
        description="What may be at work, over all coins: sizes and stops that are not set follow from it. Empty:"
        " sizes as configured.",
    )
    spread_profile: SpreadProfile = Field(
        "default",
        description="Part of a coin's limit that rests on each side when sizes follow from capital_usd: default"
        " 20 %, hip3 30 %, aggressive 40 %.",
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
    funding_halt_8h_frac: float = Field(
        HALT_8H_FRAC, gt=0, description="|funding| per 8 h, as a fraction, above which a coin is not quoted."
    )
    stall_timeout_s: float = Field(30.0, gt=0, description="Feed silence after which everything is cancelled.")
    quote_interval_ms: int = Field(
        100,
        ge=100,
        description="Longest time (ms) between two looks at a coin's quotes; a book is answered at once.",
    )

    @model_validator(mode="after")
    def _follow_from_the_capital(self) -> Self:
        """Refuse a capital that no order fits into; settings that follow from it and that nobody has set."""
        if self.capital_usd is None:
            return self
        fault = too_small(self.capital_usd, self.coin_count, self.spread_profile)
        if fault:
            raise ValueError(fault)
        daily_loss_usd = self.capital_usd * exact(self.global_halt_drawdown_pct)
        max_bps_diff = self.derived(self.capital_usd / self.coin_count).max_bps_diff
        for name, value in zip(
            STOPS, (self.capital_usd, daily_loss_usd, self.capital_usd, max_bps_diff), strict=True
        ):
            if name in type(self).model_fields and name not in self.model_fields_set:
                object.__setattr__(self, name, value)
        return self

    @property
    def coin_count(self) -> int:
        return len(self.coins) or self.top_n

    def derived(self, capital_usd: Decimal) -> Derived:
        """What follows for a coin that has this capital."""
        dearest = max(
            maker_rate(self.fee_tier, coin) for coin in (f"{self.dex}:" if self.dex else "", *self.coins)
        )
        return derive_usd(capital_usd, float(dearest * 10_000), self.spread_profile)

    def sized(self, asset: AssetConfig, written: Collection[str] = ()) -> AssetConfig:
        """A coin's settings with limit and orders that follow from the capital, but for the fields in `written`.

        Raises:
            ConfigError: the limit that somebody wrote is too small for any order.
        """
        if self.capital_usd is None:
            return asset
        limited = "max_inv_usd" in written
        share_usd = exact(asset.max_inv_usd) if limited else self.capital_usd / self.coin_count
        derived = self.derived(share_usd)
        if not derived.viable and "min_order_usd" not in written:
            fault = too_small(share_usd, 1, self.spread_profile)
            raise ConfigError(f"assets.{asset.coin}.max_inv_usd: {fault}; or write min_order_usd as well")
        ladder = ladder_usd(derived, asset.tier_sizes)
        limit_usd = floor_sz(derived.max_position_sz, 2)
        following = dict(zip(SIZES, (float(limit_usd), float(ladder.order_usd), ladder.tier_sizes), strict=True))
        return msgspec.structs.replace(asset, **{k: v for k, v in following.items() if k not in written})

    @property
    def sizes_that_follow(self) -> tuple[str, ...]:
        """Fields of a coin's settings that `sized` fills."""
        return () if self.capital_usd is None else SIZES

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

    model_config = {"extra": "forbid", "frozen": True, "allow_inf_nan": False}

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


_TABLES: ContextVar[Mapping[str, dict[str, Any]] | None] = ContextVar("_TABLES", default=None)


@contextmanager
def tables_instead(tables: Mapping[str, dict[str, Any]]) -> Iterator[None]:
    """Meanwhile these tables stand in place of the settings file."""
    token = _TABLES.set(tables)
    try:
        yield
    finally:
        _TABLES.reset(token)


def read_file(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """The tables of the TOML file; `{}` when the default file does not exist.

    Raises:
        ConfigError: not TOML, a table nobody knows, or a named file that is missing.
    """
    instead = _TABLES.get()
    if instead is not None and path is None:
        return dict(instead)
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


def load_assets(config: EngineConfig | None = None) -> dict[str, AssetConfig]:
    """The coins of `[assets.COIN]` tables; sizes that are not written there follow from the capital."""
    config, assets = config or load(EngineConfig), {}
    for coin, values in read_file().get("assets", {}).items():
        try:
            assets[coin] = config.sized(MmAssetConfig.model_validate(values).to_message(coin), values)
        except ValidationError as error:
            raise ConfigError(explain(MmAssetConfig, error, f"assets.{coin}.")) from error
    return assets


def explain(model: type[BaseModel], error: ValidationError, prefix: str = "") -> str:
    """A validation error in the operator's words: field, environment name, reason, remedy."""
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"])
        field: FieldInfo | None = model.model_fields.get(name)
        if not name:
            lines.append(item["msg"].removeprefix("Value error, "))
        elif item["type"] == "extra_forbidden":
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
