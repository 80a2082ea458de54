"""What Prometheus sees fire, and what the monitor's log says of it: real Prometheus and Alertmanager, the rules as
they are."""

import asyncio
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from market_maker import notify_config
from market_maker.config import LauncherConfig
from market_maker.drill.stack import Stack
from shared.clock import monotonic_s
from shared.config import load

POLL_S = 0.5
PROMETHEUS_ABOVE, ALERTMANAGER_ABOVE = 40, 41
"""Ports of theirs, counted from the first of the stack's own; those between belong to the services."""


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())


@dataclass(frozen=True)
class Expected:
    """An alert, where needed with some of its labels."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        said = ", ".join(value for _, value in self.labels)
        return f"`{self.name}`{f' ({said})' if said else ''}"

    def fits(self, alert: dict[str, str]) -> bool:
        return alert["alertname"] == self.name and all(alert.get(name) == value for name, value in self.labels)

    def is_told_by(self, name: str, coin: str) -> bool:
        return name == self.name and dict(self.labels).get("asset", coin) == coin


def fires(name: str, **labels: str) -> Expected:
    return Expected(name, tuple(sorted(labels.items())))


@dataclass
class Sighting:
    """Times on the monotonic clock. `on_before`: it fired already when its cause began, so nothing can be said of
    its delay. The first end after the cause has been mended counts; a later cause may make it fire again."""

    on_before: bool
    began_s: float | None = None
    told_s: float | None = None
    ended_s: float | None = None
    mended: bool = False

    @property
    def fires(self) -> bool:
        return self.began_s is not None and self.ended_s is None

    def look(self, is_firing: bool, now_s: float) -> None:
        if is_firing:
            self.began_s = now_s if self.began_s is None else self.began_s
            self.ended_s = self.ended_s if self.mended else None
        elif self.began_s is not None and self.ended_s is None:
            self.ended_s = now_s


class Alerts:
    """What Prometheus has seen fire, and when that began and ended."""

    def __init__(self, url: str, log: Path) -> None:
        self._url, self._log = url, log
        self._firing: list[dict[str, str]] = []
        self._expected: list[tuple[Expected, Sighting]] = []
        self._read = 0

    def expect(self, alerts: Iterable[Expected]) -> dict[Expected, Sighting]:
        found = {each: Sighting(on_before=any(each.fits(alert) for alert in self._firing)) for each in alerts}
        self._expected += found.items()
        return found

    async def watch(self) -> None:
        while True:
            told = [*self._told()]  # read before Prometheus is asked, which knew of them earlier
            self._firing = [each["metric"] for each in await self.ask('ALERTS{alertstate="firing"}')]
            now_s = monotonic_s()
            for expected, sighting in self._expected:
                sighting.look(any(expected.fits(alert) for alert in self._firing), now_s)
            for name, coin in told:
                for expected, sighting in self._expected:
                    if expected.is_told_by(name, coin) and sighting.fires and sighting.told_s is None:
                        sighting.told_s = now_s
            await asyncio.sleep(POLL_S)

    async def ask(self, expression: str) -> list[dict[str, Any]]:
        query = f"{self._url}/api/v1/query?{urlencode({'query': expression})}"
        answer = json.loads(await asyncio.to_thread(get, query))
        return list(answer["data"]["result"])

    async def value(self, expression: str) -> float:
        """Of a query with one answer; 0 without."""
        found = await self.ask(expression)
        return float(found[0]["value"][1]) if found else 0.0

    def _told(self) -> Iterator[tuple[str, str]]:
        """Names and coins of the alerts in the lines that are new since the last look."""
        text = self._log.read_text(errors="replace")
        for line in text[self._read :].splitlines():
            if "[ALERT]" in line and " is over" not in line:
                before, text_of_it = line.split(" [ALERT] ", 1)
                yield text_of_it.split(":")[0].split()[-1], before.split()[-1]
        self._read = len(text)


async def until(condition: Callable[[], bool], within_s: float, stack: Stack | None = None) -> bool:
    """Whether it came true in time."""
    deadline_s = monotonic_s() + within_s
    while not condition():
        if stack is not None:
            stack.bot.require_alive()
        if monotonic_s() > deadline_s:
            return False
        await asyncio.sleep(POLL_S)
    return True


@asynccontextmanager
async def monitoring(folder: Path) -> AsyncIterator[Alerts]:
    """Prometheus and Alertmanager on the stack of this environment."""
    config = load(LauncherConfig)
    first = int(os.environ["MM_METRICS_PORT"])
    ours, theirs = first + PROMETHEUS_ABOVE, first + ALERTMANAGER_ABOVE
    (folder / "prometheus.yml").write_text(notify_config.prometheus(config, theirs))
    templates = notify_config.PROMETHEUS / "alertmanager" / "messages.tmpl"
    nobody = notify_config.Receivers({})
    (folder / "alertmanager.yml").write_text(
        notify_config.alertmanager(nobody, notify_config.monitor_url(config), templates)
    )
    commands = {
        "prometheus": [
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{ours}",
        ],
        "alertmanager": [
            str(alertmanager()), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
            f"--web.listen-address=127.0.0.1:{theirs}", "--cluster.listen-address=",
        ],
    }  # fmt: skip
    with (
        _process(commands["prometheus"], folder / "prometheus.log"),
        _process(commands["alertmanager"], folder / "alertmanager.log"),
    ):
        alerts = Alerts(f"http://127.0.0.1:{ours}", folder / "logs" / "monitor.log")
        if not await until(lambda: _answers(f"http://127.0.0.1:{ours}/-/ready"), 60):
            raise SystemExit(f"Prometheus does not start; see {folder}/prometheus.log")
        watching = asyncio.create_task(alerts.watch())
        try:
            yield alerts
        finally:
            watching.cancel()


def alertmanager() -> str | None:
    return shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")


def _answers(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()
