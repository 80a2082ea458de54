"""What is broken on purpose, and the alerts that have to fire for it."""

import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from market_maker.drill.stack import Setup, Stack
from shared.clock import wall_ms
from shared.messages import Command
from tests.bench.alert_drill.watching import Expected, fires

Act = Callable[[Stack], Awaitable[None]]


async def nothing(stack: Stack) -> None:
    """It mends itself."""


@dataclass(frozen=True)
class Cause:
    """`begin` breaks something; `end` mends it when all `alerts` have fired, after `within_s` at the latest.

    `lacks`: what this machine has not got for it; "" where it can be tried.
    """

    what: str
    alerts: tuple[Expected, ...]
    begin: Act
    end: Act = nothing
    within_s: float = 300.0
    lacks: Callable[[], str] = str


@dataclass(frozen=True)
class Scene:
    """One bot on one venue. Its `acts` come one after the other; the causes of an act begin together.

    `around`: opened with the scene's empty folder before anything starts, closed when all has ended.
    """

    name: str
    about: str
    setup: Setup
    acts: tuple[tuple[Cause, ...], ...]
    around: Callable[[Path], AbstractContextManager[object]] = nullcontext

    @property
    def causes(self) -> tuple[Cause, ...]:
        return tuple(cause for act in self.acts for cause in act)


def frozen(name: str, *alerts: str) -> Cause:
    """A process that stands still: the supervisor cannot know, so it is not started again."""

    async def send(stack: Stack, number: signal.Signals) -> None:
        os.kill(stack.bot.pid(name), number)

    return Cause(
        f"{name} stands still",
        tuple(fires(each) for each in alerts),
        lambda stack: send(stack, signal.SIGSTOP),
        lambda stack: send(stack, signal.SIGCONT),
    )


def fault(what: str, *alerts: Expected, within_s: float = 300.0, **fields: object) -> Cause:
    """A fault of the bundled venue, see `market_maker venue fault --help`. It alone is ended, unless it ends by
    itself (`count`)."""
    begun: list[int] = []

    async def begin(stack: Stack) -> None:
        begun.append(await stack.world.start_fault(**fields))

    async def end(stack: Stack) -> None:
        await stack.world.end_fault(begun.pop())

    return Cause(what, alerts, begin, nothing if "count" in fields else end, within_s)


def command(action: Literal["halt", "resume"]) -> Act:
    async def send(stack: Stack) -> None:
        now_ms = int(wall_ms())
        await stack.command(
            Command(id=f"drill-{now_ms}", action=action, who="drill", reason="drill", time_ms=now_ms)
        )

    return send
