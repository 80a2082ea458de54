"""Requests on their way into a block, and their order inside it (reference page §10)."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from services.venue.config import VenueConfig
from services.venue.exchange.requests import Signed
from shared.hyperliquid.actions import (
    AnyAction,
    BatchModify,
    Cancel,
    CancelByCloid,
    Modify,
    Noop,
    OrderWire,
    PlaceOrders,
    PriorityFee,
)

Tag = TypeVar("Tag")
HIGHEST_PRIORITY = 80_000
"""Priority fee, in 1e-8 of the notional, that makes up for the whole taker delay: 8 basis points."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Tag]):
    due_ms: int
    group: int
    signed: Signed
    tag: Tag


Batch = tuple[tuple[Signed, Tag], ...]


class Mempool(Generic[Tag]):
    """Requests by their time of arrival on the market's clock. A tag comes back with its request."""

    def __init__(self, config: VenueConfig) -> None:
        self._delay_ms, self._taker_delay_ms = config.order_delay_ms, config.taker_delay_ms
        self._waiting: list[_Waiting[Tag]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, signed: Signed, arrived_ms: int, tag: Tag) -> None:
        group = _group(signed.action)
        delay_ms = self._delay_ms + (self._held_back_ms(signed.action) if group == _TAKERS else 0)
        self._waiting.append(_Waiting(arrived_ms + delay_ms, group, signed, tag))

    def due(self, block_ms: int) -> tuple[Batch[Tag], Batch[Tag], Batch[Tag]]:
        """What the block at `block_ms` executes: requests that send nothing that takes (noops before all others),
        then cancels, then those with an order that may take. In each group by the time they were due, then by
        arrival."""
        due = sorted((item for item in self._waiting if item.due_ms <= block_ms), key=lambda item: item.due_ms)
        self._waiting = [item for item in self._waiting if item.due_ms > block_ms]

        def batch(*groups: int) -> Batch[Tag]:
            return tuple((item.signed, item.tag) for group in groups for item in due if item.group == group)

        return batch(_NOOPS, _POSTS), batch(_CANCELS), batch(_TAKERS)

    def _held_back_ms(self, action: AnyAction) -> int:
        """A taker waits longer, the less priority it pays for."""
        paid = (
            action.grouping.p
            if isinstance(action, PlaceOrders) and isinstance(action.grouping, PriorityFee)
            else 0
        )
        return self._taker_delay_ms * max(HIGHEST_PRIORITY - paid, 0) // HIGHEST_PRIORITY


_NOOPS, _POSTS, _CANCELS, _TAKERS = range(4)


def _group(action: AnyAction) -> int:
    if isinstance(action, Noop):
        return _NOOPS
    if isinstance(action, (Cancel, CancelByCloid)):
        return _CANCELS
    return _TAKERS if any(_may_take(order) for order in _orders(action)) else _POSTS


def _orders(action: AnyAction) -> tuple[OrderWire, ...]:
    """The new orders in an action."""
    if isinstance(action, PlaceOrders):
        return action.orders
    if isinstance(action, BatchModify):
        return tuple(item.order for item in action.modifies)
    return (action.order,) if isinstance(action, Modify) else ()


def _may_take(order: OrderWire) -> bool:
    return order.t.limit is None or order.t.limit.tif != "Alo"
