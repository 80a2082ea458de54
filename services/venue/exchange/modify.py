"""Cancels, and modifies: a cancel and a new order with a number of its own (reference page §6.2)."""

from services.venue.exchange import refusals as why
from services.venue.exchange.account import Account
from services.venue.exchange.desk import Desk
from services.venue.exchange.placing import Placing
from services.venue.exchange.refusals import Invalid
from services.venue.exchange.replies import DONE, OrderStatus, Reply, err, order_error, statuses
from services.venue.exchange.terms import Terms, terms_of
from shared.hyperliquid.actions import BatchModify, Cancel, CancelByCloid, Modify, ModifyWire


def cancel(desk: Desk, account: Account, action: Cancel) -> Reply:
    """The fast form (`f`) does not reach triggers."""
    return statuses(
        "cancel", [_cancel(desk, account, item.a, item.o, plain_only=action.f) for item in action.cancels]
    )


def cancel_by_cloid(desk: Desk, account: Account, action: CancelByCloid) -> Reply:
    return statuses(
        "cancel", [_cancel(desk, account, item.asset, item.cloid, plain_only=action.f) for item in action.cancels]
    )


def _cancel(desk: Desk, account: Account, asset: int, key: int | str, *, plain_only: bool) -> OrderStatus:
    order = desk.find(account, asset, key)
    if order is None or (plain_only and order.asleep):
        return order_error(why.NEVER_PLACED, asset)
    desk.end(order, "canceled")
    return "success"


def modify(desk: Desk, placing: Placing, account: Account, action: Modify) -> Reply:
    """One modify answers `default`, or an error for the whole request."""
    try:
        terms = terms_of(desk.world, action.order)
    except Invalid as error:
        return err(str(error))
    status = _modify(desk, placing, account, action, terms)
    return err(status["error"]) if isinstance(status, dict) and "error" in status else DONE


def batch_modify(desk: Desk, placing: Placing, account: Account, action: BatchModify) -> Reply:
    try:
        if not action.modifies:
            raise Invalid("Orders are empty.")
        terms = [terms_of(desk.world, item.order) for item in action.modifies]
    except Invalid as error:
        return statuses("order", [{"error": str(error)}])
    items = zip(action.modifies, terms, strict=True)
    return statuses("order", [_modify(desk, placing, account, item, term) for item, term in items])


def _modify(
    desk: Desk, placing: Placing, account: Account, item: ModifyWire | Modify, terms: Terms
) -> OrderStatus:
    """Once the old order is cancelled it stays so, whatever becomes of the new one."""
    asset = terms.listing.asset
    old = desk.find(account, asset, item.oid)
    if old is None and not item.a:
        return order_error(why.CANNOT_MODIFY, asset)
    if not item.a and not _only_rests(desk, terms):
        return order_error(why.INVALID_MODIFY, asset)
    if old is not None:
        desk.end(old, "canceled")
    status = placing.place(placing.order(account, terms, old.builder if old is not None else None), terms.on_grid)
    if isinstance(status, dict) and "error" in status:
        return {"error": f"Error placing new order during modify: {status['error']}"}
    return status


def _only_rests(desk: Desk, terms: Terms) -> bool:
    """Post-only, or a GTC that would not trade now; without `a` no other order may replace one."""
    if terms.trigger is not None or terms.tif not in ("Alo", "Gtc"):
        return False
    best_px = desk.book(terms.listing).best_px(-1 if terms.sign == 1 else 1)
    return terms.tif == "Alo" or best_px is None or terms.sign * terms.px < terms.sign * best_px
