"""Files: day roll, repair, foreign files, bounded handles, a disk that refuses."""

import errno
import os
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from services.harvester.archive import Archive
from services.harvester.core import Close, Closed, Failed, Flush, MovedAside, Repaired, Resumed
from services.harvester.rows import Row, trade_row
from shared.data_files import DEPTH, TICKS, TRADES
from shared.messages import Trade

T = 1771733346055
MIDNIGHT = 1771804800000
TRADES_FILE = "trades/BTC/2026-02-22.csv"


def trade(tid: int, time_ms: int = T, coin: str = "BTC") -> Row:
    return trade_row(coin, Trade(Decimal("68020.5"), Decimal(1), "B", time_ms, tid))


def tick(time_ms: int, coin: str = "BTC") -> Row:
    line = f"{time_ms},{coin},1.0,2.0,1.5,6666.6667"
    return Row(TICKS, coin, time_ms, line, line)


def lines(path: Path) -> list[str]:
    text = path.read_text()
    assert text.endswith("\n")
    return text.split("\n")[:-1]


def tids(path: Path) -> list[str]:
    header, *rows = lines(path)
    assert header == TRADES.header
    return [row.rsplit(",", 1)[1] for row in rows]


def test_trades_are_on_disk_when_apply_returns_and_ticks_after_a_flush(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    assert archive.apply([trade(1), tick(T)]) == []
    assert tids(tmp_path / TRADES_FILE) == ["1"]
    assert lines(tmp_path / "ticks/BTC/2026-02-22.csv") == [TICKS.header]
    archive.apply([Flush()])
    assert lines(tmp_path / "ticks/BTC/2026-02-22.csv") == [TICKS.header, tick(T).line]
    assert archive.apply([Close()]) == [Closed(2)]


def test_headers_are_the_contract() -> None:
    assert TICKS.header == "timestamp_ms,coin,bid,ask,mid,spread_bps"
    assert TRADES.header == "timestamp_ms,coin,px,sz,side,tid"
    assert DEPTH.header.startswith("timestamp_ms,coin,bid_px_1,bid_sz_1,bid_px_2,")
    assert DEPTH.header.endswith(",ask_px_5,ask_sz_5") and DEPTH.header.count(",") == 21


def test_the_day_rolls_with_the_rows_and_late_trades_go_back(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.apply([trade(1, MIDNIGHT - 1), trade(2, MIDNIGHT), trade(3, MIDNIGHT - 1), trade(1, MIDNIGHT - 1)])
    assert tids(tmp_path / TRADES_FILE) == ["1", "3"]
    assert tids(tmp_path / "trades/BTC/2026-02-23.csv") == ["2"]


def test_a_redelivered_trade_is_not_written_twice_by_the_same_process_or_the_next(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.apply([trade(1), trade(2), trade(1)])
    archive.apply([trade(2)])
    Archive(tmp_path).apply([trade(1), trade(2), trade(3)])
    assert tids(tmp_path / TRADES_FILE) == ["1", "2", "3"]


def test_more_trades_than_are_remembered_are_still_not_doubled(tmp_path: Path) -> None:
    many = [trade(i, T + i) for i in range(3 * TRADES.remembered)]
    archive = Archive(tmp_path)
    archive.apply(many)
    archive.apply(many)
    Archive(tmp_path).apply([*many, trade(10**6, T + 10**5)])
    assert tids(tmp_path / TRADES_FILE) == [str(i) for i in range(len(many))] + [str(10**6)]


@pytest.mark.parametrize(
    "torn",
    [
        b"17717333",
        b"1771733346999,BTC,68020.5,1.0,B,9",
        b"1771733346999,BTC,68020.5\n",
        b"\0" * 5000,
        b"\0" * 600_000,
        b"x,BTC,1.0,1.0,B,9\n\0\0\n",
        b"\xff\xfe,,,,,\n",
    ],
)
def test_a_torn_end_is_cut_off_and_said(tmp_path: Path, torn: bytes) -> None:
    Archive(tmp_path).apply([trade(1), trade(2)])
    with (tmp_path / TRADES_FILE).open("ab") as file:
        file.write(torn)
    results = Archive(tmp_path).apply([trade(2), trade(3)])
    assert results == [Repaired(tmp_path / TRADES_FILE, len(torn))]
    assert tids(tmp_path / TRADES_FILE) == ["1", "2", "3"]


@pytest.mark.parametrize("size", range(len(TRADES.header) + 1))
def test_a_torn_header_is_repaired(tmp_path: Path, size: int) -> None:
    path = tmp_path / TRADES_FILE
    path.parent.mkdir(parents=True)
    path.write_text(TRADES.header[:size])
    results = Archive(tmp_path).apply([trade(1)])
    assert results == ([Repaired(path, size)] if size else [])
    assert tids(path) == ["1"]


def test_a_foreign_file_is_moved_aside_and_never_appended_to(tmp_path: Path) -> None:
    path = tmp_path / TRADES_FILE
    path.parent.mkdir(parents=True)
    for number in (1, 2):
        path.write_text(f"time,price\n{number},2\n")
        results = Archive(tmp_path).apply([trade(1)])
        aside = path.with_name(f"2026-02-22.csv.foreign-{number}")
        assert results == [MovedAside(path, aside, "time,price")]
        assert aside.read_text() == f"time,price\n{number},2\n"
        assert tids(path) == ["1"]


def test_open_files_are_bounded(tmp_path: Path) -> None:
    archive = Archive(tmp_path, max_open_files=3)
    coins = [f"C{i}" for i in range(10)]
    before = len(os.listdir("/proc/self/fd"))
    for turn in range(3):
        archive.apply([trade(turn, coin=coin) for coin in coins])
        assert len(os.listdir("/proc/self/fd")) <= before + 3
    assert archive.apply([Close()]) == [Closed(30)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(tids(tmp_path / f"trades/{coin}/2026-02-22.csv") == ["0", "1", "2"] for coin in coins)


class FullDisk:
    """`os.write` on a disk with `free` bytes left: a short write first, then ENOSPC."""

    def __init__(self, free: int) -> None:
        self.free, self._write = free, os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if not self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, bytes(data)[: self.free])
        self.free -= written
        return written


@pytest.mark.parametrize("free", [0, 10, 33, 34, 60, 100, 150])
def test_a_full_disk_loses_only_what_it_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    archive = Archive(tmp_path)
    disk = FullDisk(free)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", disk)
        (failed,) = archive.apply([trade(i, T + i) for i in range(5)])
    assert isinstance(failed, Failed) and "No space left" in failed.reason
    assert archive.rows == 5 - failed.lost_rows
    path = tmp_path / TRADES_FILE
    assert not path.exists() or path.read_bytes().endswith(b"\n")
    results = archive.apply([trade(9, T + 9)])
    assert [type(result) for result in results] == [Resumed]
    assert tids(path) == [str(i) for i in range(archive.rows - 1)] + ["9"]


def test_rows_waiting_for_a_flush_count_as_lost_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)
    archive.apply([tick(T), tick(T + 1, "ETH")])
    monkeypatch.setattr(os, "write", FullDisk(0))
    (failed,) = archive.apply([trade(1), tick(T + 2), tick(T + 3)])
    assert isinstance(failed, Failed) and failed.lost_rows == 5


def test_a_really_full_file_system(tmp_path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        archive = Archive(tmp_path)
        batches = [[trade(i * 100 + j, T + i) for j in range(100)] for i in range(40)]
        failed = [result for batch in batches for result in archive.apply(batch) if isinstance(result, Failed)]
        assert failed and "No space left" in failed[0].reason
        assert archive.rows + sum(result.lost_rows for result in failed) == 4000
        assert os.statvfs(tmp_path).f_bavail == 0
        subprocess.run(["mount", "-o", "remount,size=1m", str(tmp_path)], check=True)
        assert any(isinstance(result, Resumed) for result in archive.apply([trade(10**6, T + 10**6)]))
        assert len(tids(tmp_path / TRADES_FILE)) == archive.rows
        archive.apply([Close()])
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        (result,) = archive.apply([trade(10**6 + 1, T + 10**6 + 1)])
        assert isinstance(result, Failed) and "Read-only file system" in result.reason and result.lost_rows == 1
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_folder_that_cannot_be_made_is_a_failure_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "trades").write_text("in the way")
    (failed,) = Archive(tmp_path).apply([trade(1)])
    assert isinstance(failed, Failed) and str(tmp_path) in failed.reason and failed.lost_rows == 1
