"""The truth log: lines that read back, nothing lost in a change of files, a disk that refuses."""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue import truth
from services.venue.exchange.facts import ActionTaken, AnyFact, BalanceChanged, Disturbed, Matched
from services.venue.truth import TruthLog, read
from shared.errors import ConfigError, DataError


def facts(count: int) -> list[AnyFact]:
    return [
        BalanceChanged(
            time_ms=at, user="0xa", pool="", reason="trade", usd=Decimal(at).scaleb(-6), after_usd=Decimal("1.50")
        )
        for at in range(1, count + 1)
    ]


@pytest.fixture
def warned() -> list[str]:
    return []


def write(path: Path, items: list[AnyFact], part_bytes: int = truth.PART_BYTES) -> None:
    log = TruthLog(path, lambda text: pytest.fail(text), part_bytes)
    for fact in items:
        log.note(fact)
        log.flush()
    log.close()


def test_lines_start_with_their_number_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "truth.jsonl"
    items: list[AnyFact] = [
        Disturbed(time_ms=1, fault="drop", detail="#1 ¡on!\n"),
        ActionTaken(time_ms=2, user="0xa", signer="0xb", nonce=3, action="order", weight=1, reply=["x"]),
        Matched(
            time_ms=3, coin="BTC", px=Decimal("100.10"), sz=Decimal("0.001"), tid=4, hash="0x1", taker_side="B",
            taker="0xa", maker="market", taker_oid=5, maker_oid=6,
        ),
    ]  # fmt: skip
    write(path, items)
    assert path.read_bytes().startswith(b'{"seq":1,"fact":"fault",')
    assert list(read(path)) == [(number, fact) for number, fact in enumerate(items, 1)]


def test_same_facts_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, facts(50))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@given(blocks=st.lists(st.integers(0, 5), max_size=12), part_bytes=st.integers(1, 600))
def test_a_change_of_files_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[int], part_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    log = TruthLog(path, lambda text: pytest.fail(text), part_bytes)
    items = facts(sum(blocks))
    waiting = iter(items)
    for size in blocks:
        for _ in range(size):
            log.note(next(waiting))
        log.flush()
    log.close()
    assert [entry.fact for entry in read(path)] == items
    assert [entry.seq for entry in read(path)] == list(range(1, len(items) + 1))


def test_parts_are_numbered_beyond_nine_in_order(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    write(path, facts(13), part_bytes=1)
    assert (tmp_path / "truth.jsonl.12").exists()
    assert [entry.seq for entry in read(path)] == list(range(1, 14))


def test_an_earlier_run_is_set_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    write(path, facts(3), part_bytes=1)
    write(path, facts(2))
    write(path, facts(1))
    assert [len(list(read(each))) for each in (tmp_path / "truth.jsonl.run-1" / path.name, path)] == [3, 1]
    assert len(list(read(tmp_path / "truth.jsonl.run-2" / path.name))) == 2


@pytest.mark.parametrize("torn", [1, 20, 60])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "truth.jsonl"
    write(path, facts(3))
    path.write_bytes(path.read_bytes()[:-torn])
    assert [entry.seq for entry in read(path)] == [1, 2]


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    write(path, facts(3))
    path.write_bytes(path.read_bytes().replace(b'"time_ms":2', b'"time_ms":x'))
    with pytest.raises(DataError, match="line 2: damaged"):
        list(read(path))
    with pytest.raises(DataError, match="no such file"):
        list(read(tmp_path / "other"))


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="truth_log .MM_TRUTH_LOG.*choose another file"):
        TruthLog(tmp_path / "file" / "truth.jsonl", print)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The bytes that the disk still takes; a write may take a part."""
    free = [10**9]
    real = os.write

    def write_some(file: int, data: bytes) -> int:
        if not free[0]:
            raise OSError(28, "No space left on device")
        done = real(file, data[: free[0]])
        free[0] -= done
        return done

    monkeypatch.setattr(truth.os, "write", write_some)
    yield free


def test_a_full_disk_costs_whole_lines_and_is_told_once(
    tmp_path: Path, warned: list[str], full_disk: list[int]
) -> None:
    path = tmp_path / "truth.jsonl"
    log = TruthLog(path, warned.append)
    for number, fact in enumerate(facts(6), 1):
        if number == 3:
            full_disk[0] = 40
        elif number == 5:
            full_disk[0] = 10**9
        log.note(fact)
        log.flush()
    log.close()
    assert log.lost == 2 and log.seq == 6
    assert [entry.seq for entry in read(path)] == [1, 2, 5, 6]
    assert ["No space left" in text for text in warned] == [True, False] and "2 lines were lost" in warned[1]


def test_a_failing_change_of_files_goes_on_in_the_old_one(
    tmp_path: Path, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "truth.jsonl"
    log = TruthLog(path, warned.append, part_bytes=1)
    items = facts(3)
    log.note(items[0])
    log.flush()
    with monkeypatch.context() as broken:
        broken.setattr(truth, "_create", lambda path: (_ for _ in ()).throw(OSError(24, "Too many open files")))
        log.note(items[1])
        log.flush()
    log.note(items[2])
    log.close()
    assert [entry.seq for entry in read(path)] == [1, 3] and log.lost == 1


def test_the_newest_entries_without_a_file(warned: list[str]) -> None:
    log = TruthLog(None, warned.append)
    for fact in facts(truth.NEWEST + 5):
        log.note(fact)
    log.flush()
    assert [entry.seq for entry in log.after(-2, 10)] == [truth.NEWEST + 4, truth.NEWEST + 5]
    assert [entry.seq for entry in log.after(0, 2)] == [6, 7]
    assert [entry.seq for entry in log.after(100, 2)] == [101, 102]
    assert log.after(truth.NEWEST + 5, 10) == log.after(10**9, 10) == []
