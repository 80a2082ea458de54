import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from market_maker import local, options
from market_maker.options import Options, check, venue_url
from services.venue.config import VenueConfig
from shared.config import VENUE_URLS
from shared.errors import ConfigError


def test_flags_become_the_environment_of_every_service(tmp_path: Path) -> None:
    given = Options(
        recording=tmp_path, speed="10", seed=7, coins="BTC,ETH", top_n=5, loop=True, fill_universe=True
    )
    assert given.settings() == {
        "MM_VENUE": "replay",
        "MM_SOURCE": str(tmp_path),
        "MM_SPEED": "10",
        "MM_SEED": "7",
        "MM_LOOP": "true",
        "MM_FILL_UNIVERSE": "true",
        "MM_COINS": "BTC,ETH",
        "MM_TOP_N": "5",
    }
    assert Options().settings() == {}


def test_every_variable_made_of_a_flag_is_known_to_some_service() -> None:
    everything = Options("sim", None, "1", 1, True, True, "BTC", 1, "x", Path("/x.toml"))
    variables = {*everything.settings(), *Options(recording=Path("/r")).settings()} - {"MM_CONFIG"}
    models = [options.load_service(name).config for name in options.SERVICES]
    known = {f"MM_{field.upper()}" for model in models for field in model.model_fields}
    assert variables <= known


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_TOP_N", "3")
    checked = check(Options(venue="sim", top_n=9))
    assert (checked.launcher.top_n, checked.launcher.venue) == (9, "sim")
    assert os.environ["MM_SOURCE"] == "modelled", "a recording of an earlier setting must not leak into --demo"


def toml(tmp_path: Path, text: str) -> Options:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return Options(venue="sim", config=file)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Options(venue="moon"), "--venue moon: unknown"),
        (Options(venue="sim", recording=Path("/x")), "--recording belongs to --venue replay"),
        (Options(venue="replay"), "needs --recording DIR"),
        (Options(recording=Path("/nonexistent")), "/nonexistent: no such folder"),
        (Options(venue="sim", speed="fast"), "MM_SPEED"),
        (Options(venue="sim", top_n=0), "MM_TOP_N"),
        (
            Options(venue="sim", config=Path("/nonexistent.toml")),
            "/nonexistent.toml: configuration file not found",
        ),
    ],
)
def test_wrong_flags_name_themselves(given: Options, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        check(given)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[engine]\ntopn = 3\n", "unknown setting topn .did you mean top_n"),
        ("[quoter]\nnonsense = 1\n", "settings of the quoter: unknown setting nonsense"),
        ("[qouter]\n", "unknown entry 'qouter' .did you mean quoter"),
        ("top_n = 3\n", "settings belong into tables"),
        ("[engine\n", "cannot be read as TOML"),
        ("[assets.BTC]\nmin_order_usd = 1\n", "assets.BTC.min_order_usd"),
    ],
)
def test_wrong_toml_is_one_line_that_names_the_entry(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as failure:
        check(toml(tmp_path, text))
    assert "\n" not in str(failure.value).split("TOML:")[0]


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_TOPN", "3")
    with pytest.raises(ConfigError, match=r"MM_TOPN \(did you mean MM_TOP_N\?\)"):
        check(Options(venue="sim"))


def test_gates_are_accepted_for_live_trading_only(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Options(venue="testnet", accept_missing=("gate1",))
    with pytest.raises(ConfigError, match="--accept-missing belongs to live trading"):
        check(given)
    monkeypatch.setenv("MM_SHADOW_MODE", "false")
    assert not check(given).launcher.shadow_mode


@pytest.mark.parametrize("entry", ["starting_balance_usd = 5000", "shadow_mode = true", "coins = ['BTC']"])
@pytest.mark.parametrize("table", ["guard", "executor", "launcher"])
def test_live_all_services_share_what_is_shown_before_the_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, entry: str
) -> None:
    file = tmp_path / "settings.toml"
    given = Options(venue="testnet", config=file)
    file.write_text(f"[engine]\nshadow_mode = false\n[{table}]\nlog_level = 'debug'\n")
    assert not check(given).launcher.shadow_mode, "lines for people may differ"
    file.write_text(f"[engine]\nshadow_mode = false\n[{table}]\n{entry}\n")
    if (table, entry) == ("launcher", "shadow_mode = true"):
        assert check(given).launcher.shadow_mode, "then nobody is asked, and no executor gets a permit"
        return
    with pytest.raises(ConfigError, match=r"live trading needs one value for all, so set it in \[engine\]"):
        check(given)


@pytest.mark.parametrize(
    ("venue", "url"), [("sim", "hyperliquid"), ("testnet", "hyperliquid"), ("replay", "testnet")]
)
def test_live_real_money_has_no_other_name(monkeypatch: pytest.MonkeyPatch, venue: str, url: str) -> None:
    monkeypatch.setenv("MM_SHADOW_MODE", "false")
    monkeypatch.setenv("MM_VENUE_URL", VENUE_URLS[url] + "/")
    with pytest.raises(ConfigError, match=f"set MM_VENUE={url} and leave MM_VENUE_URL empty"):
        check(Options(venue=venue))
    assert check(Options(venue=url)).launcher.url == VENUE_URLS[url]


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"venue": "sim", "venue_port": 4001}, "http://127.0.0.1:4001"),
        ({"venue": "replay", "venue_port": 4001}, "http://127.0.0.1:4001"),
        ({"venue": "sim", "venue_port": 4001, "venue_url": "http://venue:3001/"}, "http://venue:3001"),
        ({"venue": "testnet", "venue_port": 4001}, "https://api.hyperliquid-testnet.xyz"),
    ],
)
def test_the_bundled_venue_is_looked_for_on_its_own_port(settings: dict[str, Any], url: str) -> None:
    assert venue_url(VenueConfig(**settings)) == url


@pytest.mark.parametrize(("monitor", "guard"), [(None, 9105), (19_090, 19_105), (0, 0)])
def test_all_metrics_ports_move_with_the_monitors_and_none_is_none(monitor: int | None, guard: int) -> None:
    checked = check(Options(venue="sim"))
    launcher = checked.launcher.model_copy(update={"metrics_port": monitor})
    assert local.metrics_port(replace(checked, launcher=launcher), "guard") == guard
