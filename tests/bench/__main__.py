"""`make bench`: how fast, next to a named baseline measured in the same run. Nothing here passes or fails.

    python -m tests.bench                  everything (about five minutes)
    python -m tests.bench codec bus        only these
    python -m tests.bench venue --full-day no extrapolation from ten minutes of the modelled market
    python -m tests.bench data --coins=5   a modelled day of fewer coins (also --rows=N a coin)

Sections: codec, bus, pipeline, stack, parquet, data, venue, signing, guard, crash; only when named: reaction (six
minutes), alerts. `stack` starts the real services with 30 coins on the bundled venue at 1x and 10x the recorded
message rate and reads their own latencies; `reaction` starts them in shadow and live and times the guard's word.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from market_maker.redis_server import find_server
from market_maker.replay import run_replay
from services.venue.market.replay import open_recording
from shared.clock import monotonic_s
from shared.messages import Book, Level
from shared.redis_bus import RedisBus
from shared.streams import BOOK
from tests.bench import data as recorded_data
from tests.bench import guard as guarding
from tests.bench import reaction as real_reaction
from tests.bench import signing as trading_client
from tests.bench import venue as bundled_venue
from tests.bench.alert_drill import run as alert_drill
from tests.bench.timing import timed

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT.parent / "shared" / "market-data" / "hl-20250904-4coins-a"
PORTS = {"MM_REDIS_PORT": "16380", "MM_VENUE_PORT": "13001"}
STACK_S = 45
FULL_DAY = "--full-day"


def row(what: str, value: str, baseline: str, ratio: float | None) -> None:
    print(f"  {what:<44} {value:>16}   baseline {baseline:<44} {'' if ratio is None else f'ratio {ratio:.2f}'}")


def example_book() -> Book:
    levels = [Level(Decimal(f"{68020 - n}.5"), Decimal("1.2345")) for n in range(5)]
    asks = tuple(Level(level.px + 10, level.sz) for level in levels)
    return Book(coin="BTC", time_ms=1, received_ms=1.5, epoch=1, bids=tuple(levels), asks=asks)


# ---- codec ---------------------------------------------------------------------------------------------------


def codec() -> None:
    book = example_book()
    body = msgspec.json.encode(book)
    ours = timed(lambda: BOOK.decoder.decode(msgspec.json.encode(book)))
    plain = json.loads(body)
    stdlib = timed(lambda: json.loads(json.dumps(plain)))
    row(
        "a book encoded and decoded",
        f"{ours * 1e6:.1f} us",
        f"json, without types: {stdlib * 1e6:.1f} us",
        ours / stdlib,
    )


# ---- bus -----------------------------------------------------------------------------------------------------


async def _hops(url: str, count: int) -> tuple[list[float], list[float]]:
    bus = RedisBus(url)
    reader = bus.latest([BOOK])
    await reader.watch(["BTC"])
    book = example_book()
    pings, hops = [], []
    for _ in range(count):
        begun = monotonic_s()
        await bus.memory_ratio()
        pings.append(monotonic_s() - begun)
        waiting = asyncio.create_task(reader.read())
        await asyncio.sleep(0)
        begun = monotonic_s()
        await bus.publish([book])
        while not await waiting:
            waiting = asyncio.create_task(reader.read())
        hops.append(monotonic_s() - begun)
    await bus.close()
    return pings, hops


def bus() -> None:
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        server = find_server()
        command = [str(server.binary), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if "eady to accept connections" in line:
                break
        pings, hops = asyncio.run(_hops(f"unix://{socket}", 3000))
        process.terminate()
        process.communicate()
    floor = statistics.median(pings)
    for name, cut in (("p50", 50), ("p99", 99)):
        value = statistics.quantiles(hops, n=100)[cut - 1]
        row(
            f"one stream hop, {name}",
            f"{value * 1e3:.3f} ms",
            f"one INFO round trip, p50: {floor * 1e3:.3f} ms",
            value / floor,
        )


# ---- replay --------------------------------------------------------------------------------------------------


def pipeline() -> None:
    if not RECORDING.is_dir():
        print("  skipped: no recording at ../shared/market-data")
        return
    begun = monotonic_s()
    events = sum(1 for _ in open_recording(RECORDING).events())
    reading = monotonic_s() - begun
    with tempfile.TemporaryDirectory() as folder:
        begun = monotonic_s()
        summary = run_replay(RECORDING, Path(folder))
        spent = monotonic_s() - begun
    span_s = (summary["end_ms"] - summary["start_ms"]) / 1000
    rate, baseline = events / spent, events / reading
    row(
        "replay, events per second",
        f"{rate:,.0f} /s",
        f"reading the recording alone: {baseline:,.0f} /s",
        rate / baseline,
    )
    row("replay, times real time", f"{span_s / spent:,.0f} x", "the recording itself: 1 x", span_s / spent)


# ---- the whole stack -----------------------------------------------------------------------------------------


def quantile(buckets: list[tuple[float, float]], share: float) -> float:
    """Linear interpolation inside the bucket, as Prometheus does; seconds."""
    total = buckets[-1][1]
    below_edge, below_count = 0.0, 0.0
    for edge, count in buckets:
        if count >= share * total:
            if edge == float("inf"):
                return below_edge
            return below_edge + (edge - below_edge) * (share * total - below_count) / max(
                count - below_count, 1e-9
            )
        below_edge, below_count = edge, count
    return below_edge


def scrape(port: int) -> dict[str, list[tuple[float, float]]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        found: dict[str, list[tuple[float, float]]] = {}
        for family in families:
            for sample in family.samples:
                if sample.name.endswith("_bucket") and set(sample.labels) == {"le"}:
                    found.setdefault(family.name, []).append((float(sample.labels["le"]), sample.value))
        return found


def difference(
    after: list[tuple[float, float]], before: list[tuple[float, float]] | None
) -> list[tuple[float, float]]:
    known = dict(before or ())
    return [(edge, count - known.get(edge, 0.0)) for edge, count in after]


def stack() -> None:
    if not RECORDING.is_dir():
        print("  skipped: no recording at ../shared/market-data")
        return
    floor: dict[str, float] = {}
    for speed in ("1", "10"):
        for name, value in _stack_at(speed):
            key = f"{name} at 1x"
            baseline = floor.setdefault(key, value)
            row(
                f"{name}, {speed}x, 30 coins",
                f"{value * 1e3:.2f} ms",
                f"{key}: {baseline * 1e3:.2f} ms",
                value / baseline,
            )


def _stack_at(speed: str) -> Iterable[tuple[str, float]]:
    """Latencies of the last part of a run, after the start has been left behind."""
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ,
            **PORTS,
            "MM_DATA_DIR": f"{folder}/data",
            "MM_RUN_DIR": f"{folder}/run",
            "MM_LOG_DIR": f"{folder}/logs",
        }
        command = [
            sys.executable, "-P", "-m", "market_maker.cli", "launch", "--local", "--recording", str(RECORDING),
            "--fill-universe", "--speed", speed, "--duration", str(STACK_S), "--json",
        ]  # fmt: skip
        run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        marks: list[dict[str, list[tuple[float, float]]]] = []
        assert run.stderr is not None
        for line in run.stderr:
            if line.strip():
                print(f"    {line.rstrip()}", file=sys.stderr)
            try:
                marks.append(scrape(9104) | scrape(9106))
            except OSError:
                continue
        output, _ = run.communicate()
        if run.returncode != 0 or len(marks) < 2:
            raise SystemExit(f"the stack did not run (exit {run.returncode})")
        summary = json.loads(output)
        print(
            f"    {speed}x: memory of all processes {summary.get('memory_mb', 'not reported')} MB", file=sys.stderr
        )
        for name in ("mm_tick_to_target_seconds", "mm_tick_to_order_seconds"):
            before = marks[len(marks) // 3].get(name)
            buckets = difference(marks[-1][name], before)
            for label, share in (("p50", 0.5), ("p99", 0.99)):
                yield f"{name.removeprefix('mm_').removesuffix('_seconds')} {label}", quantile(buckets, share)


# ---- parquet -------------------------------------------------------------------------------------------------


def parquet() -> None:
    if not RECORDING.is_dir():
        print("  skipped: no recording at ../shared/market-data")
        return
    import pandas as pd

    from tests.bench.csvs import write_csvs

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_csvs(RECORDING, data, copies=15)
        files = sorted(data.rglob("*.csv"))
        size_mb = sum(path.stat().st_size for path in files) / 1e6
        begun = monotonic_s()
        for path in files:
            pd.read_csv(path).to_parquet(path.with_suffix(".pandas"), compression="zstd")
        naive = size_mb / (monotonic_s() - begun)
        naive_ratio = size_mb * 1e6 / sum(path.stat().st_size for path in data.rglob("*.pandas"))
        begun = monotonic_s()
        subprocess.run(
            [sys.executable, "scripts/csv_to_parquet.py", "--all", "--keep-csv", "--data", str(data)],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        ours = size_mb / (monotonic_s() - begun)
        ratio = size_mb * 1e6 / sum(path.stat().st_size for path in data.rglob("*.parquet"))
    row(
        "CSV to verified Parquet",
        f"{ours:.1f} MB/s",
        f"pandas read_csv/to_parquet, unverified: {naive:.1f} MB/s",
        ours / naive,
    )
    row("size ratio CSV : Parquet", f"{ratio:.2f}", f"pandas, zstd: {naive_ratio:.2f}", ratio / naive_ratio)


# ---- the bundled venue ---------------------------------------------------------------------------------------


def venue() -> None:
    bundled_venue.report(row, full_day=FULL_DAY in sys.argv)


def alerts() -> None:
    alert_drill.run(sys.argv[1:])


def reaction() -> None:
    for live in (False, True):
        real_reaction.run(live)


def data() -> None:
    recorded_data.report(row, sys.argv[1:])


def signing() -> None:
    trading_client.report(row)


SECTIONS = {
    "codec": codec, "bus": bus, "pipeline": pipeline, "stack": stack, "parquet": parquet, "data": data,
    "venue": venue, "signing": signing, "guard": guarding.run, "crash": guarding.crashes,
}  # fmt: skip


ONLY_WHEN_NAMED = {"alerts": alerts, "reaction": reaction}
"""Long, and no matter of speed."""


OPTIONS = (FULL_DAY, "--coins", "--rows", "--scene", "--cause", "--keep", "--docs")


def main(arguments: list[str]) -> None:
    if {"-h", "--help"} & set(arguments):
        print(__doc__, alert_drill.__doc__, sep="\n")
        return
    sections = SECTIONS | ONLY_WHEN_NAMED
    names = [argument for argument in arguments if not argument.startswith("-")]
    options = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    for unknown, known in ((set(names) - set(sections), sections), (options - set(OPTIONS), OPTIONS)):
        if unknown:
            raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in names or SECTIONS:
        print(name)
        sections[name]()


main(sys.argv[1:])
