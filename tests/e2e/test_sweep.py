"""Days of one's own data: converted or not, by one process or many or a cluster, the results are the same."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from market_maker.replay import run_replay
from market_maker.sweep import pool
from market_maker.sweep.pool import ClusterError, Probe
from services.converter import convert
from services.venue.market.feed import Part
from services.venue.market.replay import days_of, open_recording
from shared.clock import ms_of_day
from shared.data_files import DEPTH, TRADES
from shared.errors import DataError
from tests.conftest import wait_until

ROOT = Path(__file__).resolve().parents[2]
FIRST = date(2026, 2, 27)
DAYS = [FIRST + timedelta(days=i) for i in range(3)]
SECONDS = 40
pytestmark = pytest.mark.timeout(600)
DASK = [sys.executable, "-m", "dask"]


def write_day(folder: Path, coin: str, day: date, after_s: int = 0) -> None:
    """A while of a market that walks by ticks, with a trade at or through the touch each half second."""
    random = Random(f"{coin} {day}")
    start_ms, bid, depth, trades = ms_of_day(day) + 1000 * after_s, 20_000, [DEPTH.header], [TRADES.header]
    for step in range(SECONDS * 2):
        time_ms = start_ms + 500 * step
        bid += random.choice((-3, -1, 0, 0, 1, 3))
        sides = [(bid - i, bid + 2 + i) for i in range(5)]
        cells = [f"{side[k] / 100},{random.randint(1, 50) / 10}" for k in (0, 1) for side in sides]
        depth.append(f"{time_ms},{coin},{','.join(cells)}")
        bought = random.random() < 0.5
        px = (bid + 2 + random.randint(0, 8)) / 100 if bought else (bid - random.randint(0, 8)) / 100
        trades.append(
            f"{time_ms + 50},{coin},{px},{random.randint(1, 90) / 10},{'B' if bought else 'A'},{step + 1}"
        )
    for family, rows in ((DEPTH, depth), (TRADES, trades)):
        path = family.csv_path(folder, coin, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good days and one with a damaged row."""
    folder = tmp_path_factory.mktemp("swept") / "data"
    for day in DAYS:
        write_day(folder, "SOL", day)
    damaged = DEPTH.csv_path(folder, "SOL", DAYS[2])
    damaged.write_text(damaged.read_text().replace(f"{ms_of_day(DAYS[2]) + 5000},SOL,", "none,SOL,"))
    return folder


def test_a_converted_day_replays_as_its_csv_does(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for coin in ("SOL", "xyz:TSLA"):
        write_day(data, coin, DAYS[0], after_s=86_400 - SECONDS)
        write_day(data, coin, DAYS[1])
    run_replay(data, tmp_path / "csv")
    assert convert.main(["--data", str(data), "--json"]) == 0
    assert not list(data.glob("depth/*/*.csv")), "days this old have no CSV left"
    summary = run_replay(data, tmp_path / "parquet")
    assert summary["counts"]["fills"] > 0 and summary["coins"] == ["SOL", "xyz:TSLA"]
    for name in ("decisions.jsonl", "fills.jsonl", "summary.json"):
        assert (tmp_path / "parquet" / name).read_bytes() == (tmp_path / "csv" / name).read_bytes()
    write_day(data, "SOL", DAYS[2])
    mixed = open_recording(data, Part(since=DAYS[1], coins=("SOL",)))
    assert days_of(mixed) == DAYS[1:] and [meta.coin for meta in mixed.coins] == ["SOL"]
    with pytest.raises(DataError, match="no books are recorded from 2026-03-09"):
        open_recording(data, Part(since=date(2026, 3, 9)))


def test_parquet_that_lacks_rows_of_the_csv_is_not_used(tmp_path: Path) -> None:
    write_day(tmp_path, "SOL", FIRST)
    assert convert.main(["--data", str(tmp_path), "--keep-csv", "--json"]) == 0
    before = open_recording(tmp_path).end_ms
    csv = DEPTH.csv_path(tmp_path, "SOL", FIRST)
    last = csv.read_text().splitlines()[-1].split(",")
    with csv.open("a") as file:
        file.write(",".join([str(int(last[0]) + 500), *last[1:]]) + "\n")
    assert open_recording(tmp_path).end_ms == before + 500


def sweep(data: Path, out: Path, *flags: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "market_maker.cli", "replay", "--recording", str(data), "--out", str(out)]
    settings = ["--set", "base_spread_bps=1,4", "--set", "max_inv_usd=50,200"]
    return subprocess.run([*command, *settings, *flags], cwd=ROOT, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one worker."""
    out = tmp_path_factory.mktemp("alone")
    ended = sweep(data, out, "--workers", "1")
    assert ended.returncode == 1, ended.stderr
    assert "FAILED 2026-03-01 base_spread_bps=1 max_inv_usd=50" in ended.stdout and "row 12" in ended.stdout
    assert "NOT ENOUGH DATA to name a best: 2 of at least 5 days" in ended.stdout
    return out


def test_a_sweep_is_every_day_under_every_combination_and_says_what_failed(alone: Path) -> None:
    found = json.loads((alone / "sweep.json").read_text())
    assert [combination["settings"] for combination in found["combinations"]] == [
        {"base_spread_bps": base, "max_inv_usd": limit} for base in ("1", "4") for limit in ("50", "200")
    ]
    assert all([day["day"] for day in c["by_day"]] == ["2026-02-27", "2026-02-28"] for c in found["combinations"])
    assert len(found["failures"]) == 4
    tight, wide = found["combinations"][1], found["combinations"][3]
    assert tight["fills"] > wide["fills"], "a spread that the screener does not change"
    for small, large in (found["combinations"][:2], found["combinations"][2:]):
        assert small["max_position_usd"] <= large["max_position_usd"]
    assert len((alone / "sweep.csv").read_text().splitlines()) == 1 + 2 * 4
    assert (alone / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_two_workers_and_a_cluster_give_the_bytes_of_one(data: Path, alone: Path, tmp_path: Path) -> None:
    with cluster(tmp_path) as address:
        assert sweep(data, tmp_path / "two", "--workers", "2").returncode == 1
        ended = sweep(data, tmp_path / "cluster", "--cluster", address)
    assert ended.returncode == 1, ended.stderr
    for name in ("sweep.csv", "sweep.json"):
        expected = (alone / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == expected
        assert (tmp_path / "cluster" / name).read_bytes() == expected


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A scheduler and two workers, started as the documentation says."""
    known = folder / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    scheduler = [
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(known),
    ]
    worker = ["worker", "--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--scheduler-file", str(known)]
    with ExitStack() as started:
        for arguments in (scheduler, worker):
            environment = os.environ | {"TMPDIR": str(folder)}
            process = started.enter_context(subprocess.Popen([*DASK, *arguments], env=environment, **quiet))
            started.callback(process.terminate)
            wait_until(known.exists, 60)
        yield json.loads(known.read_text())["address"]


class OneWorker:
    """A cluster whose only worker answers this."""

    def __init__(self, answer: Probe | Exception) -> None:
        self._answer = answer

    def run(self, function: object, recording: Path) -> dict[str, Probe]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"tcp://10.0.0.7:4001": self._answer}


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"code": "other"}, ClusterError, "10.0.0.7:4001 has code other.*same version"),
        ({"python": "3.9"}, ClusterError, "on Python 3.9"),
        ({"files": ""}, DataError, "10.0.0.7:4001 .*data does not exist.*same path"),
        ({"files": "others"}, DataError, "data holds other files"),
    ],
)
def test_workers_must_have_the_same_code_and_see_the_same_recording(
    data: Path, changed: dict[str, str], error: type[Exception], says: str
) -> None:
    here = pool.probe(data)
    pool._check(OneWorker(here), data)
    with pytest.raises(error, match=says):
        pool._check(OneWorker(here._replace(**changed)), data)
    with pytest.raises(ClusterError, match="cannot run this code.*own environment"):
        pool._check(OneWorker(ModuleNotFoundError("No module named 'market_maker'")), data)
