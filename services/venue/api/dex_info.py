"""Answers about what is listed: universes, margin tables, builder-deployed dexs and their limits."""

from decimal import Decimal
from typing import Any

from services.venue.api import frames, info
from services.venue.api.shapes import money
from services.venue.api.view import View
from services.venue.exchange.listing import Listing, PerpDex
from services.venue.exchange.open_interest import at_cap
from services.venue.exchange.world import World
from shared.units import wire

SINGLE_TIER_IDS = 50
"""A margin table id below this stands for one tier with that leverage, and has no table."""
NO_CONTEXT = {
    "funding": "0.0", "openInterest": "0.0", "prevDayPx": "0.0", "dayNtlVlm": "0.0", "premium": None,
    "oraclePx": "0.0", "markPx": "0.0", "midPx": None, "impactPxs": None, "dayBaseVlm": "0.0",
}  # fmt: skip
USDC = {
    "name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical": True, "evmContract": None, "fullName": None,
}  # fmt: skip
SPOT_META = {"universe": [], "tokens": [USDC]}
"""No spot market here, but the token that everything is paid in."""
MAX_MARKET_ORDER_NTLS = [[25, "30000000.0"], [20, "5000000.0"], [10, "2000000.0"], [1, "500000.0"]]


def meta(view: View, request: info.Meta) -> Any:
    dex = view.world.dex(request.dex or "")
    return None if dex is None else universe(view.world, dex)


def universe(world: World, dex: PerpDex) -> dict[str, Any]:
    listings = world.listings_of(dex.name)
    tables = {listing.margin_table_id: listing for listing in listings}
    return {
        "universe": [_entry(listing) for listing in listings],
        "marginTables": [
            [number, _table(tables[number])] for number in sorted(tables) if number >= SINGLE_TIER_IDS
        ],
        "collateralToken": USDC["index"],
    }


def _entry(listing: Listing) -> dict[str, Any]:
    """Keys that would be false are absent."""
    entry: dict[str, Any] = {
        "name": listing.coin,
        "szDecimals": listing.sz_decimals,
        "maxLeverage": listing.max_leverage,
        "marginTableId": listing.margin_table_id,
    }
    if listing.margin_mode != "normal":
        entry |= {"onlyIsolated": True, "marginMode": listing.margin_mode}
    if listing.growth_mode:
        entry["growthMode"] = "enabled"
    return entry


def _table(listing: Listing) -> dict[str, Any]:
    tiers = [
        {"lowerBound": money(tier.lower_bound_ntl), "maxLeverage": tier.max_leverage} for tier in listing.tiers
    ]
    return {"description": f"tiered {listing.max_leverage}x", "marginTiers": tiers}


def margin_table(view: View, request: info.MarginTable) -> Any:
    if 0 < request.id < SINGLE_TIER_IDS:
        return {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": request.id}]}
    listed = (item for item in view.world.listings.values() if item.margin_table_id == request.id)
    listing = next(listed, None)
    return None if listing is None else _table(listing)


def contexts(view: View, dex: PerpDex) -> list[dict[str, Any]]:
    """In the order of the universe."""
    coins = (view.state.coins.get(listing.coin) for listing in view.world.listings_of(dex.name))
    return [frames.context(coin.ctx) if coin and coin.ctx else NO_CONTEXT for coin in coins]


def meta_and_contexts(view: View, request: info.MetaAndAssetCtxs) -> Any:
    dex = view.world.dex(request.dex or "")
    return None if dex is None else [universe(view.world, dex), contexts(view, dex)]


def all_metas(view: View, request: info.AllPerpMetas) -> Any:
    return [universe(view.world, dex) for dex in view.world.dexs]


def all_contexts(view: View) -> dict[str, Any]:
    """Data of `allDexsAssetCtxs`."""
    return {"ctxs": [[dex.name, contexts(view, dex)] for dex in view.world.dexs]}


def perp_dexs(view: View, request: info.PerpDexs) -> Any:
    """The first dex is null: positions in this list are the indices that asset ids are made from."""
    return [_dex(view.world, dex) if dex.index else None for dex in view.world.dexs]


def _dex(world: World, dex: PerpDex) -> dict[str, Any]:
    listings = world.listings_of(dex.name)
    return {
        "name": dex.name,
        "fullName": dex.full_name,
        "deployer": dex.deployer,
        "oracleUpdater": None,
        "feeRecipient": None,
        "assetToStreamingOiCap": _oi_caps(listings),
        "subDeployers": [],
        "deployerFeeScale": wire(dex.fee_scale),
        "lastDeployerFeeScaleChangeTime": "1970-01-01T00:00:00",
        "assetToFundingMultiplier": [[listing.coin, wire(listing.funding_multiplier)] for listing in listings],
        "assetToFundingInterestRate": [],
    }


def _oi_caps(listings: tuple[Listing, ...]) -> list[list[str]]:
    return [[listing.coin, money(listing.oi_cap_ntl)] for listing in listings if listing.oi_cap_ntl is not None]


def dex_limits(view: View, request: info.PerpDexLimits) -> Any:
    dex = view.world.dex(request.dex)
    if dex is None:
        return None
    return {
        "totalOiCap": _money(dex.oi_cap_ntl),
        "oiSzCapPerPerp": None if dex.oi_sz_cap is None else wire(Decimal(dex.oi_sz_cap)),
        "maxTransferNtl": _money(dex.max_transfer_ntl),
        "coinToOiCap": _oi_caps(view.world.listings_of(dex.name)),
    }


def _money(micro: int | None) -> str | None:
    return None if micro is None else money(micro)


def dex_status(view: View, request: info.PerpDexStatus) -> Any:
    dex = view.world.dex(request.dex or "")
    return None if dex is None else {"totalNetDeposit": money(view.portfolios.net_deposit(dex.name))}


def at_open_interest_cap(view: View, request: info.PerpsAtOpenInterestCap) -> Any:
    return capped_coins(view.world, request.dex or "")


def capped_coins(world: World, dex: str) -> list[str]:
    """Coins on which no position may grow."""
    return [listing.coin for listing in world.listings_of(dex) if at_cap(world, listing)]
