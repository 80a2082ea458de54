"""Faults on request: what is switched on, and the hooks through which the venue asks what to do to whom.

Pure: time is an argument, chance is seeded for each fault on its own. The same seed and the same calls give the
same effects. Every start, effect and end is told to `note`; of frames, which are many, each connection's first of
its kind, and the number at the end.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from math import log1p
from random import Random
from typing import NamedTuple, TypeGuard, TypeVar, cast

import msgspec

from services.venue.exchange.facts import AnyFact, Filled, OrderChanged
from services.venue.faults import kinds
from services.venue.faults.frames import FrameFaults, Sent, in_order
from services.venue.faults.kinds import AnyFault, External, Fault, kind_of
from services.venue.faults.running import Connection, Running


class Step(NamedTuple):
    """One line of a scenario: `s` seconds after its start."""

    s: float
    fault: AnyFault


class HttpAnswer(NamedTuple):
    """What a client gets instead of its answer."""

    status: int
    body: bytes
    content_type: str


class AnswerFate(NamedTuple):
    """What happens to the answer of an action that has taken effect."""

    delay_ms: int = 0
    lost: bool = False


class Push(NamedTuple):
    """How a crash moves a coin, or all, in one block."""

    coin: str | None
    log_move: float
    takers: int


ON_TIME = AnswerFate()
OVER_LIMIT = HttpAnswer(429, b"null", "application/json")
ENCODER = msgspec.json.Encoder()
AFault = TypeVar("AFault", bound=Fault)


class Faults:
    """All of them. `now_ms` is everywhere the venue's own time in milliseconds: a clock that never goes back, one
    for all calls, without the skew that `clock_skew` adds. While no fault is on, a hook costs one look-up.

    Once a block, before it: `pushes`, `advance`, then `due_orders`, `due_frames`, `sockets_to_drop`, `post_only`,
    `skew_ms`, `block_extra_ms`. The others when the occasion arises.
    """

    def __init__(self, seed: int, note: Callable[[str, str], None]) -> None:
        """`note(kind, detail)` is to become a `Disturbed` fact."""
        self._seed, self._note = seed, note
        self._started = 0
        self._running: dict[int, Running] = {}
        self._of: dict[type[Fault], list[Running]] = {}
        self._on_frames: list[Running] = []
        self._frames = FrameFaults(self._frame_effect)
        self._pending: list[tuple[float, AnyFault]] = []
        """By due time."""

    @property
    def disturbs_frames(self) -> bool:
        """Must frames pass `on_frame`, or is one still held? If not, clients need no filter."""
        return bool(self._on_frames) or self._frames.holds_any

    # ---- switching -----------------------------------------------------------------------------------------

    def start(self, now_ms: float, fault: AnyFault) -> int:
        """Switch a fault on now; its number."""
        self._started += 1
        number = self._started
        self._running[number] = Running(number, fault, now_ms, Random(f"{self._seed}/{number}"))
        self._sort()
        self._note(kind_of(fault), f"#{number} on {ENCODER.encode(fault).decode()}")
        return number

    def play(self, now_ms: float, steps: Sequence[Step]) -> None:
        """Start these at their times from now on."""
        self._pending += [(now_ms + step.s * 1000, step.fault) for step in steps]
        self._pending.sort(key=lambda item: item[0])

    def end(self, now_ms: float, number: int) -> bool:
        """End one; False when there is none of this number. Frames it held are due at once."""
        on = self._running.pop(number, None)
        if on is None:
            return False
        self._sort()
        self._frames.ended(on)
        self._note(kind_of(on.fault), f"#{number} off, effects: {on.effects}")
        return True

    def end_all(self, now_ms: float) -> int:
        """End all that are on and forget what a scenario still had in store; how many these were."""
        many = len(self._running) + len(self._pending)
        self._pending.clear()
        for number in list(self._running):
            self.end(now_ms, number)
        return many

    def running(self) -> list[Running]:
        return list(self._running.values())

    def pending(self) -> list[tuple[float, AnyFault]]:
        """(due time, fault) of the steps of scenarios that are still to come."""
        return list(self._pending)

    def advance(self, now_ms: float) -> None:
        """Start what is due and end what is over."""
        if self._running:
            for number in [number for number, on in self._running.items() if on.over(now_ms)]:
                self.end(now_ms, number)
        while self._pending and self._pending[0][0] <= now_ms:
            self.start(now_ms, self._pending.pop(0)[1])

    # ---- connections and frames ----------------------------------------------------------------------------

    def on_connect(self, now_ms: float) -> HttpAnswer | None:
        """Refuse a websocket before its upgrade."""
        for on, fault in self._now(now_ms, kinds.RefuseConnections):
            if on.strikes():
                self._effect(on, "a connection")
                return _plain(fault.status)
        return None

    def sockets_to_drop(self, now_ms: float, connections: Iterable[Connection]) -> list[int]:
        """Numbers of the connections to abort now."""
        dropped: dict[int, None] = {}
        if kinds.Drop not in self._of:
            return []
        present = sorted(connections, key=lambda connection: connection.number)
        for on, _ in self._now(now_ms, kinds.Drop):
            for connection in present:
                number = connection.number
                if number not in dropped and on.reaches(connection) and on.strikes_at(number) and not on.used_up:
                    self._effect(on, f"connection {number}")
                    dropped[number] = None
            on.swept = on.one_sweep
        return list(dropped)

    def on_frame(
        self, now_ms: float, connection: Connection, channel: str, key: str, frame: bytes
    ) -> Sequence[bytes]:
        """What arrives in place of a frame right now; `key` is its coin or lower-case address."""
        if not self.disturbs_frames:
            return (frame,)
        return self._frames.arriving(now_ms, self._on_frames, Sent(connection, channel, key, frame))

    def due_frames(self, now_ms: float) -> list[tuple[int, bytes]]:
        """Held frames whose time has come, with the number of their connection, in the order to deliver."""
        return self._frames.due(now_ms) if self._frames.holds_any else []

    def forget(self, number: int) -> None:
        """A connection is gone, and with it the frames held for it."""
        self._frames.forget(number)

    def hidden(self, now_ms: float, fact: AnyFact) -> bool:
        """Nobody is told of this fact; `userFills`, `userEvents` and `orderUpdates` leave it out. An order that
        filled in the dark once stays there while the fault is on."""
        if kinds.DarkFill not in self._of or not _tells_of_fill(fact):
            return False
        if any(on.decided.get(fact.oid) for on in self._of[kinds.DarkFill] if not on.expired(now_ms)):
            return True
        for on, fault in self._now(now_ms, kinds.DarkFill):
            concerned = fault.user in (None, fact.user) and fault.coin in (None, fact.coin)
            if concerned and on.strikes_at(fact.oid):
                self._effect(on, f"order {fact.oid} of {fact.user}")
                return True
        return False

    # ---- requests ------------------------------------------------------------------------------------------

    def on_http(self, now_ms: float, path: str) -> HttpAnswer | None:
        """Refuse a REST request before it is read."""
        for on, limited in self._now(now_ms, kinds.Http429):
            if limited.path in (None, path) and on.strikes():
                self._effect(on, path)
                return OVER_LIMIT
        for on, failing in self._now(now_ms, kinds.Http5xx):
            if failing.path in (None, path) and on.strikes():
                self._effect(on, path)
                return _plain(failing.status)
        return None

    def on_answer(self, now_ms: float, action: str, user: str) -> AnswerFate:
        """An action of this type for this account has been executed."""
        for on, loss in self._now(now_ms, kinds.LoseAnswer):
            if loss.user in (None, user) and loss.action in (None, action) and on.strikes():
                self._effect(on, f"{action} of {user}")
                return AnswerFate(lost=True)
        for on, late in self._now(now_ms, kinds.DelayAnswer):
            if late.user in (None, user) and late.action in (None, action) and on.strikes():
                self._effect(on, f"{action} of {user}")
                return AnswerFate(delay_ms=late.ms)
        return ON_TIME

    def reject_text(self, now_ms: float, user: str, coin: str) -> str | None:
        """Refuse an order that is otherwise fine."""
        for on, fault in self._now(now_ms, kinds.Reject):
            if fault.user in (None, user) and fault.coin in (None, coin) and on.strikes():
                self._effect(on, f"{coin} of {user}")
                return fault.text
        return None

    # ---- the exchange --------------------------------------------------------------------------------------

    def post_only(self, now_ms: float) -> bool:
        return any(True for _ in self._now(now_ms, kinds.PostOnly))

    def halted(self, now_ms: float, coin: str) -> bool:
        return any(fault.coin == coin for _, fault in self._now(now_ms, kinds.Halt))

    def skew_ms(self, now_ms: float) -> int:
        """To add to every date that clients see. When it falls, dates stand still until time has caught up."""
        return sum(fault.ms for _, fault in self._now(now_ms, kinds.ClockSkew))

    def block_extra_ms(self, now_ms: float) -> int:
        """How much longer this block takes."""
        extra_ms = 0
        for on, fault in self._now(now_ms, kinds.SlowBlock):
            if on.strikes():
                self._effect(on, f"{fault.ms} ms")
                extra_ms += fault.ms
        return extra_ms

    def pushes(self, since_ms: float, now_ms: float) -> list[Push]:
        """What crashes do between two blocks; their parts add up to the whole however long blocks are."""
        pushes: list[Push] = []
        for on in self._of.get(kinds.Crash, ()):
            fault = cast(kinds.Crash, on.fault)
            length_ms = fault.for_s * 1000
            before_ms, after_ms = (min(max(at - on.since_ms, 0.0), length_ms) for at in (since_ms, now_ms))
            takers = int(after_ms * fault.takers_per_s / 1000) - int(before_ms * fault.takers_per_s / 1000)
            if after_ms > before_ms:
                self._frame_effect(on, fault.coin or "all coins")
                pushes.append(Push(fault.coin, log1p(fault.frac) * (after_ms - before_ms) / length_ms, takers))
        return pushes

    def due_orders(self, now_ms: float) -> list[External]:
        """What the venue executes in this block on somebody's account (see `external.action_of`)."""
        due: list[External] = []
        on_accounts: list[tuple[Running, External]] = [
            *self._now(now_ms, kinds.ExternalOrder),
            *self._now(now_ms, kinds.ExternalCancel),
        ]
        for on, fault in on_accounts:
            if on.strikes():
                self._effect(on, fault.user)
                due.append(fault)
        return due

    # ---- inside --------------------------------------------------------------------------------------------

    def _now(self, now_ms: float, kind: type[AFault]) -> Iterator[tuple[Running, AFault]]:
        """Faults of one kind that are on and not used up, oldest first."""
        for on in self._of.get(kind, ()):
            if not on.over(now_ms):
                yield on, cast(AFault, on.fault)

    def _effect(self, on: Running, what: str) -> None:
        on.effects += 1
        self._note(kind_of(on.fault), f"#{on.number} {what}")

    def _frame_effect(self, on: Running, what: str) -> None:
        if what in on.told:
            on.effects += 1
        else:
            on.told.add(what)
            self._effect(on, what)

    def _sort(self) -> None:
        """What is on has changed."""
        self._of.clear()
        for on in self._running.values():
            self._of.setdefault(type(on.fault), []).append(on)
        self._on_frames = in_order(self.running())


def _plain(status: int) -> HttpAnswer:
    return HttpAnswer(status, HTTPStatus(status).phrase.encode(), "text/plain")


def _tells_of_fill(fact: AnyFact) -> TypeGuard[Filled | OrderChanged]:
    return isinstance(fact, Filled) or (isinstance(fact, OrderChanged) and fact.status == "filled")
