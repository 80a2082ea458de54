"""From CSV to a verdict: the converter and the question of gate 1, each in a process of its own.

One modelled day of `--coins=30`, each with about `--rows=187000` ticks, and its trades. Baselines: DuckDB's own
COPY of each CSV to zstd Parquet and pandas' `read_csv`/`to_parquet`, neither of which verifies or looks for bad
lines; for the question, the same labels of every market order in pandas with `merge_asof`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from math import floor, log10
from pathlib import Path

from services.venue.market.universe import MARKET
from shared.clock import monotonic_s
from shared.data_files import TICKS, TRADES

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 2, 20)
ROWS, COINS = 187_000, 30
SAMPLES = 172_800
HORIZONS_S = (1, 5, 30, 60, 300)
Row = Callable[[str, str, str, float | None], None]


@dataclass(frozen=True)
class Cost:
    """Of a process: wall time, processor time and most memory at a time."""

    seconds: float
    cpu_s: float
    peak_mb: float
    output: str

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.peak_mb:.0f} MB"


def report(row: Row, arguments: list[str]) -> None:
    given = dict(argument[2:].split("=") for argument in arguments if "=" in argument)
    rows, coins = int(given.get("rows", ROWS)), int(given.get("coins", COINS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cost(_script("write_day", folder, rows, coins))  # or its memory would be everyone's: a fork remembers it
        csvs = list(folder.glob("t*/*/*.csv"))
        csv_bytes = sum(path.stat().st_size for path in csvs)
        print(f"    {coins} coins, {csv_bytes / 1e6:.0f} MB of CSV in {len(csvs)} files", file=sys.stderr)
        convert = [sys.executable, "-m", "services.converter.convert", "--keep-csv", "--data", str(folder)]
        ours = cost(convert)
        size = _parquet_bytes(folder)
        for path in folder.glob("parquet*/*/*.parquet"):
            path.unlink()
        background = cost([*convert, "--background"])
        _conversions(row, csv_bytes, ours, background, size, folder)
        _questions(row, folder)


def _conversions(row: Row, csv_bytes: int, ours: Cost, background: Cost, size: int, folder: Path) -> None:
    row("CSV to verified Parquet", str(ours), "", None)
    row("  as the service does it, one thread", str(background), "", None)
    for name in ("duckdb", "pandas"):
        theirs = cost(_script(f"convert_{name}", folder))
        baseline = f"{name}, unverified: {theirs}"
        row("  time", f"{ours.seconds:.1f} s", baseline, ours.seconds / theirs.seconds)
        row("  processor time", f"{ours.cpu_s:.1f} s", f"{name}: {theirs.cpu_s:.1f} s", ours.cpu_s / theirs.cpu_s)
        row(
            "  most memory",
            f"{ours.peak_mb:.0f} MB",
            f"{name}: {theirs.peak_mb:.0f} MB",
            ours.peak_mb / theirs.peak_mb,
        )
        other = csv_bytes / _parquet_bytes(folder, f".{name}")
        row("  size, CSV : Parquet", f"{csv_bytes / size:.2f}", f"{name}: {other:.2f}", csv_bytes / size / other)


def _questions(row: Row, folder: Path) -> None:
    ours, naive = cost(_script("labels", folder)), cost(_script("labels_in_pandas", folder))
    same = ours.output == naive.output
    row("every market order and its markouts", str(ours), f"pandas: {naive}", ours.seconds / naive.seconds)
    row("  the same answer", "yes" if same else "NO", f"{ours.output} / {naive.output}", None)
    whole = cost(_script("gate1", folder))
    row("all of gate 1, with its intervals", str(whole), f"the labels alone: {ours}", whole.seconds / ours.seconds)


def cost(command: list[str]) -> Cost:
    """Run to the end.

    Raises:
        SystemExit: the process failed.
    """
    begun_s = monotonic_s()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, cwd=ROOT, stdout=out)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} ended with exit code {child.returncode}")
        out.seek(0)
        lines = out.read().splitlines() or [""]
    return Cost(monotonic_s() - begun_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3, lines[-1])


def _script(function: str, folder: Path, *numbers: int) -> list[str]:
    arguments = ", ".join([f"Path({str(folder)!r})", *map(str, numbers)])
    return [
        sys.executable,
        "-c",
        f"from pathlib import Path; from tests.bench import data; data.{function}({arguments})",
    ]


def _parquet_bytes(folder: Path, ending: str = ".parquet") -> int:
    return sum(path.stat().st_size for path in folder.glob(f"*/*/*{ending}"))


# ---- the day -------------------------------------------------------------------------------------------------


def write_day(folder: Path, rows: int, coins: int) -> None:
    """Prices on the grid of the modelled market's coins."""
    import pyarrow.csv
    import pyarrow.parquet as pq

    from tests.fixtures.planted import PlantedCoin, write_days

    per_s = max(0.01, (rows - SAMPLES) / 86_400 / 2)
    with tempfile.TemporaryDirectory() as planted:
        for coin in MARKET.coins[:coins]:
            px = float(coin.mid_px)
            step, name = max(10.0 ** (floor(log10(px)) - 4), 1e-6), coin.name  # five digits, at most six decimals
            modelled = PlantedCoin(name, px=px, tick_px=step, half_spread_bps=1.5, orders_per_s=per_s)
            write_days(Path(planted), [modelled], DAY, 1, seed=1, sample_ms=86_400_000 // min(rows, SAMPLES))
            for family in (TICKS, TRADES):
                source, target = family.parquet_path(Path(planted), name, DAY), family.csv_path(folder, name, DAY)
                target.parent.mkdir(parents=True, exist_ok=True)
                options = pyarrow.csv.WriteOptions(quoting_style="none", quoting_header="none")
                with pq.ParquetFile(source) as file:
                    pyarrow.csv.write_csv(file.read(), target, options)


# ---- conversions ---------------------------------------------------------------------------------------------


def convert_duckdb(folder: Path) -> None:
    import duckdb

    for path in sorted(folder.glob("t*/*/*.csv")):
        target = path.with_suffix(".duckdb")
        duckdb.execute(f"COPY (FROM read_csv('{path}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def convert_pandas(folder: Path) -> None:
    import pandas as pd

    for path in sorted(folder.glob("t*/*/*.csv")):
        pd.read_csv(path).to_parquet(path.with_suffix(".pandas"), compression="zstd")


# ---- questions -----------------------------------------------------------------------------------------------


def labels(folder: Path) -> None:
    import numpy as np

    from analysis.orders import read_orders, read_ticks
    from analysis.store import open_store

    count, total = 0, 0.0
    with open_store(folder) as store:
        for coin in store.coins:
            orders, _ = read_orders(store, coin, read_ticks(store, coin))
            count += len(orders.time_ms)
            total += float(np.nansum(orders.adverse_at(5)))
    print(f"{count} orders, {total / count:.4f} bps at 5 s")


def labels_in_pandas(folder: Path) -> None:
    import pandas as pd

    count, total = 0, 0.0
    for path in sorted(folder.glob("parquet/*/*.parquet")):
        ticks = pd.read_parquet(path, columns=["timestamp_ms", "bid", "ask"])
        ticks["mid"] = (ticks.bid + ticks.ask) / 2
        ticks["then_ms"] = ticks.timestamp_ms
        trades = pd.read_parquet(folder / "parquet_trades" / path.parent.name / path.name)
        trades["ntl"] = trades.px * trades.sz
        grouped = trades.groupby(["timestamp_ms", "side"]).agg(
            low=("px", "min"), high=("px", "max"), ntl=("ntl", "sum")
        )
        orders = grouped.reset_index()
        orders["px"] = orders.high.where(orders.side == "B", orders.low)
        before = pd.merge_asof(orders, ticks, "timestamp_ms", allow_exact_matches=False, tolerance=2000)
        inside = (before.px < before.ask).where(before.side == "B", before.px > before.bid)
        before = before[before.mid.notna() & ~inside].reset_index(drop=True)
        for horizon_s in HORIZONS_S:
            later = pd.DataFrame({"timestamp_ms": before.timestamp_ms + horizon_s * 1000})
            later = later[later.timestamp_ms <= ticks.timestamp_ms.iloc[-1]]
            after = pd.merge_asof(later, ticks[["timestamp_ms", "mid"]], "timestamp_ms", tolerance=2000)
            sign = before.side.eq("B").map({True: 1e4, False: -1e4})
            before[f"adverse_{horizon_s}"] = sign * (after.mid - before.mid) / before.mid
        count += len(before)
        total += float(before.adverse_5.sum())
    print(f"{count} orders, {total / count:.4f} bps at 5 s")


def gate1(folder: Path) -> None:
    from analysis.edges import measure
    from analysis.gate1 import gate1 as judge
    from analysis.store import open_store

    with open_store(folder) as store:
        print(judge({coin: measure(store, coin) for coin in store.coins}).section.judgement)
