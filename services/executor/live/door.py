"""The executor's way to the venue.

What the core decides is carried out beside it, many things at a time, and comes back as inputs. Only at the end of
the process does the core wait for the door.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeGuard

from services.executor.config import ExecutorConfig
from services.executor.live.stream import AccountStream
from services.executor.live.transport import Transport
from services.executor.live.wiring import (
    AskOrder,
    AskState,
    Effect,
    GiveUp,
    Input,
    Listed,
    OrderUnfound,
    Outcome,
    Reconnect,
    Send,
    StateUnread,
)
from services.executor.reports import EndProcess
from shared.clock import monotonic_s, wall_ms
from shared.confirmation import Permit
from shared.errors import KillSwitch, VenueError
from shared.hyperliquid.limits import WEIGHT_A_MINUTE
from shared.hyperliquid.replies import Answered, NotSent, Unknown
from shared.hyperliquid.signing import require_fast_signing
from shared.metrics import ServiceMetrics
from shared.secrets import Credentials
from shared.service import Port

BATCH_INPUTS = 64
SETTLE_S = 2.0
"""At the end: how long orders on their way may take to arrive before they are cancelled."""
FINISH_WITHIN_S = 15.0
"""At the end: nothing is begun after that, no question waited for. With the attempts of a cancel begun just before
the process is done within its grace."""
REPEAT_AFTER_S = (0.25, 1.0)
"""At the end: pauses between the three attempts of a cancel."""

_TOO_LATE = "the process ends"
_NOT_STORED = "Redis is away: what leaves must be on record first"

Asked = Send | AskOrder | AskState


class VenueDoor:
    """The account's stream, and whatever is under way."""

    def __init__(self, config: ExecutorConfig, credentials: Credentials, permit: Permit) -> None:
        """`permit` is kept until the door is closed.

        Raises:
            ConfigError: signing would be slow.
        """
        require_fast_signing()
        self._inputs: asyncio.Queue[Input | BaseException] = asyncio.Queue()
        self._unhandled: list[Input] = []
        self._permit = permit
        self._inputs.put_nowait(permit.confirmation)
        self._transport = Transport(config, credentials)
        self._stream = AccountStream(
            config.url,
            credentials.address,
            config.request_timeout_s,
            self._transport,
            self._inputs.put_nowait,
            self._inputs.join,
        )
        self._streaming: asyncio.Task[None] | None = None
        self._under_way: dict[asyncio.Task[Input], Asked] = {}
        self._leaving = False
        self._finish_by_s = float("inf")

    def measure(self, metrics: ServiceMetrics) -> None:
        self._transport.metrics = metrics

    async def run(self, port: Port) -> None:
        """Hand over what comes back until cancelled."""
        while True:
            batch = [_sound(await self._inputs.get())]
            while len(batch) < BATCH_INPUTS and not self._inputs.empty():
                batch.append(_sound(self._inputs.get_nowait()))
            await self._hand_over(port, batch)

    async def _hand_over(self, port: Port, batch: list[Input]) -> None:
        try:
            await port.handle(*batch)
        except asyncio.CancelledError:  # before its turn: the core has seen none of it
            self._unhandled = batch
            raise
        for _ in batch:
            self._inputs.task_done()

    async def apply(self, effects: Sequence[Effect]) -> Sequence[Input]:
        await self._open()
        for effect in sorted(effects, key=_turn):
            self._begin(effect)
        return ()

    async def apply_unrecorded(self, effects: Sequence[Effect]) -> Sequence[Input]:
        """An order leaves only when its cloid is stored. Cancels and questions go in any case."""
        await self.apply([effect for effect in effects if not _places(effect)])
        return [Outcome(send.number, NotSent(_NOT_STORED)) for send in filter(_places, effects)]

    async def finish(self, effects: Sequence[Effect]) -> Sequence[Input]:
        """Returns when everything that was under way or is asked for now has its answer. A cancel that overtakes
        its order misses it, so orders on their way come first. The last looks may use the whole weight of our IP.

        Raises:
            VenueError: the core has given up.
        """
        await self._open()
        self._leaving = True
        self._transport.limits.weight.widen(WEIGHT_A_MINUTE)
        self._finish_by_s = min(self._finish_by_s, monotonic_s() + FINISH_WITHIN_S)
        await self._settle(SETTLE_S, Send)
        for effect in sorted(effects, key=_turn):
            if not isinstance(effect, Reconnect):
                self._begin(effect)
        self._limit_questions()
        await self._settle(None, Asked)
        inputs, self._unhandled = self._unhandled, []
        while not self._inputs.empty():
            inputs.append(_sound(self._inputs.get_nowait()))
        return inputs

    async def close(self) -> None:
        """After the last effects."""
        tasks = [*self._under_way, *([self._streaming] if self._streaming is not None else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transport.close()
        self._permit.lock.close()

    async def _open(self) -> None:
        if self._streaming is None:
            await self._transport.open()
            self._streaming = asyncio.create_task(self._stream.keep())
            self._streaming.add_done_callback(self._stream_ended)

    # ---- carrying out ----------------------------------------------------------------------------------------

    def _begin(self, effect: Effect) -> None:
        if isinstance(effect, Reconnect):
            return self._stream.reconnect(effect.reason)
        if isinstance(effect, EndProcess):
            raise KillSwitch(effect.reason)
        if isinstance(effect, GiveUp):
            raise VenueError(f"this session ended although {effect.reason}")
        task = asyncio.create_task(self._carry_out(effect))
        self._under_way[task] = effect
        task.add_done_callback(self._done)

    async def _carry_out(self, effect: Asked) -> Input:
        match effect:
            case AskOrder():
                return await self._transport.ask_order(effect)
            case AskState():
                return await self._ask_state(effect)
            case Send():
                return await (self._send_at_the_end if self._leaving else self._transport.send)(effect)

    async def _ask_state(self, question: AskState) -> Input:
        """Without the numbers of the coins nothing that is found could be cancelled."""
        await asyncio.sleep(max(question.not_before_ms - wall_ms(), 0) / 1000)
        if not self._transport.listed:
            try:
                self._inputs.put_nowait(Listed(await self._transport.ask_assets()))
            except VenueError as error:
                return StateUnread(str(error))
        return await self._transport.ask_state(question)

    def _done(self, task: "asyncio.Task[Input]") -> None:
        effect = self._under_way.pop(task)
        self._inputs.put_nowait(_given_up(effect) if task.cancelled() else task.exception() or task.result())

    def _stream_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inputs.put_nowait(error)

    # ---- the end ---------------------------------------------------------------------------------------------

    async def _settle(self, timeout_s: float | None, kind: Any) -> None:
        tasks = [task for task, effect in self._under_way.items() if isinstance(effect, kind)]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _limit_questions(self) -> None:
        left_s = max(0.0, self._finish_by_s - monotonic_s())
        for task, effect in self._under_way.items():
            if not isinstance(effect, Send):
                asyncio.get_running_loop().call_later(left_s, task.cancel)

    async def _send_at_the_end(self, request: Send) -> Outcome:
        """No orders; cancels up to three times: what is cancelled already is not found again, and that is all."""
        if not request.urgent or monotonic_s() > self._finish_by_s:
            return Outcome(request.number, NotSent(_TOO_LATE))
        for pause_s in REPEAT_AFTER_S:
            outcome = await self._transport.send(request)
            if isinstance(outcome.result, Answered):
                return outcome
            await asyncio.sleep(pause_s)
        return await self._transport.send(request)


def _given_up(effect: Asked) -> Input:
    match effect:
        case AskOrder():
            return OrderUnfound(effect.cloid, _TOO_LATE)
        case AskState():
            return StateUnread(_TOO_LATE)
        case Send():
            return Outcome(effect.number, Unknown(_TOO_LATE))


def _places(effect: Effect) -> TypeGuard[Send]:
    return isinstance(effect, Send) and not effect.urgent


def _turn(effect: Effect) -> bool:
    """Urgent ones are signed and sent first."""
    return not (isinstance(effect, Send) and effect.urgent)


def _sound(came: Input | BaseException) -> Input:
    if isinstance(came, BaseException):
        raise came
    return came
