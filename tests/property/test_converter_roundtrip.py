"""What is in a CSV comes out of its Parquet file: every row once, every value; the rest is in quarantine."""

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.converter import source
from services.converter.days import Day
from services.converter.parquet import Sum
from services.converter.source import DayCsv
from shared.clock import ms_of_day
from shared.data_files import FAMILIES, FILLS, Family
from shared.units import wire

DAY = date(2026, 2, 22)
START_MS = ms_of_day(DAY)

decimals = st.decimals(min_value=0, max_value=10**9, places=6).map(wire) | st.decimals(
    min_value=0, max_value=1, places=9
).map(wire)
times = st.integers(START_MS, START_MS + 86_399_999).map(str)
FIELDS = {
    "time": times,
    "coin": st.just("BTC"),
    "decimal": decimals,
    "decimal or empty": decimals | st.just(""),
    "id": st.integers(0, 2**50).map(str),
    "side": st.sampled_from("BA"),
    "word": st.sampled_from(("bid", "ask", "shadow")),
    "text": st.text(st.characters(codec="utf-8", exclude_categories=("Cc",), exclude_characters=","), max_size=8),
}


def good_lines(family: Family) -> st.SearchStrategy[str]:
    return st.tuples(*(FIELDS[kind] for kind in family.columns.values())).map(",".join)


@st.composite
def family_and_lines(draw: st.DrawFn) -> tuple[Family, list[str]]:
    family = draw(st.sampled_from(FAMILIES))
    return family, draw(st.lists(good_lines(family), max_size=30))


@st.composite
def family_and_dirty_lines(draw: st.DrawFn) -> tuple[Family, list[bytes]]:
    """Good lines, good lines with one field replaced, and rubbish."""
    family = draw(st.sampled_from(FAMILIES))
    odd = st.sampled_from(
        [
            "",
            "nan",
            "inf",
            "-inf",
            "1e5",
            "+1",
            "1.",
            ".5",
            "-0.0",
            "007",
            "1.10",
            " 1",
            "1_0",
            "0x1",
            "1" * 30,
            "é",
        ]
        + [
            "-1",
            "0.1" + "0" * 30 + "1",
            "9" * 18,
            "9" * 19,
            '"1"',
            "1,1",
            "\r",
            "\0",
            "\ufeff1",
            "B",
            "BTC",
            "null",
        ]
    )

    def damaged(line: str, place: int, text: str) -> str:
        fields = line.split(",")
        fields[place % len(fields)] = text
        return ",".join(fields)

    good = good_lines(family)
    line = st.one_of(
        good.map(str.encode),
        st.builds(damaged, good, st.integers(0, 21), odd).map(str.encode),
        st.binary(max_size=20).filter(lambda raw: b"\n" not in raw),
    )
    return family, draw(st.lists(line, max_size=12))


def written(folder: Path, family: Family, body: bytes) -> Day:
    path = folder / family.name / "BTC" / f"{DAY}.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(family.header.encode() + b"\n" + body)
    return Day(folder, DayCsv(family, path))


def texts(family: Family, path: Path) -> Counter[tuple[str, ...]]:
    """The rows of a Parquet file as the harvester would print them."""

    def text(value: Any) -> str:
        return "" if value is None else wire(Decimal(repr(value))) if isinstance(value, float) else str(value)

    with pq.ParquetFile(path) as file:
        table = file.read()
    assert table["timestamp_ms"].to_pylist() == sorted(table["timestamp_ms"].to_pylist())
    return Counter(tuple(text(row[name]) for name in family.columns) for row in table.to_pylist())


@pytest.mark.parametrize("piece_bytes", [60, 4096])
@settings(max_examples=25, deadline=None)
@given(data=family_and_lines(), late=st.booleans())
def test_every_row_comes_back(piece_bytes: int, data: tuple[Family, list[str]], late: bool) -> None:
    family, lines = data
    lines = lines if late else sorted(lines)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "PIECE_BYTES", piece_bytes)
        day = written(Path(folder), family, "".join(f"{line}\n" for line in lines).encode())
        done = day.convert(still_written=False)
        assert done is not None and (done.rows, done.bad_lines) == (len(lines), 0)
        assert texts(family, day.parquet) == Counter(tuple(line.split(",")) for line in lines)
        assert day.convert(still_written=False) is None
        day.remove_csv()
        assert not day.csv.path.exists()


@settings(max_examples=80, deadline=None)
@given(data=family_and_dirty_lines(), torn=st.binary(max_size=10).filter(lambda raw: b"\n" not in raw))
def test_every_line_is_either_a_row_or_in_quarantine(data: tuple[Family, list[bytes]], torn: bytes) -> None:
    family, lines = data
    with TemporaryDirectory() as folder:
        day = written(Path(folder), family, b"".join(line + b"\n" for line in lines) + torn)
        done = day.convert(still_written=False)
        assert done is not None and done.rows + done.bad_lines == len(lines) + bool(torn)
        kept = day.quarantine.read_bytes() if done.bad_lines else b""
        numbers = {int(entry.split(b"\t")[0]) - 2 for entry in kept.split(b"\n")[:-1]}
        good = sorted(
            (line for i, line in enumerate(lines) if i not in numbers), key=lambda line: int(line.split(b",")[0])
        )
        assert all(b"\t" + lines[i] + b"\n" in kept for i in numbers if i < len(lines))
        with pq.ParquetFile(day.parquet) as file:
            found = file.read().to_pylist()
        for line, row in zip(good, found, strict=True):
            for text, value in zip(line.decode().split(","), row.values(), strict=True):
                assert (
                    text == ""
                    if value is None
                    else (Decimal(repr(value)) == Decimal(text) if not isinstance(value, str) else value == text)
                )


@settings(max_examples=80, deadline=None)
@given(data=family_and_dirty_lines())
def test_the_quick_way_takes_nothing_the_careful_way_refuses(data: tuple[Family, list[bytes]]) -> None:
    family, lines = data
    csv = DayCsv(family, Path("ticks/BTC") / f"{DAY}.csv")
    for line in lines:
        quick = csv._fast(line + b"\n")
        careful = csv._slow(line + b"\n", 2)
        assert quick is None or (careful.bad == () and quick.table.equals(careful.table))


@settings(max_examples=60, deadline=None)
@given(data=family_and_lines(), place=st.integers(0, 10**6), seed=st.randoms(use_true_random=False))
def test_the_checksum_sees_any_change_of_value_and_no_change_of_order(
    data: tuple[Family, list[str]], place: int, seed: Any
) -> None:
    family, lines = data
    csv = DayCsv(family, Path("ticks/BTC") / f"{DAY}.csv")

    def checksum(lines: list[str]) -> int:
        found = Sum()
        for line in lines:  # also independent of how rows are grouped
            found.add(csv._slow(f"{line}\n".encode(), 2).table)
        return found.checksum

    together = Sum()
    together.add(csv._slow("".join(f"{line}\n" for line in lines).encode(), 2).table)
    assert together.checksum == checksum(seed.sample(lines, len(lines)))
    if lines:
        row, column = place % len(lines), place % len(family.columns)
        fields = lines[row].split(",")
        if list(family.columns.values())[column].startswith("decimal"):
            fields[column] = "123.456" if fields[column] != "123.456" else "123.457"
            changed = [*lines[:row], ",".join(fields), *lines[row + 1 :]]
            assert checksum(changed) != together.checksum


def test_arrow_and_the_careful_way_agree_on_a_clean_piece() -> None:
    """The quick way is really taken for what the harvester writes."""
    ticks = FAMILIES[0]
    csv = DayCsv(ticks, Path("ticks/BTC") / f"{DAY}.csv")
    clean = "".join(f"{START_MS + i},BTC,{i}.5,0.0000012,109755.0,0.147\n" for i in range(1000)).encode()
    quick = csv._fast(clean)
    assert quick is not None and quick.table.num_rows == 1000
    assert quick.table.equals(csv._slow(clean, 2).table)


def test_our_own_fills_take_the_quick_way_too() -> None:
    csv = DayCsv(FILLS, Path("fills/BTC") / f"{DAY}.csv")
    lines = (
        f"{START_MS + i},BTC,r-{i % 3},shadow,{('bid', 'ask')[i % 2]},"
        f"1,68020.5,0.01,-0.02,68020,1.5,-1,{i},f-{i}\n"
        for i in range(1000)
    )
    clean = "".join(lines).encode()
    quick = csv._fast(clean)
    assert quick is not None and quick.table.num_rows == 1000
    assert quick.table.equals(csv._slow(clean, 2).table)
