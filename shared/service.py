"""How a service is declared. Every service folder has one `SERVICE = Service(...)`; `shared.runtime` runs it.

A core is pure: `step(now_ms, input)` returns messages (published on the stream of their type) and, where the
service acts on the outside world, effects (handed to its door). It reads no clock and does no I/O, so the same
object runs in shadow, live, replay and tests.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from prometheus_client.registry import Collector

from shared.bus import Bus
from shared.config import EngineConfig
from shared.messages import Message
from shared.metrics import ServiceMetrics
from shared.streams import Stream

Config = TypeVar("Config", bound=EngineConfig)


class Core(Protocol):
    """Decisions of one service as a function of state, time and input.

    Inputs are the messages of `reads`, whatever the door brings, and the local notices below. A core ignores
    inputs it does not know. `restore` gets, before anything else, what the streams of `restores` still hold.
    """

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]: ...


class Restorable(Core, Protocol):
    """A core that continues after a restart."""

    def restore(self, now_ms: int, msg: Message) -> None: ...


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; delivered every `tick_ms`."""


@dataclass(frozen=True, slots=True)
class Started:
    """Everything restored: from here on the service acts."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """SIGTERM or SIGINT: leave the world tidy; the last input a core gets."""


@dataclass(frozen=True, slots=True)
class BusLost:
    """Redis does not answer. Repeated each tick until it is back; nothing written meanwhile arrives."""


@dataclass(frozen=True, slots=True)
class BusBack:
    """Redis answers again."""


class Port(Protocol):
    """What a door sees of its service. `bus` is None for a service without one."""

    bus: Bus | None

    async def handle(self, *inputs: Any) -> None:
        """Step the core with each input and publish what comes out; returns when it is on the bus."""

    def stop(self, error: Exception | None = None) -> None:
        """End the service in order, with an error or, as a batch job does, without."""


class Door(Protocol):
    """The one place where a service touches anything but the bus."""

    async def run(self, port: Port) -> None:
        """Bring the outside in until cancelled."""

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        """Carry out what the core decided; the results go back into the core."""


@runtime_checkable
class FinishingDoor(Door, Protocol):
    """A door that still works for a core that is `Stopping`, when its `run` has been cancelled or never begun."""

    async def finish(self, effects: Sequence[Any]) -> Sequence[Any]:
        """In place of `apply`, and with all results: those of earlier effects, too, that have not reached the
        core."""

    async def close(self) -> None:
        """After the last effects."""


@runtime_checkable
class RecordingDoor(Door, Protocol):
    """A door that lets some things out only after the bus has the word of them."""

    async def apply_unrecorded(self, effects: Sequence[Any]) -> Sequence[Any]:
        """In place of `apply` while the bus is away: what led to the effects is written nowhere."""


@runtime_checkable
class MeasuringDoor(Door, Protocol):
    """A door that measures what the runtime cannot see."""

    def measure(self, metrics: ServiceMetrics) -> None:
        """Called once, before anything else, with what is to be exposed."""


@dataclass(frozen=True, kw_only=True)
class Service(Generic[Config]):
    """The declaration of one service: wiring, settings, core and door.

    `metrics_port` is where the process exposes its own metrics. `reads` are this service's inputs, each with
    the reading policy of its stream; the universe of coins is read by everyone without saying so.
    """

    name: str
    config: type[Config]
    core: Callable[[Config], Core]
    metrics_port: int
    reads: tuple[Stream, ...] = ()
    writes: tuple[Stream, ...] = ()
    restores: tuple[Stream, ...] = ()
    looks_at: tuple[Stream, ...] = ()
    """Streams whose readers it watches without reading them."""
    tick_ms: int = 1000
    door: Callable[[Config, Any], Door] | None = None
    """Called with the settings and the core."""
    collector: Callable[[Any], Collector] | None = None
    """Called with the core: metrics read from its state at every scrape, in the event loop's thread."""
    background: bool = False
    """Nobody waits for it: it reads in batches and at low priority, so that the processor is free for those on
    the way from a book to an order."""
    uses_bus: bool = True
    starts_alone: bool = False
    """It begins even while Redis is away, as its work is elsewhere; nobody who decides by what is restored can."""
