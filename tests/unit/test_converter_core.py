"""When a conversion runs, and what is said about it; the child process behind it."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.converter.budget import Stock, forecast
from services.converter.config import ConverterConfig
from services.converter.core import (
    Analyze,
    Analyzed,
    Broken,
    Convert,
    Converter,
    Finished,
    Look,
    NotAnalyzed,
)
from services.converter.door import ChildDoor
from shared.config import load
from shared.errors import ConfigError
from shared.messages import Event
from shared.service import Started, Tick

CONVERT = Convert()
GB = 10**9


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def running_at(core: Converter, text: str) -> bool:
    return Convert() in core.step(at(text), Tick())


def test_once_after_the_start_and_then_daily() -> None:
    core = Converter(ConverterConfig())
    assert not running_at(core, "2026-02-22T09:59:00")
    core.step(at("2026-02-22T10:00:00"), Started())
    assert not running_at(core, "2026-02-22T10:00:59")
    assert running_at(core, "2026-02-22T10:01:00")
    assert not running_at(core, "2026-02-22T10:05:00")  # still at it
    event, then = core.step(at("2026-02-22T10:06:00"), Finished(files=3, rows=10, ratio=7.123, seconds=4.0))
    assert then == Analyze()
    assert isinstance(event, Event) and event.tag == "CONVERTER" and event.level == "info"
    assert (event.fields["rows"], event.fields["ratio"]) == (10, 7.1)
    assert not running_at(core, "2026-02-23T00:09:59")
    assert running_at(core, "2026-02-23T00:10:00")


def test_with_nothing_to_do_it_says_that_and_no_row_of_zeros() -> None:
    (event,) = Converter(ConverterConfig()).step(at("2026-02-22T10:06:00"), Finished())
    assert isinstance(event, Event)
    assert (event.text, event.fields) == ("nothing to convert yet", {})


def test_a_start_just_before_the_daily_time_runs_again_at_it() -> None:
    core = Converter(ConverterConfig())
    core.step(at("2026-02-22T00:04:00"), Started())
    assert running_at(core, "2026-02-22T00:05:00")
    core.step(at("2026-02-22T00:05:30"), Finished())
    assert running_at(core, "2026-02-22T00:10:00")


def test_a_failure_is_an_error_and_is_repeated_within_the_hour() -> None:
    core = Converter(ConverterConfig(converter_daily_utc="03:30"))
    core.step(at("2026-02-22T10:00:00"), Started())
    assert running_at(core, "2026-02-22T10:01:00")
    (event,) = core.step(at("2026-02-22T10:02:00"), Broken("no space left"))
    assert isinstance(event, Event) and event.level == "error"
    assert event.text == "conversion failed: no space left; CSV files are kept, next try 11:02 UTC"
    assert not running_at(core, "2026-02-22T11:01:59")
    assert running_at(core, "2026-02-22T11:02:00")


def test_damaged_lines_make_it_a_warning() -> None:
    event, _ = Converter(ConverterConfig()).step(0, Finished(files=1, bad_lines=2))
    assert isinstance(event, Event) and event.level == "warning" and "2 damaged lines" in event.text


@pytest.mark.parametrize(("files", "nightly"), [(1, True), (0, True), (1, False)])
def test_only_new_data_is_analysed_and_only_if_wanted(files: int, nightly: bool) -> None:
    core = Converter(ConverterConfig(nightly_analysis=nightly))
    assert (Analyze() in core.step(0, Finished(files=files, removed=1))) == (files > 0 and nightly)


def test_a_failed_analysis_is_told_and_stops_nothing() -> None:
    core = Converter(ConverterConfig())
    core.step(at("2026-02-22T10:00:00"), Started())
    (good,) = core.step(0, Analyzed(coins=30, seconds=12.5))
    (bad,) = core.step(0, NotAnalyzed("no module"))
    assert isinstance(good, Event) and (good.tag, good.level, good.fields["coins"]) == ("ANALYSIS", "info", 30)
    assert isinstance(bad, Event) and (bad.tag, bad.level) == ("ANALYSIS", "warning") and "no module" in bad.text
    assert running_at(core, "2026-02-22T10:01:00")


def test_the_disk_is_looked_at_every_hour_and_spoken_of_once_a_day() -> None:
    core = Converter(ConverterConfig(disk_warn_days=7))
    core.step(at("2026-02-22T10:00:00"), Started())

    def looked(text: str, free_gb: float) -> list[tuple[str, str]]:
        assert Look() in core.step(at(text), Tick())
        seen = forecast(Stock(int(free_gb * GB), 2 * GB, 0.25 * GB, 3, 9), core._config)
        events = [event for event in core.step(at(text), seen) if isinstance(event, Event)]
        assert all(event.fields["free_gb"] == free_gb and event.fields["days_left"] > 0 for event in events)
        return [(event.tag, event.level) for event in events]

    assert looked("2026-02-22T10:01:00", 10) == []
    assert Look() not in core.step(at("2026-02-22T11:00:00"), Tick())
    assert looked("2026-02-22T11:01:00", 1.7) == [("DISK", "warning")]
    assert looked("2026-02-22T12:01:00", 1.7) == []
    assert looked("2026-02-23T11:01:00", 1.4) == [("DISK", "warning")]
    assert looked("2026-02-23T12:01:00", 0.2) == [("DISK", "error")]
    assert looked("2026-02-23T13:01:00", 0.2) == [("DISK", "error")]
    assert looked("2026-02-23T14:01:00", 10) == [("DISK", "info")]
    assert looked("2026-02-23T15:01:00", 10) == []


def test_settings_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_CSV_RETENTION_DAYS", "5")
    assert load(ConverterConfig).csv_retention_days == 5
    monkeypatch.setenv("MM_CONVERTER_DAILY_UTC", "24:00")
    with pytest.raises(ConfigError, match="converter_daily_utc"):
        load(ConverterConfig)


class Port:
    def __init__(self) -> None:
        self.results: asyncio.Queue[object] = asyncio.Queue()

    async def handle(self, *inputs: object) -> None:
        for value in inputs:
            self.results.put_nowait(value)

    def stop(self, error: Exception | None = None) -> None:
        raise AssertionError("not asked for")


async def result_of(door: ChildDoor, wanted: Convert | Analyze = CONVERT) -> object:
    port = Port()
    assert await door.apply([wanted]) == ()
    runner = asyncio.create_task(door.run(port))
    try:
        async with asyncio.timeout(30):
            return await port.results.get()
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)


async def test_the_child_converts_and_reports(tmp_path: Path) -> None:
    path = tmp_path / "ticks/BTC/2026-02-22.csv"
    path.parent.mkdir(parents=True)
    path.write_text("timestamp_ms,coin,bid,ask,mid,spread_bps\n1771733346055,BTC,68020.0,68021.0,68020.5,0.147\n")
    config = ConverterConfig(data_dir=tmp_path, csv_retention_days=100_000)
    result = await result_of(ChildDoor(config, Converter(config)))
    assert isinstance(result, Finished) and (result.files, result.rows, result.removed) == (1, 1, 0)
    assert (tmp_path / "parquet/BTC/2026-02-22.parquet").exists() and path.exists()
    assert await result_of(ChildDoor(config, Converter(config))) == Finished(seconds=pytest.approx(0, abs=30))


async def test_a_failing_child_is_told_with_its_first_line(tmp_path: Path) -> None:
    config = ConverterConfig(data_dir=tmp_path / "nowhere")
    result = await result_of(ChildDoor(config, Converter(config)))
    assert isinstance(result, Broken) and "no such folder" in result.reason and "[exit code 1]" in result.reason


async def test_stopping_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"
    (tmp_path / "endless_child.py").write_text(
        "import os, pathlib, signal\n"
        f"path = pathlib.Path({str(pid_file)!r})\n"
        "path.with_suffix('.new').write_text(str(os.getpid()))\n"
        "path.with_suffix('.new').rename(path)\n"
        "signal.pause()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = ConverterConfig(data_dir=tmp_path)
    door = ChildDoor(config, Converter(config), module="endless_child")
    runner = asyncio.create_task(door.run(Port()))
    await door.apply([Convert()])
    async with asyncio.timeout(10):
        while not pid_file.exists():
            await asyncio.sleep(0.02)
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_the_disk_is_looked_at_on_the_spot(tmp_path: Path) -> None:
    config = ConverterConfig(data_dir=tmp_path)
    (seen,) = await ChildDoor(config, Converter(config)).apply([Look()])
    assert seen == forecast(Stock(seen.stock.free), config) and seen.stock.free > 0
    gone = ConverterConfig(data_dir=tmp_path / "nowhere")
    assert await ChildDoor(gone, Converter(gone)).apply([Look()]) == ()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("print('thinking'); print('{\"coins\": 4, \"seconds\": 1.5}')", Analyzed(coins=4, seconds=1.5)),
        ('print(\'{"coins": 0, "seconds": 0.1}\'); raise SystemExit(2)', Analyzed(coins=0, seconds=0.1)),
        ("raise SystemExit('error: no ticks')", NotAnalyzed("no ticks [exit code 1]")),
        ("print('{}')", NotAnalyzed("unreadable summary: Object missing required field `coins`")),
        ("", NotAnalyzed("unreadable summary: Input data was truncated")),
    ],
)
async def test_the_analysis_is_a_child_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, told: object
) -> None:
    (tmp_path / "nightly_stand_in.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = ConverterConfig(data_dir=tmp_path)
    assert await result_of(ChildDoor(config, Converter(config), analysis="nightly_stand_in"), Analyze()) == told
