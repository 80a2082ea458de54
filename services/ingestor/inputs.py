"""What the door tells the core, and what the core tells the door to do.

Each `LoadUniverse` and `Connect` ends in exactly one answer (`UniverseLoaded` or `UniverseFailed`; at last
`Disconnected`), and each answer leads to exactly one next step, so the two never run out of each other's sight.
"""

from dataclasses import dataclass

from shared.hyperliquid.rest import Asset
from shared.hyperliquid.wire import MarketEvent

# ---- inputs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UniverseLoaded:
    """Every perp of the venue with its context, in the venue's order."""

    assets: tuple[Asset, ...]
    received_ms: float


@dataclass(frozen=True, slots=True)
class UniverseFailed:
    """The venue did not tell its coins."""

    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A new connection is open and nothing has been read from it."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone or never came about."""

    reason: str


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A frame as read from the socket."""

    raw: bytes
    received_ms: float


@dataclass(frozen=True, slots=True)
class EventReceived:
    """A market event that is already decoded, as replay has it."""

    event: MarketEvent
    received_ms: float


@dataclass(frozen=True, slots=True)
class Published:
    """How long each frame of the last batch took from the socket to the bus."""

    latencies_ms: tuple[float, ...]


# ---- effects ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadUniverse:
    """Ask the venue for its coins after a pause."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection after a pause."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send these frames on the open connection, in order."""

    frames: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """Give up the open connection at once."""
