"""POST /info: what may be asked, as structs. `answers` has the answers.

A body that is not one of these structs is refused with 422 as the venue does. Unknown fields are ignored.
"""

from typing import Annotated, Literal

import msgspec

from services.venue.api.aggregate import valid
from services.venue.api.state import HOUR_MS, MINUTE_MS
from services.venue.exchange.requests import Malformed
from shared.hyperliquid.actions import Address, Cloid

INTERVALS_MS = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS,
    "1d": 24 * HOUR_MS, "3d": 72 * HOUR_MS, "1w": 168 * HOUR_MS, "1M": 720 * HOUR_MS,
}  # fmt: skip
Interval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"]
Oid = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Request(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """Base of all requests."""


class DexRequest(Request, frozen=True):
    """About one perp dex; "" is the first."""

    dex: str | None = ""


class UserRequest(Request, frozen=True):
    """About one address."""

    user: Address


class UserDexRequest(UserRequest, frozen=True):
    dex: str | None = ""


class UserRangeRequest(UserRequest, frozen=True):
    """About a stretch of time, both ends included; an end of None is now."""

    start_time: int = 0
    end_time: int | None = None


# ---- markets -------------------------------------------------------------------------------------------------


class Meta(DexRequest, frozen=True, tag="meta"):
    pass


class MetaAndAssetCtxs(DexRequest, frozen=True, tag="metaAndAssetCtxs"):
    pass


class AllPerpMetas(Request, frozen=True, tag="allPerpMetas"):
    pass


class AllMids(DexRequest, frozen=True, tag="allMids"):
    pass


class L2BookOf(Request, frozen=True, tag="l2Book"):
    coin: str
    n_sig_figs: int | None = None
    mantissa: int | None = None


class RecentTrades(Request, frozen=True, tag="recentTrades"):
    coin: str


class CandleRange(msgspec.Struct, frozen=True, rename="camel"):
    coin: str
    interval: Interval
    start_time: int
    end_time: int | None = None


class CandleSnapshot(Request, frozen=True, tag="candleSnapshot"):
    req: CandleRange


class FundingHistory(Request, frozen=True, tag="fundingHistory"):
    coin: str
    start_time: int
    end_time: int | None = None


class PredictedFundings(Request, frozen=True, tag="predictedFundings"):
    pass


class SpotMeta(Request, frozen=True, tag="spotMeta"):
    pass


class SpotMetaAndAssetCtxs(Request, frozen=True, tag="spotMetaAndAssetCtxs"):
    pass


class PerpDexs(Request, frozen=True, tag="perpDexs"):
    pass


class PerpDexLimits(Request, frozen=True, tag="perpDexLimits"):
    """Builder-deployed dexs only."""

    dex: Annotated[str, msgspec.Meta(min_length=1)]


class PerpDexStatus(DexRequest, frozen=True, tag="perpDexStatus"):
    pass


class PerpsAtOpenInterestCap(DexRequest, frozen=True, tag="perpsAtOpenInterestCap"):
    pass


class ExchangeStatus(Request, frozen=True, tag="exchangeStatus"):
    pass


class MaxMarketOrderNtls(Request, frozen=True, tag="maxMarketOrderNtls"):
    pass


class MarginTable(Request, frozen=True, tag="marginTable"):
    id: int


# ---- accounts: what they have --------------------------------------------------------------------------------


class ClearinghouseState(UserDexRequest, frozen=True, tag="clearinghouseState"):
    pass


class SpotClearinghouseState(UserRequest, frozen=True, tag="spotClearinghouseState"):
    pass


class ActiveAssetData(UserRequest, frozen=True, tag="activeAssetData"):
    coin: str


class WebData2(UserRequest, frozen=True, tag="webData2"):
    pass


class Portfolio(UserRequest, frozen=True, tag="portfolio"):
    pass


class SubAccounts(UserRequest, frozen=True, tag="subAccounts"):
    pass


# ---- accounts: what they did ---------------------------------------------------------------------------------


class OpenOrders(UserDexRequest, frozen=True, tag="openOrders"):
    pass


class FrontendOpenOrders(UserDexRequest, frozen=True, tag="frontendOpenOrders"):
    pass


class OrderStatus(UserRequest, frozen=True, tag="orderStatus"):
    oid: Oid | Cloid


class HistoricalOrders(UserRequest, frozen=True, tag="historicalOrders"):
    pass


class UserFills(UserRequest, frozen=True, tag="userFills"):
    aggregate_by_time: bool | None = False


class UserFillsByTime(UserRequest, frozen=True, tag="userFillsByTime"):
    start_time: int
    end_time: int | None = None
    aggregate_by_time: bool | None = False


class UserFunding(UserRangeRequest, frozen=True, tag="userFunding"):
    pass


class UserNonFundingLedgerUpdates(UserRangeRequest, frozen=True, tag="userNonFundingLedgerUpdates"):
    pass


class UserTwapSliceFills(UserRequest, frozen=True, tag="userTwapSliceFills"):
    pass


class UserTwapSliceFillsByTime(UserRangeRequest, frozen=True, tag="userTwapSliceFillsByTime"):
    pass


class TwapHistory(UserRequest, frozen=True, tag="twapHistory"):
    pass


# ---- accounts: who they are and what they may ----------------------------------------------------------------


class UserRateLimit(UserRequest, frozen=True, tag="userRateLimit"):
    pass


class UserFees(UserRequest, frozen=True, tag="userFees"):
    pass


class UserRole(UserRequest, frozen=True, tag="userRole"):
    pass


class ExtraAgents(UserRequest, frozen=True, tag="extraAgents"):
    pass


class Referral(UserRequest, frozen=True, tag="referral"):
    pass


class MaxBuilderFee(UserRequest, frozen=True, tag="maxBuilderFee"):
    builder: Address


class ApprovedBuilders(UserRequest, frozen=True, tag="approvedBuilders"):
    pass


class UserAbstraction(UserRequest, frozen=True, tag="userAbstraction"):
    pass


class UserDexAbstraction(UserRequest, frozen=True, tag="userDexAbstraction"):
    pass


class UserToMultiSigSigners(UserRequest, frozen=True, tag="userToMultiSigSigners"):
    pass


class UserVaultEquities(UserRequest, frozen=True, tag="userVaultEquities"):
    pass


class Delegations(UserRequest, frozen=True, tag="delegations"):
    pass


class DelegatorSummary(UserRequest, frozen=True, tag="delegatorSummary"):
    pass


class DelegatorHistory(UserRequest, frozen=True, tag="delegatorHistory"):
    pass


class DelegatorRewards(UserRequest, frozen=True, tag="delegatorRewards"):
    pass


class LegalCheck(UserRequest, frozen=True, tag="legalCheck"):
    pass


class PreTransferCheck(UserRequest, frozen=True, tag="preTransferCheck"):
    source: Address


AnyRequest = (
    Meta | MetaAndAssetCtxs | AllPerpMetas | AllMids | L2BookOf | RecentTrades | CandleSnapshot | FundingHistory
    | PredictedFundings | SpotMeta | SpotMetaAndAssetCtxs | PerpDexs | PerpDexLimits | PerpDexStatus
    | PerpsAtOpenInterestCap | ExchangeStatus | MaxMarketOrderNtls | MarginTable
    | ClearinghouseState | SpotClearinghouseState | ActiveAssetData | WebData2 | Portfolio | SubAccounts
    | OpenOrders | FrontendOpenOrders | OrderStatus | HistoricalOrders | UserFills | UserFillsByTime | UserFunding
    | UserNonFundingLedgerUpdates | UserTwapSliceFills | UserTwapSliceFillsByTime | TwapHistory
    | UserRateLimit | UserFees | UserRole | ExtraAgents | Referral | MaxBuilderFee | ApprovedBuilders
    | UserAbstraction | UserDexAbstraction | UserToMultiSigSigners | UserVaultEquities | Delegations
    | DelegatorSummary | DelegatorHistory | DelegatorRewards | LegalCheck | PreTransferCheck
)  # fmt: skip
DECODER: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)


def decode(body: bytes) -> AnyRequest:
    """The request in a body.

    Raises:
        Malformed: not JSON, an unknown type, or a field missing or wrong.
    """
    try:
        request: AnyRequest = DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed from error
    if isinstance(request, L2BookOf) and not valid(request.n_sig_figs, request.mantissa):
        raise Malformed
    return request
