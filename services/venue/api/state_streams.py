"""Channels that show a state whole: sent when it may have changed, at most once a block or at a channel's pace."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from services.venue.api import account_info, dex_info, info, order_info
from services.venue.api import subscriptions as subs
from services.venue.api.candles import candle_data, newest
from services.venue.api.view import View

CANDLE_MS = 500
MARKS_MS = 1_000
"""How often a state follows the marks."""
ALL_CONTEXTS_MS = 13_600
_SEEN_DIFFERENTLY = object()
"""In place of a state's last look when not all subscribers were shown the same: its next one is sent to all."""


@dataclass(frozen=True, slots=True)
class State:
    """`build` makes the data, None when there is nothing to show."""

    build: Callable[[View, Any], Any]
    pace_ms: int | None = None
    """It may change without any fact about its user; None: it does not."""
    follows_facts: bool = True
    """A fact about its user makes it due at once, whatever the pace."""
    moves: Callable[[View, Any], bool] = lambda view, subscription: True
    """Whether it changes at its pace now."""


def _candle(view: View, subscription: subs.CandleSub) -> Any:
    length_ms = info.INTERVALS_MS[subscription.interval]
    coin = view.state.coins.get(subscription.coin)
    candle = newest(coin, length_ms) if coin else None
    return candle and candle_data(candle, subscription.coin, subscription.interval, length_ms)


def _active_asset_data(view: View, subscription: subs.ActiveAssetDataSub) -> Any:
    return account_info.active_asset_data(view, info.ActiveAssetData(subscription.user, subscription.coin))


def _clearinghouse(view: View, subscription: subs.ClearinghouseStateSub) -> Any:
    state = account_info.clearinghouse(view, view.met(subscription.user), subscription.dex)
    return {"dex": subscription.dex, "user": subscription.user, "clearinghouseState": state}


def _clearinghouses(view: View, subscription: subs.AllDexsClearinghouseStateSub) -> Any:
    return account_info.all_clearinghouses(view, subscription.user)


def _holds_any(view: View, subscription: subs.UserSubscription) -> bool:
    """Marks mean nothing to an account without positions."""
    return any(pool.positions for pool in view.account(subscription.user).pools.values())


def _open_orders(view: View, subscription: subs.OpenOrdersSub) -> Any:
    orders = order_info.frontend_orders(view.met(subscription.user), subscription.dex)
    return {"dex": subscription.dex, "user": subscription.user, "orders": orders}


def _spot(view: View, subscription: subs.SpotStateSub) -> Any:
    return {"user": subscription.user, "spotState": account_info.spot(view.met(subscription.user))}


STATES: dict[type[subs.Subscription], State] = {
    subs.CandleSub: State(_candle, CANDLE_MS),
    subs.AllDexsAssetCtxsSub: State(lambda view, subscription: dex_info.all_contexts(view), ALL_CONTEXTS_MS),
    subs.OpenOrdersSub: State(_open_orders),
    subs.ClearinghouseStateSub: State(_clearinghouse, MARKS_MS, moves=_holds_any),
    subs.AllDexsClearinghouseStateSub: State(_clearinghouses, MARKS_MS, moves=_holds_any),
    subs.SpotStateSub: State(_spot),
    subs.ActiveAssetDataSub: State(_active_asset_data, MARKS_MS),
    subs.TwapStatesSub: State(
        lambda view, subscription: {"dex": subscription.dex, "user": subscription.user, "states": []}
    ),
    subs.WebData2Sub: State(
        lambda view, subscription: account_info.web_data(view, info.WebData2(subscription.user)),
        MARKS_MS,
        follows_facts=False,
    ),
}


class Paces:
    """When each state that somebody watches was sent last, and how it looked."""

    def __init__(self) -> None:
        self._sent: dict[subs.AnySubscription, tuple[int, Any]] = {}

    def watch(self, view: View, subscription: subs.AnySubscription) -> Iterator[Any]:
        """Data of the first frame of a new subscriber; the state is followed from now on."""
        state = STATES.get(type(subscription))
        if state is not None:
            data = state.build(view, subscription)
            if subscription in self._sent:
                self._sent[subscription] = self._sent[subscription][0], _SEEN_DIFFERENTLY
            else:
                self._sent[subscription] = view.now_ms, data
            if data is not None:
                yield data

    def forget(self, subscription: subs.AnySubscription) -> None:
        self._sent.pop(subscription, None)

    def due(self, view: View, touched: Callable[[str], bool]) -> list[tuple[subs.AnySubscription, Any]]:
        """States to send now; `touched` says whether there were facts about a user."""
        found = []
        for subscription, (sent_ms, last) in self._sent.items():
            state = STATES[type(subscription)]
            late = state.pace_ms is not None and view.now_ms - sent_ms >= state.pace_ms
            if not (late and state.moves(view, subscription)) and not (
                state.follows_facts and touched(subscription.key)
            ):
                continue
            data = state.build(view, subscription)
            if data is not None and data != last:
                found.append((subscription, data))
            self._sent[subscription] = view.now_ms, data
        return found
