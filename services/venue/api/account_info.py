"""Answers about what an account has: margin, positions, balances, leverage settings, history of its value."""

from typing import Any

from services.venue.api import dex_info, info, order_info, shapes
from services.venue.api.shapes import money
from services.venue.api.view import View
from services.venue.exchange import margin
from services.venue.exchange.account import Account
from services.venue.exchange.summary import summary
from shared.units import wire


def clearinghouse_state(view: View, request: info.ClearinghouseState) -> Any:
    return clearinghouse(view, view.met(request.user), request.dex or "")


def clearinghouse(view: View, account: Account, dex: str) -> Any:
    """Null for an unknown dex."""
    if view.world.dex(dex) is None:
        return None
    return shapes.clearinghouse(summary(view.world, account, dex), view.now_ms)


def all_clearinghouses(view: View, user: str) -> dict[str, Any]:
    """Data of `allDexsClearinghouseState`."""
    account = view.met(user)
    return {
        "user": account.address,
        "clearinghouseStates": [[dex.name, clearinghouse(view, account, dex.name)] for dex in view.world.dexs],
    }


def spot_state(view: View, request: info.SpotClearinghouseState) -> Any:
    return spot(view.met(request.user))


def spot(account: Account) -> dict[str, Any]:
    """USDC only, and nothing where there is none."""
    if not account.spot_usd:
        return {"balances": []}
    total = money(account.spot_usd)
    return {"balances": [{"coin": shapes.TOKEN, "token": 0, "total": total, "hold": "0.0", "entryNtl": "0.0"}]}


def active_asset_data(view: View, request: info.ActiveAssetData) -> Any:
    """Null for an unknown coin. The only place that tells a leverage setting without a position."""
    listing = view.world.listings.get(request.coin)
    if listing is None:
        return None
    world, account = view.world, view.met(request.user)
    position = account.position(listing.dex.name, listing.coin)
    setting = margin.leverage_of(world, account, listing)
    return {
        "user": account.address,
        "coin": request.coin,
        "leverage": shapes.leverage(setting, position.isolated_usd if position else None),
        "maxTradeSzs": [wire(listing.sz(lots)) for lots in margin.max_trade_lots(world, account, listing)],
        "availableToTrade": [money(amount) for amount in margin.available_to_trade(world, account, listing)],
        "markPx": wire(listing.px(listing.mark_px)),
    }


def portfolio(view: View, request: info.Portfolio) -> Any:
    return view.portfolios.answer(view.world, view.met(request.user), view.now_ms)


def sub_accounts(view: View, request: info.SubAccounts) -> Any:
    """Null without any."""
    account = view.account(request.user)
    if not account.sub_accounts:
        return None
    return [
        {
            "name": sub.sub_name,
            "subAccountUser": sub.address,
            "master": account.address,
            "clearinghouseState": clearinghouse(view, sub, ""),
            "spotState": spot(sub),
        }
        for sub in account.sub_accounts
    ]


def web_data(view: View, request: info.WebData2) -> Any:
    """What the front end shows of one user and of the first dex's markets."""
    account = view.met(request.user)
    agent = account.agents.get("")
    first = view.world.dexs[0]
    return {
        "clearinghouseState": clearinghouse(view, account, first.name),
        "leadingVaults": [],
        "totalVaultEquity": "0.0",
        "openOrders": order_info.frontend_orders(account, first.name),
        "agentAddress": agent.address if agent else None,
        "agentValidUntil": agent.valid_until_ms if agent else None,
        "cumLedger": money(view.portfolios.net_deposit_of(account.address)),
        "meta": dex_info.universe(view.world, first),
        "assetCtxs": dex_info.contexts(view, first),
        "serverTime": view.now_ms,
        "isVault": account.role == "vault",
        "user": account.address,
        "twapStates": [],
        "spotState": spot(account),
        "spotAssetCtxs": [],
        "perpsAtOpenInterestCap": dex_info.capped_coins(view.world, first.name),
    }
