"""Recordings of raw frames: nothing flushed is lost, damage is named, and what is read is what was received."""

import errno
import gzip
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker import tape as tape_module
from market_maker.tape import Tape
from services.venue.market.feed import Hole, NothingRecorded, Part
from services.venue.market.frames import CONNECTED, Frames, Header, lost
from services.venue.market.replay import days_of, open_recording
from shared.errors import DataError
from shared.hyperliquid.wire import ActiveAssetCtx, L2Book
from shared.messages import CoinMeta

T0 = 1_772_323_199_000.0
"""2026-02-28 23:59:59 UTC."""
HEADER = Header(venue="sim", url="", coins=(CoinMeta("BTC", 5, 40), CoinMeta("ETH", 4, 25)), started_ms=int(T0))


def book(time_ms: float, coin: str = "BTC", bid: int = 100, fast: bool = False, levels: int = 1) -> bytes:
    def side(first: int, step: int) -> str:
        return ",".join(f'{{"px":"{first + step * i}","sz":"1","n":1}}' for i in range(levels))

    mark = ',"fast":true' if fast else ""
    sides = f"[[{side(bid, -1)}],[{side(bid + 1, 1)}]]"
    return (
        f'{{"channel":"l2Book","data":{{"coin":"{coin}","time":{time_ms:.0f},"levels":{sides}{mark}}}}}'.encode()
    )


def trade(time_ms: float, tid: int) -> bytes:
    data = f'{{"coin":"BTC","side":"B","px":"101","sz":"1","time":{time_ms:.0f},"tid":{tid}}}'
    return f'{{"channel":"trades","data":[{data}]}}'.encode()


def recorded(folder: Path, lines: list[tuple[float, bytes]]) -> Frames:
    tape = Tape(folder, HEADER, b"[]")
    for moment, frame in lines:
        tape.note(moment, frame)
    tape.close()
    found = open_recording(folder)
    assert isinstance(found, Frames)
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 9e6), min_size=1, max_size=30))
def test_frames_and_their_times_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, after_ms: list[float]
) -> None:
    noted = [(T0 + ms, book(T0 + ms)) for ms in sorted(after_ms)]
    read = list(recorded(tmp_path_factory.mktemp("tape"), noted).lines())
    assert [(line.received_ms, line.frame.encode()) for line in read] == noted


def test_a_new_hour_and_a_large_file_begin_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_module, "FLUSH_BYTES", 1)
    monkeypatch.setattr(tape_module, "FILE_BYTES", 200)
    noted = [(T0 + 500.0 * i, book(T0 + i)) for i in range(12)]
    read = recorded(tmp_path / "r", noted)
    names = sorted(path.name for path in (tmp_path / "r").glob("*.gz"))
    assert names[0] == "frames-20260228T235959-000.gz" and "frames-20260301T000000-000.gz" in names
    assert len(names) > 3
    assert [line.received_ms for line in read.lines()] == [moment for moment, _ in noted]


def test_what_was_flushed_survives_a_kill_at_any_byte(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "r", HEADER, b"[]")
    sizes = []
    for i in range(6):
        tape.note(T0 + i, book(T0 + i))
        tape.flush(T0 + i)
        sizes.append(tape.bytes_written)
    tape.note(T0 + 9, book(T0 + 9))  # never flushed: the process dies here
    (file,) = (tmp_path / "r").glob("*.gz")
    whole = file.read_bytes()
    for cut in range(sizes[0], len(whole) + 1, 7):
        file.write_bytes(whole[:cut])
        frames = Frames(tmp_path / "r", (file,))
        flushed = sum(size <= cut for size in sizes)
        assert len(list(frames.lines())) >= flushed
        assert bool(frames.warnings) == (cut not in sizes)
    tape.close()


def test_a_full_disk_is_an_error_and_what_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape(tmp_path / "r", HEADER, b"[]")
    tape.note(T0, book(T0))
    tape.flush(T0)
    real, calls = os.write, []

    def full(fd: int, data: bytes) -> int:
        calls.append(fd)
        if len(calls) == 1:
            return real(fd, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    tape.note(T0 + 1, book(T0 + 1))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(DataError, match="No space left.*stays and can be replayed"):
            tape.flush(T0 + 1)
    tape.close()
    frames = open_recording(tmp_path / "r")
    assert frames.warnings == [] and frames.end_ms == int(T0)


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    with pytest.raises(DataError, match="not empty.*new folder"):
        Tape(tmp_path, HEADER, b"[]")


def test_days_and_coins_are_cut_out(tmp_path: Path) -> None:
    noted = [
        (T0, book(T0)),
        (T0 + 1, book(T0, "ETH")),
        (T0 + 1000, book(T0 + 1000)),
        (T0 + 90_000, book(T0 + 2000)),
    ]
    frames = recorded(tmp_path / "r", noted)
    assert days_of(frames) == [date(2026, 2, 28), date(2026, 3, 1)]
    second = open_recording(tmp_path / "r", Part(since=date(2026, 3, 1), coins=("BTC",)))
    assert isinstance(second, Frames)
    assert [line.received_ms for line in second.lines()] == [T0 + 1000, T0 + 90_000]
    assert [meta.coin for meta in second.coins] == ["BTC"]
    assert (second.start_ms, second.end_ms) == (int(T0) + 1000, int(T0) + 90_000)
    with pytest.raises(NothingRecorded):
        open_recording(tmp_path / "r", Part(since=date(2026, 3, 2)))
    with pytest.raises(DataError, match="no frames of DOGE; there are BTC, ETH"):
        open_recording(tmp_path / "r", Part(coins=("DOGE",)))


def test_as_a_market_fast_books_keep_the_levels_behind_and_old_prints_stay_out(tmp_path: Path) -> None:
    frames = recorded(
        tmp_path / "r",
        [
            (T0, CONNECTED),
            (T0 + 1, trade(T0 - 9000, 1)),
            (T0 + 2, book(T0, levels=8)),
            (T0 + 3, trade(T0 - 9000, 1)),
            (T0 + 500, trade(T0 + 400, 2)),
            (T0 + 501, book(T0 + 500, bid=99, fast=True, levels=5)),
            (T0 + 600, lost("cut")),
            (T0 + 9000, CONNECTED),
            (T0 + 9001, trade(T0 + 400, 2)),
            (T0 + 9002, b"not json"),
            (T0 + 9003, book(T0 + 9000)),
            (T0 + 9100, trade(T0 + 9050, 3)),
        ],
    )
    raw = [event for _, event in frames.raw()]
    assert [event[0].tid for event in raw if isinstance(event, tuple)] == [2, 3]
    books = [event for event in raw if isinstance(event, L2Book)]
    assert [int(level.px) for level in books[1].levels[0]] == [99, 98, 97, 96, 95, 94, 93]
    assert [int(level.px) for level in books[1].levels[1]] == [100, 101, 102, 103, 104, 105, 106, 107, 108]
    assert not any(book.fast for book in books)
    assert [event for event in raw if isinstance(event, Hole)] == [Hole("BTC", int(T0) + 501, int(T0) + 9000)]


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "btcusd_20260228.gz"
    path.write_bytes(gzip.compress(b"1772323199000000000 " + book(T0) + b"\nhello\n" + b"x y\n"))
    with pytest.raises(DataError, match=r"btcusd_20260228\.gz: line 2"):
        list(open_recording(tmp_path).raw())


def test_real_frames_without_a_header_are_a_recording(recordings: Path) -> None:
    frames = open_recording(recordings / "hl-20250126-btc-rawws")
    assert isinstance(frames, Frames)
    assert [meta.coin for meta in frames.coins] == ["BTC"] and frames.warnings == []
    raw = list(frames.raw())
    assert sum(isinstance(event, L2Book) for _, event in raw) >= 40
    assert sum(isinstance(event, ActiveAssetCtx) for _, event in raw) >= 20, "made up once a second"
    assert all(
        trade.time >= frames.start_ms - 1000 for _, event in raw if isinstance(event, tuple) for trade in event
    )
