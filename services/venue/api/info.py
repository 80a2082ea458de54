"""POST /info: the request types of the market-data half as structs, and their answers.

A body that is not one of these structs is refused with 422 as the venue does. An address that nobody knows has
an empty account.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from services.venue.api import frames
from services.venue.api.aggregate import book_data, valid
from services.venue.api.state import HOUR_MS, MINUTE_MS, Candle, MarketState
from shared.units import wire

MALFORMED = "Failed to deserialize the JSON body into the target type"
Address = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{40}$")]
INTERVALS_MS = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS,
    "1d": 24 * HOUR_MS, "3d": 72 * HOUR_MS, "1w": 168 * HOUR_MS, "1M": 720 * HOUR_MS,
}  # fmt: skip
Interval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"]


class Request(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of all requests; unknown fields are ignored, as the venue does."""


class Meta(Request, frozen=True, tag="meta"):
    dex: str = ""


class MetaAndAssetCtxs(Request, frozen=True, tag="metaAndAssetCtxs"):
    dex: str = ""


class AllPerpMetas(Request, frozen=True, tag="allPerpMetas"):
    pass


class AllMids(Request, frozen=True, tag="allMids"):
    dex: str = ""


class L2BookOf(Request, frozen=True, tag="l2Book"):
    coin: str
    nSigFigs: int | None = None  # noqa: N815
    mantissa: int | None = None


class RecentTrades(Request, frozen=True, tag="recentTrades"):
    coin: str


class CandleRange(msgspec.Struct, frozen=True):
    coin: str
    interval: Interval
    startTime: int  # noqa: N815
    endTime: int | None = None  # noqa: N815


class CandleSnapshot(Request, frozen=True, tag="candleSnapshot"):
    req: CandleRange


class FundingHistory(Request, frozen=True, tag="fundingHistory"):
    coin: str
    startTime: int  # noqa: N815
    endTime: int | None = None  # noqa: N815


class PredictedFundings(Request, frozen=True, tag="predictedFundings"):
    pass


class SpotMeta(Request, frozen=True, tag="spotMeta"):
    pass


class PerpDexs(Request, frozen=True, tag="perpDexs"):
    pass


class PerpsAtOpenInterestCap(Request, frozen=True, tag="perpsAtOpenInterestCap"):
    dex: str = ""


class ExchangeStatus(Request, frozen=True, tag="exchangeStatus"):
    pass


class MaxMarketOrderNtls(Request, frozen=True, tag="maxMarketOrderNtls"):
    pass


class MarginTable(Request, frozen=True, tag="marginTable"):
    id: int


class UserFees(Request, frozen=True, tag="userFees"):
    user: Address


class UserRole(Request, frozen=True, tag="userRole"):
    user: Address


class ClearinghouseState(Request, frozen=True, tag="clearinghouseState"):
    user: Address
    dex: str = ""


class SpotClearinghouseState(Request, frozen=True, tag="spotClearinghouseState"):
    user: Address


class OpenOrders(Request, frozen=True, tag="openOrders"):
    user: Address
    dex: str = ""


AnyRequest = (
    Meta | MetaAndAssetCtxs | AllPerpMetas | AllMids | L2BookOf | RecentTrades | CandleSnapshot | FundingHistory
    | PredictedFundings | SpotMeta | PerpDexs | PerpsAtOpenInterestCap | ExchangeStatus | MaxMarketOrderNtls
    | MarginTable | UserFees | UserRole | ClearinghouseState | SpotClearinghouseState | OpenOrders
)  # fmt: skip
DECODER: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)


class Malformed(Exception):
    """The body is no request; its text is the venue's answer with status 422."""


def decode(body: bytes) -> AnyRequest:
    """The request in a body.

    Raises:
        Malformed: not JSON, an unknown type, or a field missing or wrong.
    """
    try:
        request: AnyRequest = DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(MALFORMED) from error
    if isinstance(request, L2BookOf) and not valid(request.nSigFigs, request.mantissa):
        raise Malformed(MALFORMED)
    return request


# ---- answers -------------------------------------------------------------------------------------------------


def answer(state: MarketState, now_ms: int, request: AnyRequest) -> Any:
    """The JSON value the venue answers with."""
    return ANSWERS[type(request)](state, now_ms, request)


def _meta(state: MarketState, now_ms: int, request: Meta) -> Any:
    return None if request.dex else meta(state)


def meta(state: MarketState) -> dict[str, Any]:
    """`marginTableId` under 50 stands for one tier with that leverage, so no tables are needed."""
    universe = [
        {
            "name": coin.meta.coin,
            "szDecimals": coin.meta.sz_decimals,
            "maxLeverage": coin.meta.max_leverage,
            "marginTableId": coin.meta.max_leverage,
        }
        for coin in state.coins.values()
    ]
    return {"universe": universe, "marginTables": [], "collateralToken": 0}


def _meta_and_contexts(state: MarketState, now_ms: int, request: MetaAndAssetCtxs) -> Any:
    if request.dex:
        return None
    return [meta(state), [frames.context(coin.ctx) if coin.ctx else _NO_CONTEXT for coin in state.coins.values()]]


_NO_CONTEXT = {
    "funding": "0.0", "openInterest": "0.0", "prevDayPx": "0.0", "dayNtlVlm": "0.0", "premium": None,
    "oraclePx": "0.0", "markPx": "0.0", "midPx": None, "impactPxs": None, "dayBaseVlm": "0.0",
}  # fmt: skip


def mids(state: MarketState) -> dict[str, str]:
    return {name: wire(mid) for name, mid in state.mids()}


def _mids(state: MarketState, now_ms: int, request: AllMids) -> Any:
    return {} if request.dex else mids(state)


def _l2_book(state: MarketState, now_ms: int, request: L2BookOf) -> Any:
    coin = state.coins.get(request.coin)
    if coin is None or coin.book is None:
        return None
    return book_data(coin.book, request.nSigFigs, request.mantissa)


def _recent_trades(state: MarketState, now_ms: int, request: RecentTrades) -> Any:
    coin = state.coins.get(request.coin)
    return None if coin is None else frames.trades(reversed(coin.trades))


def _candles(state: MarketState, now_ms: int, request: CandleSnapshot) -> Any:
    """Minutes joined to the interval asked for; prices of trades, flat at the mid where none happened."""
    req = request.req
    coin = state.coins.get(req.coin)
    if coin is None:
        return []
    length_ms = INTERVALS_MS[req.interval]
    joined: dict[int, Candle] = {}
    for minute in coin.candles:
        start_ms = minute.start_ms - minute.start_ms % length_ms
        if start_ms + length_ms <= req.startTime or (req.endTime is not None and start_ms > req.endTime):
            continue
        candle = joined.get(start_ms)
        if candle is None:
            joined[start_ms] = Candle(
                start_ms, minute.open, minute.high, minute.low, minute.close, minute.volume, minute.n
            )
        else:
            candle.high, candle.low = max(candle.high, minute.high), min(candle.low, minute.low)
            candle.close = minute.close
            candle.volume += minute.volume
            candle.n += minute.n
    return [
        {
            "t": candle.start_ms,
            "T": candle.start_ms + length_ms - 1,
            "s": req.coin,
            "i": req.interval,
            "o": wire(candle.open),
            "c": wire(candle.close),
            "h": wire(candle.high),
            "l": wire(candle.low),
            "v": wire(candle.volume),
            "n": candle.n,
        }
        for candle in joined.values()
    ]


def _funding_history(state: MarketState, now_ms: int, request: FundingHistory) -> Any:
    coin = state.coins.get(request.coin)
    end_ms = request.endTime if request.endTime is not None else now_ms
    return [
        {
            "coin": request.coin,
            "fundingRate": wire(ctx.funding),
            "premium": wire(ctx.premium or Decimal(0)),
            "time": hour_ms,
        }
        for hour_ms, ctx in (coin.fundings if coin else ())
        if request.startTime <= hour_ms <= end_ms
    ]


def _predicted_fundings(state: MarketState, now_ms: int, request: PredictedFundings) -> Any:
    next_ms = now_ms - now_ms % HOUR_MS + HOUR_MS
    return [
        [
            name,
            [
                [
                    "HlPerp",
                    {"fundingRate": wire(coin.ctx.funding), "nextFundingTime": next_ms, "fundingIntervalHours": 1},
                ]
            ],
        ]
        for name, coin in state.coins.items()
        if coin.ctx is not None
    ]


def _margin_table(state: MarketState, now_ms: int, request: MarginTable) -> Any:
    if not 0 < request.id < 50:
        return None
    return {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": request.id}]}


_EMPTY_MARGIN = {"accountValue": "0.0", "totalNtlPos": "0.0", "totalRawUsd": "0.0", "totalMarginUsed": "0.0"}


def _clearinghouse(state: MarketState, now_ms: int, request: ClearinghouseState) -> Any:
    return {
        "marginSummary": _EMPTY_MARGIN,
        "crossMarginSummary": _EMPTY_MARGIN,
        "crossMaintenanceMarginUsed": "0.0",
        "withdrawable": "0.0",
        "assetPositions": [],
        "time": now_ms,
    }


def _user_fees(state: MarketState, now_ms: int, request: UserFees) -> Any:
    """The venue's schedule and its base tier: an address without volume pays 1.5 bps as maker, 4.5 as taker."""
    base = {"cross": "0.00045", "add": "0.00015", "spotCross": "0.0007", "spotAdd": "0.0004"}
    return {
        "dailyUserVlm": [],
        "feeSchedule": base
        | {
            "tiers": {
                "vip": [
                    {"ntlCutoff": cutoff, "cross": cross, "add": add, "spotCross": spot_cross, "spotAdd": spot_add}
                    for cutoff, cross, add, spot_cross, spot_add in FEE_TIERS
                ],
                "mm": [{"makerFractionCutoff": share, "add": add} for share, add in MAKER_REBATES],
            },
            "referralDiscount": "0.04",
            "stakingDiscountTiers": [
                {"bpsOfMaxSupply": bps, "discount": discount} for bps, discount in STAKING_DISCOUNTS
            ],
        },
        "userCrossRate": base["cross"],
        "userAddRate": base["add"],
        "userSpotCrossRate": base["spotCross"],
        "userSpotAddRate": base["spotAdd"],
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


FEE_TIERS = (
    ("5000000.0", "0.0004", "0.00012", "0.0006", "0.0003"),
    ("25000000.0", "0.00035", "0.00008", "0.0005", "0.0002"),
    ("100000000.0", "0.0003", "0.00004", "0.0004", "0.0001"),
    ("500000000.0", "0.00028", "0.0", "0.00035", "0.0"),
    ("2000000000.0", "0.00026", "0.0", "0.0003", "0.0"),
    ("7000000000.0", "0.00024", "0.0", "0.00025", "0.0"),
)
MAKER_REBATES = (("0.005", "-0.00001"), ("0.015", "-0.00002"), ("0.03", "-0.00003"))
STAKING_DISCOUNTS = (
    ("0.0", "0.0"), ("0.0001", "0.05"), ("0.001", "0.1"), ("0.01", "0.15"), ("0.1", "0.2"), ("1.0", "0.3"),
    ("5.0", "0.4"),
)  # fmt: skip
MAX_MARKET_ORDERS = [[25, "30000000.0"], [20, "5000000.0"], [10, "2000000.0"], [1, "500000.0"]]

ANSWERS: dict[type[Request], Callable[[MarketState, int, Any], Any]] = {
    Meta: _meta,
    MetaAndAssetCtxs: _meta_and_contexts,
    AllPerpMetas: lambda state, now_ms, request: [meta(state)],
    AllMids: _mids,
    L2BookOf: _l2_book,
    RecentTrades: _recent_trades,
    CandleSnapshot: _candles,
    FundingHistory: _funding_history,
    PredictedFundings: _predicted_fundings,
    SpotMeta: lambda state, now_ms, request: {"universe": [], "tokens": []},
    PerpDexs: lambda state, now_ms, request: [None],
    PerpsAtOpenInterestCap: lambda state, now_ms, request: [],
    ExchangeStatus: lambda state, now_ms, request: {"time": now_ms, "specialStatuses": None},
    MaxMarketOrderNtls: lambda state, now_ms, request: MAX_MARKET_ORDERS,
    MarginTable: _margin_table,
    UserFees: _user_fees,
    UserRole: lambda state, now_ms, request: {"role": "missing"},
    ClearinghouseState: _clearinghouse,
    SpotClearinghouseState: lambda state, now_ms, request: {"balances": []},
    OpenOrders: lambda state, now_ms, request: [],
}
