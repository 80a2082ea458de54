"""Lock files, scripts and the image's recipe."""

import re
import subprocess
import tomllib
from pathlib import Path
from shutil import which

import pytest

from market_maker.machine import pins

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
SCRIPTS = (
    "start_mm_bot.sh",
    "run_tests.sh",
    "scripts/start_mm_bot.sh",
    "scripts/setup_venv.sh",
    "scripts/with_bus.sh",
)


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_version_and_hash_and_no_address_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text and "--index" not in text and "--find-links" not in text and "@ " not in text
    packages = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[a-z0-9._-]+==\S+", package), package.splitlines()[0]
        assert "--hash=sha256:" in package, package.splitlines()[0]


def test_the_development_lock_holds_every_pin_of_the_runtime_lock() -> None:
    runtime, development = (pins(ROOT / name) for name in LOCKS)
    assert runtime.items() <= development.items()


def test_the_locks_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=\[]", line)[0].lower() for line in requirements}

    def locked(lock: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / lock).read_text(), flags=re.MULTILINE))

    assert names(project["dependencies"]) <= locked(LOCKS[0])
    assert names(project["optional-dependencies"]["dev"]) <= locked(LOCKS[1])


@pytest.mark.parametrize("name", [*SCRIPTS, ".ci/run"])
def test_scripts_are_executable_and_clean(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111
    shellcheck = which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    checked = subprocess.run([shellcheck, ROOT / name], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_no_address_of_an_index_in_scripts_and_image() -> None:
    for name in (*SCRIPTS, ".ci/run", "Dockerfile", "Makefile", "pyproject.toml"):
        text = (ROOT / name).read_text()
        assert "://" not in text.replace("redis://", "").replace("http://venue:3001", ""), name


def test_the_image_needs_no_new_builder() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"^# *syntax=|--mount=|<<", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.13.9-slim-trixie"}
    assert "--require-hashes" in text and re.search(r"^USER [1-9]\d*:\d+$", text, re.MULTILINE)
