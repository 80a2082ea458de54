"""`market_maker drill` through its front door: live processes, a real Redis, faults; and a short long run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from market_maker.drill.report import read_evidence

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ("kill_executor", "lost_ack", "foreign_order")


def drill(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    given = {"MM_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "market_maker.cli", "drill", *arguments],
        env=os.environ | given, cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.timeout(310)
def test_faults_are_committed_survived_and_reported(tmp_path: Path) -> None:
    page = tmp_path / "drill.html"
    chosen = [part for name in FAULTS for part in ("--fault", name)]
    done = drill(tmp_path, *chosen, "--repetitions", "1", "--coins", "2", "--report", str(page), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    rows = {row["fault"]: row for row in report["faults"]}
    assert set(rows) == set(FAULTS) and report["passed"]
    assert all(row["runs"] == 1 and row["failed"] == 0 and row["max_s"] is not None for row in rows.values())
    assert rows["kill_executor"]["max_s"] > 1.0, "its supervisor takes a second to start it again"
    assert read_evidence(tmp_path / "data").faults is None, "a choice of faults is no evidence"
    assert all(name in page.read_text() for name in FAULTS)
    (tmp_path / "one.json").write_text(done.stdout)
    joined = drill(tmp_path, "--join", str(tmp_path / "one.json"), "--json")
    assert joined.returncode == 0 and json.loads(joined.stdout)["faults"] == report["faults"]


@pytest.mark.timeout(310)
def test_the_books_of_a_long_run_are_the_venues(tmp_path: Path) -> None:
    done = drill(tmp_path, "--calm", "--minutes", "1", "--speed", "5", "--coins", "3", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    calm = report["calm"]
    assert calm["failures"] == [] and calm["crossed"] == calm["orphans"] == 0
    assert calm["orders"] > 0 and calm["requests"] >= calm["orders"]
    evidence = read_evidence(tmp_path / "data").calm
    assert evidence is not None and evidence.code == report["code"] and evidence.passed


def test_what_cannot_be_done_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for arguments, word in (
        (("--fault", "kill_everything"), "kill_executor"),
        (("--report", str(tmp_path / "report.pdf")), ".html"),
        (("--keep", str(tmp_path / "full")), "empty"),
        (("--keep", str(tmp_path / ("long" * 30))), "shorter"),
        (("--join", str(tmp_path / "full" / "file")), "no JSON of a drill"),
    ):
        refused = drill(tmp_path, *arguments)
        assert refused.returncode == 4 and word in refused.stderr, arguments
