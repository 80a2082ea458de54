"""CSV to Parquet on disk: nothing is removed before it is proven, whatever happens in between."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import services.converter.days as days_module
import services.converter.parquet as parquet_module
from services.converter import convert, source
from services.converter.convert import ERROR, NOTHING, OK, main
from services.converter.parquet import read_manifest
from shared.clock import ms_of_day, utc_day, wall_ms
from shared.data_files import CONVERTED, FAMILIES, MARKET_FAMILIES
from shared.data_files import TICKS as TICKS_FAMILY

TICKS, TRADES, DEPTH = (family.header for family in MARKET_FAMILIES)
FILL = "{},BTC,run-1,shadow,bid,1,68020.5,0.01,-0.0204,68021.0,0,0.01,7,run-1-7"
TODAY = utc_day(wall_ms())
ROOT = Path(__file__).resolve().parents[2]


def day(ago: int) -> Any:
    return TODAY - timedelta(days=ago)


def tick(ago: int, i: int, coin: str = "BTC") -> str:
    return f"{ms_of_day(day(ago)) + i},{coin},{68020 + i}.0,{68021 + i}.0,{68020 + i}.5,0.147"


def trade(ago: int, offset_ms: int, tid: int) -> str:
    return f"{ms_of_day(day(ago)) + offset_ms},BTC,68020.5,0.00011,{'BA'[tid % 2]},{tid}"


def put(data: Path, family: str, ago: int, *lines: str, coin: str = "BTC", end: str = "\n") -> Path:
    header = next(known.header for known in FAMILIES if known.name == family)
    path = data / family / coin / f"{day(ago)}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + end)
    return path


def parquet_of(data: Path, ago: int, family: str = "parquet", coin: str = "BTC") -> Path:
    return data / family / coin / f"{day(ago)}.parquet"


def rows_of(path: Path) -> list[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        return file.read().to_pylist()


TRACES = {".convert.lock", "state/converted"}
"""What every conversion leaves behind."""


def run(data: Path, *flags: str) -> int:
    return main(["--data", str(data), *flags])


def files(data: Path) -> set[str]:
    return {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}


def test_all_three_families_with_one_schema_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ms_of_day(day(1))
    put(tmp_path, "ticks", 1, tick(1, 0), tick(1, 1))
    put(tmp_path, "ticks", 1, tick(1, 0, "xyz:TSLA"), coin="xyz%3ATSLA")
    put(tmp_path, "trades", 1, trade(1, 5, 833120162794147))
    put(tmp_path, "depth", 1, f"{start},BTC,1.5,2.0,,,,,,,,,1.6,0.1,1.7,9.0,,,,,,")
    assert run(tmp_path, "--json") == OK
    summary = json.loads(capsys.readouterr().out)
    assert (summary["files"], summary["rows"], summary["errors"], summary["removed"]) == (4, 5, [], 0)
    assert rows_of(parquet_of(tmp_path, 1))[1] == {
        "timestamp_ms": start + 1, "coin": "BTC",
        "bid": 68021.0, "ask": 68022.0, "mid": 68021.5, "spread_bps": 0.147,
    }  # fmt: skip
    assert rows_of(parquet_of(tmp_path, 1, coin="xyz%3ATSLA"))[0]["coin"] == "xyz:TSLA"
    assert rows_of(parquet_of(tmp_path, 1, "parquet_trades")) == [
        {
            "timestamp_ms": start + 5,
            "coin": "BTC",
            "px": 68020.5,
            "sz": 0.00011,
            "side": "A",
            "tid": 833120162794147,
        }
    ]
    (depth,) = rows_of(parquet_of(tmp_path, 1, "parquet_depth"))
    assert (depth["bid_px_1"], depth["bid_px_2"], depth["ask_px_2"], depth["ask_sz_5"]) == (1.5, None, 1.7, None)
    schemas = [pq.read_schema(path).remove_metadata() for path in tmp_path.glob("parquet/*/*.parquet")]
    assert len(schemas) == 2 and schemas[0].equals(schemas[1])
    codecs = pq.read_metadata(parquet_of(tmp_path, 1)).row_group(0).column(0)
    assert codecs.compression == "ZSTD" and codecs.statistics.min == start


def test_only_finished_days_unless_all_and_today_is_never_removed(tmp_path: Path) -> None:
    today = put(tmp_path, "ticks", 0, tick(0, 0), tick(0, 1), "17", end="")
    assert run(tmp_path) == NOTHING
    assert run(tmp_path, "--all", "--retention-days", "1") == OK
    assert today.exists() and len(rows_of(parquet_of(tmp_path, 0))) == 2
    assert not (tmp_path / "quarantine").exists()  # the last line is still being written
    assert run(tmp_path, "--all") == NOTHING
    put(tmp_path, "ticks", 0, tick(0, 0), tick(0, 1), tick(0, 2))
    assert run(tmp_path, "--all") == OK
    assert len(rows_of(parquet_of(tmp_path, 0))) == 3


@pytest.mark.parametrize(("flags", "kept"), [((), 2), (("--retention-days", "1"), 1), (("--keep-csv",), 5)])
def test_retention(tmp_path: Path, flags: tuple[str, ...], kept: int) -> None:
    paths = [put(tmp_path, "ticks", ago, tick(ago, 0)) for ago in range(5)]
    assert run(tmp_path, *flags) == OK
    assert [path.exists() for path in paths] == [ago < kept for ago in range(5)]
    assert all(parquet_of(tmp_path, ago).exists() for ago in range(1, 5))


def test_a_second_run_does_nothing_and_a_grown_file_is_converted_again(tmp_path: Path) -> None:
    put(tmp_path, "trades", 1, trade(1, 0, 1))
    assert run(tmp_path) == OK
    before = parquet_of(tmp_path, 1, "parquet_trades").stat()
    assert run(tmp_path) == NOTHING
    assert parquet_of(tmp_path, 1, "parquet_trades").stat().st_mtime_ns == before.st_mtime_ns
    put(tmp_path, "trades", 1, trade(1, 0, 1), trade(1, 0, 2))
    assert run(tmp_path) == OK
    assert [row["tid"] for row in rows_of(parquet_of(tmp_path, 1, "parquet_trades"))] == [1, 2]


def test_the_mark_is_as_old_as_the_last_conversion_of_everything(tmp_path: Path) -> None:
    """The monitor tells its age; an alert waits for it, and a person ends the alert by converting."""
    mark = tmp_path / CONVERTED

    def moves(*flags: str) -> bool:
        os.utime(mark, (77, 77))
        run(tmp_path, *flags)
        return mark.stat().st_mtime > 77

    bad = put(tmp_path, "ticks", 1, tick(1, 0)).with_name("notes.csv")
    bad.touch()
    assert run(tmp_path) == ERROR and mark.exists(), "from the first try on it can be too old"
    assert not moves(), "a file could not be converted"
    bad.unlink()
    assert not moves("--coin", "BTC")
    assert moves() and moves("--all"), "also with nothing left to do"


def test_only_one_coin(tmp_path: Path) -> None:
    put(tmp_path, "ticks", 1, tick(1, 0))
    put(tmp_path, "ticks", 1, tick(1, 0, "xyz:TSLA"), coin="xyz%3ATSLA")
    assert run(tmp_path, "--coin", "xyz:TSLA") == OK
    assert not (tmp_path / "parquet/BTC").exists()
    assert run(tmp_path, "--coin", "NONE") == NOTHING


BAD = {
    "5 fields instead of 6": lambda good: good.rsplit(",", 1)[0],
    "7 fields instead of 6": lambda good: good + ",1.0",
    "1 fields instead of 6": lambda good: "",
    "bid is no number": lambda good: good.replace("68021.0", "nan"),
    "bid has more digits than a float64 keeps": lambda good: good.replace("68021.0", "68021.01234567890123456789"),
    "coin is not BTC": lambda good: good.replace("BTC", "ETH"),
    "timestamp_ms is no whole number": lambda good: "x" + good,
    "timestamp_ms is outside the day of the file": lambda good: "1" + good,
    "spread_bps is no number": lambda good: good + "\r",
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_line_is_kept_aside_with_its_reason(
    tmp_path: Path, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = BAD[reason](tick(3, 1))
    path = put(tmp_path, "ticks", 3, tick(3, 0))
    with path.open("ab") as file:
        file.write(f"{bad}\n{tick(3, 2)}\n".encode())
    assert run(tmp_path, "--json") == OK
    assert json.loads(capsys.readouterr().out)["bad_lines"] == 1
    assert [row["mid"] for row in rows_of(parquet_of(tmp_path, 3))] == [68020.5, 68022.5]
    kept = (tmp_path / f"quarantine/ticks/BTC/{day(3)}.tsv").read_bytes().decode()
    assert kept == f"3\t{reason}\t{bad}\n"
    assert not path.exists()  # everything in it is somewhere else


def test_a_torn_last_line_of_a_finished_day_goes_to_quarantine(tmp_path: Path) -> None:
    put(tmp_path, "ticks", 3, tick(3, 0), "17717333", end="")
    assert run(tmp_path, "--keep-csv") == OK
    assert (tmp_path / f"quarantine/ticks/BTC/{day(3)}.tsv").read_text() == "3\ttorn: no line end\t17717333\n"
    (tmp_path / f"quarantine/ticks/BTC/{day(3)}.tsv").unlink()
    assert run(tmp_path) == ERROR  # the line is nowhere else: the CSV must stay
    assert (tmp_path / f"ticks/BTC/{day(3)}.csv").exists()


@pytest.mark.parametrize("family", ["ticks", "trades", "depth"])
def test_a_day_without_rows_is_an_empty_table(tmp_path: Path, family: str) -> None:
    put(tmp_path, family, 1)
    assert run(tmp_path) == OK
    (path,) = tmp_path.glob("parquet*/BTC/*.parquet")
    assert rows_of(path) == []


def test_late_rows_are_sorted_in_whatever_the_size_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PIECE_BYTES", 300)
    offsets = [(i * 7919 * 1000) % 86_400_000 for i in range(200)]
    put(tmp_path, "trades", 1, *(trade(1, offset, tid) for tid, offset in enumerate(offsets)))
    assert run(tmp_path) == OK
    found = [(row["timestamp_ms"], row["tid"]) for row in rows_of(parquet_of(tmp_path, 1, "parquet_trades"))]
    start = ms_of_day(day(1))
    assert found == sorted((start + offset, tid) for tid, offset in enumerate(offsets))


def test_files_that_are_not_ours_are_errors_and_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "ticks", 3, tick(3, 0))
    foreign = tmp_path / f"ticks/ETH/{day(3)}.csv"
    foreign.parent.mkdir()
    foreign.write_text("time,price\n1,2\n")
    (tmp_path / "ticks/ETH/notes.csv").write_text(TICKS + "\n")
    assert run(tmp_path) == ERROR
    error = capsys.readouterr().err
    assert "unknown header" in error and "move the file out" in error
    assert foreign.exists() and parquet_of(tmp_path, 3).exists()


def test_a_parquet_of_another_csv_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "ticks", 3, *(tick(3, i) for i in range(10)))
    assert run(tmp_path) == OK
    again = put(tmp_path, "ticks", 3, tick(3, 11))
    assert run(tmp_path) == ERROR
    assert "was not made from" in capsys.readouterr().err
    assert again.exists() and len(rows_of(parquet_of(tmp_path, 3))) == 10


def test_a_damaged_parquet_keeps_its_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path, "ticks", 3, *(tick(3, i) for i in range(1000)))
    assert run(tmp_path, "--keep-csv") == OK
    parquet = parquet_of(tmp_path, 3)
    manifest = read_manifest(parquet)
    table = pq.ParquetFile(parquet).read()
    bids = table["bid"].to_pylist()
    bids[500] += 0.1
    column = table.schema.get_field_index("bid")
    changed = table.set_column(column, "bid", pa.array(bids))
    pq.write_table(changed.replace_schema_metadata({"mm_manifest": json.dumps(msgspec_dict(manifest))}), parquet)
    assert run(tmp_path) == ERROR
    assert "checksum" in capsys.readouterr().err and path.exists()


def msgspec_dict(manifest: Any) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in manifest.__struct_fields__}


class Killed(BaseException):
    """Stands for the process ending at this very point."""


def counted_kills(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException) -> Callable[[], int]:
    """The `at`-th call of anything that changes the disk raises instead."""
    calls = 0

    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise error
            return function(*arguments, **named)

        return guarded

    monkeypatch.setattr(os, "fsync", guard(os.fsync))
    monkeypatch.setattr(os, "replace", guard(os.replace))
    monkeypatch.setattr(Path, "unlink", guard(Path.unlink))
    monkeypatch.setattr(Path, "mkdir", guard(Path.mkdir))
    for name in ("write_table", "add_key_value_metadata"):
        monkeypatch.setattr(pq.ParquetWriter, name, guard(getattr(pq.ParquetWriter, name)))
    monkeypatch.setattr(parquet_module, "check", guard(parquet_module.check))
    monkeypatch.setattr(days_module, "check", guard(days_module.check))
    monkeypatch.setattr(days_module, "put_in_place", guard(days_module.put_in_place))
    return lambda: calls


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_stop_at_any_step_loses_nothing(tmp_path: Path, error: BaseException) -> None:
    lines = [tick(3, 0), "torn", *(tick(3, i) for i in range(1, 20))]
    wanted = {f"parquet/BTC/{day(3)}.parquet", f"quarantine/ticks/BTC/{day(3)}.tsv", *TRACES}
    at = 0
    while True:
        at += 1
        data = tmp_path / str(at)
        path = put(data, "ticks", 3, *lines)
        with pytest.MonkeyPatch.context() as patch:
            calls = counted_kills(patch, at, error)
            try:
                code = run(data)
            except Killed:
                code = None
        if calls() < at:  # it ran through
            assert code == OK
            break
        assert code in (None, ERROR, OK)
        if not path.exists():
            assert len(rows_of(parquet_of(data, 3))) == 20
        assert run(data) in (OK, NOTHING)
        assert files(data) == wanted and len(rows_of(parquet_of(data, 3))) == 20
    assert at > 10


def test_a_real_kill_in_the_middle(tmp_path: Path) -> None:
    for ago in range(2, 5):
        put(tmp_path, "ticks", ago, *(tick(ago, i) for i in range(20_000)))
    command = [sys.executable, "-m", "services.converter.convert", "--data", str(tmp_path), "--json"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30  # noqa: TID251 (waiting for a real process)
    while not any(tmp_path.glob("parquet/BTC/*")):
        assert child.poll() is None and time.monotonic() < deadline  # noqa: TID251
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert run(tmp_path) == OK
    assert files(tmp_path) == {f"parquet/BTC/{day(ago)}.parquet" for ago in range(2, 5)} | TRACES
    assert all(len(rows_of(parquet_of(tmp_path, ago))) == 20_000 for ago in range(2, 5))


def test_a_full_disk_is_an_error_that_leaves_the_csv_and_no_rubbish(tmp_path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        path = put(tmp_path, "ticks", 3, *(tick(3, (i * 7919) % 13_000) for i in range(13_000)))
        (tmp_path / "ballast").write_bytes(bytes(os.statvfs(tmp_path).f_bavail * 4096 - 20_000))
        assert run(tmp_path) == ERROR
        assert path.exists() and not any(tmp_path.rglob("*.tmp")) and not any(tmp_path.rglob("*.parquet"))
        (tmp_path / "ballast").unlink()
        assert run(tmp_path) == OK
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_two_conversions_at_a_time_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with convert.only_one(tmp_path):
        assert run(tmp_path) == ERROR
    assert "another conversion" in capsys.readouterr().err


def test_the_script_finds_its_environment_by_itself(tmp_path: Path) -> None:
    put(tmp_path, "ticks", 1, tick(1, 0))
    python = getattr(sys, "_base_executable", "") if (ROOT / ".venv/bin/python").exists() else ""
    command = [python or sys.executable, str(ROOT / "scripts/csv_to_parquet.py"), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == OK and "1 files, 1 rows" in done.stdout


def test_parquet_is_kept_for_ever_unless_its_retention_says_otherwise(tmp_path: Path) -> None:
    for ago in range(12):
        put(tmp_path, "ticks", ago, tick(ago, 0))
    put(tmp_path, "fills", 11, FILL.format(ms_of_day(day(11))))
    assert run(tmp_path) == OK
    parquets = [parquet_of(tmp_path, ago) for ago in range(1, 12)]
    assert all(path.exists() for path in parquets)
    put(tmp_path, "ticks", 11, tick(11, 0))  # its CSV is back: without its Parquet it would be new again
    foreign = parquet_of(tmp_path, 13)
    pq.write_table(pa.table({"a": [1]}), foreign)
    parquet_of(tmp_path, 14).write_bytes(b"no parquet")
    assert run(tmp_path, "--parquet-retention-days", "3") == convert.CONFIGURATION
    assert run(tmp_path, "--parquet-retention-days", "8", "--keep-csv") == OK
    assert [path.exists() for path in parquets] == [ago < 8 or ago == 11 for ago in range(1, 12)]
    assert foreign.exists() and parquet_of(tmp_path, 14).exists()
    assert parquet_of(tmp_path, 11, "parquet_fills").exists()
    assert run(tmp_path, "--parquet-retention-days", "8", "--keep-csv") == NOTHING


def test_kills_at_random_points_and_one_last_run_that_is_left_alone(tmp_path: Path) -> None:
    random = Random(6)
    for ago in range(2, 5):
        put(tmp_path, "ticks", ago, *(tick(ago, i) for i in range(3_000)))
        put(tmp_path, "trades", ago, *(trade(ago, (i * 7919) % 10_000, i) for i in range(3_000)))
    command = [sys.executable, "-m", "services.converter.convert", "--data", str(tmp_path), "--json"]
    for _ in range(2):
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = len(list(tmp_path.rglob("*.parquet"))) + random.randint(1, 2)
        deadline = time.monotonic() + 30  # noqa: TID251 (waiting for a real process)
        while len(list(tmp_path.rglob("*.parquet"))) < wanted:
            assert child.poll() is None and time.monotonic() < deadline  # noqa: TID251
            time.sleep(random.uniform(0, 0.003))
        child.kill()
        child.wait()
    assert run(tmp_path) in (OK, NOTHING)
    for ago in range(2, 5):
        assert len(rows_of(parquet_of(tmp_path, ago))) == 3_000
        assert [row["tid"] for row in rows_of(parquet_of(tmp_path, ago, "parquet_trades"))] == sorted(
            range(3_000), key=lambda i: ((i * 7919) % 10_000, i)
        )
    assert not [name for name in files(tmp_path) if name.endswith((".csv", ".tmp"))]
    assert run(tmp_path) == NOTHING


def test_a_file_written_by_an_older_version_is_still_proof_for_its_csv(tmp_path: Path) -> None:
    """Those have a dictionary as the type of texts and statistics for every column."""
    path = put(tmp_path, "ticks", 3, *(tick(3, i) for i in range(100)))
    assert run(tmp_path, "--keep-csv") == OK
    parquet = parquet_of(tmp_path, 3)
    manifest = msgspec_dict(read_manifest(parquet))
    with pq.ParquetFile(parquet) as file:
        table = file.read().cast(source.schema_of(TICKS_FAMILY))
    pq.write_table(
        table.replace_schema_metadata({"mm_manifest": json.dumps(manifest)}), parquet, compression="zstd"
    )
    assert pa.types.is_dictionary(pq.read_schema(parquet).field("coin").type)
    assert run(tmp_path) == OK and not path.exists()
