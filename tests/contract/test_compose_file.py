"""docker-compose.yml against the declared services and the rules for containers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from market_maker import compose, notify_config
from market_maker.config import LauncherConfig
from market_maker.options import Options, check
from services import SERVICES, load

ROOT = Path(__file__).resolve().parents[2]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ALL: dict[str, dict[str, Any]] = FILE["services"]
ON_EGRESS = {"ingestor", "executor", "watchdog", "alertmanager"}


def networks(name: str) -> set[str]:
    return set(ALL[name].get("networks", []))


@pytest.mark.parametrize("name", SERVICES)
def test_every_declared_service_is_a_container(name: str) -> None:
    entry = ALL[name]
    assert entry["container_name"] == f"mm_{name}"
    assert entry["command"] == ["python", "-m", "services", name]
    assert entry["stop_grace_period"] == ("30s" if name == "executor" else "10s")
    assert "/run/mm/*.alive" in entry["healthcheck"]["test"][1]
    if load(name).uses_bus:
        assert entry["environment"]["BUS_USER"] == name
        assert f"./.secrets/bus/{name}:/run/bus:ro" in entry["volumes"]
        assert entry["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_no_container_is_undeclared() -> None:
    assert set(ALL) == {*SERVICES, "prepare", "redis", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("name", ALL)
def test_every_container_is_locked_down(name: str) -> None:
    entry = ALL[name]
    assert entry["read_only"] and entry["init"]
    assert entry["cap_drop"] == ["ALL"]
    assert entry["security_opt"] == ["no-new-privileges:true"]
    assert entry["pids_limit"] and entry["mem_limit"]
    assert entry["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}
    assert not entry.get("privileged") and "network_mode" not in entry
    assert re.search(r":v?\d+\.\d+\.\d+[-\w.]*$|:local$", entry["image"]), "an image without a full version"
    if name == "prepare":
        assert entry["restart"] == "no" and entry["cap_add"] == ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    else:
        assert entry["restart"] == "unless-stopped" and "cap_add" not in entry
        assert re.fullmatch(r"(\$\{MM_UID:-10001\}|[1-9]\d*):(\$\{MM_GID:-10001\}|\d+)", entry["user"])


@pytest.mark.parametrize("name", ALL)
def test_every_published_port_is_on_loopback(name: str) -> None:
    for port in ALL[name].get("ports", []):
        assert port.startswith("127.0.0.1:")
        assert "ports" in networks(name), "a port of a container on the internal bus alone is not reachable"


def test_only_who_talks_to_the_venue_or_to_people_reaches_the_outside() -> None:
    assert FILE["networks"]["bus"] == {"internal": True}
    assert {name for name in ALL if "egress" in networks(name)} == ON_EGRESS
    assert all("bus" in networks(name) for name in ALL)
    masquerade = FILE["networks"]["ports"]["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"]
    assert masquerade == "false"


def test_profiles() -> None:
    by_profile = {name: entry.get("profiles", []) for name, entry in ALL.items()}
    assert [name for name, profiles in by_profile.items() if profiles == ["demo"]] == ["venue"]
    assert [name for name, profiles in by_profile.items() if profiles == ["live"]] == ["watchdog"]
    assert {name for name, profiles in by_profile.items() if profiles == ["monitoring"]} == {
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert all(not by_profile[name] for name in SERVICES if name not in ("venue", "watchdog"))


def test_the_key_of_the_watchdog_reaches_its_container_only() -> None:
    assert set(FILE["secrets"]) >= {"hl_watchdog_key"}
    assert [name for name, entry in ALL.items() if "hl_watchdog_key" in entry.get("secrets", [])] == ["watchdog"]
    assert [name for name, entry in ALL.items() if "HL_WATCHDOG_KEY_FILE" in entry.get("environment", {})] == [
        "watchdog"
    ]


def test_what_tells_people_is_read_by_alertmanager_only() -> None:
    files = set(notify_config.SECRETS.values())
    assert set(FILE["secrets"]) == files | {"hl_watchdog_key"}
    assert set(ALL["alertmanager"]["secrets"]) == files
    assert all(not files & set(entry.get("secrets", [])) for name, entry in ALL.items() if name != "alertmanager")
    asked = {name for name in ALL["prepare"]["environment"] if name.startswith("MM_ALERT_")}
    assert asked == {f"MM_{name.upper()}" for name in LauncherConfig.model_fields if name.startswith("alert_")}


def test_no_key_reaches_any_container() -> None:
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "Dockerfile").read_text()
    assert "PRIVATE_KEY" not in text and "env_file" not in text


def test_who_writes_data_and_who_only_reads() -> None:
    mounts = {
        name: [v for v in entry.get("volumes", []) if v.startswith("./data:")] for name, entry in ALL.items()
    }
    writers = {name for name, volumes in mounts.items() if volumes and not volumes[0].endswith(":ro")}
    assert writers == {"harvester", "converter", "prepare"}
    assert {name for name in mounts if mounts[name]} - writers == {"screener", "guard", "monitor"}


def test_prometheus_scrapes_every_service_at_its_declared_port() -> None:
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    targets = {
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    }
    declared = {f"mm_{name}:{load(name).metrics_port}" for name in SERVICES if load(name).metrics_port}
    assert declared <= targets


def test_the_image_holds_no_secret_data_or_history() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    assert not {"!.env", "!data", "!.git", "!.secrets", "!market_maker.toml", "!."} & set(lines)


def test_every_container_gets_the_settings_of_this_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MM_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("HL_PRIVATE_KEY", "0x" + "1" * 64)
    override = compose.override(check(Options(venue="sim", top_n=5)), "run-1")["services"]
    assert set(override) == {*SERVICES, "prepare"}
    for entry in override.values():
        assert entry["environment"]["MM_TOP_N"] == "5" and entry["environment"]["MM_RUN_ID"] == "run-1"
        assert "MM_RUN_DIR" not in entry["environment"]
    assert "1" * 64 not in str(override)
    assert "HL_PRIVATE_KEY" not in compose.environment()


def test_the_defaults_of_the_compose_file_do_not_win_over_the_settings_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    engine = "[engine]\ntop_n = 7\nlog_level = 'debug'\nvenue = 'testnet'\n"
    file.write_text(engine + "[launcher]\nredis_port = 6399\nuid = 1234\ngid = 1235\n")
    checked = check(Options(config=file))
    override = compose.override(checked, "run-1")["services"]
    defaults = {name for entry in ALL.values() for name in entry.get("environment", {}) if name.startswith("MM_")}
    containers_own = {"MM_VENUE_HOST", "MM_VENUE_PORT", "MM_UID", "MM_GID"}
    assert defaults - containers_own <= set(override["quoter"]["environment"])
    assert override["quoter"]["environment"]["MM_TOP_N"] == "7"
    assert override["quoter"]["environment"]["MM_LOG_LEVEL"] == "debug"
    asked = compose.environment(checked)
    assert (asked["MM_REDIS_PORT"], asked["MM_UID"], asked["MM_GID"]) == ("6399", "1234", "1235")
    assert asked["MM_VENUE"] == "testnet"


def test_a_recording_is_mounted_read_only_in_the_venue(recordings: Path) -> None:
    folder = recordings / "hl-20250904-4coins-a"
    override = compose.override(check(Options(recording=folder)), "run-1")["services"]
    assert override["venue"]["volumes"][-1] == f"{folder.resolve()}:/recording:ro"
    assert override["venue"]["environment"]["MM_SOURCE"] == "/recording"
