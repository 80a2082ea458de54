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

STRIKES_WITHIN_S = 30.0
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

    def signal(self, name: str, number: signal.Signals) -> int:
        pid = self.stack.bot.pid(name)
        os.kill(pid, number)
        return pid

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

    async def strike(self, **fault: Any) -> float:
        """Switch a fault of the venue on; returns when it has had its first effect, and the time of that.

        Raises:
            DidNotHappen: nothing that it could strike happened.
        """
        number, kind = await self.world.start_fault(**fault), fault["fault"]
        mark = f"#{number} "
        said = self.observer.truth.disturbances

        def struck() -> bool:
            return any(d.fault == kind and d.detail.startswith(mark) and not _switching(d.detail) for d in said)

        await self.until(struck, STRIKES_WITHIN_S, f"an effect of {kind}")
        return wall_ms()

    def own_order(self) -> OrderChanged | None:
        """One that rests, by chance."""
        own = self.observer.truth.own
        return own[self.random.choice(sorted(own))] if own else None


def _switching(detail: str) -> bool:
    """`#3 on {…}` and `#3 off, effects: 2` are not effects."""
    return detail.split(" ", 1)[1].startswith(("on {", "off,"))
