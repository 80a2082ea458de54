"""Watching venue and bot ten times a second: the truth log first, then what the executor says on the bus."""

import asyncio
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from market_maker.drill.judge import Lag, Sample, Words, sample
from market_maker.drill.stack import Stack
from market_maker.drill.truth import Tail, Truth
from shared.clock import wall_ms
from shared.messages import Universe
from shared.streams import EVENTS, FIELD, ORDERS, POSITION, STATUS, UNIVERSE, Stream

LOOK_EVERY_S = 0.1
_SAMPLES = 6_000
_MOST = 1_000
_LIVE = b"live"


class Observer:
    """An async context manager: looks while it is open. Redis may be away; the venue's truth is always there."""

    def __init__(self, stack: Stack) -> None:
        self.truth, self.words = Truth(stack.account), Words()
        self.samples: deque[Sample] = deque(maxlen=_SAMPLES)
        self.coins: dict[str, int] = {}
        """With the decimals of their sizes."""
        self._tail, self._lag = Tail(stack.truth_log), Lag()
        self._redis: Redis = stack.reader()
        self._cursors: dict[Any, Any] = {}
        self._streams: dict[str, Stream] = {}
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._look_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._looking is not None
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking
        self._tail.close()
        await self._redis.aclose()

    def since(self, at_ms: float) -> list[Sample]:
        return [seen for seen in self.samples if seen.at_ms >= at_ms]

    def require_looking(self) -> None:
        """
        Raises:
            Exception: whatever ended it.
        """
        if self._looking is not None and self._looking.done():
            self._looking.result()

    async def look(self) -> None:
        at_ms = wall_ms()
        for fact in self._tail.news():
            self.truth.take(fact)
        heard = await self._hears()
        apart = self._lag.apart(at_ms, self.truth.positions, self.words.positions)
        self.samples.append(sample(at_ms, self.truth.own, self.words, apart, heard=heard))

    async def _look_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    # ---- the bus ----

    async def _hears(self) -> bool:
        try:
            await self._listen()
        except (RedisError, OSError):
            return False
        return True

    async def _listen(self) -> None:
        if not self.coins:
            await self._meet_coins()
            return
        for coin in self.coins:
            stored: Any = await self._redis.hget(POSITION.key(coin), _LIVE)
            if stored:
                self.words.take(POSITION.decoder.decode(stored))
        while reply := await self._news():
            for name, entries in reply:
                key = name.decode()
                for _, fields in entries:
                    self.words.take(self._streams[key].decoder.decode(fields[FIELD]))
                self._cursors[key] = entries[-1][0]

    async def _news(self) -> Any:
        return await self._redis.xread(self._cursors, count=_MOST)

    async def _meet_coins(self) -> None:
        newest: Any = await self._redis.xrevrange(UNIVERSE.key(), count=1)
        for _, fields in newest:
            universe = UNIVERSE.decoder.decode(fields[FIELD])
            assert isinstance(universe, Universe)
            self.coins = {meta.coin: meta.sz_decimals for meta in universe.coins}
        self._streams = {STATUS.key(): STATUS, EVENTS.key(): EVENTS} | {
            ORDERS.key(coin): ORDERS for coin in self.coins
        }
        self._cursors = dict.fromkeys(self._streams, "0")
