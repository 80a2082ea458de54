"""The declarations of quoter and screener, and the per-coin table people write."""

import pytest

from services import load
from services.quoter.core import Quoter
from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from services.screener.service import overrides
from shared.config import load as load_settings
from shared.errors import ConfigError
from shared.messages import CoinMeta, Universe
from shared.service import Tick
from shared.streams import STREAM_OF

UNIVERSE = Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=0)


@pytest.mark.parametrize(("name", "kind"), [("quoter", Quoter), ("screener", Screener)])
def test_the_declared_core_starts_from_default_settings(name, kind):
    service = load(name)
    core = service.core(load_settings(service.config))
    assert isinstance(core, kind) and service.name == name
    outputs = [*core.step(0, UNIVERSE), *core.step(10_000, Tick())]
    assert {STREAM_OF[type(output)] for output in outputs} <= set(service.writes)


def test_only_written_fields_override(tmp_path, monkeypatch):
    file = tmp_path / "mm.toml"
    file.write_text("[assets.BTC]\nmax_inv_usd = 400.0\n")
    monkeypatch.setenv("MM_CONFIG", str(file))
    assert overrides(ScreenerConfig()) == {"BTC": {"max_inv_usd": 400.0}}
    core = load("quoter").core(load_settings(load("quoter").config))
    (target,) = core.step(0, UNIVERSE)
    assert target.max_inv_usd == 400.0


def test_a_wrong_key_names_itself(tmp_path, monkeypatch):
    file = tmp_path / "mm.toml"
    file.write_text("[assets.BTC]\nmax_inventory_usd = 400.0\n")
    monkeypatch.setenv("MM_CONFIG", str(file))
    with pytest.raises(ConfigError, match="assets.BTC.max_inventory_usd.*did you mean max_inv_usd"):
        overrides(ScreenerConfig())
