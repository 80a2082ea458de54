"""Money that goes from one balance to another. Every movement is also a line of both accounts' ledgers.

USDC is the only token; an account that has been sent money exists from then on, without any other funds.
"""

from decimal import Decimal
from typing import Any

from services.venue.exchange import margin
from services.venue.exchange.account import Account
from services.venue.exchange.facts import LedgerUpdated, MoneyReason
from services.venue.exchange.listing import micro, usd
from services.venue.exchange.replies import DONE
from services.venue.exchange.world import SPOT, Refused, World
from shared.hyperliquid import actions
from shared.units import wire

FIRST_POOL = ""
TOKEN = "USDC"
NO_WITHDRAWAL = "Insufficient balance for withdrawal"
NO_TRANSFER = "Insufficient balance for token transfer"


def deposit(world: World, account: Account, amount: int) -> None:
    """Micro-dollars from outside into the pool of the first dex."""
    world.deposited += amount
    world.move(account, FIRST_POOL, amount, "deposit")
    _enter(world, {"type": "deposit", "usdc": _text(amount)}, account)


def withdraw(world: World, account: Account, action: actions.Withdraw) -> dict[str, Any]:
    """The fee is part of the amount, and leaves with it."""
    amount, fee = _micro(action.amount), micro(world.config.withdrawal_fee)
    if amount < fee:
        raise Refused(NO_WITHDRAWAL)
    _take(world, account, FIRST_POOL, amount, "withdraw")
    world.deposited -= amount
    delta = {"type": "withdraw", "usdc": _text(amount - fee), "nonce": action.time, "fee": _text(fee)}
    _enter(world, delta, account)
    return DONE


def usd_send(world: World, account: Account, action: actions.UsdSend) -> dict[str, Any]:
    amount = _micro(action.amount)
    to = _shift(world, account, FIRST_POOL, action.destination, FIRST_POOL, amount)
    delta = {"type": "internalTransfer", "usdc": _text(amount), **_parties(account, to), "fee": "0.0"}
    _enter(world, delta, account, to)
    return DONE


def spot_send(world: World, account: Account, action: actions.SpotSend) -> dict[str, Any]:
    _only_usdc(action.token)
    amount = _micro(action.amount)
    to = _shift(world, account, SPOT, action.destination, SPOT, amount)
    _enter(world, _token_delta("spotTransfer", amount, account, to, action.time), account, to)
    return DONE


def send_asset(world: World, account: Account, action: actions.SendAsset) -> dict[str, Any]:
    """Between dexs, spot and accounts; a dex is named, the first one "", spot `spot`."""
    _only_usdc(action.token)
    for pool in (action.source_dex, action.destination_dex):
        if pool != SPOT and world.dex(pool) is None:
            raise Refused(f"Invalid dex: {pool}")
    source = owned(world, account, action.from_sub_account) if action.from_sub_account else account
    amount = _micro(action.amount)
    to = _shift(world, source, action.source_dex, action.destination, action.destination_dex, amount)
    dexs = {"sourceDex": action.source_dex, "destinationDex": action.destination_dex}
    _enter(world, {**_token_delta("send", amount, source, to, action.nonce), **dexs}, source, to)
    return DONE


def usd_class_transfer(world: World, account: Account, action: actions.UsdClassTransfer) -> dict[str, Any]:
    """Between spot and the first dex, of the account or of a sub-account that the amount names."""
    text, _, address = action.amount.partition(" subaccount:")
    holder = owned(world, account, address) if address else account
    if holder.abstraction != "disabled":
        raise Refused("Action disabled when unified account is active")
    amount = _micro(text)
    source, target = (SPOT, FIRST_POOL) if action.to_perp else (FIRST_POOL, SPOT)
    _shift(world, holder, source, holder.address, target, amount)
    _enter(world, {"type": "accountClassTransfer", "usdc": _text(amount), "toPerp": action.to_perp}, holder)
    return DONE


def sub_account_transfer(world: World, account: Account, action: actions.SubAccountTransfer) -> dict[str, Any]:
    source, to = _direction(account, owned(world, account, action.sub_account_user), action.is_deposit)
    _shift(world, source, FIRST_POOL, to.address, FIRST_POOL, action.usd)
    _enter(world, {"type": "subAccountTransfer", "usdc": _text(action.usd), **_parties(source, to)}, source, to)
    return DONE


def sub_account_spot_transfer(
    world: World, account: Account, action: actions.SubAccountSpotTransfer
) -> dict[str, Any]:
    _only_usdc(action.token)
    source, to = _direction(account, owned(world, account, action.sub_account_user), action.is_deposit)
    amount = _micro(action.amount)
    _shift(world, source, SPOT, to.address, SPOT, amount)
    _enter(world, _token_delta("spotTransfer", amount, source, to, None), source, to)
    return DONE


def owned(world: World, account: Account, address: str) -> Account:
    """A sub-account of the account.

    Raises:
        Refused: there is none of that address.
    """
    found = world.accounts.get(address)
    if found is None or found.master is not account:
        raise Refused(f"Vault not registered: {address.lower()}")
    return found


def _direction(master: Account, sub: Account, is_deposit: bool) -> tuple[Account, Account]:
    return (master, sub) if is_deposit else (sub, master)


def _only_usdc(token: str) -> None:
    """A token is named with its address, `USDC:0x…`; nobody here has any other."""
    if token.partition(":")[0] != TOKEN:
        raise Refused(NO_TRANSFER)


def _micro(amount: str) -> int:
    return micro(Decimal(amount))


def _text(amount: int) -> str:
    return wire(usd(amount))


def _shift(
    world: World, source: Account, source_pool: str, destination: str, destination_pool: str, amount: int
) -> Account:
    """Move an amount, and say who got it."""
    _take(world, source, source_pool, amount, "transfer")
    to = world.accounts.get(destination) or world.accounts.open(destination, world.now_ms)
    world.move(to, destination_pool, amount, "transfer")
    return to


def _take(world: World, account: Account, pool: str, amount: int, reason: MoneyReason) -> None:
    if pool == SPOT:
        if amount > account.spot_usd:
            raise Refused(NO_TRANSFER)
    elif amount > margin.withdrawable(world, account, pool):
        raise Refused(NO_WITHDRAWAL)
    world.move(account, pool, -amount, reason)


def _parties(source: Account, to: Account) -> dict[str, str]:
    return {"user": source.address, "destination": to.address}


def _token_delta(kind: str, amount: int, source: Account, to: Account, nonce: int | None) -> dict[str, Any]:
    fees = {"fee": "0.0", "nativeTokenFee": "0.0", "feeToken": ""}
    worth = {"token": TOKEN, "amount": _text(amount), "usdcValue": _text(amount)}
    return {"type": kind, **worth, **_parties(source, to), **fees, "nonce": nonce}


def _enter(world: World, delta: dict[str, Any], *accounts: Account) -> None:
    transaction = world.next_hash()
    for user in dict.fromkeys(account.address for account in accounts):
        world.note(LedgerUpdated(time_ms=world.now_ms, user=user, hash=transaction, delta=delta))
