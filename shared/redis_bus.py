"""The bus over Redis Streams.

Two connections for reading (blocking, no socket timeout), one for writing (1 s timeout, no retries: a repeated
XADD could enter twice). Only commands that Redis 7, Redis 8 and Valkey share.
"""

import re
from collections.abc import Sequence
from heapq import merge
from operator import itemgetter
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.bus import Backlog, Reader, key_of, keys_of, summed
from shared.errors import BusError
from shared.messages import HaltState, Message
from shared.redis_readers import EveryReader, LatestReader, place, text_of
from shared.streams import COPY_OF, FIELD, HALT, STREAM_OF, Stream, channel_of, field_of

_ENCODER = msgspec.json.Encoder()


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
        return LatestReader(self._reading_client(), streams)

    def every(self, streams: Sequence[Stream], group: str, consumer: str) -> Reader:
        return EveryReader(self._reading_client(), self._write, streams, group, consumer)

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
            [(place(entry)[0], stream, entry[1][FIELD]) for entry in entries]
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
            found += [Backlog(text_of(g["name"]), stream.name, g.get("lag"), int(g["pending"])) for g in groups]
        return summed(found)

    async def close(self) -> None:
        for client in (self._write, *self._readers):
            await client.aclose()
