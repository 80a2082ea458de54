"""Orders and cancels as requests: bulk, cancels first, post-only orders apart from those that take (together they
would lose the priority of post-only ones, reference page §10), within the weight of an action."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from services.executor.live.lives import Ticket
from services.executor.live.wiring import Request
from shared.hyperliquid.actions import (
    BatchModify,
    CancelByCloid,
    CancelByCloidWire,
    ModifyWire,
    OrderWire,
    PlaceOrders,
)
from shared.hyperliquid.orders import limit_order
from shared.units import Side

T = TypeVar("T")
MOST_CANCELS = 200
"""The venue takes 200 cancels in an action and refuses 201 (reference page §6.6)."""
MOST_ORDERS = 100
"""Whether a modify weighs as one or as two is not known; a lost answer also leaves fewer orders unknown."""

Pair = tuple[Ticket, Ticket]
"""An order and the one that takes its place."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request, and whose statuses its answer has: the orders placed, cancelled, or replaced by others."""

    action: Request
    placed: tuple[Ticket, ...] = ()
    cancelled: tuple[Ticket, ...] = ()
    """Of a modify: the order that each of `placed` takes the place of."""


def pair(leaving: Sequence[Ticket], new: Sequence[Ticket]) -> tuple[list[Pair], list[Ticket], list[Ticket]]:
    """Which orders are replaced by which (one request of the budget instead of two), what is only cancelled, what
    is only placed. A replaced order certainly rests; its successor is post-only (§6.2) and on the same side, of
    its own level if there is one."""
    free: defaultdict[tuple[str, Side], list[Ticket]] = defaultdict(list)
    for ticket in new:
        if ticket.new.tif == "Alo":
            free[ticket.new.coin, ticket.new.side].append(ticket)
    pairs: list[Pair] = []
    alone: list[Ticket] = []
    for old in leaving:
        same_side = free[old.new.coin, old.new.side] if old.state == "open" and not old.orphan else []
        if same_side:
            nearest = min(same_side, key=partial(_levels_between, old))
            same_side.remove(nearest)
            pairs.append((old, nearest))
        else:
            alone.append(old)
    paired = {successor.new.cloid for _, successor in pairs}
    return pairs, alone, [ticket for ticket in new if ticket.new.cloid not in paired]


def _levels_between(one: Ticket, other: Ticket) -> int:
    return abs(one.new.level - other.new.level)


def batches(
    pairs: Sequence[Pair], cancels: Sequence[Ticket], places: Sequence[Ticket], decimals: Mapping[str, int]
) -> Iterator[Batch]:
    """Requests in the order in which they leave. `decimals` is szDecimals by coin."""
    for cancelled in _pieces(cancels, MOST_CANCELS):
        wires = tuple(CancelByCloidWire(ticket.asset, ticket.new.cloid) for ticket in cancelled)
        yield Batch(CancelByCloid(wires), cancelled=tuple(cancelled))
    for replaced in _pieces(pairs, MOST_ORDERS):
        modifies = tuple(ModifyWire(old.new.cloid, _wire(new, decimals)) for old, new in replaced)
        olds, news = zip(*replaced, strict=True)
        yield Batch(BatchModify(modifies), placed=news, cancelled=olds)
    for tif in ("Alo", "Ioc"):
        for placed in _pieces([ticket for ticket in places if ticket.new.tif == tif], MOST_ORDERS):
            orders = tuple(_wire(ticket, decimals) for ticket in placed)
            yield Batch(PlaceOrders(orders, "na"), placed=tuple(placed))


def _wire(ticket: Ticket, decimals: Mapping[str, int]) -> OrderWire:
    new = ticket.new
    return limit_order(
        ticket.asset,
        decimals[new.coin],
        new.side,
        new.px,
        new.sz,
        tif=new.tif,
        reduce_only=new.reduce_only,
        cloid=new.cloid,
    )


def _pieces(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    return (items[start : start + most] for start in range(0, len(items), most))
