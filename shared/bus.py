"""Redis Streams behind one small interface; `shared.memory_bus` has the same one for tests and replay.

Two connections for reading (blocking, no socket timeout), one for writing (1 s timeout, no retries: a repeated
XADD could enter twice). Only commands that Redis 7, Redis 8 and Valkey share.

- `latest` streams: one XREAD over all keys, the newest entry per key is kept, the rest counted as skipped.
- `every` streams: group at `0`; own pending entries first, then those of dead consumers, then new ones;
  acknowledged by the caller after the effect.
"""

import asyncio
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from operator import itemgetter
from typing import Any, Protocol

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from shared.errors import BusError
from shared.messages import HaltState, Message
from shared.streams import COPY_OF, FIELD, HALT, STREAM_OF, Stream, channel_of, field_of

BLOCK_MS = 1000
NOTHING_TO_READ_S = 0.05
ENTRIES_AT_ONCE = 100
"""Of each key, where all entries are wanted: a long stream is never in memory as a whole."""
ENTRIES_OF_GROUP_AT_ONCE = 500
"""Less than the length of any stream read in groups: whoever gets fewer has not fallen out of it."""
RECLAIM_IDLE_MS = 30_000
"""Entries that another consumer left unacknowledged this long are taken over; far above the slowest handler."""
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One entry as read: the message, where it stood, and when Redis took it in (ms of the entry id)."""

    stream: Stream
    message: Message
    key: str
    entry_id: str

    @property
    def written_ms(self) -> int:
        return int(self.entry_id.split("-", 1)[0])


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a stream, over all coins, for one group of readers."""

    group: str
    stream: str
    lag: int | None
    """Entries not read yet; None while the server cannot say."""
    pending: int
    """Entries read and not acknowledged."""


class Reader(Protocol):
    """A cursor over some streams of some coins; `skipped` and `lost` count entries by stream name."""

    skipped: dict[str, int]
    lost: dict[str, int]

    async def watch(self, coins: Sequence[str]) -> None: ...
    async def read(self, block_ms: int = BLOCK_MS) -> list[Delivery]: ...
    async def ack(self, deliveries: Sequence[Delivery]) -> None: ...
    def take_over_later(self) -> None: ...


class Bus(Protocol):
    """What a service may do with the bus; both implementations pass the same contract tests."""

    def latest(self, streams: Sequence[Stream]) -> Reader: ...
    def every(self, streams: Sequence[Stream], group: str, consumer: str) -> Reader: ...
    async def publish(self, messages: Sequence[Message]) -> None: ...
    async def stored(self, stream: Stream, coins: Sequence[str], last: int | None = None) -> list[Message]: ...
    async def history(self, streams: Sequence[Stream], coin: str) -> list[Message]: ...
    async def halt_state(self) -> HaltState: ...
    async def memory_ratio(self) -> float: ...
    async def backlogs(self, streams: Sequence[Stream], coins: Sequence[str]) -> list[Backlog]: ...
    async def close(self) -> None: ...


def key_of(message: Message) -> str:
    stream = STREAM_OF[type(message)]
    return stream.key(getattr(message, "coin", "") if stream.per_coin else "")


def keys_of(streams: Sequence[Stream], coins: Sequence[str]) -> dict[str, Stream]:
    """Every concrete key of `streams` for `coins`."""
    return {
        key: stream
        for stream in streams
        for key in ([stream.key(coin) for coin in coins] if stream.per_coin else [stream.key()])
    }


def summed(backlogs: Iterable[Backlog]) -> list[Backlog]:
    """Of all keys of a stream; what is not known of one is not known of all."""
    sums: dict[tuple[str, str], Backlog] = {}
    for one in backlogs:
        of = one.group, one.stream
        before = sums.get(of, Backlog(*of, 0, 0))
        lag = None if one.lag is None or before.lag is None else before.lag + one.lag
        sums[of] = Backlog(*of, lag, before.pending + one.pending)
    return list(sums.values())


class RedisBus:
    """The bus over one Redis or Valkey server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = re.sub(r"//[^/@]*@", "//", url)
        """The URL without user and password, for messages."""
        self._write = self._client(socket_timeout=1.0)
        self._readers: list[Redis] = []

    def _client(self, socket_timeout: float | None) -> Redis:
        return Redis.from_url(
            self.url,
            socket_timeout=socket_timeout,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )

    def _reading_client(self) -> Redis:
        client = self._client(socket_timeout=None)
        self._readers.append(client)
        return client

    def latest(self, streams: Sequence[Stream]) -> Reader:
        return _LatestReader(self._reading_client(), streams)

    def every(self, streams: Sequence[Stream], group: str, consumer: str) -> Reader:
        return _EveryReader(self._reading_client(), self._write, streams, group, consumer)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write messages in order, in one round trip.

        Raises:
            BusError: Redis is away, out of memory or read-only; none, some or all may have been written.
        """
        if not messages:
            return
        pipeline = self._write.pipeline(transaction=False)
        for message in messages:
            self._queue(pipeline, message)
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            raise BusError(f"cannot write to {self.name}: {error}") from error

    @staticmethod
    def _queue(pipeline: Any, message: Message) -> None:
        stream, key, body = STREAM_OF[type(message)], key_of(message), _ENCODER.encode(message)
        if stream.policy in ("latest", "every"):
            pipeline.xadd(key, {FIELD: body}, maxlen=stream.maxlen, approximate=True)
        elif stream.policy == "hash":
            pipeline.hset(key, field_of(message), body)
        elif isinstance(message, HaltState) and not message.halted:
            pipeline.delete(key)
        elif stream.policy == "key":
            pipeline.set(key, body)
        copy, channel = COPY_OF.get(type(message)), channel_of(message)
        if copy:
            pipeline.hset(copy.key(), field_of(message), body)
        if channel:
            pipeline.publish(channel, body)

    async def stored(self, stream: Stream, coins: Sequence[str], last: int | None = None) -> list[Message]:
        """What a stream or hash still holds, oldest first; only the `last` entries of each key if given."""
        pipeline = self._write.pipeline(transaction=False)
        for key in keys_of([stream], coins):
            if stream.policy == "hash":
                pipeline.hgetall(key)
            else:
                pipeline.xrevrange(key, count=last)
        try:
            replies = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise BusError(f"cannot read from {self.name}: {error}") from error
        if stream.policy == "hash":
            return [stream.decoder.decode(body) for fields in replies for body in fields.values()]
        return [stream.decoder.decode(fields[FIELD]) for reply in replies for _, fields in reversed(reply)]

    async def history(self, streams: Sequence[Stream], coin: str) -> list[Message]:
        """All that is known of a coin, "" for what no coin has: the states of hashes, then the entries of all
        streams in the order in which they were written (in one millisecond: in the order of `streams`)."""
        messages = [
            message
            for stream in streams
            if stream.policy == "hash"
            for message in await self.stored(stream, (coin,))
        ]
        logs = [stream for stream in streams if stream.policy != "hash"]
        pipeline = self._write.pipeline(transaction=False)
        for stream in logs:
            pipeline.xrange(stream.key(coin))
        try:
            replies = await pipeline.execute() if logs else []
        except (RedisError, OSError) as error:
            raise BusError(f"cannot read from {self.name}: {error}") from error
        written = (
            [(_place(entry)[0], stream, entry[1][FIELD]) for entry in entries]
            for stream, entries in zip(logs, replies, strict=True)
        )
        return messages + [stream.decoder.decode(body) for _, stream, body in merge(*written, key=itemgetter(0))]

    async def halt_state(self) -> HaltState:
        """The current `mm:halt`."""
        try:
            body = await self._write.get(HALT.key())
        except (RedisError, OSError) as error:
            raise BusError(f"cannot read from {self.name}: {error}") from error
        return msgspec.json.decode(body, type=HaltState) if body else HaltState(halted=False)

    async def memory_ratio(self) -> float:
        """Used memory of the server as a fraction of its limit; 0.0 where no limit is set."""
        try:
            info = await self._write.info("memory")
        except (RedisError, OSError) as error:
            raise BusError(f"no answer from {self.name}: {error}") from error
        limit = int(info.get("maxmemory", 0))
        return int(info["used_memory"]) / limit if limit else 0.0

    async def backlogs(self, streams: Sequence[Stream], coins: Sequence[str]) -> list[Backlog]:
        """What waits for each group of readers; a stream that nobody has written has none."""
        keys = keys_of(streams, coins)
        pipeline = self._write.pipeline(transaction=False)
        for key in keys:
            pipeline.xinfo_groups(key)
        try:
            replies = await pipeline.execute(raise_on_error=False) if keys else []
        except (RedisError, OSError) as error:
            raise BusError(f"no answer from {self.name}: {error}") from error
        found = []
        for stream, groups in zip(keys.values(), replies, strict=True):
            if isinstance(groups, Exception):
                if "no such key" in str(groups):
                    continue
                raise BusError(f"cannot look at the readers of {stream.name}: {groups}")
            found += [Backlog(_text(g["name"]), stream.name, g.get("lag"), int(g["pending"])) for g in groups]
        return summed(found)

    async def close(self) -> None:
        for client in (self._write, *self._readers):
            await client.aclose()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _LatestReader:
    """Newest entry per key; a stream read `unconflated` gives all entries that are still there."""

    def __init__(self, client: Redis, streams: Sequence[Stream]) -> None:
        self._client, self._streams = client, streams
        self._count = None if any(stream.conflate for stream in streams) else ENTRIES_AT_ONCE
        self._keys: dict[str, Stream] = {}
        self._cursors: dict[Any, Any] = {}
        self.skipped: dict[str, int] = {}
        self.lost: dict[str, int] = {}

    async def watch(self, coins: Sequence[str]) -> None:
        self._keys = keys_of(self._streams, coins)
        self._cursors = {key: self._cursors.get(key, "0") for key in self._keys}

    async def read(self, block_ms: int = BLOCK_MS) -> list[Delivery]:
        if not self._cursors:
            await asyncio.sleep(NOTHING_TO_READ_S)  # the first coins must not wait for a full block
            return []
        try:
            reply = await self._client.xread(self._cursors, count=self._count, block=block_ms or None)
        except (RedisError, OSError) as error:
            raise BusError(f"cannot read: {error}") from error
        deliveries = []
        for name, entries in _pairs(reply):
            key = _text(name)
            stream = self._keys[key]
            self._cursors[key] = _text(entries[-1][0])
            if stream.conflate and len(entries) > 1:
                self.skipped[stream.name] = self.skipped.get(stream.name, 0) + len(entries) - 1
                entries = entries[-1:]
            deliveries += [_delivery(stream, key, entry) for entry in entries]
        return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do: a reader of `latest` streams keeps its own cursor."""

    def take_over_later(self) -> None:
        """Nothing to do: without a group nothing is left behind."""


class _EveryReader:
    """Each entry once per group, even when the consumer dies between reading and acknowledging.

    Redis 7 and 8.0 read back a crash's data without the groups' positions, as the default user may not write
    (redis issue 14541), and offer everything once more as new. So a reader knows itself how far it is.

    It also numbers what it reads, as the stream has numbered what was ever written: what was trimmed before it
    could be read is missing in between. Redis 7.0 does not notice, and would call those entries unread for ever.
    """

    def __init__(self, client: Redis, writer: Redis, streams: Sequence[Stream], group: str, consumer: str) -> None:
        self._client, self._writer, self._streams = client, writer, streams
        self._group, self._consumer = group, consumer
        self._keys: dict[str, Stream] = {}
        self._pending: dict[Any, Any] = {}
        self._reclaim: list[str] = []
        self._newest: dict[str, tuple[int, int]] = {}
        self._numbers: dict[str, int] = {}
        """Of the newest entry read of each key, counted from the first ever written."""
        self.skipped: dict[str, int] = {}
        self.lost: dict[str, int] = {}

    async def watch(self, coins: Sequence[str]) -> None:
        keys = keys_of(self._streams, coins)
        fresh = [key for key in keys if key not in self._keys]
        await self._create_groups(fresh)
        await self._find_numbers(fresh)
        self._keys = keys
        self._pending |= dict.fromkeys(fresh, "0")
        self._reclaim += fresh

    async def _create_groups(self, keys: Sequence[str]) -> None:
        pipeline = self._writer.pipeline(transaction=False)
        for key in keys:
            pipeline.xgroup_create(key, self._group, id="0", mkstream=True)
        try:
            replies = await pipeline.execute(raise_on_error=False) if keys else []
        except (RedisError, OSError) as error:
            raise BusError(f"cannot create consumer groups: {error}") from error
        for reply in replies:
            if isinstance(reply, Exception) and "BUSYGROUP" not in str(reply):
                raise BusError(f"cannot create a consumer group: {reply}")

    async def _find_numbers(self, keys: Sequence[str]) -> None:
        """How far an earlier reader of the group has come."""
        pipeline = self._writer.pipeline(transaction=False)
        for key in keys:
            pipeline.xinfo_groups(key)
        try:
            replies = await pipeline.execute() if keys else []
        except (RedisError, OSError) as error:
            raise BusError(f"cannot look at consumer groups: {error}") from error
        for key, groups in zip(keys, replies, strict=True):
            number = next((g.get("entries-read") for g in groups if _text(g["name"]) == self._group), None)
            if number is not None:
                self._numbers[key] = int(number)

    async def read(self, block_ms: int = BLOCK_MS) -> list[Delivery]:
        if not self._keys:
            await asyncio.sleep(NOTHING_TO_READ_S)  # the first coins must not wait for a full block
            return []
        try:
            if self._pending:
                return await self._read_own_pending()
            if self._reclaim:
                return await self._take_over()
            cursors: dict[Any, Any] = dict.fromkeys(self._keys, ">")
            reply = await self._client.xreadgroup(
                self._group, self._consumer, cursors, count=ENTRIES_OF_GROUP_AT_ONCE, block=block_ms or None
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise BusError(f"cannot read: {error}") from error
            self._newest.clear()
            self._numbers.clear()
            await self._create_groups(list(self._keys))  # the server came back empty
            return []
        except (RedisError, OSError) as error:
            raise BusError(f"cannot read: {error}") from error
        deliveries: list[Delivery] = []
        for name, entries in _pairs(reply):
            key = _text(name)
            deliveries += [_delivery(self._keys[key], key, entry) for entry in await self._unseen(key, entries)]
        return deliveries

    async def _unseen(self, key: str, entries: list[Any]) -> list[Any]:
        """Entries beyond the newest that was read before; the others were handled and are only acknowledged."""
        newest = self._newest.get(key, (0, 0))
        seen = bisect_right(entries, newest, key=_place)
        if seen:
            await self._acknowledge({key: [_text(entry[0]) for entry in entries[:seen]]})
            self._numbers.pop(key, None)
        await self._number(key, entries)
        self._newest[key] = max(newest, _place(entries[-1]))
        return entries[seen:]

    async def _number(self, key: str, entries: list[Any]) -> None:
        """Number entries that follow each other; what is missing before the first of them is lost."""
        known = self._numbers.get(key)
        if known is not None and len(entries) < ENTRIES_OF_GROUP_AT_ONCE:
            self._numbers[key] = known + len(entries)
            return
        try:
            stream = await self._writer.xinfo_stream(key)
            added, first = int(stream["entries-added"]), stream["first-entry"]
            if first is None or _place(first) < _place(entries[0]):  # the one before them is still there
                self._numbers[key] = added if known is None else known + len(entries)
                return
            trimmed_since = bisect_left(entries, _place(first), key=_place)
            before = added - int(stream["length"]) - trimmed_since
            number = self._numbers[key] = before + len(entries)
            if known is not None and before > known:
                self._count_lost(key, before - known)
                await self._writer.xgroup_setid(key, self._group, _text(entries[-1][0]), entries_read=number)
        except (RedisError, OSError) as error:
            raise BusError(f"cannot look at {key}: {error}") from error

    async def _read_own_pending(self) -> list[Delivery]:
        reply = await self._client.xreadgroup(self._group, self._consumer, self._pending, count=500)
        self._pending = {}
        deliveries: list[Delivery] = []
        for name, entries in _pairs(reply):
            key = _text(name)
            if not entries:
                continue
            self._pending[key] = _text(entries[-1][0])
            deliveries += await self._surviving(key, entries)
        return deliveries

    async def _take_over(self) -> list[Delivery]:
        """What other consumers of the group left behind, key by key in one round trip."""
        keys, self._reclaim = self._reclaim, []
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.xautoclaim(key, self._group, self._consumer, min_idle_time=RECLAIM_IDLE_MS, count=500)
        deliveries = []
        for key, reply in zip(keys, await pipeline.execute(), strict=True):
            cursor, entries = _text(reply[0]), reply[1]
            self._count_lost(key, len(reply[2]) if len(reply) > 2 else 0)
            if cursor != "0-0":
                self._reclaim.append(key)
            deliveries += [_delivery(self._keys[key], key, entry) for entry in entries if entry[1]]
        return deliveries

    async def _surviving(self, key: str, entries: list[Any]) -> list[Delivery]:
        """Pending entries that MAXLEN trimmed meanwhile come back without content: lost work, counted."""
        gone = [entry[0] for entry in entries if not entry[1]]
        if gone:
            self._count_lost(key, len(gone))
            await self._writer.xack(key, self._group, *gone)
        return [_delivery(self._keys[key], key, entry) for entry in entries if entry[1]]

    def _count_lost(self, key: str, count: int) -> None:
        if count:
            name = self._keys[key].name
            self.lost[name] = self.lost.get(name, 0) + count

    def take_over_later(self) -> None:
        """Look for abandoned entries again; called by the runtime now and then."""
        self._reclaim = list(self._keys)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        ids: dict[str, list[str]] = {}
        for delivery in deliveries:
            ids.setdefault(delivery.key, []).append(delivery.entry_id)
        await self._acknowledge(ids)

    async def _acknowledge(self, ids: dict[str, list[str]]) -> None:
        pipeline = self._writer.pipeline(transaction=False)
        for key, entry_ids in ids.items():
            pipeline.xack(key, self._group, *entry_ids)
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            raise BusError(f"cannot acknowledge: {error}") from error


def _pairs(reply: Any) -> list[tuple[Any, Any]]:
    """XREAD and XREADGROUP answer a list of pairs, or a mapping with the newer protocol."""
    if isinstance(reply, dict):
        return [
            (name, value[0] if value and isinstance(value[0], list) else value) for name, value in reply.items()
        ]
    return list(reply or [])


def _place(entry: Any) -> tuple[int, int]:
    """An entry's id as numbers: as text, 1-10 would come before 1-9."""
    at_ms, number = _text(entry[0]).split("-", 1)
    return int(at_ms), int(number)


def _delivery(stream: Stream, key: str, entry: Any) -> Delivery:
    return Delivery(stream, stream.decoder.decode(entry[1][FIELD]), key, _text(entry[0]))
