"""A rule at work, and when it fired."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from services.guard.memory import PARTS
from services.guard.rules import Check, Level, Reading, Rule, Speaking
from shared.messages import Event, RuleStatus

Fired = tuple[Rule, Level, Reading]


class Watch:
    """One check with the level it takes; `coin` is empty for what is watched on everything."""

    remembers: ClassVar = {"check": PARTS, "_fired": bool, "_fired_ms": int, "_total": int}

    def __init__(self, check: Check, level: Level, coin: str = "") -> None:
        self.check, self.level, self.coin = check, level, coin
        self.reading = Reading(None, 0.0)
        self.began = False
        """Did it begin to fire with the last look?"""
        self._fired = False
        self._fired_ms = self._total = 0
        self._speaking = check if isinstance(check, Speaking) else None  # the question costs more than the answer

    @property
    def rule(self) -> Rule:
        return self.check.rule

    @property
    def fired(self) -> Fired | None:
        """None while all is well, or nobody wants to know."""
        return (self.rule, self.level, self.reading) if self.reading.fired and self.level != "off" else None

    def look(self, now_ms: int) -> Iterable[Event]:
        """Read it anew; what is to be told of that. Who halts says so himself."""
        was, self.reading = self._fired, self.check.read(now_ms)
        self._fired = self.reading.fired
        self.began = self.reading.fired and not was
        if self.began:
            self._total += 1
        if self.reading.fired:
            self._fired_ms = now_ms
        if self._speaking is not None:
            return self._speaking.lines(now_ms)
        told = was != self.reading.fired and self.level not in ("off", "halt")
        return [self._line()] if told else []

    @property
    def reason_to_halt(self) -> str:
        """What `resume` asks back. A rule made to halt has its words for that; one that a person set to halt adds
        them to the numbers."""
        detail = self.reading.detail
        if detail and self.rule.level == "halt":
            return detail
        told = f"{self._about}: {numbers(self.reading, self.rule)}"
        return f"{told} ({detail})" if detail else told

    @property
    def _about(self) -> str:
        return f"{self.coin} {self.rule.about}" if self.coin else self.rule.about

    def _line(self) -> Event:
        rule, reading = self.rule, self.reading
        detail = f" ({reading.detail})" if reading.detail else ""
        if not reading.fired:
            return Event(tag="RISK", coin=self.coin, text=f"{self._about} is well again: {rule.name} is over.")
        side = f" {reading.side}s" if reading.side else ""
        return Event(
            level="error" if self.level == "pull" else "warning",
            tag="RISK",
            coin=self.coin,
            text=f"{self._about}: {numbers(reading, rule)}{detail} ⇒ {self.level}{side}.",
            fields={"rule": rule.name},
        )

    def status(self) -> RuleStatus:
        reading = self.reading
        return RuleStatus(
            rule=self.rule.name,
            coin=self.coin,
            value=reading.value,
            limit=reading.limit,
            unit=self.rule.unit,
            level=self.level,
            fired=reading.fired,
            fired_ms=self._fired_ms,
            fired_total=self._total,
            detail=reading.detail,
        )


def numbers(reading: Reading, rule: Rule) -> str:
    """Value and limit for people."""
    value = "unknown" if reading.value is None else f"{reading.value:.4g}"
    return f"{value} {rule.unit}, limit {reading.limit:.4g}"


def foremost(watches: Sequence[Watch]) -> Sequence[Watch]:
    """Of one rule on many coins: those that fire, else the one closest to its limit."""
    return [watch for watch in watches if watch.reading.fired] or [max(watches, key=_closeness)]


def _closeness(watch: Watch) -> float:
    return watch.reading.closeness_frac or 0.0
