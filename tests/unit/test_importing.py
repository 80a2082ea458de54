"""Recordings of every known shape become the files that the harvester writes."""

import csv
import gzip
from pathlib import Path

import pytest

from analysis.importing import import_recording
from analysis.recordings import open_any
from analysis.run import Asked, analyse
from analysis.store import open_store
from services.converter.source import DayCsv
from shared.data_files import DEPTH, TICKS, TRADES, import_notes, venue_of
from shared.errors import DataError
from shared.hyperliquid.wire import L2Book


def _gz(path: Path, text: str) -> None:
    with gzip.open(path, "wt") as file:
        file.write(text)


def _rows(data_dir: Path, family: str, coin: str) -> list[dict[str, str]]:
    files = sorted((data_dir / family / coin).glob("*.csv"))
    return [row for file in files for row in csv.DictReader(file.read_text().splitlines())]


@pytest.mark.parametrize(
    ("name", "venue", "coins"),
    [
        ("hl-20250903-4coins", "replay", {"BTC", "ETH", "SOL", "WLFI"}),
        ("hl-20250126-btc-rawws", "replay", {"BTC"}),
        ("aster-20250924-4coins", "aster", {"BTC", "ETH", "ASTER", "USD1"}),
    ],
)
def test_a_recording_becomes_files_that_the_converter_takes(
    recordings: Path, tmp_path: Path, name: str, venue: str, coins: set[str]
) -> None:
    done = import_recording(recordings / name, tmp_path)
    assert set(done.coins) == coins and done.venue == venue_of(tmp_path) == venue
    rows = 0
    for family in (TICKS, TRADES, DEPTH):
        for path in (tmp_path / family.name).rglob("*.csv"):
            for piece in DayCsv(family, path).pieces(path.stat().st_size):
                assert not piece.bad
                rows += piece.table.num_rows
    assert rows == done.rows


def test_prices_are_those_of_the_recording_and_no_print_stands_before_a_book(
    recordings: Path, tmp_path: Path
) -> None:
    import_recording(recordings / "aster-20250924-4coins", tmp_path)
    with gzip.open(recordings / "aster-20250924-4coins" / "trades_BTCUSDT.csv.gz", "rt") as file:
        recorded = {(row["id"], float(row["price"]), row["side"] == "buy") for row in csv.DictReader(file)}
    trades = {(row["tid"], float(row["px"]), row["side"] == "B") for row in _rows(tmp_path, "trades", "BTC")}
    assert trades and trades <= recorded
    first_book = int(_rows(tmp_path, "ticks", "BTC")[0]["timestamp_ms"])
    assert min(int(row["timestamp_ms"]) for row in _rows(tmp_path, "trades", "BTC")) >= first_book


def test_importing_twice_adds_nothing(recordings: Path, tmp_path: Path) -> None:
    import_recording(recordings / "hl-20250126-btc-rawws", tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.csv")}
    import_recording(recordings / "hl-20250126-btc-rawws", tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.csv")}


def test_prices_of_two_markets_do_not_mix(recordings: Path, tmp_path: Path) -> None:
    import_recording(recordings / "hl-20250126-btc-rawws", tmp_path)
    with pytest.raises(DataError, match="needs a new folder"):
        import_recording(recordings / "aster-20250924-4coins", tmp_path)
    (tmp_path / "VENUE").unlink()  # an unmarked folder is the real venue's
    with pytest.raises(DataError, match="holds data of venue hyperliquid"):
        import_recording(recordings / "hl-20250126-btc-rawws", tmp_path)


def test_the_binance_book_is_snapshot_and_differences(tmp_path: Path) -> None:
    def frame(data: str) -> str:
        return f'1 {{"stream":"btcusdt@x","data":{{{data}}}}}\n'

    lines = [
        frame('"e":"depthUpdate","T":999,"u":4,"b":[["90","1"]],"a":[]'),
        '1 {"lastUpdateId":5,"T":1000,"bids":[["100","1"],["99","2"]],"asks":[["101","3"],["102","4"]]}\n',
        frame('"e":"depthUpdate","T":1001,"u":4,"b":[["98","7"]],"a":[]'),
        frame('"e":"depthUpdate","T":1002,"u":6,"b":[["100","0"]],"a":[["100.5","6"]]'),
        frame('"e":"trade","T":1003,"t":1,"p":"100.5","q":"2","m":false'),
    ]
    _gz(tmp_path / "btcusdt_1.gz", "".join(lines))
    venue, recording = open_any(tmp_path)
    (_, book), (_, trades) = recording.raw()
    assert venue == "binance" and isinstance(book, L2Book) and isinstance(trades, tuple)
    bids, asks = ([(float(level.px), float(level.sz)) for level in side] for side in book.levels)
    assert bids == [(99, 2)] and asks == [(100.5, 6), (101, 3), (102, 4)]
    assert trades[0].side == "B"


def test_locked_books_are_left_out_and_said(recordings: Path) -> None:
    _, recording = open_any(recordings / "standx-btc-20260106")
    assert any("locked" in warning and "41%" in warning for warning in recording.warnings)
    sides = set()
    for (_, event), _ in zip(recording.raw(), range(3000), strict=False):
        if isinstance(event, L2Book):
            assert event.levels[0][0].px < event.levels[1][0].px
        elif isinstance(event, tuple):
            sides.add(event[0].side)
    assert sides == {"A", "B"}


def test_what_a_recording_lacks_stays_with_the_folder_and_is_said_by_the_analysis(
    recordings: Path, tmp_path: Path
) -> None:
    name = "standx-btc-20260106"
    done = import_recording(recordings / name, tmp_path)
    import_recording(recordings / name, tmp_path)
    assert done.warnings and import_notes(tmp_path) == [f"{name}: {warning}" for warning in done.warnings]
    with open_store(tmp_path) as store:
        notes = analyse(store, Asked(frozenset({1}), everything=False, queues=False)).about.notes
    assert any("locked" in note and "41%" in note for note in notes)


def test_what_cannot_be_measured_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_any(tmp_path / "none")
    with pytest.raises(
        DataError, match=r"no recording found(.|\n)*prices_COIN(.|\n)*frames-(.|\n)*orderbook_\*USDT"
    ):
        open_any(tmp_path)
    (tmp_path / "node_fills_by_block.jsonl.gz").touch()
    with pytest.raises(DataError, match="without any book"):
        open_any(tmp_path)
    (tmp_path / "ticks").mkdir()
    with pytest.raises(DataError, match="--data"):
        open_any(tmp_path)
