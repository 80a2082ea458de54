"""Settings: precedence, and errors that name the setting and the remedy."""

import os
from pathlib import Path

import pytest

from shared.config import EngineConfig, check_environment, load, load_assets, read_file
from shared.errors import ConfigError


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class GuardLike(EngineConfig):
    section = "guard"
    lease_ms: int = 3000


def write(text: str) -> None:
    Path("market_maker.toml").write_text(text)


def test_flags_win_over_environment_over_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(GuardLike).top_n == 30
    write("[engine]\ntop_n = 5\n[guard]\nlease_ms = 1000\n")
    assert (load(GuardLike).top_n, load(GuardLike).lease_ms) == (5, 1000)
    monkeypatch.setenv("MM_TOP_N", "7")
    assert load(GuardLike).top_n == 7
    assert load(GuardLike, top_n=9).top_n == 9


def test_a_dot_env_file_is_environment_that_the_shell_wins_over(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MM_TOP_N=11\nMM_DEX=xyz\nREDIS_URL=redis://elsewhere:1\n")
    monkeypatch.setenv("MM_DEX", "abc")
    monkeypatch.delenv("REDIS_URL", raising=False)
    config = load(EngineConfig)
    assert (config.top_n, config.dex, config.redis_url) == (11, "abc", "redis://elsewhere:1")


def test_a_key_in_dot_env_does_not_enter_a_service() -> None:
    Path(".env").write_text("export HL_PRIVATE_KEY=0xsecret\nHYPERLIQUID_PRIVATE_KEY=0xsecret\nMM_TOP_N=11\n")
    assert load(EngineConfig).top_n == 11
    assert "0xsecret" not in os.environ.values()


def test_names_of_the_seeds_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:1")
    monkeypatch.setenv("MM_COINS", "BTC, ETH,")
    monkeypatch.setenv("MM_SHADOW_MODE", "false")
    config = load(EngineConfig)
    assert (config.redis_url, config.coins, config.shadow_mode) == ("redis://somewhere:1", ("BTC", "ETH"), False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[engine]\nofi_treshold = 1\n", ["unknown setting ofi_treshold", "ofi_halt_threshold"]),
        ("[enigne]\n", ["unknown entry 'enigne'", "did you mean engine?"]),
        ("top_n = 3\n", ["unknown entry 'top_n'", "[engine]"]),
        ("[engine]\ntop_n = 0\n", ["top_n (MM_TOP_N)", "greater than or equal to 1"]),
        ("[engine]\nquote_interval_ms = 50\n", ["quote_interval_ms (MM_QUOTE_INTERVAL_MS)", "equal to 100"]),
        ("[engine]\nvenue = 'binance'\n", ["venue (MM_VENUE)", "hyperliquid"]),
        ("[engine\n", ["cannot be read as TOML"]),
    ],
)
def test_a_wrong_file_names_the_key_and_the_remedy(text: str, words: list[str]) -> None:
    write(text)
    with pytest.raises(ConfigError) as caught:
        load(EngineConfig)
    for word in words:
        assert word in str(caught.value)


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"nowhere.toml: configuration file not found"):
        read_file()


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_TOPN", "3")
    with pytest.raises(ConfigError, match=r"MM_TOPN \(did you mean MM_TOP_N\?\)"):
        check_environment([EngineConfig])


def test_coins_can_be_tuned_one_by_one() -> None:
    write("[assets.BTC]\nbase_spread_bps = 4.0\nenabled = false\n")
    assert load_assets()["BTC"].base_spread_bps == 4.0
    write("[assets.BTC]\nbase_spread = 4.0\n")
    with pytest.raises(ConfigError, match=r"unknown setting assets.BTC.base_spread"):
        load_assets()
