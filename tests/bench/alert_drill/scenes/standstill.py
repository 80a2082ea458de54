"""Processes that stand still, frames and answers that do not come."""

import asyncio
import os
import signal

from market_maker.drill.stack import Setup, Stack
from tests.bench.alert_drill.cause import Cause, Scene, command, fault, frozen
from tests.bench.alert_drill.watching import POLL_S, fires


async def _drop_often(stack: Stack) -> None:
    for _ in range(8):
        await stack.world.start_fault(fault="drop")
        await asyncio.sleep(8)


async def _kill_often(stack: Stack) -> None:
    for _ in range(4):
        before = stack.bot.pid("screener")
        os.kill(before, signal.SIGKILL)
        while stack.bot.pid("screener") == before:
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(8)


_HALTED = Cause(
    "a person halts", (fires("Halted"), fires("KillSwitchTriggered")), command("halt"), command("resume")
)
_DARK = fault("fills that the venue does not tell of", fires("DarkFill"), fault="dark_fill")
_STALLED = fault(
    "frames of all websockets are held back",
    fires("FeedSilent"),
    fires("DataStale"),
    fires("RuleStopsEverything", rule="stall"),
    fault="stall",
)
_LOST = fault("answers to orders get lost", fires("ExchangeErrors"), fault="lose_answer", count=20)

SCENE = Scene(
    "standstill",
    "processes that stand still, frames and answers that do not come",
    Setup(coins=4, seed=1),
    (
        (_HALTED,),
        (_DARK,),
        (frozen("guard", "ServiceSilent", "ServiceDown", "RulesUntold", "LeaseLost", "LiveNotQuoting"),),
        (_STALLED,),
        (frozen("watchdog", "WatchdogMissing"),),
        (frozen("monitor", "MetricsAbsent"),),
        (frozen("redis", "RedisLost"),),
        (_LOST,),
        (Cause("a feed that breaks eight times in a minute", (fires("FeedReconnects"),), _drop_often),),
        (Cause("the screener is killed four times", (fires("ServiceRestarts"),), _kill_often),),
    ),
)
