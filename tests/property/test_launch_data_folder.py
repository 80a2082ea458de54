"""Prices of two venues never meet in one folder, whatever is started in which order and whenever it crashes."""

import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from market_maker import data_folder

VENUES = ("hyperliquid", "testnet", "sim", "replay")


class Crash(Exception):
    """The power fails."""


def start(data: Path, venue: str, renames_left: int | None) -> bool:
    """One start that records something; False when it crashed after so many renames."""
    rename, left = Path.rename, renames_left

    def limited(self: Path, target: Path) -> Path:
        nonlocal left
        if left is not None:
            if left == 0:
                raise Crash
            left -= 1
        return rename(self, target)

    with patch.object(Path, "rename", limited):
        try:
            data_folder.claim(data, venue)
        except Crash:
            return False
    return True


def record(data: Path, venue: str, run: int) -> None:
    for family in ("ticks", "trades", "parquet"):
        (data / family / "BTC").mkdir(parents=True, exist_ok=True)
        (data / family / "BTC" / f"{run}.csv").write_text(venue)


def contents(folder: Path) -> list[str]:
    return [file.read_text() for family in data_folder.FAMILIES for file in (folder / family).rglob("*.csv")]


@given(st.lists(st.tuples(st.sampled_from(VENUES), st.none() | st.integers(0, 6)), max_size=8))
def test_no_folder_ever_holds_two_venues_and_nothing_is_lost(starts: list[tuple[str, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        data, written = Path(name) / "data", 0
        for run, (venue, crash_after) in enumerate(starts):
            if start(data, venue, crash_after):
                assert set(contents(data)) <= {venue}
                assert data_folder.owner(data) == venue
                record(data, venue, run)
                written += 1
        for shelf in (data / data_folder.SHELF).glob("*"):
            assert {file.read_text() for file in shelf.rglob("*.csv")} <= {shelf.name}
        assert len(list(data.glob("**/ticks*/BTC/*.csv"))) == written


@given(st.sampled_from(VENUES), st.sampled_from(VENUES))
def test_going_there_and_back_restores_everything(first: str, second: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        start(data, first, None)
        record(data, first, 1)
        start(data, second, None)
        start(data, first, None)
        assert contents(data) == [first] * 3


def test_unmarked_data_counts_as_real_and_is_never_given_to_a_simulation(tmp_path: Path) -> None:
    record(tmp_path, "hyperliquid", 1)
    line = data_folder.claim(tmp_path, "sim")
    assert line is not None and "hyperliquid data moved" in line
    assert contents(tmp_path) == []
    assert data_folder.claim(tmp_path, "sim") is None
