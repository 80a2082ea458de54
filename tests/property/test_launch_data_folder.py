"""Prices of two venues never meet in one folder, whatever is started in which order and whenever it crashes."""

import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from market_maker import data_folder

FOUND = ("state/incidents.jsonl", "state/market_profile.json", "state/gates.json")
DRILL = "state/rule_proofs.json"
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
    for family in ("ticks", "trades", "parquet", "fills", "parquet_account"):
        (data / family / "BTC").mkdir(parents=True, exist_ok=True)
        (data / family / "BTC" / f"{run}.csv").write_text(venue)
    (data / "state").mkdir(exist_ok=True)
    (data / DRILL).write_text("any venue")
    for file in FOUND:
        (data / file).write_text(venue)


def contents(folder: Path) -> list[str]:
    paths = [path for place in data_folder.PLACES for path in (folder / place, *(folder / place).rglob("*.csv"))]
    return [path.read_text() for path in paths if path.is_file()]


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
            assert {file.read_text() for file in shelf.rglob("*") if file.is_file()} <= {shelf.name}
        assert len(list(data.glob("**/ticks*/BTC/*.csv"))) == written


@given(st.sampled_from(VENUES), st.sampled_from(VENUES))
def test_going_there_and_back_restores_everything(first: str, second: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        start(data, first, None)
        record(data, first, 1)
        start(data, second, None)
        start(data, first, None)
        assert contents(data) == [first] * 8
        assert (data / DRILL).read_text() == "any venue"


def test_what_a_simulation_found_is_no_evidence_for_the_real_venue(tmp_path: Path) -> None:
    start(tmp_path, "sim", None)
    record(tmp_path, "sim", 1)
    start(tmp_path, "hyperliquid", None)
    assert not any((tmp_path / file).exists() for file in FOUND)
    record(tmp_path, "hyperliquid", 2)
    start(tmp_path, "sim", None)
    assert [(tmp_path / file).read_text() for file in FOUND] == ["sim"] * 3


def test_unmarked_data_counts_as_real_and_is_never_given_to_a_simulation(tmp_path: Path) -> None:
    record(tmp_path, "hyperliquid", 1)
    line = data_folder.claim(tmp_path, "sim")
    assert line is not None and "hyperliquid data moved" in line
    assert contents(tmp_path) == []
    assert data_folder.claim(tmp_path, "sim") is None
