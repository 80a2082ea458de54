"""How long the disk lasts, from what lies there."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.converter.budget import ASSUMED_RATIO, DAY_MS, Stock, forecast, look
from services.converter.config import ConverterConfig
from shared.clock import ms_of_day
from shared.config import load
from shared.data_files import FILLS, TICKS
from shared.errors import ConfigError

GB = 10**9
TODAY = date(2026, 2, 22)
NOON_MS = ms_of_day(TODAY) + DAY_MS // 2


def days_left(
    free_gb: float, csv_gb: float, parquet_gb: float, csv_days: int, parquet_days: int, keep: int
) -> float:
    stock = Stock(int(free_gb * GB), csv_gb * GB, parquet_gb * GB, csv_days, parquet_days)
    left = forecast(stock, ConverterConfig(csv_retention_days=2, parquet_retention_days=keep)).days_left
    assert left is not None
    return left


def test_days_left_by_hand() -> None:
    assert days_left(10, 2, 0.25, csv_days=3, parquet_days=40, keep=0) == 40  # only Parquet grows
    assert days_left(10, 2, 0.25, csv_days=1, parquet_days=0, keep=0) == 2 + (10 - 2 * 2.25) / 0.25  # CSV to come
    assert days_left(3, 2, 0.25, csv_days=1, parquet_days=0, keep=0) == 1 + 0.75 / 2.25
    assert days_left(10, 2, 0.25, csv_days=3, parquet_days=5, keep=30) == float("inf")  # 25 days more are 6.25 GB
    assert days_left(5, 2, 0.25, csv_days=3, parquet_days=5, keep=30) == 20
    assert days_left(9, 2, 0.25, csv_days=9, parquet_days=9, keep=0) == 4  # CSV is not converted: it stays too


sizes = st.floats(0.001, 50)


@given(sizes, sizes, sizes, st.integers(0, 5), st.integers(0, 50), st.sampled_from((0, 8, 100)))
def test_more_room_or_less_data_never_shortens_it(
    free: float, csv: float, parquet: float, csv_days: int, parquet_days: int, keep: int
) -> None:
    left = days_left(free, csv, parquet, csv_days, parquet_days, keep)
    assert days_left(free * 1.5, csv, parquet, csv_days, parquet_days, keep) >= left
    assert days_left(free, csv * 0.5, parquet * 0.5, csv_days, parquet_days, keep) >= left
    assert free / (csv + parquet) <= left * (1 + 1e-6) + 1e-6


def put(data: Path, folder: str, day: date, size: int, ending: str = "csv") -> None:
    path = data / folder / "BTC" / f"{day}.{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"{TICKS.header}\n{ms_of_day(day)},BTC,".encode()
    path.write_bytes(head.ljust(size, b"1"))


def test_measured_from_the_fullest_of_the_last_finished_days(tmp_path: Path) -> None:
    put(tmp_path, "ticks", TODAY, 1000)
    for ago, size in ((1, 5000), (2, 7000)):
        put(tmp_path, "ticks", TODAY - timedelta(days=ago), size)
        put(tmp_path, FILLS.name, TODAY - timedelta(days=ago), 300)
    for ago, size in ((1, 600), (2, 700), (30, 9000)):
        put(tmp_path, "parquet", TODAY - timedelta(days=ago), size, "parquet")
    (tmp_path / "ticks/BTC/2026-99-99.csv").write_text("no day")
    stock = look(tmp_path, ConverterConfig(), NOON_MS).stock
    assert (stock.csv_per_day, stock.parquet_per_day, stock.csv_days, stock.parquet_days) == (7300, 700, 3, 3)
    assert stock.free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)


def test_the_first_day_counts_as_it_goes(tmp_path: Path) -> None:
    put(tmp_path, "ticks", TODAY, 4000)
    assert look(tmp_path, ConverterConfig(), ms_of_day(TODAY) + 60_000).days_left is None
    stock = look(tmp_path, ConverterConfig(), NOON_MS).stock
    assert (stock.csv_per_day, stock.parquet_per_day) == (8000, 8000 / ASSUMED_RATIO)


def test_what_explains_fills_counts_until_it_goes() -> None:
    def left(there: int) -> float | None:
        return forecast(Stock(int(4.5 * GB), 0, 0, 3, 9, GB, there), ConverterConfig()).days_left

    assert left(0) == 4.5 and left(2) == 4.5
    assert left(4) == float("inf")  # three more until the first goes
    assert left(9) == 4.5  # kept for longer than the default: no end is known


def test_explanations_are_measured(tmp_path: Path) -> None:
    put(tmp_path, "ticks", TODAY - timedelta(days=1), 5000)
    for ago, size in ((0, 400), (1, 900), (2, 500), (20, 3000)):
        put(tmp_path, "explain", TODAY - timedelta(days=ago), size, "jsonl")
    stock = look(tmp_path, ConverterConfig(), NOON_MS).stock
    assert (stock.explain_per_day, stock.explain_days) == (900, 4)


def test_the_line_says_what_to_do_when_it_is_needed() -> None:
    config = ConverterConfig()
    healthy = forecast(Stock(73 * GB, 2.3 * GB, 0.28 * GB, 3, 10), config)
    assert healthy.text(7) == "73.0 GB free, 0.28 GB a day and 2.3 GB of CSV: full in 261 days"
    assert not healthy.is_low(7)
    stuck = forecast(Stock(8 * GB, 2.3 * GB, 0.28 * GB, 9, 10), config)
    assert stuck.is_low(7)
    assert "full in 3 days; CSV of 6 days waits to be converted" in stuck.text(7)
    assert "MM_PARQUET_RETENTION_DAYS" in stuck.text(7)
    assert "full in 22 h" in forecast(Stock(2 * GB, 2.0 * GB, 0.2 * GB, 2, 1), config).text(7)
    nothing = forecast(Stock(GB), config)
    assert nothing.is_low(7) and "too little was recorded lately" in nothing.text(7)
    ends = forecast(Stock(50 * GB, 2 * GB, 0.2 * GB, 3, 30), ConverterConfig(parquet_retention_days=30))
    assert ends.text(7).endswith(": lasts")


def test_a_history_too_short_for_the_analysis_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_PARQUET_RETENTION_DAYS", "3")
    with pytest.raises(ConfigError, match="parquet_retention_days = 3: 0 .for ever., or at least 8"):
        load(ConverterConfig)
