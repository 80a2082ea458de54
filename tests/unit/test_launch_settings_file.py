"""The generated settings file says what the models say: switched on line by line it changes nothing."""

import re
import tomllib
from pathlib import Path

import pytest

from market_maker import settings_file, sizes
from market_maker.options import Options, check
from shared.config import EngineConfig, MmAssetConfig, load, load_assets
from shared.errors import ConfigError

MODELS = settings_file.models()


def switched_on(text: str) -> str:
    """Every default without its `# `; settings that are empty by default stay comments."""
    text = re.sub(r"^# (\w+ = .+)$", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"^# (\[.+\])$", r"\1", text, flags=re.MULTILINE)


def test_as_generated_it_is_valid_and_empty() -> None:
    tables = tomllib.loads(settings_file.generate(MODELS))
    assert tables and not any(tables.values())


def test_switched_on_it_is_accepted_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "market_maker.toml"
    file.write_text(switched_on(settings_file.generate(MODELS)))
    defaults = [model() for model in MODELS]
    monkeypatch.setenv("MM_CONFIG", str(file))
    assert tomllib.loads(file.read_text())["engine"]["top_n"] == 30
    assert [load(model) for model in MODELS] == defaults
    assert load_assets()["BTC"] == MmAssetConfig().to_message("BTC")


def test_every_setting_is_in_it_once_with_its_description() -> None:
    text = settings_file.generate(MODELS)
    for model in MODELS:
        for name, field in model.model_fields.items():
            if name not in settings_file.SET_BY_LAUNCHER:
                assert len(re.findall(rf"^# {name} =", text, re.MULTILINE)) == 1, name
                assert field.description and field.description in text


def test_names_of_settings_are_unique_across_services() -> None:
    """The environment has one name space: MM_<FIELD>."""
    own = [name for model in MODELS for name in model.model_fields if name not in EngineConfig.model_fields]
    assert sorted(set(own)) == sorted(own)


def test_refuses_to_overwrite(tmp_path: Path) -> None:
    file = tmp_path / "market_maker.toml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        settings_file.write(file, MODELS, force=False)
    assert file.read_text() == "mine"
    settings_file.write(file, MODELS, force=True)
    assert file.read_text().startswith("# Settings")


def test_effective_values_name_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "market_maker.toml"
    file.write_text("[engine]\ntop_n = 5\nlog_level = 'debug'\n[assets.BTC]\nmax_inv_usd = 99\n")
    monkeypatch.setenv("MM_CONFIG", str(file))
    monkeypatch.setenv("MM_TOP_N", "7")
    found = {f"{table}.{name}": (value, source) for table, name, value, source in settings_file.effective(MODELS)}
    assert found["engine.top_n"] == ("7", "MM_TOP_N")
    assert found["engine.log_level"] == ("debug", str(file))
    assert found["engine.venue"] == ("hyperliquid", "default")
    assert found["assets.BTC.max_inv_usd"] == ("99.0", str(file))
    assert found["launcher.redis_port"] == ("6380", "default")


def sized(monkeypatch: pytest.MonkeyPatch, file: Path, text: str) -> list[str]:
    file.write_text(text)
    monkeypatch.setenv("MM_CONFIG", str(file))
    return list(sizes.lines({model.section: load(model) for model in MODELS}))


def test_sizes_that_follow_name_the_capital_and_written_ones_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mm.toml"
    monkeypatch.setenv("MM_MAX_DAILY_LOSS_USD", "70")
    coins = "[assets.BTC]\nmax_inv_usd = 99\n[assets.ETH]\nenabled = false\n"
    shown = sized(monkeypatch, file, f"[engine]\ncapital_usd = 900\ntop_n = 3\n{coins}")
    assert [" ".join(line.split()) for line in shown] == [
        "Sizes and stops: $900.00 over 3 coins is $300.00 each; profile default rests 20% of it a side",
        "limit a coin $300.00 from capital_usd",
        "orders a side $20.00 $40.00 from capital_usd",
        f"BTC limit $99.00, orders $19.80 max_inv_usd: {file}",
        "all at their limit $399.00",
        "balance $900.00 from capital_usd",
        "5.0% of it, halts $45.00 default",
        "daily loss, halts $70.00 MM_MAX_DAILY_LOSS_USD",
        "positions, reduce $900.00 from capital_usd",
        "requote at 3 bps from capital_usd",
    ]
    found = {f"{table}.{name}": (value, source) for table, name, value, source in settings_file.effective(MODELS)}
    assert found["executor.max_bps_diff"] == ("3.0", "from capital_usd")
    assert found["guard.max_daily_loss_usd"] == ("70", "MM_MAX_DAILY_LOSS_USD")
    assert found["assets.BTC.max_inv_usd"] == ("99.0", str(file))
    assert found["assets.BTC.min_order_usd"] == ("19.8", "from capital_usd")


def test_as_configured_the_sizes_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = sized(monkeypatch, tmp_path / "mm.toml", "")
    assert shown[0] == "Sizes and stops: 30 coins, as configured (MM_CAPITAL_USD derives them)"
    assert "$12.00 $24.00 $36.00" in shown[2] and "$6,000.00" in shown[3]
    assert all("from capital_usd" not in line for line in shown)


@pytest.mark.parametrize(("capital", "careful"), [(50, True), (59.99, True), (60, False)])
def test_orders_close_to_the_venue_s_minimum_are_warned_of(
    capital: float, careful: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = sized(monkeypatch, tmp_path / "mm.toml", f"[engine]\ncapital_usd = {capital}\ncoins = ['BTC']\n")
    assert ("careful" in shown[-1]) is careful


def test_rules_that_a_person_changed_are_said_and_what_no_longer_stops_is_not_called_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mm.toml"
    text = "[guard.rule_levels]\ndaily_loss = 'off'\ntoxicity = 'pull'\nofi = 'pull'\n"
    shown = [" ".join(line.split()) for line in sized(monkeypatch, file, text)]
    assert "5.0% of it, no stop $50.00 default" in shown
    assert shown[-2:] == [
        f"rule daily_loss off instead of halt, looser {file}",
        f"rule toxicity pull instead of widen {file}",
    ]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[guard.rule_levels]\ntoxicty = 'pull'", "there is no rule 'toxicty'; there are daily_loss,"),
        ("[guard]\ncascade_shrink_severity = 0.2", "none may be above the one after it, got 0.3, 0.2, 0.8, 0.95"),
        ("[guard]\nofi_min_trades = 201", "a window of 200 trades (ofi_window_trades) never holds 201"),
        ("[guard]\nfrozen_book_bps = inf", "frozen_book_bps"),
        ("[assets.BTC]\nmax_inv_usd = inf", "assets.BTC.max_inv_usd"),
        ("[assets.BTC]\ntier_sizes = [1, nan]", "assets.BTC.tier_sizes"),
    ],
)
def test_settings_under_which_a_rule_could_never_fire_are_refused_before_a_start(
    table: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mm.toml"
    file.write_text(table)
    monkeypatch.setenv("MM_CONFIG", str(file))
    with pytest.raises(ConfigError, match=re.escape(words)):
        check(Options(venue="sim"))
