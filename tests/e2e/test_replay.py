"""The trading path over real minutes: deterministic, never crossing, no fill without a print, an honest ledger."""

import gzip
import json
import subprocess
import sys
from bisect import bisect_left
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from market_maker.replay import run_replay
from services.venue.market.replay import open_recording
from shared.errors import ConfigError, DataError
from shared.hyperliquid.wire import Bbo, WireTrade

ROOT = Path(__file__).resolve().parents[2]
SET = "hl-20250904-4coins-a"
MINUTES = 6
PLACE_LATENCY_MS = 400


@pytest.fixture(scope="module")
def excerpt(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first minutes of two coins, cut line by line; lives in a temporary folder."""
    folder = tmp_path_factory.mktemp("excerpt")
    for coin in ("ETH", "WLFI"):
        for kind in ("orderbooks", "prices", "trades"):
            name = f"{kind}_{coin}.csv.gz"
            with gzip.open(recordings / SET / name, "rt") as source, gzip.open(folder / name, "wt") as target:
                header = source.readline()
                target.write(header)
                place = header.strip().split(",").index("exchange_timestamp")
                first_ms = None
                for line in source:
                    time_ms = int(line.split(",")[place])
                    first_ms = first_ms or time_ms
                    if time_ms - first_ms < MINUTES * 60_000:
                        target.write(line)
    return folder


@pytest.fixture(scope="module")
def replayed(excerpt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("replayed")
    run_replay(excerpt, out)
    return out


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_two_runs_give_the_same_bytes(excerpt: Path, replayed: Path, tmp_path: Path) -> None:
    run_replay(excerpt, tmp_path)
    for name in ("decisions.jsonl", "fills.jsonl", "summary.json"):
        assert (tmp_path / name).read_bytes() == (replayed / name).read_bytes()


def test_something_was_quoted_and_filled(replayed: Path) -> None:
    summary = json.loads((replayed / "summary.json").read_text())
    assert summary["counts"]["fills"] >= 5
    assert summary["counts"]["targets"] > 500
    two_sided = sum(
        1 for d in lines(replayed / "decisions.jsonl") if d["type"] == "target.1" and d["bids"] and d["asks"]
    )
    assert two_sided > 0.7 * summary["counts"]["targets"]


def test_no_quote_touches_the_other_side_of_the_newest_book(excerpt: Path, replayed: Path) -> None:
    """Recomputed from the recording alone: the newest bbo at the time each target was computed."""
    touches: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for time_ms, event in open_recording(excerpt).events():
        if isinstance(event, Bbo) and all(event.bbo):
            bid, ask = event.bbo
            touches[event.coin].append((time_ms, float(bid.px), float(ask.px)))  # type: ignore[union-attr]
    checked = 0
    for target in lines(replayed / "decisions.jsonl"):
        if target["type"] != "target.1" or not (target["bids"] or target["asks"]):
            continue
        known = touches[target["coin"]]
        place = bisect_left(known, (target["computed_ms"],)) - 1
        at_or_before = [t for t in known[max(place - 1, 0) : place + 2] if t[0] <= target["computed_ms"]]
        if not at_or_before:
            continue
        _, best_bid, best_ask = at_or_before[-1]
        assert all(float(level["px"]) < best_ask for level in target["bids"])
        assert all(float(level["px"]) > best_bid for level in target["asks"])
        checked += 1
    assert checked > 500


def test_every_fill_has_its_own_print_at_or_through_its_price(excerpt: Path, replayed: Path) -> None:
    prints: dict[str, list[WireTrade]] = defaultdict(list)
    for _, event in open_recording(excerpt).events():
        if isinstance(event, tuple):
            for trade in event:
                prints[trade.coin].append(trade)
    sent = {d["cloid"]: d["time_ms"] for d in lines(replayed / "decisions.jsonl") if d.get("status") == "pending"}
    volume: dict[int, Fraction] = defaultdict(Fraction)
    fills = [f for f in lines(replayed / "fills.jsonl") if f["type"] == "fill.1"]
    for fill in fills:
        tid = int(fill["fill_id"].rsplit("-", 1)[1])
        (trade,) = [t for t in prints[fill["coin"]] if t.tid == tid and t.time == fill["time_ms"]]
        assert trade.side == ("A" if fill["side"] == "bid" else "B")
        reached = (
            float(trade.px) <= float(fill["px"]) if fill["side"] == "bid" else float(trade.px) >= float(fill["px"])
        )
        assert reached and sent[fill["cloid"]] + PLACE_LATENCY_MS <= trade.time
        volume[tid] += Fraction(fill["sz"])
        assert volume[tid] <= Fraction(str(trade.sz))


def test_the_ledger_equals_cash_and_inventory_recomputed_from_the_fills(replayed: Path) -> None:
    session = json.loads((replayed / "summary.json").read_text())["session"]
    cash: dict[str, Fraction] = defaultdict(Fraction)
    position: dict[str, Fraction] = defaultdict(Fraction)
    fees = Fraction(0)
    for line in lines(replayed / "fills.jsonl"):
        if line["type"] == "funding.1":
            cash[line["coin"]] += Fraction(line["usd"])
            continue
        signed = Fraction(line["sz"]) * (1 if line["side"] == "bid" else -1)
        cash[line["coin"]] -= signed * Fraction(line["px"]) + Fraction(line["fee_usd"])
        position[line["coin"]] += signed
        fees += Fraction(line["fee_usd"])
        assert Fraction(line["position_sz"]) == position[line["coin"]]
    total = sum(cash[c["coin"]] + position[c["coin"]] * Fraction(c["mark_px"]) for c in session["coins"])
    assert abs(total - Fraction(session["pnl_usd"])) <= Fraction(1, 10**9)
    assert abs(fees - Fraction(session["fees_usd"])) <= Fraction(1, 10**9)


def test_a_setting_changes_the_run(excerpt: Path, tmp_path: Path) -> None:
    summary = run_replay(excerpt, tmp_path, queue_model="v6")
    assert summary["counts"]["fills"] > 0
    with pytest.raises(ConfigError, match="queue_model"):
        run_replay(excerpt, tmp_path, queue_model="hope")


def test_a_truncated_recording_is_replayed_as_far_as_it_goes_and_says_so(excerpt: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    torn.mkdir()
    for path in excerpt.iterdir():
        content = path.read_bytes()
        cut = path.name == "orderbooks_ETH.csv.gz"
        (torn / path.name).write_bytes(content[: len(content) // 2] if cut else content)
    summary = run_replay(torn, tmp_path / "out")
    assert any("orderbooks_ETH.csv.gz" in warning for warning in summary["warnings"])
    assert summary["counts"]["targets"] > 100


def test_a_folder_that_is_no_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        run_replay(tmp_path, tmp_path / "out")


def test_an_output_that_cannot_be_written_is_named(excerpt: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written.*--out"):
        run_replay(excerpt, tmp_path / "file" / "out")


def test_the_command_prints_for_people_and_for_machines(excerpt: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "market_maker.cli",
        "replay",
        "--recording",
        str(excerpt),
        "--out",
        str(tmp_path),
    ]
    people = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "0 crossed quotes" in people and "WLFI" in people and str(tmp_path) in people
    machines = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(machines) == json.loads((tmp_path / "summary.json").read_text())
    lost = subprocess.run([*command[:-3], "/nowhere", *command[-2:]], cwd=ROOT, capture_output=True, text=True)
    assert lost.returncode != 0 and lost.stderr.startswith("error:") and "/nowhere" in lost.stderr
