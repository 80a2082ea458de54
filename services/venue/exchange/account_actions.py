"""Every action but orders: settings of an account, its margin, its permissions, its money."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from services.venue.exchange import margin, permissions, transfers
from services.venue.exchange.account import Account, Leverage, Position
from services.venue.exchange.listing import Listing
from services.venue.exchange.refusals import INVALID_ASSET
from services.venue.exchange.replies import DONE
from services.venue.exchange.world import ISOLATED, Refused, World
from shared.hyperliquid import actions

REQUEST_PRICE = 500
"""Micro-dollars for one request more."""
INVALID_LEVERAGE = "Invalid leverage value"
LITTLE_ISOLATED = (
    "Isolated position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, add margin to the position."
)
LITTLE_CROSS = "Cross position does not have sufficient margin available to decrease leverage."
LITTLE_TO_ADD = "Account does not have sufficient margin available for increase."
LITTLE_TO_REMOVE = "Position does not have sufficient margin available for decrease."
NOT_ISOLATED = "Position does not use isolated margin."
ABSTRACTIONS = {"i": "disabled", "u": "unifiedAccount", "p": "portfolioMargin"}


def update_leverage(world: World, account: Account, action: actions.UpdateLeverage) -> dict[str, Any]:
    listing = _listing(world, action.asset)
    old, new = margin.leverage_of(world, account, listing), Leverage(action.leverage, action.is_cross)
    if not 1 <= new.value <= listing.max_leverage:
        raise Refused(INVALID_LEVERAGE)
    if new.value > old.value and not margin.tier_allows(account, listing, new.value):
        raise Refused(INVALID_LEVERAGE)
    if new.is_cross and listing.margin_mode != "normal":
        raise Refused("Cross margin is not allowed for this asset.")
    if new.is_cross != old.is_cross and account.position(listing.dex.name, listing.coin):
        raise Refused("Cannot switch leverage type with open position.")
    if not margin.may_set_leverage(world, account, listing, new.value):
        raise Refused(LITTLE_CROSS if new.is_cross else LITTLE_ISOLATED)
    account.leverage[listing.coin] = new
    return DONE


def update_isolated_margin(world: World, account: Account, action: actions.UpdateIsolatedMargin) -> dict[str, Any]:
    listing = _listing(world, action.asset)
    _isolated(account, listing)
    _move_isolated(world, account, listing, action.ntli)
    return DONE


def top_up_isolated(world: World, account: Account, action: actions.TopUpIsolatedOnlyMargin) -> dict[str, Any]:
    """Add what brings the position's leverage, notional to equity at mark, down to the target."""
    listing, target = _listing(world, action.asset), Decimal(action.leverage)
    if target <= 0:
        raise Refused(INVALID_LEVERAGE)
    position = _isolated(account, listing)
    value = position.lots * listing.mark_px
    missing = int(abs(value) / target) - (value + (position.isolated_usd or 0))
    if missing > 0:
        _move_isolated(world, account, listing, missing)
    return DONE


def _move_isolated(world: World, account: Account, listing: Listing, amount: int) -> None:
    if not margin.may_move_isolated(world, account, listing, amount):
        raise Refused(LITTLE_TO_ADD if amount > 0 else LITTLE_TO_REMOVE)
    world.move(account, listing.dex.name, -amount, "isolatedMargin")
    world.move(account, ISOLATED + listing.coin, amount, "isolatedMargin")


def _isolated(account: Account, listing: Listing) -> Position:
    position = account.position(listing.dex.name, listing.coin)
    if position is None or position.isolated_usd is None:
        raise Refused(NOT_ISOLATED)
    return position


def _listing(world: World, asset: int) -> Listing:
    listing = world.by_asset.get(asset)
    if listing is None:
        raise Refused(INVALID_ASSET)
    return listing


def noop(world: World, account: Account, action: actions.Noop) -> dict[str, Any]:
    return DONE


def set_referrer(world: World, account: Account, action: actions.SetReferrer) -> dict[str, Any]:
    """Once and for all; any code is known."""
    if account.referrer is not None:
        raise Refused("Referrer already set.")
    account.referrer = action.code
    return DONE


def reserve_request_weight(world: World, account: Account, action: actions.ReserveRequestWeight) -> dict[str, Any]:
    """Buy requests for the account or for another one, from the cross pool of the first dex."""
    cost = REQUEST_PRICE * action.weight
    to = account if action.destination is None else world.accounts.get(action.destination)
    if to is None:
        raise Refused(f"User or API Wallet {action.destination} does not exist.")
    if cost > margin.withdrawable(world, account, transfers.FIRST_POOL):
        raise Refused(transfers.NO_WITHDRAWAL)
    world.move(account, transfers.FIRST_POOL, -cost, "reserveWeight")
    world.fees += cost
    to.requests_bought += action.weight
    return DONE


def vault_transfer(world: World, account: Account, action: actions.VaultTransfer) -> dict[str, Any]:
    """This venue has no vaults."""
    raise Refused(f"Vault not registered: {action.vault_address}")


def agent_set_abstraction(world: World, account: Account, action: actions.AgentSetAbstraction) -> dict[str, Any]:
    account.abstraction = ABSTRACTIONS[action.abstraction]
    return DONE


def user_set_abstraction(world: World, account: Account, action: actions.UserSetAbstraction) -> dict[str, Any]:
    """Of the signer or of a sub-account. The mode is remembered and told; margin stays that of standard mode."""
    named = action.user.lower()
    holder = account if named == account.address else transfers.owned(world, account, named)
    holder.abstraction = action.abstraction
    return DONE


ACCOUNT_ACTIONS: dict[type[actions.Action], Callable[[World, Account, Any], dict[str, Any]]] = {
    actions.UpdateLeverage: update_leverage,
    actions.UpdateIsolatedMargin: update_isolated_margin,
    actions.TopUpIsolatedOnlyMargin: top_up_isolated,
    actions.Noop: noop,
    actions.SetReferrer: set_referrer,
    actions.ReserveRequestWeight: reserve_request_weight,
    actions.VaultTransfer: vault_transfer,
    actions.AgentSetAbstraction: agent_set_abstraction,
    actions.UserSetAbstraction: user_set_abstraction,
    actions.CreateSubAccount: permissions.create_sub_account,
    actions.ApproveAgent: permissions.approve_agent,
    actions.ApproveBuilderFee: permissions.approve_builder_fee,
    actions.SubAccountTransfer: transfers.sub_account_transfer,
    actions.SubAccountSpotTransfer: transfers.sub_account_spot_transfer,
    actions.UsdClassTransfer: transfers.usd_class_transfer,
    actions.UsdSend: transfers.usd_send,
    actions.SpotSend: transfers.spot_send,
    actions.SendAsset: transfers.send_asset,
    actions.Withdraw: transfers.withdraw,
}
"""A handler gets the account that the request acts for (see `admission`); it refuses or answers."""
