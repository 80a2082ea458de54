"""The venue's own shapes, as msgspec structs: one definition for the client, the bundled venue and replay.

Numbers are `Decimal` here and JSON strings on the wire. Unknown fields are ignored: the venue adds fields
without notice. Channel frames: `{"channel": NAME, "data": …}`.
"""

from decimal import Decimal
from typing import Any, Literal

import msgspec


class WireLevel(msgspec.Struct, frozen=True, gc=False):
    """One level of `l2Book` or `bbo`; `n` orders stand in it."""

    px: Decimal
    sz: Decimal
    n: int = 1


class L2Book(msgspec.Struct, frozen=True):
    """Channel `l2Book`: full snapshot, bids descending, asks ascending; `fast` marks the 5-level variant."""

    coin: str
    time: int
    levels: tuple[tuple[WireLevel, ...], tuple[WireLevel, ...]]
    fast: bool = False


class Bbo(msgspec.Struct, frozen=True):
    """Channel `bbo`: best bid and ask after a block that changed them; a side is null when it is empty."""

    coin: str
    time: int
    bbo: tuple[WireLevel | None, WireLevel | None]


class WireTrade(msgspec.Struct, frozen=True):
    """One element of channel `trades`; `side` is the aggressor."""

    coin: str
    side: Literal["B", "A"]
    px: Decimal
    sz: Decimal
    time: int
    tid: int
    hash: str = "0x" + "0" * 64
    users: tuple[str, str] | None = None


class Ctx(msgspec.Struct, frozen=True):
    """A perp's asset context. `funding` is the hourly rate; `openInterest` is in coins, one side."""

    funding: Decimal
    openInterest: Decimal  # noqa: N815
    prevDayPx: Decimal  # noqa: N815
    dayNtlVlm: Decimal  # noqa: N815
    oraclePx: Decimal  # noqa: N815
    markPx: Decimal  # noqa: N815
    premium: Decimal | None = None
    midPx: Decimal | None = None  # noqa: N815
    impactPxs: tuple[Decimal, Decimal] | None = None  # noqa: N815
    dayBaseVlm: Decimal = Decimal(0)  # noqa: N815


class ActiveAssetCtx(msgspec.Struct, frozen=True):
    """Channel `activeAssetCtx`."""

    coin: str
    ctx: Ctx


class AssetMeta(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of `meta.universe`; delisted coins keep their slot."""

    name: str
    szDecimals: int  # noqa: N815
    maxLeverage: int = msgspec.field(default=1)  # noqa: N815
    isDelisted: bool = False  # noqa: N815


class Meta(msgspec.Struct, frozen=True):
    """Answer of `{"type": "meta"}`."""

    universe: tuple[AssetMeta, ...]


class Frame(msgspec.Struct, frozen=True):
    """Any websocket frame from the venue; `data` is decoded by channel afterwards."""

    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


MarketEvent = L2Book | Bbo | tuple[WireTrade, ...] | ActiveAssetCtx
"""What a market-data channel carries, decoded."""

CHANNEL_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "l2Book": msgspec.json.Decoder(L2Book),
    "bbo": msgspec.json.Decoder(Bbo),
    "trades": msgspec.json.Decoder(tuple[WireTrade, ...]),
    "activeAssetCtx": msgspec.json.Decoder(ActiveAssetCtx),
}
_SHOWN_CHARS = 120
FRAME_DECODER = msgspec.json.Decoder(Frame)


def decode_frame(raw: bytes | str) -> tuple[str, MarketEvent | None]:
    """`(channel, event)`; the event is None for channels that carry no market data.

    Raises:
        msgspec.DecodeError: the frame is not JSON or not of its channel's shape.
    """
    frame = FRAME_DECODER.decode(raw)
    decoder = CHANNEL_DECODERS.get(frame.channel)
    return frame.channel, decoder.decode(frame.data) if decoder else None


def shown(body: bytes) -> str:
    """The beginning of a text from outside, on one line."""
    text = " ".join(body.decode(errors="replace").split())
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
