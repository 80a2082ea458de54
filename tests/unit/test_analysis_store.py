"""Opening a data folder for analysis: what counts, what is left out, and that nothing counts twice."""

from datetime import date
from pathlib import Path

import pytest

from analysis.store import TEMPORARY, Store, open_store
from services.converter.days import Day
from services.converter.source import DayCsv
from shared.clock import ms_of_day
from shared.data_files import DEPTH, TICKS, TRADES, Family
from shared.errors import DataError

DAY = date(2026, 2, 22)
T0 = ms_of_day(DAY)


def tick(ms: int, bid: float, ask: float, coin: str = "BTC") -> str:
    return f"{T0 + ms},{coin},{bid},{ask},{(bid + ask) / 2},1.0\n"


def trade(ms: int, px: float, tid: int, coin: str = "BTC", side: str = "B") -> str:
    return f"{T0 + ms},{coin},{px},1.0,{side},{tid}\n"


def write(folder: Path, family: Family, lines: str, coin: str = "BTC") -> Path:
    path = family.csv_path(folder, coin, DAY)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{family.header}\n{lines}")
    return path


def convert(family: Family, path: Path) -> None:
    Day(path.parents[2], DayCsv(family, path)).convert(still_written=False)


def times(store: Store, table: str) -> list[int]:
    return [row[0] - T0 for row in store.sql(f"SELECT timestamp_ms FROM {table} ORDER BY 1").fetchall()]


def test_a_day_reads_the_same_before_and_after_conversion(tmp_path: Path) -> None:
    files = [
        (TICKS, write(tmp_path, TICKS, "".join(tick(500 * i, 100 + i, 101 + i) for i in range(50)))),
        (TRADES, write(tmp_path, TRADES, "".join(trade(700 * i, 100.5, i) for i in range(30)))),
        (DEPTH, write(tmp_path, DEPTH, f"{T0},BTC,100,1{',' * 8},101,2{',' * 8}\n")),
    ]
    answers = []
    for _ in range(2):
        with open_store(tmp_path) as store:
            rows = [store.sql(f"SELECT * FROM {family.name} ORDER BY ALL").fetchall() for family, _ in files]
            answers.append((rows, store.hours, store.span, store.skipped))
        for family, path in files:
            if path.exists():
                convert(family, path)
                path.unlink()
    assert answers[0] == answers[1] and all(answers[0][0])


@pytest.mark.parametrize("end", ["1771", f"{T0 + 900},BTC,100,101,100.5,1."])
def test_a_torn_last_line_is_no_row(tmp_path: Path, end: str) -> None:
    write(tmp_path, TICKS, tick(0, 100, 101) + tick(500, 100, 101) + end)
    with open_store(tmp_path) as store:
        assert times(store, "ticks") == [0, 500]


def test_a_day_in_both_forms_counts_once_and_a_csv_that_went_on_counts_whole(tmp_path: Path) -> None:
    path = write(tmp_path, TICKS, tick(0, 100, 101) + tick(500, 100, 101))
    convert(TICKS, path)
    with open_store(tmp_path) as store:
        assert times(store, "ticks") == [0, 500]
    with path.open("a") as file:
        file.write(tick(1000, 100, 101))
    with open_store(tmp_path) as store:
        assert times(store, "ticks") == [0, 500, 1000]


def test_a_coin_without_a_good_tick_is_none_and_some_of_several_may_be_enough(tmp_path: Path) -> None:
    for coin, lines in (("BTC", tick(0, 100, 101)), ("ETH", ""), ("SOL", tick(0, 102, 101, "SOL"))):
        write(tmp_path, TICKS, lines, coin)
    with open_store(tmp_path) as store:
        assert store.coins == ("BTC",)
    with open_store(tmp_path, ["BTC", "ETH"], some=True) as store:
        assert store.coins == ("BTC",)
    for coins, some in ((["BTC", "ETH"], False), (["ETH", "SOL"], True)):
        with pytest.raises(DataError, match="no ticks of ETH"):
            open_store(tmp_path, coins, some=some)


def test_what_is_no_market_is_left_out_and_counted(tmp_path: Path) -> None:
    lines = [tick(0, 100, 101), tick(500, 102, 101), tick(1000, 100, 101), tick(600, 100, 101), "nonsense\n"]
    write(tmp_path, TICKS, "".join(lines) + tick(1500, 100, 101))
    write(tmp_path, TRADES, trade(900, 100, 1) + trade(300, 101, 2) + trade(900, 100, 1))
    with open_store(tmp_path) as store:
        assert times(store, "ticks") == [0, 1000, 1500]
        assert times(store, "trades") == [300, 900]
        csv = f"ticks/BTC/{DAY}.csv"
        assert set(store.skipped) == {
            (csv, "line that is no row", 1),
            (csv, "row that goes back in time", 1),
            ("ticks of BTC", "crossed book", 1),
            ("trades of BTC", "a trade that is there already", 1),
        }


@pytest.mark.parametrize("as_parquet", [False, True])
def test_a_price_ten_times_away_is_left_out_and_counted(tmp_path: Path, as_parquet: bool) -> None:
    wrong = {20: 1100.0, 21: 1200.0, 40: 5.0, 59: 109_755.0}
    lines = [tick(500 * i, px := wrong.get(i, 100.0), px + 1) for i in range(60)]
    path = write(tmp_path, TICKS, "".join([*lines[:10], tick(4600, 102, 101), *lines[10:]]))
    if as_parquet:
        convert(TICKS, path)
        path.unlink()
    with open_store(tmp_path) as store:
        assert times(store, "ticks") == [500 * i for i in range(60) if i not in wrong]
        assert ("ticks of BTC", "price 10 times away from those around it", 4) in store.skipped
        assert ("ticks of BTC", "crossed book", 1) in store.skipped


def test_a_price_that_stays_where_it_went_is_one(tmp_path: Path) -> None:
    lines = [tick(500 * i, px := 100.0 if i < 30 else 5000.0, px + 1) for i in range(60)]
    write(tmp_path, TICKS, "".join(lines))
    with open_store(tmp_path) as store:
        assert len(times(store, "ticks")) == 60 and store.skipped == ()


def test_hours_leave_out_holes(tmp_path: Path) -> None:
    write(tmp_path, TICKS, "".join(tick(ms, 100, 101) for ms in (0, 500, 1000, 61_000, 62_000)))
    with open_store(tmp_path) as store:
        assert store.hours == {"BTC": pytest.approx(2.0 / 3600)}


def test_coins_and_days_that_were_asked_for(tmp_path: Path) -> None:
    write(tmp_path, TICKS, tick(0, 100, 101))
    write(tmp_path, TICKS, tick(0, 10, 11, "xyz:TSLA"), "xyz:TSLA")
    with open_store(tmp_path) as store:
        assert store.coins == ("BTC", "xyz:TSLA")
    with open_store(tmp_path, coins=["xyz:TSLA"], since=DAY, until=DAY) as store:
        assert store.coins == ("xyz:TSLA",) and store.sql("SELECT max(ask) FROM ticks").fetchall() == [(11.0,)]


def test_errors_name_the_folder_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder; .*start_mm_bot.sh"):
        open_store(tmp_path / "nowhere")
    with pytest.raises(DataError, match="nothing was recorded"):
        open_store(tmp_path)
    write(tmp_path, TICKS, tick(0, 100, 101))
    with pytest.raises(DataError, match=r"no ticks of DOGE; there are BTC, 2026-02-22"):
        open_store(tmp_path, coins=["DOGE"])
    with pytest.raises(DataError, match="in the days asked for"):
        open_store(tmp_path, since=date(2026, 3, 1))


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_used(tmp_path: Path) -> None:
    write(tmp_path, TICKS, tick(0, 100, 101))
    broken = TICKS.parquet_path(tmp_path, "ETH", DAY)
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no Parquet")
    write(tmp_path, TICKS, tick(0, 1, 2, "SOL"), "SOL").write_text("other,header\n1,2\n")
    with open_store(tmp_path) as store:
        assert store.coins == ("BTC",)
        assert {skipped.where for skipped in store.skipped} == {
            f"parquet/ETH/{DAY}.parquet",
            f"ticks/SOL/{DAY}.csv",
        }


def test_nothing_temporary_is_left_nor_what_a_killed_process_left(tmp_path: Path) -> None:
    write(tmp_path, TICKS, tick(0, 100, 101))
    dead = tmp_path / TEMPORARY / "store-dead"
    dead.mkdir(parents=True)
    (dead / "lock").touch()
    with open_store(tmp_path) as first, open_store(tmp_path) as second:
        assert not dead.exists()
        assert times(first, "ticks") == times(second, "ticks") == [0]
        assert len(list((tmp_path / TEMPORARY).iterdir())) == 2
    assert not list((tmp_path / TEMPORARY).iterdir())
