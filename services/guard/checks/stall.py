"""Feed silence: without frames our quotes are blind, whoever is to blame."""

from collections.abc import Iterable
from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import Book, Event, FeedHealth, Reason, Trades
from shared.service import BusBack, Started


class StallWatch:
    """Watches the time of the newest frame, as told by the ingestor's health and by what it published.

    Both are needed: a dead ingestor reports nothing, a blind one reports an old frame again and again.
    """

    remembers: ClassVar = {"state": tuple[float, bool, float]}

    def __init__(self, timeout_s: float) -> None:
        self._timeout_ms = timeout_s * 1000
        self._last_ms = 0.0
        self.stalled = False
        self.since_ms = 0.0
        """When the last stall was declared; only what was received after it is fresh."""

    @property
    def state(self) -> tuple[float, bool, float]:
        return self._last_ms, self.stalled, self.since_ms

    @state.setter
    def state(self, before: tuple[float, bool, float]) -> None:
        """As it was; frames that have been heard by now are known better, and may have ended a stall."""
        last_ms, stalled, self.since_ms = before
        self._last_ms = max(self._last_ms, last_ms)
        self.stalled = stalled and self._last_ms <= self.since_ms

    def silence_ms(self, now_ms: float) -> float:
        return max(now_ms - self._last_ms, 0.0)

    def restart(self, now_ms: float) -> None:
        """Begin to count now: nothing could be heard before."""
        self._last_ms = max(self._last_ms, now_ms)

    def heard(self, received_ms: float) -> bool:
        """Note a frame; True when it ends a stall."""
        self._last_ms = max(self._last_ms, received_ms)
        if not self.stalled or received_ms <= self.since_ms:
            return False
        self.stalled = False
        return True

    def overdue(self, now_ms: float) -> bool:
        """True once, when the silence has lasted longer than the timeout."""
        if self.stalled or now_ms - self._last_ms <= self._timeout_ms:
            return False
        self.stalled, self.since_ms = True, now_ms
        return True


class Stall:
    """Everything is cancelled, and quoting goes on with books of after the stall."""

    rule = Rule("stall", "silence of the feed", "all", "pull", Reason.STALL, "s", "stall_timeout_s")
    remembers: ClassVar = {"_begun": bool, "_told": bool, "_watch": PARTS}

    def __init__(self, config: GuardConfig) -> None:
        self._limit_s = config.stall_timeout_s
        self._watch = StallWatch(config.stall_timeout_s)
        self._begun = self._told = False

    @property
    def fresh_after_ms(self) -> float:
        """Only books received later than this count."""
        return self._watch.since_ms

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, (Book, Trades)):
            self._watch.heard(msg.received_ms)
        elif isinstance(msg, FeedHealth):
            self._watch.heard(msg.last_frame_ms)
        elif isinstance(msg, BusBack) or (isinstance(msg, Started) and not self._begun):
            self._begun = True
            self._watch.restart(now_ms)

    def read(self, now_ms: int) -> Reading:
        """Before the start nothing could be heard."""
        if not self._begun:
            return Reading(None, self._limit_s)
        self._watch.overdue(now_ms)
        return Reading(self._watch.silence_ms(now_ms) / 1000, self._limit_s, self._watch.stalled)

    def lines(self, now_ms: int) -> Iterable[Event]:
        stalled, was, self._told = self._watch.stalled, self._told, self._watch.stalled
        if stalled and not was:
            yield Event(level="error", tag="", text="🚨 STALL PANIC: cancel_all.")
        elif was and not stalled:
            yield Event(level="warning", tag="STALL", text="WS back. Reconciling.")
