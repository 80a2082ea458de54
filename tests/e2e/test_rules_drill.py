"""Every rule of the guard proves itself, a rule that does not is found out, and a crash costs what was stated."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analysis.recordings import open_any
from market_maker.cli import main
from market_maker.rules_drill import crash, proofs
from market_maker.rules_drill.scenes import SCENES
from services.guard import coin as guard_coin
from services.guard.checks.ofi import Ofi
from services.guard.checks.table import levels, rules
from services.guard.config import GuardConfig
from services.guard.rules import Reading, Verdict, combine
from shared.rule_proofs import read_proofs
from tests.bench.alarms import alarms

RULES = rules(GuardConfig())


def test_every_rule_has_one_scene() -> None:
    assert [scene.rule for scene in SCENES] == [rule.name for rule in RULES]


def test_the_drill_keeps_when_each_rule_was_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "market_maker.toml"
    settings.write_text('[guard]\nofi_min_trades = 1000\n[guard.rule_levels]\nofi = "off"\n')
    monkeypatch.setenv("MM_CONFIG", str(settings))
    monkeypatch.setenv("MM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    monkeypatch.setattr(sys, "argv", ["market_maker", "drill", "--rules", "--json"])
    assert main() == 0
    told = {proof["rule"]: proof for proof in json.loads(capsys.readouterr().out)}
    assert set(told) == {rule.name for rule in RULES} == set(read_proofs(tmp_path / "data"))
    assert told["ofi"]["level"] == "pull" and not any(proof["failure"] for proof in told.values())
    assert dict(os.environ) == before, "left as it was found"


def dead(self: Ofi, now_ms: int) -> Reading:
    return Reading(0.0, 0.7)


def nervous(self: Ofi, now_ms: int) -> Reading:
    return Reading(1.0, 0.7, fired=True)


def mute(fired: Iterable[Any]) -> Verdict:
    return combine(each for each in fired if each[0].name != "ofi")


@pytest.mark.parametrize(
    ("where", "name", "broken", "failure"),
    [
        (Ofi, "read", dead, "it did not fire"),
        (Ofi, "read", nervous, "it fired in a calm market"),
        (guard_coin, "combine", mute, "no pull followed"),
    ],
)
def test_a_rule_that_does_not_work_is_found_out(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, broken: Any, failure: str
) -> None:
    monkeypatch.setattr(where, name, broken)
    rule = next(rule for rule in RULES if rule.name == "ofi")
    scene = next(scene for scene in SCENES if scene.rule == "ofi")
    assert proofs.prove(scene, rule, levels(GuardConfig())["ofi"]).failure == failure


def test_a_rule_without_a_scene_fails() -> None:
    assert proofs.prove(None, replace(RULES[0], name="new"), "halt").failure


@pytest.mark.parametrize("scenario", sorted(crash.SCENARIOS))
def test_a_crash_costs_no_more_than_was_stated(scenario: str) -> None:
    guarded, bare = (crash.run(scenario, 1, guarded=guarded) for guarded in (True, False))
    assert guarded.halted and not bare.halted
    assert Decimal(0) < guarded.lost_usd <= guarded.stated_usd
    assert bare.lost_usd > 2 * guarded.lost_usd
    assert guarded.fell_frac == pytest.approx(-0.08 if scenario == "crash" else -0.07, abs=0.005)
    assert bool(guarded.liquidations) is (scenario == "cascade")


@pytest.mark.parametrize("name", ["hl-20250904-4coins-a", "hl-20250903-4coins"])
def test_no_recorded_session_stops_everything(recordings: Path, name: str) -> None:
    """Rules on everything stop nothing but the silence of a hole; the table is `make false-alarms`."""
    _, source = open_any(recordings / name)
    sessions = alarms(source, name)
    assert sessions and sum(found.coin_minutes for found in sessions) > 10
    everything = {rule.name for rule in RULES if rule.scope == "all"}
    for found in sessions:
        assert not found.halts
        assert not everything & set(found.fired_s)
