"""What every service says of itself."""

from typing import Any

import msgspec

from shared.messages.base import Message, Mode, Severity

SILENT_MS = 10_000
"""Whoever has said nothing for longer is silent: what it told of the present is no longer so."""


class Heartbeat(Message, tag="heartbeat.1", frozen=True, kw_only=True):
    """Once a second from every service."""

    service: str
    time_ms: int
    started_ms: int
    pid: int
    handled_total: int
    skipped_total: int
    """Entries passed over by conflation of `latest` streams."""
    lost_total: int
    """Pending entries that were trimmed before anyone handled them."""
    rss_mb: float
    run_id: str = ""
    """Of the settings: another `started_ms` in the same run is a restart."""
    mode: Mode = "shadow"


class WatchdogStatus(Message, tag="watchdog.1", frozen=True, kw_only=True):
    """Once a second from the watchdog, from its first proof on that it can cancel."""

    time_ms: int
    able_ms: int
    """When it could cancel last, as far as it knows: now, while its key holds and the venue answers it."""
    fault: str = ""
    """Why it cannot."""


class Event(Message, tag="event.1", frozen=True, kw_only=True):
    """One line that people read; the log line is its rendering (see `shared.log`)."""

    service: str = ""
    """Filled in by the runtime."""
    level: Severity = "info"
    tag: str
    """The bracketed word that starts the line, for example SHADOW FILL."""
    text: str
    coin: str = ""
    time_ms: int = 0
    fields: dict[str, Any] = {}


def stamped(event: Event, service: str, now_ms: int) -> Event:
    """The event with the name and time that its core left out."""
    return msgspec.structs.replace(event, service=service, time_ms=event.time_ms or now_ms)
