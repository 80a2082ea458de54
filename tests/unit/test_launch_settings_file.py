"""The generated settings file says what the models say: switched on line by line it changes nothing."""

import re
import tomllib
from pathlib import Path

import pytest

from market_maker import settings_file
from market_maker.cli import _models
from shared.config import EngineConfig, MmAssetConfig, load, load_assets
from shared.errors import ConfigError


def switched_on(text: str) -> str:
    """Every default without its `# `; settings that are empty by default stay comments."""
    text = re.sub(r"^# (\w+ = .+)$", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"^# (\[.+\])$", r"\1", text, flags=re.MULTILINE)


def test_as_generated_it_is_valid_and_empty() -> None:
    tables = tomllib.loads(settings_file.generate(_models()))
    assert tables and not any(tables.values())


def test_switched_on_it_is_accepted_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "market_maker.toml"
    file.write_text(switched_on(settings_file.generate(_models())))
    defaults = [model() for model in _models()]
    monkeypatch.setenv("MM_CONFIG", str(file))
    assert tomllib.loads(file.read_text())["engine"]["top_n"] == 30
    assert [load(model) for model in _models()] == defaults
    assert load_assets()["BTC"] == MmAssetConfig().to_message("BTC")


def test_every_setting_is_in_it_once_with_its_description() -> None:
    text = settings_file.generate(_models())
    for model in _models():
        for name, field in model.model_fields.items():
            if name not in settings_file.SET_BY_LAUNCHER:
                assert len(re.findall(rf"^# {name} =", text, re.MULTILINE)) == 1, name
                assert field.description and field.description in text


def test_names_of_settings_are_unique_across_services() -> None:
    """The environment has one name space: MM_<FIELD>."""
    own = [name for model in _models() for name in model.model_fields if name not in EngineConfig.model_fields]
    assert sorted(set(own)) == sorted(own)


def test_refuses_to_overwrite(tmp_path: Path) -> None:
    file = tmp_path / "market_maker.toml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        settings_file.write(file, _models(), force=False)
    assert file.read_text() == "mine"
    settings_file.write(file, _models(), force=True)
    assert file.read_text().startswith("# Settings")


def test_effective_values_name_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "market_maker.toml"
    file.write_text("[engine]\ntop_n = 5\nlog_level = 'debug'\n[assets.BTC]\nmax_inv_usd = 99\n")
    monkeypatch.setenv("MM_CONFIG", str(file))
    monkeypatch.setenv("MM_TOP_N", "7")
    found = {
        f"{table}.{name}": (value, source) for table, name, value, source in settings_file.effective(_models())
    }
    assert found["engine.top_n"] == ("7", "MM_TOP_N")
    assert found["engine.log_level"] == ("debug", str(file))
    assert found["engine.venue"] == ("hyperliquid", "default")
    assert found["assets.BTC.max_inv_usd"] == ("99.0", str(file))
    assert found["launcher.redis_port"] == ("6380", "default")
