"""Faults on request: what is switched on, and the hooks through which the venue asks what to do to whom.

Pure: time is an argument, chance is seeded for each fault on its own. The same seed and the same calls give the
same effects, and every start, effect and end is told to `note`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.venue.exchange.facts import AnyFact
from services.venue.faults.kinds import AnyFault, External


class Connection(Protocol):
    """A websocket, as far as faults care."""

    @property
    def number(self) -> int:
        """Counts up from 1 over all connections of the venue's life."""
        ...

    @property
    def users(self) -> Collection[str]:
        """Lower-case addresses that it follows."""
        ...


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


@dataclass(frozen=True, slots=True)
class Running:
    """A fault that is on, as `GET /admin/faults` shows it."""

    number: int
    fault: AnyFault
    since_ms: float
    until_ms: float | None
    effects: int


class Faults:
    """All of them. `now_ms` is everywhere the venue's own time in milliseconds: any clock that never goes back, one
    for all calls, without the skew that `clock_skew` adds. While no fault is on, a hook costs one look-up.

    Once a block, before it: `advance`, then `due_orders`, `due_frames`, `sockets_to_drop`, `post_only`, `skew_ms`,
    `block_extra_ms`. The others when the occasion arises.
    """

    def __init__(self, seed: int, note: Callable[[str, str], None]) -> None:
        """`note(kind, detail)` is to become a `Disturbed` fact."""

    @property
    def disturbs_frames(self) -> bool:
        """Must frames pass `on_frame`, or is one still held? If not, clients need no filter."""
        raise NotImplementedError

    # ---- switching -----------------------------------------------------------------------------------------

    def start(self, now_ms: float, fault: AnyFault) -> int:
        """Switch a fault on now; its number."""
        raise NotImplementedError

    def play(self, now_ms: float, steps: Sequence[Step]) -> None:
        """Start these at their times from now on."""
        raise NotImplementedError

    def end(self, now_ms: float, number: int) -> bool:
        """End one; False when there is none of this number. Frames it held are due at once."""
        raise NotImplementedError

    def end_all(self, now_ms: float) -> int:
        """End all that are on and forget what a scenario still had in store; how many these were."""
        raise NotImplementedError

    def running(self) -> list[Running]:
        raise NotImplementedError

    def pending(self) -> int:
        """Steps of scenarios that are not yet due."""
        raise NotImplementedError

    def advance(self, now_ms: float) -> None:
        """Start what is due and end what is over."""
        raise NotImplementedError

    # ---- connections and frames ----------------------------------------------------------------------------

    def on_connect(self, now_ms: float) -> HttpAnswer | None:
        """Refuse a websocket before its upgrade."""
        raise NotImplementedError

    def sockets_to_drop(self, now_ms: float, connections: Iterable[Connection]) -> list[int]:
        """Numbers of the connections to abort now."""
        raise NotImplementedError

    def on_frame(
        self, now_ms: float, connection: Connection, channel: str, key: str, frame: bytes
    ) -> Sequence[bytes]:
        """What arrives in place of a frame right now; `key` is its coin or lower-case address."""
        raise NotImplementedError

    def due_frames(self, now_ms: float) -> list[tuple[int, bytes]]:
        """Held frames whose time has come, with the number of their connection, in the order to deliver."""
        raise NotImplementedError

    def forget(self, number: int) -> None:
        """A connection is gone, and with it the frames held for it."""
        raise NotImplementedError

    def hidden(self, now_ms: float, fact: AnyFact) -> bool:
        """Nobody is told of this fact; `userFills`, `userEvents` and `orderUpdates` leave it out."""
        raise NotImplementedError

    # ---- requests ------------------------------------------------------------------------------------------

    def on_http(self, now_ms: float, path: str) -> HttpAnswer | None:
        """Refuse a REST request before it is read."""
        raise NotImplementedError

    def on_answer(self, now_ms: float, action: str, user: str) -> AnswerFate:
        """An action of this type for this account has been executed."""
        raise NotImplementedError

    def reject_text(self, now_ms: float, user: str, coin: str) -> str | None:
        """Refuse an order that is otherwise fine."""
        raise NotImplementedError

    # ---- the exchange --------------------------------------------------------------------------------------

    def post_only(self, now_ms: float) -> bool:
        raise NotImplementedError

    def halted(self, now_ms: float, coin: str) -> bool:
        raise NotImplementedError

    def skew_ms(self, now_ms: float) -> int:
        """To add to every date that clients see. When it falls, dates stand still until time has caught up."""
        raise NotImplementedError

    def block_extra_ms(self, now_ms: float) -> int:
        """How much longer this block takes."""
        raise NotImplementedError

    def due_orders(self, now_ms: float) -> list[External]:
        """Orders and cancels that the venue executes in this block on somebody's account (`external.actions`)."""
        raise NotImplementedError
