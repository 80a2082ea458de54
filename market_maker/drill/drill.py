"""Fault after fault on one live stack, in an order that the seed decides; each must leave the account in order.

A repetition begins while the bot quotes and everything is known. It ends when the account has been safe for a
while and its ledger equals the venue; the next one begins when the bot quotes again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

from market_maker.drill.faults import Committed, Fault
from market_maker.drill.judge import danger, doubled_levels, gone_after, safe_since
from market_maker.drill.observe import Observer
from market_maker.drill.results import Result
from market_maker.drill.scene import DidNotHappen, Scene
from market_maker.drill.stack import Setup, Stack, alone
from shared.clock import monotonic_s, wall_ms
from shared.errors import MarketMakerError

QUOTING_WITHIN_S = 60.0
STEADY_MS = 2_000
"""Safe for so long is safe for good."""
LOOK_EVERY_S = 0.1
_NEVER: float | None = None

Told = Callable[[Result], None]


class Drill:
    """All repetitions of the chosen faults."""

    def __init__(self, folder: Path, setup: Setup, faults: Sequence[Fault], repetitions: int) -> None:
        self._folder, self._setup, self._faults, self._repetitions = folder, setup, faults, repetitions
        self._stacks = 0

    async def run(self, told: Told) -> None:
        """A stack that does not come back to order is stopped and a new one started.

        Raises:
            MarketMakerError: the first stack does not come up, or two in a row.
        """
        todo = deque(self._schedule())
        came_up = False
        while todo:
            folder = self._next_folder()
            with alone(folder):
                try:
                    await self._on_one_stack(folder, todo, told)
                    came_up = True
                except MarketMakerError as error:
                    if not came_up:
                        raise
                    came_up = False
                    told(_not_committed(*todo.popleft(), str(error), folder))

    async def _on_one_stack(self, folder: Path, todo: deque[tuple[Fault, int]], told: Told) -> None:
        """Until all is done, or this stack is fit for nothing more."""
        async with AsyncExitStack() as opened:
            stack = await opened.enter_async_context(Stack(folder, self._setup))
            observer = await opened.enter_async_context(Observer(stack))
            going = True
            while todo and going:
                fault, repetition = todo.popleft()
                random = Random(f"{self._setup.seed}/{fault.name}/{repetition}")
                result, going = await self._once(Scene(stack, observer, random), fault, repetition, folder)
                told(result)

    def _schedule(self) -> Iterator[tuple[Fault, int]]:
        """Rounds of all faults: the same fault is not committed again until the bot has been through others."""
        for repetition in range(1, self._repetitions + 1):
            mixed = list(self._faults)
            Random(f"{self._setup.seed}/{repetition}").shuffle(mixed)
            yield from ((fault, repetition) for fault in mixed)

    def _next_folder(self) -> Path:
        self._stacks += 1
        return self._folder / f"stack-{self._stacks}"

    async def _once(self, scene: Scene, fault: Fault, repetition: int, folder: Path) -> tuple[Result, bool]:
        """The result, and whether the stack is fit for another."""
        began_ms, what, safe_after_s = wall_ms(), fault.about, _NEVER
        failures: list[str] = []
        going = False
        before = _Never.of(scene)
        try:
            await scene.quoting(QUOTING_WITHIN_S)
            committed = await fault.commit(scene)
            began_ms, what = committed.began_ms, committed.detail
            safe_after_s = await _safe_after(scene, fault, committed)
            if fault.frozen or fault.gone_within_s is not None:
                safe_after_s = gone_after(scene.observer.since(committed.began_ms), committed.began_ms)
            failures += differences(scene, fault, safe_after_s)
            await committed.clean()
            await scene.quoting(QUOTING_WITHIN_S)
            going = True
        except MarketMakerError as error:
            failures.append(str(error))
        finally:
            failures += await _ended(scene)
        failures += before.since(scene)
        result = Result(
            fault=fault.name, repetition=repetition, began_ms=int(began_ms), what=what,
            safe_after_s=safe_after_s, failures=tuple(failures), logs=str(folder),
        )  # fmt: skip
        return result, going


def _not_committed(fault: Fault, repetition: int, why: str, folder: Path) -> Result:
    return Result(
        fault=fault.name, repetition=repetition, began_ms=int(wall_ms()), what="not committed", safe_after_s=None,
        failures=(f"the bot does not start: {why}",), logs=str(folder),
    )  # fmt: skip


async def _ended(scene: Scene) -> list[str]:
    """All faults are over; what stands against it."""
    try:
        await scene.world.end_faults()
    except MarketMakerError as error:
        return [str(error)]
    return []


@dataclass(frozen=True)
class _Never:
    """How much there was of what must never be. One repetition looks from the end of the last one."""

    doubled: int
    crossed: int

    @classmethod
    def of(cls, scene: Scene) -> Self:
        truth = scene.observer.truth
        return cls(len(truth.doubled), len(truth.crossed))

    def since(self, scene: Scene) -> list[str]:
        truth = scene.observer.truth
        twice = [f"two orders under one cloid: {cloid}" for cloid in truth.doubled[self.doubled :]]
        taken = [
            f"an order traded as taker: {fill.coin} {fill.sz} @ {fill.px}"
            for fill in truth.crossed[self.crossed :]
        ]
        return twice + taken


async def _safe_after(scene: Scene, fault: Fault, committed: Committed) -> float:
    """Seconds from the fault's beginning to safety that lasted.

    Raises:
        DidNotHappen: not within the fault's bound.
    """
    deadline_s = monotonic_s() + fault.bound_s + STEADY_MS / 1000 - (wall_ms() - committed.over_ms) / 1000
    while True:
        scene.observer.require_looking()
        scene.stack.bot.require_alive()
        looks = scene.observer.since(committed.began_ms)
        since_ms = safe_since(looks, committed.over_ms if fault.blind else committed.began_ms)
        if since_ms is not None and wall_ms() - max(since_ms, committed.over_ms) >= STEADY_MS:
            return max(0.0, since_ms - committed.began_ms) / 1000
        if monotonic_s() > deadline_s:
            why = danger(looks[-1], committed.began_ms) if looks else "nothing was seen"
            raise DidNotHappen(
                f"not safe within {fault.bound_s:g} s of the end of the fault: {why or 'it did not stay safe'}"
            )
        await asyncio.sleep(LOOK_EVERY_S)


def differences(scene: Scene, fault: Fault, safe_after_s: float | None) -> list[str]:
    """What is not as it must be when the account is safe again."""
    own, words = scene.observer.truth.own, scene.observer.words
    found = [f"two orders for one level: {place}" for place in doubled_levels(own.values(), words)]
    if fault.frozen and (own or words.phase == "ready"):
        found.append(f"{len(own)} own orders rest and recovery is {words.phase}: it must be frozen")
    if fault.gone_within_s is not None and (safe_after_s is None or safe_after_s > fault.gone_within_s):
        found.append(f"own orders still rested {fault.gone_within_s:g} s after the beginning")
    return found
