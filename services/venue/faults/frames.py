"""Frames on their way to clients: frozen, altered, doubled, overtaken, held back.

Of what is on at the same time books come first, then duplicates, reordering, stalls.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from services.venue.faults.kinds import CrossedBook, Duplicate, Fault, OnFrames, Reorder, StaleBook, Stall
from services.venue.faults.running import Connection, Running

BOOK_CHANNELS = ("l2Book", "bbo")
ORDER: tuple[type[Fault], ...] = (StaleBook, CrossedBook, Duplicate, Reorder, Stall)
FAST = b'"fast":true'
"""Tells the two books of a coin apart, which share channel and coin."""


class Sent(NamedTuple):
    """A frame and what is known about it."""

    connection: Connection
    channel: str
    key: str
    """Coin or lower-case address."""
    frame: bytes


class Late(NamedTuple):
    """Frames that the next one of their connection overtakes, or that come at `due_ms`."""

    frames: list[bytes]
    due_ms: float


class FrameFaults:
    """Decides and holds; which faults are on is an argument. `effect(running, text)` counts and tells."""

    def __init__(self, effect: Callable[[Running, str], None]) -> None:
        self._effect = effect
        self._stalled: dict[int, list[tuple[int, bytes]]] = {}
        """(connection, frame) by number of the fault that holds them."""
        self._late: dict[int, Late] = {}
        """By connection."""
        self._due: list[tuple[int, bytes]] = []
        self._last: dict[int, dict[tuple[int, str, str, bool], bytes]] = {}
        """By fault and book, the frame that is shown again and again."""

    @property
    def holds_any(self) -> bool:
        return bool(self._stalled or self._late or self._due)

    def arriving(self, now_ms: float, running: Sequence[Running], sent: Sent) -> list[bytes]:
        """What arrives now in place of a frame. What a stall held comes before it, what it overtakes behind it."""
        number = sent.connection.number
        for on in running:
            if isinstance(on.fault, Stall) and on.over(now_ms):
                self.ended(on)
        overdue = [frame for connection, frame in self._due if connection == number]
        if overdue:
            self._due = [item for item in self._due if item[0] != number]
        late = self._late.get(number)
        frames = [sent.frame]
        for on in running:
            if frames and not on.over(now_ms) and on.reaches(sent.connection) and _about(on.fault, sent):
                frames = self._disturbed(now_ms, on, sent, frames)
        if late is not None and frames:
            del self._late[number]
            frames = frames + late.frames
        return overdue + frames

    def due(self, now_ms: float) -> list[tuple[int, bytes]]:
        """(connection, frame) of what is held no longer, in the order to deliver."""
        released, self._due = self._due, []
        for number in [number for number, late in self._late.items() if late.due_ms <= now_ms]:
            released += [(number, frame) for frame in self._late.pop(number).frames]
        return released

    def ended(self, on: Running) -> None:
        """Let go of what a fault held."""
        self._last.pop(on.number, None)
        held = self._stalled.pop(on.number, [])
        if isinstance(on.fault, Stall) and on.fault.then == "deliver":
            self._due += held

    def forget(self, connection: int) -> None:
        """It is gone."""
        self._late.pop(connection, None)
        self._due = [item for item in self._due if item[0] != connection]
        for number, held in self._stalled.items():
            self._stalled[number] = [item for item in held if item[0] != connection]
        for number, last in self._last.items():
            self._last[number] = {book: frame for book, frame in last.items() if book[0] != connection}

    def _disturbed(self, now_ms: float, on: Running, sent: Sent, frames: list[bytes]) -> list[bytes]:
        number = sent.connection.number
        what = f"{sent.channel} {sent.key}".rstrip() + f" to connection {number}"
        match on.fault:
            case StaleBook(how=how) if on.strikes_at((number, sent.channel, sent.key)):
                return self._stale(on, sent, frames, what, repeat=how == "repeat")
            case CrossedBook() if on.strikes():
                frames = [crossed(sent.channel, frame) for frame in frames]
                self._effect(on, what)
            case Duplicate() if on.strikes():
                self._effect(on, what)
                return frames + frames
            case Reorder(ms=ms) if number not in self._late and on.strikes():
                self._effect(on, what)
                self._late[number] = Late(frames, now_ms + ms)
                return []
            case Stall() if on.strikes_at(number):
                self._effect(on, what)
                self._stalled.setdefault(on.number, []).extend((number, frame) for frame in frames)
                return []
        return frames

    def _stale(self, on: Running, sent: Sent, frames: list[bytes], what: str, *, repeat: bool) -> list[bytes]:
        book = (sent.connection.number, sent.channel, sent.key, FAST in sent.frame)
        last = self._last.setdefault(on.number, {})
        if repeat and book not in last:
            last[book] = sent.frame
            return frames
        self._effect(on, what)
        return [last[book]] if repeat else []


def crossed(channel: str, frame: bytes) -> bytes:
    """The frame with its best two prices exchanged; as it was where a side is empty."""
    message = msgspec.json.decode(frame)
    data = message["data"]
    bid, ask = data["bbo"] if channel == "bbo" else (side[0] if side else None for side in data["levels"])
    if bid is None or ask is None:
        return frame
    bid["px"], ask["px"] = ask["px"], bid["px"]
    return msgspec.json.encode(message)


def in_order(running: Sequence[Running]) -> list[Running]:
    """Those that disturb frames, in the order in which they act."""
    return sorted(
        (on for on in running if isinstance(on.fault, ORDER)), key=lambda on: ORDER.index(type(on.fault))
    )


def _about(fault: Fault, sent: Sent) -> bool:
    if not isinstance(fault, OnFrames):
        return False
    if isinstance(fault, StaleBook | CrossedBook) and sent.channel not in BOOK_CHANNELS:
        return False
    return fault.channel in (None, sent.channel) and fault.coin in (None, sent.key)
