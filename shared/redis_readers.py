"""Two ways to read streams.

- `latest` streams: one XREAD over all keys, the newest entry per key is kept, the rest counted as skipped.
- `every` streams: group at `0`; own pending entries first, then those of dead consumers, then new ones;
  acknowledged by the caller after the effect.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.bus import BLOCK_MS, Delivery, keys_of
from shared.errors import BusError
from shared.streams import FIELD, Stream

NOTHING_TO_READ_S = 0.05
ENTRIES_AT_ONCE = 100
"""Of each key, where all entries are wanted: a long stream is never in memory as a whole."""
ENTRIES_OF_GROUP_AT_ONCE = 500
"""Less than the length of any stream read in groups: whoever gets fewer has not fallen out of it."""
RECLAIM_IDLE_MS = 30_000
"""Entries that another consumer left unacknowledged this long are taken over; far above the slowest handler."""


def text_of(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


class LatestReader:
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
            key = text_of(name)
            stream = self._keys[key]
            self._cursors[key] = text_of(entries[-1][0])
            if stream.conflate and len(entries) > 1:
                self.skipped[stream.name] = self.skipped.get(stream.name, 0) + len(entries) - 1
                entries = entries[-1:]
            deliveries += [_delivery(stream, key, entry) for entry in entries]
        return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do: a reader of `latest` streams keeps its own cursor."""

    def take_over_later(self) -> None:
        """Nothing to do: without a group nothing is left behind."""


class EveryReader:
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
            number = next((g.get("entries-read") for g in groups if text_of(g["name"]) == self._group), None)
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
            key = text_of(name)
            deliveries += [_delivery(self._keys[key], key, entry) for entry in await self._unseen(key, entries)]
        return deliveries

    async def _unseen(self, key: str, entries: list[Any]) -> list[Any]:
        """Entries beyond the newest that was read before; the others were handled and are only acknowledged."""
        newest = self._newest.get(key, (0, 0))
        seen = bisect_right(entries, newest, key=place)
        if seen:
            await self._acknowledge({key: [text_of(entry[0]) for entry in entries[:seen]]})
            self._numbers.pop(key, None)
        await self._number(key, entries)
        self._newest[key] = max(newest, place(entries[-1]))
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
            if first is None or place(first) < place(entries[0]):  # the one before them is still there
                self._numbers[key] = added if known is None else known + len(entries)
                return
            trimmed_since = bisect_left(entries, place(first), key=place)
            before = added - int(stream["length"]) - trimmed_since
            number = self._numbers[key] = before + len(entries)
            if known is not None and before > known:
                self._count_lost(key, before - known)
                await self._writer.xgroup_setid(key, self._group, text_of(entries[-1][0]), entries_read=number)
        except (RedisError, OSError) as error:
            raise BusError(f"cannot look at {key}: {error}") from error

    async def _read_own_pending(self) -> list[Delivery]:
        reply = await self._client.xreadgroup(self._group, self._consumer, self._pending, count=500)
        self._pending = {}
        deliveries: list[Delivery] = []
        for name, entries in _pairs(reply):
            key = text_of(name)
            if not entries:
                continue
            self._pending[key] = text_of(entries[-1][0])
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
            cursor, entries = text_of(reply[0]), reply[1]
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


def place(entry: Any) -> tuple[int, int]:
    """An entry's id as numbers: as text, 1-10 would come before 1-9."""
    at_ms, number = text_of(entry[0]).split("-", 1)
    return int(at_ms), int(number)


def _delivery(stream: Stream, key: str, entry: Any) -> Delivery:
    return Delivery(stream, stream.decoder.decode(entry[1][FIELD]), key, text_of(entry[0]))
