"""`market_maker notify-test`: one message to each receiver, and what became of it. No secret is ever shown."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from market_maker.notify_config import Receivers, monitor_url, receivers
from shared.clock import utc, wall_ms
from shared.errors import ConfigError
from shared.private_files import read_private

OK, FAILED, NOBODY = 0, 1, 2
TIMEOUT_S = 10.0
TELEGRAM = "https://api.telegram.org"
ALERTMANAGER = "http://127.0.0.1:9093"
LABELS = {"alertname": "NotifyTest", "severity": "critical", "mode": "test"}
"""Not shadow, so that Alertmanager sends it to everybody."""
TOLD = {
    "summary": "Alerts reach this place",
    "description": "This is a test of `market_maker notify-test`.",
    "bot": "Nothing.",
    "todo": "Nothing.",
    "runbook_url": "docs/alerts.md",
    "dashboard_url": "http://127.0.0.1:3000/d/mm-grid",
}


@dataclass(frozen=True)
class Result:
    """`why` says what to look at when it failed."""

    receiver: str
    ok: bool | None
    """None: does not run, which only matters to whoever asks for it."""
    why: str = ""

    def __str__(self) -> str:
        """Further lines of `why` stand below its first."""
        state = {True: "ok", False: "failed", None: "down"}[self.ok]
        return f"{state:<6} {self.receiver:<13}{self.why}".replace("\n", f"\n{'':<20}")


@dataclass(frozen=True)
class Places:
    """Addresses that are no secret; others in tests."""

    monitor: str
    alertmanager: str = ALERTMANAGER
    telegram: str = TELEGRAM


def run(config: Any, wanted: str, as_json: bool, places: Places | None = None) -> int:
    """Send, say what became of it, and return the exit code."""
    found = receivers(config)
    results = list(send(found, wanted, places or Places(monitor_url(config))))
    if as_json:
        print(json.dumps([result.__dict__ for result in results]))
    else:
        for result in results:
            print(result)
        if not found.people:
            print("No receiver for people (MM_ALERT_…, docs/alerts.md): alerts go to the log only.")
    if any(result.ok is False for result in results):
        return FAILED
    return OK if found.people or wanted else NOBODY


def send(found: Receivers, wanted: str, places: Places) -> Iterator[Result]:
    """To one receiver, or to all that are configured, the monitor and a running Alertmanager.

    Raises:
        ConfigError: no such receiver, or it is not configured.
    """
    ways: dict[str, Callable[[], str]] = {
        name: lambda name=name: _to_person(found, name, places)  # type: ignore[misc]
        for name in found.files
    }
    ways["monitor"] = lambda: _post(places.monitor, _notification())
    ways["alertmanager"] = lambda: _post(f"{places.alertmanager}/api/v2/alerts", [_alert()])
    if wanted and wanted not in ways:
        raise ConfigError(f"no receiver {wanted!r} is configured; there are {', '.join(ways)}: docs/alerts.md")
    for name in (wanted,) if wanted else ways:
        yield _tried(name, ways[name], optional=not wanted and name in ("monitor", "alertmanager"))


def _tried(name: str, way: Callable[[], str], optional: bool) -> Result:
    """Errors by their kind only: their texts may hold the address, which is a secret."""
    try:
        return Result(name, True, way())
    except urllib.error.HTTPError as error:
        return Result(name, False, f"answered {error.code} {error.reason}{_HINTS.get(name, '')}")
    except urllib.error.URLError as error:
        down = isinstance(error.reason, ConnectionRefusedError) and name in _DOWN
        why = _DOWN[name] if down else f"cannot be reached: {type(error.reason).__name__}"
        return Result(name, None if down and optional else False, why)
    except (OSError, HTTPException, ValueError) as error:
        return Result(name, False, f"cannot be reached: {type(error).__name__}")
    except ConfigError as error:
        return Result(name, False, str(error))


_DOWN = {
    "monitor": "does not run: nothing was sent. Start the bot with\n"
    "./start_mm_bot.sh, or see why its monitor is down:\nmarket_maker logs --service monitor",
    "alertmanager": "does not run: alerts reach nobody but the log. Start it:\n"
    "docker compose --profile monitoring up -d\nor, without Docker: market_maker notify-config",
}
_HINTS = {
    "telegram": ": is the token whole, is the chat's number right, and has the chat written to the bot first?",
    "discord": ": was the webhook deleted? Make a new one in the channel's settings",
    "slack": ": was the webhook revoked? Make a new one in the app's settings",
}


def _to_person(found: Receivers, name: str, places: Places) -> str:
    secret = _secret(found.files[name])
    text = f"⚪ TEST · {TOLD['summary']}\n{TOLD['description']} {utc(int(wall_ms())):%Y-%m-%d %H:%M:%S} UTC"
    if name == "telegram":
        return _post(f"{places.telegram}/bot{secret}/sendMessage", {"chat_id": found.chat_id, "text": text})
    _require_url(found.files[name], secret)
    if name in ("discord", "slack"):
        return _post(secret, {"content" if name == "discord" else "text": text})
    return _post(secret, _notification())


def _secret(file: Path) -> str:
    """
    Raises:
        ConfigError: there is none, or others may read it.
    """
    content = read_private(file)
    if content is None or not content.strip():
        raise ConfigError(f"{file} is {'not there' if content is None else 'empty'}")
    try:
        return content.decode().strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} holds no text") from error


def _require_url(file: Path, url: str) -> None:
    """
    Raises:
        ConfigError: what is in the file is no web address.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise ConfigError(f"{file} holds no web address (https://…)")


def _post(url: str, body: Any) -> str:
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "User-Agent": "market-maker"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return f"taken ({answer.status})"


def _alert() -> dict[str, Any]:
    begun = f"{utc(int(wall_ms())):%Y-%m-%dT%H:%M:%SZ}"
    ended = f"{utc(int(wall_ms()) + 60_000):%Y-%m-%dT%H:%M:%SZ}"
    return {"labels": LABELS, "annotations": TOLD, "startsAt": begun, "endsAt": ended}


def _notification() -> dict[str, Any]:
    """As Alertmanager would send it."""
    alert = {"status": "firing", **_alert()}
    common = {"groupLabels": LABELS, "commonLabels": LABELS, "commonAnnotations": TOLD}
    return {"version": "4", "status": "firing", "receiver": "everybody", "alerts": [alert], **common}
