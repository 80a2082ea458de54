"""Venue structs as the JSON the venue sends.

Prices, sizes and rates are strings with at least one decimal; times and counts are numbers.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, Ctx, L2Book, WireLevel, WireTrade
from shared.units import wire

ENCODER = msgspec.json.Encoder()
NOBODY = "0x" + "0" * 40
number = lru_cache(maxsize=16_384)(wire)


def level(item: WireLevel) -> dict[str, Any]:
    return {"px": number(item.px), "sz": number(item.sz), "n": item.n}


def book(event: L2Book) -> dict[str, Any]:
    """Data of `l2Book`; the key `fast` is there only when true."""
    data: dict[str, Any] = {
        "coin": event.coin,
        "time": event.time,
        "levels": [[level(item) for item in side] for side in event.levels],
    }
    return data | {"fast": True} if event.fast else data


def bbo(event: Bbo) -> dict[str, Any]:
    return {
        "coin": event.coin,
        "time": event.time,
        "bbo": [level(item) if item is not None else None for item in event.bbo],
    }


def trade(item: WireTrade) -> dict[str, Any]:
    """`users` is [buyer, seller]; recordings do not know them."""
    return {
        "coin": item.coin,
        "side": item.side,
        "px": number(item.px),
        "sz": number(item.sz),
        "time": item.time,
        "hash": item.hash,
        "tid": item.tid,
        "users": list(item.users or (NOBODY, NOBODY)),
    }


def context(item: Ctx) -> dict[str, Any]:
    return {
        "funding": wire(item.funding),
        "openInterest": wire(item.openInterest),
        "prevDayPx": number(item.prevDayPx),
        "dayNtlVlm": wire(item.dayNtlVlm),
        "premium": _optional(item.premium),
        "oraclePx": number(item.oraclePx),
        "markPx": number(item.markPx),
        "midPx": _optional(item.midPx),
        "impactPxs": [number(px) for px in item.impactPxs] if item.impactPxs else None,
        "dayBaseVlm": wire(item.dayBaseVlm),
    }


def trades(items: Iterable[WireTrade]) -> list[dict[str, Any]]:
    return [trade(item) for item in items]


def payload(event: Bbo | tuple[WireTrade, ...] | ActiveAssetCtx) -> Any:
    """Data of an event that is no book."""
    if isinstance(event, Bbo):
        return bbo(event)
    if isinstance(event, tuple):
        return trades(event)
    return {"coin": event.coin, "ctx": context(event.ctx)}


def frame(channel: str, data: Any) -> bytes:
    return ENCODER.encode({"channel": channel, "data": data})


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else wire(value)
