"""`python -m tests.bench alerts`: the bot trades live on the bundled venue, something is broken, and the alert for
it has to fire and to clear: real processes, Redis, Prometheus and Alertmanager, the rules as they are.

A table of delays: from the cause to the alert, from the cause to the line in the monitor's log, and from the end
of the cause to the end of the alert. About twenty-five minutes; most of it is waiting for alerts that look a
quarter of an hour back. The source must not change meanwhile: a confirmation is for the code as it was.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from market_maker import notify_config
from market_maker.config import LauncherConfig
from market_maker.drill.stack import Setup, Stack, alone
from shared.clock import monotonic_s, wall_ms
from shared.config import load
from shared.messages import Command

FIRES_WITHIN_S, CLEARS_WITHIN_S, QUOTES_WITHIN_S = 300.0, 1_080.0, 120.0
POLL_S = 0.5
PROMETHEUS_ABOVE, ALERTMANAGER_ABOVE = 40, 41
"""Ports of theirs, counted from the first of the stack's own; those between belong to the services."""


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())


class Alerts:
    """What Prometheus has seen fire, and when that began and ended."""

    def __init__(self, url: str, log: Path) -> None:
        self._url, self._log = url, log
        self.began_s: dict[str, float] = {}
        self.told_s: dict[str, float] = {}
        self.ended_s: dict[str, float] = {}
        self._firing_now: set[str] = set()
        self._on_before: set[str] = set()
        self._mended: set[str] = set()
        self._read = 0

    def expect(self, names: tuple[str, ...]) -> None:
        self._on_before |= self._firing_now.intersection(names)
        self._mended.difference_update(names)
        for name in names:
            for times in (self.began_s, self.told_s, self.ended_s):
                times.pop(name, None)

    def mended(self, names: tuple[str, ...]) -> None:
        """Their first end from here on is theirs; a later cause may make them fire again."""
        for name in names:
            self.ended_s.pop(name, None)
        self._mended.update(names)

    async def watch(self) -> None:
        while True:
            firing = self._firing_now = await asyncio.to_thread(self._firing)
            now_s = monotonic_s()
            for name in firing:
                self.began_s.setdefault(name, now_s)
                if name not in self._mended:
                    self.ended_s.pop(name, None)
            for name in self.began_s.keys() - firing:
                self.ended_s.setdefault(name, now_s)
            self._read_log(now_s)
            await asyncio.sleep(POLL_S)

    def was_on(self, name: str) -> bool:
        """It fired already when its cause began, so nothing can be said of its delay."""
        return name in self._on_before

    def value(self, expression: str) -> float:
        """Of a query with one answer; 0 without."""
        found = self._ask(expression)
        return float(found[0]["value"][1]) if found else 0.0

    def _firing(self) -> set[str]:
        return {each["metric"]["alertname"] for each in self._ask('ALERTS{alertstate="firing"}')}

    def _ask(self, expression: str) -> list[dict[str, Any]]:
        answer = json.loads(_get(f"{self._url}/api/v1/query?{urlencode({'query': expression})}"))
        return list(answer["data"]["result"])

    def _read_log(self, now_s: float) -> None:
        text = self._log.read_text(errors="replace")
        for line in text[self._read :].splitlines():
            if "[ALERT]" in line and " is over" not in line:
                self.told_s.setdefault(line.split("[ALERT] ")[1].split(":")[0].split()[-1], now_s)
        self._read = len(text)


@dataclass(frozen=True)
class Cause:
    """`begin` breaks something; `end` mends it. `alerts` have to fire meanwhile."""

    what: str
    alerts: tuple[str, ...]
    begin: Callable[[Stack], Awaitable[None]]
    end: Callable[[Stack], Awaitable[None]]


def frozen(name: str, *alerts: str) -> Cause:
    """A process that stands still: the supervisor cannot know, so it is not started again."""

    async def send(stack: Stack, number: signal.Signals) -> None:
        os.kill(stack.bot.pid(name), number)

    return Cause(
        f"{name} stands still",
        alerts,
        lambda stack: send(stack, signal.SIGSTOP),
        lambda stack: send(stack, signal.SIGCONT),
    )


def fault(what: str, alerts: tuple[str, ...], **fields: object) -> Cause:
    async def begin(stack: Stack) -> None:
        await stack.world.start_fault(**fields)

    return Cause(what, alerts, begin, lambda stack: stack.world.end_faults())


async def _command(stack: Stack, action: Literal["halt", "resume"]) -> None:
    now_ms = int(wall_ms())
    await stack.command(Command(id=f"drill-{now_ms}", action=action, who="drill", reason="drill", time_ms=now_ms))


async def _drop_often(stack: Stack) -> None:
    for _ in range(8):
        await stack.world.start_fault(fault="drop")
        await asyncio.sleep(8)


async def _kill_often(stack: Stack) -> None:
    for _ in range(4):
        before = stack.bot.pid("screener")
        os.kill(before, signal.SIGKILL)
        while stack.bot.pid("screener") == before:
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(8)


async def _nothing(stack: Stack) -> None:
    """It mends itself."""


async def _halt(stack: Stack) -> None:
    await _command(stack, "halt")


async def _resume(stack: Stack) -> None:
    await _command(stack, "resume")


CAUSES = (
    Cause("a person halts", ("Halted", "KillSwitchTriggered"), _halt, _resume),
    frozen("guard", "ServiceSilent", "ServiceDown", "RulesUntold", "LeaseLost", "LiveNotQuoting"),
    fault(
        "frames of all websockets are held back", ("FeedSilent", "DataStale", "RuleStopsEverything"), fault="stall"
    ),
    frozen("watchdog", "WatchdogMissing"),
    frozen("monitor", "MetricsAbsent"),
    frozen("redis", "RedisLost"),
    fault("fills that the venue does not tell of", ("DarkFill",), fault="dark_fill"),
    fault("answers to orders get lost", ("ExchangeErrors",), fault="lose_answer", count=20),
    Cause("a feed that breaks eight times in a minute", ("FeedReconnects",), _drop_often, _nothing),
    Cause("screener is killed four times", ("ServiceRestarts",), _kill_often, _nothing),
)


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()


@asynccontextmanager
async def _monitoring(folder: Path) -> AsyncIterator[Alerts]:
    """Prometheus and Alertmanager on the stack of this environment."""
    config = load(LauncherConfig)
    first = int(os.environ["MM_METRICS_PORT"])
    ours, theirs = first + PROMETHEUS_ABOVE, first + ALERTMANAGER_ABOVE
    made = notify_config.prometheus(config, theirs)
    templates = notify_config.PROMETHEUS / "alertmanager" / "messages.tmpl"
    (folder / "prometheus.yml").write_text(made)
    nobody = notify_config.Receivers({})
    (folder / "alertmanager.yml").write_text(
        notify_config.alertmanager(nobody, notify_config.monitor_url(config), templates)
    )
    alertmanager = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    commands = [
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
         f"--web.listen-address=127.0.0.1:{ours}"],
        [str(alertmanager), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
         f"--web.listen-address=127.0.0.1:{theirs}", "--cluster.listen-address="],
    ]  # fmt: skip
    with _process(commands[0], folder / "prometheus.log"), _process(commands[1], folder / "alertmanager.log"):
        alerts = Alerts(f"http://127.0.0.1:{ours}", folder / "logs" / "monitor.log")
        await _until(lambda: _answers(f"http://127.0.0.1:{ours}/-/ready"), 60, "Prometheus")
        watching = asyncio.create_task(alerts.watch())
        try:
            yield alerts
        finally:
            watching.cancel()


def _answers(url: str) -> bool:
    try:
        return bool(_get(url))
    except OSError:
        return False


async def _until(condition: Callable[[], bool], within_s: float, what: str, stack: Stack | None = None) -> bool:
    deadline_s = monotonic_s() + within_s
    while not condition():
        if stack is not None:
            stack.bot.require_alive()
        if monotonic_s() > deadline_s:
            print(f"    {what}: not within {within_s:.0f} s", file=sys.stderr)
            return False
        await asyncio.sleep(POLL_S)
    return True


async def _drill(folder: Path, causes: tuple[Cause, ...]) -> None:
    with alone(folder):
        async with Stack(folder, Setup(coins=4, seed=1)) as stack, _monitoring(folder) as alerts:
            times: list[tuple[Cause, float, float]] = []
            for cause in causes:
                await _until(lambda: alerts.value("sum(mm_quoting)") > 0, QUOTES_WITHIN_S, "quoting", stack)
                print(f"    {cause.what} …", file=sys.stderr)
                alerts.expect(cause.alerts)
                began_s = monotonic_s()
                await cause.begin(stack)
                await _until(lambda c=cause: set(c.alerts) <= alerts.began_s.keys(), FIRES_WITHIN_S, "fires")  # type: ignore[misc]
                await cause.end(stack)
                alerts.mended(cause.alerts)
                times.append((cause, began_s, monotonic_s()))
                for line in _rows(*times[-1], alerts):
                    print(f"    {line}", file=sys.stderr)
            everything = {name for cause in causes for name in cause.alerts}
            await _until(lambda: everything <= alerts.ended_s.keys(), CLEARS_WITHIN_S, "clears")
            for line in _table(times, alerts):
                print(line)


def _table(times: list[tuple[Cause, float, float]], alerts: Alerts) -> Iterator[str]:
    yield "| cause | alert | fires after | in the log after | clears, after the cause ended |"
    yield "|---|---|---|---|---|"
    for each in times:
        yield from _rows(*each, alerts)


def _rows(cause: Cause, began_s: float, ended_s: float, alerts: Alerts) -> Iterator[str]:
    for name in cause.alerts:
        fired_s = alerts.began_s.get(name)
        cells = (
            "was on already" if alerts.was_on(name) else _since(fired_s, began_s),
            _since(alerts.told_s.get(name), began_s),
            _since(alerts.ended_s.get(name) if fired_s is not None else None, ended_s),
        )
        yield f"| {cause.what} | `{name}` | {' | '.join(cells)} |"


def _since(at_s: float | None, from_s: float) -> str:
    return "–" if at_s is None else f"{max(0.0, at_s - from_s):.0f} s"


def run(arguments: list[str]) -> None:
    """`--cause=TEXT` takes only those with that text; `--keep=FOLDER` keeps the logs."""
    missing = [name for name in ("prometheus",) if shutil.which(name) is None]
    if missing or not (shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")):
        print("  skipped: needs prometheus and alertmanager (Debian: prometheus, prometheus-alertmanager)")
        return
    given = dict(
        argument[2:].split("=", 1) for argument in arguments if argument.startswith("--") and "=" in argument
    )
    causes = tuple(cause for cause in CAUSES if given.get("cause", "") in cause.what)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(given.get("keep", made))
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(_drill(folder, causes))
