"""Answers about orders: live ones, one by its id, and those of the past."""

from typing import Any

from services.venue.api import info, shapes
from services.venue.api.view import View
from services.venue.exchange.account import ORDERS_KEPT, Account
from services.venue.exchange.orders import AccountOrder

UNKNOWN = {"status": "unknownOid"}


def live(account: Account, dex: str) -> list[AccountOrder]:
    """Newest first."""
    return [order for order in account.orders.values() if order.listing.dex.name == dex][::-1]


def open_orders(view: View, request: info.OpenOrders) -> Any:
    """Sleeping orders are listed like any other."""
    orders = live(view.met(request.user), request.dex or "")
    return [shapes.basic_order(shapes.record(order)) for order in orders]


def frontend_open_orders(view: View, request: info.FrontendOpenOrders) -> Any:
    return frontend_orders(view.met(request.user), request.dex or "")


def frontend_orders(account: Account, dex: str) -> list[dict[str, Any]]:
    """Take-profits and stops that wait for their parent's fill are its children."""
    return [shapes.frontend_order(shapes.record(order)) for order in live(account, dex) if order.parent is None]


def order_status(view: View, request: info.OrderStatus) -> Any:
    """The record as it was when its status changed last: `sz` of an open order is not what is left of it."""
    account = view.account(request.user)
    oid = account.by_cloid.get(request.oid.lower()) if isinstance(request.oid, str) else request.oid
    known = account.known.get(oid) if oid is not None else None
    return UNKNOWN if known is None else {"status": "order", "order": shapes.order_state(known)}


def historical_orders(view: View, request: info.HistoricalOrders) -> Any:
    return history(view.account(request.user))


def history(account: Account) -> list[dict[str, Any]]:
    """The newest status changes first."""
    known = sorted(account.known.values(), key=lambda order: (order.time_ms, order.oid), reverse=True)
    return [shapes.order_state(order) for order in known[:ORDERS_KEPT]]
