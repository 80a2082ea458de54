"""The venue's own dead man's switch (reference page §6.4), kept ahead of us while we live: where this machine dies
as a whole, the venue cancels. It takes every order of the account, and needs an account that has traded enough.
"""

from collections.abc import Iterable
from datetime import timedelta

from services.watchdog.lines import line, told
from services.watchdog.wiring import Schedule, Scheduled
from shared.clock import ms_of_day, utc_day
from shared.hyperliquid.replies import Answered, Refused
from shared.messages import Event

RENEWALS = 3
"""So often within its time it is renewed: two requests may fail."""
AGAIN_MS = 5_000
ASK_AGAIN_MS = 3_600_000
"""How often we try whether the account has traded enough by now."""


class Switch:
    """When to ask for what; every request of it counts for the account's budget."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead_ms = int(ahead_s * 1000)
        self._next_ms = self._barred_until_ms = 0
        self._trouble = ""
        self.armed_until_ms = 0
        """0: not armed, as far as we know."""

    def wake(self) -> None:
        """The executor came or went: what there is to do need not wait."""
        self._next_ms = 0

    def renewal(self, now_ms: int) -> Schedule | None:
        """What to send now so that it stays ahead of us."""
        due = now_ms >= max(self._next_ms, self._barred_until_ms)
        return Schedule(now_ms + self._ahead_ms) if due else None

    def clearance(self, now_ms: int) -> Schedule | None:
        """What to send so that it does not go off for nothing: that may happen ten times a day only."""
        return Schedule(None) if self.armed_until_ms > now_ms >= self._next_ms else None

    def on_answer(self, now_ms: int, answer: Scheduled) -> Iterable[Event]:
        outcome = answer.outcome
        if isinstance(outcome, Answered):
            if answer.time_ms is not None and self.armed_until_ms <= now_ms:
                seconds = self._ahead_ms // 1000
                text = f"Dead man's switch armed: without us the venue cancels everything after {seconds} s."
                yield line(text)
            self.armed_until_ms, self._trouble = answer.time_ms or 0, ""
            self._next_ms = now_ms + self._ahead_ms // RENEWALS
        elif isinstance(outcome, Refused) and "enough volume" in outcome.text:
            self._barred_until_ms = now_ms + ASK_AGAIN_MS
            text = f"The venue's dead man's switch is not for this account yet: {outcome.text}"
            yield from self._say("volume", line(text))
        elif isinstance(outcome, Refused) and "Too many scheduled cancels" in outcome.text:
            self._barred_until_ms = ms_of_day(utc_day(now_ms) + timedelta(days=1))
            text = f"No dead man's switch until midnight UTC: {outcome.text}"
            yield from self._say("used up", line(text, "warning"))
        else:
            self._next_ms = now_ms + AGAIN_MS
            text = f"Dead man's switch: {told(outcome)}"
            yield from self._say("failed", line(text, "warning"))

    def _say(self, trouble: str, event: Event) -> Iterable[Event]:
        """The same trouble once."""
        if trouble != self._trouble:
            yield event
        self._trouble = trouble
