"""What a websocket client may send, as structs, and the venue's words for what it may not."""

from typing import Any, Literal

import msgspec

from services.venue.api.aggregate import valid
from services.venue.api.info import Interval
from services.venue.exchange.world import World
from shared.hyperliquid.actions import Address


class Subscription(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """Base; equal subscriptions are one, so the struct itself is the key of the fan-out."""

    @property
    def key(self) -> str:
        """The coin or the user it is about."""
        return ""

    @property
    def channel(self) -> str:
        """Of its frames."""
        return str(self.__struct_config__.tag)


# ---- markets -------------------------------------------------------------------------------------------------


class CoinSubscription(Subscription, frozen=True):
    coin: str

    @property
    def key(self) -> str:
        return self.coin


class L2BookSub(CoinSubscription, frozen=True, tag="l2Book"):
    n_sig_figs: int | None = None
    mantissa: int | None = None
    fast: bool = False


class BboSub(CoinSubscription, frozen=True, tag="bbo"):
    pass


class TradesSub(CoinSubscription, frozen=True, tag="trades"):
    pass


class AssetCtxSub(CoinSubscription, frozen=True, tag="activeAssetCtx"):
    pass


class CandleSub(CoinSubscription, frozen=True, tag="candle"):
    interval: Interval


class AllMidsSub(Subscription, frozen=True, tag="allMids"):
    dex: str | None = None


class AllDexsAssetCtxsSub(Subscription, frozen=True, tag="allDexsAssetCtxs"):
    pass


# ---- accounts ------------------------------------------------------------------------------------------------


class UserSubscription(Subscription, frozen=True):
    """About one address, in lower case here."""

    user: Address

    @property
    def key(self) -> str:
        return self.user


class UserFillsSub(UserSubscription, frozen=True, tag="userFills"):
    aggregate_by_time: bool = False


class UserEventsSub(UserSubscription, frozen=True, tag="userEvents"):
    @property
    def channel(self) -> str:
        return "user"


class OrderUpdatesSub(UserSubscription, frozen=True, tag="orderUpdates"):
    pass


class UserFundingsSub(UserSubscription, frozen=True, tag="userFundings"):
    pass


class LedgerUpdatesSub(UserSubscription, frozen=True, tag="userNonFundingLedgerUpdates"):
    pass


class HistoricalOrdersSub(UserSubscription, frozen=True, tag="userHistoricalOrders"):
    pass


class TwapSliceFillsSub(UserSubscription, frozen=True, tag="userTwapSliceFills"):
    pass


class TwapHistorySub(UserSubscription, frozen=True, tag="userTwapHistory"):
    pass


class NotificationSub(UserSubscription, frozen=True, tag="notification"):
    pass


class ActiveAssetDataSub(UserSubscription, frozen=True, tag="activeAssetData"):
    coin: str


class ClearinghouseStateSub(UserSubscription, frozen=True, tag="clearinghouseState"):
    dex: str = ""


class AllDexsClearinghouseStateSub(UserSubscription, frozen=True, tag="allDexsClearinghouseState"):
    pass


class OpenOrdersSub(UserSubscription, frozen=True, tag="openOrders"):
    dex: str = ""


class TwapStatesSub(UserSubscription, frozen=True, tag="twapStates"):
    dex: str = ""


class SpotStateSub(UserSubscription, frozen=True, tag="spotState"):
    pass


class WebData2Sub(UserSubscription, frozen=True, tag="webData2"):
    pass


MarketSubscription = (
    L2BookSub | BboSub | TradesSub | AssetCtxSub | CandleSub | AllMidsSub | AllDexsAssetCtxsSub
)  # fmt: skip
AccountSubscription = (
    UserFillsSub | UserEventsSub | OrderUpdatesSub | UserFundingsSub | LedgerUpdatesSub | HistoricalOrdersSub
    | TwapSliceFillsSub | TwapHistorySub | NotificationSub | ActiveAssetDataSub | ClearinghouseStateSub
    | AllDexsClearinghouseStateSub | OpenOrdersSub | TwapStatesSub | SpotStateSub | WebData2Sub
)  # fmt: skip
AnySubscription = MarketSubscription | AccountSubscription


# ---- client frames -------------------------------------------------------------------------------------------


class ClientMessage(msgspec.Struct, frozen=True, tag_field="method"):
    """Base of all client frames."""


class Ping(ClientMessage, frozen=True, tag="ping"):
    pass


class Subscribe(ClientMessage, frozen=True, tag="subscribe"):
    subscription: msgspec.Raw


class Unsubscribe(ClientMessage, frozen=True, tag="unsubscribe"):
    subscription: msgspec.Raw


class PostRequest(msgspec.Struct, frozen=True):
    type: Literal["info", "action"]
    payload: msgspec.Raw


class Post(ClientMessage, frozen=True, tag="post"):
    id: int
    request: PostRequest


AnyMessage = Ping | Subscribe | Unsubscribe | Post
_MESSAGES: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)
_SUBSCRIPTIONS: msgspec.json.Decoder[AnySubscription] = msgspec.json.Decoder(AnySubscription)


class Refused(Exception):
    """Text of the error frame that answers a client frame."""


class UnknownCoin(Refused):
    """Reports differ on what the venue does: an error frame, or the socket dropped without a word."""


def parse_message(raw: str | bytes) -> AnyMessage:
    """The request in a client frame.

    Raises:
        Refused: not a websocket request.
    """
    try:
        return _MESSAGES.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        text = raw if isinstance(raw, str) else raw.decode(errors="replace")
        raise Refused(f"Error parsing JSON into valid websocket request: {text}") from error


def parse_subscription(raw: bytes | msgspec.Raw, world: World) -> AnySubscription:
    """The subscription inside a request.

    Raises:
        Refused: unknown type, a field missing or wrong, a dex that there is not.
        UnknownCoin: the coin is not listed.
    """
    text = bytes(raw).decode(errors="replace")
    try:
        subscription = _SUBSCRIPTIONS.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(f"Invalid subscription {text}") from error
    if isinstance(subscription, L2BookSub) and not valid(subscription.n_sig_figs, subscription.mantissa):
        raise Refused(f"Invalid subscription {text}")
    if (
        isinstance(subscription, (CoinSubscription, ActiveAssetDataSub))
        and subscription.coin not in world.listings
    ):
        raise UnknownCoin(f"Invalid subscription {text}")
    dex = getattr(subscription, "dex", None)
    if dex is not None and world.dex(dex) is None:
        raise Refused(f"Invalid subscription {text}")
    if isinstance(subscription, UserSubscription):
        return msgspec.structs.replace(subscription, user=subscription.user.lower())
    return subscription


def echo(subscription: AnySubscription) -> dict[str, Any]:
    """The subscription as the venue repeats it, optional fields with their defaults (`dex` only when given)."""
    fields: dict[str, Any] = msgspec.to_builtins(subscription)
    if isinstance(subscription, AllMidsSub) and subscription.dex is None:
        del fields["dex"]
    return fields
