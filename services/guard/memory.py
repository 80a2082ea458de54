"""What outlives the guard's process: what its rules know beyond what the streams still hold.

Whoever has something to remember says what in `remembers`: attributes and their types, or `PARTS` for what
remembers itself. Every few seconds that goes to a hash on the bus; a guard that begins again takes it up.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from services.guard.config import GuardConfig
from shared.clock import SET_BACK_MS
from shared.messages import CoinMemory, Event, GuardMemory, Message

PARTS: Final = object()
"""The type of an attribute that remembers itself, or of a dict or tuple of such."""
Plain = dict[str, Any]
OLDEST_MS = 3_600_000
"""No rule looks back farther."""


class Memory:
    """Memory of the `parts` of one owner, and its place among the messages that the streams bring back.

    What it contains is heard before it is recalled, as that fills the short windows that nobody has to remember,
    and not again after it. How far it goes is known by kind of message, as each has a stream of its own.
    """

    def __init__(self, config: GuardConfig, parts: Mapping[str, Any], kinds: tuple[type[Message], ...]) -> None:
        self._config, self._parts, self._kinds = config, parts, kinds
        self._heard: dict[str, float] = {}
        self._contained: dict[str, float] = {}
        self._waiting: Plain | None = None
        self._misfits: list[str] = []

    def take(self, now_ms: int, memory: CoinMemory | GuardMemory) -> None:
        """To be recalled as soon as something comes that it does not contain. What is known of a coin is of its
        market; what is watched on everything is of this run alone, as the other services of an earlier one are
        gone."""
        ours = (memory.mode, memory.venue) == (self._config.mode, self._config.venue)
        if isinstance(memory, GuardMemory):
            ours = ours and memory.run_id == self._config.run_id
        if ours and -SET_BACK_MS <= now_ms - memory.time_ms <= OLDEST_MS:
            self._waiting, self._contained = memory.parts, memory.heard

    def hears(self, message: Any) -> bool:
        """May the parts hear this message? Not twice."""
        if not isinstance(message, self._kinds):
            return True
        kind, at = type(message).__name__, _place(message)
        if self._contained and at <= self._contained.get(kind, 0.0):
            return self._waiting is not None
        self._recall()
        self._heard[kind] = max(at, self._heard.get(kind, at))
        return True

    def settle(self) -> Iterable[str]:
        """All that was restored has been heard; the names of parts whose memory does not fit."""
        self._recall()
        self._contained = {}
        misfits, self._misfits = self._misfits, []
        return misfits

    def told(self, now_ms: int) -> dict[str, Any]:
        """The fields that both messages have."""
        parts = {name: memory_of(part) for name, part in self._parts.items()}
        mode, venue = self._config.mode, self._config.venue
        return {"mode": mode, "venue": venue, "time_ms": now_ms, "heard": dict(self._heard), "parts": parts}

    def _recall(self) -> None:
        """Each part by itself: what one of another version remembered differently is learnt anew."""
        if self._waiting is None:
            return
        memory, self._waiting = self._waiting, None
        self._heard = {**self._contained, **self._heard}
        for name, part in self._parts.items():
            try:
                recall(part, memory.get(name))
            except ValueError:
                self._misfits.append(name)


def learnt_anew(part: str, coin: str = "") -> Event:
    """The line of a misfit."""
    text = f"{f'{coin} ' if coin else ''}{part}: what was remembered does not fit this version; it is learnt anew."
    return Event(level="warning", tag="RISK", coin=coin, text=text)


def _place(message: Any) -> float:
    """How far its stream has come with it."""
    for name in ("seq", "received_ms", "time_ms"):
        if hasattr(message, name):
            return float(getattr(message, name))
    raise TypeError(f"{type(message).__name__} does not say when")


def memory_of(thing: Any) -> Plain | None:
    """What `thing` remembers, in plain types; None: nothing."""
    remembers: Mapping[str, Any] | None = getattr(thing, "remembers", None)
    if remembers is None:
        return None
    return {name.strip("_"): _plain(kind, getattr(thing, name)) for name, kind in remembers.items()}


def _plain(kind: Any, value: Any) -> Any:
    if kind is not PARTS:
        return msgspec.to_builtins(list(value) if isinstance(value, deque) else value, str_keys=True)
    if isinstance(value, dict):
        return {key: memory_of(part) for key, part in value.items()}
    return [memory_of(part) for part in value] if isinstance(value, tuple) else memory_of(value)


def recall(thing: Any, memory: Any) -> None:
    """All of it or nothing.

    Raises:
        ValueError: it is not what `thing` remembers.
    """
    for owner, name, value in list(_recalled(thing, memory)):
        before = getattr(owner, name)
        setattr(owner, name, deque(value, before.maxlen) if isinstance(before, deque) else value)


def _recalled(thing: Any, memory: Any) -> Iterable[tuple[Any, str, Any]]:
    """Owner, attribute and value of each thing remembered."""
    remembers: Mapping[str, Any] | None = getattr(thing, "remembers", None)
    if remembers is None:
        return
    if not isinstance(memory, dict) or memory.keys() != {name.strip("_") for name in remembers}:
        raise ValueError(f"not what {type(thing).__name__} remembers")
    for name, kind in remembers.items():
        remembered = memory[name.strip("_")]
        if kind is not PARTS:
            yield thing, name, msgspec.convert(remembered, kind, str_keys=True)
            continue
        for part, its in _side_by_side(getattr(thing, name), remembered):
            yield from _recalled(part, its)


def _side_by_side(parts: Any, remembered: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(parts, dict):
        return ((part, msgspec.convert(remembered, dict[str, Any]).get(key)) for key, part in parts.items())
    if isinstance(parts, tuple):
        return zip(parts, msgspec.convert(remembered, list[Any]), strict=True)
    return ((parts, remembered),)
