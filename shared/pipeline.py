"""Cores wired by the stream table in one thread, without a bus: replay and end-to-end tests.

Every message a core produces is handed to each core that reads its stream, in the order of declaration, before
anything later happens. Same cores, same wiring, no conflation, no clock: the result depends on the inputs only.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from shared.messages import Event, Message, Universe, stamped
from shared.service import Core, Service, Started, Stopping, Tick
from shared.streams import STREAM_OF


class Pipeline:
    """`observe` sees every message once, in order."""

    def __init__(
        self, parts: Sequence[tuple[Service[Any], Core]], observe: Callable[[int, Message], None], start_ms: int
    ) -> None:
        self._observe = observe
        self._cores = {service.name: core for service, core in parts}
        self._next_tick_ms = {service.name: start_ms for service, _ in parts}
        self._tick_ms = {service.name: service.tick_ms for service, _ in parts}
        self._due_ms = start_ms
        self._readers: dict[str, list[str]] = {}
        for service, _ in parts:
            for stream in service.reads:
                self._readers.setdefault(stream.name, []).append(service.name)
        for service, _ in parts:
            self._run(start_ms, service.name, Started())

    def feed(self, now_ms: int, service: str, message: Any) -> None:
        """Hand one input to one service at `now_ms`, after all the ticks that were due before."""
        self._advance(now_ms)
        self._run(now_ms, service, message)

    def replace(self, now_ms: int, service: str, core: Core) -> None:
        """Another process takes a service over; what it restores, it has restored."""
        self._advance(now_ms)
        self._cores[service] = core
        self._run(now_ms, service, Started())

    def reach(self, now_ms: int) -> None:
        """Let time pass with nothing but the ticks that are due."""
        self._advance(now_ms)

    def stop(self, now_ms: int) -> None:
        """Let time reach `now_ms` and every core leave tidily."""
        self._advance(now_ms)
        for service in self._cores:
            self._run(now_ms, service, Stopping())

    def _advance(self, now_ms: int) -> None:
        while self._due_ms <= now_ms:
            due_ms = self._due_ms
            for service, at_ms in self._next_tick_ms.items():
                if at_ms <= due_ms:
                    self._next_tick_ms[service] = at_ms + self._tick_ms[service]
                    self._run(due_ms, service, Tick())
            self._due_ms = min(self._next_tick_ms.values())

    def _run(self, now_ms: int, service: str, message: Any) -> None:
        queue: deque[tuple[str, Any]] = deque([(service, message)])
        while queue:
            name, item = queue.popleft()
            for output in self._cores[name].step(now_ms, item):
                if not isinstance(output, Message):
                    continue  # an effect: there is no outside here
                if isinstance(output, Event):
                    output = stamped(output, name, now_ms)
                self._observe(now_ms, output)
                stream = STREAM_OF[type(output)]
                readers = self._cores if isinstance(output, Universe) else self._readers.get(stream.name, ())
                queue.extend((reader, output) for reader in readers)
