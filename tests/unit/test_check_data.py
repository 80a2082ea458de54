"""Everything that goes wrong with recorded files is found under its name; what cannot be proven is left alone."""

import gzip
import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis.integrity import examine, repair
from analysis.integrity.originals import is_open, writers
from analysis.store import open_store
from market_maker.check_data import CRITICAL, ERROR, OK, main
from services.converter.convert import main as convert
from services.converter.convert import only_one
from shared.clock import ms_of_day
from shared.data_files import ACCOUNT, DEPTH, FAMILIES, FILLS, TICKS, TRADES, Family
from shared.errors import DataError
from shared.incidents import Incident, append
from tests.bench.csvs import write_csvs

DAY = date(2026, 1, 5)
NOW_MS = ms_of_day(date(2026, 2, 1))
START_MS = ms_of_day(DAY) + 36_000_000


def tick(time_ms: int, coin: str = "BTC", px: int = 100) -> str:
    return f"{time_ms},{coin},{px}.0,{px + 1}.0,{px}.5,{1e4 / (px + 0.5):.4f}"


def ticks(n: int = 20, start_ms: int = START_MS, coin: str = "BTC") -> list[str]:
    return [tick(start_ms + 500 * i, coin) for i in range(n)]


def trade(i: int, px: str = "100.5", sz: str = "0.2") -> str:
    return f"{START_MS + 500 * i},BTC,{px},{sz},B,{i}"


def put(data: Path, lines: list[str], family: Family = TICKS, coin: str = "BTC", day: date = DAY) -> Path:
    path = family.csv_path(data, coin, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([family.header, *lines, ""]))
    return path


def kinds(data: Path) -> dict[str, int]:
    return examine(data, now_ms=NOW_MS).counts()


LINES: dict[str, tuple[str, str]] = {
    "too few fields": ("torn_row", f"{START_MS},BTC,100.0"),
    "decimal commas": ("wrong_fields", f"{START_MS},BTC,100,0,101,0,100,5,99,5025"),
    "another coin": ("wrong_coin", tick(START_MS, "ETH")),
    "the day after": ("wrong_day", tick(START_MS + 86_400_000)),
    "seconds": ("time_unit", tick(START_MS // 1000)),
    "microseconds": ("time_unit", tick(START_MS * 1000)),
    "nanoseconds": ("time_unit", tick(START_MS * 1_000_000)),
    "a year ahead": ("future_time", tick(START_MS + 365 * 86_400_000)),
    "not a number": ("no_number", f"{START_MS},BTC,nan,101.0,100.5,99.5025"),
    "infinite": ("no_number", f"{START_MS},BTC,inf,101.0,100.5,99.5025"),
    "as a float": ("no_number", f"{START_MS},BTC,1e308,101.0,100.5,99.5025"),
    "zero": ("not_positive", f"{START_MS},BTC,0.0,101.0,50.5,20000.0"),
    "negative": ("not_positive", f"{START_MS},BTC,-100.0,101.0,0.5,99.5025"),
    "locked": ("crossed", f"{START_MS},BTC,100.0,100.0,100.0,0.0"),
    "crossed": ("crossed", f"{START_MS},BTC,102.0,101.0,101.5,99.5025"),
    "another mid": ("contradiction", f"{START_MS},BTC,100.0,101.0,100.6,99.5025"),
    "another spread": ("contradiction", f"{START_MS},BTC,100.0,101.0,100.5,9.5025"),
    "bid for ask": ("swapped_columns", f"{START_MS},BTC,101.0,100.0,100.5,99.5025"),
    "mid for spread": ("swapped_columns", f"{START_MS},BTC,100.0,101.0,99.5025,100.5"),
    "header again": ("repeated_header", TICKS.header),
    "there already": ("duplicate_row", ticks()[3]),
    "late": ("time_back", tick(START_MS + 1)),
}


@pytest.mark.parametrize("name", LINES)
def test_lines_are_named_and_removed(tmp_path: Path, name: str) -> None:
    kind, line = LINES[name]
    path = put(tmp_path, [*ticks(), line])
    damaged = path.read_bytes()
    report = examine(tmp_path, now_ms=NOW_MS)
    assert report.counts() == {kind: 1}
    [finding] = report.findings
    assert (finding.place, finding.coin, finding.line) == (f"ticks/BTC/{DAY}.csv", "BTC", 22)
    repair(tmp_path, now_ms=NOW_MS)
    good = [*ticks(), line] if kind == "time_back" else ticks()
    assert path.read_text().splitlines() == [TICKS.header, *sorted(good)]
    assert (tmp_path / f"quarantine/originals/ticks/BTC/{DAY}.csv.1").read_bytes() == damaged
    assert kinds(tmp_path) == {}


FILES: dict[str, tuple[str, bytes, bool]] = {
    "byte order mark": ("bad_header", b"\xef\xbb\xbf" + f"{TICKS.header}\n".encode(), True),
    "no header": ("bad_header", b"", True),
    "torn header": ("bad_header", b"stamp_ms,coin,bid\n", True),
    "glued header": ("bad_header", TICKS.header.encode(), True),
    "other order": ("unknown_header", b"timestamp_ms,coin,ask,bid,mid,spread_bps\n", False),
}


@pytest.mark.parametrize("name", FILES)
def test_first_lines(tmp_path: Path, name: str) -> None:
    kind, header, mended = FILES[name]
    path = put(tmp_path, ticks())
    good = path.read_bytes()
    path.write_bytes(header + good.removeprefix(f"{TICKS.header}\n".encode()))
    damaged = path.read_bytes()
    assert kinds(tmp_path) == {kind: 1}
    repair(tmp_path, now_ms=NOW_MS)
    assert path.read_bytes() == (good if mended else damaged)


def test_what_is_no_csv(tmp_path: Path) -> None:
    good = put(tmp_path, ticks())
    folder, days = good.parent, iter(DAY - timedelta(n) for n in range(1, 9))
    (folder / f"{next(days)}.csv").mkdir()
    (folder / f"{next(days)}.csv").symlink_to(good)
    os.mkfifo(folder / f"{next(days)}.csv")
    (folder / f"{next(days)}.csv").write_bytes(gzip.compress(good.read_bytes()))
    (folder / f"{next(days)}.csv").write_bytes(b"")
    (folder / f"{next(days)}.csv").write_text(f"{TICKS.header}\n")
    (folder / f"{DAY}.csv.foreign-1").write_text("x")
    (folder / f"{DAY}.csv.tmp").write_text("x")
    (folder / "2026-03-01.csv").write_text("x")
    (tmp_path / "ticks" / "notes.txt").write_text("x")
    expected = {
        "no_rows": 2,
        "unknown_header": 1,
        "not_a_file": 3,
        "foreign_file": 2,
        "leftover": 1,
        "future_file": 1,
    }
    assert kinds(tmp_path) == expected
    repair(tmp_path, now_ms=NOW_MS)
    assert kinds(tmp_path) == {**{kind: n for kind, n in expected.items() if kind != "leftover"}, "no_rows": 1}


def test_depth_and_trades_are_held_against_the_touch(tmp_path: Path) -> None:
    put(tmp_path, ticks())
    trades = put(tmp_path, [trade(1), trade(2, "0.2", "100.5"), trade(3, "2000.0")], TRADES)
    levels = [(f"{100 - i}.0", f"3.{i}1") for i in range(5)], [(f"{101 + i}.0", f"0.{i}1") for i in range(5)]

    def depth(ms: int, *, swap: bool = False, empty: int | None = None) -> str:
        fields = [field for side in levels for level in side for field in (level[::-1] if swap else level)]
        if empty is not None:
            fields[empty] = ""
        return f"{START_MS + ms},BTC,{','.join(fields)}"

    put(tmp_path, [depth(0), depth(1, swap=True), depth(2, empty=4), depth(3, empty=1)], DEPTH)
    assert kinds(tmp_path) == {"swapped_columns": 2, "unordered_levels": 2, "price_outlier": 1}
    repair(tmp_path, now_ms=NOW_MS)
    assert trades.read_text().splitlines()[1:] == [trade(1), trade(3, "2000.0")]
    assert kinds(tmp_path) == {"price_outlier": 1}


def test_two_trades_with_one_id_are_both_kept(tmp_path: Path) -> None:
    put(tmp_path, ticks())
    put(tmp_path, [trade(1), trade(1, "100.6")], TRADES)
    assert kinds(tmp_path) == {"conflicting_rows": 1}
    assert repair(tmp_path, now_ms=NOW_MS) == []


def test_late_trades_are_no_fault(tmp_path: Path) -> None:
    put(tmp_path, ticks())
    put(tmp_path, [trade(3), trade(1), trade(2)], TRADES)
    assert kinds(tmp_path) == {}


@pytest.mark.parametrize(("silence_ms", "name"), [(30_000, "short"), (600_000, "critical"), (7_200_000, "severe")])
def test_gaps_begin_at_their_length(tmp_path: Path, silence_ms: int, name: str) -> None:
    put(tmp_path, [tick(START_MS), tick(START_MS + silence_ms)])
    [gap] = examine(tmp_path, now_ms=NOW_MS).gaps
    assert (gap.coin, gap.length_ms, gap.name, gap.is_critical) == ("*", silence_ms, name, silence_ms >= 600_000)
    put(tmp_path, [tick(START_MS), tick(START_MS + silence_ms - 1)])
    assert name not in {gap.name for gap in examine(tmp_path, now_ms=NOW_MS).gaps}


def test_an_outage_is_one_gap_and_tells_its_cause(tmp_path: Path) -> None:
    for i, coin in enumerate(("BTC", "ETH", "SOL")):
        late = ticks(5, START_MS + 900_000 + 100 * i, coin)
        put(tmp_path, [*ticks(200, coin=coin), *late, *ticks(9, START_MS + 960_000, coin)], coin=coin)
    put(tmp_path, [*ticks(20, coin="SOL"), tick(START_MS + 99_000, "SOL")], coin="SOL")
    append(tmp_path, Incident(time_ms=START_MS + 101_000, kind="stall"))
    report = examine(tmp_path, now_ms=NOW_MS)
    assert [(gap.coin, gap.name) for gap in report.gaps] == [
        ("SOL", "short"),
        ("*", "critical"),
        ("*", "short"),
    ]
    assert report.critical_gaps == 1
    assert "feed stalled" in report.gaps[1].cause
    assert [(finding.kind, finding.coin) for finding in report.findings] == [("ended", "SOL")]


def test_gaps_reach_over_midnight_and_days_are_missed(tmp_path: Path) -> None:
    for coin in ("BTC", "ETH"):
        for n in (0, 1, 2):
            if (coin, n) != ("ETH", 1):
                day_ms = ms_of_day(DAY) + n * 86_400_000
                put(tmp_path, ticks(9, day_ms, coin), coin=coin, day=DAY + timedelta(n))
    report = examine(tmp_path, now_ms=NOW_MS)
    assert [(finding.kind, finding.place) for finding in report.findings] == [
        ("missing_day", f"ticks/ETH/{DAY + timedelta(1)}.csv")
    ]
    assert report.critical_gaps == 2


def converted(data: Path) -> Path:
    assert convert(["--data", str(data), "--retention-days", "9999", "--json"]) == OK
    return TICKS.parquet_path(data, "BTC", DAY)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def change(path: Path) -> None:
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.slice(1), path)


@pytest.mark.parametrize(("harm", "kind"), [(cut, "parquet_unreadable"), (change, "parquet_damaged")])
def test_parquet_is_made_again(tmp_path: Path, harm: Callable[[Path], None], kind: str) -> None:
    put(tmp_path, ticks())
    parquet = converted(tmp_path)
    whole = parquet.read_bytes()
    harm(parquet)
    assert kinds(tmp_path) == {kind: 1}
    repair(tmp_path, now_ms=NOW_MS)
    assert parquet.read_bytes() == whole
    assert kinds(tmp_path) == {}


def test_parquet_follows_a_repaired_csv(tmp_path: Path) -> None:
    path = put(tmp_path, [*ticks(), LINES["crossed"][1]])
    converted(tmp_path)
    assert kinds(tmp_path) == {"crossed": 1}
    repair(tmp_path, now_ms=NOW_MS)
    assert kinds(tmp_path) == {}
    path.unlink()
    assert examine(tmp_path, now_ms=NOW_MS).rows == {"ticks": 20}


def test_parquet_that_holds_more_is_kept(tmp_path: Path) -> None:
    path = put(tmp_path, ticks())
    parquet = converted(tmp_path)
    put(tmp_path, ticks()[:7])
    assert kinds(tmp_path) == {"parquet_differs": 1}
    repair(tmp_path, now_ms=NOW_MS)
    assert not path.exists() and parquet.exists()
    assert examine(tmp_path, now_ms=NOW_MS).rows == {"ticks": 20}
    put(tmp_path, [*ticks()[:7], tick(START_MS + 60_000)])
    [step] = repair(tmp_path, now_ms=NOW_MS)
    assert step.left and parquet.exists() and path.exists()


def test_a_file_in_use_and_todays_are_left_alone(tmp_path: Path) -> None:
    path = put(tmp_path, [*ticks(), LINES["crossed"][1]])
    before = path.read_bytes()
    assert repair(tmp_path, now_ms=ms_of_day(DAY) + 80_000_000)[0].left
    with path.open("ab"):
        assert is_open(path, writers())
        assert repair(tmp_path, now_ms=NOW_MS)[0].left
    assert path.read_bytes() == before
    with only_one(tmp_path), pytest.raises(DataError, match="another conversion"):
        repair(tmp_path, now_ms=NOW_MS)


def test_parquet_without_manifest_and_csv_counts_as_the_analysis_reads_it_and_is_told(tmp_path: Path) -> None:
    path = put(tmp_path, ticks())
    parquet = converted(tmp_path)
    pq.write_table(pq.read_table(parquet, partitioning=None).slice(1).replace_schema_metadata(None), parquet)
    path.unlink()
    report = examine(tmp_path, now_ms=NOW_MS)
    assert (report.rows, report.counts(), report.judgement.verdict) == (
        {"ticks": 19},
        {"parquet_unproven": 1},
        "GO",
    )
    assert repair(tmp_path, now_ms=NOW_MS) == []
    with open_store(tmp_path) as store:
        assert store.sql("SELECT count(*) FROM ticks").fetchall() == [(19,)]
    pq.write_table(pq.read_table(parquet, partitioning=None).drop_columns(["ask"]), parquet)
    assert kinds(tmp_path) == {"parquet_damaged": 1}


def test_a_no_go_ends_with_two_although_nothing_is_critical(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, [tick(START_MS + 60_000 * i) for i in range(20)])
    assert main(["--data", str(tmp_path)]) == CRITICAL
    out = capsys.readouterr().out
    assert out.startswith("NO-GO") and "at least 90%" in out and "1 coin, " in out and "1 file:" in out


def test_fills_and_account_rows_are_rows_too(tmp_path: Path) -> None:
    put(tmp_path, ticks())
    fill = f"{START_MS},BTC,run1,shadow,bid,0,100.0,0.2,0.003,100.5,0.0,0.2,7,f-7"
    minute = f"{START_MS},BTC,run1,shadow,0.2,100.5,0.0,0.1,0.003,0.0,20.0,1,9,8,0,100.0,60,58,0,0"
    fills = put(tmp_path, [fill, fill, fill.replace("0.2,0.003", "-0.2,0.003").replace("f-7", "f-8")], FILLS)
    account = put(tmp_path, [minute, minute, minute[:50]], ACCOUNT)
    assert kinds(tmp_path) == {"torn_row": 1, "not_positive": 1, "duplicate_row": 2}
    repair(tmp_path, now_ms=NOW_MS)
    assert fills.read_text().splitlines()[1:] == [fill]
    assert account.read_text().splitlines()[1:] == [minute]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, [*ticks(), LINES["crossed"][1]])
    at = ["--data", str(tmp_path)]
    assert main([*at, "--json"]) == CRITICAL
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["counts"], told["critical_gaps"]) == ("NO-GO", {"crossed": 1}, 0)
    assert main([*at, "--asset", "ETH"]) == OK
    assert "NOT ENOUGH DATA" in capsys.readouterr().out
    assert main([*at, "--fix"]) == OK
    out = capsys.readouterr().out
    assert out.startswith("GO") and "1 crossed removed" in out
    with pytest.raises(SystemExit, match="4"):
        main([*at, "--since", "yesterday"])
    assert "yesterday is no day" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "nowhere")]) == ERROR
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("px", "late_ms", "moves"),
    [(100, 0, True), (104, 0, True), (106, 0, False), (109_755, 0, False), (100, 700_000, False)],
)
def test_a_row_goes_to_another_coin_only_where_its_price_fits(
    tmp_path: Path, px: int, late_ms: int, moves: bool
) -> None:
    """A damaged coin field of BTC says ETH; nothing of BTC may end in ETH's file."""
    at_ms = START_MS + 5001 + late_ms
    btc = put(tmp_path, [*ticks(), tick(at_ms, "ETH", px)])
    eth = put(tmp_path, ticks(coin="ETH"), coin="ETH")
    damaged, before = btc.read_bytes(), eth.read_text()
    steps = repair(tmp_path, now_ms=NOW_MS)
    assert (tick(at_ms, "ETH", px) in eth.read_text()) == moves
    assert moves or eth.read_text() == before
    assert btc.read_text().splitlines() == [TICKS.header, *ticks()]
    assert (tmp_path / f"quarantine/originals/ticks/BTC/{DAY}.csv.1").read_bytes() == damaged
    assert moves or "1 wrong_coin (not moved, its price is not shown to fit there) removed" in steps[0].text
    assert kinds(tmp_path) == {}


def test_nothing_goes_to_a_coin_without_ticks_and_a_trade_is_held_against_them(tmp_path: Path) -> None:
    put(tmp_path, ticks())
    other = put(tmp_path, ticks(coin="SOL"), coin="SOL")
    put(tmp_path, [trade(1), trade(2, "90000.0").replace("BTC", "SOL"), trade(3).replace("BTC", "SOL")], TRADES)
    put(tmp_path, [trade(5).replace("BTC", "ETH")], TRADES, "ETH")
    put(tmp_path, [*ticks(), tick(START_MS + 77, "ETH")])
    repair(tmp_path, now_ms=NOW_MS)
    assert TRADES.csv_path(tmp_path, "SOL", DAY).read_text().splitlines()[1:] == [trade(3).replace("BTC", "SOL")]
    assert other.read_text().splitlines()[1:] == ticks(coin="SOL")
    assert not TICKS.csv_path(tmp_path, "ETH", DAY).exists()


def test_a_recording_is_whole_but_for_its_holes(recordings: Path, tmp_path: Path) -> None:
    write_csvs(recordings / "hl-20250903-4coins", tmp_path)
    report = examine(tmp_path)
    assert [(gap.coin, gap.name) for gap in report.gaps] == [("*", "long"), ("*", "short")]
    assert report.findings == ()
    clean = {path: path.read_bytes() for family in FAMILIES for path in (tmp_path / family.name).glob("*/*.csv")}
    day = next(iter(clean)).stem
    btc, eth = TICKS.csv_path(tmp_path, "BTC", date.fromisoformat(day)), tmp_path / "trades/ETH" / f"{day}.csv"
    lines = btc.read_bytes().split(b"\n")
    btc.write_bytes(b"\n".join([*lines[:200], *lines[100:200], b"\0" * 512 + lines[200], *lines[201:]]))
    eth.rename(eth.with_name("2025-09-02.csv"))
    sol = tmp_path / "depth/SOL" / f"{day}.csv"
    sol.write_bytes(sol.read_bytes() + b"1756904")
    assert {"duplicate_block", "zero_bytes", "wrong_day", "torn_row"} <= set(examine(tmp_path).counts())
    repair(tmp_path)
    assert {path: path.read_bytes() for path in clean} == clean
    assert examine(tmp_path).findings == ()
