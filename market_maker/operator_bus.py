"""The operator's end of the bus: orders go out as commands, and what came of them is read back."""

import asyncio
import getpass
import json
import secrets
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from market_maker.deployment import bus_url
from market_maker.snapshot import Snapshot, look
from shared.bus import Bus
from shared.clock import monotonic_s, wall_ms
from shared.errors import BusError
from shared.messages import SILENT_MS, Action, Command
from shared.redis_bus import RedisBus

OK, REFUSED, NOT_FOUND, NOT_RUNNING, TIMED_OUT, INTERRUPTED = 0, 1, 2, 3, 5, 130
LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Answer:
    """What became of a command: exit code, words for people, facts for programs."""

    code: int
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A command on its way and what was there before."""

    command: Command
    before: Snapshot

    def reported(self, now: Snapshot) -> bool:
        """Has the executor said anything since?"""
        return now.account is not None and now.account.time_ms > self.command.time_ms


UNSENT = Answer(INTERRUPTED, "interrupted: nothing was sent")
UNWATCHED = Answer(
    INTERRUPTED, "interrupted: what was sent is carried out all the same; `market_maker status` shows it"
)


def run(run_dir: Path, talk: Callable[[RedisBus], Awaitable[Answer]], interrupted: Answer = UNWATCHED) -> Answer:
    """Talk over the bus of what runs here; a bus that does not answer is an answer too, and so is Ctrl+C."""
    try:
        return asyncio.run(within(run_dir, talk))
    except KeyboardInterrupt:
        return interrupted


async def within(run_dir: Path, talk: Callable[[RedisBus], Awaitable[Answer]]) -> Answer:
    """The same, for a caller with a loop of its own."""
    bus = RedisBus(bus_url(run_dir))
    try:
        return await talk(bus)
    except BusError as error:
        return Answer(NOT_RUNNING, f"not running ({error})")
    finally:
        await bus.close()


def tell(action: str, answer: Answer, as_json: bool) -> int:
    """Print the answer and give the exit code."""
    if as_json:
        print(
            json.dumps({"action": action, "ok": answer.code == OK, "text": answer.text, **answer.facts}, indent=1)
        )
    else:
        print(answer.text, file=sys.stderr if answer.code else sys.stdout)
    return answer.code


async def send(
    bus: Bus, before: Snapshot, action: Action, reason: str, coins: Collection[str] = (), now: bool = False
) -> Sent:
    """Publish a command of the person who is logged in."""
    time_ms = int(wall_ms())
    command = Command(
        id=f"cli-{time_ms}-{secrets.token_hex(4)}",
        action=action,
        who=getpass.getuser(),
        reason=reason,
        time_ms=time_ms,
        coins=tuple(coins),
        now=now,
    )
    await bus.publish([command])
    return Sent(command, before)


async def until(bus: Bus, done: Callable[[Snapshot], bool], within_s: float) -> tuple[bool, Snapshot]:
    """Look again and again; whether it came true, and the last look."""
    looks: list[Snapshot] = []

    async def holds() -> bool:
        looks[:] = [await look(bus, wall_ms())]
        return done(looks[0])

    return await poll(holds, within_s), looks[0]


async def poll(holds: Callable[[], Awaitable[bool]], within_s: float) -> bool:
    """Ask until it holds or the time is over; asked once at least."""
    deadline_s = monotonic_s() + within_s
    while not await holds():
        if monotonic_s() >= deadline_s:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return True


def silence_s(snapshot: Snapshot, service: str) -> float | None:
    """Since when a service has not been heard of; None: never."""
    beat = snapshot.heartbeats.get(service)
    return None if beat is None else max(0.0, snapshot.time_ms - beat.time_ms) / 1000


def alive(snapshot: Snapshot, service: str) -> bool:
    silent_s = silence_s(snapshot, service)
    return silent_s is not None and silent_s * 1000 < SILENT_MS


def anything_alive(snapshot: Snapshot) -> bool:
    return any(alive(snapshot, service) for service in snapshot.heartbeats)


def away(snapshot: Snapshot, *services: str) -> Answer | None:
    """The answer when nothing runs, or one of these services has not been heard of; None when they are there."""
    if not anything_alive(snapshot):
        return Answer(NOT_RUNNING, "not running: no service has been heard of lately")
    missing = [service for service in services if not alive(snapshot, service)]
    if not missing:
        return None
    return Answer(
        NOT_RUNNING,
        f"the {' and the '.join(missing)} has not been heard of for {SILENT_MS // 1000} s: nothing was sent;"
        " `market_maker status` shows what runs",
        {"silent": missing},
    )


def executor_away(snapshot: Snapshot) -> Answer | None:
    """The same for the executor, who must also have told his orders and positions lately."""
    account = snapshot.account
    if account is not None and snapshot.time_ms - account.time_ms < SILENT_MS:
        return away(snapshot, "executor")
    return away(snapshot, "executor") or Answer(
        NOT_RUNNING, "the executor has not told its positions lately: nothing was sent; try again in a moment"
    )


def unknown_coins(snapshot: Snapshot, coins: Collection[str]) -> Answer | None:
    unknown = sorted(set(coins) - set(snapshot.listed))
    return (
        Answer(NOT_FOUND, f"not among the coins of this run: {', '.join(unknown)}", {"unknown": unknown})
        if unknown
        else None
    )
