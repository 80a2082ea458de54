"""docs/metrics.md is what the code says, and has every name of the operating procedures."""

import re
from pathlib import Path

import pytest

from scripts.metrics_table import FILE, render

PROCEDURES = Path(__file__).resolve().parents[3] / "shared" / "seeds"


def test_the_committed_page_is_what_the_code_makes():
    assert FILE.read_text() == render(), "run: python -m scripts.metrics_table"


def test_each_name_has_one_row_with_everything_in_it():
    rows = [
        line.split(" | ") for line in render().splitlines() if line.startswith("| `mm_") and line.count(" | ") == 4
    ]
    names = [row[0].strip("| `") for row in rows]
    assert len(names) == len(set(names)) > 100
    assert all(cell.strip(" |") for row in rows for cell in row)
    assert {"mm_exchange_request_seconds", "mm_bus_lag", "mm_watchdog_alarm"} <= set(names)


def test_every_name_of_the_operating_procedures_is_there():
    if not PROCEDURES.is_dir():
        pytest.skip("no ../shared/seeds")
    text = next(PROCEDURES.glob("004_*")).read_text()
    section = text[text.index("### 7.1 ") : text.index("### 7.2 ")]
    wanted = set(re.findall(r"^(mm_\w+)\{asset", section, re.M))
    assert len(wanted) == 27
    assert wanted <= set(re.findall(r"^\| `(mm_\w+)`", FILE.read_text(), re.M))
