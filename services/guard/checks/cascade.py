"""Liquidation cascades: the worse it looks, the less is left standing.

    severity   [0, 0.3) nothing   [0.3, 0.5) 1.5 times wider   [0.5, 0.8) 2.5 times wider, half the size
               [0.8, 0.95] no quotes   above: stop everything, until a person resumes

Three rules, because each takes its own level; they read one estimate.
"""

from typing import Any, ClassVar, NamedTuple

from services.guard.config import GuardConfig
from services.guard.estimators.cascade import Severity
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import Book, Reason, Trades

WIDEN = Rule(
    "cascade", "signs of a liquidation cascade", "coin", "widen", Reason.CASCADE, "severity",
    "cascade_widen_severity",
)  # fmt: skip
PULL = Rule(
    "cascade_pull", "liquidation cascade", "coin", "pull", Reason.CASCADE, "severity",
    "cascade_pull_severity",
)  # fmt: skip
KILL = Rule(
    "cascade_kill", "liquidation cascade beyond measure", "coin", "halt", Reason.CASCADE, "severity",
    "cascade_kill_severity",
)  # fmt: skip


class Action(NamedTuple):
    """What a severity asks for; `spread` and `size` are factors."""

    action: str
    spread: float
    size: float
    quote: bool


_REDUCE_SIZE = Action("reduce_size", 2.5, 0.5, True)


def action(severity: float, config: GuardConfig) -> Action:
    if severity > config.cascade_kill_severity:
        return Action("kill", 2.5, 0.0, False)
    if severity >= config.cascade_pull_severity:
        return Action("pull", 2.5, 0.0, False)
    if severity >= config.cascade_shrink_severity:
        return _REDUCE_SIZE
    if severity >= config.cascade_widen_severity:
        return Action("widen", 1.5, 1.0, True)
    return Action("normal", 1.0, 1.0, True)


class Cascade:
    """Wider and smaller; to quote nothing at all is for the other two. The one of the three that listens."""

    rule = WIDEN
    remembers: ClassVar = {"_severity": PARTS}

    def __init__(self, severity: Severity, config: GuardConfig) -> None:
        self._severity, self._config = severity, config

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Trades):
            self._severity.add_trades(now_ms, msg)
        elif isinstance(msg, Book) and msg.bids and msg.asks:
            self._severity.add_book(now_ms, msg)

    def read(self, now_ms: int) -> Reading:
        limit, severity = self._config.cascade_widen_severity, self._severity.value(now_ms)
        if severity is None:
            return Reading(None, limit)
        what = action(severity, self._config)
        if not what.quote:
            what = _REDUCE_SIZE
        return Reading(severity, limit, severity >= limit, spread=what.spread, size=what.size)


class CascadePull:
    """No quotes while it lasts; released as the severity decays."""

    rule = PULL

    def __init__(self, severity: Severity, config: GuardConfig) -> None:
        self._severity, self._config = severity, config

    def hear(self, now_ms: int, msg: Any) -> None:
        """`Cascade` listens for all three."""

    def read(self, now_ms: int) -> Reading:
        limit, severity = self._config.cascade_pull_severity, self._severity.value(now_ms)
        return Reading(severity, limit, severity is not None and severity >= limit)


class CascadeKill:
    """Stop everything; the halt itself is what latches."""

    rule = KILL

    def __init__(self, severity: Severity, config: GuardConfig) -> None:
        self._severity, self._config = severity, config

    def hear(self, now_ms: int, msg: Any) -> None:
        """`Cascade` listens for all three."""

    def read(self, now_ms: int) -> Reading:
        limit, severity = self._config.cascade_kill_severity, self._severity.value(now_ms)
        return Reading(severity, limit, severity is not None and severity > limit)


def cascade_checks(coin: str, config: GuardConfig) -> tuple[Cascade, CascadePull, CascadeKill]:
    """The three rules of a coin on one estimate; `Cascade` must hear, whatever levels are chosen."""
    severity = Severity(config.cascade_least_orders_per_s, config.cascade_least_move_bps)
    return Cascade(severity, config), CascadePull(severity, config), CascadeKill(severity, config)
