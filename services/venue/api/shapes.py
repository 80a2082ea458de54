"""Orders, fills, payments and positions of accounts as the JSON the venue sends (reference page §3.3 to §3.5)."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from services.venue.api.frames import number
from services.venue.exchange.account import Leverage
from services.venue.exchange.facts import Filled, FundingPaid, LedgerUpdated, OrderChanged
from services.venue.exchange.listing import usd
from services.venue.exchange.summary import PositionSummary, Summary, Totals
from services.venue.market.book import MAX_DECIMALS
from shared.units import wire

TOKEN = "USDC"


def money(micro: int) -> str:
    """Micro-dollars as dollars."""
    return wire(usd(micro))


# ---- orders --------------------------------------------------------------------------------------------------


def _limit_order(order: OrderChanged) -> dict[str, Any]:
    return {
        "coin": order.coin,
        "side": order.side,
        "limitPx": number(order.limit_px),
        "sz": number(order.sz),
        "oid": order.oid,
        "timestamp": order.placed_ms,
        "origSz": number(order.orig_sz),
    }


def basic_order(order: OrderChanged) -> dict[str, Any]:
    """As `openOrders` and `orderUpdates` show it; triggers look like plain limit orders there."""
    shown = _limit_order(order)
    if order.cloid is not None:
        shown["cloid"] = order.cloid
    if order.reduce_only:
        shown["reduceOnly"] = True
    return shown


def frontend_order(order: OrderChanged) -> dict[str, Any]:
    """As `frontendOpenOrders`, `orderStatus` and `historicalOrders` show it."""
    return _limit_order(order) | {
        "triggerCondition": _trigger_condition(order),
        "isTrigger": order.trigger_px is not None,
        "triggerPx": number(order.trigger_px or Decimal(0)),
        "children": [frontend_order(child) for child in order.children],
        "isPositionTpsl": order.is_position_tpsl,
        "reduceOnly": order.reduce_only,
        "orderType": _order_type(order),
        "tif": order.tif,
        "cloid": order.cloid,
    }


def _trigger_condition(order: OrderChanged) -> str:
    """A stop of a long and a take-profit of a short wait for lower prices."""
    if order.trigger_px is None:
        return "N/A"
    below = (order.trigger_tpsl == "sl") == (order.side == "A")
    return f"Price {'below' if below else 'above'} {number(order.trigger_px).removesuffix('.0')}"


def _order_type(order: OrderChanged) -> str:
    if order.trigger_px is not None:
        kind = "Stop" if order.trigger_tpsl == "sl" else "Take Profit"
        return f"{kind} {'Market' if order.trigger_is_market else 'Limit'}"
    return "Market" if order.tif in ("FrontendMarket", "LiquidationMarket") else "Limit"


def order_state(order: OrderChanged) -> dict[str, Any]:
    """One entry of `historicalOrders`."""
    return {"order": frontend_order(order), "status": order.status, "statusTimestamp": order.time_ms}


def order_update(order: OrderChanged) -> dict[str, Any]:
    """One entry of the channel `orderUpdates`."""
    return {"order": basic_order(order), "status": order.status, "statusTimestamp": order.time_ms}


# ---- fills and payments --------------------------------------------------------------------------------------


def fill(item: Filled) -> dict[str, Any]:
    """As `userFills` shows it; keys that mean nothing for this fill are absent."""
    shown: dict[str, Any] = {
        "coin": item.coin,
        "px": number(item.px),
        "sz": number(item.sz),
        "side": item.side,
        "time": item.time_ms,
        "startPosition": number(item.start_position),
        "dir": item.dir,
        "closedPnl": wire(item.closed_pnl),
        "hash": item.hash,
        "oid": item.oid,
        "crossed": item.crossed,
        "fee": wire(item.fee),
        "tid": item.tid,
        "feeToken": TOKEN,
        "twapId": None,
    }
    if item.cloid is not None:
        shown["cloid"] = item.cloid
    if item.builder_fee is not None:
        shown["builderFee"] = wire(item.builder_fee)
    if item.liquidated_user is not None:
        shown["liquidation"] = {
            "liquidatedUser": item.liquidated_user,
            "markPx": wire(item.liquidation_mark_px or Decimal(0)),
            "method": item.liquidation_method,
        }
    return shown


def aggregated(items: Iterable[Filled]) -> list[Filled]:
    """Fills of one order in one block as one, oldest first."""
    groups: dict[tuple[int, str, int], list[Filled]] = {}
    for item in items:
        groups.setdefault((item.time_ms, item.coin, item.oid), []).append(item)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def _joined(group: list[Filled]) -> Filled:
    """One fill at the average price, with the ids and the start position of the earliest part."""
    sz = _total(item.sz for item in group)
    ntl = _total(item.px * item.sz for item in group)
    return msgspec.structs.replace(
        group[0],
        px=round(ntl / sz, MAX_DECIMALS),
        sz=sz,
        closed_pnl=_total(item.closed_pnl for item in group),
        fee=_total(item.fee for item in group),
        builder_fee=None
        if group[0].builder_fee is None
        else _total(item.builder_fee or Decimal(0) for item in group),
    )


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def funding(item: FundingPaid) -> dict[str, Any]:
    """As the channels `userFundings` and `user` show it."""
    return {"time": item.time_ms} | _funding_delta(item)


def funding_entry(item: FundingPaid) -> dict[str, Any]:
    """One entry of `userFunding`."""
    return {"time": item.time_ms, "hash": item.hash, "delta": {"type": "funding"} | _funding_delta(item)}


def _funding_delta(item: FundingPaid) -> dict[str, Any]:
    return {
        "coin": item.coin,
        "usdc": wire(item.usd),
        "szi": number(item.szi),
        "fundingRate": wire(item.rate),
        "nSamples": None,
    }


def ledger_entry(item: LedgerUpdated) -> dict[str, Any]:
    return {"time": item.time_ms, "hash": item.hash, "delta": item.delta}


# ---- margin --------------------------------------------------------------------------------------------------


def leverage(setting: Leverage, isolated_usd: int | None) -> dict[str, Any]:
    """`rawUsd` is the cash of an isolated position; without one it is zero."""
    if setting.is_cross:
        return {"type": "cross", "value": setting.value}
    return {"type": "isolated", "value": setting.value, "rawUsd": money(isolated_usd or 0)}


def clearinghouse(summary: Summary, time_ms: int) -> dict[str, Any]:
    return {
        "marginSummary": _totals(summary.all),
        "crossMarginSummary": _totals(summary.cross),
        "crossMaintenanceMarginUsed": money(summary.cross_maintenance),
        "withdrawable": money(summary.withdrawable),
        "assetPositions": [{"type": "oneWay", "position": _position(item)} for item in summary.positions],
        "time": time_ms,
    }


def _totals(totals: Totals) -> dict[str, str]:
    return {
        "accountValue": money(totals.account_value),
        "totalNtlPos": money(totals.total_ntl),
        "totalRawUsd": money(totals.raw_usd),
        "totalMarginUsed": money(totals.margin_used),
    }


def _position(item: PositionSummary) -> dict[str, Any]:
    return {
        "coin": item.listing.coin,
        "szi": number(item.listing.sz(item.lots)),
        "leverage": leverage(item.leverage, item.isolated_usd),
        "entryPx": wire(item.entry_px),
        "positionValue": money(item.ntl),
        "unrealizedPnl": money(item.unrealized_pnl),
        "returnOnEquity": wire(item.return_on_equity),
        "liquidationPx": None if item.liquidation_px is None else wire(item.liquidation_px),
        "marginUsed": money(item.margin_used),
        "maxLeverage": item.listing.max_leverage,
        "cumFunding": {
            "allTime": money(item.funding_all),
            "sinceOpen": money(item.funding_open),
            "sinceChange": money(item.funding_change),
        },
    }
