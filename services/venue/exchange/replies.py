"""The shapes in which `/exchange` answers. Business errors are HTTP 200 like everything else."""

from collections.abc import Iterable
from typing import Any

from services.venue.exchange.listing import MICRO, usd
from services.venue.exchange.orders import AccountOrder
from shared.units import wire

Reply = dict[str, Any]
OrderStatus = str | dict[str, Any]
"""One entry of `statuses`."""

DONE: Reply = {"status": "ok", "response": {"type": "default"}}
CENT = MICRO // 100


def dollars(micro: int) -> str:
    """An amount in an error text, cut to cents: `$1501.79`."""
    return f"${wire(usd(micro - micro % CENT))}"


def err(text: str) -> Reply:
    """The whole request is refused."""
    return {"status": "err", "response": text}


def statuses(kind: str, items: Iterable[Any]) -> Reply:
    """`kind` is `order` or `cancel`; one status an order, except where one error stands for the whole batch."""
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": list(items)}}}


def order_error(text: str, asset: int) -> dict[str, str]:
    """An order-level error; the venue adds the asset to its text."""
    return {"error": f"{text} asset={asset}"}


def resting(order: AccountOrder) -> OrderStatus:
    return {"resting": _named(order, {})}


def filled(order: AccountOrder, lots: int, ntl: int) -> OrderStatus:
    """`lots` traded for `ntl` micro-dollars; the average price is rounded to a price unit."""
    avg_px = order.listing.px((2 * ntl + lots) // (2 * lots))
    return {"filled": _named(order, {"totalSz": wire(order.listing.sz(lots)), "avgPx": wire(avg_px)})}


def _named(order: AccountOrder, shown: dict[str, Any]) -> dict[str, Any]:
    shown["oid"] = order.oid
    if order.cloid is not None:
        shown["cloid"] = order.cloid
    return shown
