"""Log lines: `time level service coin [TAG] text key=value`, UTC, one line; or the same as one JSON object.

A line is the rendering of an `Event`; services render their own, the monitor renders everyone's.
"""

import logging
import sys
from io import TextIOWrapper
from typing import Literal, TextIO

import msgspec

from shared.clock import utc, wall_ms
from shared.messages import Event, Severity

LEVELS: dict[Severity, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def render(event: Event, form: Literal["pretty", "json"] = "pretty") -> str:
    """The one line of an event."""
    stamp = utc(event.time_ms).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if form == "json":
        fields = {"time": stamp, "level": event.level, "service": event.service, "coin": event.coin}
        return msgspec.json.encode({**fields, "tag": event.tag, "text": event.text, **event.fields}).decode()
    tag = f"[{event.tag}] " if event.tag else ""
    pairs = "".join(f" {name}={value}" for name, value in event.fields.items())
    text = f"{stamp} {event.level.upper():7} {event.service} {event.coin or '-'} {tag}{event.text}{pairs}"
    return text.replace("\n", " ⏎ ")


class Lines:
    """Lines for a stream that may refuse them: a full disk or a closed pipe costs lines, never the service."""

    def __init__(self, out: TextIO) -> None:
        if isinstance(out, TextIOWrapper):
            out.reconfigure(errors="backslashreplace")  # a terminal without 🚨 must not stop whoever shouts it
        self._out = out
        self.failures = 0
        """Writes refused since the last one that went through."""

    def write(self, text: str) -> bool:
        """Did it go through?"""
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except OSError:
            self.failures += 1
            return False
        return True


class Log:
    """Writes events to standard output; library loggers end here too."""

    def __init__(
        self, service: str, level: Severity, form: Literal["pretty", "json"], out: TextIO | None = None
    ) -> None:
        self.service, self.form, self.threshold = service, form, LEVELS[level]
        self._lines = Lines(out or sys.stdout)
        handler = _LibraryHandler(self)
        logging.basicConfig(level=max(self.threshold, logging.WARNING), handlers=[handler], force=True)

    def write(self, event: Event) -> None:
        if LEVELS[event.level] < self.threshold or not self._lines.write(render(event, self.form)):
            return
        failures, self._lines.failures = self._lines.failures, 0
        if failures:
            text = f"Lines before this one may be missing: writing failed {failures} times."
            self.write(Event(service=self.service, level="warning", tag="LOG", text=text, time_ms=event.time_ms))


class _LibraryHandler(logging.Handler):
    """Turns records of third-party libraries into our lines."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        level: Severity = "error" if record.levelno >= logging.ERROR else "warning"
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        self.log.write(
            Event(service=self.log.service, level=level, tag=record.name, text=text, time_ms=int(wall_ms()))
        )
