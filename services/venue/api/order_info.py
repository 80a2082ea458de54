"""Answers about orders: live ones, one by its id, and those of the past."""

from typing import Any

from services.venue.api import info, shapes
from services.venue.api.view import View
from services.venue.exchange.account import ORDERS_KEPT, Account
from services.venue.exchange.desk import changed
from services.venue.exchange.facts import OrderChanged

UNKNOWN = {"status": "unknownOid"}


def live(account: Account, dex: str) -> list[OrderChanged]:
    """Orders of one dex as they are now, newest first."""
    orders = [order for order in account.orders.values() if order.listing.dex.name == dex]
    return [changed(order, "open", order.placed_ms) for order in reversed(orders)]


def open_orders(view: View, request: info.OpenOrders) -> Any:
    """Sleeping orders are listed like any other."""
    return [shapes.basic_order(order) for order in live(view.met(request.user), request.dex or "")]


def frontend_open_orders(view: View, request: info.FrontendOpenOrders) -> Any:
    return frontend_orders(view.met(request.user), request.dex or "")


def frontend_orders(account: Account, dex: str) -> list[dict[str, Any]]:
    """Take-profits and stops that wait for their parent's fill are its children."""
    nested = {child.oid for order in account.orders.values() for child in order.children}
    return [shapes.frontend_order(order) for order in live(account, dex) if order.oid not in nested]


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
