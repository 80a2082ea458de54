"""What Alertmanager tells: its notifications become lines `[ALERT]` of the combined log, without any account."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal

import msgspec

from shared.messages import Event, Severity

PATH = "/alerts"
LARGEST_BODY = 1_000_000
MOST_ALERTS = 100
"""Of one notification; more than a person would read."""
_CLIENT_TIMEOUT_S = 5.0
_WHICH = ("rule", "service", "stream")
"""Labels that tell alerts of one name apart, besides the coin."""
_LEVELS: dict[str, Severity] = {"critical": "error", "warning": "warning"}


class Alert(msgspec.Struct, frozen=True):
    """One alert of a notification, as Alertmanager writes it."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class Notification(msgspec.Struct, frozen=True):
    """The body of Alertmanager's webhook, version 4: the parts that are read here."""

    alerts: list[Alert]


@dataclass(frozen=True, slots=True)
class Notified:
    """From the door: alerts that began, go on or ended."""

    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class NotListening:
    """From the door: no notification will come, and why."""

    why: str


def lines(notified: Notified | NotListening) -> Iterator[Event]:
    """One event for each alert."""
    if isinstance(notified, NotListening):
        yield Event(level="warning", tag="ALERT", text=f"no alerts are taken: {notified.why}")
        return
    for alert in notified.alerts[:MOST_ALERTS]:
        yield _line(alert)


def _line(alert: Alert) -> Event:
    labels, told = alert.labels, alert.annotations
    name, coin = labels.get("alertname", "?"), labels.get("asset", "")
    mode = labels.get("mode", "unknown").upper()
    if alert.status == "resolved":
        which = "".join(f" ({labels[label]})" for label in _WHICH if label in labels)
        text = f"{mode} {name}{which} is over: {told.get('summary', '')}"
        return Event(tag="ALERT", coin=coin, text=text)
    level = _LEVELS.get(labels.get("severity", ""), "info")
    parts = (told.get(part, "") for part in ("summary", "description", "bot", "todo"))
    text = f"{mode} {name}: {' | '.join(part for part in parts if part)}"
    return Event(level=level, tag="ALERT", coin=coin, text=text, fields=_runbook(told))


def _runbook(told: dict[str, str]) -> dict[str, Any]:
    return {"runbook": told["runbook_url"]} if "runbook_url" in told else {}


Handle = Callable[[Notified], Coroutine[Any, Any, None]]


@asynccontextmanager
async def inbox(host: str, port: int, handle: Handle) -> AsyncIterator[int]:
    """Takes POST requests on `/alerts` while the context lasts; yields the port. Port 0: any that is free.

    Raises:
        OSError: the port is taken.
    """
    loop = asyncio.get_running_loop()

    def take(notified: Notified) -> None:
        asyncio.run_coroutine_threadsafe(handle(notified), loop).result(timeout=_CLIENT_TIMEOUT_S)

    class Handler(_Handler):
        deliver = staticmethod(take)

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)


class _Handler(BaseHTTPRequestHandler):
    """Answers 204 when the alerts are in the log; Alertmanager repeats what got another answer."""

    timeout = _CLIENT_TIMEOUT_S
    deliver: Callable[[Notified], None]

    def do_POST(self) -> None:  # noqa: N802
        self.send_response(self._taken())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _taken(self) -> int:
        length = self.headers.get("Content-Length", "")
        if self.path != PATH:
            return 404
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return 413
        try:
            body = msgspec.json.decode(self.rfile.read(int(length)), type=Notification)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 400
        with contextlib.suppress(TimeoutError):
            self.deliver(Notified(tuple(body.alerts)))
            return 204
        return 503

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line; what they bring is."""
