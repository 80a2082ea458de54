"""The venue's notices as log lines. What the venue does is in `server.py`; it has no bus to decide about."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.venue.config import VenueConfig
from shared.messages import Event
from shared.words import counted


@dataclass(frozen=True, slots=True)
class Listening:
    """The venue answers."""

    url: str
    coins: int
    source: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordingOver:
    """Nothing more will come; the last state stays readable."""

    source: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that whoever runs the venue should know."""

    text: str


class VenueCore:
    """Says in one line what happened."""

    def __init__(self, config: VenueConfig) -> None:
        self._speed = config.speed

    def step(self, now_ms: int, msg: Any) -> Iterable[Event]:
        if isinstance(msg, Listening):
            yield Event(
                tag="VENUE",
                text=f"listening on {msg.url}: {counted(msg.coins, 'coin')}, {msg.source}, speed {self._speed}",
            )
            for warning in msg.warnings:
                yield Event(level="warning", tag="VENUE", text=warning)
        elif isinstance(msg, RecordingOver):
            yield Event(tag="VENUE", text=f"the recording {msg.source} is over; only accounts trade from now on")
        elif isinstance(msg, Warned):
            yield Event(level="warning", tag="VENUE", text=msg.text)
