"""Answers about markets: books, prices, candles, funding."""

from decimal import Decimal
from typing import Any

from services.venue.api import frames, info
from services.venue.api.aggregate import book_data
from services.venue.api.candles import candle_data, joined
from services.venue.api.state import HOUR_MS, MarketState
from services.venue.api.view import View
from shared.units import wire

FUNDINGS_SHOWN = 500


def mids(state: MarketState, dex: str = "") -> dict[str, str]:
    """Keys of builder-deployed coins carry the dex's name."""
    return {name: wire(mid) for name, mid in state.mids(dex)}


def all_mids(view: View, request: info.AllMids) -> Any:
    return mids(view.state, request.dex or "")


def l2_book(view: View, request: info.L2BookOf) -> Any:
    """As it stands now, whatever subscribers have been sent."""
    book = view.state.full_book(request.coin)
    return None if book is None else book_data(book, request.n_sig_figs, request.mantissa)


def recent_trades(view: View, request: info.RecentTrades) -> Any:
    coin = view.state.coins.get(request.coin)
    return None if coin is None else frames.trades(reversed(coin.trades))


def candle_snapshot(view: View, request: info.CandleSnapshot) -> Any:
    """Prices of trades, flat at the mid where none happened."""
    req = request.req
    coin = view.state.coins.get(req.coin)
    length_ms = info.INTERVALS_MS[req.interval]
    end_ms = view.now_ms if req.end_time is None else req.end_time
    return [
        candle_data(candle, req.coin, req.interval, length_ms)
        for candle in joined(coin.candles if coin else (), length_ms)
        if req.start_time < candle.start_ms + length_ms and candle.start_ms <= end_ms
    ]


def funding_history(view: View, request: info.FundingHistory) -> Any:
    """Oldest first, so that the next page starts at the last time."""
    coin = view.state.coins.get(request.coin)
    end_ms = view.now_ms if request.end_time is None else request.end_time
    hours = [
        {
            "coin": request.coin,
            "fundingRate": wire(ctx.funding),
            "premium": wire(ctx.premium or Decimal(0)),
            "time": hour_ms,
        }
        for hour_ms, ctx in (coin.fundings if coin else ())
        if request.start_time <= hour_ms <= end_ms
    ]
    return hours[:FUNDINGS_SHOWN]


def predicted_fundings(view: View, request: info.PredictedFundings) -> Any:
    next_ms = view.now_ms - view.now_ms % HOUR_MS + HOUR_MS
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
        for name, coin in view.state.of_dex("")
        if coin.ctx is not None
    ]


def exchange_status(view: View, request: info.ExchangeStatus) -> Any:
    return {"time": view.now_ms, "specialStatuses": None}
