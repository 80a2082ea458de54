"""The request budget of an address (reference page §7): 10000 actions and one for each dollar traded.

Beyond it one request each 10 s is let through, counted from the last one that was. Refused requests cost nothing.
A batch is let through whole, whatever is left of the budget.
"""

from services.venue.exchange.account import Account
from services.venue.exchange.listing import MICRO
from services.venue.exchange.replies import dollars
from services.venue.exchange.world import Refused, World
from shared.hyperliquid.actions import AnyAction, BatchModify, Cancel, CancelByCloid, PlaceOrders

FREE_REQUESTS = 10_000
MORE_CANCELS = 100_000
BEYOND_EVERY_MS = 10_000
EXPIRED_WEIGHT = 5


def weight(action: AnyAction) -> int:
    """What an action costs: one for each order or cancel in it."""
    match action:
        case PlaceOrders(orders=items) | Cancel(cancels=items) | CancelByCloid(cancels=items):
            return len(items)
        case BatchModify(modifies=items):
            return len(items)
    return 1


def used(account: Account) -> int:
    """Requests that count (`nRequestsUsed`); bought ones are used up first."""
    return max(account.requests_used - account.requests_bought, 0)


def cap(account: Account) -> int:
    """Requests an address may have sent by now (`nRequestsCap`)."""
    return FREE_REQUESTS + account.cum_ntl // MICRO


def cancel_cap(account: Account) -> int:
    """The same for cancels, which are let through longer."""
    return min(cap(account) + MORE_CANCELS, 2 * cap(account))


def charge(world: World, account: Account, action: AnyAction) -> None:
    """Count an action, or refuse it.

    Raises:
        Refused: over the weight limit of one action, or over the budget.
    """
    size, most = weight(action), world.config.action_weight_limit
    if world.config.limits:
        if size > most:
            raise Refused(f"Signed action over weight limit of {most}.")
        if world.switches.address_budget:
            _hold_to_budget(world, account, isinstance(action, Cancel | CancelByCloid))
    account.requests_used += size


def _hold_to_budget(world: World, account: Account, is_cancel: bool) -> None:
    sent, allowed = used(account) + 1, (cancel_cap(account) if is_cancel else cap(account)) - 1
    if sent <= allowed:
        return
    last_ms = account.over_budget_ms
    if last_ms is not None and world.now_ms - last_ms < BEYOND_EVERY_MS:
        raise Refused(
            f"Too many cumulative requests sent ({sent} > {allowed}) for cumulative volume traded "
            f"{dollars(account.cum_ntl)}. Place taker orders to free up 1 request per USDC traded."
        )
    account.over_budget_ms = world.now_ms
