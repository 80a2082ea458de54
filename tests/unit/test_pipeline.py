"""Cores without a bus: order, ticks and determinism."""

from collections.abc import Iterable
from typing import Any

from shared.config import EngineConfig
from shared.messages import Book, Command, Event, TargetQuotes
from shared.pipeline import Pipeline
from shared.service import Service, Started, Stopping, Tick
from shared.streams import BOOK, COMMAND
from tests.fixtures.make import book


class Core:
    def __init__(self, name: str, journal: list[tuple[int, str, str]]) -> None:
        self.name, self.journal = name, journal

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        self.journal.append((now_ms, self.name, type(msg).__name__))
        if isinstance(msg, Book) and self.name == "ingestor":
            return []
        if isinstance(msg, str):
            return [book("BTC", time_ms=now_ms), object()]
        if isinstance(msg, Book) and self.name == "guard":
            return [Command(id="1", action="cancel_all", who="guard", reason="test", time_ms=now_ms)]
        return []


def build(journal: list[tuple[int, str, str]], observed: list[Any]) -> Pipeline:
    def service(name: str, reads: tuple[Any, ...], tick_ms: int) -> tuple[Service[EngineConfig], Core]:
        core = Core(name, journal)
        declared = Service(
            name=name, config=EngineConfig, core=lambda _: core, reads=reads, tick_ms=tick_ms, metrics_port=0
        )
        return declared, core

    parts = [
        service("ingestor", (), 1000),
        service("guard", (BOOK,), 250),
        service("executor", (BOOK, COMMAND), 100),
    ]
    return Pipeline(parts, lambda now_ms, message: observed.append((now_ms, message)), 0)


def test_messages_reach_their_readers_in_order_before_time_goes_on() -> None:
    journal: list[tuple[int, str, str]] = []
    observed: list[Any] = []
    pipeline = build(journal, observed)
    pipeline.feed(320, "ingestor", "frame")
    pipeline.stop(400)
    at_320 = [(name, kind) for now, name, kind in journal if now == 320]
    assert at_320 == [("ingestor", "str"), ("guard", "Book"), ("executor", "Book"), ("executor", "Command")]
    assert [type(message) for _, message in observed] == [Book, Command]
    executor_ticks = [now for now, name, kind in journal if (name, kind) == ("executor", "Tick")]
    assert executor_ticks == [0, 100, 200, 300, 400]
    assert [now for now, name, kind in journal if (name, kind) == ("guard", "Tick")] == [0, 250]
    assert [(name, kind) for _, name, kind in journal[:3]] == [
        (name, Started.__name__) for name in ("ingestor", "guard", "executor")
    ]
    assert [kind for _, _, kind in journal[-3:]] == [Stopping.__name__] * 3
    assert {Tick, Event, TargetQuotes}.isdisjoint({type(message) for _, message in observed})
