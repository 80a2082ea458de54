"""A disk that fills in the middle of a row."""

import errno
import os
from decimal import Decimal
from pathlib import Path

import pytest

from services.harvester.dayfile import DayFile
from services.harvester.rows import trade_row
from shared.messages import Trade


def test_a_row_written_in_part_is_taken_back_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [trade_row("BTC", Trade(Decimal(1), Decimal(1), "B", number, number)) for number in (1, 2)]
    file = DayFile(tmp_path / "BTC.csv", rows[0].family)
    for row in rows:
        file.append(row)
    room = len(rows[0].line) + 5
    write = os.write

    def until_full(fd: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(fd, data[:room])
        room -= taken
        return taken

    monkeypatch.setattr(os, "write", until_full)
    with pytest.raises(OSError, match="No space left"):
        file.flush()
    file.close()
    assert (tmp_path / "BTC.csv").read_text() == f"{rows[0].family.header}\n{rows[0].line}\n"
    assert file.pending_rows == 1


def test_a_file_whose_header_does_not_fit_is_not_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        DayFile(tmp_path / "BTC.csv", trade_row("BTC", Trade(Decimal(1), Decimal(1), "B", 1, 1)).family)
    assert list(tmp_path.iterdir()) == []
