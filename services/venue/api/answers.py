"""The answer to every info request: one table of functions (view, request) -> JSON value.

An address that nobody knows has an empty account. Families of answers have their own modules.
"""

from collections.abc import Callable
from typing import Any

from services.venue.api import (
    account_info,
    dex_info,
    history_info,
    info,
    market_info,
    order_info,
    user_info,
)
from services.venue.api.view import View

Answer = Callable[[View, Any], Any]


def answer(view: View, request: info.AnyRequest) -> Any:
    return ANSWERS[type(request)](view, request)


def _always(value: Any) -> Answer:
    return lambda view, request: value


ANSWERS: dict[type[info.Request], Answer] = {
    info.Meta: dex_info.meta,
    info.MetaAndAssetCtxs: dex_info.meta_and_contexts,
    info.AllPerpMetas: dex_info.all_metas,
    info.MarginTable: dex_info.margin_table,
    info.PerpDexs: dex_info.perp_dexs,
    info.PerpDexLimits: dex_info.dex_limits,
    info.PerpDexStatus: dex_info.dex_status,
    info.PerpsAtOpenInterestCap: dex_info.at_open_interest_cap,
    info.MaxMarketOrderNtls: _always(dex_info.MAX_MARKET_ORDER_NTLS),
    info.SpotMeta: _always(dex_info.SPOT_META),
    info.SpotMetaAndAssetCtxs: _always([dex_info.SPOT_META, []]),
    info.AllMids: market_info.all_mids,
    info.L2BookOf: market_info.l2_book,
    info.RecentTrades: market_info.recent_trades,
    info.CandleSnapshot: market_info.candle_snapshot,
    info.FundingHistory: market_info.funding_history,
    info.PredictedFundings: market_info.predicted_fundings,
    info.ExchangeStatus: market_info.exchange_status,
    info.ClearinghouseState: account_info.clearinghouse_state,
    info.SpotClearinghouseState: account_info.spot_state,
    info.ActiveAssetData: account_info.active_asset_data,
    info.WebData2: account_info.web_data,
    info.Portfolio: account_info.portfolio,
    info.SubAccounts: account_info.sub_accounts,
    info.OpenOrders: order_info.open_orders,
    info.FrontendOpenOrders: order_info.frontend_open_orders,
    info.OrderStatus: order_info.order_status,
    info.HistoricalOrders: order_info.historical_orders,
    info.UserFills: history_info.user_fills,
    info.UserFillsByTime: history_info.fills_by_time,
    info.UserFunding: history_info.user_funding,
    info.UserNonFundingLedgerUpdates: history_info.ledger_updates,
    info.UserTwapSliceFills: _always([]),
    info.UserTwapSliceFillsByTime: _always([]),
    info.TwapHistory: _always([]),
    info.UserRateLimit: user_info.rate_limit,
    info.UserFees: user_info.user_fees,
    info.UserRole: user_info.role,
    info.ExtraAgents: user_info.extra_agents,
    info.Referral: user_info.referral,
    info.MaxBuilderFee: user_info.max_builder_fee,
    info.ApprovedBuilders: user_info.approved_builders,
    info.UserAbstraction: user_info.abstraction,
    info.UserDexAbstraction: _always(None),
    info.UserToMultiSigSigners: _always(None),
    info.UserVaultEquities: _always([]),
    info.Delegations: _always([]),
    info.DelegatorSummary: _always(user_info.NO_STAKE),
    info.DelegatorHistory: _always([]),
    info.DelegatorRewards: _always([]),
    info.LegalCheck: _always(user_info.LEGAL),
    info.PreTransferCheck: user_info.pre_transfer_check,
}
