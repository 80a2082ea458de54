"""For all histories of executor, Redis and venue: nothing of ours stays, and nothing of others goes."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.watchdog.wiring import Answer, Cancelled, CancelOrders, Look, Schedule, Scheduled, Unanswered
from shared.hyperliquid.replies import Answered, NotSent, Throttled, Unknown
from tests.fixtures.watchdog_bench import ASSETS, Bench, order

SILENCE_MS = 4_000
OUTCOMES = (Throttled(), Unknown("no answer within 2 s"), NotSent("no connection"))


@dataclass(frozen=True)
class Phase:
    """So long everything is like this. `fates`: what becomes of request after request, 0 is well."""

    seconds: int
    alive: bool
    bus: bool
    placed: tuple[tuple[str, bool], ...]
    fates: tuple[int, ...]


phases = st.lists(
    st.builds(
        Phase,
        seconds=st.integers(1, 12),
        alive=st.booleans(),
        bus=st.booleans(),
        placed=st.lists(st.tuples(st.sampled_from(sorted(ASSETS)), st.booleans()), max_size=4).map(tuple),
        fates=st.lists(st.integers(0, 4), max_size=12).map(tuple),
    ),
    max_size=8,
)


class Trial(Bench):
    """A venue that loses requests before or after it has done them, is late or not there; and a record of when the
    executor was heard last."""

    def __init__(self) -> None:
        self.heard_ms = 0
        self.fates: list[int] = []
        self.late = 0
        super().__init__()
        self.heard_ms = self.now_ms
        self.answer = self.fateful

    def step(self, msg: Any) -> None:
        before = len(self.sent(CancelOrders))
        super().step(msg)
        assert len(self.waiting) <= 1
        if len(self.sent(CancelOrders)) > before:
            assert self.now_ms - self.heard_ms > SILENCE_MS

    def play(self, phase: Phase) -> None:
        self.alive, self.bus, self.fates = phase.alive, phase.bus, list(phase.fates)
        self.resting += [
            order(len(self.asked) * 100 + number, coin, own=own) for number, (coin, own) in enumerate(phase.placed)
        ]
        for _ in range(4 * phase.seconds):
            self.run(0.25)
            if self.alive and self.bus and self.now_ms % 1000 == 0:
                self.heard_ms = self.now_ms

    def fateful(self, effect: Any) -> Answer | None:
        if self.late:
            self.late -= 1
            return None
        fate = self.fates.pop() if self.fates else 0
        if fate == 0:
            return self.fair(effect)
        if fate == 1:
            self.late = 6
            return None
        if fate == 2:
            self.fair(effect)  # done, and the answer is lost
        outcome = OUTCOMES[fate % len(OUTCOMES)]
        if isinstance(effect, CancelOrders):
            return Cancelled((outcome,) * len(effect.requests))
        if isinstance(effect, Schedule):
            return Scheduled(effect.time_ms, outcome)
        return Unanswered(effect, "HTTP 502")


@given(history=phases)
@settings(max_examples=150, deadline=None)
def test_whatever_happened_a_dead_executor_leaves_nothing_of_ours_and_all_of_others(history: list[Phase]) -> None:
    trial = Trial()
    for phase in history:
        trial.play(phase)
    others = [rest for rest in trial.resting if rest.cloid is None]
    trial.play(Phase(1, True, True, (("BTC", True), ("ETH", False)), ()))
    trial.play(Phase(12, False, True, (), ()))
    assert [rest.oid for rest in trial.resting if rest.cloid is not None] == []
    assert all(rest in trial.resting for rest in others)
    assert trial.core.alarm_since_ms is None


@given(history=phases, scheduling=st.sampled_from([Answered(), *OUTCOMES]))
@settings(max_examples=100, deadline=None)
def test_the_venue_is_never_asked_more_than_it_allows(history: list[Phase], scheduling: Any) -> None:
    """20 a look; a minute may hold 1200 from one address, and others ask too."""
    trial = Trial()
    trial.scheduling = scheduling
    for phase in history:
        trial.play(phase)
    times = [at_ms for at_ms, effect in trial.asked if isinstance(effect, Look)]
    for at_ms in times:
        assert 20 * sum(at_ms <= other < at_ms + 60_000 for other in times) <= 1200
