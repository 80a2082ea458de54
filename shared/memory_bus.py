"""The bus without a server: same interface and policies as `RedisBus`, for tests and replay."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter

import msgspec

from shared.bus import BLOCK_MS, Backlog, Delivery, key_of, keys_of, summed
from shared.clock import wall_ms
from shared.messages import HaltState, Message
from shared.streams import COPY_OF, HALT, STREAM_OF, Stream, channel_of, field_of

_ENCODER = msgspec.json.Encoder()
Entry = tuple[int, bytes]


class MemoryBus:
    """Streams as deques of encoded messages, so that every hop passes through the codec as in production."""

    def __init__(self, now_ms: Callable[[], float] = wall_ms) -> None:
        self._now_ms = now_ms
        self._sequence = 0
        self.entries: dict[str, deque[Entry]] = {}
        self.values: dict[str, bytes] = {}
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.published: list[tuple[str, bytes]] = []
        self._cursors: dict[tuple[str, str], int] = {}
        self._unacked: dict[tuple[str, str], dict[int, bytes]] = {}
        self._changed = asyncio.Event()

    def latest(self, streams: Sequence[Stream]) -> "_MemoryLatest":
        return _MemoryLatest(self, streams)

    def every(self, streams: Sequence[Stream], group: str, consumer: str) -> "_MemoryEvery":
        return _MemoryEvery(self, streams, group)

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            stream, key, body = STREAM_OF[type(message)], key_of(message), _ENCODER.encode(message)
            if stream.policy in ("latest", "every"):
                self._sequence += 1
                self.entries.setdefault(key, deque(maxlen=stream.maxlen)).append((self._sequence, body))
            elif isinstance(message, HaltState) and not message.halted:
                self.values.pop(key, None)
            elif stream.policy == "hash":
                self.hashes.setdefault(key, {})[field_of(message)] = body
            elif stream.policy == "key":
                self.values[key] = body
            copy, channel = COPY_OF.get(type(message)), channel_of(message)
            if copy:
                self.hashes.setdefault(copy.key(), {})[field_of(message)] = body
            if channel:
                self.published.append((channel, body))
        self._changed.set()

    async def stored(self, stream: Stream, coins: Sequence[str], last: int | None = None) -> list[Message]:
        keys = keys_of([stream], coins)
        if stream.policy == "hash":
            return [stream.decoder.decode(body) for key in keys for body in self.hashes.get(key, {}).values()]
        return [
            stream.decoder.decode(body)
            for key in keys
            for _, body in list(self.entries.get(key, ()))[-last if last else 0 :]
        ]

    async def history(self, streams: Sequence[Stream], coin: str) -> list[Message]:
        messages = [
            message
            for stream in streams
            if stream.policy == "hash"
            for message in await self.stored(stream, (coin,))
        ]
        written = [
            (number, stream, body) for stream in streams for number, body in self.entries.get(stream.key(coin), ())
        ]
        return messages + [stream.decoder.decode(body) for _, stream, body in sorted(written, key=itemgetter(0))]

    async def halt_state(self) -> HaltState:
        body = self.values.get(HALT.key())
        return msgspec.json.decode(body, type=HaltState) if body else HaltState(halted=False)

    async def memory_ratio(self) -> float:
        """No server, no limit."""
        return 0.0

    async def backlogs(self, streams: Sequence[Stream], coins: Sequence[str]) -> list[Backlog]:
        keys = keys_of(streams, coins)
        return summed(
            Backlog(
                group,
                keys[key].name,
                sum(number > cursor for number, _ in self.entries.get(key, ())),
                len(self._unacked.get((group, key), {})),
            )
            for (group, key), cursor in self._cursors.items()
            if key in keys
        )

    async def close(self) -> None:
        """Nothing to give back."""

    def delivery(self, stream: Stream, key: str, entry: Entry) -> Delivery:
        return Delivery(stream, stream.decoder.decode(entry[1]), key, f"{int(self._now_ms())}-{entry[0]}")

    async def wait(self, block_ms: int) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(block_ms / 1000):
                await self._changed.wait()
        except TimeoutError:
            return


class _MemoryLatest:
    def __init__(self, bus: MemoryBus, streams: Sequence[Stream]) -> None:
        self._bus, self._streams = bus, streams
        self._keys: dict[str, Stream] = {}
        self._cursors: dict[str, int] = {}
        self.skipped: dict[str, int] = {}
        self.lost: dict[str, int] = {}

    async def watch(self, coins: Sequence[str]) -> None:
        self._keys = keys_of(self._streams, coins)

    async def read(self, block_ms: int = BLOCK_MS) -> list[Delivery]:
        deliveries = self._take()
        if not deliveries and block_ms:
            await self._bus.wait(block_ms)
            deliveries = self._take()
        return deliveries

    def _take(self) -> list[Delivery]:
        deliveries = []
        for key, stream in self._keys.items():
            cursor = self._cursors.get(key, 0)
            fresh = [entry for entry in self._bus.entries.get(key, ()) if entry[0] > cursor]
            if not fresh:
                continue
            self._cursors[key] = fresh[-1][0]
            if stream.conflate and len(fresh) > 1:
                self.skipped[stream.name] = self.skipped.get(stream.name, 0) + len(fresh) - 1
                fresh = fresh[-1:]
            deliveries += [self._bus.delivery(stream, key, entry) for entry in fresh]
        return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do: the cursor is the reader's own."""

    def take_over_later(self) -> None:
        """Nothing to do: without a group nothing is left behind."""


class _MemoryEvery:
    """A new reader of a group first gets what the group read but never acknowledged."""

    def __init__(self, bus: MemoryBus, streams: Sequence[Stream], group: str) -> None:
        self._bus, self._streams, self._group = bus, streams, group
        self._keys: dict[str, Stream] = {}
        self._redeliver: list[tuple[str, int]] = []
        self.skipped: dict[str, int] = {}
        self.lost: dict[str, int] = {}

    async def watch(self, coins: Sequence[str]) -> None:
        keys = keys_of(self._streams, coins)
        for key in keys.keys() - self._keys.keys():
            self._redeliver += [(key, number) for number in self._bus._unacked.get((self._group, key), {})]
        self._keys = keys

    async def read(self, block_ms: int = BLOCK_MS) -> list[Delivery]:
        deliveries = self._take()
        if not deliveries and block_ms:
            await self._bus.wait(block_ms)
            deliveries = self._take()
        return deliveries

    def _take(self) -> list[Delivery]:
        deliveries = [
            self._bus.delivery(self._keys[key], key, (number, self._bus._unacked[self._group, key][number]))
            for key, number in sorted(self._redeliver, key=lambda item: item[1])
        ]
        self._redeliver = []
        for key, stream in self._keys.items():
            place = (self._group, key)
            cursor = self._bus._cursors.get(place, 0)
            for entry in self._bus.entries.get(key, ()):
                if entry[0] > cursor:
                    self._bus._cursors[place] = entry[0]
                    self._bus._unacked.setdefault(place, {})[entry[0]] = entry[1]
                    deliveries.append(self._bus.delivery(stream, key, entry))
        return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            number = int(delivery.entry_id.split("-", 1)[1])
            self._bus._unacked.get((self._group, delivery.key), {}).pop(number, None)

    def take_over_later(self) -> None:
        """Redelivery happens when a reader is made; nothing is abandoned in one process."""
