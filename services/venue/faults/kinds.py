"""What can be disturbed on purpose, as structs: the same fields in a scenario file, over HTTP and on the command
line. A field that a kind does not have is refused.
"""

from decimal import Decimal
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from shared.hyperliquid.actions import Address, Cloid

Milliseconds = Annotated[int, Meta(ge=1, le=600_000)]
DAY_S, DAY_MS = 86_400, 86_400_000


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag_field="fault", forbid_unknown_fields=True,
            omit_defaults=True):  # fmt: skip
    """Base. A fault lasts `for_s` seconds, without that until it is ended. Addresses are lower-cased."""

    for_s: Annotated[float, Meta(gt=0, le=DAY_S)] | None = None

    def __post_init__(self) -> None:
        user = getattr(self, "user", None)
        if user is not None:
            force_setattr(self, "user", user.lower())


class Chance(Fault, frozen=True, kw_only=True):
    """It strikes a `share` of the occasions, chosen by the seed, and is over after `count` effects at the latest.
    An occasion is a frame, request, order or block; of `drop` and `stall` a connection, of `stale_book` a book on
    one connection."""

    count: Annotated[int, Meta(ge=1)] | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0


# ---- connections and frames ----------------------------------------------------------------------------------


class OnConnections(Chance, frozen=True, kw_only=True):
    """`user`: only connections that follow this account; `connection`: only the one of this number."""

    user: Address | None = None
    connection: int | None = None


class OnFrames(OnConnections, frozen=True, kw_only=True):
    """Frames of one `channel`, or about one `coin`; of all if not said."""

    channel: str | None = None
    coin: str | None = None


class Drop(OnConnections, frozen=True, kw_only=True, tag="drop"):
    """Connections break off without a close frame (1006): those there are now; with `for_s` or `count` also those
    that come."""


class RefuseConnections(Chance, frozen=True, kw_only=True, tag="refuse_connections"):
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


class DarkFill(Chance, frozen=True, kw_only=True, tag="dark_fill"):
    """Orders fill without a word in `userFills`, `userEvents` and `orderUpdates`; queries tell the truth."""

    user: Address | None = None
    coin: str | None = None


# ---- requests ------------------------------------------------------------------------------------------------


class OnRequests(Chance, frozen=True, kw_only=True):
    """REST requests to one `path`, or to any."""

    path: Literal["/info", "/exchange"] | None = None


class Http429(OnRequests, frozen=True, kw_only=True, tag="http_429"):
    """REST requests are refused as if over the weight limit."""


class Http5xx(OnRequests, frozen=True, kw_only=True, tag="http_5xx"):
    """REST requests fail before anything is done."""

    status: Annotated[int, Meta(ge=500, le=599)] = 502


class OnActions(Chance, frozen=True, kw_only=True):
    """Of one `user` (the account acted for) and one `action` type such as `cancel`; of all if not said."""

    user: Address | None = None
    action: str | None = None


class DelayAnswer(OnActions, frozen=True, kw_only=True, tag="delay_answer"):
    """The answer to an action comes `ms` late; the action takes effect in time."""

    ms: Milliseconds


class LoseAnswer(OnActions, frozen=True, kw_only=True, tag="lose_answer"):
    """The action takes effect and its answer never comes: HTTP breaks off, a websocket post stays open."""


class Reject(Chance, frozen=True, kw_only=True, tag="reject"):
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

    ms: Annotated[int, Meta(ge=-DAY_MS, le=DAY_MS)]


class SlowBlock(Chance, frozen=True, kw_only=True, tag="slow_block"):
    """Blocks take `ms` longer."""

    ms: Milliseconds


class Crash(Fault, frozen=True, kw_only=True, tag="crash"):
    """The fair value of a coin, or of all, moves by `frac` of itself within `for_s`, evenly, and so many market
    orders of its direction come besides. What is recorded goes its own way."""

    for_s: Annotated[float, Meta(gt=0, le=DAY_S)] = 20.0
    coin: str | None = None
    frac: Annotated[float, Meta(gt=-0.9, lt=9)] = -0.08
    takers_per_s: Annotated[int, Meta(ge=0, le=1000)] = 20


class OnAccount(Chance, frozen=True, kw_only=True):
    """Something done to an account without its key: once, or `count` times, once a block."""

    user: Address


class ExternalOrder(OnAccount, frozen=True, kw_only=True, tag="external_order"):
    """An order. Its price is `px`, or lies `bps` behind the mark (a bid below it, an ask above); without either it
    is a market order."""

    coin: str
    side: Literal["buy", "sell"]
    sz: Decimal
    px: Decimal | None = None
    bps: Annotated[float, Meta(gt=-5000, lt=5000)] | None = None
    tif: Literal["Alo", "Ioc", "Gtc"] = "Gtc"
    reduce_only: bool = False
    cloid: Cloid | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.px is not None and self.bps is not None:
            raise ValueError("px and bps exclude each other")
        for name, value in (("sz", self.sz), ("px", self.px)):
            if value is not None and not (value.is_finite() and value > 0):
                raise ValueError(f"{name} must be above 0")


class ExternalCancel(OnAccount, frozen=True, kw_only=True, tag="external_cancel"):
    """A cancel of one order, of all of a coin, or of all."""

    coin: str | None = None
    oid: int | None = None


External = ExternalOrder | ExternalCancel
AnyFault = (
    Drop | RefuseConnections | Stall | Duplicate | Reorder | StaleBook | CrossedBook | DarkFill | Http429 | Http5xx
    | DelayAnswer | LoseAnswer | Reject | PostOnly | Halt | ClockSkew | SlowBlock | Crash | ExternalOrder
    | ExternalCancel
)  # fmt: skip


def kind_of(fault: Fault) -> str:
    """Its name in scenarios."""
    return str(fault.__struct_config__.tag)


KINDS: dict[str, type[Fault]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyFault)}
