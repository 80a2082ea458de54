"""Runs a declared service: bus, clock, signals, health, metrics. Everything else is the core's or the door's.

One input is handled at a time: step the core, publish its messages in order, apply its effects, step their
results. Only then are entries of `every` streams acknowledged.
"""

import asyncio
import contextlib
import faulthandler
import gc
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, cast

from prometheus_client import CollectorRegistry

from shared.bus import Bus, Delivery, Reader
from shared.clock import SET_BACK_MS, monotonic_s, wall_ms
from shared.config import EngineConfig
from shared.errors import BusError, ClockSetBack, InvariantError
from shared.exposition import InLoop, exposed
from shared.log import Log
from shared.messages import (
    AccountState,
    Book,
    Event,
    HaltState,
    Heartbeat,
    Message,
    OrderUpdate,
    TargetQuotes,
    Universe,
    stamped,
)
from shared.metrics import ServiceMetrics
from shared.outbox import Outbox
from shared.service import (
    BusBack,
    BusLost,
    Door,
    FinishingDoor,
    MeasuringDoor,
    RecordingDoor,
    Restorable,
    Service,
    Started,
    Stopping,
    Tick,
)
from shared.streams import HALT, UNIVERSE

STUCK_AFTER_S = 30
"""A loop that does not turn for so long dumps its stack and ends the process; the supervisor restarts it."""
FRESH_INPUT_S = 15
RELAXED_PAUSE_S = 0.25
BACKGROUND_NICE = 10
_RECONNECT_S = 0.5
_CANCEL_AGAIN_S = 0.2
_HANDLED_WITHIN_S = 3.0
_CAUGHT_UP_WITHIN_S = 2.0
_HALT_POLL_S = 0.25
_RECLAIM_EVERY_S = 30
SEEN_BY_THEN_S = 15.0
"""A loss found at the start is counted when Prometheus has seen the counter at zero: only then it has risen."""


async def serve(service: Service[Any], config: EngineConfig, bus: Bus | None) -> None:
    """Run until SIGTERM, SIGINT or an error.

    Raises:
        InvariantError: a promise of ours is broken; `mm:halt` has been set.
    """
    await Runtime(service, config, bus).run()


class Runtime:
    """One running service."""

    def __init__(self, service: Service[Any], config: EngineConfig, bus: Bus | None) -> None:
        self.service, self.config, self.bus = service, config, bus
        self.core = service.core(config)
        self.door: Door | None = service.door(config, self.core) if service.door else None
        self.log = Log(service.name, config.log_level, config.log_format)
        self.registry = CollectorRegistry()
        self.metrics = ServiceMetrics(self.registry)
        if isinstance(self.door, MeasuringDoor):
            self.door.measure(self.metrics)
        self.outbox = Outbox()
        self.coins: tuple[str, ...] = ()
        self.bus_up = bus is not None
        self.started_ms = int(wall_ms())
        self.handled = 0
        self._restored: set[str] = set()
        self._unrestored: deque[str] = deque()
        self._readers: list[Reader] = []
        self._counted: dict[tuple[str, str], int] = {}
        self._lock = asyncio.Lock()
        self._stop = asyncio.Event()
        self._ending = False
        self._error: BaseException | None = None
        self._begun_s = self._last_input_s = monotonic_s()
        self._clock_ms = 0.0
        self._mark_failed = False

    # ---- life ----

    async def run(self) -> None:
        if self.service.background:
            os.nice(BACKGROUND_NICE)
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        async with self._exposed(loop):
            try:
                await self._begin()
                await self._until_stopped([task() for task in self._tasks()])
                await self._catch_up()
            finally:
                await self._end()
        if self._error is not None:
            raise self._error

    def stop(self, error: Exception | None = None) -> None:
        self._error = self._error or error
        self._stop.set()

    def _tasks(self) -> list[Callable[[], Any]]:
        service = self.service
        tasks: list[Callable[[], Any]] = [self._tick_loop, self._heartbeat_loop]
        if self.bus is not None:
            for stream in service.reads if UNIVERSE in service.writes else (*service.reads, UNIVERSE):
                reader: Reader | None = None
                if stream.policy == "latest":
                    reader = self.bus.latest([stream])
                elif stream.policy == "every":
                    reader = self.bus.every([stream], service.name, f"{service.name}-1")
                    self.metrics.bus_lost.labels(stream.name)
                if reader is not None:
                    self._readers.append(reader)
                    hurry = stream.hurry and not service.background
                    tasks.append(partial(self._read_loop, reader, 0.0 if hurry else RELAXED_PAUSE_S))
            if HALT in service.reads:
                tasks.append(self._halt_loop)
        if self.door is not None:
            door = self.door
            tasks.append(lambda: door.run(self))
        return tasks

    async def _until_stopped(self, coroutines: list[Any]) -> None:
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        stopper = asyncio.create_task(self._stop.wait())
        try:
            while not self._stop.is_set():
                done, _ = await asyncio.wait([stopper, *tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopper}:
                    tasks.remove(task)
                    error = task.exception()
                    if error is not None:
                        self._error = self._error or error
                        self._stop.set()
        finally:
            await self._end_between_inputs([stopper, *tasks])

    async def _catch_up(self) -> None:
        """A service for which nobody waits may be late: what others said before they ended is still for it."""
        if not self.service.background or self._error is not None or not self.bus_up:
            return
        reading = asyncio.create_task(self._read_the_rest())
        await asyncio.wait([reading], timeout=_CAUGHT_UP_WITHIN_S)
        await self._end_between_inputs([reading])
        if not reading.cancelled() and reading.exception() is not None:
            raise cast(BaseException, reading.exception())

    async def _read_the_rest(self) -> None:
        with contextlib.suppress(BusError):
            for reader in self._readers:
                while deliveries := await reader.read(block_ms=0):
                    await self._handle_deliveries(deliveries)
                    await reader.ack(deliveries)

    async def _end_between_inputs(self, tasks: "Sequence[asyncio.Task[Any]]") -> None:
        """What a core has decided reaches its door: no input is given up half handled, if it is handled at all."""
        try:
            async with asyncio.timeout(_HANDLED_WITHIN_S):
                await self._lock.acquire()
        except TimeoutError:
            return await _end_tasks(tasks)
        try:
            await _end_tasks(tasks)
        finally:
            self._lock.release()

    async def _begin(self) -> None:
        if self.bus is not None and not await self._load(self.bus):
            return  # nothing is known, so nothing may be begun
        gc.collect()
        gc.freeze()  # what is loaded by now stays: full collections need not look at it again
        await self._emit(Event(tag="", text=f"{self.service.name} started"))
        await self.handle(Started())

    async def _load(self, bus: Bus) -> bool:
        """What the bus holds for us, as soon as it answers; False when we are told to stop before that. A service
        that starts alone does not wait."""
        while not self._stop.is_set():
            try:
                await self._load_now(bus)
                return True
            except BusError as error:
                if self.service.starts_alone:
                    self._mark_lost(error)
                    return True
                await self._emit(Event(level="warning", tag="BUS", text=f"waiting for Redis: {error}"))
                await self._pause(_RECONNECT_S)
        return False

    async def _load_now(self, bus: Bus) -> None:
        """Coins, what was restored of them, the halt; may be repeated after an error."""
        universe = await bus.stored(UNIVERSE, (), last=1)
        if universe and UNIVERSE not in self.service.writes:
            await self._take_universe(universe[0])
        coins = [meta.coin for message in universe if isinstance(message, Universe) for meta in message.coins]
        await self._restore(bus, ["", *coins])
        if HALT in self.service.reads:
            await self.handle(await bus.halt_state())

    async def _restore(self, bus: Bus, coins: Sequence[str]) -> None:
        """Coin by coin, so that a long stream is never in memory as a whole; each coin once.

        "" stands for what is not kept per coin. Entries of all streams come in the order in which they were
        written, so that a core hears again what happened as it happened. An account names coins of its own: those
        that the universe has lost still count.
        """
        self._unrestored += [coin for coin in coins if coin not in self._unrestored]
        while self._unrestored:
            coin = self._unrestored[0]  # stays there if the bus fails
            if coin not in self._restored:
                streams = [stream for stream in self.service.restores if stream.per_coin == bool(coin)]
                for message in await bus.history(streams, coin):
                    cast(Restorable, self.core).restore(int(wall_ms()), message)
                    if isinstance(message, AccountState):
                        self._unrestored += message.coins
                self._restored.add(coin)
            self._unrestored.popleft()

    async def _restore_joining(self, coins: Sequence[str]) -> None:
        """A coin may come back with the positions of an earlier day; it is not read before they are known."""
        while self.bus is not None and not self._stop.is_set():
            try:
                return await self._restore(self.bus, coins)
            except BusError as error:
                await self._lost(error)
                await self._pause(_RECONNECT_S)

    async def _end(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        if isinstance(self._error, InvariantError):
            await self._publish(
                [HaltState(halted=True, reason=str(self._error), who=self.service.name, since_ms=int(wall_ms()))]
            )
            await self._emit(Event(level="error", tag="INVARIANT", text=str(self._error)))
        self._ending = True
        try:
            await self.handle(Stopping())
            await self._emit(Event(tag="", text=f"{self.service.name} stopped"))
        finally:
            if isinstance(self.door, FinishingDoor):
                await self.door.close()
            if self.bus is not None:
                await self.bus.close()

    # ---- inputs ----

    async def handle(self, *inputs: Any) -> None:
        """Step the core with each input and carry out what it decides; one caller at a time."""
        async with self._lock:
            queue: Sequence[Any] = inputs
            while queue:
                begun_s = monotonic_s()
                messages: list[Message] = []
                effects: list[Any] = []
                measured: list[tuple[Any, list[Any]]] = []
                for message in queue:
                    outputs = list(self.core.step(int(wall_ms()), message))
                    for output in outputs:
                        (messages if isinstance(output, Message) else effects).append(output)
                    if isinstance(message, (Book, TargetQuotes)):
                        measured.append((message, outputs))
                self.handled += len(queue)
                await self._publish(messages)
                self._measure(measured, begun_s)
                queue = await self._carry_out(effects)

    async def _carry_out(self, effects: Sequence[Any]) -> Sequence[Any]:
        door = self.door
        if self._ending and isinstance(door, FinishingDoor):
            return await door.finish(effects)
        if door is None or not effects:
            return ()
        if self.bus is not None and not self.bus_up and isinstance(door, RecordingDoor):
            return await door.apply_unrecorded(effects)
        return await door.apply(effects)

    def _measure(self, measured: list[tuple[Any, list[Any]]], begun_s: float) -> None:
        now_ms = wall_ms()
        for message, outputs in measured:
            if isinstance(message, Book):
                if any(isinstance(output, TargetQuotes) for output in outputs):
                    self.metrics.quote_cycle_seconds.observe(monotonic_s() - begun_s)
                    self.metrics.tick_to_target_seconds.observe((now_ms - message.received_ms) / 1e3)
            elif any(isinstance(output, OrderUpdate) and output.status == "pending" for output in outputs):
                self.metrics.target_to_order_seconds.observe(max(0.0, now_ms - message.computed_ms) / 1e3)
                if message.trigger == "book":
                    self.metrics.tick_to_order_seconds.observe((now_ms - message.source_ms) / 1e3)

    async def _read_loop(self, reader: Reader, pause_s: float) -> None:
        """One kind of stream on its own connection: a call names only its keys, and the busy ones stay quick."""
        watched: tuple[str, ...] | None = None
        next_reclaim_s = monotonic_s() + _RECLAIM_EVERY_S
        while True:
            try:
                coins = self.coins
                if watched != coins:
                    await reader.watch(coins)
                    watched = coins  # not before: the bus may be away just then
                if monotonic_s() > next_reclaim_s:
                    reader.take_over_later()
                    next_reclaim_s += _RECLAIM_EVERY_S
                deliveries = await reader.read()
                if deliveries:
                    await self._handle_deliveries(deliveries)
                    await reader.ack(deliveries)
                if pause_s:
                    await asyncio.sleep(pause_s)
            except BusError as error:
                await self._lost(error)
                await self._pause(_RECONNECT_S)

    async def _handle_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        self._last_input_s = monotonic_s()
        now_ms = wall_ms()
        for delivery in deliveries:
            self.metrics.bus_hop_seconds.labels(delivery.stream.name).observe(
                max(0.0, now_ms - delivery.written_ms) / 1e3
            )
            if isinstance(delivery.message, Universe):
                await self._take_universe(delivery.message)
        await self.handle(*[d.message for d in deliveries if not isinstance(d.message, Universe)])

    async def _take_universe(self, universe: Message) -> None:
        assert isinstance(universe, Universe)
        coins = tuple(meta.coin for meta in universe.coins)
        await self.handle(universe)
        await self._restore_joining(coins)
        self.coins = coins

    async def _tick_loop(self) -> None:
        interval_s = self.service.tick_ms / 1000
        next_s = monotonic_s()
        while True:
            next_s = max(next_s + interval_s, monotonic_s())
            await asyncio.sleep(next_s - monotonic_s())
            self._follow_clock()
            await self.handle(Tick() if self.bus_up or self.bus is None else BusLost())

    def _follow_clock(self) -> None:
        """
        Raises:
            ClockSetBack: the clock went back.
        """
        now_ms = wall_ms()
        if now_ms < self._clock_ms - SET_BACK_MS:
            raise ClockSetBack(f"the clock was set back by {(self._clock_ms - now_ms) / 1000:.0f} s")
        self._clock_ms = max(self._clock_ms, now_ms)

    async def _halt_loop(self) -> None:
        assert self.bus is not None
        known: HaltState | None = None
        while True:
            try:
                state = await self.bus.halt_state()
                if state != known:
                    known = state
                    await self.handle(state)
            except BusError as error:
                await self._lost(error)
            await asyncio.sleep(_HALT_POLL_S)

    # ---- the bus ----

    async def _publish(self, messages: list[Message]) -> None:
        ready = [self._stamp(message) if isinstance(message, Event) else message for message in messages]
        if self.bus is None or not ready:
            return
        self.outbox.remember(wall_ms(), ready, self.bus_up)
        if not self.bus_up:
            return
        try:
            await self.bus.publish(ready)
        except BusError as error:
            self._mark_lost(error)

    def _stamp(self, event: Event) -> Event:
        event = stamped(event, self.service.name, int(wall_ms()))
        self.log.write(event)
        return event

    async def _emit(self, event: Event) -> None:
        """A line of the runtime's own."""
        async with self._lock:
            await self._publish([event])

    async def _lost(self, error: BusError) -> None:
        if self.bus_up:
            self._mark_lost(error)
            await self.handle(BusLost())

    def _mark_lost(self, error: BusError) -> None:
        self.bus_up = False
        self.metrics.bus_up.set(0)
        self._stamp(Event(level="error", tag="BUS", text=f"Redis lost: {error}"))

    async def _heartbeat_loop(self) -> None:
        """Once a second: prove that the loop turns, tell the bus, and find it again after it was lost."""
        while True:
            faulthandler.dump_traceback_later(STUCK_AFTER_S, exit=True)
            await self._touch_health_mark()
            if self.bus is not None:
                if not self.bus_up:
                    await self._find_bus()
                else:
                    async with self._lock:
                        await self._publish([self._heartbeat()])
                await self._count_reader_losses()
            await asyncio.sleep(1.0 if self.bus_up or self.bus is None else _RECONNECT_S)

    async def _find_bus(self) -> None:
        assert self.bus is not None
        async with self._lock:
            try:
                await self.bus.publish([self._heartbeat()])
                rewritten = await self.outbox.replay(self.bus)
            except BusError:
                return
            self.bus_up = True
            self.metrics.bus_up.set(1)
            self.metrics.bus_reconnects.inc()
            text = f"Redis is back; {rewritten} messages written again, {self.outbox.dropped} given up"
            await self._publish([Event(level="warning", tag="BUS", text=text)])
        await self.handle(BusBack())

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(
            service=self.service.name,
            time_ms=int(wall_ms()),
            started_ms=self.started_ms,
            pid=os.getpid(),
            handled_total=self.handled,
            skipped_total=sum(sum(reader.skipped.values()) for reader in self._readers),
            lost_total=sum(sum(reader.lost.values()) for reader in self._readers),
            rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            run_id=self.config.run_id,
            mode=self.config.mode,
        )

    async def _count_reader_losses(self) -> None:
        for reader in self._readers:
            for stream, count in reader.skipped.items():
                self.metrics.bus_skipped.labels(stream).inc(self._new("skipped", stream, count))
            if monotonic_s() - self._begun_s < SEEN_BY_THEN_S:
                continue
            for stream, count in reader.lost.items():
                lost = self._new("lost", stream, count)
                self.metrics.bus_lost.labels(stream).inc(lost)
                if lost:
                    text = f"entries of {stream} were gone before they were read: {lost:,} lost"
                    await self._emit(Event(level="warning", tag="BUS", text=text))

    def _new(self, name: str, stream: str, count: int) -> int:
        """What has been added since the last call."""
        before, self._counted[name, stream] = self._counted.get((name, stream), 0), count
        return count - before

    # ---- health, metrics, stopping ----

    async def _touch_health_mark(self) -> None:
        """`<run_dir>/<service>.alive`: my loop turned and my input is fresh; health checks look at its age."""
        if self.service.reads and monotonic_s() - self._last_input_s > FRESH_INPUT_S:
            return
        try:
            self.config.run_dir.mkdir(parents=True, exist_ok=True)
            (self.config.run_dir / f"{self.service.name}.alive").touch()
            self._mark_failed = False
        except OSError as error:
            if not self._mark_failed:
                text = f"health mark cannot be written: {error}; check the owner and free space of MM_RUN_DIR"
                await self._emit(Event(level="warning", tag="HEALTH", text=text))
            self._mark_failed = True

    def _exposed(self, loop: asyncio.AbstractEventLoop) -> AbstractAsyncContextManager[None]:
        if self.service.collector is not None:
            self.registry.register(InLoop(self.service.collector(self.core), loop))
        self.metrics.bus_up.set(1 if self.bus_up else 0)
        port = self.config.metrics_port if self.config.metrics_port is not None else self.service.metrics_port
        return exposed(self.registry, self.config.metrics_host, port)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return


async def _end_tasks(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel until all have ended: `asyncio.wait_for` of Python 3.11, on which the Redis client sends, loses a
    cancellation that comes in the moment in which it is done."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
