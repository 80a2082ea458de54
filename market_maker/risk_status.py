"""What `status` says of risk: which rules hold back what, how close the others are, and what can be lost."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.guard.rules import LEVELS
from shared.messages import SILENT_MS, PossibleLoss, RiskReport, RuleStatus

FIRED = {"halt": "HALTED BY", "pull": "QUOTES PULLED BY", "reduce": "REDUCED BY", "widen": "WIDENED BY"}
LOST = "NO WORD OF THE GUARD"
COLUMNS = ("rule", "coin", "level", "state", "value", "limit", "unit", "close", "fired", "last", "proven")
WORDS = ("rule", "coin", "level", "state", "unit")
LEFT_OUT = ("unit", "fired", "proven")
"""On a narrow terminal."""
ROW_STYLES = {"FIRED": "bold red", "off": "dim", "not known": "dim"}
_MOST_PERCENT = 999.0
"""What is farther beyond its limit is not told apart."""
_MOST_COINS = 4
"""Named in one line."""
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def facts(report: RiskReport | None, proofs_ms: Mapping[str, int], now_ms: float) -> dict[str, Any] | None:
    """JSON-ready; what holds back most comes first, then what is closest to its limit. None: nothing was told."""
    if report is None:
        return None
    age_s = max(0.0, now_ms - report.time_ms) / 1000
    rules = [_rule(rule, proofs_ms.get(rule.rule), now_ms) for rule in sorted(report.rules, key=_urgency)]
    return {
        "age_s": round(age_s, 1),
        "silent": age_s * 1000 > SILENT_MS,
        "fired": [rule for rule in rules if rule["fired"] and rule["level"] != "off"],
        "rules": rules,
        "possible_loss": _loss(report.loss) if report.loss is not None else None,
    }


def _urgency(rule: RuleStatus) -> tuple[int, int, float, str]:
    level, close = LEVELS.index(rule.level), closeness(rule)
    if rule.fired and level:
        return 0, -level, -(close or 0.0), rule.rule
    return (1 if level else 2), int(close is None), -(close or 0.0), rule.rule


def closeness(rule: RuleStatus) -> float | None:
    """How much of the way to the limit is gone; None where that is not known."""
    return None if rule.value is None or not rule.limit else abs(rule.value / rule.limit)


def _rule(rule: RuleStatus, proven_ms: int | None, now_ms: float) -> dict[str, Any]:
    close = closeness(rule)
    return {
        "rule": rule.rule,
        "coin": rule.coin or None,
        "level": rule.level,
        "fired": rule.fired,
        "value": rule.value,
        "limit": rule.limit,
        "unit": rule.unit,
        "closeness_frac": None if close is None else round(close, 4),
        "fired_total": rule.fired_total,
        "fired_ago_s": round(max(0.0, now_ms - rule.fired_ms) / 1000, 1) if rule.fired_ms else None,
        "proven_ago_s": None if proven_ms is None else round(max(0.0, now_ms - proven_ms) / 1000, 1),
        "detail": rule.detail,
    }


def _loss(loss: PossibleLoss) -> dict[str, Any]:
    away = loss.liquidation_frac
    return {
        "day_left_usd": None if loss.day_left_usd is None else str(loss.day_left_usd),
        "exposure_usd": str(loss.exposure_usd),
        "resting_usd": str(loss.resting_usd),
        "gaps_usd": {gap: str(usd) for gap, usd in loss.gaps_usd.items()},
        "liquidation_frac": None if away is None else round(away, 4),
    }


# ---- in words --------------------------------------------------------------------------------------------------


def stops(facts: dict[str, Any]) -> list[str]:
    """What holds back quotes, the tightest first; these stand above everything else."""
    if facts["silent"]:
        return [f"{LOST} for {_span(facts['age_s'])}: its leases have ended, nothing is quoted"]
    return [
        f"{FIRED[level]} {name}{_coins([rule['coin'] for rule in group if rule['coin']])}: {_why(group[0])}"
        for (level, name), group in _by_rule(facts["fired"]).items()
    ]


def _by_rule(fired: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for rule in fired:
        groups.setdefault((rule["level"], rule["rule"]), []).append(rule)
    return groups


def _coins(coins: Sequence[str]) -> str:
    more = f" and {len(coins) - _MOST_COINS} more" if len(coins) > _MOST_COINS else ""
    return f" on {', '.join(coins[:_MOST_COINS])}{more}" if coins else ""


def _why(rule: dict[str, Any]) -> str:
    """Of several coins, that of the first, which is farthest beyond its limit."""
    measured = f"{number(rule['value'])} against {number(rule['limit'])} {rule['unit']}".rstrip()
    return ", ".join(filter(None, [measured, rule["detail"]]))


def loss_lines(facts: dict[str, Any]) -> list[str]:
    """What can be lost right now."""
    loss = facts["possible_loss"]
    if loss is None:
        return ["what can be lost: not known, the executor has not told"]
    gaps = ", ".join(f"{float(gap):.0%} gap ${float(usd):.2f}" for gap, usd in loss["gaps_usd"].items())
    left, away = loss["day_left_usd"], loss["liquidation_frac"]
    until = "NO DAILY STOP" if left is None else f"${float(left):.2f} until the daily stop"
    liquidated = (
        "nothing held" if away is None else f"liquidated {away:.0%} away" if away < 1 else "liquidation far"
    )
    return [
        f"what can be lost: {until}; {gaps}; {liquidated}"
        f" (held ${float(loss['exposure_usd']):.2f}, resting ${float(loss['resting_usd']):.2f})"
    ]


def rows(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table of rules as text."""
    return [
        (
            rule["rule"],
            rule["coin"] or "all",
            rule["level"],
            _state(rule),
            number(rule["value"]),
            number(rule["limit"]),
            rule["unit"],
            "-" if rule["closeness_frac"] is None else f"{min(rule['closeness_frac'] * 100, _MOST_PERCENT):.0f}%",
            str(rule["fired_total"]),
            "-" if rule["fired_ago_s"] is None else f"{_span(rule['fired_ago_s'])} ago",
            "never" if rule["proven_ago_s"] is None else f"{_span(rule['proven_ago_s'])} ago",
        )
        for rule in facts["rules"]
    ]


def _state(rule: dict[str, Any]) -> str:
    if rule["level"] == "off":
        return "off"
    if rule["fired"]:
        return "FIRED"
    return "not known" if rule["value"] is None else "well"


def number(value: float | None) -> str:
    """Short, without an exponent where people would not write one."""
    if value is None:
        return "-"
    if value and abs(value) < 0.001:
        return f"{value:.1g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _span(seconds: float) -> str:
    return next((f"{seconds / of:.0f} {unit}" for of, unit in _SPANS if seconds >= of), f"{seconds:.0f} s")
