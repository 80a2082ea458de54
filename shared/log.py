"""Log lines: `time level service coin [TAG] text key=value`, UTC, one line; or the same as one JSON object.

A line is the rendering of an `Event`; services render their own, the monitor renders everyone's. What each line
means: docs/logs.md.
"""

import logging
import os
import re
import sys
import traceback
from datetime import datetime
from io import TextIOWrapper
from typing import Any, Literal, TextIO, cast

import msgspec

from shared.clock import utc, wall_ms
from shared.messages import Event, Severity, stamped

LEVELS: dict[Severity, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
Form = Literal["pretty", "json"]
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>DEBUG|INFO|WARNING|ERROR) +(?P<service>\S+)"
    r" (?P<coin>\S+) (?:\[(?P<tag>[^\]]+)\] )?(?P<text>.*)"
)
_COLOURS: dict[Severity, str] = {"debug": "2", "info": "", "warning": "33", "error": "31"}
_TAG_COLOURS = (("LIVE", "1;97;41"), ("SHADOW", "1;36"), ("", "1"))
"""The first that the tag contains: real money cannot be taken for simulated."""


def render(event: Event, form: Form = "pretty", coloured: bool = False) -> str:
    """The one line of an event, whatever its text holds."""
    stamp = utc(event.time_ms).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if form == "json":
        ours = {"time": stamp, "level": event.level, "service": event.service, "coin": event.coin}
        ours |= {"tag": event.tag, "text": event.text}
        return msgspec.json.encode(ours | event.fields | ours).decode()
    pairs = "".join(f" {name}={value}" for name, value in event.fields.items())
    start, text = f"{stamp} {event.level.upper():7} {event.service} {event.coin or '-'} ", f"{event.text}{pairs}"
    start, text = (_CONTROL.sub(_visible, part) for part in (start, text))
    tag = f"[{_CONTROL.sub(_visible, event.tag)}] " if event.tag else ""
    if not coloured:
        return start + tag + text
    whole = _COLOURS[event.level]
    of_tag = next(colour for word, colour in _TAG_COLOURS if word in event.tag)
    return _paint(start, whole) + _paint(tag[:-1], f"{whole};{of_tag}".strip(";")) + _paint(tag[-1:] + text, whole)


def parse(line: str) -> Event | None:
    """The event of a rendered line, `key=value` left in a pretty one's text; None for what others have written."""
    if line.startswith("{"):
        return _parse_json(line)
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    stamp, level, service, coin, tag, text = found.groups(default="")
    coin, level = "" if coin == "-" else coin, level.lower()
    return Event(
        time_ms=unix_ms(stamp), level=cast(Severity, level), service=service, coin=coin, tag=tag, text=text
    )


def _parse_json(line: str) -> Event | None:
    try:
        parts = msgspec.json.decode(line, type=dict[str, Any])
        stamp, own = (
            parts.pop("time"),
            {name: parts.pop(name) for name in ("level", "service", "coin", "tag", "text")},
        )
        return msgspec.convert({"type": "event.1", "time_ms": unix_ms(stamp), **own, "fields": parts}, Event)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return None


def unix_ms(stamp: str) -> int:
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


def is_for_people(out: TextIO) -> bool:
    """A terminal whose owner has not asked for plain text (https://no-color.org)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _visible(found: re.Match[str]) -> str:
    """Text of others must neither break a line nor steer a terminal."""
    return " ⏎ " if found[0] == "\n" else found[0].encode("unicode_escape").decode()


def _paint(text: str, colour: str) -> str:
    return f"\033[{colour}m{text}\033[0m" if text and colour else text


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
    """Writes events to standard output, in colour at a terminal; library loggers and warnings end here too."""

    def __init__(self, service: str, level: Severity, form: Form, out: TextIO | None = None) -> None:
        out = out or sys.stdout
        self.service, self.form, self.threshold = service, form, LEVELS[level]
        self._lines, self._coloured = Lines(out), is_for_people(out)
        handler = _LibraryHandler(self)
        logging.basicConfig(level=max(self.threshold, logging.WARNING), handlers=[handler], force=True)

    def write(self, event: Event) -> None:
        shown = LEVELS[event.level] >= self.threshold
        if not shown or not self._lines.write(render(event, self.form, self._coloured)):
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
        error = record.exc_info[1] if record.exc_info else None
        fields = {"traceback": trace(error)} if error is not None else {}
        event = Event(level=level, tag=record.name, text=record.getMessage(), fields=fields)
        self.log.write(stamped(event, self.log.service, int(wall_ms())))


def trace(error: BaseException) -> str:
    """The whole traceback; a line shows it as one."""
    return "".join(traceback.format_exception(error)).rstrip()
