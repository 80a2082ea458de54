"""The faults that a drill commits, each with the time within which the account must be safe again."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from market_maker.drill.scene import STRIKES_WITHIN_S, DidNotHappen, Scene
from services.venue.exchange.facts import OrderChanged
from shared.clock import wall_ms
from shared.units import lot_size

_ATTEMPTS = 12
_MOST_DOUBLED = 4
_BETWEEN_S = 1.0
_SMALLEST_USD = Decimal(15)
_LENGTH_S = (3.0, 8.0)
Whom = Literal["anybody", "the account", "nobody known"]
"""On whom a fault must have had an effect before it counts as committed."""


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Committed:
    """A fault that has been committed. Times on our clock."""

    began_ms: float
    over_ms: float
    """From here on the bound counts; `began_ms` where the fault is a single moment."""
    detail: str
    clean: Callable[[], Awaitable[None]] = field(default=_nothing)
    """What a person does afterwards, when the account is safe."""


Commit = Callable[[Scene], Awaitable[Committed]]


@dataclass(frozen=True)
class Fault:
    """`bound_s` counts from the end of the fault."""

    name: str
    about: str
    bound_s: float
    commit: Commit
    frozen: bool = False
    """Afterwards nothing of ours may rest until a person has looked."""
    blind: bool = False
    """While it lasts the executor cannot know how its orders stand, whatever it says."""
    gone_within_s: float | None = None
    """While it lasts, everything must be cancelled by so long after its beginning."""


# ---- processes -----------------------------------------------------------------------------------------------


def _kill(name: str) -> Commit:
    async def commit(scene: Scene) -> Committed:
        await scene.jitter()
        pid, began_ms = await scene.running(name), wall_ms()
        scene.signal(pid, signal.SIGKILL)
        return Committed(began_ms, began_ms, f"SIGKILL of {name} (pid {pid})")

    return commit


async def _hang_executor(scene: Scene) -> Committed:
    """Long enough that only the watchdog can have cancelled."""
    await scene.jitter()
    pid, seconds, began_ms = await scene.running("executor"), scene.random.uniform(10.5, 14.0), wall_ms()
    scene.signal(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        scene.signal(pid, signal.SIGCONT)
    return Committed(began_ms, wall_ms(), f"SIGSTOP of executor for {seconds:.1f} s")


# ---- the network ---------------------------------------------------------------------------------------------


def _cut(*, everything: bool) -> Commit:
    async def commit(scene: Scene) -> Committed:
        await scene.jitter()
        links = (scene.stack.trading, scene.stack.other) if everything else (scene.stack.trading,)
        seconds, began_ms = scene.random.uniform(1.0, 10.0), wall_ms()
        for link in links:
            link.cut()
        try:
            await asyncio.sleep(seconds)
        finally:
            for link in links:
                link.mend()
        return Committed(began_ms, wall_ms(), f"venue unreachable for {seconds:.1f} s")

    return commit


# ---- faults of the venue -------------------------------------------------------------------------------------


def _lasting(kind: str, *, whom: Whom, reconnecting: bool = False, **fields: Any) -> Commit:
    """A fault of the venue that strikes whatever comes by, and goes on until it has struck `whom` as well.
    `reconnecting`: connections break under it, so that whoever comes back must ask, and meets it."""

    async def commit(scene: Scene) -> Committed:
        await scene.jitter()
        least_s, began_ms = scene.random.uniform(*_LENGTH_S), wall_ms()
        number = await scene.start(fault=kind, for_s=_LENGTH_S[1] + 2 * STRIKES_WITHIN_S, **fields)
        if reconnecting:
            await scene.struck(await scene.world.start_fault(fault="drop"), "drop")
        if whom != "nobody known":
            await scene.struck(number, kind, scene.account if whom == "the account" else "")
        await asyncio.sleep(max(0.0, least_s - (wall_ms() - began_ms) / 1000))
        await scene.world.end_fault(number)
        over_ms = wall_ms()
        dropped = "connections dropped, " if reconnecting else ""
        return Committed(began_ms, over_ms, f"{dropped}{kind} for {(over_ms - began_ms) / 1000:.1f} s")

    return commit


async def _clock_skew(scene: Scene) -> Committed:
    await scene.jitter()
    ms = scene.random.choice((-1, 1)) * scene.random.randint(1_000, 9_000)
    seconds, began_ms = scene.random.uniform(*_LENGTH_S), wall_ms()
    number = await scene.start(fault="clock_skew", ms=ms, for_s=seconds + STRIKES_WITHIN_S)
    await asyncio.sleep(seconds)
    await scene.world.end_fault(number)
    return Committed(began_ms, wall_ms(), f"clock_skew {ms:+d} ms for {seconds:.1f} s")


async def _lost_answer(scene: Scene) -> Committed:
    await scene.jitter()
    count = scene.random.randint(1, 3)
    struck_ms = await scene.strike(fault="lose_answer", user=scene.account, count=count, for_s=30)
    return Committed(struck_ms, struck_ms, f"up to {count} answers lost")


# ---- other hands ---------------------------------------------------------------------------------------------


async def _dark_fill(scene: Scene) -> Committed:
    """Somebody trades against an order of ours, and the stream says nothing of it."""
    await scene.jitter()
    fault = {"fault": "dark_fill", "user": scene.account, "count": 1, "for_s": 30}
    striking = asyncio.create_task(scene.strike(**fault))
    try:
        for attempt in range(_ATTEMPTS):
            order = scene.own_order()
            if order is not None:
                await _trade_against(scene, order, times=2 ** min(attempt, _MOST_DOUBLED))
            await asyncio.wait((striking,), timeout=_BETWEEN_S)
            if striking.done():
                struck_ms = striking.result()
                return Committed(struck_ms, struck_ms, "a fill of ours that the stream does not tell")
        raise DidNotHappen(f"a dark fill in {_ATTEMPTS} attempts")
    finally:
        striking.cancel()


async def _trade_against(scene: Scene, order: OrderChanged, times: int) -> None:
    """Take everything up to our order, and the order. The book shows its first levels alone: `times` as much."""
    standing = (await scene.world.account(scene.account))["orders"]
    ahead = next((Decimal(each["queue_ahead"] or 0) for each in standing if each["oid"] == order.oid), None)
    if ahead is None:
        return
    is_bid = order.side == "B"
    levels = (await scene.world.book(order.coin))[0 if is_bid else 1]
    better = sum(
        (Decimal(level["sz"]) for level in levels if (Decimal(level["px"]) > order.limit_px) == is_bid
         and Decimal(level["px"]) != order.limit_px),
        Decimal(0),
    )  # fmt: skip
    await scene.world.order(
        scene.stack.stranger,
        order.coin,
        "sell" if is_bid else "buy",
        str(times * (better + ahead + order.sz)),
        px=str(order.limit_px),
        tif="Ioc",
    )


async def _foreign_order(scene: Scene) -> Committed:
    """Somebody places an order on our account. We do not touch it, and do not trade beside it."""
    await scene.jitter()
    coin, side = scene.random.choice(sorted(scene.observer.coins)), scene.random.choice(("buy", "sell"))
    sz, bps = await _smallest(scene, coin), scene.random.uniform(30, 150)
    began_ms = wall_ms()
    status = await scene.world.order(scene.account, coin, side, sz, bps=bps, tif="Gtc")
    if "resting" not in status:
        raise DidNotHappen(f"a foreign order that rests: {status}")
    oid = status["resting"]["oid"]

    async def clean() -> None:
        await scene.until(lambda: scene.phase == "refused", _JUDGED_WITHIN_S, "a refusal of the account")
        await scene.world.cancel(scene.account, oid)
        await scene.resume()

    return Committed(began_ms, began_ms, f"a foreign order rests: {coin} {side} {sz}", clean)


async def _foreign_fill(scene: Scene) -> Committed:
    """Somebody trades on our account at the market: the position is no longer the sum of our fills alone."""
    await scene.jitter()
    coin, side = scene.random.choice(sorted(scene.observer.coins)), scene.random.choice(("buy", "sell"))
    sz, began_ms = await _smallest(scene, coin), wall_ms()
    status = await scene.world.order(scene.account, coin, side, sz)
    if "filled" not in status:
        raise DidNotHappen(f"a foreign fill: {status}")
    return Committed(began_ms, began_ms, f"a foreign fill: {coin} {side} {sz}")


async def _smallest(scene: Scene, coin: str) -> str:
    """A size a little above the venue's least order value."""
    mark_px = Decimal((await scene.world.coins())[coin]["mark_px"])
    lot = lot_size(scene.observer.coins[coin])
    return str((_SMALLEST_USD / mark_px // lot + 1) * lot)


# ---- the list ------------------------------------------------------------------------------------------------

_JUDGED_WITHIN_S = 60.0
"""A person does not resume what is still being looked at."""
_EXECUTOR_SILENT_S = 10.0
"""The watchdog's promise."""

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill_executor", "SIGKILL of the executor", 15, _kill("executor")),
        Fault("kill_quoter", "SIGKILL of the quoter", 10, _kill("quoter")),
        Fault("kill_guard", "SIGKILL of the guard", 10, _kill("guard")),
        Fault("kill_ingestor", "SIGKILL of the ingestor", 10, _kill("ingestor")),
        Fault("kill_redis", "SIGKILL of Redis", 15, _kill("redis")),
        Fault("kill_watchdog", "SIGKILL of the watchdog", 10, _kill("watchdog")),
        Fault("hang_executor", "the executor hangs (SIGSTOP)", 20, _hang_executor,
              gone_within_s=_EXECUTOR_SILENT_S),
        Fault("network_cut", "the venue is unreachable for all", 20, _cut(everything=True), blind=True),
        Fault("network_cut_executor", "the venue is unreachable for the executor", 20, _cut(everything=False),
              blind=True),
        Fault("lost_ack", "actions are executed, answers lost", 20, _lost_answer),
        Fault("duplicate", "frames arrive twice", 10,
              _lasting("duplicate", whom="the account", share=0.5)),
        Fault("reorder", "frames arrive in another order", 10,
              _lasting("reorder", whom="the account", share=0.3)),
        Fault("dark_fill", "a fill that the stream does not tell", 75, _dark_fill),
        Fault("http_429", "every REST request is over the limit", 20,
              _lasting("http_429", whom="anybody", reconnecting=True)),
        Fault("http_5xx", "every REST request fails", 20,
              _lasting("http_5xx", whom="anybody", reconnecting=True)),
        Fault("post_only", "a post-only window after a network upgrade", 15,
              _lasting("post_only", whom="nobody known", reconnecting=True)),
        Fault("clock_skew", "the venue's clock is off", 20, _clock_skew),
        Fault("foreign_order", "somebody places an order on the account", 10, _foreign_order, frozen=True),
        Fault("foreign_fill", "somebody trades on the account", 10, _foreign_fill),
    )
}  # fmt: skip
