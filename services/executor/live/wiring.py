"""What the executor's core tells its door to do at the venue, and what the door tells the core.

Each `Send` ends in exactly one `Outcome`, each `AskOrder` in one `OrderFound` or `OrderUnfound`, each `AskState`
in one `StateRead` or `StateUnread`. Several of each may be under way; they end in any order. The stream tells of
orders and fills before, between and after. Connections have numbers: what the stream brings between
`StreamUp(n)` and `StreamDown(n)` came from connection n. `Reconnect` gives the present one up (if any) and opens
the next, after a pause if the last ones failed; each ends in `StreamUp` or `StreamDown`. `Listed` comes before the
first `StreamUp` and the first `StateRead`, and the `Confirmation` that the door holds before everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.executor.reports import EndProcess
from shared.confirmation import Confirmation
from shared.hyperliquid import replies
from shared.hyperliquid.account import (
    ClearinghouseState,
    Fill,
    FrontendOrder,
    Funding,
    OrderState,
    OrderUpdate,
    RateLimit,
    UserFills,
    UserFundings,
)
from shared.hyperliquid.actions import (
    BatchModify,
    Cancel,
    CancelByCloid,
    Noop,
    PlaceOrders,
    ScheduleCancel,
    UpdateLeverage,
)

# ---- effects -------------------------------------------------------------------------------------------------

Request = PlaceOrders | Cancel | CancelByCloid | BatchModify | ScheduleCancel | UpdateLeverage | Noop
_ACTIONS: dict[type, str] = {
    PlaceOrders: "place",
    Cancel: "cancel",
    CancelByCloid: "cancel",
    BatchModify: "modify",
}


def name_of(request: Request) -> str:
    """What is told apart where requests are counted or timed; the rest is rare."""
    return _ACTIONS.get(type(request), "other")


@dataclass(frozen=True, slots=True)
class Send:
    """Sign and send one request, once. `number` counts from 1 within this process. Urgent ones (cancels) never
    wait behind others."""

    number: int
    action: Request
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class AskOrder:
    """What does the venue know of this order?"""

    cloid: str


@dataclass(frozen=True, slots=True)
class AskState:
    """Everything that recovery needs, in one go: fills and payments from `since_ms` on (venue time)."""

    since_ms: int
    not_before_ms: float = 0.0
    """When to ask, our clock."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Open the stream, or give it up and open it anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The process ends, and something of ours may be left at the venue: let it end with an error."""

    reason: str


Effect = Send | AskOrder | AskState | Reconnect | GiveUp | EndProcess

# ---- inputs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the `Send` of this number."""

    number: int
    result: replies.Outcome


@dataclass(frozen=True, slots=True)
class OrderFound:
    """The venue's answer about an order; None: it does not know the cloid. `asked_ms`: our clock when the question
    left. An order that could still arrive then is not proven gone by it."""

    cloid: str
    state: OrderState | None
    asked_ms: int


@dataclass(frozen=True, slots=True)
class OrderUnfound:
    """The question got no answer."""

    cloid: str
    reason: str


@dataclass(frozen=True, slots=True)
class StateRead:
    """The account. `asked_ms`: our clock before the first of these questions left. Orders are asked for before
    fills, and fills before positions; what happens meanwhile is in the later ones only."""

    asked_ms: int
    open_orders: tuple[FrontendOrder, ...]
    fills: tuple[Fill, ...]
    fundings: tuple[Funding, ...]
    clearinghouse: ClearinghouseState
    rate_limit: RateLimit | None
    """None: asked for a moment ago."""
    since_ms: int = 0
    """Of the `AskState` that this answers."""


@dataclass(frozen=True, slots=True)
class StateUnread:
    """One of the questions got no answer; nothing is known."""

    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The numbers by which requests call the coins (`shared.hyperliquid.assets`)."""

    assets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StreamUp:
    """Subscribed to fills, orders and payments; the venue has confirmed all of them."""

    connection: int


@dataclass(frozen=True, slots=True)
class StreamDown:
    """The stream is gone, or could not be opened."""

    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderUpdates:
    """A frame of `orderUpdates`."""

    updates: tuple[OrderUpdate, ...]


Input = (
    Confirmation
    | Outcome
    | OrderFound
    | OrderUnfound
    | StateRead
    | StateUnread
    | Listed
    | StreamUp
    | StreamDown
    | UserFills
    | OrderUpdates
    | UserFundings
)
