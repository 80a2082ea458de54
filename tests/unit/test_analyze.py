"""`market_maker analyze`, the market profile and the analysis of every night, on days with a known truth."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from analysis import nightly
from analysis.profile import build, measured
from analysis.run import Asked, Found, find
from analysis.store import open_store
from market_maker.cli import main
from shared import market_profile
from shared.clock import utc_day, wall_ms
from tests.fixtures.planted import PlantedCoin, write_days
from tests.fixtures.shadow_account import write_minutes

GOOD = PlantedCoin("GOOD", half_spread_bps=6.0, impact_bps=0.5, orders_per_s=0.3)
BAD = PlantedCoin("BAD", half_spread_bps=1.0, impact_bps=1.0, impact_slope=1.0, orders_per_s=0.3)
TODAY = utc_day(wall_ms())


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of a coin that pays and of one that does not, the last of them yesterday."""
    folder = tmp_path_factory.mktemp("planted")
    write_days(folder, [GOOD, BAD], TODAY - timedelta(days=2), 2, seed=1, sample_ms=1500)
    return folder


@pytest.fixture(scope="module")
def found(planted: Path) -> Iterator[Found]:
    told: list[tuple[float, str]] = []
    with open_store(planted) as store:
        yield find(store, Asked(source="planted"), lambda done, now="": told.append((done, now)))
    assert [done for done, _ in told] == sorted(done for done, _ in told) and told[-1][0] == 1.0


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["market_maker", *arguments])
    return main()


def test_all_sections_are_there_and_the_truth_is_found(found: Found) -> None:
    names = [section.name for section in found.answer.sections]
    assert names[:5] == ["gate1", "gate2", "gate3", "gate4", "gate5"] and len(names) >= 9
    assert found.gate1 is not None
    assert found.gate1.section.by_coin["GOOD"].verdict == "GO"
    assert found.gate1.section.by_coin["BAD"].verdict == "NO-GO"
    judged = {gate.name: gate.judgement for gate in found.answer.gates}
    assert judged["gate1"].verdict == "GO" and "BAD" in judged["gate1"].reason  # type: ignore[union-attr]
    for name in ("gate4", "gate5"):
        assert judged[name].verdict == "NOT ENOUGH DATA" and judged[name].needs  # type: ignore[union-attr]
    assert found.answer.exit_code == 2


def test_what_the_numbers_rest_on_is_said(found: Found) -> None:
    about = found.answer.about
    assert about.source == "planted" and set(about.hours) == {"GOOD", "BAD"}
    assert all(hours == pytest.approx(48, abs=0.1) for hours in about.hours.values())
    assert any("funding" in note for note in about.notes)


def test_the_profile_is_what_was_planted(found: Found, tmp_path: Path) -> None:
    profile = build(found)
    market_profile.write(tmp_path, profile)
    assert market_profile.read(tmp_path) == profile and profile.venue == "hyperliquid"
    coins = {coin.coin: coin for coin in profile.coins}
    for planted, coin in ((GOOD, coins["GOOD"]), (BAD, coins["BAD"])):
        assert coin.beyond_bps.value == pytest.approx(1 / planted.kappa_per_bps, rel=0.1)
        impact_bps = planted.impact_bps + planted.impact_slope / planted.kappa_per_bps
        assert coin.adverse_bps.value == pytest.approx(impact_bps, abs=4 * coin.adverse_bps.se)
        assert coin.rungs and all(rung.adverse_bps.se > 0 for rung in coin.rungs)
        assert [rung.half_spread_bps for rung in coin.rungs] == sorted(rung.half_spread_bps for rung in coin.rungs)


def test_a_number_without_an_interval_is_not_measured() -> None:
    from analysis.estimates import Estimate

    assert measured(Estimate(1.0, None, None, 3, 3.0)) is None
    exact = measured(Estimate(1.0, 1.0 - 1.959964, 1.0 + 1.959964, 30, 20.0))
    assert exact is not None and exact.se == pytest.approx(1.0) and exact.n_effective == 20.0


def test_one_gate_of_one_coin(
    planted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("analyze", "--data", str(planted), "--gate", "1")
    assert _run(monkeypatch, *arguments, "--asset", "GOOD") == 0
    assert "gate1  GO" in capsys.readouterr().out
    assert _run(monkeypatch, *arguments, "--coin", "BAD", "--json") == 2
    read = json.loads(capsys.readouterr().out)
    assert [section["name"] for section in read["sections"]] == ["gate1"]
    assert read["sections"][0]["by_coin"]["BAD"]["verdict"] == "NO-GO"
    assert list(read["about"]["hours"]) == ["BAD"]


def test_report_and_profile_are_written(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "pages" / "out.html"
    assert _run(monkeypatch, "analyze", "--data", str(planted), "--report", str(report), "--write-profile") == 2
    text = report.read_text()
    assert "Gate 3" in text and text.count("<svg") > 5 and f"Report: {report}" in capsys.readouterr().out
    assert market_profile.read(planted) is not None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--data", "{planted}", "--asset", "NONE"), 1, "no ticks of NONE"),
        (("--data", "{empty}"), 1, "nothing was recorded"),
        (("--data", "{planted}", "--since", "yesterday"), 4, "not a day such as"),
        (("--data", "{planted}", "--recording", "{empty}"), 4, "--recording is analysed by itself"),
        (("--data", "{planted}", "--gate", "1", "--write-profile"), 4, "needs gates 1 to 4"),
        (("--data", "{planted}", "--dex", "xyz"), 4, "no coin of it"),
        (("--data", "{planted}", "--gate", "6"), 4, "--gate"),
        (("--recording", "{empty}"), 1, "no recording found"),
        (("--data", "{planted}", "--asset", "GOOD", "--gate", "1", "--report", "/proc/x/y.html"), 4, "--report"),
    ],
)
def test_errors_name_the_remedy(
    arguments: tuple[str, ...], code: int, said: str, planted: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = [argument.format(planted=planted, empty=tmp_path) for argument in arguments]
    assert _run(monkeypatch, "analyze", *given) == code
    shown = capsys.readouterr()
    assert said in shown.err and "Traceback" not in shown.err and not shown.out


def test_minutes_of_a_real_recording_are_not_enough(
    recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "analyze", "--recording", str(recordings / "hl-20250903-4coins"), "--json") == 2
    read = json.loads(capsys.readouterr().out)
    gates = {section["name"]: section["judgement"] for section in read["sections"] if section["judgement"]}
    assert set(gates) == {"gate1", "gate2", "gate3", "gate4", "gate5"}
    assert all(gate["verdict"] == "NOT ENOUGH DATA" and gate["needs"] for gate in gates.values())
    assert read["about"]["venue"] == "replay" and set(read["about"]["hours"]) == {"BTC", "ETH", "SOL", "WLFI"}


def test_a_recording_is_imported_by_command(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recordings / "hl-20250126-btc-rawws"
    assert _run(monkeypatch, "import-recording", str(folder), "--data", str(tmp_path / "a")) == 0
    assert "25 s" in (shown := capsys.readouterr().out) or "0 min" in shown
    assert _run(monkeypatch, "import-recording", str(folder), "--data", str(tmp_path / "b"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["coins"] == ["BTC"]


def test_every_night(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nightly.main(["--data", str(planted)]) == nightly.OK
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["coins"] == 2 and done["seconds"] > 0
    kept = nightly.read(planted)
    assert kept is not None and kept.venue == "hyperliquid" and kept.gates["gate1"].coins["GOOD"] == "GO"
    assert set(kept.gates) == {"gate1", "gate2", "gate3", "gate4", "gate5"}
    assert {coin.coin for coin in market_profile.read(planted).coins} == {"GOOD", "BAD"}  # type: ignore[union-attr]


def test_a_night_without_data(planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nightly.main(["--data", str(tmp_path)]) == nightly.NOTHING
    assert nightly.main(["--data", str(planted), "--days", "1"]) == nightly.NOTHING
    assert not capsys.readouterr().out
    assert nightly.read(tmp_path) is None


def test_shadow_results_reach_gate_5(planted: Path) -> None:
    write_minutes(planted, [0.1 * n for n in range(40)], coin="GOOD")
    with open_store(planted, coins=["GOOD"]) as store:
        (gate,) = [one for one in find(store, Asked(everything=False)).answer.gates if one.name == "gate5"]
    rows = {row[0]: row for row in gate.tables[0].rows}
    assert rows["shadow PnL"][3] == 39 and rows["cancels per fill"][2] == pytest.approx(5.0)


def test_the_script_is_the_command() -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "analyze_ticks.py"
    shown = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "--coin" in shown.stdout and "--gate" in shown.stdout and "gate 3" in shown.stdout
