"""What a guard remembers for the one that comes after it, and what is not taken up."""

from collections import deque
from typing import Any, ClassVar

import msgspec
import pytest

from market_maker.rules_drill.path import TradingPath
from services.guard.checks.streak import Streak
from services.guard.checks.table import ON_EVERYTHING, on_a_coin
from services.guard.config import GuardConfig
from services.guard.core import MEMORY_EVERY_MS, Guard
from services.guard.estimators.jumps import Returns
from services.guard.hour import HOUR_MS, HourCount
from services.guard.memory import OLDEST_MS, memory_of, recall
from shared.clock import SET_BACK_MS
from shared.messages import CoinMemory, CoinMeta, Event, GuardMemory, RiskReport
from shared.service import Started, Tick
from shared.streams import STREAM_OF

BTC = "BTC"
METAS = (CoinMeta(BTC, 5, 40),)
NOW_MS = 1_790_000_000_000


def on_the_bus(message: Any) -> Any:
    return STREAM_OF[type(message)].decoder.decode(msgspec.json.encode(message))


@pytest.fixture(scope="module")
def path() -> TradingPath:
    """Its executor quotes, and its feed has been silent for a second."""
    path = TradingPath(METAS).run(2 * MEMORY_EVERY_MS, {BTC: 68_000.0})
    return path.wait(1_000)


def after(path: TradingPath, *memories: Any, **settings: Any) -> tuple[Guard, list[Any]]:
    """A guard that finds nothing but memories, and what it says at its start."""
    guard = Guard(GuardConfig(**{"run_id": "path", **settings}))
    list(guard.step(path.now_ms, path.universe))
    for memory in memories:
        guard.restore(path.now_ms, on_the_bus(memory))
    said = [*guard.step(path.now_ms, Started()), *guard.step(path.now_ms, Tick())]
    return guard, said


def read(said: list[Any], rule: str) -> float | None:
    report = next(message for message in said if isinstance(message, RiskReport))
    return next(line.value for line in report.rules if line.rule == rule)


def newest(path: TradingPath) -> tuple[CoinMemory, GuardMemory]:
    coin, everything = path.newest(CoinMemory), path.newest(GuardMemory)
    assert coin is not None and everything is not None
    return coin, everything


def test_every_coin_is_remembered_every_few_seconds(path: TradingPath) -> None:
    for kind in (CoinMemory, GuardMemory):
        times_ms = [at_ms for at_ms, message in path.out if isinstance(message, kind)]
        assert len(times_ms) == 3
        assert {later - earlier for earlier, later in zip(times_ms, times_ms[1:], strict=False)} == {
            MEMORY_EVERY_MS
        }


def test_a_memory_is_small(path: TradingPath) -> None:
    coin, everything = newest(path)
    assert len(msgspec.json.encode(coin)) < 4_000
    assert len(msgspec.json.encode(everything)) < 4_000


def test_it_is_taken_up(path: TradingPath) -> None:
    _, said = after(path, *newest(path))
    assert read(said, "quiet_book") is not None
    assert read(said, "position_value") == 0
    assert not [message for message in said if isinstance(message, Event) and "fit" in message.text]


@pytest.mark.parametrize(
    "other",
    [{"venue": "testnet"}, {"shadow_mode": False}],
    ids=["of another venue", "of the other mode"],
)
def test_a_memory_of_something_else_is_not(path: TradingPath, other: dict[str, Any]) -> None:
    _, said = after(path, *newest(path), **other)
    assert read(said, "quiet_book") is None
    assert read(said, "position_value") is None


def test_another_run_knows_its_markets_alone(path: TradingPath) -> None:
    """Its executor counts its requests from zero, and its feed has not been silent yet."""
    _, said = after(path, *newest(path), run_id="next")
    assert read(said, "quiet_book") is not None
    assert read(said, "position_value") is None


@pytest.mark.parametrize(
    ("late_ms", "known"), [(-SET_BACK_MS - 1, False), (0, True), (OLDEST_MS, True), (OLDEST_MS + 1, False)]
)
def test_how_old_it_may_be(path: TradingPath, late_ms: int, known: bool) -> None:
    aged = [msgspec.structs.replace(memory, time_ms=path.now_ms - late_ms) for memory in newest(path)]
    _, said = after(path, *aged)
    assert (read(said, "quiet_book") is not None) is known
    assert (read(said, "position_value") is not None) is known


def test_a_part_of_another_version_is_learnt_anew_and_said(path: TradingPath) -> None:
    coin, everything = newest(path)
    coin.parts["quiet_book"]["check"]["added_tomorrow"] = 1
    everything.parts["position_value"]["check"]["value_usd"] = "much"
    del everything.parts["disk"]
    _, said = after(path, coin, everything)
    lines = [message.text for message in said if isinstance(message, Event) and "fit" in message.text]
    assert {line.split(":")[0] for line in lines} == {"BTC quiet_book", "position_value", "disk"}
    assert read(said, "quiet_book") is None and read(said, "position_value") is None
    assert read(said, "inventory") is not None


def test_whatever_a_check_remembers_comes_back_from_the_bus() -> None:
    config = GuardConfig()
    checks = [*(make(config) for make in ON_EVERYTHING), *on_a_coin(BTC, config)]
    assert sum(hasattr(check, "remembers") for check in checks) >= 16
    for check in checks:
        remembered = msgspec.json.decode(msgspec.json.encode(memory_of(check)))
        recall(check, remembered)
        assert msgspec.json.decode(msgspec.json.encode(memory_of(check))) == remembered


class Two:
    remembers: ClassVar = {"first": int, "second": int}

    def __init__(self) -> None:
        self.first, self.second = 1, 2


def test_half_a_memory_changes_nothing() -> None:
    two = Two()
    with pytest.raises(ValueError, match="second|int"):
        recall(two, {"first": 10, "second": "x"})
    assert (two.first, two.second) == (1, 2)


def test_a_window_keeps_its_length() -> None:
    returns, streak = Returns(5.0, 3), Streak(1.0, 1.0)
    recall(returns, {"anchor": None, "values": [1.0, 2.0, 3.0, 4.0]})
    assert returns.values == deque([2.0, 3.0, 4.0], maxlen=3) and returns.values.maxlen == 3
    recall(streak, {"since_ms": None, "on": True, "until_ms": 5.0})
    assert streak.on(10)


def test_what_is_counted_again_after_a_restart_counts_once() -> None:
    """The streams bring back the newest part of what has been counted; and the hour goes on."""
    counted = HourCount()
    for n in range(100):
        counted.add(f"o{n}", NOW_MS + n * 1000, NOW_MS + n * 1000)
    again = HourCount()
    recall(again, memory_of(counted))
    for n in range(80, 103):
        again.add(f"o{n}", NOW_MS + n * 1000, NOW_MS + n * 1000)
    assert again.total(NOW_MS + 103_000) == 103
    assert again.total(NOW_MS + 2 * HOUR_MS) == 0
