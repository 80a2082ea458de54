"""A drill that goes on where it can: stacks that break or do not come up, processes that are not there."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, Self

import pytest

from market_maker.drill import drill as drills
from market_maker.drill.drill import Drill
from market_maker.drill.faults import FAULTS
from market_maker.drill.results import Result
from market_maker.drill.scene import DidNotHappen, Scene
from market_maker.drill.stack import Setup
from shared.errors import MarketMakerError

CHOSEN = [FAULTS[name] for name in ("kill_quoter", "lost_ack")]


class Opened:
    """In the place of stack and observer."""

    world, account = None, ""

    def __init__(self, *_: Any) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def committed(
    monkeypatch: pytest.MonkeyPatch, folder: Path, starts: Sequence[bool], broken_after: Sequence[int] = ()
) -> list[Result]:
    """Two faults, three times each. `starts`: which stacks come up. `broken_after`: repetitions, counted over all,
    after which a stack is fit for nothing more."""
    came = iter(starts)

    class Stack(Opened):
        async def __aenter__(self) -> Self:
            if not next(came):
                raise MarketMakerError("not ready within 60 s")
            return self

    told: list[Result] = []

    async def once(_: Any, scene: Any, fault: Any, repetition: int, logs: Path) -> tuple[Result, bool]:
        result = Result(
            fault=fault.name, repetition=repetition, began_ms=0, what="", safe_after_s=1.0, logs=str(logs)
        )
        return result, len(told) + 1 not in broken_after

    monkeypatch.setattr(drills, "Stack", Stack)
    monkeypatch.setattr(drills, "Observer", Opened)
    monkeypatch.setattr(Drill, "_once", once)
    await Drill(folder, Setup(coins=1, seed=1), CHOSEN, 3).run(told.append)
    assert Counter(result.fault for result in told) == {"kill_quoter": 3, "lost_ack": 3}
    return told


async def test_a_stack_that_breaks_is_followed_by_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = await committed(monkeypatch, tmp_path, [True, True], broken_after=[2])
    assert [Path(result.logs).name for result in told] == ["stack-1"] * 2 + ["stack-2"] * 4


async def test_a_stack_that_does_not_come_up_is_a_failure_of_one_repetition(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = await committed(monkeypatch, tmp_path, [True, False, True], broken_after=[2])
    failed = [result for result in told if result.failures]
    assert told.index(failed[0]) == 2 and len(failed) == 1
    assert failed[0].safe_after_s is None and "not ready within 60 s" in failed[0].failures[0]


@pytest.mark.parametrize("starts", [[False], [True, False, False]])
async def test_where_nothing_comes_up_the_drill_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, starts: list[bool]
) -> None:
    with pytest.raises(MarketMakerError, match="not ready"):
        await committed(monkeypatch, tmp_path, starts, broken_after=[2])


@pytest.fixture
def ended() -> int:
    """The number of a process that is over."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


async def test_what_waits_to_be_started_again_is_waited_for(ended: int) -> None:
    """A supervisor tells the number of a process until the next one has been started."""
    pids = [ended, ended, os.getpid()]
    bot = SimpleNamespace(pid=lambda _: pids[0], require_alive=lambda: pids[1:] and pids.pop(0))
    stack: Any = SimpleNamespace(bot=bot, world=None, account="")
    observer: Any = SimpleNamespace(require_looking=lambda: None)
    assert await Scene(stack, observer, Random(1)).running("quoter") == os.getpid()


def test_a_process_that_is_over_gets_no_signal(ended: int) -> None:
    with pytest.raises(DidNotHappen, match="SIGKILL"):
        Scene.signal(ended, signal.SIGKILL)
