"""What the runtime measures between a target and an order, and what it leaves to the door."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared import runtime as runtime_module
from shared.config import EngineConfig
from shared.memory_bus import MemoryBus
from shared.messages import OrderUpdate, TargetQuotes
from shared.metrics import ServiceMetrics
from shared.runtime import Runtime
from shared.service import Port, Service
from shared.streams import ORDERS, TARGET

NOW_MS = 1_700_000_000_050.0


class Placing:
    """Answers each target with one order in the given state."""

    def __init__(self, status: str = "pending") -> None:
        self.status = status

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        if isinstance(msg, TargetQuotes):
            yield OrderUpdate(
                coin="BTC", cloid="0x1", side="bid", level=1, px=Decimal(1), sz=Decimal(1), filled_sz=Decimal(0),
                status=self.status, time_ms=now_ms,
            )  # fmt: skip


class MeasuringDoor:
    def __init__(self) -> None:
        self.metrics: ServiceMetrics | None = None

    def measure(self, metrics: ServiceMetrics) -> None:
        self.metrics = metrics

    async def run(self, port: Port) -> None:
        return None

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        return ()


def made(tmp_path: Path, **changes: Any) -> Runtime:
    wiring: dict[str, Any] = {
        "name": "executor", "config": EngineConfig, "core": lambda _: Placing(), "reads": (TARGET,),
        "writes": (ORDERS,), "metrics_port": 0,
    }  # fmt: skip
    return Runtime(Service(**wiring | changes), EngineConfig(run_dir=tmp_path, metrics_port=0), MemoryBus())


def target(trigger: str) -> TargetQuotes:
    return TargetQuotes(
        coin="BTC", source_ms=NOW_MS - 50, computed_ms=int(NOW_MS - 20), trigger=trigger, mid_px=1.0,
        half_spread_bps=1.0, shift_bps=0.0, multiplier=1.0, regime="calm",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("trigger", "status", "seconds"),
    [
        ("book", "pending", {"target": 0.02, "tick": 0.05}),
        ("time", "pending", {"target": 0.02, "tick": None}),
        ("book", "rejected", {"target": None, "tick": None}),
    ],
)
async def test_time_to_an_order_is_counted_where_one_left(tmp_path, monkeypatch, trigger, status, seconds):
    monkeypatch.setattr(runtime_module, "wall_ms", lambda: NOW_MS)
    runtime = made(tmp_path, core=lambda _: Placing(status))
    await runtime.handle(target(trigger))
    for hop, expected in seconds.items():
        measured = runtime.registry.get_sample_value(f"mm_{hop}_to_order_seconds_sum")
        assert measured == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_a_door_that_measures_gets_what_is_exposed(tmp_path: Path):
    door = MeasuringDoor()
    runtime = made(tmp_path, door=lambda *_: door)
    assert door.metrics is runtime.metrics
