"""Flights on the disk: once each, bounded, for so many days, through torn ends and a disk that refuses."""

from decimal import Decimal
from pathlib import Path

import pytest

from services.harvester.archive import Archive
from services.harvester.config import HarvesterConfig
from services.harvester.core import Failed, Full, Harvester
from services.harvester.flightfiles import FlightFiles
from shared import flights
from shared.flights import Flight
from shared.messages import Book, Event, Fill, Level
from shared.service import Stopping, Tick

T = 1771733346055  # 2026-02-22
DAY_MS = 86_400_000


def flight(number: int = 1, time_ms: int = T, coin: str = "BTC") -> Flight:
    return Flight(
        fill=Fill(
            coin=coin, fill_id=f"0xa-{number}", seq=number, cloid="0xa", mode="shadow", side="bid", level=1,
            px=Decimal("100.10"), sz=Decimal(1), fee_usd=Decimal("0.015"), mid_px=Decimal(100),
            realized_usd=Decimal(0), position_sz=Decimal(number), time_ms=time_ms,
        ),
    )  # fmt: skip


def kept(folder: Path) -> list[Flight]:
    return [found for file in reversed(flights.files(folder)) for found in flights.read(file)]


def test_each_flight_is_kept_once_over_a_restart(tmp_path: Path) -> None:
    FlightFiles(tmp_path, 7).write([flight(1), flight(2), flight(1)])
    FlightFiles(tmp_path, 7).write([flight(2), flight(3)])
    assert kept(tmp_path) == [flight(1), flight(2), flight(3)]
    assert flights.files(tmp_path) == [tmp_path / "explain/BTC/2026-02-22.jsonl"]


def test_a_torn_end_goes_and_what_it_held_is_written_again(tmp_path: Path) -> None:
    FlightFiles(tmp_path, 7).write([flight(1), flight(2)])
    (file,) = flights.files(tmp_path)
    file.write_bytes(file.read_bytes()[:-20])
    assert kept(tmp_path) == [flight(1)], "a line without its end is none"
    FlightFiles(tmp_path, 7).write([flight(2)])
    assert kept(tmp_path) == [flight(1), flight(2)]


def test_old_days_go_with_the_first_fill_of_a_new_one(tmp_path: Path) -> None:
    files = FlightFiles(tmp_path, 2)
    for day in range(4):
        files.write([flight(day, T + day * DAY_MS, "BTC" if day else "ETH")])
    assert [file.stem for file in flights.files(tmp_path)] == ["2026-02-25", "2026-02-24"]


def test_a_full_day_ends_with_one_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "MAX_DAY_BYTES", 1000)
    archive = Archive(tmp_path)
    results = [result for number in range(9) for result in archive.apply([flight(number)])]
    assert [type(result) for result in results] == [Full]
    (file,) = flights.files(tmp_path)
    assert 0 < file.stat().st_size <= 1000
    assert archive.apply([flight(1, T + DAY_MS)]) == [] and len(flights.files(tmp_path)) == 2, (
        "tomorrow it goes on"
    )
    (line,) = Harvester(HarvesterConfig(data_dir=tmp_path)).step(T, results[0])
    assert isinstance(line, Event) and line.level == "warning" and str(file) in line.text


def test_a_disk_that_refuses_costs_flights_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "explain").write_text("a file where the folder should be")
    (failed,) = Archive(tmp_path).apply([flight(1), flight(2)])
    assert isinstance(failed, Failed) and failed.lost_rows == 2 and not failed.waiting


def test_the_harvester_gives_a_flight_beside_each_fill_unless_that_is_off(tmp_path: Path) -> None:
    levels = (Level(Decimal(100), Decimal(1)),)
    book = Book(coin="BTC", time_ms=T - 5, received_ms=T, epoch=1, bids=levels, asks=levels)
    for days, expected in ((7, 1), (0, 0)):
        core = Harvester(HarvesterConfig(data_dir=tmp_path, harvest_explain_days=days))
        said = [*core.step(T, book), *core.step(T, flight().fill), *core.step(T + 1000, Tick())]
        assert not [one for one in said if isinstance(one, Flight)], "what explains it may still come"
        said = [*core.step(T + 6000, Tick()), *core.step(T + 7000, Stopping())]
        assert len([one for one in said if isinstance(one, Flight)]) == expected
