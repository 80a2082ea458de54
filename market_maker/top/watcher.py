"""Looks for `top`: the bus, twice a second, through a user who may only read; its absence is something to show."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market_maker.deployment import Record
from market_maker.operate import halted, stated
from market_maker.operator_bus import Answer, anything_alive, within
from market_maker.snapshot import Snapshot, look
from market_maker.status import describe
from market_maker.top import detail
from shared.bus import Bus
from shared.clock import wall_ms
from shared.errors import BusError


@dataclass(frozen=True)
class Seen:
    """The newest look, and what to say about its age."""

    snapshot: Snapshot
    facts: dict[str, Any]
    silence: str = ""


class Watcher:
    """What the screen asks for; `only` some coins, or all."""

    def __init__(self, bus: Bus, run_dir: Path, record: Record | None, only: Collection[str] = ()) -> None:
        self._bus, self._run_dir, self._record, self._only = bus, run_dir, record, only
        self.seen: Seen | None = None

    async def first(self) -> bool:
        """Does anything run?

        Raises:
            BusError: Redis does not answer.
        """
        self.seen = await self._look()
        return anything_alive(self.seen.snapshot)

    async def next(self) -> Seen:
        """Another look; where the bus does not answer, the last one and since when it is old."""
        try:
            self.seen = await self._look()
        except BusError as error:
            assert self.seen is not None
            age_s = (wall_ms() - self.seen.snapshot.time_ms) / 1000
            self.seen = Seen(
                self.seen.snapshot,
                self.seen.facts,
                f"REDIS DOES NOT ANSWER, all this is {age_s:.0f} s old ({error})",
            )
        return self.seen

    async def _look(self) -> Seen:
        snapshot = await look(self._bus, wall_ms())
        facts = describe(snapshot, self._record, {})
        if self._only:
            facts["coins"] = [coin for coin in facts["coins"] if coin["coin"] in self._only]
        return Seen(snapshot, facts)

    async def tell(self, coin: str) -> detail.Told | None:
        """None while the bus does not answer."""
        assert self.seen is not None
        try:
            return await detail.ask(self._bus, coin, self.seen.snapshot)
        except BusError:
            return None

    async def halt(self, reason: str) -> Answer:
        """As `market_maker halt` does.

        Raises:
            ConfigError: the reason says nothing, or too much.
        """
        text = stated(reason)
        return await within(self._run_dir, lambda bus: halted(bus, text))
