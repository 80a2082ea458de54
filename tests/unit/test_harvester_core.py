"""What becomes a row, and how a refusing disk is told."""

from decimal import Decimal
from pathlib import Path

import pytest

from services.harvester.config import HarvesterConfig
from services.harvester.core import Close, Failed, Flush, Harvester, Note, Resumed
from services.harvester.rows import Row, day_path, trade_row
from shared.data_files import coin_folder
from shared.messages import Book, Event, Level, Trade, Trades
from shared.service import Started, Stopping, Tick

T = 1771733346055  # 2026-02-22 04:09:06 UTC


def side(*levels: str) -> tuple[Level, ...]:
    return tuple(Level(Decimal(px), Decimal(sz)) for px, sz in (level.split("@")[::-1] for level in levels))


def book(time_ms: int, bids: tuple[Level, ...], asks: tuple[Level, ...], coin: str = "BTC") -> Book:
    return Book(coin=coin, time_ms=time_ms, received_ms=time_ms, epoch=1, bids=bids, asks=asks)


def rows(core: Harvester, *messages: object, now_ms: int = T) -> list[tuple[str, str]]:
    outputs = [output for message in messages for output in core.step(now_ms, message)]
    return [(row.family.name, row.line) for row in outputs if isinstance(row, Row)]


def texts(outputs: object) -> list[str]:
    return [output.text for output in outputs if isinstance(output, Event)]  # type: ignore[attr-defined]


@pytest.fixture
def core() -> Harvester:
    return Harvester(HarvesterConfig(data_dir=Path("records")))


def test_the_row_of_the_architecture_guide(core: Harvester) -> None:
    found = rows(core, book(T, side("1@68020"), side("2.5@68021")))
    assert found == [
        ("ticks", "1771733346055,BTC,68020.0,68021.0,68020.5,0.147"),
        ("depth", "1771733346055,BTC,68020.0,1.0,,,,,,,,,68021.0,2.5,,,,,,,,"),
    ]


def test_tiny_prices_are_plain_digits(core: Harvester) -> None:
    assert rows(core, book(T, side("1@0.0000012"), side("1@0.0000013")))[0][1] == (
        f"{T},BTC,0.0000012,0.0000013,0.00000125,800.0"
    )


def test_size_changes_reach_depth_and_not_ticks(core: Harvester) -> None:
    asks = side("1@101")
    found = rows(core, book(T, side("1@100"), asks), book(T + 70, side("2@100"), asks))
    assert [name for name, _ in found] == ["ticks", "depth", "depth"]


def test_an_unchanged_book_is_recorded_once_per_half_second(core: Harvester) -> None:
    books = [book(T + i * 100, side("1@100"), side("1@101")) for i in range(21)]
    assert [line.split(",")[0] for name, line in rows(core, *books) if name == "ticks"] == [
        str(T + offset) for offset in (0, 500, 1000, 1500, 2000)
    ]


def test_fewer_levels_leave_columns_empty() -> None:
    core = Harvester(HarvesterConfig(harvest_depth_levels=1))
    found = rows(core, book(T, side("1@100", "9@99"), side("1@101", "9@102")))
    assert found[1][1] == f"{T},BTC,100.0,1.0,,,,,,,,,101.0,1.0,,,,,,,,"
    below = book(T + 10, side("1@100", "7@99"), side("1@101", "9@102"))
    assert rows(core, below) == []


def test_an_empty_side_gives_depth_and_no_tick(core: Harvester) -> None:
    assert rows(core, book(T, (), side("1@101"))) == [("depth", f"{T},BTC,,,,,,,,,,,101.0,1.0,,,,,,,,")]


def test_an_older_book_is_ignored(core: Harvester) -> None:
    rows(core, book(T, side("1@100"), side("1@101")))
    assert rows(core, book(T - 1, side("1@99"), side("1@101"))) == []


def test_each_trade_is_a_row(core: Harvester) -> None:
    trades = (
        Trade(Decimal("68020"), Decimal("0.010"), "B", T, 833120162794147),
        Trade(Decimal("68019.5"), Decimal("3"), "A", T, 7),
    )
    assert rows(core, Trades(coin="BTC", received_ms=T, epoch=1, trades=trades)) == [
        ("trades", f"{T},BTC,68020.0,0.01,B,833120162794147"),
        ("trades", f"{T},BTC,68019.5,3.0,A,7"),
    ]


def test_switched_off_records_no_market_and_says_so() -> None:
    core = Harvester(HarvesterConfig(harvest_ticks=False))
    (text,) = texts(core.step(T, Started()))
    assert "no market data (MM_HARVEST_TICKS=false)" in text
    assert rows(core, book(T, side("1@100"), side("1@101"))) == []
    assert list(core.step(T, Tick())) == [Flush()] and list(core.step(T, Stopping())) == [Close()]


def test_settings_come_from_the_fixed_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_HARVEST_TICKS", "false")
    monkeypatch.setenv("MM_HARVEST_DEPTH_LEVELS", "3")
    config = HarvesterConfig()
    assert (config.harvest_ticks, config.harvest_depth_levels) == (False, 3)


def test_ticks_flush_and_stopping_closes(core: Harvester) -> None:
    assert list(core.step(T, Tick())) == [Flush()]
    assert list(core.step(T, Stopping())) == [Close()]


def test_a_refusing_disk_is_said_once_and_everything_lost_is_counted(core: Harvester) -> None:
    def books(start_ms: int) -> list[Book]:
        return [book(start_ms + i * 500, side("1@100"), side("1@101")) for i in range(3)]

    (event,) = core.step(T, Failed("No space left on device (records/ticks)", 4))
    assert isinstance(event, Event) and event.level == "error" and "records" in event.text
    assert "next try every 60 s" in event.text
    assert rows(core, *books(T), now_ms=T + 59_999) == []  # 6 rows
    waiting, *rest = core.step(T + 60_000, Tick())
    assert isinstance(waiting, Note) and waiting.incident.kind == "recording_stopped" and rest == [Flush()]
    assert len(rows(core, *books(T + 60_000), now_ms=T + 60_000)) == 6
    assert not list(core.step(T + 60_000, Failed("No space left on device", 6)))
    assert rows(core, *books(T + 70_000), now_ms=T + 119_999) == []  # 6 rows
    event, note = core.step(T + 121_000, Resumed())
    assert isinstance(note, Note) and note.incident.kind == "recording_resumed"
    assert isinstance(event, Event) and event.text == (
        "harvesting works again; 22 rows since 04:09:06 UTC could not be written"
    )
    assert len(rows(core, *books(T + 130_000), now_ms=T + 122_000)) == 6


def test_coin_folders_are_safe_and_reversible() -> None:
    from urllib.parse import unquote

    names = ["BTC", "kPEPE", "xyz:TSLA", "PURR/USDC", "@107", "..", ".", "%41", "a b"]
    folders = [coin_folder(name) for name in names]
    assert folders[:3] == ["BTC", "kPEPE", "xyz%3ATSLA"]
    assert [unquote(folder) for folder in folders] == names
    assert not any("/" in folder or folder.startswith(".") for folder in folders)


def test_a_row_belongs_to_the_utc_day_of_its_own_time() -> None:
    midnight = 1771804800000
    paths = [
        day_path(Path("d"), trade_row("BTC", Trade(Decimal(1), Decimal(1), "B", time_ms, 1)))
        for time_ms in (midnight - 1, midnight)
    ]
    assert paths == [Path("d/trades/BTC/2026-02-22.csv"), Path("d/trades/BTC/2026-02-23.csv")]
