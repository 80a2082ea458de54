"""The stream table: every key on the bus, what it carries, who may write it, how it is read.

`latest`  newest entry wins; a reader skips to it, a late reader gets the last one. No consumer group.
`every`   each entry counts; consumer group created at `0`, acknowledged after the effect.
`key`     one string that exists or not (`mm:halt`); `hash` a stored state (`mm:position:{C}`).
`pubsub`  for people only: lost when nobody listens.

Coins stand in braces so that Redis Cluster keeps a coin's keys together.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from shared import messages as m

Policy = Literal["latest", "every", "key", "hash", "pubsub"]
FIELD = b"m"
"""The field of every entry, and of every hash but for live states (`field_of`): the message as JSON."""


@dataclass(frozen=True)
class Stream:
    """One row of the table. `maxlen` bounds a stream in entries (approximately, `MAXLEN ~`)."""

    name: str
    types: tuple[type[m.Message], ...]
    policy: Policy
    per_coin: bool = False
    maxlen: int = 0
    conflate: bool = True
    hurry: bool = True
    decoder: msgspec.json.Decoder[m.Message] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        union = self.types[0]
        for message_type in self.types[1:]:
            union = union | message_type  # type: ignore[assignment]
        object.__setattr__(self, "decoder", msgspec.json.Decoder(union))

    def key(self, coin: str = "") -> str:
        return f"mm:{self.name}:{{{coin}}}" if self.per_coin else f"mm:{self.name}"

    def unconflated(self) -> "Stream":
        """The same stream for a reader that wants every entry still there, from the oldest at each of its starts:
        whoever knows what it has need not be told where it was."""
        return replace(self, policy="latest", conflate=False)

    def relaxed(self) -> "Stream":
        """The same stream for a reader in no hurry: looked at a few times a second instead of at every entry."""
        return replace(self, hurry=False)


UNIVERSE = Stream("universe", (m.Universe,), "latest", maxlen=10)
BOOK = Stream("book", (m.Book,), "latest", per_coin=True, maxlen=500)
DEPTH = Stream("depth", (m.Depth,), "latest", per_coin=True, maxlen=20)
CTX = Stream("ctx", (m.AssetCtx,), "latest", per_coin=True, maxlen=50)
TRADES = Stream("trades", (m.Trades,), "every", per_coin=True, maxlen=2000)
FEED = Stream("feed", (m.FeedHealth, m.Reconnected), "every", maxlen=1000)
ASSET_CONFIG = Stream("asset_config", (m.AssetConfig,), "latest", per_coin=True, maxlen=20)
TARGET = Stream("target", (m.TargetQuotes,), "latest", per_coin=True, maxlen=100)
RISK = Stream("risk", (m.RiskLease,), "latest", per_coin=True, maxlen=50)
RISK_REPORT = Stream("risk_report", (m.RiskReport,), "latest", maxlen=20)
COMMAND = Stream("command", (m.Command,), "every", maxlen=1000)
ORDERS = Stream("orders", (m.OrderUpdate,), "every", per_coin=True, maxlen=5000)
FILLS = Stream("fills", (m.Fill, m.Funding, m.Opening), "every", per_coin=True, maxlen=10_000)
STATUS = Stream("status", (m.Heartbeat, m.AccountStatus, m.WatchdogStatus), "every", maxlen=1000)
EVENTS = Stream("events", (m.Event,), "every", maxlen=5000)
HALT = Stream("halt", (m.HaltState,), "key")
POSITION = Stream("position", (m.PositionState,), "hash", per_coin=True)
RISK_MEMORY = Stream("risk_memory", (m.CoinMemory,), "hash", per_coin=True)
GUARD_MEMORY = Stream("guard_memory", (m.GuardMemory,), "hash")
ACCOUNT = Stream("account", (m.AccountState,), "hash")
LAST_STATUS = Stream("last_status", (m.AccountStatus,), "hash")
"""The newest of each mode once more: a silent executor's last word must outlive a stream that all others fill."""
ASSET_CONFIG_LIST = Stream("asset_config", (m.AssetConfigList,), "pubsub")

ALL = (
    UNIVERSE, BOOK, DEPTH, CTX, TRADES, FEED, ASSET_CONFIG, TARGET, RISK, RISK_REPORT, COMMAND, ORDERS, FILLS,
    STATUS, LAST_STATUS, EVENTS, HALT, RISK_MEMORY, GUARD_MEMORY, POSITION, ACCOUNT, ASSET_CONFIG_LIST,
)  # fmt: skip

COPY_OF: dict[type[m.Message], Stream] = {m.AccountStatus: LAST_STATUS}
"""Where the newest is kept as well."""
STREAM_OF: dict[type[m.Message], Stream] = {
    kind: stream for stream in ALL if stream not in COPY_OF.values() for kind in stream.types
}
"""Each message type lives on exactly one stream, so a core only says what, never where."""


def field_of(message: m.Message) -> bytes:
    """The field of a hash that a state is kept in: those of live trading stand beside those of shadow."""
    return b"live" if getattr(message, "mode", "shadow") == "live" else FIELD


def channel_of(message: m.Message) -> str | None:
    """V6's pub/sub channel on which a message is repeated for people with `redis-cli subscribe`."""
    if isinstance(message, m.Fill):
        return f"mm:{message.mode}_fills"
    if isinstance(message, m.AccountStatus):
        return "mm:engine_status"
    if isinstance(message, m.AssetConfigList):
        return "mm:asset_config"
    return None
