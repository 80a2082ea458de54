"""What a fault is done to, and what it may use: the stack, its observer, and chance of the repetition's own."""

import asyncio
import os
import signal
from collections.abc import Callable
from random import Random
from typing import Any

from market_maker.drill.judge import Sample, danger
from market_maker.drill.observe import LOOK_EVERY_S, Observer
from market_maker.drill.stack import Stack
from services.venue.exchange.facts import OrderChanged
from shared.clock import monotonic_s, wall_ms
from shared.errors import MarketMakerError
from shared.messages import Command

STRIKES_WITHIN_S, RUNS_WITHIN_S = 30.0, 45.0
MOST_JITTER_S = 1.0
WHO = "drill"
_SETTLED_LOOKS = 10
_QUOTING_FRAC = 0.5
"""Of all sides with an order: so many are quoting. Inventory and order flow silence some sides."""


class DidNotHappen(MarketMakerError):
    """Something that the drill waited for; the text says what."""


class Scene:
    """One repetition of one fault."""

    def __init__(self, stack: Stack, observer: Observer, random: Random) -> None:
        self.stack, self.observer, self.random = stack, observer, random
        self.world, self.account = stack.world, stack.account

    async def jitter(self) -> None:
        """A moment that nothing in the bot is in step with."""
        await asyncio.sleep(self.random.uniform(0, MOST_JITTER_S))

    async def until(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        """
        Raises:
            DidNotHappen: it did not become true.
        """
        deadline_s = monotonic_s() + within_s
        while not condition():
            self.observer.require_looking()
            self.stack.bot.require_alive()
            if monotonic_s() > deadline_s:
                raise DidNotHappen(f"{what}: not within {within_s:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S / 2)

    # ---- the bot ----

    async def running(self, name: str) -> int:
        """The process id of a service; what an earlier fault has ended may still wait to be started again.

        Raises:
            DidNotHappen: it stays away.
        """
        await self.until(lambda: _lives(self.stack.bot.pid(name)), RUNS_WITHIN_S, f"{name} running")
        return self.stack.bot.pid(name)

    @staticmethod
    def signal(pid: int, number: signal.Signals) -> None:
        """
        Raises:
            DidNotHappen: the process has ended by itself.
        """
        try:
            os.kill(pid, number)
        except ProcessLookupError as error:
            raise DidNotHappen(f"process {pid} gets {number.name}: it has ended before") from error

    @property
    def phase(self) -> str:
        """Of the executor's recovery, by its last word."""
        return self.observer.samples[-1].phase if self.observer.samples else ""

    async def resume(self) -> None:
        """A person has looked at the account and lets it go on."""
        now_ms = int(wall_ms())
        await self.stack.command(
            Command(id=f"{WHO}-{now_ms}", action="resume", who=WHO, reason="fault is over", time_ms=now_ms)
        )

    async def quoting(self, within_s: float) -> None:
        """Wait until orders rest on most sides of all coins, and everything is known, for a second.

        Raises:
            DidNotHappen: it does not come back to quoting; says what it looks like instead.
        """
        began_ms = wall_ms()
        try:
            await self.until(lambda: self._quotes(began_ms), within_s, "quoting")
        except DidNotHappen as error:
            newest = self.observer.samples[-1] if self.observer.samples else None
            raise DidNotHappen(f"{error}: {self._described(newest)}") from error

    def _quotes(self, since_ms: float) -> bool:
        coins, looks = self.observer.coins, self.observer.since(since_ms)[-_SETTLED_LOOKS:]
        if not coins or len(looks) < _SETTLED_LOOKS:
            return False
        sides = {(order.coin, order.side) for order in self.observer.truth.own.values()}
        enough = len(sides) >= _QUOTING_FRAC * 2 * len(coins)
        return enough and all(not danger(look, since_ms) and look.phase == "ready" for look in looks[-3:])

    def _described(self, newest: Sample | None) -> str:
        if newest is None:
            return "nothing was seen"
        return danger(newest, newest.at_ms) or f"{newest.resting} orders rest, recovery is {newest.phase}"

    # ---- the venue ----

    async def start(self, **fault: Any) -> int:
        """Switch a fault of the venue on; its number. `for_s` is our time, whatever the market's speed."""
        return await self.world.start_fault(**fault | {"for_s": fault["for_s"] * self.stack.setup.speed})

    async def struck(self, number: int, kind: str, whom: str = "") -> float:
        """Wait for the first effect of a fault, on `whom` if that is given; a time just before it.

        Raises:
            DidNotHappen: nothing that it could strike happened.
        """
        said, mark = self.observer.truth.disturbances, f"#{number} "

        def has_struck() -> bool:
            effects = (d.detail for d in said if d.fault == kind and d.detail.startswith(mark))
            return any(whom in effect and not _switching(effect) for effect in effects)

        on = f" on {whom}" if whom else ""
        await self.until(has_struck, STRIKES_WITHIN_S, f"an effect of {kind}{on}")
        looks = self.observer.samples
        return looks[-2].at_ms if len(looks) > 1 else wall_ms()

    async def strike(self, **fault: Any) -> float:
        """Both."""
        return await self.struck(await self.start(**fault), fault["fault"])

    def own_order(self) -> OrderChanged | None:
        """One that rests, by chance."""
        own = self.observer.truth.own
        return own[self.random.choice(sorted(own))] if own else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _switching(detail: str) -> bool:
    """`#3 on {…}` and `#3 off, effects: 2` are not effects."""
    return detail.split(" ", 1)[1].startswith(("on {", "off,"))
