"""What the guard tells of its rules, and what is remembered of rules that its newest report leaves out.

A report has each rule on everything, and of a rule on coins only the coin closest to its limit and all where it
fires; so counts and times of the others are the last ones told.
"""

from collections.abc import Iterator, Mapping

from services import SERVICES
from shared.messages import HaltState, RiskReport, RuleStatus

EVERYTHING = "all"
"""In place of a coin, for a rule on everything."""
SEED_NAMES = {"cascade": "mm_cascade_severity", "toxicity": "mm_jump_ratio"}
"""Values of rules that had a metric of their own before there was one for all rules."""
REPORT_EVERY_MS = 1_000
Samples = Iterator[tuple[str, tuple[str, ...], float]]


class Rules:
    """The newest report, and of each rule how often and when it fired."""

    def __init__(self) -> None:
        self.report: RiskReport | None = None
        self.proofs_ms: Mapping[str, int] = {}
        """When each rule proved itself in a drill."""
        self.fired_total: dict[tuple[str, str], int] = {}
        self.fired_ms: dict[str, int] = {}

    def take(self, report: RiskReport) -> None:
        if self.report is not None and report.time_ms < self.report.time_ms:
            return
        self.report = report
        for rule in report.rules:
            self.fired_total[rule.rule, rule.coin or EVERYTHING] = rule.fired_total
            self.fired_ms[rule.rule] = max(rule.fired_ms, self.fired_ms.get(rule.rule, 0))


def halt_code(halt: HaltState, rules: Rules) -> str:
    """One of a few words for the label: what is behind a halt; its full text is in the log and in `status`.

    Of the guard's own halt that is the rule which fired when it came, as soon as a report has told it.
    """
    if not halt.halted:
        return "none"
    if halt.who != "guard":
        return "invariant" if halt.who in SERVICES else "operator"
    told = rules.report.rules if rules.report is not None else ()
    since_ms = halt.since_ms - REPORT_EVERY_MS
    return next((rule.rule for rule in told if rule.level == "halt" and rule.fired_ms >= since_ms), "guard")


def rule_samples(rules: Rules, now_ms: float, fresh_ms: float) -> Samples:
    """What is counted stays true while the guard is silent, what it says of now does not."""
    for of, count in rules.fired_total.items():
        yield "mm_rule_fired_total", of, count
    for name, fired_ms in rules.fired_ms.items():
        if fired_ms:
            yield "mm_rule_last_fired_timestamp_seconds", (name,), fired_ms / 1000
    for name, proven_ms in rules.proofs_ms.items():
        yield "mm_rule_proven_timestamp_seconds", (name,), proven_ms / 1000
    report = rules.report
    if report is not None and now_ms - report.time_ms <= fresh_ms:
        for rule in report.rules:
            yield from _rule(rule)
        yield from _loss(report)


def _rule(rule: RuleStatus) -> Samples:
    of = rule.rule, rule.coin or EVERYTHING
    yield "mm_rule_fired", (*of, rule.level), float(rule.fired and rule.level != "off")
    yield "mm_rule_limit", (*of, rule.unit), rule.limit
    if rule.value is None:
        return
    yield "mm_rule_value", (*of, rule.unit), rule.value
    if rule.limit:
        yield "mm_rule_closeness", of, abs(rule.value / rule.limit)
    if rule.rule in SEED_NAMES:
        yield SEED_NAMES[rule.rule], of[1:], rule.value


def _loss(report: RiskReport) -> Samples:
    loss = report.loss
    if loss is None:
        return
    for gap, usd in loss.gaps_usd.items():
        yield "mm_possible_loss_usd", (gap,), float(usd)
    if loss.day_left_usd is not None:
        yield "mm_day_budget_left_usd", (), float(loss.day_left_usd)
    yield "mm_exposure_usd", (), float(loss.exposure_usd)
    yield "mm_resting_usd", (), float(loss.resting_usd)
    if loss.liquidation_frac is not None:
        yield "mm_liquidation_distance", (), loss.liquidation_frac
