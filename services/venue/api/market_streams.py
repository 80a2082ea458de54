"""What a subscriber of a market sees first: its present state."""

from collections.abc import Iterator
from typing import Any

from services.venue.api import frames
from services.venue.api import subscriptions as subs
from services.venue.api.aggregate import book_data
from services.venue.api.market_info import mids as mids_of
from services.venue.api.state import MarketState
from services.venue.market.feed import top


def snapshot(state: MarketState, subscription: subs.AnySubscription) -> Iterator[Any]:
    """Data of the first frame; none while a market has not shown anything."""
    if isinstance(subscription, subs.AllMidsSub):
        yield mids(state, subscription)
    elif isinstance(subscription, subs.CoinSubscription) and subscription.coin in state.coins:
        coin = state.coins[subscription.coin]
        if isinstance(subscription, subs.L2BookSub):
            if coin.book is not None:
                book = top(coin.book) if subscription.fast else coin.book
                yield book_data(book, subscription.n_sig_figs, subscription.mantissa)
        elif isinstance(subscription, subs.BboSub):
            if coin.bbo is not None:
                yield frames.bbo(coin.bbo)
        elif isinstance(subscription, subs.TradesSub):
            if coin.trades:
                yield frames.trades(coin.trades)
        elif isinstance(subscription, subs.AssetCtxSub) and coin.ctx is not None:
            yield {"coin": subscription.coin, "ctx": frames.context(coin.ctx)}


def mids(state: MarketState, subscription: subs.AllMidsSub) -> dict[str, Any]:
    """Of the first dex, or of the one that was named, which is then named too."""
    shown = {"mids": mids_of(state, subscription.dex or "")}
    return shown if subscription.dex is None else shown | {"dex": subscription.dex}
