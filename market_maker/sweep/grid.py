"""`--set NAME=V1,V2` as combinations of settings, all of them checked before anything runs."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import product
from typing import Any, NamedTuple, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from market_maker.replay import TRADING_PATH, path_settings
from services import load as load_service
from shared.config import EngineConfig, MmAssetConfig, explain, load_assets, read_file, tables_instead
from shared.errors import ConfigError

NOT_SWEPT = frozenset(
    {
        "coins", "top_n", "dex", "shadow_mode", "venue", "venue_url", "redis_url", "log_level", "log_format",
        "run_id", "data_dir", "run_dir", "confirmation_dir", "confirmed_boot", "confirmed_trading", "metrics_host",
        "metrics_port",
    }
)  # fmt: skip
"""Settings of a process, not of trading; which coins and days is said by --asset, --since and --until."""
MOST_COMBINATIONS = 10_000
Combination = dict[str, str]
"""Setting to value, as written."""


class Swept(NamedTuple):
    """One setting and the values it takes."""

    name: str
    values: tuple[str, ...]


class Setup(NamedTuple):
    """A combination as settings: of each service, and of each coin (what `[assets.COIN]` would say)."""

    configs: dict[str, EngineConfig]
    assets: dict[str, dict[str, Any]]


def parse(given: Sequence[str]) -> tuple[Swept, ...]:
    """
    Raises:
        ConfigError: no NAME=VALUES, a name that nothing knows, or one that comes twice.
    """
    swept: list[Swept] = []
    fields = _fields()
    for text in given:
        name, equals, values = (part.strip() for part in text.partition("="))
        options = tuple(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))
        if not equals or not options:
            raise ConfigError(f"--set {text}: write NAME=VALUE or NAME=VALUE,VALUE,…")
        if name not in fields:
            close = get_close_matches(name, fields, n=3, cutoff=0.5)
            like = f"; did you mean {' or '.join(close)}?" if close else "; validate-config lists them"
            raise ConfigError(f"--set {name}: no setting that a replay could vary{like}")
        if name in (other.name for other in swept):
            raise ConfigError(f"--set {name} is given twice; write --set {name}=VALUE,VALUE")
        swept.append(Swept(name, options))
    return tuple(swept)


def combinations(swept: Sequence[Swept]) -> list[Combination]:
    """The full grid, the last setting changing fastest.

    Raises:
        ConfigError: more than anybody could want.
    """
    grid = [
        dict(zip((setting.name for setting in swept), values, strict=True))
        for values in product(*(setting.values for setting in swept))
    ]
    if len(grid) > MOST_COMBINATIONS:
        raise ConfigError(f"--set: {len(grid):,} combinations; at most {MOST_COMBINATIONS:,}")
    return grid


def setup(combination: Combination, coins: Sequence[str]) -> Setup:
    """A combination as the settings of a replay. It wins over environment and settings file, and over what a
    screener would publish, as a person's `[assets.COIN]` does.

    Raises:
        ConfigError: naming the setting and what is wrong with the value.
    """
    try:
        of_coins = {name: _value(name, text) for name, text in combination.items() if _is_of_coin(name)}
        of_services = {name: _value(name, text) for name, text in combination.items() if not _is_of_coin(name)}
        written: Mapping[str, dict[str, Any]] = read_file().get("assets", {})
        try:
            MmAssetConfig.model_validate(of_coins)
        except ValidationError as error:
            raise ConfigError(explain(MmAssetConfig, error)) from error
        assets = {coin: {**written.get(coin, {}), **of_coins} for coin in coins}
        configs = path_settings(of_services)
        with tables_instead({"assets": assets}):
            for config in configs.values():
                load_assets(config)
    except ConfigError as error:
        said = " ".join(f"{name}={text}" for name, text in combination.items())
        raise ConfigError(f"--set {said}: {error}") from error
    return Setup(configs, assets)


def _fields() -> dict[str, FieldInfo]:
    """Everything that may be varied."""
    fields: dict[str, FieldInfo] = {}
    for name in TRADING_PATH:
        fields |= load_service(name).config.model_fields
    return {name: field for name, field in (fields | MmAssetConfig.model_fields).items() if name not in NOT_SWEPT}


def _is_of_coin(name: str) -> bool:
    return name in MmAssetConfig.model_fields


def _value(name: str, text: str) -> str | list[str]:
    """A list's elements are joined by `:`, since commas part the values."""
    return text.split(":") if get_origin(_fields()[name].annotation) is tuple else text
