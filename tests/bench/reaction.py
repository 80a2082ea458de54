"""Reaction on real processes: from what the guard hears to orders that are gone.

The bundled venue, real Redis, every service a process of its own, 30 coins quoted. Prints are written to the bus
as the ingestor writes them; what follows is timed where everybody else sees it, on the bus.

    prints: the order flow of a coin stands just inside its limit, and one message of ten prints tips it. Timed are
            the lease that forbids the side, the executor's cancels, and their end
    halt:   a person halts everything; timed are the last coin's lease, the last cancel, and the last order's end

The end of an order is, live, the word of the venue, whose blocks take 70 ms; in shadow it is simulated.
"""

import asyncio
import json
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from itertools import count
from math import inf
from pathlib import Path
from typing import Any, Literal, Self

from redis.exceptions import TimeoutError as RedisTimeoutError

from market_maker import access
from market_maker.deployment import with_user
from market_maker.drill.stack import UNSEEN_RULES, Setup, Stack, alone
from shared.clock import monotonic_s, wall_ms
from shared.messages import Book, Command, OrderUpdate, RiskLease, Trade, Trades, Universe
from shared.redis_bus import RedisBus
from shared.streams import BOOK, FIELD, ORDERS, RISK, UNIVERSE
from shared.units import Side

COINS, ROUNDS, HALTS = 30, 8, 20
WINDOW, BALANCED, TIPPING = 200, 168, 10
"""Prints of the guard's window; of one kind among them, an imbalance of 0.68; and what tips it, to 0.78."""
WITHIN_S, QUOTED_WITHIN_S = 5.0, 90.0
OFF = (*UNSEEN_RULES, "cascade", "cascade_pull", "cascade_kill", "toxicity", "adverse_selection")
"""Rules that would take the side before the order flow does: two hundred prints at once are none of every day."""
_GONE = ("canceled", "filled", "rejected")
_PAUSE_S = 0.05
_ENTRIES = 10_000

Times = dict[str, list[float]]
Aggressor = Literal["A", "B"]


class Seen:
    """An async context manager: leases and orders, each with the moment at which it stood on the bus."""

    def __init__(self, reader: Any, coins: Iterable[str]) -> None:
        self._reader = reader
        self._streams = {stream.key(coin): stream for coin in coins for stream in (RISK, ORDERS)}
        self._cursors: dict[Any, Any] = dict.fromkeys(self._streams, "0")
        self.leases: dict[str, RiskLease] = {}
        self.resting: dict[str, OrderUpdate] = {}
        """Orders that have not come to their end, by cloid."""
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._reader.aclose()

    async def _read(self) -> None:
        while True:
            with suppress(RedisTimeoutError):  # of a machine that has more to do
                for key, entries in await self._reader.xread(self._cursors, count=_ENTRIES, block=200):
                    self._cursors[key.decode()] = entries[-1][0]
                    for _, fields in entries:
                        self._take(self._streams[key.decode()].decoder.decode(fields[FIELD]))
            self._changed.set()

    def _take(self, msg: Any) -> None:
        if isinstance(msg, RiskLease):
            self.leases[msg.coin] = msg
        elif msg.status in _GONE:
            self.resting.pop(msg.cloid, None)
        else:
            self.resting[msg.cloid] = msg

    def sides(self) -> set[tuple[str, Side]]:
        """With orders."""
        return {(order.coin, order.side) for order in self.resting.values()}

    def of_side(self, coin: str, side: Side) -> list[OrderUpdate]:
        return [order for order in self.resting.values() if (order.coin, order.side) == (coin, side)]

    def forbids(self, coin: str, side: Side) -> bool:
        lease = self.leases[coin]
        return (lease.bid if side == "bid" else lease.ask).allow == "none"

    async def until(self, holds: Callable[[], bool], within_s: float = WITHIN_S) -> float | None:
        """When it does; None: it did not."""
        assert self._reading is not None
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
                    if self._reading.done():
                        self._reading.result()
        except TimeoutError:
            return None
        return monotonic_s()


def run(live: bool) -> None:
    print(f"  {'live' if live else 'shadow'}, {COINS} coins on the bundled venue, two hops over Redis")
    with tempfile.TemporaryDirectory() as folder, alone(Path(folder)):
        for title, times in asyncio.run(_run(Path(folder), live)).items():
            print(f"  {title}")
            for what, spent_s in times.items():
                cuts = statistics.quantiles(spent_s, n=100, method="inclusive")
                print(
                    f"    {what:<26} p50 {cuts[49] * 1e3:>7.1f} ms   p99 {cuts[98] * 1e3:>7.1f} ms"
                    f"   ({len(spent_s)} times)"
                )


async def _run(folder: Path, live: bool) -> Mapping[str, Times]:
    settings = {"MM_RULE_LEVELS": json.dumps(dict.fromkeys(OFF, "off"))}
    async with Stack(folder, Setup(coins=COINS, seed=1, live=live, settings=settings)) as stack:
        operator = RedisBus(stack.operator_url)
        feed = RedisBus(_as(stack, "ingestor"))
        universe = await _universe(operator)
        async with Seen(stack.reader(), [meta.coin for meta in universe.coins]) as seen:
            prints, halts = await _prints(feed, seen, universe), await _halts(operator, seen)
        await operator.close()
        await feed.close()
    return {"ten prints against one side of a coin": prints, "halt of everything": halts}


def _as(stack: Stack, user: str) -> str:
    """The bus by the name of a service."""
    bare = f"unix://{stack.operator_url.rpartition('@')[2]}"
    return with_user(bare, user, access.password_of(stack.folder / "secrets", user))


async def _universe(bus: RedisBus) -> Universe:
    """As soon as the ingestor has said it."""
    while not (said := await bus.stored(UNIVERSE, (), last=1)):
        await asyncio.sleep(_PAUSE_S)
    assert isinstance(said[0], Universe)
    return said[0]


async def _quoting(seen: Seen) -> None:
    enough = await seen.until(lambda: len(seen.sides()) > COINS, QUOTED_WITHIN_S)
    if enough is None:
        raise SystemExit(f"{len(seen.sides())} sides quoted after {QUOTED_WITHIN_S:.0f} s")


# ---- one side of a coin --------------------------------------------------------------------------------------


async def _prints(feed: RedisBus, seen: Seen, universe: Universe) -> Times:
    """The next round presses on the other side, which sets the first one free."""
    times: Times = {"prints -> lease": [], "prints -> cancels sent": [], "prints -> orders gone": []}
    numbers = count(1)
    for number in range(ROUNDS):
        await _quoting(seen)
        for meta in universe.coins:
            side: Side = "ask" if number % 2 else "bid"
            for of_part, spent_s in zip(
                times.values(), await _tip(feed, seen, meta.coin, side, numbers), strict=False
            ):
                of_part.append(spent_s)
    return times


async def _tip(feed: RedisBus, seen: Seen, coin: str, side: Side, numbers: Iterator[int]) -> tuple[float, ...]:
    """Seconds to each part; nothing where no order of the side rests when it is tipped."""
    against: Aggressor = "A" if side == "bid" else "B"
    along: Aggressor = "B" if side == "bid" else "A"
    balanced = [along] * (WINDOW - BALANCED) + [against] * BALANCED
    await feed.publish([await _message(feed, coin, balanced, numbers)])
    tipping = await _message(feed, coin, [against] * TIPPING, numbers)
    await asyncio.sleep(_PAUSE_S)
    if not seen.of_side(coin, side) or seen.forbids(coin, side):
        return ()
    begun_s = monotonic_s()
    await feed.publish([tipping])
    ends = (
        await seen.until(lambda: seen.forbids(coin, side)),
        await seen.until(lambda: all(order.status == "cancelling" for order in seen.of_side(coin, side))),
        await seen.until(lambda: not seen.of_side(coin, side)),
    )
    return tuple(end_s - begun_s for end_s in ends if end_s is not None) if None not in ends else ()


async def _message(feed: RedisBus, coin: str, aggressors: Iterable[Aggressor], numbers: Iterator[int]) -> Trades:
    """Prints between the touches, so that nothing but the flow of orders can take offence."""
    book = (await feed.stored(BOOK, (coin,), last=1))[0]
    assert isinstance(book, Book)
    px, now_ms = (book.bids[0].px + book.asks[0].px) / 2, int(wall_ms())
    made = tuple(Trade(px, Decimal(1), aggressor, now_ms, next(numbers)) for aggressor in aggressors)
    return Trades(coin=coin, received_ms=wall_ms(), epoch=book.epoch, trades=made)


# ---- everything ----------------------------------------------------------------------------------------------


async def _halts(operator: RedisBus, seen: Seen) -> Times:
    times: Times = {"halt -> last lease": [], "halt -> last cancel sent": [], "halt -> last order gone": []}
    for _ in range(HALTS):
        await _quoting(seen)
        begun_s = monotonic_s()
        await _command(operator, "halt")
        ends = (
            await seen.until(
                lambda: all(lease.bid.allow == lease.ask.allow == "none" for lease in seen.leases.values())
            ),
            await seen.until(lambda: all(order.status == "cancelling" for order in seen.resting.values())),
            await seen.until(lambda: not seen.resting),
        )
        for of_part, end_s in zip(times.values(), ends, strict=True):
            of_part.append(inf if end_s is None else end_s - begun_s)
        await _command(operator, "resume")
    return times


async def _command(operator: RedisBus, action: Literal["halt", "resume"]) -> None:
    now_ms = int(wall_ms())
    await operator.publish(
        [Command(id=f"bench-{action}-{now_ms}", action=action, who="bench", reason="reaction", time_ms=now_ms)]
    )
