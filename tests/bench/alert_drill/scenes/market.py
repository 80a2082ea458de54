"""Markets that are dangerous, and a coin whose book does not come: a shadow bot."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from market_maker.drill.stack import Setup, Stack
from tests.bench.alert_drill.cause import Act, Cause, Scene, fault
from tests.bench.alert_drill.watching import Expected, fires

FALLS, THROWN, JUMPS, INFORMED = "NIL", "SOL", "BTC", "HYPE"
"""A coin for each cause that moves a price, so that none is taken for another. The first is thinly traded: takers
reach our quotes there, and hardly ever those of the others."""
FIXED = f"""[assets.{INFORMED}]
enabled = true
base_spread_bps = 3
"""
"""Written by a person; the screener would leave the coin out as soon as its fills lose."""
UNMOVED = 0.0001
"""Where only the takers of a fault are wanted."""
FALL_FRAC = -0.895
"""The spread stays as wide in ticks, so it becomes ten times as wide in bps."""
LEVELS = {"cascade_kill": "pull", "daily_loss": "off", "daily_loss_usd": "off"}
"""Who is short of a coin that comes back tenfold is halted, and then nothing else can be seen."""
WAVES = 40
"""Of takers, until the cancels of a quarter of an hour have a fill for each fifty."""


@contextmanager
def _fixed_by_hand(folder: Path) -> Iterator[None]:
    (folder / "market_maker.toml").write_text(FIXED)
    yield


def _back(frac: float) -> float:
    """The move that undoes a move."""
    return 1 / (1 + frac) - 1


def _move(coin: str, frac: float, for_s: float = 20.0, takers_per_s: int = 0) -> Act:
    async def act(stack: Stack) -> None:
        await stack.world.start_fault(fault="crash", coin=coin, frac=frac, for_s=for_s, takers_per_s=takers_per_s)

    return act


@dataclass(frozen=True)
class _Swings:
    """A price that goes up by `frac` and back, each time with takers of its direction."""

    coin: str
    frac: float
    for_s: float
    takers_per_s: int
    every_s: float

    async def forever(self, stack: Stack) -> None:
        for frac in cycle((self.frac, _back(self.frac))):
            await _move(self.coin, frac, self.for_s, self.takers_per_s)(stack)
            await asyncio.sleep(self.every_s)


def _swinging(what: str, swings: _Swings, *alerts: Expected, within_s: float = 300.0) -> Cause:
    """It goes on until the alerts have fired."""
    running: list[asyncio.Task[None]] = []

    async def begin(stack: Stack) -> None:
        running.append(asyncio.create_task(swings.forever(stack)))

    async def end(stack: Stack) -> None:
        task = running.pop()
        if task.done():
            task.result()
        task.cancel()

    return Cause(what, alerts, begin, end, within_s)


async def _takers_come(stack: Stack) -> None:
    """They reach our quotes on both sides and leave the price where it was."""
    for number in range(WAVES):
        await _move(FALLS, UNMOVED if number % 2 else -UNMOVED, 0.5, 40)(stack)
        await asyncio.sleep(3)


def _both(first: Act, second: Act) -> Act:
    async def act(stack: Stack) -> None:
        await first(stack)
        await second(stack)

    return act


_SILENT = fault(
    "no book comes of the one coin whose quotes are reached",
    fires("NotQuoting", asset=FALLS),
    fires("RuleHolds", rule="stale_book", asset=FALLS),
    fires("CancelFillRatio"),
    fault="stale_book", coin=FALLS, how="silent", within_s=1_200.0,
)  # fmt: skip
_CONTESTED = _swinging(
    "takers of both sides in turns",
    _Swings(FALLS, UNMOVED, for_s=3.0, takers_per_s=40, every_s=4.0),
    fires("RuleFlickers", rule="ofi", asset=FALLS),
    within_s=600.0,
)
_FALLEN = Cause(
    "a coin loses nine tenths of its price",
    (fires("SpreadWide", asset=FALLS),),
    _move(FALLS, FALL_FRAC),
    _move(FALLS, _back(FALL_FRAC)),
)
_THROWN = _swinging(
    "takers throw a price about, as in a chain of liquidations",
    _Swings(THROWN, 0.01, for_s=4.0, takers_per_s=60, every_s=12.0),
    fires("HighCascadeSeverity", asset=THROWN),
)
_JUMP = Cause("a price jumps once", (fires("ToxicFlow", asset=JUMPS),), _move(JUMPS, -0.003, 0.2), within_s=420.0)
_INFORMED = _swinging(
    "takers know where the price goes",
    _Swings(INFORMED, 0.006, for_s=5.0, takers_per_s=4, every_s=20.0),
    fires("AdverseSelection", severity="warning", asset=INFORMED),
    fires("AdverseSelection", severity="critical", asset=INFORMED),
    fires("NegativeEdge", asset=INFORMED),
    within_s=1_500.0,
)

SCENE = Scene(
    "market",
    "markets that are dangerous, and a coin whose book does not come",
    Setup(
        coins=4,
        seed=1,
        live=False,
        settings={
            "MM_COINS": ",".join((FALLS, THROWN, JUMPS, INFORMED)),
            "MM_SCREENER_WINDOW_S": "300",
            "MM_MIN_MARKOUTS": "50",
            "MM_RULE_LEVELS": json.dumps(LEVELS),
        },
    ),
    ((replace(_SILENT, end=_both(_SILENT.end, _takers_come)), _CONTESTED), (_FALLEN, _THROWN, _JUMP, _INFORMED)),
    _fixed_by_hand,
)
