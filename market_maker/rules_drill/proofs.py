"""Rule by rule: it does not fire in a calm market, its scene makes it fire, and its level is what follows."""

from dataclasses import dataclass

from market_maker.rules_drill.path import TradingPath
from market_maker.rules_drill.scenes import METAS, SCENES, Scene, calm
from services.guard.checks.table import levels, rules
from services.guard.config import GuardConfig
from services.guard.rules import Level, Rule
from shared.config import load as load_settings
from shared.messages import RiskLease, RiskReport, TargetQuotes

AFTER_MS = 1_500
"""The next report comes each second."""
SERVICES = ("guard", "quoter")


@dataclass(frozen=True)
class Proof:
    """`after_s`: from the beginning of the scene to the report that shows the rule; None: it did not fire."""

    rule: str
    level: Level
    after_s: float | None
    failure: str = ""


def prove_all() -> list[Proof]:
    """Every rule that there is; one without a scene fails."""
    config = load_settings(GuardConfig)
    of = {scene.rule: scene for scene in SCENES}
    chosen = levels(config)
    return [prove(of.get(rule.name), rule, chosen[rule.name]) for rule in rules(config)]


def prove(scene: Scene | None, rule: Rule, level: Level) -> Proof:
    if scene is None:
        return Proof(rule.name, level, None, "nothing is known to make it fire")
    path = TradingPath(METAS, services=SERVICES, shadow_mode=scene.mode == "shadow")
    calm(path)
    begun_ms, begun = path.now_ms, len(path.out)
    early = _fired_ms(path, rule, 0)
    scene.act(path)
    path.wait(AFTER_MS)
    fired_ms = _fired_ms(path, rule, begun_ms)
    after_s = None if fired_ms is None else (fired_ms - begun_ms) / 1000
    if early is not None:
        return Proof(rule.name, level, after_s, "it fired in a calm market")
    if fired_ms is None:
        return Proof(rule.name, level, None, "it did not fire")
    return Proof(rule.name, level, after_s, "" if _obeyed(path, rule, level, begun) else f"no {level} followed")


def _fired_ms(path: TradingPath, rule: Rule, since_ms: int) -> int | None:
    reports = (report for report in path.said(RiskReport) if report.time_ms > since_ms)
    return next((report.time_ms for report in reports for each in report.rules if _is(each, rule)), None)


def _is(status: object, rule: Rule) -> bool:
    return getattr(status, "rule", "") == rule.name and bool(getattr(status, "fired", False))


def _obeyed(path: TradingPath, rule: Rule, level: Level, begun: int) -> bool:
    """Did leases and quotes follow?"""
    said = [message for _, message in path.out[begun:]]
    leases = [message for message in said if isinstance(message, RiskLease)]
    if level == "off":
        return True
    if level == "halt":
        newest = path.newest(TargetQuotes)
        return path.halted.halted and newest is not None and not newest.bids and not newest.asks
    if level == "widen":
        return any(lease.spread_multiplier > 1 for lease in leases)
    allowed = "reduce" if level == "reduce" else "none"
    permits = (permit for lease in leases for permit in (lease.bid, lease.ask))
    return any(permit.allow == allowed and permit.reason == rule.reason for permit in permits)
