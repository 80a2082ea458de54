"""The operator's door to accounts and coins."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import msgspec
from aiohttp import web

from services.venue.api.control import CannotDo, VenueControl, body_of, names
from services.venue.exchange.account import Account, DayVolume
from services.venue.exchange.admission import meet
from services.venue.exchange.listing import Listing, micro, usd
from services.venue.exchange.orders import AccountOrder
from services.venue.exchange.permissions import AGENT_DAYS, AGENT_DAYS_MOST, DAY_MS
from services.venue.exchange.summary import PositionSummary, summary
from services.venue.exchange.transfers import deposit
from services.venue.exchange.world import World
from services.venue.faults.external import action_of
from services.venue.faults.kinds import External, Halt, OnAccount
from services.venue.faults.scenario import fault_of
from shared.clock import utc_day
from shared.hyperliquid.actions import Address, ApproveAgent, Withdraw
from shared.units import wire

MOST_USD = Decimal(10**12)


class AccountChange(msgspec.Struct, forbid_unknown_fields=True):
    """USDC. `volume` is what the account is made to have traded yesterday: it decides today's fee tier, and counts
    towards the request budget and everything else that asks for volume."""

    deposit: Decimal | None = None
    withdraw: Decimal | None = None
    volume: Decimal | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _check_usd(name, getattr(self, name))


class NewAgent(msgspec.Struct, forbid_unknown_fields=True):
    """A key that may sign for `user`, by its address."""

    user: str
    agent: Address
    name: str = ""
    days: float = AGENT_DAYS

    def __post_init__(self) -> None:
        if not 0 < self.days <= AGENT_DAYS_MOST:
            raise ValueError(f"days must be above 0 and at most {AGENT_DAYS_MOST}, not {self.days:g}")


class CoinChange(msgspec.Struct, forbid_unknown_fields=True):
    """`oi_cap` in USDC; null takes it away."""

    halted: bool | None = None
    oi_cap: Decimal | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.oi_cap is not msgspec.UNSET:
            _check_usd("oi_cap", self.oi_cap)


def _check_usd(name: str, amount: Decimal | None) -> None:
    if amount is not None and not (amount.is_finite() and 0 <= amount <= MOST_USD):
        raise ValueError(f"{name} must be an amount of USDC, not {amount}")


# ---- accounts ------------------------------------------------------------------------------------------------


async def list_accounts(control: VenueControl, request: web.Request) -> Any:
    return {"accounts": [_account(control.world, account) for account in control.world.accounts]}


async def show_account(control: VenueControl, request: web.Request) -> Any:
    address = _address(request.match_info["address"])
    account = control.world.accounts.get(address)
    if account is None:
        raise CannotDo(f"no account has the address {address}; a deposit opens it", 404)
    return _account(control.world, account) | {"orders": [_order(order) for order in account.orders.values()]}


async def change_account(control: VenueControl, request: web.Request) -> Any:
    """Money is paid in at once; it leaves by the venue's own rules, fee included. A deposit opens an account."""
    world, change = control.world, await body_of(request, AccountChange)
    account = _opened(world, request.match_info["address"], by_deposit=change.deposit is not None)
    if change.deposit:
        deposit(world, account, micro(change.deposit))
    if change.volume is not None:
        _set_volume(world, account, micro(change.volume))
    reply = None
    if change.withdraw:
        reply = await control.act(account, _withdrawal(world, account, change.withdraw))
    return _account(world, account) | ({} if reply is None else {"reply": reply})


async def approve_agent(control: VenueControl, request: web.Request) -> Any:
    """As if the account's owner had approved it, by the venue's own rules."""
    world, wanted = control.world, await body_of(request, NewAgent)
    account = _opened(world, wanted.user)
    until_ms = world.now_ms + int(wanted.days * DAY_MS)
    action = ApproveAgent(
        signature_chain_id="0x1",
        hyperliquid_chain=world.config.chain,
        agent_address=wanted.agent,
        nonce=world.now_ms,
        agent_name=f"{wanted.name} valid_until {until_ms}",
    )
    return await control.act(account, action)


async def place_order(control: VenueControl, request: web.Request) -> Any:
    """The fields of the fault `external_order`."""
    return await _act(control, request, "external_order")


async def cancel_orders(control: VenueControl, request: web.Request) -> Any:
    """The fields of the fault `external_cancel`."""
    return await _act(control, request, "external_cancel")


async def _act(control: VenueControl, request: web.Request, kind: str) -> dict[str, Any]:
    fields = await body_of(request, dict[str, Any])
    of_faults = fields.keys() & set(OnAccount.__struct_fields__) - {"user"}
    if of_faults:
        raise CannotDo(f"{', '.join(sorted(of_faults))} belong to faults: this happens once and now")
    external = cast(External, fault_of({**fields, "fault": kind}, names(control.world)))
    return await control.act(_opened(control.world, external.user), action_of(control.world, external))


def _opened(world: World, address: str, *, by_deposit: bool = False) -> Account:
    account = meet(world, _address(address))
    if account is None and world.accounts.was_agent(address):
        raise CannotDo(f"{address} is a key that signs for an account")
    if account is None and by_deposit:
        account = world.accounts.open(address, world.now_ms)
    if account is None:
        raise CannotDo(f"no account has the address {address}; a deposit opens it", 404)
    return account


def _address(text: str) -> str:
    try:
        return msgspec.convert(text, Address)
    except msgspec.ValidationError as error:
        raise CannotDo(f"{text!r} is no address; one is 0x and 40 hex digits") from error


def _withdrawal(world: World, account: Account, amount: Decimal) -> Withdraw:
    return Withdraw(
        signature_chain_id="0x1",
        hyperliquid_chain=world.config.chain,
        destination=account.address,
        amount=wire(amount),
        time=world.now_ms,
    )


def _set_volume(world: World, account: Account, ntl: int) -> None:
    yesterday = (utc_day(world.now_ms) - timedelta(days=1)).isoformat()
    day = account.days.setdefault(yesterday, DayVolume())
    account.cum_ntl += ntl - day.taker_ntl
    day.taker_ntl = ntl


def _account(world: World, account: Account) -> dict[str, Any]:
    return {
        "address": account.address,
        "role": account.role,
        "master": account.master.address if account.master else None,
        "agents": [agent.address for agent in account.agents.values()],
        "spot": usd(account.spot_usd),
        "volume": usd(account.cum_ntl),
        "dexs": {dex: _dex(world, account, dex) for dex in account.pools},
        "open_orders": len(account.orders),
    }


def _dex(world: World, account: Account, dex: str) -> dict[str, Any]:
    found = summary(world, account, dex)
    return {
        "value": usd(found.all.account_value),
        "withdrawable": usd(found.withdrawable),
        "positions": [_position(position) for position in found.positions],
    }


def _position(position: PositionSummary) -> dict[str, Any]:
    return {
        "coin": position.listing.coin,
        "szi": position.listing.sz(position.lots),
        "entry_px": position.entry_px,
        "unrealized_pnl": usd(position.unrealized_pnl),
        "leverage": position.leverage.value,
        "isolated": position.isolated_usd is not None,
    }


def _order(order: AccountOrder) -> dict[str, Any]:
    listing = order.listing
    return {
        "oid": order.oid,
        "coin": listing.coin,
        "side": "buy" if order.sign == 1 else "sell",
        "px": listing.px(order.px),
        "sz": listing.sz(order.lots),
        "tif": order.tif,
        "reduce_only": order.reduce_only,
        "cloid": order.cloid,
        "trigger_px": None if order.trigger is None else listing.px(order.trigger.px),
        "queue_ahead": None if order.ahead_lots is None else listing.sz(order.ahead_lots),
    }


# ---- coins ---------------------------------------------------------------------------------------------------


async def list_coins(control: VenueControl, request: web.Request) -> Any:
    return {"coins": [_coin(control, listing) for listing in control.world.listings.values()]}


async def change_coin(control: VenueControl, request: web.Request) -> Any:
    """A halt is the fault `halt` until it is ended; resuming ends every halt of the coin."""
    coin, change = request.match_info["coin"], await body_of(request, CoinChange)
    listing = control.world.listings.get(coin)
    if listing is None:
        raise CannotDo(f"no coin {coin!r}; there are {', '.join(control.world.listings)}", 404)
    if change.halted is not None:
        _halt(control, coin, change.halted)
    if change.oi_cap is not msgspec.UNSET:
        listing.oi_cap_ntl = None if change.oi_cap is None else micro(change.oi_cap)
    return _coin(control, listing)


def _halt(control: VenueControl, coin: str, halted: bool) -> None:
    faults, now_ms = control.faults, control.fault_ms()
    if not halted:
        for on in faults.running():
            if isinstance(on.fault, Halt) and on.fault.coin == coin:
                faults.end(now_ms, on.number)
    elif not faults.halted(now_ms, coin):
        faults.start(now_ms, Halt(coin=coin))


def _coin(control: VenueControl, listing: Listing) -> dict[str, Any]:
    return {
        "coin": listing.coin,
        "asset": listing.asset,
        "mark_px": listing.px(listing.mark_px),
        "oracle_px": listing.px(listing.oracle_px),
        "funding_1h": listing.rate_1h,
        "max_leverage": listing.max_leverage,
        "halted": control.faults.halted(control.fault_ms(), listing.coin),
        "oi_cap": None if listing.oi_cap_ntl is None else usd(listing.oi_cap_ntl),
    }
