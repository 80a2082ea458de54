"""Results of a drill as tables, files and evidence; whom its confirmation is for."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from market_maker.drill import report as reports
from market_maker.drill.calm import CalmReport
from market_maker.drill.faults import FAULTS
from market_maker.drill.permit import confirm_drill, require_bundled
from market_maker.drill.report import Report, keep, read_evidence
from market_maker.drill.results import Result, row
from shared.errors import ConfigError
from shared.secrets import Credentials, Secret

ISSUE = (
    "kill_executor", "kill_quoter", "kill_guard", "kill_ingestor", "kill_redis", "network_cut", "lost_ack",
    "duplicate", "reorder", "dark_fill", "http_429", "http_5xx", "post_only", "clock_skew", "foreign_order",
)  # fmt: skip


def result(safe_after_s: float | None, *failures: str, repetition: int = 1) -> Result:
    return Result(
        fault="lost_ack", repetition=repetition, began_ms=0, what="2 answers lost", safe_after_s=safe_after_s,
        failures=failures, logs="/tmp/x",
    )  # fmt: skip


def reported(*results: Result) -> Report:
    return Report(
        made_ms=0, code="c0de", seed=7, faults=(row("lost_ack", "answers <lost>", 20, results),),
        failures=tuple(each for each in results if each.failures),
    )  # fmt: skip


def test_every_fault_that_must_be_survived_is_there() -> None:
    assert set(ISSUE) <= set(FAULTS)
    assert all(name == fault.name for name, fault in FAULTS.items())


@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_row_tells_the_middle_and_the_worst(times: list[float]) -> None:
    made = row("lost_ack", "", 20, [result(time_s) for time_s in times])
    assert made.max_s == round(max(times), 2) and made.runs == len(times) and made.failed == 0
    assert made.p50_s is not None and round(min(times), 2) <= made.p50_s <= made.max_s


def test_what_never_was_safe_has_no_time_and_counts_as_failed() -> None:
    made = row("lost_ack", "", 20, [result(1.0), result(None, "not safe")])
    assert (made.runs, made.failed, made.max_s) == (2, 1, 1.0)
    assert row("lost_ack", "", 20, []).p50_s is None


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_a_report_names_the_verdict_and_every_failure(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / "new" / f"report{suffix}"
    reports.write(file, reported(result(1.25), result(None, "it | <b>differs</b>")))
    text = file.read_text()
    assert "FAILED" in text and "c0de" in text and "lost_ack" in text and "1.2" in text
    assert "differs" in text and ("<b>" not in text or suffix == ".md")
    reports.write(file, reported(result(1.25)))
    assert "Passed" in file.read_text()


def test_a_report_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.html"):
        reports.write(tmp_path / "report.pdf", reported(result(1.0)))


def test_groups_of_faults_become_one_drill(tmp_path: Path) -> None:
    """Written by one process and read by another."""
    parts = [reported(result(1.0), result(2.0)), changed(reported(result(6.0), result(None, "lost")), seed=8)]
    other = changed(
        parts[0], faults=(row("reorder", "", 10, [result(0.5)]), row("dark_fill", "", 75, [])), made_ms=9
    )
    files = [tmp_path / str(number) for number in range(3)]
    for file, part in zip(files, [*parts, other], strict=True):
        file.write_text(json.dumps(reports.to_json(part)))
    whole = reports.join([reports.read(file) for file in files])
    assert whole.faults[0] == row(
        "lost_ack", "answers <lost>", 20, [*map(result, (1.0, 2.0, 6.0)), result(None, "lost")]
    )
    assert [made.fault for made in whole.faults] == ["lost_ack", "reorder"] and whole.made_ms == 0
    assert whole.failures == parts[1].failures and not whole.passed
    assert (whole.faults[0].runs, whole.faults[0].failed, whole.faults[0].p50_s) == (4, 1, 2.0)


def test_drills_of_different_code_are_not_joined(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="twice"):
        reports.join([reported(result(1.0)), reported(result(1.0))])
    with pytest.raises(ConfigError, match="different code: c0de, c1de"):
        reports.join([reported(result(1.0)), changed(reported(result(1.0)), code="c1de", seed=8)])
    (tmp_path / "x").write_text("{}")
    with pytest.raises(ConfigError, match="no JSON of a drill"):
        reports.read(tmp_path / "x")


def test_what_was_cut_short_has_not_passed_and_says_why() -> None:
    cut = changed(reported(result(1.0)), cut_short="interrupted")
    assert not cut.passed and "cut short: interrupted" in reports.verdict(cut)
    assert not reports.join([reported(result(1.0)), changed(cut, seed=8)]).passed


def test_evidence_keeps_the_newest_of_each_kind(tmp_path: Path) -> None:
    assert read_evidence(tmp_path) == reports.Evidence()
    keep(tmp_path, reported(result(1.0)))
    newest = reported(result(2.0))
    keep(tmp_path, newest)
    found = read_evidence(tmp_path)
    assert found.faults == newest and found.calm is None and found.faults.passed


def test_a_damaged_file_is_not_overwritten_silently(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / reports.FILE).write_text("{")
    with pytest.raises(ConfigError, match="remove it"):
        keep(tmp_path, reported(result(1.0)))


def test_a_run_too_short_for_a_forecast_claims_no_error() -> None:
    calm = CalmReport(
        coins=1, speed=1.0, market_s=60.0, wall_s=60.0, orders=1, fills=0, volume_usd=Decimal(0), crossed=0,
        orphans=0, post_only_refused=0, refused={}, requests=1, budget_used=1, forecasts=0,
        forecast_error_frac=0.0, dark_fills=0, failures=(),
    )  # fmt: skip
    assert dict(reports.calm_cells(calm))["budget forecast"].startswith("none")
    told = changed(calm, forecasts=3, forecast_error_frac=0.02)
    assert dict(reports.calm_cells(told))["budget forecast"] == "3 forecasts, mean error 2.0%"


# ---- its own consent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://127.0.0.1:3001", "http://127.0.0.2:1", "http://[::1]:3001"])
def test_the_bundled_venue_on_this_machine_may_be_drilled(url: str) -> None:
    require_bundled("sim", url)


@pytest.mark.parametrize(
    ("venue", "url"),
    [
        ("hyperliquid", "https://api.hyperliquid.xyz"),
        ("testnet", "https://api.hyperliquid-testnet.xyz"),
        ("hyperliquid", "http://127.0.0.1:3001"),
        ("replay", "http://127.0.0.1:3001"),
        ("sim", "https://api.hyperliquid.xyz"),
        ("sim", "http://10.0.0.1:3001"),
        ("sim", "http://localhost:3001"),
        ("sim", "http://127.0.0.1.example.com"),
        ("sim", "http://127.0.0.1@api.hyperliquid.xyz"),
        ("sim", ""),
    ],
)
def test_no_other_venue_is_confirmed_by_a_program(tmp_path: Path, venue: str, url: str) -> None:
    with pytest.raises(ConfigError, match="bundled venue"):
        confirm_drill(tmp_path, Credentials("0x" + "11" * 20, Secret("22" * 32)), venue, url, "run")
    assert not list(tmp_path.iterdir())
