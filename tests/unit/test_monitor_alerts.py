"""Alertmanager's notifications as lines of the combined log."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from services.monitor.alerts import LARGEST_BODY, MOST_ALERTS, Notified, NotListening, inbox
from services.monitor.config import METRICS_PORT, MonitorConfig
from services.monitor.core import Monitor
from services.monitor.service import SERVICE
from shared.messages import Event

HALTED = {
    "status": "firing",
    "labels": {"alertname": "Halted", "severity": "critical", "mode": "live", "reason": "drawdown"},
    "annotations": {
        "summary": "Trading is halted", "description": "Reason: drawdown.", "bot": "Cancelled all orders.",
        "todo": "Look.", "runbook_url": "docs/runbooks/halts.md#halted",
    },
    "startsAt": "2026-11-21T21:00:00Z",
}  # fmt: skip
STALE_OVER = {
    "status": "resolved",
    "labels": {"alertname": "DataStale", "severity": "warning", "mode": "shadow", "asset": "BTC"},
    "annotations": {"summary": "Market data is stale"},
}


async def told(*bodies: Any, path: str = "/alerts") -> tuple[list[int], list[Event]]:
    """What the monitor answers to each body, and the lines that it writes."""
    core, events = Monitor(MonitorConfig()), []

    async def handle(notified: Notified) -> None:
        events.extend(core.step(1_000, notified))

    statuses = []
    async with inbox("127.0.0.1", 0, handle) as port, aiohttp.ClientSession() as session:
        for body in bodies:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            async with session.post(f"http://127.0.0.1:{port}{path}", data=data) as answer:
                statuses.append(answer.status)
    return statuses, events


async def test_a_notification_becomes_one_line_for_each_alert():
    statuses, (halted, over) = await told({"version": "4", "alerts": [HALTED, STALE_OVER]})
    assert statuses == [204]
    assert (halted.tag, halted.level, halted.coin) == ("ALERT", "error", "")
    assert halted.text == "LIVE Halted: Trading is halted | Reason: drawdown. | Cancelled all orders. | Look."
    assert halted.fields == {"runbook": "docs/runbooks/halts.md#halted"}
    assert (over.level, over.coin, over.text) == ("info", "BTC", "SHADOW DataStale is over: Market data is stale")


async def test_the_end_of_an_alert_says_which_of_that_name():
    labels = {"alertname": "HaltNear", "mode": "live", "asset": "all", "rule": "daily_loss"}
    _, (over,) = await told({"alerts": [{"status": "resolved", "labels": labels}]})
    assert over.text.startswith("LIVE HaltNear (daily_loss) is over")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        ({"alerts": [{"status": "odd", "labels": {}}]}, 400),
        (b" " * (LARGEST_BODY + 1), 413),
    ],
)
async def test_what_is_no_notification_is_refused_and_the_next_one_is_taken(body: Any, status: int):
    statuses, events = await told(body, {"alerts": [HALTED]})
    assert statuses == [status, 204] and len(events) == 1


async def test_there_is_nothing_else_to_ask_for():
    assert (await told({"alerts": []}, path="/metrics"))[0] == [404]


async def test_a_core_that_is_stuck_makes_alertmanager_try_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.monitor.alerts._CLIENT_TIMEOUT_S", 0.05)
    stuck = asyncio.Event()

    async def handle(_: Notified) -> None:
        await stuck.wait()

    async with inbox("127.0.0.1", 0, handle) as port, aiohttp.ClientSession() as session:
        async with session.post(f"http://127.0.0.1:{port}/alerts", json={"alerts": []}) as answer:
            assert answer.status == 503
        stuck.set()


async def test_a_flood_is_cut():
    _, events = await told({"alerts": [HALTED] * (MOST_ALERTS + 1)})
    assert len(events) == MOST_ALERTS


def test_a_port_that_cannot_be_had_costs_a_line():
    (event,) = Monitor(MonitorConfig()).step(0, NotListening("port 1 cannot be had"))
    assert isinstance(event, Event) and event.level == "warning" and "port 1" in event.text


def test_the_port_follows_that_of_the_metrics():
    assert METRICS_PORT == SERVICE.metrics_port
    assert MonitorConfig().alert_port == 9095
    assert MonitorConfig(metrics_port=20_002).alert_port == 20_007
    assert MonitorConfig(metrics_port=0).alert_port == 0
    assert MonitorConfig(metrics_port=9090, monitor_alert_port=0).alert_port == 0
