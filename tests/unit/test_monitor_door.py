"""The combined log: everyone's lines as they render them, colour for people only."""

import io

import msgspec
import pytest

from services.monitor.config import MonitorConfig
from services.monitor.core import Show
from services.monitor.door import MonitorDoor
from shared.log import render
from shared.messages import Event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def event(level: str = "info", text: str = "BTC bid L1 @ 68020.5") -> Event:
    return Event(service="executor", level=level, tag="SHADOW FILL", coin="BTC", text=text, time_ms=1)


async def shown(out: io.StringIO, *events: Event, **settings: str) -> str:
    await MonitorDoor(MonitorConfig(**settings), out).apply([Show(item) for item in events])
    return out.getvalue()


async def test_lines_are_the_rendering_of_the_events_in_order():
    assert await shown(io.StringIO(), event(), event("error", "x")) == (
        "1970-01-01T00:00:00.001Z INFO    executor BTC [SHADOW FILL] BTC bid L1 @ 68020.5\n"
        "1970-01-01T00:00:00.001Z ERROR   executor BTC [SHADOW FILL] x\n"
    )


@pytest.mark.parametrize(("threshold", "lines"), [("debug", 2), ("info", 1), ("warning", 0)])
async def test_the_threshold_is_the_operators(threshold, lines):
    text = await shown(io.StringIO(), event("debug"), event("info"), log_level=threshold)
    assert len(text.splitlines()) == lines


async def test_a_batch_is_shown_by_time():
    late, early = msgspec.structs.replace(event(text="late"), time_ms=9), event(text="early")
    assert [line[-5:].strip() for line in (await shown(io.StringIO(), late, early)).splitlines()] == [
        "early",
        "late",
    ]


async def test_colour_on_a_terminal_only(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert await shown(Terminal(), event("error")) == render(event("error"), coloured=True) + "\n"
    assert await shown(io.StringIO(), event("error")) == render(event("error")) + "\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert await shown(Terminal(), event("error")) == render(event("error")) + "\n"


async def test_machines_get_json_without_colour():
    assert await shown(Terminal(), event("error"), log_format="json") == render(event("error"), "json") + "\n"


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


async def test_a_full_disk_does_not_stop_the_monitor():
    assert await shown(Full(), event()) == ""
