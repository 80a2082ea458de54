"""What subscribers hear of an account's orders, fills and payments (reference page §4.2).

There are no sequence numbers and nothing is sent twice: whoever was not connected gets the snapshot of the channel
where it has one, and must ask for the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from services.venue.api import shapes
from services.venue.api import subscriptions as subs
from services.venue.api.frames import NOBODY
from services.venue.api.history_info import EVENTS_SHOWN, newest_fills
from services.venue.api.order_info import history
from services.venue.api.order_info import live as live_orders
from services.venue.api.view import View
from services.venue.exchange.facts import AnyFact, Filled, FundingPaid, LedgerUpdated, Liquidated, OrderChanged
from services.venue.exchange.liquidating import BACKSTOP_ADDRESS
from shared.units import wire

Facts = Sequence[AnyFact]
ENGINE_CANCELS = frozenset(
    (
        "marginCanceled", "openInterestCapCanceled", "selfTradeCanceled", "siblingFilledCanceled",
        "delistedCanceled", "liquidatedCanceled", "scheduledCancel",
    )
)  # fmt: skip
"""Told as `nonUserCancel` too; of reduce-only orders only `orderUpdates` tells."""


# ---- after a block -------------------------------------------------------------------------------------------


def live(subscription: subs.AnySubscription, facts: Facts) -> Iterator[Any]:
    """Data of the frames that a user's facts of one block lead to, in their order."""
    build = LIVE.get(type(subscription))
    return iter(()) if build is None else build(subscription, facts)


def _statuses(facts: Facts) -> list[OrderChanged]:
    """A new size alone is not told."""
    return [fact for fact in facts if isinstance(fact, OrderChanged) and not fact.resized]


def _order_updates(subscription: subs.OrderUpdatesSub, facts: Facts) -> Iterator[Any]:
    """All changes in one frame: an order that fills at once is `open` and then `filled` in it."""
    updates = [shapes.order_update(fact) for fact in _statuses(facts)]
    if updates:
        yield updates


def _events(subscription: subs.UserEventsSub, facts: Facts) -> Iterator[Any]:
    """A frame holds one kind: all fills, all cancels of the engine, one payment, one liquidation."""
    together: dict[str, list[Any]] = {"fills": [], "nonUserCancel": []}
    events: list[dict[str, Any]] = []

    def join(kind: str, item: Any) -> None:
        if not together[kind]:
            events.append({kind: together[kind]})
        together[kind].append(item)

    for fact in facts:
        if isinstance(fact, Filled):
            join("fills", shapes.fill(fact))
        elif isinstance(fact, OrderChanged):
            if fact.status in ENGINE_CANCELS:
                join("nonUserCancel", {"coin": fact.coin, "oid": fact.oid})
        elif isinstance(fact, FundingPaid):
            events.append({"funding": shapes.funding(fact)})
        elif isinstance(fact, Liquidated):
            events.append({"liquidation": _liquidation(fact, facts)})
    yield from events


def _liquidation(fact: Liquidated, facts: Facts) -> dict[str, Any]:
    """Named after its first fill, and as large as its fills of the block."""
    sold = [item for item in facts if isinstance(item, Filled) and item.liquidated_user == fact.user]
    return {
        "lid": sold[0].tid if sold else 0,
        "liquidator": BACKSTOP_ADDRESS if fact.method == "backstop" else NOBODY,
        "liquidated_user": fact.user,
        "liquidated_ntl_pos": wire(sum((item.px * item.sz for item in sold), Decimal(0))),
        "liquidated_account_value": wire(fact.account_value_usd),
    }


def _fills(subscription: subs.UserFillsSub, facts: Facts) -> Iterator[Any]:
    filled = [fact for fact in facts if isinstance(fact, Filled)]
    if filled:
        shown = shapes.aggregated(filled) if subscription.aggregate_by_time else filled
        yield {"user": subscription.user, "fills": [shapes.fill(item) for item in shown]}


def _fundings(subscription: subs.UserFundingsSub, facts: Facts) -> Iterator[Any]:
    paid = [shapes.funding(fact) for fact in facts if isinstance(fact, FundingPaid)]
    if paid:
        yield {"user": subscription.user, "fundings": paid}


def _ledger(subscription: subs.LedgerUpdatesSub, facts: Facts) -> Iterator[Any]:
    updates = [shapes.ledger_entry(fact) for fact in facts if isinstance(fact, LedgerUpdated)]
    if updates:
        yield {"user": subscription.user, "nonFundingLedgerUpdates": updates}


def _history(subscription: subs.HistoricalOrdersSub, facts: Facts) -> Iterator[Any]:
    states = [shapes.order_state(fact) for fact in _statuses(facts)]
    if states:
        yield {"user": subscription.user, "orderHistory": states}


LIVE: dict[type[subs.Subscription], Callable[[Any, Facts], Iterator[Any]]] = {
    subs.OrderUpdatesSub: _order_updates,
    subs.UserEventsSub: _events,
    subs.UserFillsSub: _fills,
    subs.UserFundingsSub: _fundings,
    subs.LedgerUpdatesSub: _ledger,
    subs.HistoricalOrdersSub: _history,
}
"""In the order in which one block's frames go out."""


# ---- on subscribe --------------------------------------------------------------------------------------------


def snapshot(view: View, subscription: subs.AnySubscription) -> Iterator[Any]:
    """Data of the first frame, where the channel has one."""
    if isinstance(subscription, subs.OrderUpdatesSub):
        if view.world.config.order_snapshot:
            account = view.met(subscription.user)
            orders = (order for dex in view.world.dexs for order in reversed(live_orders(account, dex.name)))
            yield [shapes.order_update(order) for order in orders]
    elif isinstance(subscription, subs.UserSubscription):
        build = SNAPSHOTS.get(type(subscription))
        if build is not None:
            yield {"isSnapshot": True, "user": subscription.user} | build(view, subscription)


def _past_fills(view: View, subscription: subs.UserFillsSub) -> dict[str, Any]:
    fills = view.met(subscription.user).fills
    return {"fills": newest_fills(fills, subscription.aggregate_by_time, view.world.config.fills_snapshot)}


def _past_fundings(view: View, subscription: subs.UserFundingsSub) -> dict[str, Any]:
    return {"fundings": _newest(map(shapes.funding, view.met(subscription.user).fundings))}


def _past_ledger(view: View, subscription: subs.LedgerUpdatesSub) -> dict[str, Any]:
    return {"nonFundingLedgerUpdates": _newest(map(shapes.ledger_entry, view.met(subscription.user).ledger))}


def _newest(items: Iterable[Any]) -> list[Any]:
    """Newest first."""
    return list(items)[::-1][:EVENTS_SHOWN]


def _past_orders(view: View, subscription: subs.HistoricalOrdersSub) -> dict[str, Any]:
    return {"orderHistory": history(view.met(subscription.user))}


SNAPSHOTS: dict[type[subs.Subscription], Callable[[View, Any], dict[str, Any]]] = {
    subs.UserFillsSub: _past_fills,
    subs.UserFundingsSub: _past_fundings,
    subs.LedgerUpdatesSub: _past_ledger,
    subs.HistoricalOrdersSub: _past_orders,
    subs.TwapSliceFillsSub: lambda view, subscription: {"twapSliceFills": []},
    subs.TwapHistorySub: lambda view, subscription: {"history": []},
}
