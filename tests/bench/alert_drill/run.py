"""`python -m tests.bench alerts`: the bot trades on the bundled venue, something is broken, and the alert for it
has to fire and to clear: real processes, Redis, Prometheus and Alertmanager, the rules as they are.

    --scene=NAME    only this scene (one bot on one venue each); `--scene=` lists them
    --cause=TEXT    only causes with that text
    --keep=FOLDER   keeps logs and Prometheus' data
    --docs          writes what was seen into the table of docs/alerts.md

It measures from the cause to the alert, from the cause to the line in the monitor's log, and from the end of the
cause to the end of the alert. Much of it is waiting for alerts that look back a quarter of an hour: a scene takes
up to forty minutes. The source must not change meanwhile: a confirmation is for the code as it was.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from market_maker.drill.stack import Stack, alone
from shared.clock import monotonic_s
from tests.bench.alert_drill import table
from tests.bench.alert_drill.cause import Cause, Scene
from tests.bench.alert_drill.scenes import SCENES
from tests.bench.alert_drill.table import Played
from tests.bench.alert_drill.watching import Alerts, alertmanager, monitoring, until

CLEARS_WITHIN_S, QUOTES_WITHIN_S = 1_080.0, 120.0
TOLD_WITHIN_S = 45.0
"""Alertmanager gathers warnings for half a minute; who mends at once is never told."""


async def _play(cause: Cause, stack: Stack, alerts: Alerts) -> Played:
    _say(f"{cause.what} …")
    seen = alerts.expect(cause.alerts)
    began_s = monotonic_s()
    await cause.begin(stack)
    if not await until(lambda: all(each.began_s is not None for each in seen.values()), cause.within_s):
        _say(f"{cause.what}: not all within {cause.within_s:.0f} s")
    await until(lambda: all(each.told_s is not None for each in seen.values()), TOLD_WITHIN_S)
    await cause.end(stack)
    for each in seen.values():
        each.mended, each.ended_s = True, None
    played = Played(cause, seen, began_s, monotonic_s())
    for row in played.rows:
        _say(row)
    return played


async def _scene(folder: Path, scene: Scene) -> list[Played]:
    _say(f"{scene.name}: {scene.about}")
    with alone(folder), scene.around(folder):
        async with Stack(folder, scene.setup) as stack, monitoring(folder) as alerts:
            played: list[Played] = []
            for act in scene.acts:
                await _quoting(stack, alerts)
                played += await asyncio.gather(*(_play(cause, stack, alerts) for cause in act))
            sightings = [seen for each in played for seen in each.seen.values() if seen.began_s is not None]
            await until(lambda: all(each.ended_s is not None for each in sightings), CLEARS_WITHIN_S)
            return played


async def _quoting(stack: Stack, alerts: Alerts) -> None:
    deadline_s = monotonic_s() + QUOTES_WITHIN_S
    while await alerts.value("sum(mm_quoting)") == 0:
        stack.bot.require_alive()
        if monotonic_s() > deadline_s:
            _say(f"nothing quoted within {QUOTES_WITHIN_S:.0f} s")
            return
        await asyncio.sleep(1.0)


def _chosen(scene: Scene, text: str) -> Scene | None:
    acts = tuple(tuple(cause for cause in act if text in cause.what and _possible(cause)) for act in scene.acts)
    kept = tuple(act for act in acts if act)
    return Scene(scene.name, scene.about, scene.setup, kept, scene.around) if kept else None


def _possible(cause: Cause) -> bool:
    lack = cause.lacks()
    if lack:
        _say(f"skipped: {cause.what}: {lack}")
    return not lack


def run(arguments: list[str]) -> None:
    if alertmanager() is None:
        print("  skipped: needs prometheus and alertmanager (Debian: prometheus, prometheus-alertmanager)")
        return
    options = [argument[2:].partition("=") for argument in arguments if argument.startswith("--")]
    given = {name: value for name, _, value in options}
    names = [scene.name for scene in SCENES]
    wanted = given.get("scene")
    if wanted is not None and wanted not in names:
        raise SystemExit(f"scenes: {', '.join(names)}")
    played: list[Played] = []
    for scene in SCENES:
        chosen = _chosen(scene, given.get("cause", "")) if wanted in (None, scene.name) else None
        if chosen is None:
            continue
        with tempfile.TemporaryDirectory() as made:
            folder = Path(given.get("keep", made)) / scene.name
            folder.mkdir(parents=True)
            played += asyncio.run(_scene(folder, chosen))
    for line in table.table(played):
        print(line)
    if "docs" in given:
        table.write(played, tuple(cause.what for scene in SCENES for cause in scene.causes))


def _say(line: str) -> None:
    print(f"    {line}", file=sys.stderr)
