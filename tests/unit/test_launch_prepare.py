"""The first container of a start: owners of what the others use, and which market begins anew."""

import os
from pathlib import Path

import pytest

from market_maker import prepare as module
from market_maker.config import LauncherConfig
from market_maker.prepare import prepare
from shared.private_files import write_private

UID = 4321


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_stack_is_up", lambda: False)


def config(folder: Path, **settings: str) -> LauncherConfig:
    folders = {name: folder / name for name in ("data_dir", "secrets_dir", "confirmation_dir")}
    return LauncherConfig(**{"venue": "sim", **folders, **settings})  # type: ignore[arg-type]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_confirmation_that_root_wrote_becomes_the_executor_s(tmp_path: Path) -> None:
    given = config(tmp_path)
    for name in ("confirmation.json", "seal.key"):
        write_private(given.confirmation_dir / name, b"x")
    list(prepare(given, UID, UID))
    for path in (given.confirmation_dir, *given.confirmation_dir.iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (UID, UID)
        assert path.stat().st_mode & 0o077 == 0, "still nobody else's"


def test_without_a_confirmation_there_is_none_afterwards(tmp_path: Path) -> None:
    given = config(tmp_path)
    list(prepare(given, os.geteuid(), os.getegid()))
    assert not given.confirmation_dir.exists()


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, False),
        ({"venue_url": "http://172.17.0.1:3001"}, True),
        ({"venue": "testnet"}, True),
    ],
)
def test_only_a_market_of_our_own_begins_anew(tmp_path: Path, settings: dict[str, str], kept: bool) -> None:
    given = config(tmp_path, **settings)
    left = given.data_dir / "state" / "redis" / given.venue / "appendonly.aof"
    left.parent.mkdir(parents=True)
    left.write_text("positions")
    list(prepare(given, os.geteuid(), os.getegid()))
    assert left.exists() is kept and left.parent.exists()
