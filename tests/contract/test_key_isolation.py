"""Which process sees a key: the executor its own, the watchdog its own, in live mode; nobody else, ever."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from market_maker import compose, local, redis_server
from market_maker.options import Checked, Options, check
from market_maker.plan import Plan, Process
from services import SERVICES
from shared.errors import ConfigError
from shared.secrets import EXECUTOR_KEY, KEY_SOURCES, SECRET_VARIABLES, WATCHDOG_KEY
from tests.conftest import wait_until

ROOT = Path(__file__).resolve().parents[2]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ACCOUNT = "0x" + "ab" * 20
EXECUTORS, WATCHDOGS = "0x" + "e" * 64, "0x" + "d" * 64


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("MM_DATA_DIR", "MM_RUN_DIR", "MM_LOG_DIR", "MM_SECRETS_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("HL_ADDRESS", ACCOUNT)
    yield tmp_path


def live() -> Checked:
    os.environ["MM_SHADOW_MODE"] = "false"
    return check(Options(venue="testnet"))


def by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRET_VARIABLES - {EXECUTOR_KEY.file, WATCHDOG_KEY.file}:
        monkeypatch.setenv(name, WATCHDOGS if "WATCHDOG" in name else EXECUTORS)


def plan(checked: Checked) -> Plan:
    return local.build_plan(checked, "r1", redis_server.find_server(), foreground=False)


def holders(built: Plan) -> dict[str, set[str]]:
    """Names of keys by the processes that are given them."""
    found = {process.name: set(process.env) & SECRET_VARIABLES for stage in built.stages for process in stage}
    return {name: names for name, names in found.items() if names}


# ---- processes -----------------------------------------------------------------------------------------------


def test_in_shadow_no_process_is_given_a_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_variable(monkeypatch)
    assert holders(plan(check(Options(venue="sim")))) == {}


def test_live_each_key_has_one_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_variable(monkeypatch)
    built = plan(live())
    assert holders(built) == {"executor": set(EXECUTOR_KEY.variables), "watchdog": set(WATCHDOG_KEY.variables)}
    for stage in built.stages:
        for process in stage:
            assert "0x" not in " ".join(process.command), "arguments are readable by every user of the machine"


def test_children_inherit_no_key_from_who_starts_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_variable(monkeypatch)
    monkeypatch.setenv(EXECUTOR_KEY.file, "/somewhere")
    script = "import json, os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(json.dumps(dict(os.environ)))"
    given = {"executor": {"HL_PRIVATE_KEY": EXECUTORS}, "quoter": {"MM_TOP_N": "3"}}
    processes = [
        Process(name=name, command=[sys.executable, "-c", script, str(folder / name)], env=env)
        for name, env in given.items()
    ]
    built = Plan(run_id="r1", run_dir=str(folder), log_dir=str(folder / "logs"), stages=[processes])
    with (folder / "supervisor.log").open("wb") as log:
        supervisor = local._spawn(built, log.fileno())
    seen = {}
    try:
        for name in given:
            wait_until(lambda name=name: (folder / name).exists() and (folder / name).stat().st_size > 0)  # type: ignore[misc]
            seen[name] = (folder / name).read_text()
    finally:
        list(local.stop(folder))
        supervisor.wait(timeout=10)
    assert EXECUTORS in seen["executor"] and WATCHDOGS not in seen["executor"]
    assert EXECUTORS not in seen["quoter"] and "/somewhere" not in seen["quoter"]
    written = "".join(path.read_text() for path in folder.rglob("*.*") if path.is_file())
    assert EXECUTORS[2:] not in written


# ---- containers ----------------------------------------------------------------------------------------------


@pytest.fixture
def keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A file for each key, named in the environment."""
    files = {}
    for source, text in ((EXECUTOR_KEY, EXECUTORS), (WATCHDOG_KEY, WATCHDOGS)):
        files[source.secret] = folder / source.service
        files[source.secret].write_text(text)
        files[source.secret].chmod(0o600)
        monkeypatch.setenv(source.file, str(files[source.secret]))
    return files


def mounted() -> dict[str, set[str]]:
    """Secrets by container, of the compose file and the generated part together. Alertmanager has others:
    addresses and tokens of whom it tells, and no key."""
    generated = compose.override(live(), "r1")["services"]
    secrets = {
        name: {*FILE["services"].get(name, {}).get("secrets", []), *generated.get(name, {}).get("secrets", [])}
        for name in {*FILE["services"], *generated}
    }
    assert all(secret.startswith("alert_") for secret in secrets.pop("alertmanager"))
    return secrets


def test_live_each_key_is_a_file_in_one_container(keys: dict[str, Path]) -> None:
    expected = {"executor": {EXECUTOR_KEY.secret}, "watchdog": {WATCHDOG_KEY.secret}}
    assert {name: secrets for name, secrets in mounted().items() if secrets} == expected
    generated = compose.override(live(), "r1")
    assert generated["secrets"] == {name: {"file": str(path)} for name, path in keys.items()}
    environment = generated["services"]["executor"]["environment"]
    assert environment["HL_PRIVATE_KEY_FILE"] == f"/run/secrets/{EXECUTOR_KEY.secret}"
    assert environment["HL_ADDRESS"] == ACCOUNT
    assert EXECUTORS[2:] not in str(generated) and WATCHDOGS[2:] not in str(generated)


@pytest.mark.parametrize("name", SERVICES)
def test_no_other_container_is_told_of_a_key(name: str, keys: dict[str, Path]) -> None:
    generated = compose.override(live(), "r1")["services"][name]["environment"]
    told = (set(FILE["services"][name].get("environment", {})) | set(generated)) & SECRET_VARIABLES
    assert told == ({KEY_SOURCES[name].file} if name in KEY_SOURCES else set())


def test_no_container_sees_the_folder_or_the_file_of_the_keys() -> None:
    for name, entry in FILE["services"].items():
        sources = {volume.split(":")[0] for volume in entry.get("volumes", [])}
        assert not sources & {".", "./", "./.env"}, name
        assert "./.secrets" not in sources or name == "prepare"


def test_the_confirmation_is_in_the_executor_only_and_cannot_be_changed_there(
    keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MM_CONFIRMATION_DIR", "elsewhere/live")
    generated = compose.override(live(), "r1")["services"]
    mounts = {name: [v for v in entry.get("volumes", []) if "live" in v] for name, entry in generated.items()}
    confirmation = f"{Path('elsewhere/live').resolve()}:/app/.secrets/live"
    assert {name: volumes for name, volumes in mounts.items() if volumes} == {
        "executor": [f"{confirmation}:ro"],
        "prepare": [confirmation],
    }
    assert all("MM_CONFIRMATION_DIR" not in entry["environment"] for entry in generated.values())
    in_file = [volume for entry in FILE["services"].values() for volume in entry.get("volumes", [])]
    assert not any("live" in volume for volume in in_file), "`docker compose up` alone gives nobody a confirmation"


def test_every_container_knows_in_which_boot_it_was_confirmed(
    keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that all of them, and not the executor alone, come back in shadow mode after another one."""
    monkeypatch.setenv("MM_CONFIRMED_BOOT", "boot-1")
    generated = compose.override(live(), "r1")["services"]
    assert {generated[name]["environment"]["MM_CONFIRMED_BOOT"] for name in SERVICES} == {"boot-1"}
    assert {generated[name]["environment"]["MM_SHADOW_MODE"] for name in SERVICES} == {"false"}


def test_a_key_that_its_container_could_not_read_is_refused_with_the_remedy(
    keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MM_UID", str(os.getuid() or 1000))
    if os.getuid() == 0:
        for file in keys.values():
            os.chown(file, 1000, -1)
    compose.require_readable_keys(live())
    monkeypatch.setenv("MM_UID", "4321")
    with pytest.raises(
        ConfigError, match=f"containers run as 4321, who cannot read it: chown 4321 {keys['hl_private_key']}"
    ):
        compose.require_readable_keys(live())
    keys["hl_private_key"].unlink()
    with pytest.raises(ConfigError, match="the file of HL_PRIVATE_KEY_FILE cannot be read: No such file"):
        compose.require_readable_keys(live())


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("http://127.0.0.1:3001", False),
        ("http://localhost:3001", False),
        ("http://[::1]:3001", False),
        ("http://172.17.0.1:3001", True),
        ("", True),
    ],
)
def test_a_venue_on_this_machine_is_out_of_reach_of_containers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, reached: bool
) -> None:
    monkeypatch.setenv("MM_VENUE_URL", url)
    assert (compose.obstacle(check(Options(venue="sim"))) is None) is reached


def test_containers_take_no_key_from_a_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_variable(monkeypatch)
    with pytest.raises(ConfigError, match="HL_PRIVATE_KEY_FILE must name the file"):
        compose.override(live(), "r1")
    with pytest.raises(ConfigError, match="HL_PRIVATE_KEY_FILE must name .* --local takes variables too"):
        compose.require_readable_keys(live())
    assert not set(compose.environment()) & SECRET_VARIABLES


def test_in_shadow_no_container_is_told_of_a_key(keys: dict[str, Path]) -> None:
    generated = compose.override(check(Options(venue="sim")), "r1")
    assert "secrets" not in generated
    for entry in generated["services"].values():
        assert not set(entry["environment"]) & {*SECRET_VARIABLES, "HL_ADDRESS"} and "secrets" not in entry
