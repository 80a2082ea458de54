"""What can be disturbed on purpose, as structs: the same fields in a scenario file, over HTTP and on the command
line. A field that a kind does not have is refused.
"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Address = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{40}\Z")]
Cloid = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{32}\Z")]
Milliseconds = Annotated[int, Meta(ge=1, le=600_000)]
Positive = Annotated[Decimal, Meta(gt=0)]
BOOK_CHANNELS = ("l2Book", "bbo")


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag_field="fault", forbid_unknown_fields=True,
            omit_defaults=True):  # fmt: skip
    """Base. A fault lasts until `for_s` seconds are over or `count` effects have happened, whichever is first;
    without either until it is ended. `share` of the occasions are hit, chosen by the seed."""

    for_s: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0


class OneShot(Fault, frozen=True, kw_only=True):
    """Happens once and is over, unless `for_s` or `count` says otherwise."""


class OnConnections(Fault, frozen=True, kw_only=True):
    """`user`: only connections that follow this account; `connection`: only the one of this number."""

    user: Address | None = None
    connection: int | None = None


class OnFrames(OnConnections, frozen=True, kw_only=True):
    """Frames of one `channel`, or about one `coin`; of all if not said."""

    channel: str | None = None
    coin: str | None = None


# ---- connections and frames ----------------------------------------------------------------------------------


class Drop(OnConnections, OneShot, frozen=True, kw_only=True, tag="drop"):
    """Connections break off without a close frame (1006): those there are now, with `for_s` new ones too."""


class RefuseConnections(Fault, frozen=True, kw_only=True, tag="refuse_connections"):
    """New websockets are refused with this HTTP status."""

    status: Annotated[int, Meta(ge=400, le=599)] = 503


class Stall(OnFrames, frozen=True, kw_only=True, tag="stall"):
    """Frames are held back while the connection stays up; at the end they come all at once, or never."""

    then: Literal["deliver", "drop"] = "deliver"


class Duplicate(OnFrames, frozen=True, kw_only=True, tag="duplicate"):
    """Frames arrive twice."""


class Reorder(OnFrames, frozen=True, kw_only=True, tag="reorder"):
    """A frame arrives after the next one of its connection, or `ms` late when none comes."""

    ms: Milliseconds = 1000


class StaleBook(OnFrames, frozen=True, kw_only=True, tag="stale_book"):
    """`l2Book` and `bbo` stand still while everything else goes on: the last frame again, or none (`silent`)."""

    how: Literal["repeat", "silent"] = "repeat"


class CrossedBook(OnFrames, frozen=True, kw_only=True, tag="crossed_book"):
    """`l2Book` and `bbo` frames show best bid and best ask exchanged."""


class DarkFill(Fault, frozen=True, kw_only=True, tag="dark_fill"):
    """Orders fill without a word in `userFills`, `userEvents` and `orderUpdates`; queries tell the truth."""

    user: Address | None = None
    coin: str | None = None


# ---- requests ------------------------------------------------------------------------------------------------


class Http429(Fault, frozen=True, kw_only=True, tag="http_429"):
    """REST requests are refused as if over the weight limit; `path` is `/info` or `/exchange`."""

    path: str | None = None


class Http5xx(Fault, frozen=True, kw_only=True, tag="http_5xx"):
    """REST requests fail before anything is done."""

    path: str | None = None
    status: Annotated[int, Meta(ge=500, le=599)] = 502


class OnActions(Fault, frozen=True, kw_only=True):
    """Of one `user` (the account acted for) and one `action` type; of all if not said."""

    user: Address | None = None
    action: str | None = None


class DelayAnswer(OnActions, frozen=True, kw_only=True, tag="delay_answer"):
    """The answer to an action comes `ms` late; the action takes effect in time."""

    ms: Milliseconds


class LoseAnswer(OnActions, frozen=True, kw_only=True, tag="lose_answer"):
    """The action takes effect and its answer never comes: HTTP breaks off, a websocket post stays open."""


class Reject(Fault, frozen=True, kw_only=True, tag="reject"):
    """Orders that are otherwise fine are refused with this text."""

    user: Address | None = None
    coin: str | None = None
    text: str = "Insufficient margin to place order."


# ---- the exchange --------------------------------------------------------------------------------------------


class PostOnly(Fault, frozen=True, kw_only=True, tag="post_only"):
    """Only post-only orders are taken, as after a network upgrade."""


class Halt(Fault, frozen=True, kw_only=True, tag="halt"):
    """Orders of one coin are refused; cancels go through."""

    coin: str


class ClockSkew(Fault, frozen=True, kw_only=True, tag="clock_skew"):
    """The venue's dates are off by `ms`."""

    ms: Annotated[int, Meta(ge=-86_400_000, le=86_400_000)]


class SlowBlock(Fault, frozen=True, kw_only=True, tag="slow_block"):
    """Blocks take `ms` longer."""

    ms: Milliseconds


class ExternalOrder(OneShot, frozen=True, kw_only=True, tag="external_order"):
    """An order on an account without its key. The price is `px`, or lies `bps` behind the mark (a bid below it, an
    ask above); without either it is a market order."""

    user: Address
    coin: str
    side: Literal["buy", "sell"]
    sz: Positive
    px: Positive | None = None
    bps: Annotated[float, Meta(gt=-5000, lt=5000)] | None = None
    tif: Literal["Alo", "Ioc", "Gtc"] = "Gtc"
    reduce_only: bool = False
    cloid: Cloid | None = None

    def __post_init__(self) -> None:
        if self.px is not None and self.bps is not None:
            raise ValueError("px and bps exclude each other")


class ExternalCancel(OneShot, frozen=True, kw_only=True, tag="external_cancel"):
    """Cancels on an account without its key: one order, those of a coin, or all."""

    user: Address
    coin: str | None = None
    oid: int | None = None


AnyFault = (
    Drop | RefuseConnections | Stall | Duplicate | Reorder | StaleBook | CrossedBook | DarkFill | Http429 | Http5xx
    | DelayAnswer | LoseAnswer | Reject | PostOnly | Halt | ClockSkew | SlowBlock | ExternalOrder | ExternalCancel
)  # fmt: skip
External = ExternalOrder | ExternalCancel
