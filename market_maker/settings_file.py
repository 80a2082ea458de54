"""`market_maker.toml`: written from the settings models themselves, and checked against them."""

import json
import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from market_maker.config import LauncherConfig
from services import SERVICES
from services import load as load_service
from shared.config import STOPS, EngineConfig, MmAssetConfig, config_file, load, load_assets, read_file
from shared.errors import ConfigError

HEADER = """\
# Settings of the market maker. Every line is a default, commented out: remove the `#` to change it.
# Flags win over environment variables (and .env), those win over this file, this file over the defaults.
# Check it with `market_maker validate-config`. Secrets do not belong here.
"""
SET_BY_LAUNCHER = {"run_id", "confirmed_boot", "confirmed_trading"}


def models() -> list[type[EngineConfig]]:
    """Of the launcher and of every service."""
    return [LauncherConfig, *(load_service(name).config for name in SERVICES)]


def generate(models: Sequence[type[EngineConfig]]) -> str:
    """The whole file: `[engine]`, one table per service, one example coin."""
    parts = [HEADER, _table("engine", EngineConfig, {})]
    parts += [_table(model.section, model, EngineConfig.model_fields) for model in models]
    parts.append(_table("assets.BTC", MmAssetConfig, {}, "# One such table for each coin that differs.\n", True))
    return "\n".join(part for part in parts if part)


def _table(
    name: str, model: type[BaseModel], inherited: Any, introduction: str = "", commented: bool = False
) -> str:
    fields = {
        key: field
        for key, field in model.model_fields.items()
        if key not in inherited and key not in SET_BY_LAUNCHER
    }
    if not fields:
        return ""
    head = f"{'# ' if commented else ''}[{name}]\n"
    return introduction + head + "".join(_entry(key, field) for key, field in fields.items())


def _entry(key: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = "" if default is None else _toml(default)
    return f"# {field.description}\n# {key} = {shown}\n".replace("= \n", "=\n")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(str(value), ensure_ascii=False)


def write(path: Path, models: Sequence[type[EngineConfig]], force: bool) -> None:
    """
    Raises:
        ConfigError: the file exists and `force` is off.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path} exists; --force overwrites it")
    path.write_text(generate(models))


def effective(models: Sequence[type[EngineConfig]]) -> Iterator[tuple[str, str, str, str]]:
    """Validate everything; yields (table, setting, value, where it comes from).

    Raises:
        ConfigError: the first thing that is wrong.
    """
    tables = read_file()
    configs = {model.section: load(model) for model in models}
    first = next(iter(configs.values()))
    assets = load_assets(first)
    for section, config, inherited in [
        ("engine", first, {}),
        *((section, config, EngineConfig.model_fields) for section, config in configs.items()),
    ]:
        names = EngineConfig.model_fields if section == "engine" else type(config).model_fields
        for name in names:
            if name not in inherited:
                yield section, name, str(getattr(config, name)), source(config, name, section)
    for coin, asset in assets.items():
        written = tables["assets"][coin]
        for name in written:
            yield f"assets.{coin}", name, str(getattr(asset, name)), str(config_file())
        for name in first.sizes_that_follow:
            if name not in written:
                yield f"assets.{coin}", name, str(getattr(asset, name)), "from capital_usd"


def source(config: EngineConfig, name: str, section: str) -> str:
    """Where a setting in force comes from: a variable, the file, the capital, or nowhere."""
    variable = "REDIS_URL" if name == "redis_url" else f"MM_{name.upper()}"
    if os.environ.get(variable):
        return variable
    if name in read_file().get(section, {}):
        return str(config_file())
    follows = config.capital_usd is not None and name in STOPS
    return "from capital_usd" if follows else "default"
