"""What a service may do with the bus: `shared.redis_bus` is real, `shared.memory_bus` for tests and replay."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.messages import HaltState, Message
from shared.streams import STREAM_OF, Stream

BLOCK_MS = 1000


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
